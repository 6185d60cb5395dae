"""Whether the shape of a vendor's payload has changed since the last export: fields that are new, gone or of another type.

It looks at names and JSON types only, and is made to be silent in normal life:

* null and an empty list (PHP writes an empty object so) say nothing about a type; whole numbers
  and fractions are one type.
* A documented field may come at any time, with any of its documented types. Where the vendor documents no
  shape (``Json``, ``dict``) every type is right, and nothing is opened.
* Nothing is said about the fields of an object of which fewer than 20 orders were known: too few
  to know what is usual. So the first export reports nothing, and neither do the next ones of a small shop.
* ``new``: an undocumented field that was not known.
* ``vanished``: a field that was in all known orders (199 of 200 are enough), and now is in none of 20 or more.
  Orders count only if they have the object that the field belongs to, so a parent that vanished
  is reported alone.
* ``retyped``: a type that the field never had, unless the documentation names the old and the new one.

Keys can be data: ids, or names of people. So undocumented objects are not opened, and an undocumented key is
recorded only if it looks like a name. Beside the keys that are in most orders an object may have a few that
are not; if it has more of them, they are data. All the keys that are not recorded become one: ``metadata.*``.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec

from airflow_provider_orders.errors import UnexpectedPayloadError
from airflow_provider_orders.export.documented import (
    ANYTHING,
    JSON_TYPES,
    NOTHING,
    UNDOCUMENTED,
    Documented,
    documented_paths,
    join,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from airflow_provider_orders.models.base import VendorOrder

__all__ = ["ON_DRIFT", "Change", "Drift", "ShapeWatch", "refuse", "report"]

log = logging.getLogger(__name__)

ON_DRIFT: Final = ("log", "fail")

Change: TypeAlias = Literal["new", "vanished", "retyped"]

_VERSION = 1

# What is looked at: these rows first, then one in so many, and of large rows one in so many bytes.
_FIRST_ROWS = 50
_ROWS_APART = 40
_BYTES_APART = 48

# How many orders a statement needs, and how many of them may lack a field that is in "all".
_ENOUGH = 20
_ALL_BUT = 200

# Undocumented keys: how many orders show that one is in most of them, how many that are not one object
# may have before they count as data, and bounds for what is kept.
_SOME = 5
_LOOSE_KEYS = 8
_KEYS_OF_AN_OBJECT = 200
_UNDOCUMENTED_FIELDS = 100

# Beyond it counts are halved, so that a field that came late can become usual.
_MOST_ROWS = 10_000

# How many changes an error names.
_NAMED = 10

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,40}", re.ASCII)
_DIGITS = 3
_OTHER_KEYS = "*"

# Rows are valid for a model that reads numbers as Decimal; msgspec alone refuses 1e999.
_DECODER = msgspec.json.Decoder(float_hook=float)


@dataclass(frozen=True, slots=True)
class Drift:
    """One change of the payload's shape.

    :param path: the field, as in ``customer.email`` and ``lines[].price``; ``metadata.*`` are keys that are data.
    :param change: ``new``, ``vanished`` or ``retyped``.
    :param was: the JSON types it had, None where it is new.
    :param now: the JSON types it has, None where it has vanished.
    """

    path: str
    change: Change
    was: str | None
    now: str | None

    def __str__(self) -> str:
        if self.change == "new":
            return f"{self.path} is new ({self.now})"
        if self.change == "vanished":
            return f"{self.path} has vanished (was {self.was})"
        return f"{self.path} is retyped (was {self.was}, now {self.now})"

    def as_dict(self) -> dict[str, str | None]:
        """Give it as plain JSON."""
        return asdict(self)


class _Place:
    """Counts what was found at one place of the payload, once per row."""

    __slots__ = ("documented", "fields", "inside", "item", "last_inside", "last_row", "rows", "types")

    def __init__(self, documented: Documented) -> None:
        self.documented = documented
        self.fields: dict[str, _Place] = {}
        self.item: _Place | None = None
        self.types: set[str] = set()
        self.rows = self.inside = self.last_row = self.last_inside = 0

    def visit(self, value: Any, row: int) -> None:
        """Look at the value, and at what is in it."""
        if self.last_row != row:
            self.last_row = row
            self.rows += 1
        kind = type(value)
        if kind is dict:
            self.types.add("object")
            if value and self.documented.fields is not None:
                self._enter(row)
                for key, content in value.items():
                    (self.fields.get(key) or self._place(key)).visit(content, row)
        elif kind is list:
            if value:
                self.types.add("array")
                self._visit_items(value, row)
        elif value is not None:
            self.types.add(JSON_TYPES[kind])

    def _visit_items(self, items: list[Any], row: int) -> None:
        if self.documented.item is None:
            return
        self._enter(row)
        if self.item is None:
            self.item = _Place(self.documented.item)
        for item in items:
            self.item.visit(item, row)

    def _enter(self, row: int) -> None:
        if self.last_inside != row:
            self.last_inside = row
            self.inside += 1

    def _place(self, key: str) -> _Place:
        """Make the place of a key that was not there before; keys that look like data share one."""
        documented = (self.documented.fields or {}).get(key)
        if documented is None:
            documented = UNDOCUMENTED
            if len(self.fields) >= _KEYS_OF_AN_OBJECT or not _is_name(key):
                key, documented = _OTHER_KEYS, ANYTHING
        return self.fields.setdefault(key, _Place(documented))

    def flat(self, path: str = "") -> Iterator[tuple[str, _Seen]]:
        """Give what was found here, and below."""
        types_of_all = frozenset() if path.endswith(_OTHER_KEYS) else frozenset(self.types)
        if self.rows:
            yield path, _Seen(self.rows, self.inside, types_of_all)
        for name, place in self.fields.items():
            yield from place.flat(join(path, name))
        if self.item is not None:
            yield from self.item.flat(f"{path}[]")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is known of one place.

    :param rows: rows that had it.
    :param inside: rows in which it was an object or a list with content, so that it could have fields; of
        ``*``: the same of its object, in exports with enough of them to tell loose keys from others.
    :param types: its JSON types.
    :param loose: it is undocumented and was never in most orders; of ``*``: such keys are in it.
    :param gone: it is documented, and has vanished.
    """

    rows: int = 0
    inside: int = 0
    types: frozenset[str] = frozenset()
    loose: bool = False
    gone: bool = False

    def after(self, before: _Seen | None) -> _Seen:
        """Add what was known before."""
        if before is None:
            return self
        return _Seen(
            self.rows + before.rows,
            self.inside + before.inside,
            self.types | before.types,
            loose=self.loose,
        )


