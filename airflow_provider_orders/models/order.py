"""The canonical order: one shape for all vendors."""

from __future__ import annotations

import hashlib
from datetime import datetime
from decimal import Decimal
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Self, TypeVar, cast

import msgspec
from pydantic import ConfigDict, computed_field

from airflow_provider_orders.models.money import plain
from airflow_provider_orders.models.personal import Discreet, PersonalText
from airflow_provider_orders.models.statuses import FulfillmentStatus, OrderStatus, PaymentStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "MODEL_VERSION",
    "Address",
    "Customer",
    "Order",
    "OrderLine",
    "Tracking",
    "new_address",
    "new_customer",
    "new_line",
    "new_order",
    "new_tracking",
]

MODEL_VERSION: Final = 1
"""Goes up when a field of :class:`Order` changes its name, type or meaning."""

Amount = Decimal | None
Moment = datetime | None

_Given = ParamSpec("_Given")
_Model = TypeVar("_Model", bound="_Canonical")


class _Canonical(Discreet):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, defer_build=True)


class Customer(_Canonical):
    """Who ordered.

    :param id: the vendor's id of the customer.
    """

    id: str | None = None
    name: PersonalText = None
    email: PersonalText = None
    phone: PersonalText = None
    company: PersonalText = None


class Address(_Canonical):
    """Where the goods go.

    :param street: street and number, with any second line; the whole address where the vendor sent it
        as plain text.
    :param country: as the vendor gives it, most often an ISO 3166 code of two letters.
    """

    name: PersonalText = None
    company: PersonalText = None
    street: PersonalText = None
    postcode: PersonalText = None
    city: PersonalText = None
    country: str | None = None
    phone: PersonalText = None
    email: PersonalText = None


class Tracking(_Canonical):
    """How the parcel can be followed.

    :param carrier: the vendor's short name for the carrier, such as ``ups``.
    """

    carrier: str | None = None
    number: str | None = None
    url: str | None = None


class OrderLine(_Canonical):
    """One article of an order.

    :param id: the vendor's id of the line, None where lines have none.
    :param unit_price: in major units; with tax where the vendor gives both.
    :param total: of the line, in major units.
    :param tax_class: the vendor's name for the tax, such as ``TVA Classique``.
    """

    id: str | None = None
    product_id: str | None = None
    sku: str | None = None
    name: str | None = None
    quantity: Amount = None
    unit_price: Amount = None
    total: Amount = None
    tax_class: str | None = None


class Order(_Canonical):
    """One order, whoever the vendor is. None means that the vendor does not say; it is not zero.

    :param model_version: version of this shape.
    :param source: the vendor, such as ``popsell``.
    :param account: whose order it is, as the caller names it; ids are unique per source and account.
    :param id: the vendor's id, as text.
    :param reference: the order's number for people.
    :param external_id: its id in the shop's own system.
    :param status: where the order as a whole stands; ``unknown`` where the vendor does not say, with the
        vendor's own word in ``status_raw``. So for ``payment_status`` and ``fulfillment_status``.
    :param currency: as the vendor gives it.
    :param currency_assumed: the vendor never gives one.
    :param total: what the order costs, in major units such as euros; so are the other amounts.
    :param lines: None where the answer did not include them, empty where there are none.
    :param created_at: in UTC, as are all moments.
    :param cancelled_at: when the vendor took the order out, where it says so.
    :param deleted: the vendor marks it as deleted.
    :param timezone_assumed: the zone that was assumed for dates without one, None where none was.
    """

    model_version: int = MODEL_VERSION
    source: str
    account: str | None = None
    id: str
    reference: str | None = None
    external_id: str | None = None
    status: OrderStatus = OrderStatus.UNKNOWN
    status_raw: str | None = None
    payment_status: PaymentStatus = PaymentStatus.UNKNOWN
    payment_status_raw: str | None = None
    fulfillment_status: FulfillmentStatus = FulfillmentStatus.UNKNOWN
    fulfillment_status_raw: str | None = None
    currency: str | None = None
    currency_assumed: bool = False
    total: Amount = None
    subtotal: Amount = None
    tax: Amount = None
    shipping: Amount = None
    discount: Amount = None
    paid: Amount = None
    due: Amount = None
    customer: Customer | None = None
    lines: tuple[OrderLine, ...] | None = None
    shipping_address: Address | None = None
    tracking: Tracking | None = None
    created_at: Moment = None
    updated_at: Moment = None
    delivered_at: Moment = None
    cancelled_at: Moment = None
    deleted: bool = False
    timezone_assumed: str | None = None

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """Show where the order is from and its id only."""
        return [("source", self.source), ("id", self.id)]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def content_hash(self) -> str:
        """SHA-256 of the values above, in hexadecimal: the same hash means the same content.

        It does not depend on the run, on the order of keys or on how an amount is written: 119.9 and
        119.90 are equal.
        """
        kept = self.__dict__
        # Not a cached_property: before Python 3.12 its lock makes all threads wait for each other.
        if "content_hash" not in kept:
            kept["content_hash"] = hashlib.sha256(_HASHED.encode(self)).hexdigest()
        return str(kept["content_hash"])

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Give a copy, with a hash of its own."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("content_hash", None)
        return copied

    def to_json(self) -> bytes:
        """Give what ``model_dump_json()`` gives, in UTF-8, in less time."""
        return _DUMPED.encode({**self.__dict__, "content_hash": self.content_hash})


def _content(part: _Canonical) -> object:
    """Give what is hashed of an order or a part of one: its values in the order of the fields, amounts last."""
    others, amounts = _layout(type(part))
    content = part.__dict__
    if not amounts:
        return others(content)
    return others(content), [None if (amount := content[name]) is None else plain(amount) for name in amounts]


@cache
def _layout(model: type[_Canonical]) -> tuple[Callable[[dict[str, Any]], object], list[str]]:
    amounts = [name for name, field in model.model_fields.items() if field.annotation == Amount]
    return itemgetter(*(name for name in model.model_fields if name not in amounts)), amounts


_HASHED = msgspec.json.Encoder(enc_hook=_content)
_DUMPED = msgspec.json.Encoder(enc_hook=vars)


def _unvalidated(model: Callable[_Given, _Model]) -> Callable[_Given, _Model]:
    """Give a function that makes a model of values that have the fields' types already.

    Validating them would take longer than the rest of the mapping, and so would ``model_construct``.
    """
    kind = cast("type[_Model]", model)
    defaults = {name: field.default for name, field in kind.model_fields.items()}
    every = set(defaults)  # of all that are made: a mapping decides on every field
    blank, put = object.__new__, object.__setattr__

    def make(*_: _Given.args, **content: _Given.kwargs) -> _Model:
        made = blank(kind)
        put(made, "__dict__", {**defaults, **content})
        put(made, "__pydantic_fields_set__", every)
        put(made, "__pydantic_extra__", None)
        put(made, "__pydantic_private__", None)
        return made

    return make


new_address = _unvalidated(Address)
new_customer = _unvalidated(Customer)
new_line = _unvalidated(OrderLine)
new_order = _unvalidated(Order)
new_tracking = _unvalidated(Tracking)
