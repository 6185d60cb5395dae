from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from airflow_provider_orders.models.order import Address, Customer, Order, OrderLine
from airflow_provider_orders.models.statuses import FulfillmentStatus, PaymentStatus
from airflow_provider_orders.models.valomnia import ValomniaLine, ValomniaOrder, ValomniaPayment

if TYPE_CHECKING:
    from collections.abc import Callable

LINE = {
    "id": 5,
    "operationType": "ORDER",
    "orderReference": "marie_order_2014_12_20",
    "order": {"id": 5, "reference": "marie_order_2014_12_20", "href": "/api/v2.1/orders/5"},
    "itemReference": "ring-1",
    "unitReference": "piece",
    "item": {"id": 9, "reference": "ring-1", "name": "Ring", "href": "/api/v2.1/items/9"},
    "unit": {"id": 1, "reference": "piece", "name": "Piece", "href": "/api/v2.1/units/1"},
    "discount": 0,
    "customerDiscount": None,
    "finalPrice": 1572,
    "unitPrice": 26.2,
    "tax": 0,
    "quantity": 60,
    "type": "REGULAR",
    "comment": None,
    "soldSerialNumbers": None,
    "organization": "entity1",
    "dateCreated": "2014-12-20T23:00:00Z",
    "lastUpdated": "2014-12-20T23:00:00Z",
}


def test_the_documented_operation_becomes_this_canonical_order(read: Callable[..., ValomniaOrder]) -> None:
    assert read(ValomniaOrder, "valomnia_operation").to_order() == Order(
        source="valomnia",
        id="5",
        reference="marie_order_2014_12_20",
        payment_status=PaymentStatus.PAID,
        payment_status_raw="PAID",
        fulfillment_status=FulfillmentStatus.DELIVERED,
        fulfillment_status_raw="DELIVERED",
        currency="EUR",
        total=Decimal(1572),
        subtotal=Decimal(1572),
        shipping=Decimal(7),
        customer=Customer(id="5", name="Marie's Jewelry"),
        lines=None,  # the answer holds stubs only
        shipping_address=Address(city="Paris", country="FR"),
        created_at=datetime(2014, 12, 20, 23, 0, tzinfo=UTC),
        updated_at=datetime(2014, 12, 20, 23, 0, tzinfo=UTC),
        delivered_at=datetime(2015, 5, 18, 21, 0, tzinfo=UTC),
    )


def test_full_lines_are_mapped(read: Callable[..., ValomniaOrder]) -> None:
    order = read(ValomniaOrder, "valomnia_operation", orderLines=[LINE])

    assert order.orderLines == [
        ValomniaLine.model_validate(json.loads(json.dumps(LINE), parse_float=Decimal))
    ]
    assert order.orderLines is not None
    assert not order.orderLines[0].model_extra
    assert order.to_order().lines == (
        OrderLine(
            id="5",
            product_id="9",
            sku="ring-1",
            name="Ring",
            quantity=Decimal(60),
            unit_price=Decimal("26.2"),
            total=Decimal(1572),
        ),
    )


def test_a_single_stub_means_that_the_lines_are_not_known(read: Callable[..., ValomniaOrder]) -> None:
    stub = {"id": 6, "href": "/api/v1.0/orderDetails/6"}

    assert read(ValomniaOrder, "valomnia_operation", orderLines=[LINE, stub]).to_order().lines is None
    assert read(ValomniaOrder, "valomnia_operation", orderLines=[]).to_order().lines == ()
    assert read(ValomniaOrder, "valomnia_operation", orderLines=None).to_order().lines is None


def test_a_line_without_an_item_is_still_a_line(read: Callable[..., ValomniaOrder]) -> None:
    order = read(ValomniaOrder, "valomnia_operation", orderLines=[{"id": None, "quantity": 0}])

    assert order.to_order().lines == (OrderLine(quantity=Decimal(0)),)


@pytest.mark.parametrize(
    ("status", "delivered_on", "meaning"),
    [
        ("PENDING", "2015-05-18T21:00:00Z", "delivered"),
        ("DELIVERED", None, "delivered"),
        ("REJECTED", "2015-05-18T21:00:00Z", "failed"),
        ("REJECTED", None, "failed"),
        (None, "2015-05-18T21:00:00Z", "delivered"),
        ("PENDING", None, "pending"),
        ("ON_ROAD", None, "unknown"),
    ],
)
def test_delivered_on_is_a_second_sign_of_success(
    read: Callable[..., ValomniaOrder], status: str | None, delivered_on: str | None, meaning: str
) -> None:
    order = read(ValomniaOrder, "valomnia_operation", deliveryStatus=status, deliveredOn=delivered_on)

    assert order.status_words()["fulfillment"].canonical == meaning
    assert order.status_words()["fulfillment"].raw == status
    assert order.to_order().fulfillment_status == meaning


@pytest.mark.parametrize(
    ("status", "meaning"),
    [("NOT_PAID", "unpaid"), ("ADVANCE", "partially_paid"), ("IN_PROCESS", "pending"), ("PAYED", "unknown")],
)
def test_status_is_the_payment(read: Callable[..., ValomniaOrder], status: str, meaning: str) -> None:
    order = read(
        ValomniaOrder, "valomnia_operation", status=status, advanceAmount=100.5, discount=10, taxAmount=0
    )

    assert order.to_order().payment_status == meaning
    assert order.to_order().status == "unknown"
    assert (order.to_order().paid, order.to_order().discount, order.to_order().tax) == (
        Decimal("100.5"),
        Decimal(10),
        Decimal(0),
    )


def test_an_operation_without_customer_or_address_has_none(read: Callable[..., ValomniaOrder]) -> None:
    order = read(
        ValomniaOrder, "valomnia_operation", customer=None, deliveryCity="", deliveryCountry=None
    ).to_order()

    assert order.customer is None
    assert order.shipping_address is None


def test_a_payment_is_read_with_the_slip_in_its_dates() -> None:
    payment = ValomniaPayment.model_validate({"id": 5, "paymentDate": "2014_12_20T22:00:00Z", "isLast": True})

    assert payment.paymentDate == "2014_12_20T22:00:00Z"
