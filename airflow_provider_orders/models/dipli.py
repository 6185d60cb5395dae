"""Dipli's orders (formerly Agora Place), from the seller's ``/api/v2/orders``.

Mind the units: totals of an order are whole cents, prices of a line are euros. Neither is written in
the documentation; both follow from its examples (*assumed*).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, ClassVar

import msgspec

from airflow_provider_orders.models.base import VendorOrder
from airflow_provider_orders.models.moments import is_blank
from airflow_provider_orders.models.money import from_cents, times, whole
from airflow_provider_orders.models.order import new_address, new_line, new_order, new_tracking
from airflow_provider_orders.models.payload import (
    PHP_EMPTY,
    Json,
    Money,
    Payload,
    PersonalText,
    joined,
    text_in,
)
from airflow_provider_orders.models.statuses import FulfillmentStatus, StatusAxis, StatusWord

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from airflow_provider_orders.models.base import Dates
    from airflow_provider_orders.models.order import Address, Order, OrderLine

__all__ = ["AXES", "DEFAULT_AXIS", "DipliCartItem", "DipliOrder"]

CURRENCY = "EUR"  # *assumed*: the API has no currency field, and the marketplace is French

AXES: Mapping[str, StatusAxis] = MappingProxyType(
    {
        "fulfillment": StatusAxis(
            name="fulfillment",
            words=MappingProxyType(
                {
                    "pending_confirmation": FulfillmentStatus.PENDING,
                    "ongoing_shipping": FulfillmentStatus.IN_TRANSIT,
                    "shipped": FulfillmentStatus.DELIVERED,  # sic: "the order is delivered", on the list page
                    "error_shipping": FulfillmentStatus.FAILED,
                    "cancelled": FulfillmentStatus.CANCELLED,
                }
            ),
            wanted=frozenset({FulfillmentStatus.DELIVERED}),
            failed=frozenset({FulfillmentStatus.FAILED, FulfillmentStatus.CANCELLED}),
        )
    }
)
DEFAULT_AXIS = "fulfillment"


class DipliCartItem(Payload):
    """One line of an order; its prices are in euros.

    :param product_extra_infos: deprecated by the vendor; an object, or JSON inside a string.
    """

    tax_class: str | None = None
    product_name: str | None = None
    product_sku: str | None = None
    product_quantity: int | None = None
    unit_price_h_t: Money = None
    unit_price_t_v_a: Money = None
    unit_price_t_t_c: Money = None
    color: str | None = None
    grade: str | None = None
    attr_test: str | None = None
    product_extra_infos: Annotated[dict[str, Json] | str | None, PHP_EMPTY] = None


class DipliOrder(VendorOrder):
    """An order of Dipli; its prices are in cents, so a fraction is refused.

    :param bordereau_url: where the parcel's label is, which shows the buyer's address.
    :param price_h_t: goods without tax; whether shipping is in it is not documented.
    :param price_t_v_a: the tax.
    :param price_t_t_c: goods with tax.
    :param shipping_address_json: JSON inside a string.
    :param tracking_slug: the carrier, such as ``ups``.
    """

    VENDOR: ClassVar[str] = "dipli"
    ID_FIELD: ClassVar[str] = "id"
    WINDOW_FIELDS: ClassVar[tuple[str, str | None]] = ("created_at", None)
    TOTAL_FIELD: ClassVar[str] = "price_t_t_c"
    # In product_extra_infos: what others buy changes it.
    VOLATILE_FIELDS: ClassVar[frozenset[str]] = frozenset({"stock"})
    ASSUMED_TIMEZONE: ClassVar[str] = "Europe/Paris"
    AXES: ClassVar[Mapping[str, StatusAxis]] = AXES
    DEFAULT_AXIS: ClassVar[str] = DEFAULT_AXIS

    id: int
    public_id: str | None = None
    shipping_status: str | None = None
    to_ship: bool | None = None
    bordereau_url: PersonalText = None
    price_h_t: int | None = None
    price_t_v_a: int | None = None
    price_t_t_c: int | None = None
    shipping_h_t: int | None = None
    shipping_t_v_a: int | None = None
    shipping_t_t_c: int | None = None
    shipping_address_json: PersonalText = None
    tracking_slug: str | None = None
    tracking_number: str | None = None
    delivered_at: str | None = None
    invoiced_at: str | None = None
    created_at: str | None = None
    cart_items: list[DipliCartItem] | None = None

    def identity(self) -> str:
        """Give ``id`` as text."""
        return str(self.id)

    def status_words(self) -> dict[str, StatusWord]:
        """Give ``shipping_status``; an order with ``delivered_at`` is delivered unless it is cancelled."""
        word = AXES["fulfillment"].read(self.shipping_status)
        if not is_blank(self.delivered_at) and word.canonical not in _FINAL:
            word = StatusWord(word.raw, FulfillmentStatus.DELIVERED)
        return {"fulfillment": word}

    def money_total(self) -> tuple[str | None, Decimal | None]:
        """Give euros and ``price_t_t_c`` in euros; shipping is not added (*assumed* to be in it or apart)."""
        return CURRENCY, from_cents(self.price_t_t_c)

    def window_texts(self) -> tuple[str | None, str | None]:
        """Give ``created_at``; an order does not say when it was updated."""
        return self.created_at, None

    def _map(self, *, account: str | None, dates: Dates) -> Order:
        currency, total = self.money_total()
        shipped = self.status_words()["fulfillment"]
        tracked = self.tracking_slug or self.tracking_number
        items = self.cart_items
        return new_order(
            source=self.VENDOR,
            account=account,
            id=self.identity(),
            reference=self.public_id,
            fulfillment_status=shipped.canonical,
            fulfillment_status_raw=shipped.raw,
            currency=currency,
            currency_assumed=True,
            total=total,
            subtotal=from_cents(self.price_h_t),
            tax=from_cents(self.price_t_v_a),
            shipping=from_cents(self.shipping_t_t_c),
            lines=None if items is None else tuple(_line(item) for item in items),
            shipping_address=_address(self.shipping_address_json),
            tracking=new_tracking(carrier=self.tracking_slug, number=self.tracking_number)
            if tracked
            else None,
            created_at=dates.read("created_at", self.created_at),
            delivered_at=dates.read("delivered_at", self.delivered_at),
            timezone_assumed=dates.assumed,
        )


_FINAL = frozenset({FulfillmentStatus.DELIVERED, FulfillmentStatus.CANCELLED})


def _line(item: DipliCartItem) -> OrderLine:
    quantity = whole(item.product_quantity)
    return new_line(
        sku=item.product_sku,
        name=item.product_name,
        quantity=quantity,
        unit_price=item.unit_price_t_t_c,
        total=times(item.unit_price_t_t_c, quantity),
        tax_class=item.tax_class,
    )


def _address(text: str | None) -> Address | None:
    """Read the address; what is not a JSON object is kept whole as the street."""
    if not text:
        return None
    try:
        found = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return new_address(street=text)
    return new_address(
        name=joined(text_in(found, "firstname"), text_in(found, "lastname")),
        company=text_in(found, "company"),
        street=joined(text_in(found, "street"), text_in(found, "additionnal")),  # sic
        postcode=text_in(found, "postcode"),
        city=text_in(found, "city"),
        country=text_in(found, "country"),
        phone=text_in(found, "telephone"),
        email=text_in(found, "email"),
    )
