"""What holds for every vendor: exact money, errors that name and never quote, quiet reprs."""

from __future__ import annotations

import json
import pickle
import traceback
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from airflow_provider_orders.errors import ConfigurationError, UnexpectedPayloadError
from airflow_provider_orders.models.dipli import DipliOrder
from airflow_provider_orders.models.genuka import GenukaOrder
from airflow_provider_orders.models.order import Order
from airflow_provider_orders.models.popsell import PopsellOrder
from airflow_provider_orders.models.valomnia import ValomniaOrder

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_orders.models.base import VendorOrder

CANARY = "canary.claire@example.com"
MAP_OF_NUMBERS = "estimated_quantity_by_warehouse"
VENDORS = [PopsellOrder, DipliOrder, ValomniaOrder, GenukaOrder]


def with_canaries(value: Any) -> Any:
    """Put the canary into every text, and into an unknown field of every object."""
    if isinstance(value, dict):
        changed = {key: with_canaries(item) for key, item in value.items() if key != MAP_OF_NUMBERS}
        return {**value, **changed, "brand_new": CANARY}
    if isinstance(value, list):
        return [with_canaries(item) for item in value]
    return CANARY if isinstance(value, str) else value


@pytest.mark.parametrize(
    "amount", ["119.90", "42.0", "0.10", "1234567890123456.78", "999999999999999999999999.99", "1e2", "-0.01"]
)
def test_money_is_exact_from_the_first_byte(amount: str) -> None:
    raw = f'{{"id_order": 1, "total_amount": {amount}}}'.encode()

    for total in (
        PopsellOrder.parse(raw).total_amount,
        PopsellOrder.parse(raw).to_order().total,
        PopsellOrder.summarise(raw).total,
    ):
        assert isinstance(total, Decimal)
        assert str(total) == str(Decimal(amount))


def test_money_in_unknown_fields_is_exact_too() -> None:
    order = PopsellOrder.parse(b'{"id_order": 1, "bonus": {"amount": 0.1000000000000000000001}}')

    assert order.model_extra == {"bonus": {"amount": Decimal("0.1000000000000000000001")}}


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (
            b'{"id_order": 42, "products": [{"price": "12 EUR"}]}',
            "Order 42 .* products.0.price: input should be",
        ),
        (b'{"id_order": 42, "currency": 7}', "Order 42 .* currency: input should be a valid string"),
        (b'{"id_order": 42, "currency": 7, "type": 8}', r"currency: .* \(and 1 more\)"),
        (b'{"id_order": 42, "total_amount": true}', "Order 42 .* total_amount: "),
        (b'{"id_order": 42, "total_amount": "NaN"}', "Order 42 .* total_amount: "),
        (b'{"currency": "EUR"}', "without a readable id .* id_order: field required"),
        (b'{"id_order": null}', "without a readable id .* id_order: input should be a valid integer"),
        (b'{"id_order": {"a": 1}}', "without a readable id .* id_order: "),
        (b"[]", "without a readable id .* the order: input should be"),
        (b"null", "without a readable id"),
        (b"", "it is not valid JSON"),
        (b'{"id_order": 42', "it is not valid JSON"),
        (b'{"id_order": 42, "source": "\xff"}', "it is not valid JSON"),
        (b'{"id_order": 1e99999999999999999999}', "it is not valid JSON"),
        (b'{"id_order": 42, "x": ' + b"[" * 100_000, "it is not valid JSON"),
    ],
)
def test_what_is_not_documented_is_an_error_that_names_order_and_field(raw: bytes, says: str) -> None:
    for read in (PopsellOrder.parse, PopsellOrder.summarise):
        with pytest.raises(UnexpectedPayloadError, match=says) as caught:
            read(raw)
        assert caught.value.vendor == "popsell"
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


def test_an_id_that_is_not_an_id_is_not_repeated() -> None:
    with pytest.raises(UnexpectedPayloadError, match="without a readable id") as caught:
        PopsellOrder.parse(json.dumps({"id_order": CANARY}).encode())
    assert CANARY not in str(caught.value)


def test_no_error_repeats_a_value(
    model: type[VendorOrder], name: str, documented: Callable[..., dict[str, Any]]
) -> None:
    payload = with_canaries(documented(name)) | {model.ID_FIELD: documented(name)[model.ID_FIELD]}
    model.parse(json.dumps(payload).encode())
    refused = 0
    for field in model.model_fields:
        for wrong in ({CANARY: CANARY}, [CANARY], CANARY, [{CANARY: CANARY}], [[CANARY]], True):
            try:
                model.parse(json.dumps(payload | {field: wrong}).encode()).to_order()
            except UnexpectedPayloadError as error:
                refused += 1
                text = "".join(traceback.format_exception(error)) + repr(error) + repr(error.__dict__)
                assert CANARY not in text
                assert "canary" not in text
    assert refused > len(model.model_fields)


