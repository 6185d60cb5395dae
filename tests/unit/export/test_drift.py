"""The payload's shape: what counts as a change and what does not, and what may enter a path."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_orders.errors import UnexpectedPayloadError
from airflow_provider_orders.export import drift as drift_module
from airflow_provider_orders.export.drift import ON_DRIFT, Drift, ShapeWatch, refuse, report
from airflow_provider_orders.models.dipli import DipliOrder
from airflow_provider_orders.models.genuka import GenukaOrder
from airflow_provider_orders.models.popsell import PopsellOrder
from airflow_provider_orders.models.valomnia import ValomniaOrder
from airflow_provider_orders.sandbox import Sandbox

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

    from airflow_provider_orders.models.base import VendorOrder

MODELS: dict[str, type[VendorOrder]] = {
    "popsell": PopsellOrder,
    "dipli": DipliOrder,
    "valomnia": ValomniaOrder,
    "genuka": GenukaOrder,
}
MARK = "zqcanary"

Change = tuple[str, str, str | None, str | None]


class CountingDecoder:
    """Decodes as the module's own does, and counts."""

    decoder: ClassVar[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(float_hook=float)

    def __init__(self) -> None:
        self.decoded = 0

    def decode(self, raw: bytes) -> Any:
        self.decoded += 1
        return self.decoder.decode(raw)


def watched(
    rows: Iterable[dict[str, Any]], known: Any = None, model: type[VendorOrder] = PopsellOrder
) -> ShapeWatch:
    """Watch an export of these rows; what is known travels as JSON text."""
    watch = ShapeWatch(model, None if known is None else json.loads(json.dumps(known)))
    for row in rows:
        watch.see(json.dumps(row).encode())
    return watch


def changes(
    before: Iterable[dict[str, Any]], after: Iterable[dict[str, Any]], model: type[VendorOrder] = PopsellOrder
) -> list[Change]:
    found = watched(after, watched(before, model=model).shape(), model).drift()
    return [(drift.path, drift.change, drift.was, drift.now) for drift in found]


def popsell(count: int = 30, **fields: Any) -> list[dict[str, Any]]:
    return [{"id_order": number, "currency": "EUR", **fields} for number in range(count)]


def genuka(count: int = 30, **fields: Any) -> list[dict[str, Any]]:
    return [{"id": f"01h{number}", **fields} for number in range(count)]


# What is told.


def test_the_first_export_has_no_drift_whatever_it_brings() -> None:
    assert watched(popsell(gift={"to": "x"}, total_amount="12.50")).drift() == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("x", "string"),
        (1, "number"),
        (1.5, "number"),
        (True, "boolean"),
        ([1], "array"),
        ({"a": 1}, "object"),
        (None, "always empty"),
        ([], "always empty"),
    ],
)
def test_an_undocumented_field_that_was_not_known_is_new(value: Any, words: str) -> None:
    assert changes(popsell(), popsell(gift=value)) == [("gift", "new", None, words)]


def test_one_order_of_many_is_enough_for_a_new_field() -> None:
    after = [*popsell(29), {"id_order": 1, "currency": "EUR", "gift": True}]

    assert changes(popsell(), after) == [("gift", "new", None, "boolean")]


def test_a_new_field_inside_an_object_and_inside_lines_is_named_by_its_path() -> None:
    before = popsell(buyer={"email": "a"}, products=[{"sku": "a"}])
    after = popsell(buyer={"email": "a", "tier": 1}, products=[{"sku": "a"}, {"sku": "a", "eco_tax": 1}])

    assert changes(before, after) == [
        ("buyer.tier", "new", None, "number"),
        ("products[].eco_tax", "new", None, "number"),
    ]


def test_a_field_of_all_orders_that_is_in_none_has_vanished() -> None:
    before = popsell(gift="x", total_amount=1)

    assert changes(before, popsell(20)) == [
        ("gift", "vanished", "string", None),
        ("total_amount", "vanished", "number", None),
    ]


