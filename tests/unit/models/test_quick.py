"""What the quick schemas accept, the models accept, with the same result."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from airflow_provider_orders.errors import UnexpectedPayloadError
from airflow_provider_orders.models import quick
from airflow_provider_orders.models.dipli import DipliOrder
from airflow_provider_orders.models.genuka import GenukaOrder
from airflow_provider_orders.models.order import Order
from airflow_provider_orders.models.popsell import PopsellOrder
from airflow_provider_orders.models.quick import quick_order, quick_summary
from airflow_provider_orders.models.valomnia import ValomniaOrder

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_orders.models.base import OrderSummary, VendorOrder

numbers = (
    st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False).map(
        lambda number: msgspec.Raw(str(number).replace("+", "").encode())
    )
)
texts = (
    st.sampled_from(
        [
            "",
            " 1_0 ",
            "NaN",
            "-sNaN12",
            "Infinity",
            "-inf",
            "-0",
            "12.50",
            "\u0663.5",
            "PAID",
            "ok",
            "true",
            "1e5",
        ]
    )
    | st.sampled_from(
        [
            "2026-01-18",
            "2026-03-29 02:30:00",
            "2026-10-25 02:30:00",
            "18/01/2024 10:00",
            "0000-00-00 00:00:00",
            "0001-01-01",
            "9999-12-31T23:59:59-05:00",
            "2026-13-01",
            " ",
        ]
    )
    | st.text()
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def change(payload: Any, path: tuple[Any, ...], value: Any) -> None:
    for part in path[:-1]:
        payload = payload[part]
    payload[path[-1]] = value


def changed_at_random(payload: dict[str, Any], data: st.DataObject) -> bytes:
    every = [place for place in places(payload) if place]
    telling = [place for place in every if len(place) == 1 or place[-1] == "status"]
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(telling) | st.sampled_from(every))
        changed = copy.deepcopy(payload)
        try:
            if data.draw(st.integers(0, 4)):
                change(changed, path, data.draw(values))
            else:
                remove(changed, path)
        except (KeyError, IndexError, TypeError, AttributeError):
            continue  # an earlier change took this place away
        payload = changed
    payload |= data.draw(st.dictionaries(st.sampled_from(["new1", "new2"]), values, max_size=1))
    return msgspec.json.encode(payload)


def remove(payload: Any, path: tuple[Any, ...]) -> None:
    for part in path[:-1]:
        payload = payload[part]
    del payload[path[-1]]


def as_model(model: type[VendorOrder], raw: bytes) -> OrderSummary | None:
    try:
        return model.parse(raw).summary()
    except UnexpectedPayloadError:
        return None


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_the_quick_schema_accepts_the_model_accepts_with_the_same_result(
    model: type[VendorOrder], name: str, documented: Callable[..., dict[str, Any]], data: st.DataObject
) -> None:
    raw = changed_at_random(documented(name), data)

    found = quick_summary(model, raw)

    if found is not None:
        slow = as_model(model, raw)
        assert found == slow
        assert slow is not None
        assert str(found.total) == str(slow.total)
        assert isinstance(found.total, Decimal | None)
        assert model.summarise(raw) == slow


def outcome(read: Callable[[], Order]) -> tuple[Order, str, str] | str:
    """Give the order, with its amounts as they are written and its hash, or the error's words."""
    try:
        order = read()
    except UnexpectedPayloadError as error:
        return str(error)
    return order, order.model_dump_json(), order.content_hash


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_the_quick_order_is_the_model_s_order_and_its_error_is_the_model_s_error(
    model: type[VendorOrder], name: str, documented: Callable[..., dict[str, Any]], data: st.DataObject
) -> None:
    raw = changed_at_random(documented(name), data)
    zone = data.draw(st.sampled_from([None, "Africa/Douala", "America/New_York"]))

    found = outcome(lambda: model.read_order(raw, account="shop", assumed_timezone=zone))

    assert found == outcome(lambda: model.parse(raw).to_order(account="shop", assumed_timezone=zone))
    if not isinstance(found, str):
        order = found[0]
        assert Order.model_validate(order.model_dump(), strict=True) == order
        assert order.to_json() == found[1].encode()


