"""What an export asks of the vendor, what it keeps of the answer, and what it says it can miss."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pendulum
import pytest

from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.export.plan import (
    LOOKBACK,
    Horizon,
    check_plan,
    make_plan,
    overlap_of,
    read_lookback,
)
from airflow_provider_orders.export.state import Scope, SyncState
from tests.unit.export.model_source import VENDORS, Shop, model_api

if TYPE_CHECKING:
    from airflow_provider_orders.export.plan import SyncPlan

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
WATERMARK = NOW - timedelta(hours=1)
DAY = timedelta(days=1)


def plan(
    vendor: str, mode: str = "incremental", *, state: SyncState | None = None, **options: Any
) -> SyncPlan:
    query = OrderQuery(
        **{name: options.pop(name) for name in list(options) if name in OrderQuery.__dataclass_fields__}
    )
    return make_plan(model_api(vendor), query, mode=mode, state=state, now=NOW, **options)


def asked(vendor: str, made: SyncPlan) -> dict[str, str]:
    """Give the parameters of the request for the first page."""
    api = model_api(vendor)
    listings = api.listings(made.asked) if made.horizon is None else api.newest_first(made.asked)
    return dict(listings[0].page_request(1).params)


class TestTheFirstIncrementalExport:
    @pytest.mark.parametrize("vendor", VENDORS)
    def test_reads_everything_without_a_window(self, vendor: str) -> None:
        made = plan(vendor)
        assert made.asked == OrderQuery()
        assert made.horizon is None
        assert made.window == (None, NOW)
        assert "every" in made.words

    @pytest.mark.parametrize("vendor", VENDORS)
    def test_of_a_source_without_orders_is_followed_by_another_first_one_or_goes_on(
        self, vendor: str
    ) -> None:
        first = plan(vendor)
        state = first.next_state(None, newest_change=None, newest_id=None, run_key="a")
        assert state.watermark == (None if vendor in {"valomnia", "genuka"} else NOW)
        again = plan(vendor, state=state)
        if again.horizon is not None:
            # Old orders may be entered into a shop that had none.
            assert not again.horizon.is_past("1", NOW - 400 * DAY)


class TestAVendorThatFiltersToTheSecond:
    @pytest.mark.parametrize("vendor", ["valomnia", "genuka"])
    def test_is_asked_from_lookback_before_the_watermark_and_for_no_end(self, vendor: str) -> None:
        made = plan(vendor, state=SyncState(sequence=1, watermark=WATERMARK), lookback=timedelta(minutes=7))
        assert made.asked == OrderQuery(updated_from=WATERMARK - timedelta(minutes=7))
        assert made.window == (WATERMARK - timedelta(minutes=7), NOW)
        params = asked(vendor, made)
        start = {"valomnia": "lastUpdated_gte", "genuka": "filter[updated_at][start]"}[vendor]
        sort = {"valomnia": "id", "genuka": "created_at"}[vendor]
        moment = {"valomnia": "2026-03-29T10:53:00Z", "genuka": "2026-03-29T10:52:59Z"}[vendor]
        assert (params[start], params["sort"]) == (moment, sort)
        assert "lastUpdated_lt" not in params
        assert "filter[updated_at][end]" not in params

    @pytest.mark.parametrize("vendor", ["valomnia", "genuka"])
    def test_of_its_answer_nothing_is_kept_that_changed_after_the_start(self, vendor: str) -> None:
        made = plan(vendor, state=SyncState(sequence=1, watermark=WATERMARK))
        assert made.kept.in_window(None, WATERMARK - LOOKBACK)
        assert made.kept.in_window(None, NOW - timedelta(microseconds=1))
        assert made.kept.in_window(None, None)
        assert not made.kept.in_window(None, NOW)
        assert not made.kept.in_window(None, WATERMARK - LOOKBACK - timedelta(seconds=1))

    @pytest.mark.parametrize("lookback", [timedelta(0), LOOKBACK])
    def test_a_worker_whose_clock_is_behind_reads_too(self, lookback: timedelta) -> None:
        made = plan(
            "genuka", state=SyncState(sequence=1, watermark=NOW + timedelta(hours=1)), lookback=lookback
        )
        assert made.asked.updated_from == NOW + timedelta(hours=1) - lookback

    def test_the_watermark_is_the_newest_change_seen_and_never_after_the_start(self) -> None:
        made = plan("genuka", state=SyncState(sequence=4, watermark=WATERMARK))
        seen = WATERMARK + timedelta(minutes=3)

        def next_state(newest_change: datetime | None) -> SyncState:
            state = SyncState(sequence=4, watermark=WATERMARK)
            return made.next_state(state, newest_change=newest_change, newest_id=None, run_key="b")

        assert next_state(seen) == SyncState(sequence=5, watermark=seen, run_key="b")
        assert next_state(None).watermark == WATERMARK
        assert next_state(WATERMARK - DAY).watermark == WATERMARK
        assert next_state(NOW + DAY).watermark == NOW

    @pytest.mark.parametrize(
        ("lookback", "words"),
        [
            (timedelta(0), "0 minutes"),
            (timedelta(seconds=1), "1 second"),
            (timedelta(seconds=90), "1 minute 30 seconds"),
            (timedelta(hours=2), "120 minutes"),
            (timedelta(days=2), "2 days"),
        ],
    )
    def test_says_how_late_a_change_may_be(self, lookback: timedelta, words: str) -> None:
        made = plan("genuka", lookback=lookback)
        assert made.can_miss[0] == (
            f"changes that Genuka does not date, or dates more than {words} before they can be read"
        )


class TestAVendorThatFiltersByTheDay:
    @pytest.mark.parametrize(
        ("watermark", "day"),
        [
            # The zone of its days is not documented: the earlier one of UTC and the assumed zone counts.
            (datetime(2026, 3, 29, 12, tzinfo=UTC), "2026-03-28"),
            (datetime(2026, 3, 29, 0, 30, tzinfo=UTC), "2026-03-28"),
            (datetime(2026, 3, 28, 23, 30, tzinfo=UTC), "2026-03-27"),
            # Around the nights in which the clocks of Paris change.
            (datetime(2026, 3, 30, 0, 30, tzinfo=ZoneInfo("Europe/Paris")), "2026-03-28"),
            (datetime(2026, 10, 26, 0, 30, tzinfo=ZoneInfo("Europe/Paris")), "2026-10-24"),
            (datetime(2026, 10, 25, 22, 59, tzinfo=UTC), "2026-10-24"),
        ],
    )
    def test_is_asked_from_the_day_before_the_watermark(self, watermark: datetime, day: str) -> None:
        made = plan("dipli", state=SyncState(sequence=1, watermark=watermark), lookback=timedelta(hours=9))
        assert asked("dipli", made)["updatedAt"] == day

    def test_its_watermark_is_the_start_of_the_export(self) -> None:
        made = plan("dipli", state=SyncState(sequence=1, watermark=WATERMARK))
        state = made.next_state(
            SyncState(sequence=1, watermark=WATERMARK), newest_change=None, newest_id=7, run_key="b"
        )
        assert (state.watermark, state.sequence) == (NOW, 2)


class TestAVendorWithoutAFilter:
    STATE = SyncState(
        sequence=1, watermark=WATERMARK, newest_id=500, swept_from=WATERMARK - 12 * DAY, lowest_id=90
    )

    def test_is_read_from_the_newest_order_back_to_the_sweep(self) -> None:
        made = plan("popsell", state=self.STATE, sweep_days=10)
        assert made.horizon == Horizon(entered=WATERMARK - 10 * DAY, newest_id=500, lowest_id=90)
        assert asked("popsell", made)["sort"] == "-id_order"
        assert made.window == (WATERMARK - 10 * DAY, NOW)

    @pytest.mark.parametrize(
        ("order_id", "entered", "is_past"),
        [
            ("500", WATERMARK - 11 * DAY, True),
            ("500", WATERMARK - 10 * DAY, False),
            ("501", WATERMARK - 400 * DAY, False),
            ("500", None, False),
            ("?5ab", WATERMARK - 400 * DAY, False),
        ],
    )
    def test_an_order_is_past_if_it_is_old_and_was_there(
        self, order_id: str, entered: datetime | None, is_past: bool
    ) -> None:
        horizon = plan("popsell", state=self.STATE, sweep_days=10).horizon
        assert horizon is not None
        assert horizon.is_past(order_id, entered) is is_past

    @pytest.mark.parametrize(
        ("state", "sweep_days"),
        [
            (STATE, 13),  # a longer sweep than the last one
            (replace(STATE, swept_from=None, lowest_id=None), 10),
        ],
    )
    def test_is_read_to_the_oldest_where_the_last_sweep_does_not_say_how_far_down(
        self, state: SyncState, sweep_days: int
    ) -> None:
        made = plan("popsell", state=state, sweep_days=sweep_days)
        assert made.horizon is not None
        assert not made.horizon.may_end_at("1")
        assert "to the oldest one" in made.words

    @pytest.mark.parametrize(("order_id", "may_end"), [("89", True), ("90", False), ("?", False)])
    def test_ends_below_the_lowest_id_of_the_last_sweep(self, order_id: str, may_end: bool) -> None:
        made = plan("popsell", state=self.STATE, sweep_days=12)
        assert made.horizon is not None
        assert made.horizon.may_end_at(order_id) is may_end
        assert "to the oldest one" not in made.words

    @pytest.mark.parametrize(("lowest_id", "kept"), [(120, 120), (None, 501)])
    def test_its_state_says_how_far_down_the_sweep_went(self, lowest_id: int | None, kept: int) -> None:
        made = plan("popsell", state=self.STATE, sweep_days=10)
        state = made.next_state(self.STATE, newest_change=None, newest_id=7, lowest_id=lowest_id, run_key="b")
        assert (state.swept_from, state.lowest_id) == (WATERMARK - 10 * DAY, kept)

    def test_a_complete_export_says_it_for_the_first_sweep(self) -> None:
        for made in (plan("popsell", sweep_days=10), plan("popsell", "full", sweep_days=10)):
            assert made.swept_from == NOW - 10 * DAY

    def test_an_ambassadors_orders_are_all_read_again(self) -> None:
        made = plan("popsell", state=self.STATE, ambassador_id=3)
        assert made.horizon is None
        assert made.can_miss == (
            "orders deleted at Popsell",
            "orders that move to a page read before, as another one is deleted while the pages are read",
        )


class TestAWindow:
    START, END = NOW - 2 * DAY, NOW - DAY

    @pytest.mark.parametrize("vendor", ["valomnia", "genuka"])
    def test_of_changes_is_asked_for_as_it_is(self, vendor: str) -> None:
        made = plan(vendor, "window", updated_from=self.START, updated_to=self.END)
        assert made.asked == made.kept == OrderQuery(updated_from=self.START, updated_to=self.END)

    def test_of_changes_begins_a_day_earlier_where_the_filter_is_by_the_day(self) -> None:
        made = plan("dipli", "window", updated_from=self.START, updated_to=self.END)
        assert made.asked == OrderQuery(updated_from=self.START - DAY)
        assert "does not say when it changed" in made.words

    def test_of_changes_reads_everything_where_there_is_no_filter(self) -> None:
        made = plan("popsell", "window", updated_from=self.START, updated_to=self.END)
        assert (made.asked, made.horizon) == (OrderQuery(), None)
        assert made.kept == OrderQuery(updated_from=self.START, updated_to=self.END)

    def test_of_creation_reads_from_the_newest_order_back_where_there_is_no_filter(self) -> None:
        made = plan("popsell", "window", created_from=self.START, created_to=self.END)
        assert made.horizon == Horizon(entered=self.START - DAY, newest_id=None)
        assert made.can_miss[0] == "orders entered more than a day before the date that they bear"

    @pytest.mark.parametrize(("end", "gaps"), [(NOW, 1), (NOW - DAY, 1), (NOW - 2 * DAY, 0), (None, 1)])
    def test_of_creation_names_the_day_that_is_not_over(self, end: datetime | None, gaps: int) -> None:
        made = plan("dipli", "window", created_from=NOW - 5 * DAY, created_to=end)
        assert len(made.can_miss) == gaps + 2  # what any window and any listing can miss
        assert made.asked == OrderQuery(created_from=NOW - 6 * DAY)

    @pytest.mark.parametrize("vendor", VENDORS)
    @pytest.mark.parametrize("mode", ["window", "full"])
    def test_is_no_part_of_a_series(self, vendor: str, mode: str) -> None:
        made = plan(vendor, mode, updated_from=self.START if mode == "window" else None)
        assert not made.is_incremental


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("options", "field"),
        [
            ({"mode": "sometimes"}, "mode"),
            ({"mode": "incremental", "updated_from": NOW}, "updated_from"),
            ({"mode": "full", "created_to": NOW}, "created_to"),
            ({"mode": "window"}, "updated_from"),
            ({"mode": "incremental", "lookback": timedelta(seconds=-1)}, "lookback"),
            ({"mode": "incremental", "lookback": timedelta(days=900_000)}, "lookback"),
            ({"mode": "incremental", "sweep_days": -1}, "sweep_days"),
            ({"mode": "incremental", "sweep_days": 1_000_000}, "sweep_days"),
            ({"mode": "full", "sweep_days": 10**10}, "sweep_days"),
            ({"mode": "incremental", "limit": 5}, "limit"),
            ({"mode": "full", "statuses": ("lost",)}, "statuses"),
        ],
    )
    def test_before_anything_is_sent(self, options: dict[str, Any], field: str) -> None:
        names = OrderQuery.__dataclass_fields__
        query = OrderQuery(**{name: value for name, value in options.items() if name in names})
        rest = {name: value for name, value in options.items() if name not in names}
        with pytest.raises(ConfigurationError) as caught:
            check_plan(model_api("genuka"), query, **rest)
        assert caught.value.field == field

    def test_popsell_cannot_be_read_by_ambassador_and_status(self) -> None:
        with pytest.raises(ConfigurationError):
            check_plan(
                model_api("popsell"), OrderQuery(ambassador_id=3, statuses=("OK",)), mode="incremental"
            )

    @pytest.mark.parametrize(
        ("query", "mode"),
        [
            (OrderQuery(), "full"),
            (OrderQuery(updated_from=NOW), "window"),
            (OrderQuery(created_to=NOW), "window"),
        ],
    )
    def test_without_a_mode_it_follows_from_the_window(self, query: OrderQuery, mode: str) -> None:
        assert check_plan(model_api("genuka"), query) == mode


class TestTheBeginningOfTheCalendar:
    BEGINNING = datetime.min.replace(tzinfo=UTC)

    @pytest.mark.parametrize("kind", ["created", "updated"])
    @pytest.mark.parametrize("vendor", VENDORS)
    def test_is_as_far_back_as_a_window_is_read(self, vendor: str, kind: str) -> None:
        query = OrderQuery(**{f"{kind}_from": self.BEGINNING})  # type: ignore[arg-type]
        for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
            check_plan(model_api(vendor, assumed_timezone=zone), query)
        made = make_plan(model_api(vendor), query, mode="window", state=None, now=NOW)
        assert made.window == (self.BEGINNING, None)
        assert made.kept == query

    def test_is_as_far_back_as_an_incremental_export_begins(self) -> None:
        state = SyncState(sequence=1, watermark=self.BEGINNING)
        for vendor in VENDORS:
            made = plan(vendor, state=state)
            assert made.window[0] is None or made.window[0] - self.BEGINNING <= DAY


class TestLookback:
    @pytest.mark.parametrize("value", [600, 600.0, timedelta(minutes=10), pendulum.duration(minutes=10)])
    def test_is_seconds_or_a_timedelta(self, value: Any) -> None:
        lookback = read_lookback(value)
        assert type(lookback) is timedelta
        assert lookback == timedelta(minutes=10)

    @pytest.mark.parametrize(
        "value", [-1, True, "600", None, math.nan, math.inf, 1e30, timedelta(seconds=-1), timedelta.max]
    )
    def test_is_nothing_else(self, value: object) -> None:
        with pytest.raises(ConfigurationError, match="lookback must be") as caught:
            read_lookback(value)
        assert caught.value.field == "lookback"

    def test_of_an_export_may_be_of_pendulums_kind(self) -> None:
        shop = Shop("genuka")
        shop.place()
        for rows in (1, 0):
            shop.now += 60
            manifest = shop.export(f"brings {rows}", lookback=pendulum.duration(minutes=10))
            assert manifest["rows"] == rows


class TestTheOverlap:
    def test_is_lookback_only_where_the_filter_is_to_the_second(self) -> None:
        found = {vendor: overlap_of(model_api(vendor).capabilities, LOOKBACK) for vendor in VENDORS}
        assert found == {"popsell": None, "dipli": None, "valomnia": LOOKBACK, "genuka": LOOKBACK}


class TestTheScope:
    def test_is_the_account_and_the_filters_but_not_the_window(self) -> None:
        api = model_api("genuka")
        plain = Scope.of(api, OrderQuery())
        assert plain == Scope.of(api, OrderQuery(updated_from=NOW, created_to=NOW))
        others = [
            Scope.of(api, OrderQuery(statuses=("delivered",))),
            Scope.of(api, OrderQuery(params={"anonymous": "false"})),
            Scope.of(model_api("genuka", company_id="1" * 26), OrderQuery()),
            Scope.of(model_api("valomnia"), OrderQuery()),
        ]
        assert len({plain.key, *(scope.key for scope in others)}) == 5

    def test_does_not_depend_on_the_order_of_filters(self) -> None:
        api = model_api("genuka")
        one = OrderQuery(statuses=("a", "b"), params={"include": "x", "fields": "y"})
        other = OrderQuery(statuses=("b", "a"), params={"fields": "y", "include": "x"})
        assert Scope.of(api, one).key == Scope.of(api, other).key

    def test_its_short_name_repeats_no_filter(self) -> None:
        query = OrderQuery(params={"filter[customer.email]": "nadia@example.com"})
        assert "nadia" not in Scope.of(model_api("genuka"), query).key


class TestTheState:
    @pytest.mark.parametrize(
        "state",
        [
            SyncState(),
            SyncState(sequence=3, watermark=WATERMARK, newest_id=9, shape={"a": 1}, run_key="x\ny"),
            SyncState(sequence=3, watermark=WATERMARK, newest_id=9, swept_from=WATERMARK - DAY, lowest_id=4),
        ],
    )
    def test_survives_as_json(self, state: SyncState) -> None:
        assert SyncState.from_dict(state.as_dict()) == state

    def test_that_an_earlier_version_wrote_is_read(self) -> None:
        content = SyncState(sequence=3, watermark=WATERMARK, newest_id=9).as_dict()
        del content["swept_from"], content["lowest_id"]
        assert SyncState.from_dict(content) == SyncState(sequence=3, watermark=WATERMARK, newest_id=9)

    def test_keeps_the_highest_id(self) -> None:
        made = plan("popsell", state=TestAVendorWithoutAFilter.STATE)
        state = made.next_state(TestAVendorWithoutAFilter.STATE, newest_change=None, newest_id=7, run_key="b")
        assert (state.newest_id, state.watermark, state.sequence) == (500, NOW, 2)