def test_one_order_in_two_hundred_may_lack_a_field_and_it_still_vanishes() -> None:
    known = watched([*popsell(1), *popsell(49, gift="x")]).shape()
    assert watched(popsell(50), known).drift() == []

    known = watched(popsell(200 * 40, gift="x"), known).shape()
    assert known["fields"]["gift"]["rows"] == known["fields"][""]["rows"] - 1
    assert [str(drift) for drift in watched(popsell(50), known).drift()] == ["gift has vanished (was string)"]


def test_a_parent_that_vanished_is_reported_alone() -> None:
    before = popsell(buyer={"email": "a"}, products=[{"sku": "a", "order_details": {"quantity": 1}}])

    assert [path for path, *_ in changes(before, popsell())] == ["buyer", "products"]


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("x", 1, ("string", "number")),
        (1, "x", ("number", "string")),
        (1, True, ("number", "boolean")),
        ({"a": 1}, "x", ("object", "string")),
        ("x", {"a": 1}, ("string", "object")),
        ({"a": 1}, [1], ("object", "array")),
        ([1], {}, ("array", "object")),
    ],
)
def test_a_type_that_the_field_never_had_is_retyped(was: Any, now: Any, words: tuple[str, str]) -> None:
    assert changes(popsell(gift=was), popsell(gift=now)) == [("gift", "retyped", *words)]


def test_the_items_of_a_list_are_retyped() -> None:
    assert changes(popsell(tags=["a"]), popsell(tags=[1])) == [("tags[]", "retyped", "string", "number")]


def test_a_documented_field_of_a_type_that_is_accepted_but_not_documented_is_retyped() -> None:
    assert changes(popsell(total_amount=1.5), popsell(total_amount="1.50")) == [
        ("total_amount", "retyped", "number", "string")
    ]


def test_a_numeric_text_that_becomes_the_documented_number_is_retyped() -> None:
    assert changes(popsell(total_amount="1.50"), popsell(total_amount=1.5)) == [
        ("total_amount", "retyped", "string", "number")
    ]


# What is not told.


def test_the_same_again_is_no_drift() -> None:
    rows = popsell(gift={"a": 1}, buyer={"email": "a", "tier": 1}, tags=["x"])

    assert changes(rows, rows) == []


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (None, "x"),
        ("x", None),
        (1, 1.5),
        (1.5, 10**30),
        ([], {"a": 1}),
        ({"a": 1}, []),
        ([], ["x"]),
        (["x"], [None]),
        ({}, {"a": 1}),
    ],
)
def test_null_php_s_empty_object_and_kinds_of_numbers_are_no_change(was: Any, now: Any) -> None:
    assert changes(popsell(gift=was), popsell(gift=now)) == []


def test_a_number_that_no_float_can_hold_is_a_number() -> None:
    watch = watched(popsell(total_amount=1))
    watch = ShapeWatch(PopsellOrder, watch.shape())

    watch.see(b'{"id_order": 1, "currency": "EUR", "total_amount": 1e999}')

    assert watch.drift() == []


def test_a_documented_field_may_appear_at_any_time() -> None:
    after = popsell(
        total_amount=1.5, buyer={"email": "a"}, products=[{"sku": "a", "order_details": {"quantity": 1}}]
    )

    assert changes(popsell(), after) == []


def test_undocumented_fields_of_an_object_that_appears_are_no_drift() -> None:
    assert changes(popsell(buyer=None), popsell(buyer={"email": "a", "tier": 1})) == []


def test_documented_types_may_replace_each_other() -> None:
    before = [{"id": number, "cart_items": [{"product_extra_infos": '{"a": 1}'}]} for number in range(30)]
    after = [{"id": number, "cart_items": [{"product_extra_infos": {"a": 1}}]} for number in range(30)]

    assert changes(before, after, DipliOrder) == []
    assert changes(after, before, DipliOrder) == []