@pytest.mark.parametrize(
    ("model", "content"),
    [
        (PopsellOrder, '"total_amount": "x", "total_amount": 2'),
        (PopsellOrder, '"total_amount": 2, "total_amount": "x"'),
        (PopsellOrder, '"buyer": {"email": "a@example.com"}, "buyer": {"firstname": "B"}'),
        (PopsellOrder, '"buyer": [], "products": [{"order_details": []}]'),
        (PopsellOrder, '"products": [{"order_details": {"unit_price": 1e999999, "quantity": 10}}]'),
        (PopsellOrder, '"products": [{"order_details": {"unit_price": "sNaN", "quantity": 10}}]'),
        (PopsellOrder, '"total_paid": "119.90", "total_amount": 0.1000000000000000000000000000000000000001'),
        (PopsellOrder, '"total_ws": "NaN"'),
        (PopsellOrder, '"last_status": "\\u00c0 VOIR", "date_order": "0000-00-00 00:00:00"'),
        (PopsellOrder, '"date_order": "yesterday"'),
        (DipliOrder, '"price_t_t_c": 1e2, "shipping_address_json": "[]"'),
        (DipliOrder, '"price_t_t_c": 71940.5'),
        (DipliOrder, '"cart_items": [{"product_quantity": 3, "unit_price_t_t_c": 0.1}]'),
        (DipliOrder, '"created_at": "2022-09-01", "delivered_at": ""'),
        (ValomniaOrder, '"orderLines": [{"id": 1}, {"quantity": 1.50}], "customer": {}'),
        (ValomniaOrder, '"orderLines": [{"finalPrice": -0.0, "item": null}], "total": -0'),
        (GenukaOrder, '"customer": [], "delivery": [], "deliveries": [{"tracking_url": "u"}], "billing": []'),
        (GenukaOrder, '"shipping": {"address": {"line1": 7, "city": ["x"], "country": "CM"}}'),
        (GenukaOrder, '"products": [{"id": "p1", "pivot": []}], "amount": 5, "amount_due": "Infinity"'),
        (GenukaOrder, '"deleted_at": "2026-01-18T10:22:11.5Z", "amount": 5, "amount_due": 2.50'),
    ],
)
def test_odd_payloads_give_the_same_order_or_error_both_ways(model: type[VendorOrder], content: str) -> None:
    identity = '"g1"' if model is GenukaOrder else "42"
    raw = f'{{"{model.ID_FIELD}": {identity}, {content}}}'.encode()

    assert outcome(lambda: model.read_order(raw)) == outcome(lambda: model.parse(raw).to_order())


def models_in(annotation: Any) -> set[type[BaseModel]]:
    """Collect the payload models that a model or an annotation is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        inner = (models_in(info.annotation) for info in annotation.model_fields.values())
        return {annotation}.union(*inner)
    return set().union(*map(models_in, get_args(annotation)))


@pytest.mark.parametrize("model", [PopsellOrder, DipliOrder, ValomniaOrder, GenukaOrder])
def test_no_number_is_read_from_a_text_that_is_not_finite(model: type[VendorOrder]) -> None:
    refused = 0
    for part in models_in(model):
        for name, info in part.model_fields.items():
            if "Decimal" in str(info.annotation):
                value = {"key": "NaN"} if "dict" in str(info.annotation) else "NaN"
                raw = json.dumps({model.ID_FIELD: 1 if model is not GenukaOrder else "g1", name: value})
                with pytest.raises(msgspec.ValidationError):
                    msgspec.json.decode(raw, type=quick._struct(part, quick._ORDER))
                refused += 1
    assert refused


def test_what_stands_in_for_a_model_shows_nothing_in_its_repr() -> None:
    raw = b'{"id_order": 42, "buyer": {"email": "claire@example.com"}}'
    order = quick_order(PopsellOrder, raw)

    assert f"{order!r} {order.buyer}" == "PopsellOrder() PopsellAmbassador()"


def test_the_documented_examples_are_accepted_quickly(
    model: type[VendorOrder], name: str, documented: Callable[..., dict[str, Any]]
) -> None:
    raw = json.dumps(documented(name, brand_new={"deep": [1, {"x": None}]})).encode()

    assert quick_summary(model, raw) == model.parse(raw).summary()
    assert quick_order(model, raw) is not None


@pytest.mark.parametrize(
    "raw",
    [
        b'{"id_order": "42"}',
        b'{"id_order": 42, "total_paid": "119.90", "buyer": {"online": 0}}',
        b'{"id_order": 42, "buyer": {"online": 1}}',
    ],
)
def test_what_it_refuses_is_left_to_the_model(raw: bytes) -> None:
    assert quick_summary(PopsellOrder, raw) is None
    assert quick_order(PopsellOrder, raw) is None
    assert PopsellOrder.summarise(raw).identity == PopsellOrder.read_order(raw).id == "42"


def test_bytes_that_are_not_utf_8_are_refused_even_in_unknown_fields() -> None:
    raw = b'{"id_order": 42, "new": "\xff"}'

    assert quick_summary(PopsellOrder, raw) is None
    assert quick_order(PopsellOrder, raw) is None


def test_php_s_empty_object_is_quick_and_a_list_is_not() -> None:
    assert quick_summary(PopsellOrder, b'{"id_order": 42, "buyer": []}') is not None
    assert quick_summary(PopsellOrder, b'{"id_order": 42, "buyer": [1]}') is None


MANY_THREADS = """
import pathlib, sys, threading
from airflow_provider_orders.models import quick
from airflow_provider_orders.models.genuka import GenukaOrder

raw = pathlib.Path(sys.argv[1]).read_bytes()
sys.setswitchinterval(1e-6)
for _ in range(20):
    quick._DECODERS.clear()
    quick._struct.cache_clear()
    start, done = threading.Barrier(8), []

    def first():
        start.wait()
        done.append([read(GenukaOrder, raw) for read in (quick.quick_summary, quick.quick_order) * 3])

    threads = [threading.Thread(target=first) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 8 and not any(None in found for found in done)
"""


def test_many_threads_may_be_the_first() -> None:
    # In a process of its own: without the lock in ``_decode`` it dies of a segmentation fault.
    payload = Path(__file__).parent / "payloads" / "genuka_order.json"

    subprocess.run([sys.executable, "-c", MANY_THREADS, str(payload)], check=True)


def test_an_empty_id_is_refused_by_both() -> None:
    assert quick_summary(GenukaOrder, b'{"id": ""}') is None
    with pytest.raises(UnexpectedPayloadError, match="id: string should have at least 1 character"):
        GenukaOrder.summarise(b'{"id": ""}')
