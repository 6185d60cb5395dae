"""Valomnia's operations (orders, pre-orders, invoices, delivery notes, deliveries), from ``/orders``."""

# ruff: noqa: N815 - fields keep the vendor's names

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, ClassVar

from airflow_provider_orders.models.base import VendorOrder
from airflow_provider_orders.models.moments import is_blank
from airflow_provider_orders.models.order import new_address, new_customer, new_line, new_order
from airflow_provider_orders.models.payload import PERSONAL, Json, Money, Payload, PersonalText
from airflow_provider_orders.models.statuses import (
    FulfillmentStatus,
    PaymentStatus,
    StatusAxis,
    StatusWord,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from airflow_provider_orders.models.base import Dates
    from airflow_provider_orders.models.order import Address, Customer, Order, OrderLine

__all__ = [
    "AXES",
    "DEFAULT_AXIS",
    "ValomniaCustomer",
    "ValomniaLine",
    "ValomniaOrder",
    "ValomniaPayment",
    "ValomniaReference",
    "ValomniaUser",
]

# The words are documented on the pages that create and update an operation.
AXES: Mapping[str, StatusAxis] = MappingProxyType(
    {
        "payment": StatusAxis(
            name="payment",
            words=MappingProxyType(
                {
                    "NOT_PAID": PaymentStatus.UNPAID,
                    "ADVANCE": PaymentStatus.PARTIALLY_PAID,
                    "PAID": PaymentStatus.PAID,
                    "IN_PROCESS": PaymentStatus.PENDING,
                }
            ),
            wanted=frozenset({PaymentStatus.PAID}),
            failed=frozenset(),  # no word for a payment that failed is documented
        ),
        "fulfillment": StatusAxis(
            name="fulfillment",
            words=MappingProxyType(
                {
                    "PENDING": FulfillmentStatus.PENDING,
                    "DELIVERED": FulfillmentStatus.DELIVERED,
                    "REJECTED": FulfillmentStatus.FAILED,
                }
            ),
            wanted=frozenset({FulfillmentStatus.DELIVERED}),
            failed=frozenset({FulfillmentStatus.FAILED}),
        ),
    }
)
DEFAULT_AXIS = "fulfillment"


class ValomniaReference(Payload):
    """A stub of something that has a page of its own: payment type, item, unit, payment."""

    id: int | None = None
    reference: str | None = None
    name: str | None = None
    href: str | None = None


class ValomniaUser(Payload):
    """An employee: who took the order, or who delivers it."""

    id: int | None = None
    reference: str | None = None
    href: str | None = None


class ValomniaCustomer(Payload):
    """The customer, most often a shop.

    :param reference2: a second reference.
    :param categoryReference: from version 2.1 of the API.
    """

    id: int | None = None
    reference: str | None = None
    reference2: str | None = None
    name: PersonalText = None
    href: str | None = None
    categoryReference: str | None = None


class ValomniaPayment(Payload):
    """A payment: a stub inside an operation, whole from ``/orderPayments/{id}``."""

    id: int | None = None
    reference: str | None = None
    href: str | None = None
    orderReference: str | None = None
    order: ValomniaReference | None = None
    advanceAmount: Money = None
    paymentDate: str | None = None
    isLast: bool | None = None
    paymentTypeReference: str | None = None
    paymentType: ValomniaReference | None = None
    bank: str | None = None
    chequeNumber: PersonalText = None
    desiredPaymentDate: str | None = None
    chequeImage: PersonalText = None
    dateCreated: str | None = None
    lastUpdated: str | None = None


class ValomniaLine(Payload):
    """A line: ``id`` and ``href`` only inside an operation, whole from ``/orderDetails``.

    :param finalPrice: of the line: ``quantity * unitPrice`` in the example of the lines page.
    :param type: ``REGULAR`` in the example.
    """

    id: int | None = None
    href: str | None = None
    operationType: str | None = None
    orderReference: str | None = None
    order: ValomniaReference | None = None
    itemReference: str | None = None
    unitReference: str | None = None
    item: ValomniaReference | None = None
    unit: ValomniaReference | None = None
    discount: Money = None
    customerDiscount: Money = None
    finalPrice: Money = None
    unitPrice: Money = None
    tax: Money = None
    quantity: Money = None
    type: str | None = None
    comment: PersonalText = None
    soldSerialNumbers: Json = None
    organization: str | None = None
    dateCreated: str | None = None
    lastUpdated: str | None = None

    @property
    def is_stub(self) -> bool:
        """Tell whether it says nothing but where the line is."""
        return self.quantity is None and self.finalPrice is None and self.itemReference is None


class ValomniaOrder(VendorOrder):
    """An operation of Valomnia.

    :param operationType: ``ORDER``, ``PREORDER``, ``INVOICE``, ``DELIVERYNOTE`` or ``DELIVERY``.
    :param status: of the payment: ``NOT_PAID``, ``ADVANCE`` (in part), ``PAID``, ``IN_PROCESS``.
    :param latitude: where the employee was; so is ``longitude``.
    :param exchangeRate: to the organisation's own currency.
    :param orderPrepayments: from version 2.1 of the API; the rows are not documented.
    :param deliveredOn: when it was delivered.
    """

    VENDOR: ClassVar[str] = "valomnia"
    ID_FIELD: ClassVar[str] = "id"
    WINDOW_FIELDS: ClassVar[tuple[str, str | None]] = ("dateCreated", "lastUpdated")
    TOTAL_FIELD: ClassVar[str] = "total"
    ASSUMED_TIMEZONE: ClassVar[str] = "UTC"
    AXES: ClassVar[Mapping[str, StatusAxis]] = AXES
    DEFAULT_AXIS: ClassVar[str] = DEFAULT_AXIS

    id: int
    operationType: str | None = None
    reference: str | None = None
    status: str | None = None
    latitude: Annotated[Money, PERSONAL] = None
    longitude: Annotated[Money, PERSONAL] = None
    checkInDate: str | None = None
    total: Money = None
    totalExclTax: Money = None
    totalDiscounted: Money = None
    discount: Money = None
    taxAmount: Money = None
    shippingFee: Money = None
    paymentDate: str | None = None
    paymentTypeId: int | None = None
    paymentType: ValomniaReference | None = None
    advanceAmount: Money = None
    orderPayments: list[ValomniaPayment] | None = None
    orderPrepayments: list[Json] | None = None
    dueDate: str | None = None
    customerReference: str | None = None
    customer: ValomniaCustomer | None = None
    currency: str | None = None
    exchangeRate: Money = None
    employeeReference: str | None = None
    user: ValomniaUser | None = None
    deliveryStatus: str | None = None
    deliveryDate: str | None = None
    deliveryComment: PersonalText = None
    deliveryCountry: str | None = None
    deliveryCity: PersonalText = None
    deliveryPostalCode: PersonalText = None
    deliveryAddress: PersonalText = None
    orderLines: list[ValomniaLine] | None = None
    pdfUrl: str | None = None
    organization: str | None = None
    dateCreated: str | None = None
    lastUpdated: str | None = None
    deliveredBy: ValomniaUser | None = None
    desiredDeliveryDate: str | None = None
    deliveredOn: str | None = None
    assignmentDate: str | None = None

    def identity(self) -> str:
        """Give ``id`` as text."""
        return str(self.id)

    def status_words(self) -> dict[str, StatusWord]:
        """Give ``status`` and ``deliveryStatus``; with ``deliveredOn`` it is delivered unless rejected."""
        delivery = AXES["fulfillment"].read(self.deliveryStatus)
        if not is_blank(self.deliveredOn) and delivery.canonical not in _FINAL:
            delivery = StatusWord(delivery.raw, FulfillmentStatus.DELIVERED)
        return {"payment": AXES["payment"].read(self.status), "fulfillment": delivery}

    def money_total(self) -> tuple[str | None, Decimal | None]:
        """Give ``currency`` and ``total``."""
        return self.currency, self.total

    def window_texts(self) -> tuple[str | None, str | None]:
        """Give ``dateCreated`` and ``lastUpdated``."""
        return self.dateCreated, self.lastUpdated

    def _map(self, *, account: str | None, dates: Dates) -> Order:
        words = self.status_words()
        created, updated = dates.window(self.window_texts())
        payment, delivery = words["payment"], words["fulfillment"]
        return new_order(
            source=self.VENDOR,
            account=account,
            id=self.identity(),
            reference=self.reference,
            payment_status=payment.canonical,
            payment_status_raw=payment.raw,
            fulfillment_status=delivery.canonical,
            fulfillment_status_raw=delivery.raw,
            currency=self.currency,
            total=self.total,
            subtotal=self.totalExclTax,
            tax=self.taxAmount,
            shipping=self.shippingFee,
            discount=self.discount,
            paid=self.advanceAmount,
            customer=self._customer(),
            lines=self._lines(),
            shipping_address=self._address(),
            created_at=created,
            updated_at=updated,
            delivered_at=dates.read("deliveredOn", self.deliveredOn),
            timezone_assumed=dates.assumed,
        )

    def _customer(self) -> Customer | None:
        customer = self.customer
        if customer is None:
            return None
        return new_customer(id=None if customer.id is None else str(customer.id), name=customer.name)

    def _address(self) -> Address | None:
        parts = (self.deliveryAddress, self.deliveryPostalCode, self.deliveryCity, self.deliveryCountry)
        if not any(parts):
            return None
        street, postcode, city, country = parts
        return new_address(street=street, postcode=postcode, city=city, country=country)

    def _lines(self) -> tuple[OrderLine, ...] | None:
        if self.orderLines is None or any(line.is_stub for line in self.orderLines):
            return None
        return tuple(_line(line) for line in self.orderLines)


_FINAL = frozenset({FulfillmentStatus.DELIVERED, FulfillmentStatus.FAILED})


_NO_ITEM = ValomniaReference.model_construct()


def _line(line: ValomniaLine) -> OrderLine:
    item = line.item or _NO_ITEM
    return new_line(
        id=None if line.id is None else str(line.id),
        product_id=None if item.id is None else str(item.id),
        sku=line.itemReference or item.reference,
        name=item.name,
        quantity=line.quantity,
        unit_price=line.unitPrice,
        total=line.finalPrice,
    )
