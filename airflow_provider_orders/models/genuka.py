"""Genuka's orders, from ``/2023-11/admin/orders``, and their mapping to the canonical order."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from airflow_provider_orders.models.base import VendorOrder
from airflow_provider_orders.models.genuka_catalogue import GenukaOrderProduct, GenukaProduct
from airflow_provider_orders.models.genuka_parts import (
    GenukaBilling,
    GenukaCustomer,
    GenukaDelivery,
    GenukaInvoice,
    GenukaMetadata,
    GenukaPayment,
    GenukaReturn,
    GenukaShipping,
)
from airflow_provider_orders.models.genuka_seller import (  # noqa: TC001 - pydantic needs them
    GenukaCompany,
    GenukaShop,
    GenukaUser,
)
from airflow_provider_orders.models.moments import is_blank
from airflow_provider_orders.models.money import minus, times
from airflow_provider_orders.models.order import (
    new_address,
    new_customer,
    new_line,
    new_order,
    new_tracking,
)
from airflow_provider_orders.models.payload import PHP_EMPTY, Json, Money, joined, text_in
from airflow_provider_orders.models.statuses import (
    FulfillmentStatus,
    OrderStatus,
    PaymentStatus,
    StatusAxis,
    StatusWord,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from airflow_provider_orders.models.base import Dates
    from airflow_provider_orders.models.order import Address, Customer, Order, OrderLine, Tracking

__all__ = ["AXES", "DEFAULT_AXIS", "ORDER_STATUS", "GenukaOrder"]

AXES: Mapping[str, StatusAxis] = MappingProxyType(
    {
        "payment": StatusAxis(
            name="payment",
            words=MappingProxyType(
                {
                    "pending": PaymentStatus.PENDING,
                    "unpaid": PaymentStatus.UNPAID,
                    "partially_paid": PaymentStatus.PARTIALLY_PAID,
                    "paid": PaymentStatus.PAID,
                    "canceled": PaymentStatus.CANCELLED,  # one l, on the orders page
                }
            ),
            wanted=frozenset({PaymentStatus.PAID}),
            failed=frozenset({PaymentStatus.CANCELLED}),
        ),
        "fulfillment": StatusAxis(
            name="fulfillment",
            words=MappingProxyType(
                {
                    "pending": FulfillmentStatus.PENDING,
                    "taken_in_charge": FulfillmentStatus.IN_TRANSIT,
                    "partial_delivery": FulfillmentStatus.PARTIALLY_DELIVERED,
                    "delivered": FulfillmentStatus.DELIVERED,
                    # Words of a delivery, on the deliveries page; an order might repeat them (*assumed*).
                    "idle": FulfillmentStatus.PENDING,
                    "cancelled": FulfillmentStatus.CANCELLED,
                }
            ),
            wanted=frozenset({FulfillmentStatus.DELIVERED}),
            failed=frozenset({FulfillmentStatus.CANCELLED}),
        ),
    }
)
DEFAULT_AXIS = "fulfillment"

ORDER_STATUS = StatusAxis(
    name="order",
    words=MappingProxyType(
        {
            "pending": OrderStatus.PENDING,
            "completed": OrderStatus.COMPLETED,
            "cancelled": OrderStatus.CANCELLED,
        }
    ),
    wanted=frozenset({OrderStatus.COMPLETED}),
    failed=frozenset({OrderStatus.CANCELLED}),
)
"""The order's own ``status``, which is mapped but not among :data:`AXES`: nobody should wait for it.

