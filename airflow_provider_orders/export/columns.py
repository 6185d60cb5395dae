"""The columns of what is exported, for catalogues: names and types, read from the models."""

from __future__ import annotations

import types
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Annotated, Any, Final, NamedTuple, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

__all__ = ["Column", "columns_of", "table_columns"]

_TYPES: Final = {
    bool: "boolean",
    int: "integer",
    float: "number",
    Decimal: "decimal",
    datetime: "timestamp",
    str: "string",
}
_LISTS: Final = (list, tuple)


class Column(NamedTuple):
    """One column.

    :param name: as it is written.
    :param type: ``string``, ``decimal``, ``timestamp``, ``boolean``, ``integer``, ``number``, ``struct``, ``array``, or
        ``json`` for what has no shape.
    :param columns: those of a struct, or of each struct of an array.
    """

    name: str
    type: str
    columns: tuple[Column, ...] = ()


@cache
def columns_of(model: type[BaseModel]) -> tuple[Column, ...]:
    """Read the columns of a model: the canonical order, or a vendor's payload."""
    columns = [
        _column(field.serialization_alias or field.alias or name, field.annotation)
        for name, field in model.model_fields.items()
    ]
    for name, computed in model.model_computed_fields.items():
        getter = computed.wrapped_property
        hints = get_type_hints(getattr(getter, "func", None) or getter.fget)
        columns.append(_column(name, hints["return"]))
    return tuple(columns)


def table_columns() -> tuple[Column, ...]:
    """Give the columns of the table of orders in a database."""
    from airflow_provider_orders.export.sinks.sql.tables import ORDER_COLUMNS, Kind

    types_of = {
        Kind.AMOUNT: "decimal",
        Kind.MOMENT: "timestamp",
        Kind.FLAG: "boolean",
        Kind.COUNT: "integer",
    }
    owner = (Column("source", "string"), Column("account", "string"))
    return (*owner, *(Column(name, types_of.get(kind, "string")) for name, kind in ORDER_COLUMNS))


def _column(name: str, annotation: Any) -> Column:
    kind = _kind(annotation)
    if get_origin(kind) in _LISTS:
        inside = _kind(get_args(kind)[0])
        return Column(name, "array", columns_of(inside) if _is_model(inside) else ())
    if _is_model(kind):
        return Column(name, "struct", columns_of(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return Column(name, "string")
    return Column(name, _TYPES.get(kind, "json"))


def _kind(annotation: Any) -> Any:
    """Give what a field holds apart from None; the annotation itself where that is one of several."""
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        kinds = [part for part in get_args(annotation) if part is not types.NoneType]
        return _kind(kinds[0]) if len(kinds) == 1 else annotation
    return annotation


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
