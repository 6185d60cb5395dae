from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_orders.errors import UnexpectedPayloadError
from airflow_provider_orders.models.dipli import DipliOrder
from airflow_provider_orders.models.genuka import GenukaOrder
from airflow_provider_orders.models.order import Order
from airflow_provider_orders.models.personal import MASK, documented_names, redact, redact_raw
from airflow_provider_orders.models.popsell import PopsellOrder
from airflow_provider_orders.models.valomnia import ValomniaOrder

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from airflow_provider_orders.models.base import VendorOrder

CANARY = "canary.claire@example.com"

# What tells something about a person, wherever it stands in the four payloads and in the canonical order.
PERSONAL_NAMES = {
    "accepted_by",
    "address",
    "birthdate",
    "bordereau_url",
    "chequeImage",
    "chequeNumber",
    "comment",
    "company_name",
    "deliveryAddress",
    "deliveryCity",
    "deliveryComment",
    "deliveryPostalCode",
    "email",
    "email_tmp",
    "first_name",
    "firstname",
    "gender",
    "last_login_ip",
    "last_name",
    "lastname",
    "latitude",
    "longitude",
    "note",
    "order_info",
    "phone",
    "shipping_address_json",
    "username",
}
VENDORS = [PopsellOrder, DipliOrder, ValomniaOrder, GenukaOrder]


def pairs(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [*value.items(), *(pair for item in value.values() for pair in pairs(item))]
    return [pair for item in value for pair in pairs(item)] if isinstance(value, list) else []


def with_people(value: Any) -> Any:
    """Fill every personal field with the canary, and give every object an unknown one."""
    if isinstance(value, dict):
        people = {
            key: CANARY for key in value if key in PERSONAL_NAMES and key not in {"latitude", "longitude"}
        }
        return {key: with_people(item) for key, item in value.items()} | people | {"brand_new": CANARY}
    return [with_people(item) for item in value] if isinstance(value, list) else value


@pytest.fixture
def filled(documented: Callable[..., dict[str, Any]]) -> Callable[[str], bytes]:
    def fill(name: str) -> bytes:
        payload = with_people(documented(name))
        if name == "genuka_order":
            payload["customer"] = {
                "id": "c1",
                "first_name": CANARY,
                "metadata": {"x": CANARY},
                "type": "person",
            }
            payload["returns"] = [
                {"id": "r1", "comment": CANARY, "lines": [{"comment": CANARY, "quantity": 1}]}
            ]
            payload["addresses"] = [{"line1": CANARY}]
            payload["shipping"]["address"] = CANARY
            payload["user"]["name"] = CANARY
            payload["products"][0]["pivot"]["variant"]["estimated_quantity_by_warehouse"].pop("brand_new")
        return json.dumps(payload).encode()

    return fill


def test_nothing_personal_leaves_a_payload(
    model: type[VendorOrder], name: str, filled: Callable[[str], bytes]
) -> None:
    raw = filled(name)
    order = model.parse(raw)
    assert CANARY in str(order.model_dump())

    for safe in (redact(order), redact_raw(raw, model), redact(order.to_order())):
        text = json.dumps(safe)
        assert CANARY not in text
        assert "canary" not in text
        for field, value in pairs(safe):
            if field in PERSONAL_NAMES or field == "brand_new":
                assert value in {None, MASK}, field


def test_what_is_not_personal_stays(
    model: type[VendorOrder], name: str, filled: Callable[[str], bytes]
) -> None:
    raw = filled(name)
    order = model.parse(raw)
    safe = redact_raw(raw, model)

    assert set(safe) == set(json.loads(raw))
    currency, total = order.money_total()
    assert str(order.identity()) == str(redact(order)[model.ID_FIELD]) == str(safe[model.ID_FIELD])
    canonical = redact(order.to_order())
    assert canonical["content_hash"] == order.to_order().content_hash
    assert (canonical["currency"], canonical["total"]) == (currency, str(total))
    assert canonical["created_at"].endswith("Z")


def test_money_is_text_in_a_redacted_model_and_a_number_in_a_redacted_payload() -> None:
    raw = (
        b'{"id_order": 1, "total_amount": 119.90, "products": [{"price": 10, "name": "Oil"}], "online": true}'
    )

    assert redact(PopsellOrder.parse(raw))["total_amount"] == "119.90"
    assert redact_raw(raw, PopsellOrder) == {
        "id_order": 1,
        "total_amount": 119.9,
        "products": [{"price": 10, "name": "Oil"}],
        "online": MASK,  # not documented on an order
    }


def test_undocumented_values_of_every_kind_are_masked_and_none_stays() -> None:
    raw = b'{"id": 1, "a": "x", "b": 1, "c": true, "d": {"e": 1}, "f": [1], "g": null, "h": 0.1, "i": []}'

    expected = {"id": 1, **dict.fromkeys("abcdfhi", MASK), "g": None}
    assert redact_raw(raw, DipliOrder) == expected
    masked = redact(DipliOrder.parse(raw))
    assert {key: masked[key] for key in expected} == expected


def test_a_value_of_another_shape_than_documented_is_masked() -> None:
    raw = b'{"id_order": 1, "buyer": "Claire", "products": ["Claire", ["Claire"]], "currency": {"name": "Claire"}}'

    assert redact_raw(raw, PopsellOrder) == {
        "id_order": 1,
        "buyer": MASK,
        "products": [MASK, [MASK]],
        "currency": MASK,
    }


def test_free_objects_are_masked_unless_they_are_empty() -> None:
    raw = json.dumps(
        {
            "id": "1",
            "addresses": [],
            "bills": [{"to": "Claire"}],
            "metadata": {"note": None, "mood": "Claire"},
        }
    ).encode()

    assert redact_raw(raw, GenukaOrder) == {
        "id": "1",
        "addresses": [],
        "bills": [MASK],
        "metadata": {"note": None, "mood": MASK},
    }


def test_both_forms_of_the_deprecated_extra_infos_are_masked() -> None:
    for infos in ({"name": "Claire"}, '{"name": "Claire"}'):
        raw = json.dumps({"id": 1, "cart_items": [{"product_extra_infos": infos}]}).encode()
        assert redact_raw(raw, DipliOrder)["cart_items"] == [{"product_extra_infos": MASK}]


def test_names_in_a_documented_map_stay() -> None:
    raw = (
        b'{"id": "1", "products": [{"pivot": {"variant": {"estimated_quantity_by_warehouse": {"w1": 27}}}}]}'
    )

    assert redact_raw(raw, GenukaOrder) == {
        "id": "1",
        "products": [{"pivot": {"variant": {"estimated_quantity_by_warehouse": MASK}}}],
    }


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"{", b'"Claire"', b"[" * 100_000])
def test_what_is_no_object_cannot_be_redacted(raw: bytes) -> None:
    with pytest.raises(UnexpectedPayloadError) as caught:
        redact_raw(raw, PopsellOrder)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("model", [*VENDORS, Order])
