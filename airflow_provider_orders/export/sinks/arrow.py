"""The canonical order as Arrow columns; the schema follows from the model. Imports pyarrow, so only a task loads it."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, Inexact, InvalidOperation
from enum import StrEnum
from operator import itemgetter
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin, get_type_hints

import pyarrow as pa
from pydantic import BaseModel

from airflow_provider_orders import __version__
from airflow_provider_orders.errors import UnexpectedPayloadError
from airflow_provider_orders.models.order import MODEL_VERSION, Order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["AMOUNT", "SCHEMA", "check_amounts", "record_batch"]

AMOUNT: Final = pa.decimal128(38, 9)
"""Twenty-nine digits before the point and nine behind it: the widest that Spark, DuckDB and BigQuery's NUMERIC share."""

_TYPES: Final = {
    str: pa.string(),
    bool: pa.bool_(),
    int: pa.int64(),
    Decimal: AMOUNT,
    datetime: pa.timestamp("us", tz="UTC"),
}

_STEP: Final = Decimal(1).scaleb(-AMOUNT.scale)
_fit = Context(prec=AMOUNT.precision, traps=[Inexact, InvalidOperation]).quantize


@dataclass(frozen=True, slots=True)
class _Column:
    """One column.

    :param field: its name and type.
    :param table: what a struct, or each struct of a list, is made of; None for a plain value.
    :param many: whether it is a list.
    :param computed: whether the model computes it when it is asked for.
    """

    field: pa.Field
    table: _Table | None
    many: bool
    computed: bool

    def array(self, values: Sequence[Any]) -> pa.Array:
        if self.table is None:
            return _plain_array(values, self.field.type)
        if self.many:
            return self._lists(values, self.table)
        missing = [value is None for value in values]
        if all(missing):
            return pa.nulls(len(values), self.field.type)
        blank = self.table.model.model_construct()
        present = [blank if value is None else value for value in values]
        return pa.StructArray.from_arrays(
            self.table.arrays(present), fields=list(self.field.type), mask=pa.array(missing)
        )

    def _lists(self, values: Sequence[Any], table: _Table) -> pa.Array:
        """Give lists as one array of all their elements and where each list begins, which is fast."""
        starts: list[int | None] = []
        elements: list[Any] = []
        for value in values:
            starts.append(None if value is None else len(elements))
            elements.extend(value or ())
        starts.append(len(elements))
        structs = pa.StructArray.from_arrays(table.arrays(elements), fields=list(self.field.type.value_type))
        return pa.ListArray.from_arrays(pa.array(starts, pa.int32()), structs, type=self.field.type)


@dataclass(frozen=True, slots=True)
class _Table:
    """The columns of one model.

    :param amounts: names of its amounts.
    :param nested: those of its columns that have amounts inside.
    """

    model: type[BaseModel]
    columns: tuple[_Column, ...]
    amounts: tuple[str, ...]
    nested: tuple[_Column, ...]

    @classmethod
    def of(cls, model: type[BaseModel]) -> _Table:
        """Read a model."""
        columns = tuple(_columns(model))
        amounts = tuple(column.field.name for column in columns if column.field.type == AMOUNT)
        nested = tuple(
            column for column in columns if column.table and (column.table.amounts or column.table.nested)
        )
        return cls(model, columns, amounts, nested)

    def arrays(self, values: Sequence[Any]) -> list[pa.Array]:
        # Looking into its dict takes a tenth of the time of reading an attribute of a pydantic model.
        contents = list(map(vars, values))
        return [
            column.array(
                [getattr(value, column.field.name) for value in values]
                if column.computed
                else list(map(itemgetter(column.field.name), contents))
            )
            for column in self.columns
        ]

    def unfit(self, value: Any) -> str | None:
        """Name the first amount that the column cannot hold exactly."""
        content = vars(value)
        for name in self.amounts:
            if (amount := content[name]) is not None:
                try:
                    _fit(amount, _STEP)
                except ArithmeticError:
                    return name
        for column in self.nested:
            name, inner = column.field.name, content[column.field.name]
            for number, element in enumerate(inner if column.many else (inner,)) if inner is not None else ():
                if (problem := column.table.unfit(element)) is not None:  # type: ignore[union-attr]
                    return f"{name}.{number}.{problem}" if column.many else f"{name}.{problem}"
        return None


def _columns(model: type[BaseModel]) -> Iterator[_Column]:
    descriptions = _descriptions(model)
    for name, field in model.model_fields.items():
        yield _column(name, field.annotation, descriptions.get(name))
    for name, computed in model.model_computed_fields.items():
        wrapped = computed.wrapped_property
        hints = get_type_hints(getattr(wrapped, "func", None) or wrapped.fget)
        description = (computed.description or "").partition("\n")[0]
        yield _column(name, hints["return"], description, computed=True)


def _column(name: str, annotation: Any, description: str | None, *, computed: bool = False) -> _Column:
    """Give the column for a field.

    :raises TypeError: nobody has said yet how such a field is stored.
    """
    alternatives = get_args(annotation) if NoneType in get_args(annotation) else (annotation,)
    (kind,) = (kind for kind in alternatives if kind is not NoneType)
    nullable = len(alternatives) > 1
    many = get_origin(kind) is tuple
    if many:
        kind = get_args(kind)[0]
    table = None
    if kind in _TYPES:
        stored = _TYPES[kind]
    elif issubclass(kind, StrEnum):
        stored = _TYPES[str]
    elif issubclass(kind, BaseModel):
        table = _Table.of(kind)
        stored = pa.struct([column.field for column in table.columns])
    else:
        raise TypeError(f"no Arrow type is known for {name}: {annotation}")
    if many:
        stored = pa.list_(pa.field("element", stored, nullable=False))
    metadata = {"description": description} if description else None
    return _Column(pa.field(name, stored, nullable, metadata), table, many, computed)


def _descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Read what the model's docstring says about its fields."""
    found = re.findall(r"^:param (\w+):((?:.|\n(?!:))*)", inspect.getdoc(model) or "", re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def _plain_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind)
    except pa.ArrowInvalid:
        if kind != AMOUNT:
            raise
    # An amount that fits, but is written with more digits than the column has, such as 1 with fifty zeros.
    return pa.array([None if value is None else _fit(value, _STEP) for value in values], kind)


_ORDERS: Final = _Table.of(Order)

SCHEMA: Final = pa.schema(
    [column.field for column in _ORDERS.columns],
    metadata={
        "airflow_provider_orders.model_version": str(MODEL_VERSION),
        "airflow_provider_orders.version": __version__,
    },
)
"""The columns of an order."""


def record_batch(orders: Iterable[Order]) -> pa.RecordBatch:
    """Turn orders into columns.

    :param orders: orders that :func:`check_amounts` has passed.
    """
    return pa.RecordBatch.from_arrays(_ORDERS.arrays(list(orders)), schema=SCHEMA)


def check_amounts(order: Order) -> None:
    """Refuse an order with an amount that would have to be rounded.

    :raises UnexpectedPayloadError: naming order and field.
    """
    if (field := _ORDERS.unfit(order)) is not None:
        raise UnexpectedPayloadError(
            f"Order {order.id}: {field} has more than {AMOUNT.precision - AMOUNT.scale} digits before or "
            f"{AMOUNT.scale} behind the decimal point, which a Parquet file would have to round; "
            "export it as JSON Lines.",
            vendor=order.source,
        )
