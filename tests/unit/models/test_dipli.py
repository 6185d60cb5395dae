from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_orders.errors import UnexpectedPayloadError
from airflow_provider_orders.models.dipli import DipliOrder
from airflow_provider_orders.models.order import Address, Order, OrderLine, Tracking
from airflow_provider_orders.models.statuses import FulfillmentStatus, StatusWord

if TYPE_CHECKING:
    from collections.abc import Callable

# An order whose lines and totals agree: 5 x 119.90 euros, and 1.00 euro of shipping, each with 20 % of tax.
CENTS = {
    "price_h_t": 59950,
    "price_t_v_a": 11990,
    "price_t_t_c": 71940,
    "shipping_h_t": 100,
    "shipping_t_v_a": 20,
    "shipping_t_t_c": 120,
}
ADDRESS = {
    "street": "1 rue de la Paix",
    "additionnal": "2e etage",
    "postcode": "75002",
    "city": "Paris",
    "country": "FR",
    "firstname": "Claire",
    "lastname": "Moreau",
    "company": "",
    "type": "shipping",
    "email": "claire@example.com",
    "telephone": "+33 1 00 00 00 00",
    "deliveryinfos": None,
    "ref": None,
}


def test_the_documented_order_becomes_this_canonical_order(read: Callable[..., DipliOrder]) -> None:
    order = read(
        DipliOrder,
        "dipli_order",
        **CENTS,
        public_id="A-111111",
        shipping_status="ongoing_shipping",
        tracking_slug="ups",
        tracking_number="X12FA123GT",
        shipping_address_json=json.dumps(ADDRESS),
    )

    assert order.to_order() == Order(
        source="dipli",
        id="42",
        reference="A-111111",
        fulfillment_status=FulfillmentStatus.IN_TRANSIT,
        fulfillment_status_raw="ongoing_shipping",
        currency="EUR",
        currency_assumed=True,
        total=Decimal("719.40"),
        subtotal=Decimal("599.50"),
        tax=Decimal("119.90"),
        shipping=Decimal("1.20"),
        lines=(
            OrderLine(
                sku="SM-J330FZ",
                name="Samsung Galaxy J3 2017 Dual Sim",
                quantity=Decimal(5),
                unit_price=Decimal("143.88"),
                total=Decimal("719.40"),
                tax_class="TVA Classique",
            ),
        ),
        shipping_address=Address(
            name="Claire Moreau",
            street="1 rue de la Paix 2e etage",
            postcode="75002",
            city="Paris",
            country="FR",
            phone="+33 1 00 00 00 00",
            email="claire@example.com",
        ),
        tracking=Tracking(carrier="ups", number="X12FA123GT"),
        created_at=datetime(2022, 8, 31, 22, 0, tzinfo=UTC),
        timezone_assumed="Europe/Paris",
    )


def test_lines_in_euros_add_up_to_the_total_in_cents(read: Callable[..., DipliOrder]) -> None:
    order = read(DipliOrder, "dipli_order", **CENTS)
    lines = order.to_order().lines

    assert lines is not None
    assert sum(line.total or 0 for line in lines) == order.to_order().total == order.money_total()[1]


def test_a_fraction_of_a_cent_is_refused() -> None:
    with pytest.raises(
        UnexpectedPayloadError, match=r"Order 42 .* price_t_t_c: input should be a valid integer"
    ):
        DipliOrder.parse(b'{"id": 42, "price_t_t_c": 719.40}')


@pytest.mark.parametrize(
    ("status", "delivered_at", "meaning"),
    [
        ("shipped", None, "delivered"),  # sic
        ("ongoing_shipping", "2022-09-05", "delivered"),
        ("error_shipping", "2022-09-05", "delivered"),
        ("brand_new", "2022-09-05", "delivered"),
        (None, "2022-09-05", "delivered"),
        ("cancelled", "2022-09-05", "cancelled"),
        ("error_shipping", None, "failed"),
        ("pending_confirmation", "", "pending"),
        ("pending_confirmation", "0000-00-00 00:00:00", "pending"),
        ("brand_new", None, "unknown"),
        (None, None, "unknown"),
    ],
)
def test_delivered_at_is_a_second_sign_of_success(
    read: Callable[..., DipliOrder], status: str | None, delivered_at: str | None, meaning: str
) -> None:
    order = read(DipliOrder, "dipli_order", shipping_status=status, delivered_at=delivered_at)

    assert order.status_words() == {"fulfillment": StatusWord(status, FulfillmentStatus(meaning))}
    assert (order.to_order().fulfillment_status, order.to_order().fulfillment_status_raw) == (meaning, status)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (None, None),
        ("", None),
        ("string", Address(street="string")),
        ("1 rue de la Paix, Paris", Address(street="1 rue de la Paix, Paris")),
        ('["1 rue"]', Address(street='["1 rue"]')),
        ("75002", Address(street="75002")),
        ('{"city": "Paris", "postcode": 75002}', Address(city="Paris", postcode="75002")),
        ('{"city": {"name": "Paris"}, "country": "FR"}', Address(country="FR")),
        ("[" * 100_000, Address(street="[" * 100_000)),
    ],
)
def test_the_address_is_read_leniently(
    read: Callable[..., DipliOrder], text: str | None, address: Address | None
) -> None:
    assert read(DipliOrder, "dipli_order", shipping_address_json=text).to_order().shipping_address == address


@pytest.mark.parametrize("infos", [{"grade": "A"}, '{"grade": "A"}', [], {}, None])
def test_extra_infos_may_be_an_object_or_text(read: Callable[..., DipliOrder], infos: Any) -> None:
    order = read(DipliOrder, "dipli_order", cart_items=[{"product_extra_infos": infos}])

    assert order.cart_items is not None
    assert order.cart_items[0].product_extra_infos == (None if infos == [] else infos)
    assert order.to_order().lines == (OrderLine(),)


def test_no_items_is_not_the_same_as_items_not_sent(read: Callable[..., DipliOrder]) -> None:
    assert read(DipliOrder, "dipli_order", cart_items=[]).to_order().lines == ()
    assert read(DipliOrder, "dipli_order", cart_items=None).to_order().lines is None


def test_an_order_without_tracking_has_none(read: Callable[..., DipliOrder]) -> None:
    order = read(DipliOrder, "dipli_order", tracking_slug="", tracking_number=None)

    assert order.to_order().tracking is None


def test_an_order_never_says_when_it_was_updated(read: Callable[..., DipliOrder]) -> None:
    order = read(DipliOrder, "dipli_order", created_at="2022-09-05T14:34:30+01:00")

    assert order.window_moments() == (datetime(2022, 9, 5, 13, 34, 30, tzinfo=UTC), None)
