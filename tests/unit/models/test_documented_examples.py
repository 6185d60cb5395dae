"""Every value of the vendors' own examples is reachable, typed and equal, under its documented name."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from airflow_provider_orders.errors import UnexpectedPayloadError
from airflow_provider_orders.models.genuka import GenukaOrder
from airflow_provider_orders.models.popsell import PopsellOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_orders.models.base import VendorOrder

    Path = tuple[str | int, ...]


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict | list) and value:
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, (*path, key))
    else:
        yield path, value


def at(value: Any, path: Path) -> Any:
    for part in path:
        if isinstance(value, BaseModel):
            assert part in type(value).model_fields, f"{part} is not a field of {type(value).__name__}"
            value = getattr(value, str(part))
        else:
            value = value[part]
    return value


def models_in(value: Any) -> Iterator[BaseModel]:
    if isinstance(value, BaseModel):
        yield value
        for field in type(value).model_fields:
            yield from models_in(getattr(value, field))
    elif isinstance(value, list):
        for item in value:
            yield from models_in(item)


def test_every_value_of_the_example_is_reachable_and_equal(
    model: type[VendorOrder], name: str, verbatim: Callable[[str], dict[str, Any]]
) -> None:
    payload = verbatim(name)
    order = model.parse(json.dumps(payload).encode())

    seen = 0
    for path, value in leaves(payload):
        found = at(order, path)
        if found is None and value == []:  # PHP's empty object
            continue
        assert found == (Decimal(str(value)) if isinstance(value, float) else value), path
        assert isinstance(found, bool) == isinstance(value, bool), path
        seen += 1
    assert seen > 20


def test_no_documented_field_lands_among_the_unknown_ones(
    model: type[VendorOrder], name: str, verbatim: Callable[[str], dict[str, Any]]
) -> None:
    order = model.parse(json.dumps(verbatim(name)).encode())

    for part in models_in(order):
        assert not part.model_extra, type(part).__name__


def test_no_number_of_the_example_is_a_float(
    model: type[VendorOrder], name: str, verbatim: Callable[[str], dict[str, Any]]
) -> None:
    order = model.parse(json.dumps(verbatim(name)).encode())

    assert not [path for path, value in leaves(order.model_dump()) if isinstance(value, float)]


def test_every_field_but_the_id_may_be_null_or_absent(
    model: type[VendorOrder], name: str, verbatim: Callable[[str], dict[str, Any]]
) -> None:
    payload = verbatim(name)
    only_id = {model.ID_FIELD: payload[model.ID_FIELD]}
    nulls = dict.fromkeys(payload) | only_id

    for content in (only_id, nulls):
        order = model.parse(json.dumps(content).encode())
        assert order.to_order().id == str(payload[model.ID_FIELD])
        assert order.to_order().total is None
        assert order.to_order().lines is None


def test_fields_inside_objects_may_be_null_too(
    model: type[VendorOrder], name: str, verbatim: Callable[[str], dict[str, Any]]
) -> None:
    def emptied(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: emptied(item) if isinstance(item, dict | list) else None for key, item in value.items()
            }
        return [emptied(item) for item in value if isinstance(item, dict)]

    payload = verbatim(name)
    content = emptied(payload) | {model.ID_FIELD: payload[model.ID_FIELD]}

    order = model.parse(json.dumps(content).encode()).to_order()

    assert order.id == str(payload[model.ID_FIELD])
    assert (order.total, order.paid, order.due, order.created_at) == (None, None, None, None)


def test_unknown_fields_are_kept_at_every_depth(
    model: type[VendorOrder], name: str, verbatim: Callable[[str], dict[str, Any]]
) -> None:
    quantities = {"estimated_quantity_by_warehouse"}  # its keys are warehouses, not fields

    def with_news(value: Any) -> Any:
        if isinstance(value, dict):
            changed = {key: with_news(item) for key, item in value.items() if key not in quantities}
            return {**value, **changed, "brand_new": {"deep": [1, None]}}
        return [with_news(item) for item in value] if isinstance(value, list) else value

    order = model.parse(json.dumps(with_news(verbatim(name))).encode())

    for part in models_in(order):
        assert part.model_extra == {"brand_new": {"deep": [1, None]}}, type(part).__name__


@pytest.mark.parametrize(
    ("model", "field"),
    [
        (PopsellOrder, "buyer"),
        (PopsellOrder, "ambassador"),
        (PopsellOrder, "ambassador_chat"),
        (GenukaOrder, "billing"),
        (GenukaOrder, "shipping"),
        (GenukaOrder, "customer"),
        (GenukaOrder, "delivery"),
        (GenukaOrder, "metadata"),
        (GenukaOrder, "user"),
    ],
)
def test_an_empty_object_may_come_as_php_writes_it(model: type[VendorOrder], field: str) -> None:
    raw = json.dumps({model.ID_FIELD: "1", field: []}).encode()

    order = model.parse(raw)

    assert getattr(order, field) is None
    assert order.to_order().id == "1"


def test_a_list_that_is_not_empty_is_no_object() -> None:
    with pytest.raises(UnexpectedPayloadError, match=r"Order 1 .* buyer: input should be"):
        PopsellOrder.parse(b'{"id_order": 1, "buyer": [{"email": "a@example.com"}]}')
