"""What the pages say in tables and lists, taken from the code: Markdown out, nothing of Sphinx in."""

from __future__ import annotations

import copy
import json
import pkgutil
import re
from collections import Counter
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.apis.settings import ConnectionFields
from airflow_provider_orders.cli.commands import COMMANDS
from airflow_provider_orders.connections import FORMS
from airflow_provider_orders.errors import OrdersError, UnexpectedPayloadError
from airflow_provider_orders.http.sync import SyncClient
from airflow_provider_orders.models.order import Order
from airflow_provider_orders.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.cli.commands import Option
    from airflow_provider_orders.models.base import VendorOrder

__all__ = [
    "api_class",
    "capabilities",
    "commands",
    "connection",
    "errors_tree",
    "fields",
    "filters",
    "mapping",
    "public_classes",
    "reference",
    "statuses",
    "tested_versions",
    "vendors",
]

ROOT = Path(__file__).resolve().parents[2]
_SAMPLES = 30
_TRIES = 6
"""In how many orders a field is changed."""
_SUFFIXES = ("Hook", "Link", "Operator", "Policy", "Sensor", "Trigger")
_COMPUTED = frozenset({"content_hash", "timezone_assumed"})
"""Parts of an order that follow from many fields at once."""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _code(*words: object) -> str:
    return ", ".join(f"`{word}`" for word in words)


@cache
def api_class(conn_type: str) -> type[OrderApi[Any]]:
    """Give what a connection type's hook talks to."""
    module, _, name = FORMS[conn_type].hook_class_name.rpartition(".")
    found: type[OrderApi[Any]] = getattr(import_module(module), name).api_class
    return found


def vendors() -> str:
    """Every vendor, with its page."""
    rows = [
        (
            f"[{form.name}](vendors/{name}.md)" if (ROOT / f"docs/vendors/{name}.md").exists() else form.name,
            _code(name),
            _code(form.hook_class_name.rpartition(".")[2]),
        )
        for name, form in FORMS.items()
    ]
    return table(("vendor", "connection type", "hook"), rows)


def connection(conn_type: str) -> str:
    """The fields of a vendor's connection."""
    form = FORMS[conn_type]
    settings = api_class(conn_type).settings_model
    standard = [
        (_code(name), field.label, f"{field.placeholder.rstrip('.')}.")
        for name, field in (("host", form.host), ("login", form.login), ("password", form.password))
        if field is not None
    ]
    extras = []
    for extra in form.extra_fields():
        known = settings.model_fields.get(extra.name)
        needed = " (required)" if known is not None and known.is_required() else ""
        extras.append((f"extra {_code(extra.name)}", f"{extra.label}{needed}", extra.help))
    return table(("field", "label in the form", "what to put there"), [*standard, *extras])


def filters(conn_type: str) -> str:
    """Which of the shared filters a vendor has."""
    api = api_class(conn_type)
    shared = [name for name in OrderQuery.__dataclass_fields__ if name not in {"with_lines", "ambassador_id"}]
    own = [name for name in sorted(api.filters) if name not in shared]
    rows = [(_code(name), "yes" if name in api.filters else _without(name)) for name in shared]
    lines = [table(("filter", "can be asked for"), [*rows, *((_code(name), "yes") for name in own)])]
    if api.own_params:
        lines.append(f"`params` (`vendor_params` of operators) takes {_code(*sorted(api.own_params))}.")
    elif "params" in api.filters and api.own_params is None:
        lines.append(
            "`params` (`vendor_params` of operators) takes any name: the vendor's list is not fully documented."
        )
    return "\n\n".join(lines)


def _without(name: str) -> str:
    """Say what becomes of a filter that a vendor lacks."""
    refused = "asking for it is an error"
    if name in {"statuses", "params"}:
        return f"no, and {refused}"
    return f"no; exports read more for it, elsewhere {refused}"


def capabilities(conn_type: str) -> str:
    """What a vendor's listing can do, from which every plan of an export follows."""
    api = api_class(conn_type)
    can, form = api.capabilities, FORMS[conn_type]
    fineness = {"second": "to the second", "day": "by the day", "none": "no"}
    ends = (
        ""
        if can.update_filter.value == "none"
        else (", with an end" if can.update_filter_ends else ", by its start only")
    )
    rows = [
        ("filter by the last change", fineness[can.update_filter.value] + ends),
        ("filter by creation", fineness[can.created_filter.value]),
        ("sorted by", _code(*can.sort_keys) if can.sort_keys else "not documented"),
        ("read from the newest order back", "yes" if can.newest_first else "no"),
        ("says how many orders there are", "yes" if can.totals else "no"),
        ("shows deleted orders", "yes, marked" if can.shows_deleted else "no"),
        ("finds one order by", _code(*sorted(api.lookups))),
        (
            "order lines in lists",
            "one more request an order (`with_lines`)" if api.completes_rows else "as the vendor sends them",
        ),
        ("orders a page", f"{form.page_size}, at most {form.max_page_size}"),
        (
            "dates without a zone",
            f"in {api.order_model.ASSUMED_TIMEZONE}, unless `assumed_timezone` says otherwise",
        ),
    ]
    return table(("", f"{form.name}'s API"), rows)


