"""An order as rows, in values that a database takes without a conversion of its own."""

from __future__ import annotations

import json
import re
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_orders.errors import UnexpectedPayloadError
from airflow_provider_orders.export.sinks.sql.tables import LINE_COLUMNS, ORDER_COLUMNS, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_orders.models.order import Order, OrderLine

__all__ = ["AMOUNT_SCALE", "RowMaker", "UnfitError", "amount_text", "lines_document"]

AMOUNT_SCALE: Final = 18
"""Digits after the point that every database keeps; 20 come before it."""

_AMOUNT_DIGITS = 38
_SHORT = AMOUNT_SCALE
_EXACT = Context(prec=200, Emax=MAX_EMAX, Emin=MIN_EMIN)
_READABLE_ID = re.compile(r"[\w.:#/-]{1,64}", re.ASCII)


class UnfitError(ValueError):
    """A value that the database cannot hold; says why, without the value."""


class RowMaker:
    """Turns orders into rows of the staging tables.

    :param converters: for each kind of column whose values the database does not take as they are.
    """

    def __init__(self, converters: Mapping[Kind, Callable[[Any], Any]]) -> None:
        self._order = _conversions(ORDER_COLUMNS, converters)
        self._line = _conversions(LINE_COLUMNS, converters)

    def order_row(self, order: Order) -> list[Any]:
        """Give the values of ``ORDER_COLUMNS``.

        :raises UnexpectedPayloadError: a value does not fit.
        """
        return _converted(_order_values(order), self._order, order, ORDER_COLUMNS, "")

    def line_rows(self, order: Order) -> list[list[Any]]:
        """Give the values of ``LINE_COLUMNS`` for each line.

        :raises UnexpectedPayloadError: a value does not fit.
        """
        return [
            _converted(_line_values(position, line), self._line, order, LINE_COLUMNS, f"line {position}, ")
            for position, line in enumerate(order.lines or (), 1)
        ]


def lines_document(rows: Sequence[Sequence[Any]]) -> str:
    """Write the lines of a version as JSON, amounts as text."""
    names = [name for name, _ in LINE_COLUMNS[1:]]
    return json.dumps(
        [{"position": int(row[0]), **dict(zip(names, row[1:], strict=True))} for row in rows],
        ensure_ascii=False,
    )


def amount_text(amount: Decimal) -> str:
    """Write an amount without an exponent.

    :raises UnfitError: it has more digits than a column has.
    """
    text = str(amount)
    if len(text) <= _SHORT and text[-1].isdigit() and "E" not in text:
        return text
    if amount.is_finite():
        short = _EXACT.normalize(amount)
        exponent = short.as_tuple().exponent
        if (
            isinstance(exponent, int)
            and exponent >= -AMOUNT_SCALE
            and short.adjusted() < _AMOUNT_DIGITS - AMOUNT_SCALE
        ):
            return f"{short:f}"
    raise UnfitError(
        f"it has more than {_AMOUNT_DIGITS - AMOUNT_SCALE} digits before the point or {AMOUNT_SCALE} after it"
    )


_Conversion = tuple[int, "Callable[[Any], Any]"]


def _conversions(
    columns: Sequence[tuple[str, Kind]], converters: Mapping[Kind, Callable[[Any], Any]]
) -> list[_Conversion]:
    return [(index, converters[kind]) for index, (_, kind) in enumerate(columns) if kind in converters]


def _converted(
    values: list[Any],
    conversions: Sequence[_Conversion],
    order: Order,
    columns: Sequence[tuple[str, Kind]],
    part: str,
) -> list[Any]:
    index = 0
    try:
        for index, convert in conversions:
            value = values[index]
            if value is not None:
                values[index] = convert(value)
    except UnfitError as error:
        problem = f"{part}{columns[index][0]} does not fit into the table: {error}"
    else:
        return values
    called = f"Order {order.id}" if _READABLE_ID.fullmatch(order.id) else "An order without a readable id"
    raise UnexpectedPayloadError(f"{called}: {problem}.", vendor=order.source)


def _order_values(order: Order) -> list[Any]:
    customer, address, tracking = order.customer, order.shipping_address, order.tracking
    return [
        order.id,
        order.model_version,
        order.reference,
        order.external_id,
        str(order.status),
        order.status_raw,
        str(order.payment_status),
        order.payment_status_raw,
        str(order.fulfillment_status),
        order.fulfillment_status_raw,
        order.currency,
        order.currency_assumed,
        order.total,
        order.subtotal,
        order.tax,
        order.shipping,
        order.discount,
        order.paid,
        order.due,
        *(
            (customer.id, customer.name, customer.email, customer.phone, customer.company)
            if customer
            else _NO_CUSTOMER
        ),
        *(
            (
                address.name,
                address.company,
                address.street,
                address.postcode,
                address.city,
                address.country,
                address.phone,
                address.email,
            )
            if address
            else _NO_ADDRESS
        ),
        *((tracking.carrier, tracking.number, tracking.url) if tracking else _NO_TRACKING),
        None if order.lines is None else len(order.lines),
        order.created_at,
        order.updated_at,
        order.delivered_at,
        order.cancelled_at,
        order.deleted,
        order.timezone_assumed,
        order.content_hash,
    ]


_NO_CUSTOMER = (None,) * 5
_NO_ADDRESS = (None,) * 8
_NO_TRACKING = (None,) * 3


def _line_values(position: int, line: OrderLine) -> list[Any]:
    return [
        position,
        line.id,
        line.product_id,
        line.sku,
        line.name,
        line.quantity,
        line.unit_price,
        line.total,
        line.tax_class,
    ]
