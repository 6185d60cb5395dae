"""What a vendor's payload model documents: the JSON types of each path, read from its annotations."""

from __future__ import annotations

import types
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, reduce
from typing import TYPE_CHECKING, Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_orders.models.base import VendorOrder

__all__ = ["ANYTHING", "JSON_TYPES", "NOTHING", "UNDOCUMENTED", "Documented", "documented_paths", "join"]

JSON_TYPES: Final[Mapping[Any, str]] = {
    str: "string",
    int: "number",
    float: "number",
    Decimal: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
}

_DEPTH: Final = 6
"""How many levels of fields are opened."""


@dataclass(frozen=True, slots=True)
class Documented:
    """What the model says of one place: its types, what is in it; ``types`` is empty where it says nothing."""

    types: frozenset[str] = frozenset()
    fields: Mapping[str, Documented] | None = None
    item: Documented | None = None


NOTHING: Final = Documented()
"""No type is documented, and nothing in it."""
ANYTHING: Final = Documented(frozenset(JSON_TYPES.values()))
"""Every type is right."""
UNDOCUMENTED: Final = Documented(item=NOTHING)
"""A place that the model does not know; the items of a list are looked at, the fields of an object are not."""


@cache
def documented_paths(model: type[VendorOrder]) -> dict[str, Documented]:
    """Give what a model says of each path; the order itself has the empty path."""
    return dict(_walk(_documented(model, _DEPTH), ""))


def _walk(documented: Documented, path: str) -> Iterator[tuple[str, Documented]]:
    yield path, documented
    for name, part in (documented.fields or {}).items():
        yield from _walk(part, join(path, name))
    if documented.item is not None:
        yield from _walk(documented.item, f"{path}[]")


def _documented(annotation: Any, depth: int) -> Documented:
    """Read a field's annotation.

    :param depth: how many levels of fields are still opened.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _documented(arguments[0], depth)
    if origin in {Union, types.UnionType}:
        return reduce(_either, (_documented(member, depth) for member in arguments))
    if origin is list:
        item = _documented(arguments[0], depth)
        return Documented(frozenset({"array"}), item=None if item is ANYTHING else item)
    if origin is dict:
        return Documented(frozenset({"object"}))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Documented(frozenset({"object"}), _documented_fields(annotation, depth) if depth else None)
    if annotation is types.NoneType:
        return NOTHING
    return Documented(frozenset({JSON_TYPES[annotation]})) if annotation in JSON_TYPES else ANYTHING


def _documented_fields(model: type[BaseModel], depth: int) -> dict[str, Documented]:
    return {name: _documented(info.annotation, depth - 1) for name, info in model.model_fields.items()}


def _either(one: Documented, other: Documented) -> Documented:
    fields = dict(one.fields or {})
    for name, part in (other.fields or {}).items():
        fields[name] = _either(fields[name], part) if name in fields else part
    items = [part.item for part in (one, other) if part.item is not None]
    return Documented(one.types | other.types, fields or None, reduce(_either, items) if items else None)


def join(path: str, name: str) -> str:
    """Give the path of a field of the object at a path."""
    return f"{path}.{name}" if path else name