def test_where_the_vendor_documents_no_shape_every_type_is_right() -> None:
    assert (
        changes(genuka(shipping_fee=1, taxes=[1]), genuka(shipping_fee={"a": 1}, taxes=["x"]), GenukaOrder)
        == []
    )


def test_an_optional_field_does_not_vanish() -> None:
    before = [*popsell(29, gift="x"), *popsell(1)]

    assert changes(before, popsell()) == []


def test_with_few_orders_nothing_vanishes() -> None:
    assert changes(popsell(gift="x"), popsell(19)) == []
    assert changes(popsell(19, gift="x"), popsell()) == []


def test_fields_of_an_object_that_few_orders_have_do_not_vanish() -> None:
    before = popsell(buyer={"email": "a", "phone": "b"})
    after = [*popsell(19, buyer={"email": "a"}), *popsell(30, buyer=None), *popsell(1, buyer={})]

    assert changes(before, after) == []


def test_many_lines_of_few_orders_are_few() -> None:
    before = popsell(products=[{"sku": "a", "type": "b"}])
    after = popsell(19, products=[{"sku": "a"}] * 10) + popsell(products=[])

    assert changes(before, after) == []


def test_orders_without_lines_lack_no_field_of_a_line() -> None:
    before = popsell(products=[{"sku": "a"}])

    assert changes(before, popsell(products=[])) == []


def test_of_fewer_than_twenty_known_orders_nothing_is_told() -> None:
    after = popsell(gift=1, total_amount="1.50")

    assert changes(popsell(19, total_amount=1), after) == []
    assert len(changes(popsell(20, total_amount=1), after)) == 2


def test_knowledge_adds_up_over_small_exports() -> None:
    known = None
    for _ in range(10):
        known = watched(popsell(2), known).shape()

    assert [str(drift) for drift in watched(popsell(1, gift=1), known).drift()] == ["gift is new (number)"]


# What is known afterwards.


def test_what_was_reported_is_known_and_not_reported_again() -> None:
    first = watched(popsell(50, gift="x", total_amount=1, customer_id="1"))
    after = popsell(50, gift=1, total_amount=1, bonus=True)

    second = watched(after, first.shape())
    third = watched(after, second.shape())

    assert [drift.change for drift in second.drift()] == ["new", "vanished", "retyped"]
    assert third.drift() == []
    assert third.fingerprint() == second.fingerprint() != first.fingerprint()


def test_the_fingerprint_tells_that_a_documented_field_has_vanished_until_it_is_back() -> None:
    rows = popsell(50, buyer={"email": "a"})
    first = watched(rows)
    second = watched(popsell(50), first.shape())
    third = watched(popsell(50), second.shape())
    fourth = watched(rows, third.shape())

    assert third.drift() == []
    assert third.fingerprint() == second.fingerprint() != first.fingerprint()
    assert fourth.drift() == []
    assert fourth.fingerprint() == first.fingerprint()


def test_the_fingerprint_does_not_tell_which_documented_fields_were_sent() -> None:
    assert watched(popsell()).fingerprint() == watched(popsell(buyer={"email": "a"})).fingerprint()
    assert watched(popsell()).fingerprint() != watched(popsell(gift=1)).fingerprint()


def test_a_documented_field_may_come_back_and_an_undocumented_one_is_new_again() -> None:
    rows = popsell(50, gift="x", buyer={"email": "a"})
    without = watched(popsell(50), watched(rows).shape())
    assert [drift.path for drift in without.drift()] == ["buyer", "gift"]

    back = watched(rows, without.shape())

    assert [str(drift) for drift in back.drift()] == ["gift is new (string)"]
    assert back.fingerprint() == watched(rows).fingerprint()


def test_an_export_without_orders_forgets_nothing() -> None:
    known = watched(popsell(gift="x")).shape()
    empty = watched([], known)

    assert empty.drift() == []
    assert empty.shape() == known


