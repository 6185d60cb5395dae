from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_orders.models.genuka import GenukaOrder
from airflow_provider_orders.models.order import Address, Customer, Order, OrderLine, Tracking
from airflow_provider_orders.models.statuses import FulfillmentStatus, OrderStatus, PaymentStatus

if TYPE_CHECKING:
    from collections.abc import Callable

LINES = (
    OrderLine(
        id="2899",
        product_id="01k1amzt10qsysja4esbkw85s8",
        name="Black whisk",
        quantity=Decimal(1),
        unit_price=Decimal(6600),
        total=Decimal(6600),
    ),
)


def test_the_documented_order_becomes_this_canonical_order(read: Callable[..., GenukaOrder]) -> None:
    assert read(GenukaOrder, "genuka_order").to_order() == Order(
        source="genuka",
        id="01k1d99mheywy0tsdnftma8907",
        reference="#ORDER_1382",
        status=OrderStatus.PENDING,
        status_raw="pending",
        payment_status=PaymentStatus.PARTIALLY_PAID,
        payment_status_raw="partially_paid",
        fulfillment_status=FulfillmentStatus.PENDING,
        fulfillment_status_raw="pending",
        currency="XAF",
        total=Decimal(6600),
        subtotal=Decimal(6600),
        tax=Decimal(0),
        shipping=Decimal(0),
        discount=Decimal(0),
        paid=Decimal(1000),
        due=Decimal(5600),
        lines=LINES,
        created_at=datetime(2025, 7, 30, 9, 5, 53, tzinfo=UTC),
        updated_at=datetime(2025, 7, 30, 10, 6, tzinfo=UTC),
    )


def test_lines_come_from_the_products_where_a_list_has_only_those(read: Callable[..., GenukaOrder]) -> None:
    assert read(GenukaOrder, "genuka_order", order_products=None).to_order().lines == LINES
    assert read(GenukaOrder, "genuka_order", order_products=None, products=[]).to_order().lines == ()
    assert read(GenukaOrder, "genuka_order", order_products=[]).to_order().lines == ()
    assert read(GenukaOrder, "genuka_order", order_products=None, products=None).to_order().lines is None


def test_a_product_without_its_line_still_counts(read: Callable[..., GenukaOrder]) -> None:
    order = read(GenukaOrder, "genuka_order", order_products=None, products=[{"id": "p1", "title": "Whisk"}])

    assert order.to_order().lines == (OrderLine(product_id="p1", name="Whisk"),)


def test_a_deleted_order_is_cancelled_and_keeps_the_vendors_words(read: Callable[..., GenukaOrder]) -> None:
    order = read(GenukaOrder, "genuka_order", deleted_at="2025-08-01T10:00:00.000000Z")

    assert {axis: (word.canonical, word.raw) for axis, word in order.status_words().items()} == {
        "payment": ("cancelled", "partially_paid"),
        "fulfillment": ("cancelled", "pending"),
    }
    canonical = order.to_order()
    assert canonical.deleted
    assert canonical.cancelled_at == datetime(2025, 8, 1, 10, 0, tzinfo=UTC)
    assert (canonical.status, canonical.status_raw) == ("cancelled", "pending")
    assert (canonical.fulfillment_status, canonical.fulfillment_status_raw) == ("cancelled", "pending")


def test_a_blank_deletion_is_none(read: Callable[..., GenukaOrder]) -> None:
    order = read(GenukaOrder, "genuka_order", deleted_at="0000-00-00 00:00:00")

    assert not order.to_order().deleted
    assert order.to_order().status == "pending"
    assert order.status_words()["fulfillment"].canonical == "pending"


@pytest.mark.parametrize(
    ("billing", "shipping", "payment", "fulfillment"),
    [
        ({"status": "paid"}, {"status": "delivered"}, "paid", "delivered"),
        ({"status": "canceled"}, {"status": "taken_in_charge"}, "cancelled", "in_transit"),
        ({"status": "unpaid"}, {"status": "partial_delivery"}, "unpaid", "partially_delivered"),
        ({"status": "brand_new"}, {}, "unknown", "unknown"),
        ([], None, "unknown", "unknown"),
    ],
)
def test_statuses_come_from_billing_and_shipping(
    read: Callable[..., GenukaOrder], billing: Any, shipping: Any, payment: str, fulfillment: str
) -> None:
    words = read(GenukaOrder, "genuka_order", billing=billing, shipping=shipping).status_words()

    assert (words["payment"].canonical, words["fulfillment"].canonical) == (payment, fulfillment)


@pytest.mark.parametrize(
    ("changes", "paid", "due"),
    [
        ({"amount_due": None}, None, None),
        ({"amount": None}, None, Decimal(5600)),
        ({"amount": 66.6, "amount_due": 0}, Decimal("66.6"), Decimal(0)),
    ],
)
def test_paid_is_known_only_where_amount_and_due_are(
    read: Callable[..., GenukaOrder], changes: dict[str, Any], paid: Decimal | None, due: Decimal | None
) -> None:
    order = read(GenukaOrder, "genuka_order", **changes).to_order()

    assert (order.paid, order.due) == (paid, due)


def test_the_customer_is_mapped(read: Callable[..., GenukaOrder]) -> None:
    customer = {
        "id": "c1",
        "first_name": "Claire",
        "last_name": "Moreau",
        "email": "c@example.com",
        "phone": "1",
    }

    assert read(GenukaOrder, "genuka_order", customer=customer).to_order().customer == Customer(
        id="c1", name="Claire Moreau", email="c@example.com", phone="1"
    )
    assert read(GenukaOrder, "genuka_order", customer_id="c2").to_order().customer == Customer(id="c2")
    assert read(GenukaOrder, "genuka_order", customer=[]).to_order().customer is None


@pytest.mark.parametrize(
    ("delivery", "deliveries", "tracking"),
    [
        (
            {"tracking_number": "#DLV_1134", "tracking_url": "https://t.example/1"},
            [],
            Tracking(number="#DLV_1134", url="https://t.example/1"),
        ),
        (None, [{"tracking_number": "#DLV_1"}, {"tracking_number": "#DLV_2"}], Tracking(number="#DLV_1")),
        ({"id": "d1"}, [], None),
        ([], None, None),
    ],
)
def test_tracking_comes_from_the_first_delivery(
    read: Callable[..., GenukaOrder], delivery: Any, deliveries: Any, tracking: Tracking | None
) -> None:
    order = read(GenukaOrder, "genuka_order", delivery=delivery, deliveries=deliveries)

    assert order.to_order().tracking == tracking


@pytest.mark.parametrize(
    ("address", "mapped"),
    [
        (None, None),
        ([], None),
        ({}, None),
        (7, None),
        ("Rue 1, Douala", Address(street="Rue 1, Douala")),
        (
            {"line1": "Rue 1", "line2": None, "city": "Douala", "first_name": "Claire"},
            Address(name="Claire", street="Rue 1", city="Douala"),
        ),
    ],
)
def test_an_address_of_undocumented_shape_is_read_leniently(
    read: Callable[..., GenukaOrder], address: Any, mapped: Address | None
) -> None:
    assert (
        read(GenukaOrder, "genuka_order", shipping={"address": address}).to_order().shipping_address == mapped
    )


def test_a_day_first_date_of_the_bill_is_kept_as_sent(read: Callable[..., GenukaOrder]) -> None:
    order = read(GenukaOrder, "genuka_order", billing={"scheduled_at": "18/01/2024"})

    assert order.billing is not None
    assert order.billing.scheduled_at == "18/01/2024"