_NEVER = _Seen()

_Shape: TypeAlias = dict[str, _Seen]


class ShapeWatch:
    """Watches the shape of a vendor's orders during one export.

    ::

        watch = ShapeWatch(PopsellOrder, known=shape_of_the_last_export)
        for raw in rows:
            watch.see(raw)
        report(watch.drift(), "popsell")
        shape_of_this_export = watch.shape()

    It takes samples: the first 50 rows, then every 40th, and of rows over 2 KB fewer still. So a
    field that is in few orders may be noticed late.

    :param model: the vendor's payload model.
    :param known: what :meth:`shape` gave at the end of the last export that was committed, None for the first one.
    """

    def __init__(self, model: type[VendorOrder], known: Mapping[str, Any] | None) -> None:
        self._documented = documented_paths(model)
        self._known = _read(known)
        self._root = _Place(self._documented[""])
        self._wait = 1

    def see(self, raw: bytes) -> None:
        """Look at one row, or leave it out.

        :param raw: the JSON of an order that is valid for the model.
        """
        self._wait -= 1
        if self._wait:
            return
        self._root.visit(_DECODER.decode(raw), self._root.rows + 1)
        more = self._root.rows < _FIRST_ROWS
        self._wait = 1 if more else max(_ROWS_APART, len(raw) // _BYTES_APART)

    def drift(self) -> list[Drift]:
        """Give what differs from the known shape, in the order of the paths."""
        return self._compare()[0]

    def shape(self) -> dict[str, Any]:
        """Give what is known now, with what was known before, as plain JSON of a bounded size.

        What :meth:`drift` reports is in it, so that it is not reported again.
        """
        return _write(self._compare()[1])

    def fingerprint(self) -> str:
        """Give a short digest of the paths and types to expect: what is documented, and what was found besides.

        It changes with what :meth:`drift` reports, while undocumented fields are being learned, and with
        the documented fields of another version of this package.
        """
        shape = self._compare()[1]
        gone = {path for path, seen in shape.items() if seen.gone}
        structure = {
            path: sorted(self._documented.get(path, NOTHING).types | shape.get(path, _NEVER).types)
            for path in {*self._documented, *shape}
            if not _is_within(path, gone)
        }
        return hashlib.sha256(json.dumps(structure, sort_keys=True).encode()).hexdigest()[:16]

    def _compare(self) -> tuple[list[Drift], _Shape]:
        """Give what has changed, and what is known now."""
        known, now = dict(self._known), dict(self._root.flat())
        self._fold_data_keys(known, now)
        drifts = [*self._appeared(known, now), *_vanished(known, now)]
        vanished = {drift.path for drift in drifts if drift.change == "vanished"}
        shape = {path: seen for path, seen in known.items() if not _is_within(path, vanished)}
        shape |= {path: seen.after(known.get(path)) for path, seen in now.items()}
        shape |= {path: _Seen(gone=True) for path in vanished & self._documented.keys()}
        return sorted(drifts, key=lambda drift: drift.path), shape

    def _fold_data_keys(self, known: _Shape, now: _Shape) -> None:
        """Make one of the undocumented keys that are data, or too many to keep."""
        fields = [path for path in {*known, *now} if self._is_undocumented(path)]
        crowds = [_parent(path) for path, seen in known.items() if path.endswith(_OTHER_KEYS) and seen.loose]
        loose: dict[str, list[str]] = {parent: [] for parent in crowds}
        for path in fields:
            if _is_loose(path, known, now):
                loose.setdefault(_parent(path), []).append(path)
        for parent, paths in loose.items():
            _mark_loose(parent, paths, known, now)
        room = _UNDOCUMENTED_FIELDS - sum(path in known for path in fields)
        unknown = sorted(path for path in fields if path in now and path not in known)
        for path in unknown[max(room, 0) :]:
            _fold([path], join(_parent(path), _OTHER_KEYS), known, now)

    def _is_undocumented(self, path: str) -> bool:
        return path not in self._documented and not path.endswith(("[]", _OTHER_KEYS))

    def _appeared(self, known: _Shape, now: _Shape) -> Iterator[Drift]:
        for path, seen in now.items():
            if known.get(_parent(path), _NEVER).inside >= _ENOUGH:
                before = known.get(path)
                if before is None:
                    yield from self._new(path, seen)
                else:
                    yield from self._retyped(path, before, seen)

    def _new(self, path: str, seen: _Seen) -> Iterator[Drift]:
        rest = self._known.get(join(_parent(path), _OTHER_KEYS), _NEVER)
        may_be_in_rest = rest.loose and not rest.inside
        if path not in self._documented and not path.endswith("[]") and not may_be_in_rest:
            yield Drift(path, "new", None, _words(path, seen.types))

    def _retyped(self, path: str, before: _Seen, seen: _Seen) -> Iterator[Drift]:
        documented = self._documented.get(path, NOTHING).types
        if before.types and seen.types - before.types and not before.types | seen.types <= documented:
            yield Drift(path, "retyped", _words(path, before.types), _words(path, seen.types))


def report(drifts: Iterable[Drift], vendor: str) -> None:
    """Log each change.

    :param vendor: whose payload it is.
    """
    for drift in drifts:
        log.warning("%s: the shape of the orders is not what it was: %s", vendor, drift)


def refuse(drifts: Sequence[Drift], vendor: str) -> None:
    """Stop a run that must not go on when the shape changes; without a change do nothing.

    :param vendor: whose payload it is.
    :raises UnexpectedPayloadError: it names the fields that have changed.
    """
    if not drifts:
        return
    named = "; ".join(str(drift) for drift in drifts[:_NAMED])
    more = f"; and {len(drifts) - _NAMED} more, see the log" if len(drifts) > _NAMED else ""
    raise UnexpectedPayloadError(
        f"The shape of the orders is not what it was at the last export: {named}{more}. Nothing was committed. "
        'Look whether what reads these fields can live with it; then run once with on_drift="log", which '
        "accepts the new shape.",
        vendor=vendor,
    )


def _vanished(known: _Shape, now: _Shape) -> Iterator[Drift]:
    for path, before in known.items():
        if path in now or path.endswith(("[]", _OTHER_KEYS)):
            continue
        inside = known.get(_parent(path), _NEVER).inside
        was_everywhere = inside >= _ENOUGH and (inside - before.rows) * _ALL_BUT <= inside
        if was_everywhere and now.get(_parent(path), _NEVER).inside >= _ENOUGH:
            yield Drift(path, "vanished", _words(path, before.types), None)


def _is_loose(path: str, known: _Shape, now: _Shape) -> bool:
    """Whether an undocumented field has never been in most orders."""
    before, found, parent = known.get(path), now.get(path, _NEVER), _parent(path)
    if before is not None and not before.loose:
        return False
    inside = now.get(parent, _NEVER).inside
    ever = (before or _NEVER).rows + found.rows
    return not (
        _is_in_most(found.rows, inside) or _is_in_most(ever, known.get(parent, _NEVER).inside + inside)
    )


def _mark_loose(parent: str, paths: list[str], known: _Shape, now: _Shape) -> None:
    """Keep an object's loose keys by name, or count them as data where there are too many."""
    rest = join(parent, _OTHER_KEYS)
    before, inside = known.get(rest, _NEVER), now.get(parent, _NEVER).inside
    enough = inside if inside >= _ENOUGH else 0
    # What a few orders made look like data is decided again by the first export that has enough of them.
    if len(paths) > _LOOSE_KEYS or (before.loose and (before.inside or not enough)):
        _fold(paths, rest, known, now)
        now[rest] = replace(now[rest], inside=enough, loose=True)
        return
    now |= {path: replace(now[path], loose=True) for path in paths if path in now}
    if rest in known:
        known[rest] = replace(before, loose=False)


def _is_in_most(rows: int, inside: int) -> bool:
    return inside >= _SOME and rows * 2 >= inside


def _fold(paths: Iterable[str], rest: str, known: _Shape, now: _Shape) -> None:
    """Forget fields by name, and remember that there are some."""
    rows = 0
    for path in paths:
        known.pop(path, None)
        rows = max(rows, now.pop(path, _NEVER).rows)
        known.pop(f"{path}[]", None)
        now.pop(f"{path}[]", None)
    now[rest] = replace(now.get(rest, _NEVER), rows=max(rows, now.get(rest, _NEVER).rows))


def _is_name(key: str) -> bool:
    """Whether a key looks like a field's name, not like an id, a date or a text."""
    return bool(_NAME.fullmatch(key)) and sum(map(str.isdigit, key)) <= _DIGITS


def _parent(path: str) -> str:
    return path[:-2] if path.endswith("[]") else path.rpartition(".")[0]


def _is_within(path: str, roots: set[str]) -> bool:
    """Whether a path is one of those, or below one."""
    while path:
        if path in roots:
            return True
        path = _parent(path)
    return False


def _words(path: str, kinds: frozenset[str]) -> str:
    if path.endswith(_OTHER_KEYS):
        return "keys that look like data"
    return " or ".join(sorted(kinds)) or "always empty"


def _read(known: Mapping[str, Any] | None) -> _Shape:
    """Read a known shape; one of another version of this module counts as unknown."""
    if known is None or known.get("version") != _VERSION:
        return {}
    return {
        path: _Seen(**{**entry, "types": frozenset(entry.get("types", ()))})
        for path, entry in known["fields"].items()
    }


def _write(shape: _Shape) -> dict[str, Any]:
    """Write a shape as plain JSON, without what is not so."""
    halvings = (shape[""].rows // _MOST_ROWS).bit_length() if "" in shape else 0
    fields = {}
    for path, seen in sorted(shape.items()):
        smaller = replace(seen, rows=seen.rows >> halvings, inside=seen.inside >> halvings)
        entry = {**asdict(smaller), "types": sorted(seen.types)}
        fields[path] = {name: value for name, value in entry.items() if value}
    return {"version": _VERSION, "fields": fields}