def test_a_field_that_came_late_becomes_usual() -> None:
    known = watched(popsell(50)).shape()
    for _ in range(300):
        known = watched(popsell(50, gift="x"), known).shape()

    assert [drift.path for drift in watched(popsell(50), known).drift()] == ["gift"]
    assert known["fields"][""]["rows"] < 10_000


def test_a_shape_of_another_version_is_unknown() -> None:
    known = {**watched(popsell(gift="x")).shape(), "version": 0}

    assert watched(popsell(), known).drift() == []


@pytest.mark.parametrize("vendor", MODELS)
def test_two_exports_of_the_sandbox_have_no_drift_and_one_fingerprint(vendor: str) -> None:
    rows = Sandbox(orders=500).payloads(vendor)
    first = watched(rows, model=MODELS[vendor])
    shuffled = [row for start in range(7) for row in reversed(rows[start::7])]

    again = watched(rows, first.shape(), MODELS[vendor])
    other_order = watched(shuffled, first.shape(), MODELS[vendor])
    by_itself = watched(shuffled, model=MODELS[vendor])

    assert again.drift() == other_order.drift() == []
    prints = {watch.fingerprint() for watch in (first, again, other_order, by_itself)}
    assert len(prints) == 1
    assert len(json.dumps(first.shape())) < 25_000


@pytest.mark.parametrize("vendor", MODELS)
def test_a_change_of_the_sandbox_s_orders_is_told(vendor: str) -> None:
    rows = Sandbox(orders=60).payloads(vendor)
    known = watched(rows, model=MODELS[vendor]).shape()
    lost = next(name for name in reversed(rows[0]) if name != MODELS[vendor].ID_FIELD)
    changed = [{**{name: row[name] for name in row if name != lost}, "loyalty_points": 3} for row in rows]

    found = watched(changed, known, MODELS[vendor]).drift()

    assert {(drift.path, drift.change) for drift in found} == {(lost, "vanished"), ("loyalty_points", "new")}


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["email", "sku", "tier", "a-b", "x1"]), inner, max_size=3)
    ),
    max_leaves=5,
)
any_rows = st.lists(
    st.dictionaries(
        st.sampled_from(["buyer", "products", "currency", "gift", "bonus", "7"]) | st.text(max_size=5),
        values,
        max_size=5,
    ),
    max_size=12,
)


