from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_orders.errors import UnexpectedPayloadError
from airflow_provider_orders.models.order import Customer, Order, OrderLine
from airflow_provider_orders.models.popsell import PopsellAmbassador, PopsellOrder
from airflow_provider_orders.models.statuses import OrderStatus, StatusWord

if TYPE_CHECKING:
    from collections.abc import Callable

MANAGER = "popsell_manager_order"


def test_the_documented_order_becomes_this_canonical_order(read: Callable[..., PopsellOrder]) -> None:
    order = read(PopsellOrder, MANAGER, last_status="FULFILLED", currency="EUR").to_order(account="shop")

    assert order == Order(
        source="popsell",
        account="shop",
        id="42",
        external_id="string",
        status=OrderStatus.COMPLETED,
        status_raw="FULFILLED",
        currency="EUR",
        total=Decimal(42),
        paid=Decimal(42),
        customer=Customer(id="string", name="string string", email="string"),
        lines=(
            OrderLine(
                product_id="42",
                sku="string",
                name="string",
                quantity=Decimal(42),
                unit_price=Decimal(42),
                total=Decimal(42),
            ),
        ),
        created_at=datetime(2026, 1, 18, 9, 22, 11, tzinfo=UTC),
        updated_at=datetime(2026, 7, 1, 8, 0, tzinfo=UTC),
        timezone_assumed="Europe/Paris",
    )


def test_a_row_of_an_ambassadors_list_maps_alike(read: Callable[..., PopsellOrder]) -> None:
    row = read(PopsellOrder, "popsell_ambassador_order")

    assert row.assignment == "conversation_assigned"
    assert row.status is None
    assert row.ambassador is None
    assert row.to_order() == read(PopsellOrder, MANAGER).to_order()


def test_only_the_last_status_is_read(read: Callable[..., PopsellOrder]) -> None:
    assert read(PopsellOrder, MANAGER, last_status="returned").status_words() == {
        "order": StatusWord("returned", OrderStatus.RETURNED)
    }
    assert read(PopsellOrder, MANAGER, last_status="ON_HOLD").to_order().status_raw == "ON_HOLD"
    assert read(PopsellOrder, MANAGER, last_status="ON_HOLD").to_order().status is OrderStatus.UNKNOWN


def test_total_ws_is_not_mapped(read: Callable[..., PopsellOrder]) -> None:
    assert read(PopsellOrder, MANAGER, total_ws=1).to_order() == read(PopsellOrder, MANAGER).to_order()


@pytest.mark.parametrize(
    ("details", "total"),
    [
        ({"unit_price": 59.95, "quantity": 2, "total_price": 119.9}, "119.9"),
        ({"unit_price": 59.95, "quantity": 2}, "119.90"),
        ({"unit_price": 59.95, "quantity": 2, "total_price": 0}, "0"),
        ({"unit_price": 59.95}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_lines_total_is_given_or_computed(
    read: Callable[..., PopsellOrder], details: Any, total: str | None
) -> None:
    products = [{"id_product": 7, "sku": "A", "price": 70.0, "order_details": details}]

    lines = read(PopsellOrder, MANAGER, products=products).to_order().lines

    assert lines is not None
    assert lines[0].total == (None if total is None else Decimal(total))
    assert (lines[0].product_id, lines[0].sku) == ("7", "A")
    assert lines[0].unit_price != Decimal(70)  # the catalogue's price is not what was paid


def test_no_products_is_not_the_same_as_products_not_sent(read: Callable[..., PopsellOrder]) -> None:
    assert read(PopsellOrder, MANAGER, products=[]).to_order().lines == ()
    assert read(PopsellOrder, MANAGER, products=None).to_order().lines is None


def test_created_falls_back_to_the_day_of_insertion(read: Callable[..., PopsellOrder]) -> None:
    for missing in (None, "", "0000-00-00 00:00:00"):
        order = read(PopsellOrder, MANAGER, date_order=missing)
        assert order.to_order().created_at == datetime(2026, 1, 18, 9, 22, 15, tzinfo=UTC)
        assert order.window_moments()[0] == order.to_order().created_at


@pytest.mark.parametrize(
    ("buyer", "customer_id", "customer"),
    [
        (None, None, None),
        ([], "C1", Customer(id="C1")),
        ({"username": "cl"}, None, Customer(name="cl")),
        ({"lastname": "Moreau", "customer_id": "C2"}, None, Customer(id="C2", name="Moreau")),
        ({"firstname": "Claire", "lastname": "Moreau"}, "C1", Customer(id="C1", name="Claire Moreau")),
    ],
)
def test_the_buyer_is_the_customer(
    read: Callable[..., PopsellOrder], buyer: Any, customer_id: str | None, customer: Customer | None
) -> None:
    order = read(PopsellOrder, MANAGER, buyer=buyer, customer_id=customer_id)

    assert order.to_order().customer == customer


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (
            b'{"id_ambassador": 7, "active": "claire"}',
            "Ambassador 7 is not what popsell documents: active: input",
        ),
        (
            b'{"id_ambassador": "claire moreau"}',
            "An ambassador without a readable id is not .* id_ambassador: ",
        ),
        (b"[]", "An ambassador without a readable id is not .*: the ambassador: "),
        (b'{"id_ambassador": 7', "not what popsell documents: it is not valid JSON"),
        (b'{"firstname": "claire"}', "An ambassador has no id_ambassador"),
    ],
)
def test_an_ambassador_that_is_not_documented_is_an_error_that_repeats_no_value(
    raw: bytes, says: str
) -> None:
    with pytest.raises(UnexpectedPayloadError, match=says) as caught:
        PopsellAmbassador.parse(raw)
    assert caught.value.vendor == "popsell"
    assert "claire" not in str(caught.value)
    assert caught.value.__context__ is None


def test_an_ambassador_of_the_list_is_read() -> None:
    assert PopsellAmbassador.parse(b'{"id_ambassador": 7, "new": 1}').id_ambassador == 7
