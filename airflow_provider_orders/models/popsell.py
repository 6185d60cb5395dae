"""Popsell's orders, from ``/manager/orders`` and from ``/platform/ambassadors/{id}/orders``."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from airflow_provider_orders.errors import UnexpectedPayloadError
from airflow_provider_orders.models.base import VendorOrder
from airflow_provider_orders.models.moments import is_blank
from airflow_provider_orders.models.money import times, whole
from airflow_provider_orders.models.order import new_customer, new_line, new_order
from airflow_provider_orders.models.payload import (
    PHP_EMPTY,
    Money,
    Payload,
    PersonalText,
    joined,
    read_payload,
)
from airflow_provider_orders.models.statuses import OrderStatus, StatusAxis, StatusWord

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from airflow_provider_orders.models.base import Dates
    from airflow_provider_orders.models.order import Customer, Order, OrderLine

__all__ = [
    "AXES",
    "DEFAULT_AXIS",
    "PopsellAmbassador",
    "PopsellImage",
    "PopsellOrder",
    "PopsellOrderDetails",
    "PopsellProduct",
    "PopsellStatusChange",
]

# The words are documented as values of filter[last_status]; what they mean is not: *assumed*.
AXES: Mapping[str, StatusAxis] = MappingProxyType(
    {
        "order": StatusAxis(
            name="order",
            words=MappingProxyType(
                {
                    "OK": OrderStatus.COMPLETED,
                    "FULFILLED": OrderStatus.COMPLETED,
                    "PENDING": OrderStatus.PENDING,
                    "OK_DELAY": OrderStatus.PROCESSING,
                    "E-BOOKING": OrderStatus.PROCESSING,
                    "CANCELLED": OrderStatus.CANCELLED,
                    "RETURNED": OrderStatus.RETURNED,
                }
            ),
            wanted=frozenset({OrderStatus.COMPLETED}),
            failed=frozenset({OrderStatus.CANCELLED, OrderStatus.RETURNED}),
        )
    }
)
DEFAULT_AXIS = "order"


class PopsellAmbassador(Payload):
    """A person: the ambassador credited with the order, the one of the chat, or the buyer.

    :param active: 1 active, 0 not activated, -1 blocked, -2 unsubscribed, -3 unsubscribed by the brand
        (documented on the ambassadors page; -4 and -5 exist without a meaning).
    :param status: the person's role: 0 ambassador, 1 employee, 2 administrator, 3 seller, 4 shop
        manager, 5 manager, 6 expert, 7 client, 8 temporary.
    :param online: their last action is less than 5 minutes ago.
    """

    id_ambassador: int | None = None
    image: PersonalText = None
    firstname: PersonalText = None
    lastname: PersonalText = None
    username: PersonalText = None
    email: PersonalText = None
    email_tmp: PersonalText = None
    active: int | None = None
    status: int | None = None
    online: bool | None = None
    last_action_date: str | None = None
    customer_id: str | None = None
    anonymized: bool | None = None

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read one ambassador's JSON, as the ambassadors page lists them.

        :raises UnexpectedPayloadError: it is not what the vendor documents, or has no id.
        """
        found = read_payload(cls, raw, vendor="popsell", kind="ambassador", id_field="id_ambassador")
        if found.id_ambassador is None:
            raise UnexpectedPayloadError("An ambassador has no id_ambassador.", vendor="popsell")
        return found


class PopsellStatusChange(Payload):
    """One row of an order's status history."""

    id_order_status: int | None = None
    date_insert: str | None = None
    date_update: str | None = None
    comment: PersonalText = None
    id_order: int | None = None
    status: str | None = None


class PopsellImage(Payload):
    """A product image in one language (``en_GB``, ``fr_FR``, ``es_ES`` or ``de_DE``)."""

    id_i18n_content: int | None = None
    lang: str | None = None
    content: str | None = None


class PopsellOrderDetails(Payload):
    """What was ordered of a product.

    :param total_price: ``unit_price * quantity``, says the order page.
    """

    id_order: int | None = None
    id_product: int | None = None
    quantity: int | None = None
    unit_price: Money = None
    sku: str | None = None
    currency: str | None = None
    total_price: Money = None


class PopsellProduct(Payload):
    """A product of the catalogue, and what was ordered of it.

    Prices and stock are declared "integer(float)" on the order page: decimals, then.
    """

    id_product: int | None = None
    name: str | None = None
    type: str | None = None
    discount_percentage: Money = None
    price_catalog: Money = None
    reference_unit_price: Money = None
    sku: str | None = None
    youtube_id: str | None = None
    url: str | None = None
    description: str | None = None
    images: list[PopsellImage] | None = None
    price: Money = None
    stock: Money = None
    stock_available: Money = None
    old_image: str | None = None
    order_details: Annotated[PopsellOrderDetails | None, PHP_EMPTY] = None