def test_every_field_that_sounds_personal_is_marked(model: type[BaseModel]) -> None:
    sounding = (
        "mail",
        "phone",
        "firstname",
        "lastname",
        "first_name",
        "last_name",
        "birth",
        "street",
        "comment",
    )
    for name in documented_names(model):
        if any(sound in name.lower() for sound in sounding) or name in PERSONAL_NAMES:
            for owner in models_of(model):
                if name in owner.model_fields:
                    assert redact(owner.model_construct(None, **{name: CANARY}))[name] == MASK, (
                        f"{owner.__name__}.{name}"
                    )


def models_of(model: type[BaseModel]) -> set[type[BaseModel]]:
    from airflow_provider_orders.models.personal import _is_model, _parts

    found = {model}
    for info in model.model_fields.values():
        for part in _parts(info.annotation):
            if _is_model(part):
                found |= models_of(part)
    return found


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.just(CANARY),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["email", "note", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("model", VENDORS)
@given(data=st.data())
def test_whatever_comes_in_a_personal_or_unknown_field_does_not_get_out(
    model: type[VendorOrder], data: st.DataObject
) -> None:
    unsafe = {"brand_new", "email", "comment"}
    unsafe |= {name for name in model.model_fields if name in PERSONAL_NAMES}
    content = data.draw(st.dictionaries(st.sampled_from(sorted(unsafe)), json_values))

    safe = redact_raw(json.dumps(content).encode(), model)

    assert safe.keys() == content.keys()
    assert all((value is None) == (safe[key] is None) for key, value in content.items())
    assert set(safe.values()) <= {None, MASK}


@pytest.mark.parametrize("model", VENDORS)
@given(data=st.data())
def test_an_order_that_parses_never_shows_an_unknown_value(
    model: type[VendorOrder], data: st.DataObject
) -> None:
    content = {
        model.ID_FIELD: "7",
        **data.draw(st.dictionaries(st.sampled_from(["u1", "u2", "u3"]), json_values)),
    }
    order = model.parse(json.dumps(content).encode())

    safe = redact(order)

    assert CANARY not in json.dumps(safe)
    assert CANARY not in f"{order!r}{order}"
    for key in content.keys() - {model.ID_FIELD}:
        assert safe[key] == (None if content[key] is None else MASK)


def test_decimals_in_unknown_fields_do_not_break_the_dump() -> None:
    order = PopsellOrder.parse(b'{"id_order": 1, "brand_new": {"amount": 0.1}}')

    assert order.model_extra == {"brand_new": {"amount": Decimal("0.1")}}
    assert redact(order)["brand_new"] == MASK
    assert order.model_dump(mode="json")["brand_new"] == {"amount": "0.1"}