@given(rows=any_rows, order=st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_nor_a_second_export_makes_a_difference(
    rows: list[dict[str, Any]], order: random.Random
) -> None:
    rows *= 4  # enough to have something to say
    first = watched(rows)
    shuffled = order.sample(rows, len(rows))

    again = watched(shuffled, first.shape())

    assert again.drift() == []
    assert again.fingerprint() == first.fingerprint() == watched(shuffled).fingerprint()
    assert again.shape()["fields"].keys() == first.shape()["fields"].keys()


@given(before=any_rows, after=any_rows)
def test_what_was_accepted_once_is_silent(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    accepted = watched(after * 4, watched(before * 4).shape())

    again = watched(after * 4, accepted.shape())

    assert again.drift() == []
    assert again.fingerprint() == accepted.fingerprint()


# Keys that are data.


def paths(watch: ShapeWatch) -> set[str]:
    return {path for path in watch.shape()["fields"] if path}


@pytest.mark.parametrize(
    "key",
    [
        f"{MARK}@example.com",
        f"{MARK} Martin",
        f"{MARK}-x",
        "01HXYZ7",
        f"order_{MARK}_2026",
        f"{MARK}é",
        f"{MARK}.x",
        f"{MARK}x" * 5,
        f"{MARK}\n",
        "",
    ],
)
def test_a_key_that_does_not_look_like_a_name_is_not_kept(key: str) -> None:
    watch = watched(popsell(buyer={"email": "a", key: 1}), watched(popsell(buyer={"email": "a"})).shape())

    assert paths(watch) == {"id_order", "currency", "buyer", "buyer.email", "buyer.*"}
    assert [str(drift) for drift in watch.drift()] == ["buyer.* is new (keys that look like data)"]
    assert watched(popsell(buyer={"email": "a", "other one": "x"}), watch.shape()).drift() == []


def test_an_undocumented_object_is_not_opened() -> None:
    rows = popsell(by_person={MARK: {MARK: 1}}, history=[{MARK: 1}])

    assert paths(watched(rows)) == {"id_order", "currency", "by_person", "history", "history[]"}


@pytest.mark.parametrize(
    "fields",
    [
        {"customer": {"metadata": {MARK: 1}}},
        {"products": [{"pivot": {"variant": {"estimated_quantity_by_warehouse": {MARK: 1}}}}]},
        {"taxes": [{MARK: 1}], "shipping": {"address": {MARK: {MARK: 1}}}, "custom_fields": {MARK: 1}},
    ],
)
def test_a_field_that_the_model_leaves_open_is_not_opened(fields: dict[str, Any]) -> None:
    watch = watched(genuka(**fields), watched(genuka(), model=GenukaOrder).shape(), GenukaOrder)

    assert MARK not in json.dumps(watch.shape())
    assert watch.drift() == []
    assert not any(path.startswith("taxes[]") for path in paths(watch))


def test_many_keys_of_few_orders_each_are_data_and_become_one() -> None:
    known = watched(genuka(metadata={"note": "x"}), model=GenukaOrder).shape()
    rows = [{**row, "metadata": {"note": "x", f"{MARK}_{index}": 1}} for index, row in enumerate(genuka(40))]

    watch = watched(rows, known, GenukaOrder)

    assert MARK not in json.dumps(watch.shape())
    assert [(drift.path, drift.change) for drift in watch.drift()] == [("metadata.*", "new")]
    assert watched(rows[:1], watch.shape(), GenukaOrder).drift() == []
    assert MARK not in json.dumps(watched(rows[:1], watch.shape(), GenukaOrder).shape())


def test_data_keys_that_come_one_by_one_end_as_one() -> None:
    known = watched(genuka(metadata={"note": "x"}), model=GenukaOrder).shape()
    told = []
    for index in range(20):
        watch = watched(genuka(1, metadata={"note": "x", f"key_{index}": 1}), known, GenukaOrder)
        told += [drift.path for drift in watch.drift()]
        known = watch.shape()

    assert told == [*(f"metadata.key_{index}" for index in range(8)), "metadata.*"]
    assert "key_" not in json.dumps(known)


def test_many_new_fields_that_are_in_most_orders_are_fields() -> None:
    fields = {f"field_{index}": index for index in range(30)}

    found = changes(popsell(), popsell(**fields))

    assert {path for path, *_ in found} == set(fields)


def test_fields_that_looked_like_data_in_a_small_first_export_are_learned_in_silence() -> None:
    fields = {f"field_{index}": index for index in range(30)}
    known = watched(popsell(2, **fields)).shape()
    assert "field_" not in json.dumps(known)
    for _ in range(10):
        known = watched(popsell(2, **fields), known).shape()

    large = watched(popsell(**fields), known)
    later = watched([*popsell(**fields), *popsell(1, **fields, gift=1)], large.shape())

    assert large.drift() == []
    assert set(fields) <= paths(large)
    assert [drift.path for drift in later.drift()] == ["gift"]


def test_an_object_with_keys_that_are_data_can_still_have_a_new_field() -> None:
    rows = [
        {**row, "metadata": {f"key_{letters}": 1}}
        for row, letters in zip(genuka(40), _words(40), strict=True)
    ]
    known = watched(rows, model=GenukaOrder).shape()
    for row in rows:
        row["metadata"]["gift"] = 1

    again = watched(rows, known, GenukaOrder)

    assert [str(drift) for drift in again.drift()] == ["metadata.gift is new (number)"]
    assert "key_" not in json.dumps(again.shape())


def test_data_keys_stay_data_when_there_are_few_of_them_for_once() -> None:
    rows = [
        {**row, "metadata": {f"key_{letters}": 1}}
        for row, letters in zip(genuka(40), _words(40), strict=True)
    ]
    known = watched(rows, model=GenukaOrder).shape()

    again = watched([*genuka(37, metadata={"note": "x"}), *rows[:3]], known, GenukaOrder)

    assert again.drift() == []
    assert "key_" not in json.dumps(again.shape())


def test_the_number_of_undocumented_fields_is_bounded() -> None:
    rows = popsell(
        **{f"a{letters}": 1 for letters in _words(150)},
        buyer={f"b{letters}": 1 for letters in _words(5000)},
    )

    watch = watched(rows)

    assert len(paths(watch)) < 110
    assert {"*", "buyer.*"} <= paths(watch)
    assert watched(rows, watch.shape()).drift() == []


def _words(count: int) -> list[str]:
    return ["".join("abcdefghij"[int(digit)] for digit in str(number)) for number in range(count)]


def test_no_value_enters_a_shape_a_message_or_a_repr(caplog: pytest.LogCaptureFixture) -> None:
    secret = popsell(
        buyer={"email": MARK, "tier": MARK}, order_info=MARK, gift={MARK: MARK}, **{f"{MARK} x": 1}
    )
    watch = watched(secret, watched(popsell(buyer={"email": "a"}, gift=1)).shape())

    report(watch.drift(), "popsell")
    with pytest.raises(UnexpectedPayloadError) as caught:
        refuse(watch.drift(), "popsell")

    assert watch.drift()
    told = (
        watch.shape(),
        watch.drift(),
        [str(drift) for drift in watch.drift()],
        watch,
        caught.value,
        caplog.text,
    )
    assert MARK not in repr(told)


# What it costs.


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> CountingDecoder:
    counting = CountingDecoder()
    monkeypatch.setattr(drift_module, "_DECODER", counting)
    return counting


def test_the_first_fifty_rows_are_read_and_then_every_fortieth(decoder: CountingDecoder) -> None:
    watched(popsell(50))
    assert decoder.decoded == 50

    watched(popsell(50 + 40 * 25))
    assert decoder.decoded == 50 + 50 + 25


def test_of_large_rows_fewer_are_read(decoder: CountingDecoder) -> None:
    watched(popsell(50 + 400, order_info="x" * 4700))

    assert decoder.decoded == 50 + 4


# How it is told.


@pytest.mark.parametrize(
    ("drift", "line"),
    [
        (Drift("customer.tier", "new", None, "number"), "customer.tier is new (number)"),
        (Drift("lines[].price", "vanished", "number", None), "lines[].price has vanished (was number)"),
        (
            Drift("total", "retyped", "number", "number or string"),
            "total is retyped (was number, now number or string)",
        ),
    ],
)
def test_a_drift_is_one_readable_line_and_plain_json(drift: Drift, line: str) -> None:
    assert str(drift) == line
    assert json.loads(json.dumps(drift.as_dict())) == {
        "path": drift.path,
        "change": drift.change,
        "was": drift.was,
        "now": drift.now,
    }


def test_each_drift_is_logged_once_as_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        report([Drift("a", "new", None, "number"), Drift("b", "vanished", "string", None)], "popsell")

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "popsell: the shape of the orders is not what it was: a is new (number)"),
        ("WARNING", "popsell: the shape of the orders is not what it was: b has vanished (was string)"),
    ]


def test_a_refused_drift_names_the_fields_and_the_way_on() -> None:
    drifts = [Drift(f"field{number}", "new", None, "number") for number in range(12)]

    with pytest.raises(UnexpectedPayloadError) as caught:
        refuse(drifts, "popsell")

    assert caught.value.vendor == "popsell"
    assert "field0 is new (number); field1 is new" in caught.value.message
    assert "field9 is new (number); and 2 more, see the log" in caught.value.message
    assert 'run once with on_drift="log"' in caught.value.message


def test_without_drift_nothing_is_refused() -> None:
    refuse([], "popsell")

    assert ON_DRIFT == ("log", "fail")