def statuses(conn_type: str) -> str:
    """What each of a vendor's status words means, and what it does to a wait."""
    model = api_class(conn_type).order_model
    rows = []
    for name, axis in model.AXES.items():
        default = " (default)" if name == model.DEFAULT_AXIS else ""
        for word, meaning in axis.words.items():
            role = (
                "ends it well"
                if meaning in axis.wanted
                else "ends it badly"
                if meaning in axis.failed
                else "goes on"
            )
            rows.append((f"{_code(name)}{default}", _code(word), _code(meaning.value), role))
    return table(("axis", "vendor's word", "canonical", "a wait"), rows)


def fields(conn_type: str) -> str:
    """Where a canonical field comes from."""
    found, constants = mapping(conn_type), _constants(conn_type)
    sources: dict[str, list[str]] = {}
    for own, canonical in found.items():
        for name in canonical:
            sources.setdefault(name, []).append(own)
    rows = [
        (_code(name), _code(*sources[name]) if name in sources else constants.get(name, "-"))
        for name in _documented(Order)
        if name not in _COMPUTED | {"model_version", "source", "account"}
    ]
    unused = _shortened({own for own, canonical in found.items() if not canonical}, found)
    rest = 'Documented, and found with `output="raw"` and `"vendor"` alone: '
    written = table(("canonical field", "follows from the vendor's"), rows)
    return f"{written}\n\n{rest}{_code(*unused)}."


def _shortened(names: set[str], known: Iterable[str]) -> list[str]:
    """Name an object as a whole where all that is in it is among the names."""
    holds_more = {above for name in known if name not in names for above in _above(name)}
    return list(
        dict.fromkeys(
            next((above for above in _above(name) if above not in holds_more), name)
            for name in known
            if name in names
        )
    )


def _above(name: str) -> list[str]:
    """Name the objects that a field lies in, from the outermost."""
    return [name[: found.start()] for found in re.finditer(r"\[\]\.|\.", name)]


@cache
def mapping(conn_type: str) -> dict[str, tuple[str, ...]]:
    """Find which canonical fields each documented field of a vendor decides.

    Orders of the sandbox are mapped with each of their fields changed in turn: what differs follows from it. Places in
    lists are written ``[]``.
    """
    model = api_class(conn_type).order_model
    found: dict[str, set[str]] = {name: set() for name in _documented(model)}
    tries: Counter[tuple[str, bool]] = Counter()
    for payload in _orders(conn_type):
        before = _mapped(model, payload)
        for path in _leaves(payload):
            name, value = _name(path), _at(payload, path)
            tries[name, value is None] += 1
            if name not in found or tries[name, value is None] > _TRIES:
                continue
            for other in _others(value):
                changed = copy.deepcopy(payload)
                _put(changed, path, other)
                found[name] |= _difference(before, _mapped(model, changed))
    known = list(_documented(Order))
    return {name: tuple(sorted(found[name] & set(known), key=known.index)) for name in found}


@cache
def _orders(conn_type: str) -> list[dict[str, Any]]:
    """Fetch orders of the sandbox as an operator would, with their lines."""
    api = api_class(conn_type)
    with Sandbox(orders=_SAMPLES, step_s=float("inf")) as sandbox:
        stored = sandbox.connections[f"{conn_type}_default"]
        fields = {name: value for name, value in stored.items() if name != "conn_type"}
        settings = api.settings_model.from_connection(ConnectionFields(conn_id=conn_type, **fields))
        with SyncClient(api(settings)) as client:
            ids = [str(order[api.order_model.ID_FIELD]) for order in sandbox.payloads(conn_type)]
            return [json.loads(client.fetch_order(order_id, with_lines=True)) for order_id in ids]


def _constants(conn_type: str) -> dict[str, str]:
    """Find canonical fields that say the same of every order, although the vendor sends nothing for it."""
    model = api_class(conn_type).order_model
    mapped = [_mapped(model, payload) or {} for payload in _orders(conn_type)]
    return {
        name: f"always `{value[0]}`"
        for name, value in mapped[0].items()
        if value[0] not in {False, "unknown"} and all(order.get(name) == value for order in mapped)
    }


def _difference(before: dict[str, Any] | None, after: dict[str, Any] | None) -> set[str]:
    """Name what differs between two flat orders."""
    if before is None or after is None:
        return set()
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def errors_tree() -> str:
    """Every error, and what it stands for."""
    rows = []
    for kind in OrdersError.__subclasses__():
        summary = (kind.__doc__ or "").strip().splitlines()[0]
        rows.append((f"[{kind.__name__}](#{kind.__name__.lower()})", summary))
    return table(("error", "what happened"), rows)


