"""What the quick schema accepts, the model accepts, with the same result."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_orders.errors import UnexpectedPayloadError
from airflow_provider_orders.models.genuka import GenukaOrder
from airflow_provider_orders.models.popsell import PopsellOrder
from airflow_provider_orders.models.quick import quick_summary

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
        ["", " 1_0 ", "NaN", "Infinity", "-0", "12.50", "PAID", "ok", "2026-01-18", "true", "1e5"]
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
    payload = documented(name)
    every = [place for place in places(payload) if place]
    telling = [place for place in every if len(place) == 1 or place[-1] == "status"]
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(telling) | st.sampled_from(every))
        changed = copy.deepcopy(payload)
        try:
            change(changed, path, data.draw(values))
        except (KeyError, IndexError, TypeError, AttributeError):
            continue  # an earlier change took this place away
        payload = changed
    payload |= data.draw(st.dictionaries(st.sampled_from(["new1", "new2"]), values, max_size=1))
    raw = msgspec.json.encode(payload)

    quick = quick_summary(model, raw)

    if quick is not None:
        slow = as_model(model, raw)
        assert quick == slow
        assert slow is not None
        assert str(quick.total) == str(slow.total)
        assert isinstance(quick.total, Decimal | None)
        assert model.summarise(raw) == slow


def test_the_documented_examples_are_accepted_quickly(
    model: type[VendorOrder], name: str, documented: Callable[..., dict[str, Any]]
) -> None:
    raw = json.dumps(documented(name, brand_new={"deep": [1, {"x": None}]})).encode()

    assert quick_summary(model, raw) == model.parse(raw).summary()


@pytest.mark.parametrize(
    "raw",
    [
        b'{"id_order": "42"}',
        b'{"id_order": 42, "total_amount": "119.90"}',
        b'{"id_order": 42, "buyer": {"online": 1}}',
    ],
)
def test_what_it_refuses_is_left_to_the_model(raw: bytes) -> None:
    assert quick_summary(PopsellOrder, raw) is None
    assert PopsellOrder.summarise(raw).identity == "42"


def test_bytes_that_are_not_utf_8_are_refused_even_in_unknown_fields() -> None:
    assert quick_summary(PopsellOrder, b'{"id_order": 42, "new": "\xff"}') is None


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
    quick._nested.cache_clear()
    start, done = threading.Barrier(8), []

    def first():
        start.wait()
        done.append([quick.quick_summary(GenukaOrder, raw) for _ in range(5)])

    threads = [threading.Thread(target=first) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 8 and not any(None in summaries for summaries in done)
"""


def test_many_threads_may_be_the_first() -> None:
    # In a process of its own: without the lock in ``_decoder`` it dies of a segmentation fault.
    payload = Path(__file__).parent / "payloads" / "genuka_order.json"

    subprocess.run([sys.executable, "-c", MANY_THREADS, str(payload)], check=True)


def test_an_empty_id_is_refused_by_both() -> None:
    assert quick_summary(GenukaOrder, b'{"id": ""}') is None
    with pytest.raises(UnexpectedPayloadError, match="id: string should have at least 1 character"):
        GenukaOrder.summarise(b'{"id": ""}')
