"""Mercato's orders, from ``/v1/orders``."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_orders.models.base import VendorOrder
from airflow_provider_orders.models.money import times, whole
from airflow_provider_orders.models.order import new_customer, new_line, new_order
from airflow_provider_orders.models.payload import Money, Payload, PersonalText
from airflow_provider_orders.models.statuses import FulfillmentStatus, StatusAxis, StatusWord

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from airflow_provider_orders.models.base import Dates
    from airflow_provider_orders.models.order import Order

__all__ = ["MercatoItem", "MercatoOrder"]

AXES: Mapping[str, StatusAxis] = MappingProxyType(
    {
        "fulfillment": StatusAxis(
            name="fulfillment",
            words=MappingProxyType(
                {
                    "new": FulfillmentStatus.PENDING,
                    "on_the_road": FulfillmentStatus.IN_TRANSIT,
                    "handed_over": FulfillmentStatus.DELIVERED,
                    "called_off": FulfillmentStatus.CANCELLED,
                }
            ),
            wanted=frozenset({FulfillmentStatus.DELIVERED}),
            failed=frozenset({FulfillmentStatus.CANCELLED}),
        )
    }
)


class MercatoItem(Payload):
    """One line of an order."""

    sku: str | None = None
    quantity: int | None = None
    price: Money = None


class MercatoOrder(VendorOrder):
    """An order of Mercato."""

    VENDOR: ClassVar[str] = "mercato"
    ID_FIELD: ClassVar[str] = "id"
    WINDOW_FIELDS: ClassVar[tuple[str, str | None]] = ("placed_at", "changed_at")
    TOTAL_FIELD: ClassVar[str] = "amount"
    ASSUMED_TIMEZONE: ClassVar[str] = "UTC"
    AXES: ClassVar[Mapping[str, StatusAxis]] = AXES
    DEFAULT_AXIS: ClassVar[str] = "fulfillment"

    id: int
    state: str | None = None
    amount: Money = None
    currency: str | None = None
    buyer: PersonalText = None
    placed_at: str | None = None
    changed_at: str | None = None
    items: list[MercatoItem] | None = None

    def identity(self) -> str:
        """Give ``id`` as text."""
        return str(self.id)

    def status_words(self) -> dict[str, StatusWord]:
        """Give ``state``."""
        return {"fulfillment": AXES["fulfillment"].read(self.state)}

    def money_total(self) -> tuple[str | None, Decimal | None]:
        """Give ``currency`` and ``amount``."""
        return self.currency, self.amount

    def window_texts(self) -> tuple[str | None, str | None]:
        """Give ``placed_at`` and ``changed_at``."""
        return self.placed_at, self.changed_at

    def _map(self, *, account: str | None, dates: Dates) -> Order:
        shipped = self.status_words()["fulfillment"]
        return new_order(
            source=self.VENDOR,
            account=account,
            id=self.identity(),
            fulfillment_status=shipped.canonical,
            fulfillment_status_raw=shipped.raw,
            currency=self.currency,
            total=self.amount,
            customer=new_customer(name=self.buyer) if self.buyer else None,
            lines=None
            if self.items is None
            else tuple(
                new_line(
                    sku=item.sku,
                    quantity=whole(item.quantity),
                    unit_price=item.price,
                    total=times(item.price, item.quantity),
                )
                for item in self.items
            ),
            created_at=dates.read("placed_at", self.placed_at),
            updated_at=dates.read("changed_at", self.changed_at),
            timezone_assumed=dates.assumed,
        )