def test_repr_and_str_show_the_id_only(
    model: type[VendorOrder], name: str, documented: Callable[..., dict[str, Any]]
) -> None:
    payload = with_canaries(documented(name)) | {model.ID_FIELD: documented(name)[model.ID_FIELD]}
    if name == "genuka_order":
        payload["shipping"]["address"] = {"line1": CANARY}
    order = model.parse(json.dumps(payload).encode())

    def look(value: Any) -> None:
        shown = f"{value!r} {value}" if not isinstance(value, str | dict) else ""
        assert CANARY not in shown
        for field in getattr(type(value), "model_fields", ()):
            inner = getattr(value, field)
            if isinstance(inner, list) and not any(isinstance(item, str) for item in inner):
                for item in inner:
                    look(item)
            elif hasattr(inner, "model_fields_set"):
                look(inner)

    look(order)
    assert repr(order) == str(order) == f"{model.__name__}({model.ID_FIELD}={payload[model.ID_FIELD]!r})"


@pytest.mark.parametrize("model", VENDORS)
def test_a_vendor_payload_can_be_pickled_and_not_changed(model: type[VendorOrder]) -> None:
    order = model.parse(json.dumps({model.ID_FIELD: "7"}).encode())

    assert pickle.loads(pickle.dumps(order)) == order  # noqa: S301 - its own
    with pytest.raises(ValueError, match="frozen"):
        setattr(order, model.ID_FIELD, 8)


@pytest.mark.parametrize("model", VENDORS)
def test_no_vendor_field_hides_a_method(model: type[VendorOrder]) -> None:
    ours = {name for base in model.__mro__[:-2] for name in vars(base) if not name.startswith("__")}

    assert not ours & set(model.model_fields)


@pytest.mark.parametrize("model", VENDORS)
def test_the_assumed_zone_is_the_vendors_unless_named(model: type[VendorOrder]) -> None:
    created = model.WINDOW_FIELDS[0].split()[0]
    order = model.parse(json.dumps({model.ID_FIELD: "7", created: "2025-07-01 12:00:00"}).encode())
    hour = {"Europe/Paris": 10, "UTC": 12}[model.ASSUMED_TIMEZONE]

    assert order.to_order().created_at == datetime(2025, 7, 1, hour, tzinfo=UTC)
    assert order.to_order().timezone_assumed == model.ASSUMED_TIMEZONE
    elsewhere = order.to_order(assumed_timezone="Africa/Douala")
    assert (elsewhere.created_at, elsewhere.timezone_assumed) == (
        datetime(2025, 7, 1, 11, tzinfo=UTC),
        "Africa/Douala",
    )
    assert order.window_moments() == (order.to_order().created_at, None)
    assert order.window_moments("Africa/Douala") == (elsewhere.created_at, None)
    assert model.window_of(order.summary(), "Africa/Douala") == (elsewhere.created_at, None)


@pytest.mark.parametrize("model", VENDORS)
def test_no_zone_is_assumed_where_the_vendor_names_one(model: type[VendorOrder]) -> None:
    created = model.WINDOW_FIELDS[0].split()[0]
    order = model.parse(json.dumps({model.ID_FIELD: "7", created: "2025-07-01T12:00:00Z"}).encode())

    assert order.to_order().timezone_assumed is None
    with pytest.raises(ConfigurationError):
        order.to_order(assumed_timezone="Europe/Pari")


@pytest.mark.parametrize(
    ("model", "field"),
    [
        (PopsellOrder, "date_order"),
        (PopsellOrder, "date_insert"),
        (PopsellOrder, "date_update"),
        (DipliOrder, "created_at"),
        (DipliOrder, "delivered_at"),
        (ValomniaOrder, "dateCreated"),
        (ValomniaOrder, "lastUpdated"),
        (ValomniaOrder, "deliveredOn"),
        (GenukaOrder, "created_at"),
        (GenukaOrder, "updated_at"),
        (GenukaOrder, "deleted_at"),
    ],
)
def test_a_date_that_cannot_be_read_is_an_error_and_never_lost(model: type[VendorOrder], field: str) -> None:
    order = model.parse(json.dumps({model.ID_FIELD: "7", field: CANARY}).encode())

    with pytest.raises(UnexpectedPayloadError, match=f"Order 7: .*{field}.* not a date") as caught:
        order.to_order()
    assert CANARY not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("model", VENDORS)
def test_the_account_is_passed_on(model: type[VendorOrder]) -> None:
    order = model.parse(json.dumps({model.ID_FIELD: "7"}).encode()).to_order(account="shop")

    assert (order.source, order.account, order.id) == (model.VENDOR, "shop", "7")


def test_amounts_beyond_computing_are_an_error() -> None:
    raw = b'{"id": 1, "cart_items": [{"product_quantity": 2, "unit_price_t_t_c": 9e999999999999999999}]}'

    with pytest.raises(UnexpectedPayloadError, match="Order 1: an amount is too large"):
        DipliOrder.parse(raw).to_order()


def test_a_key_of_a_map_is_data_and_not_repeated() -> None:
    variant = {"estimated_quantity_by_warehouse": {CANARY: "many"}}

    with pytest.raises(UnexpectedPayloadError, match=r"estimated_quantity_by_warehouse\.\*: ") as caught:
        GenukaOrder.parse(json.dumps({"id": "1", "products": [{"pivot": {"variant": variant}}]}).encode())
    assert CANARY not in str(caught.value)


def test_pydantics_own_errors_hide_the_input_too() -> None:
    for model, content in ((PopsellOrder, {"id_order": CANARY}), (Order, {"total": CANARY})):
        with pytest.raises(ValidationError) as caught:
            model.model_validate(content)
        assert CANARY not in str(caught.value)