def commands() -> str:
    """Every command, and its options."""
    parts = []
    for command in COMMANDS:
        rows = []
        for option in command.options:
            known = {"default": None, **option.settings}
            names = [name for name in option.flags if name.startswith("-")]
            shown = " ".join(filter(None, [", ".join(names), _value_of(option)]))
            told = str(known.get("help", "")) % known
            rows.append((f"`{shown}`", re.sub(r"--[a-z-]+", r"`\g<0>`", told)))
        example = f"For example `airflow-orders {command.name} {command.example}`"
        parts += [
            f"**`airflow-orders {command.name}`** - {command.summary}. {example}.",
            table(("option", ""), rows),
        ]
    return "\n\n".join(parts)


def _value_of(option: Option) -> str | None:
    """Say what an option is followed by, as ``--help`` does."""
    settings = option.settings
    if settings.get("choices"):
        return "|".join(map(str, settings["choices"]))
    if settings.get("action") == "store_true":
        return None
    return str(settings.get("metavar") or option.flags[-1].lstrip("-").replace("-", "_").upper())


def reference(room: str) -> str:
    """The public classes of a room of the package, each described by its docstring."""
    return "\n".join(["```{eval-rst}", *(f".. autoclass:: {name}\n" for name in public_classes(room)), "```"])


def public_classes(room: str) -> list[str]:
    """Name what users type of a room: its classes, but for bases."""
    package = import_module(f"airflow_provider_orders.{room}")
    names = []
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        module = import_module(found.name)
        for name in module.__all__:
            kind = getattr(module, name)
            own = isinstance(kind, type) and kind.__module__ == found.name
            if own and name.endswith(_SUFFIXES) and not name.startswith("Base"):
                names.append(f"{found.name}.{name}")
    return names


def tested_versions() -> str:
    """The Airflow that each lock is for."""
    rows = []
    for lock, what in (
        ("requirements.lock", "the newest, with every test"),
        ("requirements-airflow32.lock", "the unit tests, against the built wheel"),
        ("requirements-airflow31.lock", "every test"),
        ("requirements-lowest.lock", "every test, with the lowest version of each dependency"),
    ):
        text = (ROOT / lock).read_text(encoding="utf-8")
        versions = dict(re.findall(r"^(apache-airflow|pydantic|aiohttp|requests)==(\S+)", text, re.MULTILINE))
        rows.append(
            (
                versions["apache-airflow"],
                versions["pydantic"],
                versions["requests"],
                versions["aiohttp"],
                what,
            )
        )
    return table(("Airflow", "pydantic", "requests", "aiohttp", "tested with"), rows)


def _mapped(model: type[VendorOrder], payload: dict[str, Any]) -> dict[str, Any] | None:
    """Map an order and flatten the result; None where the changed order is refused."""
    try:
        order = model.read_order(json.dumps(payload).encode())
    except UnexpectedPayloadError:
        return None
    flat: dict[str, Any] = {}
    for path, value in _walk(order.model_dump(mode="json")):
        if value is not None:
            flat.setdefault(_name(path), []).append(value)
    return flat


def _walk(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    items: Iterable[tuple[str | int, Any]]
    if isinstance(value, dict) and value:
        items = value.items()
    elif isinstance(value, list) and value:
        items = enumerate(value)
    else:
        yield path, value
        return
    for key, item in items:
        yield from _walk(item, (*path, key))


def _leaves(payload: dict[str, Any]) -> list[tuple[str | int, ...]]:
    """Give every leaf of a payload; of a list, those of its first element."""
    return [path for path, _ in _walk(payload) if all(part == 0 for part in path if isinstance(part, int))]


def _name(path: Sequence[str | int]) -> str:
    return "".join("[]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _at(payload: Any, path: Sequence[str | int]) -> Any:
    for part in path:
        payload = payload[part]
    return payload


def _put(payload: Any, path: Sequence[str | int], value: Any) -> None:
    _at(payload, path[:-1])[path[-1]] = value


def _others(value: Any) -> list[Any]:
    """Give values of the same kind that differ, and nothing at all."""
    if isinstance(value, bool):
        return [None, not value]
    if isinstance(value, int | float):
        return [None, value + 7]
    if isinstance(value, str):
        return [None, "2025-02-03T04:05:06Z", f"{value}7"]
    return ["changed", 7, "2025-02-03T04:05:06Z"]


def _models_in(annotation: Any) -> list[tuple[type[BaseModel], str]]:
    """Give the models that an annotation holds, with ``[]`` for those in a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [(annotation, "")]
    if get_origin(annotation) is Literal:
        return []
    many = "[]" if get_origin(annotation) in {list, tuple} else ""
    return [(model, f"{many}{suffix}") for part in get_args(annotation) for model, suffix in _models_in(part)]


def _documented(model: type[BaseModel], prefix: str = "", depth: int = 4) -> Iterator[str]:
    """Name the fields of a model and of those in it, down to a depth that a reader can follow."""
    for name, info in model.model_fields.items():
        inner = _models_in(info.annotation) if depth > 1 else []
        if not inner:
            yield f"{prefix}{info.alias or name}"
        for part, suffix in inner:
            yield from _documented(part, f"{prefix}{info.alias or name}{suffix}.", depth - 1)
