"""How a Genuka order goes on: bill, payments, invoices, shipping, deliveries, returns.

Fields are those of the example on the order page, and of the vendor's other pages where that one shows
none. Where it shows null and says "unknown", the type is the likely one (an id or a date is text) or ``Json``.
"""

# ruff: noqa: N815 - fields keep the vendor's names

from __future__ import annotations

from typing import Annotated

from airflow_provider_orders.models.genuka_seller import GenukaTreasuryAccount  # noqa: TC001 - pydantic needs it
from airflow_provider_orders.models.payload import (
    PERSONAL,
    PHP_EMPTY,
    FreeObject,
    Json,
    Money,
    Payload,
    PersonalText,
)

__all__ = [
    "GenukaBilling",
    "GenukaCustomer",
    "GenukaDelivery",
    "GenukaInvoice",
    "GenukaMetadata",
    "GenukaPayment",
    "GenukaReturn",
    "GenukaReturnLine",
    "GenukaShipping",
]


class GenukaBilling(Payload):
    """The bill of an order.

    :param status: ``pending``, ``unpaid``, ``partially_paid``, ``paid`` or ``canceled``.
    :param method: a label, or the id of a treasury account.
    :param scheduled_at: day first, ``18/01/2024``; on newer orders, as are ``amount`` and both totals of
        discounts.
    """

    address: Annotated[Json, PERSONAL] = None
    address_id: str | None = None
    amount: Money = None
    discount: Money = None
    line_discounts_total: Money = None
    method: str | None = None
    net_to_pay: Money = None
    order_discounts_total: Money = None
    out_of_tax_total: Money = None
    scheduled_at: str | None = None
    shipping: Money = None
    status: str | None = None
    subtotal: Money = None
    sum_negative_taxes: Money = None
    sum_positive_taxes: Money = None
    total: Money = None
    treasury_account: Annotated[GenukaTreasuryAccount | None, PHP_EMPTY] = None
    treasury_account_id: str | None = None
    treasury_account_label: str | None = None


class GenukaShipping(Payload):
    """How an order leaves.

    :param status: ``pending``, ``taken_in_charge``, ``partial_delivery`` or ``delivered``.
    :param mode: ``delivery`` or ``pickup``.
    """

    address: Annotated[Json, PERSONAL] = None
    address_id: str | None = None
    amount: Money = None
    mode: str | None = None
    scheduled_at: str | None = None
    status: str | None = None


class GenukaCustomer(Payload):
    """The customer; null in the documentation's example, so the fields are those a community client reads."""

    birthdate: PersonalText = None
    company_name: PersonalText = None
    email: PersonalText = None
    first_name: PersonalText = None
    gender: PersonalText = None
    id: str | None = None
    last_name: PersonalText = None
    metadata: FreeObject = None
    phone: PersonalText = None
    type: str | None = None


class GenukaMetadata(Payload):
    """Free keys of an order, and three that the example shows."""

    matchingMediaIds: list[Json] | None = None
    note: PersonalText = None
    print_receipt: bool | None = None


class GenukaDelivery(Payload):
    """One delivery of an order.

    :param status: ``idle``, ``pending``, ``taken_in_charge``, ``partial_delivery``, ``delivered`` or
        ``cancelled``.
    """

    address_id: str | None = None
    company_id: str | None = None
    created_at: str | None = None
    deleted_at: str | None = None
    delivery_status: FreeObject = None
    ends_at: str | None = None
    id: str | None = None
    invoice_id: str | None = None
    metadata: FreeObject = None
    mode: str | None = None
    order_id: str | None = None
    products: list[Json] | None = None
    scheduled_at: str | None = None
    sequence: int | None = None
    starts_at: str | None = None
    status: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None
    updated_at: str | None = None
    user_id: str | None = None


class GenukaInvoice(Payload):
    """An invoice of an order.

    :param status: ``pending``, ``paid``, ``partially_paid`` or ``cancelled``.
    """

    amount: Money = None
    company_id: str | None = None
    created_at: str | None = None
    currency_code: str | None = None
    deleted_at: str | None = None
    id: str | None = None
    is_deposit: bool | None = None
    is_final: bool | None = None
    medias: list[Json] | None = None
    metadata: FreeObject = None
    order_id: str | None = None
    reference: str | None = None
    shop_id: str | None = None
    status: str | None = None
    updated_at: str | None = None
    user_id: str | None = None


class GenukaPayment(Payload):
    """A payment of an order; some answers say ``treasuryAccount``, some ``treasury_account``."""

    address_id: str | None = None
    amount: Money = None
    company_id: str | None = None
    created_at: str | None = None
    currency_code: str | None = None
    deleted_at: str | None = None
    due_date: str | None = None
    id: str | None = None
    metadata: FreeObject = None
    method: str | None = None
    paid_at: str | None = None
    payable: Json = None
    payable_id: str | None = None
    payable_type: str | None = None
    reference: str | None = None
    status: str | None = None
    treasuryAccount: Annotated[GenukaTreasuryAccount | None, PHP_EMPTY] = None
    treasury_account: Annotated[GenukaTreasuryAccount | None, PHP_EMPTY] = None
    treasury_account_id: str | None = None
    type: str | None = None
    updated_at: str | None = None
    user_id: str | None = None


class GenukaReturnLine(Payload):
    """One article of a return.

    :param reason: ``defective``, ``nonconforming``, ``delivery`` or ``dissatisfaction``.
    """

    comment: PersonalText = None
    id: Json = None
    quantity: Money = None
    reason: str | None = None
    variant_id: str | None = None


class GenukaReturn(Payload):
    """A return.

    :param status: ``draft``, ``waiting_approval``, ``confirmed``, ``done`` or ``cancelled``.
    """

    comment: PersonalText = None
    credit_notes: list[Json] | None = None
    customer: Annotated[GenukaCustomer | None, PHP_EMPTY] = None
    id: str | None = None
    lines: list[GenukaReturnLine] | None = None
    order: Json = None
    order_id: str | None = None
    reference: str | None = None
    return_date: str | None = None
    source: str | None = None
    status: str | None = None
    warehouse_id: str | None = None