The recorded answers of the API keep ``pending`` even on a delivered order; the other words come from a
community client.
"""


class GenukaOrder(VendorOrder):
    """An order of Genuka; a list's rows have fewer fields than a single order.

    :param status: not maintained by the vendor, see :data:`ORDER_STATUS`.
    :param state: 1 invoice, 2 quotation, 3 sales order (documented on the orders page).
    :param amount: the total; amounts are decimals in ``currency``, never minor units.
    :param deleted_at: when the order was cancelled; null on others.
    """

    VENDOR: ClassVar[str] = "genuka"
    ID_FIELD: ClassVar[str] = "id"
    WINDOW_FIELDS: ClassVar[tuple[str, str | None]] = ("created_at", "updated_at")
    TOTAL_FIELD: ClassVar[str] = "amount"
    ASSUMED_TIMEZONE: ClassVar[str] = "UTC"
    AXES: ClassVar[Mapping[str, StatusAxis]] = AXES
    DEFAULT_AXIS: ClassVar[str] = DEFAULT_AXIS

    id: Annotated[str, Field(min_length=1)]
    addresses: list[Json] | None = None
    adjustments: list[Json] | None = None
    amount: Money = None
    amount_due: Money = None
    billing: Annotated[GenukaBilling | None, PHP_EMPTY] = None
    bills: list[Json] | None = None
    calendar_event_id: Json = None
    company: Annotated[GenukaCompany | None, PHP_EMPTY] = None
    company_id: str | None = None
    created_at: str | None = None
    credit_code: str | None = None
    credit_notes: list[Json] | None = None
    currency: str | None = None
    custom_fields: list[Json] | dict[str, Json] | None = None
    customer: Annotated[GenukaCustomer | None, PHP_EMPTY] = None
    customer_id: str | None = None
    customer_orders_count: int | None = None
    debit_code: str | None = None
    deleted_at: str | None = None
    deliveries: list[GenukaDelivery] | None = None
    delivery: Annotated[GenukaDelivery | None, PHP_EMPTY] = None
    discounts: list[Json] | None = None
    due_at: str | None = None
    expires_at: str | None = None
    invoices: list[GenukaInvoice] | None = None
    invoices_count: int | None = None
    medias: list[Json] | None = None
    metadata: Annotated[GenukaMetadata | None, PHP_EMPTY] = None
    order_products: list[GenukaOrderProduct] | None = None
    payments: list[GenukaPayment] | None = None
    pickup_location: Json = None
    pickup_location_id: str | None = None
    private_medias: list[Json] | None = None
    products: list[GenukaProduct] | None = None
    reference: str | None = None
    returns: list[GenukaReturn] | None = None
    returns_count: int | None = None
    revenue_type: str | None = None
    shipping: Annotated[GenukaShipping | None, PHP_EMPTY] = None
    shipping_fee: Json = None
    shipping_fee_id: str | None = None
    shop: Annotated[GenukaShop | None, PHP_EMPTY] = None
    shop_id: str | None = None
    signature: Json = None
    source: str | None = None
    state: int | None = None
    status: str | None = None
    subscriptions: list[Json] | None = None
    taxes: list[Json] | None = None
    updated_at: str | None = None
    user: Annotated[GenukaUser | None, PHP_EMPTY] = None
    user_id: str | None = None

    def identity(self) -> str:
        """Give ``id``."""
        return self.id

    def status_words(self) -> dict[str, StatusWord]:
        """Give ``billing.status`` and ``shipping.status``.

        A deleted order is cancelled on both: Genuka leaves the words as they were, and whoever waits
        for "delivered" would wait for ever.
        """
        payment = AXES["payment"].read(self.billing.status if self.billing else None)
        shipping = AXES["fulfillment"].read(self.shipping.status if self.shipping else None)
        if not is_blank(self.deleted_at):
            payment = StatusWord(payment.raw, PaymentStatus.CANCELLED)
            shipping = StatusWord(shipping.raw, FulfillmentStatus.CANCELLED)
        return {"payment": payment, "fulfillment": shipping}

    def money_total(self) -> tuple[str | None, Decimal | None]:
        """Give ``currency`` and ``amount``."""
        return self.currency, self.amount

    def window_texts(self) -> tuple[str | None, str | None]:
        """Give ``created_at`` and ``updated_at``."""
        return self.created_at, self.updated_at

    def _map(self, *, account: str | None, dates: Dates) -> Order:
        words = self.status_words()
        payment, shipped = words["payment"], words["fulfillment"]
        status = ORDER_STATUS.read(self.status)
        created, updated = dates.window(self.window_texts())
        cancelled_at = dates.read("deleted_at", self.deleted_at)
        bill = self.billing or _NO_BILL
        return new_order(
            source=self.VENDOR,
            account=account,
            id=self.id,
            reference=self.reference,
            status=OrderStatus.CANCELLED if cancelled_at else status.canonical,
            status_raw=status.raw,
            payment_status=payment.canonical,
            payment_status_raw=payment.raw,
            fulfillment_status=shipped.canonical,
            fulfillment_status_raw=shipped.raw,
            currency=self.currency,
            total=self.amount,
            subtotal=bill.subtotal,
            tax=bill.sum_positive_taxes,  # negative ones (withheld) are apart; their sign is not documented
            shipping=bill.shipping,
            discount=bill.discount,
            paid=minus(self.amount, self.amount_due),
            due=self.amount_due,
            customer=self._customer(),
            lines=self._lines(),
            shipping_address=_address(self.shipping.address if self.shipping else None),
            tracking=self._tracking(),
            created_at=created,
            updated_at=updated,
            cancelled_at=cancelled_at,
            deleted=cancelled_at is not None,
            timezone_assumed=dates.assumed,
        )

    def _customer(self) -> Customer | None:
        customer = self.customer
        if not customer:
            return None if self.customer_id is None else new_customer(id=self.customer_id)
        return new_customer(
            id=customer.id or self.customer_id,
            name=joined(customer.first_name, customer.last_name),
            email=customer.email,
            phone=customer.phone,
            company=customer.company_name,
        )

    def _tracking(self) -> Tracking | None:
        delivery = self.delivery or next(iter(self.deliveries or ()), None)
        if not delivery or not (delivery.tracking_number or delivery.tracking_url):
            return None
        return new_tracking(number=delivery.tracking_number, url=delivery.tracking_url)

    def _lines(self) -> tuple[OrderLine, ...] | None:
        if self.order_products is not None:
            return tuple(_line(line, None) for line in self.order_products)
        if self.products is not None:
            return tuple(
                _line(product.pivot or GenukaOrderProduct(product_id=product.id), product)
                for product in self.products
            )
        return None


_NO_BILL = GenukaBilling.model_construct()


def _line(line: GenukaOrderProduct, product: GenukaProduct | None) -> OrderLine:
    about = line.metadata
    return new_line(
        id=None if line.id is None else str(line.id),
        product_id=line.product_id or (product.id if product else None),
        sku=(about.variant_sku if about else None) or (line.variant.sku if line.variant else None),
        name=(about.item_title or about.product_title if about else None)
        or (product.title if product else None),
        quantity=line.quantity,
        unit_price=line.price,
        total=times(line.price, line.quantity),
    )


def _address(address: Json) -> Address | None:
    """Read ``shipping.address``: its shape is not documented, the names are those of the create call."""
    if isinstance(address, str) and address:
        return new_address(street=address)
    if not isinstance(address, dict) or not address:
        return None
    return new_address(
        name=joined(text_in(address, "first_name"), text_in(address, "last_name")),
        company=text_in(address, "company_name"),
        street=joined(text_in(address, "line1"), text_in(address, "line2")),
        postcode=text_in(address, "postal_code"),
        city=text_in(address, "city"),
        country=text_in(address, "country"),
        phone=text_in(address, "phone"),
        email=text_in(address, "email"),
    )
