"""When a wait is over: the words, and what a number of orders amounts to."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from airflow_provider_orders.errors import ConfigurationError, OrderFailedError
from airflow_provider_orders.models.dipli import DipliOrder
from airflow_provider_orders.models.genuka import GenukaOrder
from airflow_provider_orders.models.popsell import PopsellOrder
from airflow_provider_orders.models.valomnia import ValomniaOrder
from airflow_provider_orders.waiting.conditions import (
    OrderReport,
    Outcome,
    StatusCondition,
    failure,
    order_ids,
)

if TYPE_CHECKING:
    from airflow_provider_orders.models.base import VendorOrder

MODELS: tuple[type[VendorOrder], ...] = (PopsellOrder, DipliOrder, ValomniaOrder, GenukaOrder)


def popsell(word: str | None) -> VendorOrder:
    return PopsellOrder.parse(json.dumps({"id_order": 7, "last_status": word}).encode())


def dipli(word: str | None, **fields: Any) -> VendorOrder:
    content = {"id": 7, "public_id": "A-7", "shipping_status": word, "to_ship": False, **fields}
    return DipliOrder.parse(json.dumps(content).encode())


def genuka(shipping: str | None = None, billing: str | None = None, **fields: Any) -> VendorOrder:
    content = {"id": "x" * 26, "shipping": {"status": shipping}, "billing": {"status": billing}, **fields}
    return GenukaOrder.parse(json.dumps(content).encode())


def outcome(order: VendorOrder, **asked: Any) -> str:
    return StatusCondition.of(type(order), **asked).report("7", order.status_words(), 0.0)["outcome"]


def reports(*outcomes: str) -> list[OrderReport]:
    return [
        OrderReport(
            order_id=str(number),
            outcome=word,
            status={"order": "pending"},
            status_raw={"order": None},
            seen_at="2026-01-01T00:00:00+00:00",
        )
        for number, word in enumerate(outcomes)
    ]


class TestDefaults:
    @pytest.mark.parametrize(
        ("order", "expected"),
        [
            (popsell("OK"), "met"),
            (popsell("FULFILLED"), "met"),
            (popsell("PENDING"), "waiting"),
            (popsell("CANCELLED"), "failed"),
            (popsell("RETURNED"), "failed"),
            (dipli("pending_confirmation"), "waiting"),
            (dipli("shipped"), "met"),
            (dipli("error_shipping"), "failed"),
            (dipli("cancelled"), "failed"),
            (genuka("delivered"), "met"),
            (genuka("partial_delivery"), "waiting"),
            (genuka("cancelled"), "failed"),
        ],
        ids=repr,
    )
    def test_each_vendors_usual_success_and_failure(self, order: VendorOrder, expected: str) -> None:
        assert outcome(order) == expected

    @pytest.mark.parametrize(
        ("model", "axis"),
        [
            (PopsellOrder, "order"),
            (DipliOrder, "fulfillment"),
            (ValomniaOrder, "fulfillment"),
            (GenukaOrder, "fulfillment"),
        ],
    )
    def test_the_axis(self, model: type[VendorOrder], axis: str) -> None:
        assert StatusCondition.of(model).axes == (axis,)

    def test_a_default_failure_never_contradicts_what_is_wanted(self) -> None:
        assert outcome(popsell("CANCELLED"), wanted="cancelled") == "met"
        assert outcome(popsell("RETURNED"), wanted="cancelled") == "failed"

    def test_no_failures_when_the_list_is_empty(self) -> None:
        assert outcome(popsell("CANCELLED"), failed=[]) == "waiting"

    def test_the_default_wanted_gives_way_to_a_failure_asked_for(self) -> None:
        with pytest.raises(ConfigurationError, match="'delivered' is both wanted and failed"):
            StatusCondition.of(DipliOrder, failed="delivered")


class TestWords:
    def test_the_vendors_own_word_is_only_that_word(self) -> None:
        assert outcome(popsell("FULFILLED"), wanted="FULFILLED") == "met"
        assert outcome(popsell("OK"), wanted="FULFILLED") == "waiting"

    def test_a_canonical_word_is_all_that_mean_it(self) -> None:
        assert {outcome(popsell(word), wanted="completed") for word in ("OK", "FULFILLED")} == {"met"}

    @pytest.mark.parametrize("word", ["E-BOOKING", " e-booking ", "E-Booking"])
    def test_case_and_spaces_do_not_matter(self, word: str) -> None:
        assert outcome(popsell("E-BOOKING"), wanted=word) == "met"
        assert outcome(popsell(" e-Booking"), wanted="E-BOOKING") == "met"

    def test_an_undocumented_word_waits_and_is_logged_once(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            assert {outcome(popsell("SOMEWHERE")) for _ in range(3)} == {"waiting"}
        said = [record.getMessage() for record in caplog.records]
        assert said == ["popsell: 'SOMEWHERE' is no documented order status; it counts as waiting"]

    def test_no_status_waits(self) -> None:
        assert outcome(popsell(None)) == outcome(genuka()) == "waiting"

    @pytest.mark.parametrize("wanted", ["paid", ["paid"], ("PAID",)])
    def test_the_payment_axis(self, wanted: Any) -> None:
        assert outcome(genuka("pending", "paid"), axis="payment", wanted=wanted) == "met"
        assert outcome(genuka("pending", "canceled"), axis="payment") == "failed"
        assert outcome(genuka("delivered", "unpaid"), axis="payment") == "waiting"


class TestMoreThanTheWord:
    """What the vendor says in another place than its status."""

    @pytest.mark.parametrize("wanted", [None, "delivered", "shipped"])
    def test_diplis_delivery_date_counts_as_delivered(self, wanted: str | None) -> None:
        order = dipli("ongoing_shipping", delivered_at="2026-01-02")
        assert outcome(order, wanted=wanted) == "met"

    @pytest.mark.parametrize("wanted", [None, "delivered", "taken_in_charge", "in_transit"])
    def test_a_deleted_genuka_order_fails(self, wanted: str | None) -> None:
        order = genuka("taken_in_charge", "paid", deleted_at="2026-01-02T00:00:00Z")
        assert outcome(order, wanted=wanted) == "failed"

    @pytest.mark.parametrize("failed", [None, "cancelled", "canceled"])
    def test_a_deleted_genuka_order_will_not_be_paid(self, failed: str | None) -> None:
        order = genuka("pending", "pending", deleted_at="2026-01-02T00:00:00Z")
        assert outcome(order, axis="payment", failed=failed) == "failed"

    def test_its_failure_is_named_by_what_it_means(self) -> None:
        order = genuka("taken_in_charge", deleted_at="2026-01-02T00:00:00Z")
        condition = StatusCondition.of(GenukaOrder)
        error = failure([condition.report("x", order.status_words(), 0.0)])
        assert str(error) == "Waited for fulfillment in vain: order x is cancelled (taken_in_charge)."


class TestAllOrAny:
    @pytest.mark.parametrize(
        ("outcomes", "every", "one"),
        [
            (["met", "met"], "met", "met"),
            (["met", "waiting"], "waiting", "met"),
            (["met", "failed"], "failed", "met"),
            (["waiting", "failed"], "failed", "waiting"),
            (["failed", "failed"], "failed", "failed"),
            (["waiting", "waiting"], "waiting", "waiting"),
        ],
    )
    def test_decides(self, outcomes: list[str], every: str, one: str) -> None:
        assert StatusCondition.of(PopsellOrder).decide(outcomes) == Outcome(every)
        assert StatusCondition.of(PopsellOrder, require="any").decide(outcomes) == Outcome(one)

    def test_a_failure_names_some_and_counts_the_rest(self) -> None:
        error = failure(reports("met", *["failed"] * 8))
        assert isinstance(error, OrderFailedError)
        assert str(error).count(" is ") == 5
        assert "and 3 more" in str(error)

    def test_describes_how_many_stand_where(self) -> None:
        assert StatusCondition.of(PopsellOrder).describe(reports("met", "failed")) == "2 pending"


class TestSeveralAxes:
    BOTH: ClassVar[dict[str, str]] = {"fulfillment": "delivered", "payment": "paid"}

    @pytest.mark.parametrize(
        ("shipping", "billing", "expected"),
        [
            ("delivered", "paid", "met"),
            ("delivered", "unpaid", "waiting"),
            ("pending", "paid", "waiting"),
            ("delivered", "canceled", "failed"),
            (None, None, "waiting"),
        ],
    )
    def test_all_have_to_be_met_and_one_is_enough_to_fail(
        self, shipping: str | None, billing: str | None, expected: str
    ) -> None:
        assert outcome(genuka(shipping, billing), wanted=self.BOTH) == expected

    def test_the_report_has_a_word_for_each(self) -> None:
        condition = StatusCondition.of(GenukaOrder, wanted=self.BOTH)
        assert condition.axes == ("fulfillment", "payment")
        assert condition.report("7", genuka("pending", "paid").status_words(), 0.0) == {
            "order_id": "7",
            "outcome": "waiting",
            "status": {"fulfillment": "pending", "payment": "paid"},
            "status_raw": {"fulfillment": "pending", "payment": "paid"},
            "seen_at": "1970-01-01T00:00:00.000+00:00",
        }

    def test_a_failure_names_both(self) -> None:
        condition = StatusCondition.of(GenukaOrder, wanted=self.BOTH)
        error = failure([condition.report("x", genuka("delivered", "canceled").status_words(), 0.0)])
        assert str(error) == (
            "Waited for fulfillment and payment in vain: order x is delivered and cancelled (canceled)."
        )

    def test_an_axis_that_failed_names_keeps_the_defaults_of_the_others(self) -> None:
        asked: dict[str, Any] = {"wanted": self.BOTH, "failed": {"payment": "refunded"}}
        assert outcome(genuka("delivered", "canceled"), **asked) == "waiting"
        assert outcome(genuka("pending", "canceled", deleted_at="2026-01-02T00:00:00Z"), **asked) == "failed"

    def test_an_axis_may_be_watched_for_failures_only(self) -> None:
        asked: dict[str, Any] = {"wanted": "delivered", "failed": {"payment": "cancelled"}}
        assert outcome(genuka("delivered", "unpaid"), **asked) == "met"
        assert outcome(genuka("delivered", "canceled"), **asked) == "failed"

    def test_an_empty_list_means_no_failures_on_any(self) -> None:
        assert outcome(genuka("pending", "canceled"), wanted=self.BOTH, failed=[]) == "waiting"

    def test_the_one_axis_that_is_wanted_is_what_words_without_an_axis_are_about(self) -> None:
        asked: dict[str, Any] = {"wanted": {"payment": "paid"}, "failed": "cancelled"}
        assert outcome(genuka("delivered", "canceled"), **asked) == "failed"


class TestIgnored:
    def test_what_usually_fails_is_waited_through(self) -> None:
        assert outcome(popsell("CANCELLED"), ignored="cancelled") == "waiting"
        assert outcome(popsell("RETURNED"), ignored="cancelled") == "failed"
        assert outcome(popsell("CANCELLED"), ignored="CANCELLED") == "waiting"

    def test_what_usually_ends_it_well_does_not(self) -> None:
        assert outcome(popsell("OK"), ignored="OK") == "waiting"
        assert outcome(popsell("FULFILLED"), ignored="OK") == "met"

    @pytest.mark.parametrize(
        "asked",
        [
            {"wanted": "completed", "ignored": "completed"},
            {"failed": "CANCELLED", "ignored": "CANCELLED"},
            {"ignored": {"weather": "rain"}},
            {"ignored": "nothing"},
        ],
    )
    def test_not_what_is_asked_for(self, asked: dict[str, Any]) -> None:
        with pytest.raises(ConfigurationError) as caught:
            StatusCondition.of(PopsellOrder, **asked)
        assert caught.value.field == "ignored"

    def test_not_on_an_axis_without_a_wait(self) -> None:
        with pytest.raises(ConfigurationError, match="ignored names the payment axis") as caught:
            StatusCondition.of(GenukaOrder, ignored={"payment": "refunded"})
        assert caught.value.field == "ignored"


class TestAtLeast:
    @pytest.mark.parametrize(
        ("outcomes", "expected"),
        [
            (["met", "met", "waiting"], "met"),
            (["met", "waiting", "waiting"], "waiting"),
            (["met", "failed", "waiting"], "waiting"),
            (["met", "failed", "failed"], "failed"),
            (["failed", "met", "met"], "met"),
        ],
    )
    def test_decides(self, outcomes: list[str], expected: str) -> None:
        assert StatusCondition.of(PopsellOrder, at_least=2).decide(outcomes) == Outcome(expected)

    @pytest.mark.parametrize("value", [0, -1, 4, "some", True, 1.5, "4"])
    def test_a_number_of_orders_that_there_are(self, value: object) -> None:
        with pytest.raises(ConfigurationError) as caught:
            StatusCondition.of(PopsellOrder, at_least=value, orders=3)
        assert caught.value.field == "at_least"

    def test_not_beside_any(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            StatusCondition.of(PopsellOrder, at_least=1, require="any", orders=3)
        assert caught.value.field == "at_least"

    @pytest.mark.parametrize(("value", "expected"), [("2", 2), ("", None)])
    def test_may_come_from_a_template(self, value: str, expected: int | None) -> None:
        assert StatusCondition.of(PopsellOrder, at_least=value, orders=2).at_least == expected


class TestRefused:
    @pytest.mark.parametrize(
        ("asked", "field"),
        [
            ({"axis": "weather"}, "axis"),
            ({"axis": "payment"}, "axis"),
            ({"axis": ["fulfillment"]}, "axis"),
            ({"require": "some"}, "require"),
            ({"wanted": "delivred"}, "wanted"),
            ({"wanted": ""}, "wanted"),
            ({"wanted": []}, "wanted"),
            ({"wanted": [None]}, "wanted"),
            ({"wanted": 7}, "wanted"),
            ({"wanted": {}}, "wanted"),
            ({"wanted": {"weather": "rain"}}, "wanted"),
            ({"wanted": {"order": "delivred"}}, "wanted"),
            ({"failed": {"weather": "rain"}}, "failed"),
            ({"failed": "lost"}, "failed"),
            ({"wanted": "cancelled", "failed": ["cancelled"]}, "failed"),
            ({"wanted": "OK", "failed": "ok"}, "failed"),
            ({"wanted": "unknown"}, "wanted"),
        ],
    )
    def test_with_the_argument_named(self, asked: dict[str, Any], field: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            StatusCondition.of(PopsellOrder, **asked)
        assert caught.value.field == field

    @pytest.mark.parametrize("model", MODELS)
    def test_an_unknown_axis_of_any_vendor(self, model: type[VendorOrder]) -> None:
        with pytest.raises(ConfigurationError, match=f"{model.VENDOR} orders have no axis 'weather'"):
            StatusCondition.of(model, axis="weather")


class TestOrderIds:
    @pytest.mark.parametrize(
        ("value", "ids"),
        [("7", ["7"]), (7, ["7"]), (["7", 8, " 7 "], ["7", "8"]), (("a",), ["a"]), ({"a": 1}.keys(), ["a"])],
    )
    def test_one_or_a_list_each_once(self, value: Any, ids: list[str]) -> None:
        assert order_ids(value) == ids

    @pytest.mark.parametrize(
        "value", [None, "", " ", [], [""], ["7", None], [True], True, 1.5, {"id": 7}, [["7"]]]
    )
    def test_anything_else_is_refused(self, value: Any) -> None:
        with pytest.raises(ConfigurationError) as caught:
            order_ids(value)
        assert caught.value.field == "order_id"
