from __future__ import annotations

import copy
import hashlib
import json
import pickle
import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ValidationError

from airflow_provider_orders.models.order import (
    Address,
    Customer,
    Order,
    OrderLine,
    Tracking,
    new_address,
    new_customer,
    new_line,
    new_order,
    new_tracking,
)
from airflow_provider_orders.models.statuses import FulfillmentStatus

if TYPE_CHECKING:
    from collections.abc import Callable

EMPTY = Order(source="dipli", id="42")

CONTENT: dict[str, Any] = {
    "source": "popsell",
    "account": "shop",
    "id": "42",
    "reference": "R-42",
    "status": "completed",
    "status_raw": "OK",
    "currency": "EUR",
    "total": Decimal("119.90"),
    "tax": Decimal(0),
    "customer": Customer(id="7", name="Claire Moreau", email="claire@example.com"),
    "lines": (OrderLine(sku="A", quantity=Decimal(2), unit_price=Decimal("59.95"), total=Decimal("119.90")),),
    "shipping_address": Address(city="Paris", country="FR"),
    "tracking": Tracking(number="X12"),
    "created_at": datetime(2026, 1, 18, 9, 22, 11, tzinfo=UTC),
}


def order(**changes: Any) -> Order:
    return Order(**{**CONTENT, **changes})


def test_the_dump_is_ready_for_json_with_money_as_text() -> None:
    dump = order().model_dump(mode="json")

    assert json.loads(json.dumps(dump)) == dump
    assert dump["total"] == "119.90"
    assert dump["tax"] == "0"
    assert dump["due"] is None
    assert dump["lines"][0]["quantity"] == "2"
    assert dump["created_at"] == "2026-01-18T09:22:11Z"
    assert dump["model_version"] == 1
    assert dump["content_hash"] == order().content_hash


def test_a_dump_can_be_read_again() -> None:
    for mode in ("json", "python"):
        assert Order.model_validate(order().model_dump(mode=mode)) == order()
        assert Order.model_validate(order().model_dump(mode=mode)).content_hash == order().content_hash


def test_the_hash_does_not_depend_on_how_equal_values_are_written() -> None:
    paris = timezone(timedelta(hours=1))
    line = OrderLine(sku="A", quantity=Decimal("2.0"), unit_price=Decimal("59.950"), total=Decimal("119.9"))
    again = Order(
        **dict(reversed(CONTENT.items()))
        | {
            "total": Decimal("119.9"),
            "tax": Decimal("0.00"),
            "lines": [line],
            "created_at": datetime(2026, 1, 18, 10, 22, 11, tzinfo=paris).astimezone(UTC),
        }
    )

    assert again.content_hash == order().content_hash
    assert re.fullmatch("[0-9a-f]{64}", order().content_hash)


def test_the_hash_is_the_same_in_every_run() -> None:
    # Stored hashes stay comparable: a change here is a new model version.
    assert (
        Order(source="dipli", id="42", total=Decimal("719.40")).content_hash
        == "0ad94e3c6745b917b42e52082eded2168d2a8f32e4aac4c0485e9182b71a1a64"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"id": "43"},
        {"account": None},
        {"total": Decimal("119.91")},
        {"tax": None},
        {"lines": ()},
        {"lines": None},
        {"customer": Customer(id="7", name="Claire Moreau", email="claire@example.org")},
        {"status_raw": "ok"},
        {"fulfillment_status": FulfillmentStatus.DELIVERED},
        {"created_at": datetime(2026, 1, 18, 9, 22, 11, 1, tzinfo=UTC)},
        {"deleted": True},
        {"timezone_assumed": "Europe/Paris"},
        {"currency_assumed": True},
    ],
)
def test_the_hash_changes_with_the_content(change: dict[str, Any]) -> None:
    assert order(**change).content_hash != order().content_hash


def test_a_changed_copy_has_a_hash_of_its_own() -> None:
    original = order()

    assert original.content_hash != original.model_copy(update={"account": "other"}).content_hash


def test_an_unchanged_copy_has_the_same_hash() -> None:
    original = order()

    pickled = pickle.loads(pickle.dumps(original))  # noqa: S301 - made above

    for copied in (original.model_copy(deep=True), copy.copy(original), pickled):
        assert copied.content_hash == original.content_hash
        assert copied == original


def test_the_hash_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[bytes] = []
    sha256 = hashlib.sha256

    def counted(content: bytes) -> Any:
        computed.append(content)
        return sha256(content)

    monkeypatch.setattr("hashlib.sha256", counted)
    once = order()

    assert once.content_hash == once.content_hash == once.model_dump()["content_hash"]
    assert once == order()
    assert len(computed) == 1


def test_the_hash_tells_the_fields_apart() -> None:
    values = [order(**{name: "same"}).content_hash for name in ("reference", "external_id", "account")]
    values += [order(lines=(OrderLine(**{name: 2}),)).content_hash for name in ("quantity", "unit_price")]

    assert len(set(values)) == len(values)


@pytest.mark.parametrize("mode", ["empty", "full"])
def test_json_is_that_of_pydantic(mode: str) -> None:
    found = order(customer=Customer(name='Zo\u00eb \u2603 "x"\n'), deleted=True) if mode == "full" else EMPTY

    assert found.to_json() == found.model_dump_json().encode()
    assert Order.model_validate_json(found.to_json()) == found


@pytest.mark.parametrize(
    ("make", "model"),
    [
        (new_address, Address),
        (new_customer, Customer),
        (new_line, OrderLine),
        (new_order, Order),
        (new_tracking, Tracking),
    ],
)
def test_what_a_mapping_makes_is_what_validation_makes(
    make: Callable[..., BaseModel], model: type[BaseModel]
) -> None:
    content = {name: value for name, value in order().__dict__.items() if name in model.model_fields}
    made = make(**dict(reversed(content.items())))

    assert made == model(**content)
    assert list(made.__dict__) == list(model.model_fields)
    assert made.model_dump_json() == model(**content).model_dump_json()
    assert made.model_copy(update={next(iter(model.model_fields)): "changed"}) != made
    assert make().model_fields_set == made.model_fields_set == set(model.model_fields)


def test_the_hash_covers_every_field() -> None:
    texts = {name for name, field in Order.model_fields.items() if field.annotation == str | None}
    assert len(texts) > 5
    for name in texts:
        assert order(**{name: "changed"}).content_hash != order().content_hash, name


def test_an_order_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        order().total = Decimal(1)  # type: ignore[misc]


def test_repr_shows_source_and_id_only() -> None:
    assert repr(order()) == str(order()) == "Order(source='popsell', id='42')"
    assert f"{order().customer!r} {order().shipping_address}" == "Customer() Address()"
    assert "Claire" not in repr(order().model_copy(update={"id": "1"}))


def test_the_schema_of_the_dump_can_be_published() -> None:
    schema = Order.model_json_schema(mode="serialization")

    assert set(schema["properties"]) == {*Order.model_fields, "content_hash"}


def test_status_is_a_closed_set() -> None:
    with pytest.raises(ValidationError):
        order(status="on hold")