class PopsellOrder(VendorOrder):
    """An order of Popsell: what the manager's page documents, and what an ambassador's list adds.

    :param total_ws: unexplained on the order page, so it is not mapped.
    :param date_order: as all its dates, without a declared form or zone.
    :param assignment: ``conversation_assigned``, ``affiliation_assigned`` or ``unassigned``; only in an
        ambassador's list, which has neither ``ambassador``, ``ambassador_chat`` nor ``status``.
    :param status: the status history; the current one is ``last_status``.
    """

    VENDOR: ClassVar[str] = "popsell"
    ID_FIELD: ClassVar[str] = "id_order"
    WINDOW_FIELDS: ClassVar[tuple[str, str | None]] = ("date_order (or date_insert)", "date_update")
    ENTERED_FIELD: ClassVar[str | None] = "date_insert"
    TOTAL_FIELD: ClassVar[str] = "total_amount"
    # What people do elsewhere, and what others buy: each sweep would bring most orders again.
    VOLATILE_FIELDS: ClassVar[frozenset[str]] = frozenset(
        {"online", "last_action_date", "stock", "stock_available"}
    )
    ASSUMED_TIMEZONE: ClassVar[str] = "Europe/Paris"
    AXES: ClassVar[Mapping[str, StatusAxis]] = AXES
    DEFAULT_AXIS: ClassVar[str] = DEFAULT_AXIS

    id_order: int
    id_order_external: str | None = None
    total_amount: Money = None
    total_paid: Money = None
    total_ws: Money = None
    id_popliste: int | None = None
    source: str | None = None
    last_status: str | None = None
    ambassador: Annotated[PopsellAmbassador | None, PHP_EMPTY] = None
    id_meeting: int | None = None
    id_meeting_external: str | None = None
    customer_id: str | None = None
    order_info: PersonalText = None
    buyer: Annotated[PopsellAmbassador | None, PHP_EMPTY] = None
    currency: str | None = None
    date_order: str | None = None
    type: str | None = None
    id_chat_segment: int | None = None
    ambassador_chat: Annotated[PopsellAmbassador | None, PHP_EMPTY] = None
    id_chatroom: int | None = None
    date_insert: str | None = None
    date_update: str | None = None
    assignment: str | None = None
    status: list[PopsellStatusChange] | None = None
    products: list[PopsellProduct] | None = None
    total_products_quantity: int | None = None

    def identity(self) -> str:
        """Give ``id_order`` as text."""
        return str(self.id_order)

    def status_words(self) -> dict[str, StatusWord]:
        """Give ``last_status``, the only status that Popsell has."""
        return {"order": AXES["order"].read(self.last_status)}

    def money_total(self) -> tuple[str | None, Decimal | None]:
        """Give ``currency`` and ``total_amount``."""
        return self.currency, self.total_amount

    def window_texts(self) -> tuple[str | None, str | None]:
        """Give ``date_order``, or ``date_insert`` where it is missing, and ``date_update``."""
        return self.date_insert if is_blank(self.date_order) else self.date_order, self.date_update

    def _map(self, *, account: str | None, dates: Dates) -> Order:
        created, updated = dates.window(self.window_texts())
        status = self.status_words()["order"]
        return new_order(
            source=self.VENDOR,
            account=account,
            id=self.identity(),
            external_id=self.id_order_external,
            status=status.canonical,
            status_raw=status.raw,
            currency=self.currency,
            total=self.total_amount,
            paid=self.total_paid,
            customer=self._customer(),
            lines=None if self.products is None else tuple(_line(product) for product in self.products),
            created_at=created,
            updated_at=updated,
            timezone_assumed=dates.assumed,
        )

    def _customer(self) -> Customer | None:
        buyer = self.buyer
        if not buyer:
            return None if self.customer_id is None else new_customer(id=self.customer_id)
        return new_customer(
            id=self.customer_id or buyer.customer_id,
            name=joined(buyer.firstname, buyer.lastname) or buyer.username,
            email=buyer.email,
        )


_NOTHING_ORDERED = PopsellOrderDetails.model_construct()


def _line(product: PopsellProduct) -> OrderLine:
    ordered = product.order_details or _NOTHING_ORDERED
    product_id = ordered.id_product if product.id_product is None else product.id_product
    total = ordered.total_price
    return new_line(
        product_id=None if product_id is None else str(product_id),
        sku=ordered.sku or product.sku,
        name=product.name,
        quantity=whole(ordered.quantity),
        unit_price=ordered.unit_price,
        total=times(ordered.unit_price, ordered.quantity) if total is None else total,
    )
