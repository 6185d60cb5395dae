"""The events of changing orders: by hand, and against a model of each vendor that changes, fails and restarts at random."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_orders.errors import (
    ApiUnavailableError,
    AuthenticationError,
    ConfigurationError,
    RateLimitedError,
)
from airflow_provider_orders.waiting.events import OrderWatch
from airflow_provider_orders.waiting.filters import EventFilter
from airflow_provider_orders.waiting.kinds import KINDS
from airflow_provider_orders.waiting.positions import Memory, Position
from airflow_provider_orders.waiting.stream import ChangeStream
from tests.unit.export.model_source import BASE, STATUSES, VENDORS, ModelClient, Shop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.apis.query import OrderQuery
    from airflow_provider_orders.http.paging import PastTest, RowPage
    from airflow_provider_orders.waiting.events import OrderEvent
    from airflow_provider_orders.waiting.stream import Observation
    from tests.unit.export.model_source import SourceOrder

LOOKBACK_S = 300


class _Client:
    """The model's client as a stream uses one."""

    def __init__(self, shop: Shop) -> None:
        self.api: OrderApi[Any] = shop.api
        self._client = ModelClient(shop)

    async def iter_pages(
        self, query: OrderQuery, *, is_past: PastTest | None = None
    ) -> AsyncGenerator[RowPage]:
        with closing(self._client.iter_pages(query, is_past=is_past)) as pages:
            for page in pages:
                yield page


class Process:
    """A triggerer's process: one stream of a shop, and the watches of it."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.errors: list[Exception] = []
        self.slept: list[float] = []
        self.opened = 0
        self.stream = ChangeStream(
            self._open,  # type: ignore[arg-type]
            name="model",
            lookback=timedelta(seconds=LOOKBACK_S),
            now=lambda: datetime.fromtimestamp(shop.now, UTC),
            sleep=self._sleep,
        )
        self._observations = self.stream.observations()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[_Client]:
        if self.errors:
            raise self.errors.pop(0)
        self.opened += 1
        yield _Client(self.shop)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    async def observe(self) -> Observation:
        return await anext(self._observations)

    async def poll(self, *watches: OrderWatch) -> list[OrderEvent]:
        """Let watches take what is shown until a poll that is for all, or for the last of them, is over."""
        events: list[OrderEvent] = []
        while True:
            observation = await self.observe()
            for watch in watches:
                events += watch.take(observation)
            if observation.poll is not None and observation.joining in {None, watches[-1]}:
                return events

    async def stop(self) -> None:
        await self._observations.aclose()


def watch(position: Any = None, *, since: int | None = BASE, **wanted: Any) -> OrderWatch:
    moment = None if since is None else datetime.fromtimestamp(since, UTC)
    stored = None if position is None else json.loads(json.dumps(position, allow_nan=False))
    return OrderWatch(orders_conn_id="model", position=stored, since=moment, **wanted)


def polled(shop: Shop, *changes: Any, **wanted: Any) -> list[list[OrderEvent]]:
    """Poll once, then once after each change."""

    async def run() -> list[list[OrderEvent]]:
        process, watching = Process(shop), watch(**wanted)
        rounds = [await process.poll(watching)]
        for change in changes:
            change()
            rounds.append(await process.poll(watching))
        await process.stop()
        return rounds

    return asyncio.run(run())


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def passing(shop: Shop, change: Any = None, seconds: int = 60) -> Any:
    def happen() -> None:
        shop.now += seconds
        if change is not None:
            change()

    return happen


class TestWhatIsTold:
    def test_a_new_order_and_each_of_its_changes_once(self, vendor: str) -> None:
        shop = Shop(vendor)
        orders: list[SourceOrder] = []
        quiet = passing(shop)
        before, created, silence, moved, changed, end = polled(
            shop,
            passing(shop, lambda: orders.append(shop.place())),
            quiet,
            passing(shop, lambda: shop.change(orders[0], status=2)),
            passing(shop, lambda: shop.change(orders[0])),
            quiet,
        )
        assert (before, silence, end) == ([], [], [])
        assert [event["kind"] for event in (*created, *moved, *changed)] == list(KINDS)
        (event,) = moved
        (change,) = event["changed"]
        assert change["from_raw"] == STATUSES[vendor][0]
        assert change["to_raw"] == STATUSES[vendor][2]
        assert event["statuses"][change["axis"]] == {"status": change["to"], "status_raw": change["to_raw"]}
        assert changed[0]["changed"] == []
        assert len({event["event_id"] for event in (*created, *moved, *changed)}) == 3
        assert event["order_id"] == "1"
        assert (event["updated_at"] is None) == (vendor == "dipli")

    def test_an_event_holds_nothing_else(self, vendor: str) -> None:
        shop = Shop(vendor)
        _, (event,) = polled(shop, passing(shop, shop.place))
        assert set(event) == {
            "event_id", "kind", "source", "orders_conn_id", "order_id", "reference", "statuses", "changed",
            "created_at", "updated_at", "seen_at",
        }  # fmt: skip

    def test_what_was_there_before_the_start_is_not_told(self, vendor: str) -> None:
        shop = Shop(vendor)
        for _ in range(5):
            shop.place(age=7200)
            shop.now += 60
        shop.now += 3600
        assert polled(shop, passing(shop), since=None) == [[], []]

    def test_a_change_of_an_order_that_was_not_seen_yet_has_no_former_status(self, vendor: str) -> None:
        shop = Shop(vendor)
        order = shop.place(age=86400 * 3)
        shop.now += 86400 * 4
        rounds = polled(
            shop,
            passing(shop, lambda: shop.change(order, status=1)),
            since=shop.now,
            events="order.status_changed",
        )
        (event,) = [event for events in rounds for event in events if event["statuses"]]
        known = vendor == "popsell"  # which was read from the newest order back at first
        assert event["changed"][0]["from_raw"] == (STATUSES[vendor][0] if known else None)

    @pytest.mark.parametrize(
        ("events", "told"),
        [
            ("order.created", ["order.created"]),
            ("order.status_changed", ["order.status_changed"] * 2),
            ("order.updated", ["order.updated"] * 3),
            (["order.updated", "order.created"], ["order.created", "order.updated", "order.updated"]),
        ],
    )
    def test_a_change_is_the_most_telling_kind_asked_for(self, events: Any, told: list[str]) -> None:
        shop = Shop("genuka")
        orders: list[SourceOrder] = []
        rounds = polled(
            shop,
            passing(shop, lambda: orders.append(shop.place())),
            passing(shop, lambda: shop.change(orders[0], status=1)),
            passing(shop, lambda: shop.change(orders[0])),
            events=events,
        )
        assert [event["kind"] for events in rounds for event in events] == told

    @pytest.mark.parametrize("word", ["delivered", "DELIVERED"])
    def test_only_the_statuses_asked_for_are_told(self, word: str) -> None:
        shop = Shop("valomnia")
        orders = [shop.place(), shop.place()]

        def change_both() -> None:
            for place, order in enumerate(orders, 1):
                shop.change(order, status=place)

        first, moved = polled(
            shop,
            passing(shop, change_both),
            statuses=word,
            axis="fulfillment",
        )
        assert first == []
        assert [event["order_id"] for event in moved] == ["1"]

    def test_a_row_that_cannot_be_read_is_passed_over_and_logged_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        shop = Shop("genuka")
        bad, other = shop.place(), shop.place()
        row = shop._row
        shop._row = lambda order: b'{"id": "1", "amount": []}' if order is bad else row(order)  # type: ignore[method-assign]
        first, second = polled(shop, passing(shop, lambda: shop.change(other)))
        assert [event["order_id"] for event in (*first, *second)] == ["2", "2"]
        assert len([record for record in caplog.records if "passed over" in record.getMessage()]) == 1


class TestTheFilter:
    @pytest.mark.parametrize(
        ("wanted", "field"),
        [
            ({"events": "order.deleted"}, "events"),
            ({"events": []}, "events"),
            ({"statuses": "nonsense"}, "statuses"),
            ({"axis": "colour"}, "axis"),
            ({"axis": "payment"}, "axis"),
        ],
    )
    def test_refuses_what_the_vendor_lacks(self, wanted: dict[str, Any], field: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            EventFilter.of(Shop("dipli").api.order_model, **wanted)
        assert caught.value.field == field

    async def test_one_that_the_vendor_lacks_is_logged_and_tells_nothing(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        shop = Shop("dipli")
        process, watching = Process(shop), watch(statuses="nonsense")
        for _ in range(5):
            assert list(watching.take(await process.observe())) == []
        assert len([record for record in caplog.records if "nonsense" in record.getMessage()]) == 1
        await process.stop()


class TestSharing:
    async def test_each_change_is_told_to_each_watch_once(self, vendor: str) -> None:
        shop = Shop(vendor)
        process, first, second = Process(shop), watch(), watch()
        told: dict[OrderWatch, list[str]] = {first: [], second: []}
        for number in range(20):
            if number % 5 == 0:
                shop.place()
            shop.now += 60
            observation = await process.observe()
            for watching in told if number > 4 else [first]:
                told[watching] += [event["order_id"] for event in watching.take(observation)]
        assert sorted(told[first]) == sorted(told[second]) == ["1", "2", "3", "4"]
        await process.stop()

    async def test_one_that_joins_late_misses_nothing_and_repeats_nothing(self, vendor: str) -> None:
        shop = Shop(vendor)
        process, early, late = Process(shop), watch(), watch()
        shop.place()
        await process.poll(early)
        shop.now += 60
        shop.place()
        late_events: list[OrderEvent] = []
        for _ in range(12):
            observation = await process.observe()
            list(early.take(observation))
            late_events += late.take(observation)
        assert sorted(event["order_id"] for event in late_events) == ["1", "2"]
        await process.stop()


class TestTrouble:
    async def test_outages_are_paced_and_logged_now_and_then(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        shop = Shop("genuka")
        process, watching = Process(shop), watch()
        await process.poll(watching)
        answer, left = shop.answer, 12

        def fail(request: Any) -> Any:
            nonlocal left
            left -= 1
            if left >= 0:
                raise ApiUnavailableError("No usable answer.", vendor="genuka")
            return answer(request)

        shop.answer = fail  # type: ignore[method-assign]
        shop.place()
        process.slept.clear()
        (event,) = await process.poll(watching)
        assert event["kind"] == "order.created"
        assert all(30 <= seconds <= 300 for seconds in process.slept)
        assert process.slept[0] < 70
        assert process.slept[-1] >= 150
        assert await process.poll(watching) == []
        said = [record.getMessage() for record in caplog.records if "watched" in record.getMessage()]
        assert len(said) == 2
        assert "after 12 failed polls" in said[1]
        assert process.opened == 1
        await process.stop()

    async def test_a_rate_limit_is_waited_out_for_as_long_as_asked(self) -> None:
        process, watching = Process(Shop("dipli")), watch()
        process.errors = [RateLimitedError("Slow down.", retry_after_s=1234.0)]
        await process.poll(watching)
        assert process.slept[0] == 1234.0
        await process.stop()

    async def test_rejected_credentials_are_waited_out_slowly_and_the_connection_is_read_again(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        process, watching = Process(Shop("dipli")), watch()
        process.errors = [AuthenticationError("Dipli rejected the API key.", status=401) for _ in range(3)]
        process.errors.append(KeyError("a customer's name"))
        await process.poll(watching)
        assert all(seconds >= 150 for seconds in process.slept[:4])
        said = [text for record in caplog.records if "cannot be watched" in (text := record.getMessage())]
        assert len(said) == 2
        assert "Dipli rejected the API key" in said[0]
        assert "KeyError" in said[1]
        assert "customer" not in caplog.text
        await process.stop()


class TestThePosition:
    def test_of_very_many_orders_keeps_the_last(self) -> None:
        memory = Memory()
        for number in range(10_000):
            memory.swap(str(number), f"{number:064x}", (("delivered", "OK"),))
        stored = json.dumps(memory.as_dict())
        again = Memory.from_dict(json.loads(stored))
        assert len(stored) < 60_000
        assert 1000 < len(again) < 10_000
        assert not again.is_whole
        assert again.swap("9999", f"{9999:064x}", (("delivered", "OK"),))[1] is False

    def test_one_of_other_orders_or_another_version_is_not_taken(self) -> None:
        position = Position.start("a", ("order",), datetime.now(UTC), settled=True)
        stored = position.as_dict()
        assert Position.from_dict(stored, scope="a", axes=("order",)) is not None
        assert Position.from_dict(stored, scope="b", axes=("order",)) is None
        assert Position.from_dict(stored, scope="a", axes=("payment",)) is None
        assert Position.from_dict({**stored, "format": 2}, scope="a", axes=("order",)) is None
        assert Position.from_dict({**stored, "orders": {"1": "x"}}, scope="a", axes=("order",)) is None
        assert Position.from_dict([1], scope="a", axes=("order",)) is None


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("place"), st.integers(0, 30)),
        st.tuples(st.just("change"), st.integers(0, 200)),
        st.tuples(st.just("wait"), st.sampled_from([1, 60, 1800, 90_000])),
        st.tuples(st.just("poll"), st.just(0)),
        st.tuples(st.just("fail"), st.integers(1, 3)),
        st.tuples(st.just("restart"), st.integers(0, 3)),
    ),
    min_size=1,
    max_size=40,
)


class _History:
    """What was done to a shop, and what was told of it."""

    def __init__(self, vendor: str) -> None:
        self.shop = Shop(vendor)
        self.process = Process(self.shop)
        self.watching = watch()
        self.untold: set[str] = set()
        self.stored: list[Any] = []
        self.changed_after: list[set[str]] = []
        self.told_in_this_process: set[str] = set()

    def changed(self, order: SourceOrder) -> None:
        for orders in (self.untold, *self.changed_after):
            orders.add(str(order.number))

    async def take(self, action: str, number: int) -> None:
        shop = self.shop
        if action == "place":
            shop.now += 1
            self.changed(shop.place(late=number))
        elif action == "change" and shop.orders:
            order = shop.orders[number % len(shop.orders)]
            shop.now += 1
            shop.change(order, status=number % 3)
            self.changed(order)
        elif action == "wait":
            shop.now += number
        elif action == "poll":
            await self.poll()
        elif action == "fail":
            shop.asked, shop.fails_at = 0, number
            await self.poll()
        elif action == "restart":
            await self.restart(-1 - number % len(self.stored))

    async def poll(self) -> list[OrderEvent]:
        events = await self.process.poll(self.watching)
        for event in events:
            assert event["event_id"] not in self.told_in_this_process, "told twice without a restart"
            self.told_in_this_process.add(event["event_id"])
            self.untold.discard(event["order_id"])
        assert not self.untold, "a change was not told"
        self.stored.append(self.watching.position())
        self.changed_after.append(set())
        return events

    async def restart(self, place: int) -> None:
        """Begin again at a position that was stored: all that changed since then has to be told again."""
        await self.process.stop()
        self.process, self.watching = Process(self.shop), watch(self.stored[place])
        self.untold = set(self.changed_after[place])
        self.told_in_this_process.clear()


@pytest.mark.parametrize("vendor", VENDORS)
@given(actions=ACTIONS)
@settings(max_examples=40)
def test_no_change_is_lost_and_a_repeated_one_has_its_id_again(
    vendor: str, actions: list[tuple[str, int]]
) -> None:
    async def run() -> None:
        history = _History(vendor)
        await history.poll()
        for action, number in actions:
            await history.take(action, number)
        await history.poll()
        await history.take("place", 0)
        await history.take("change", 1)
        events = await history.poll()
        # Killed when the events were accepted, and before the position was stored.
        await history.restart(-2)
        again = await history.poll()
        assert _without_time(again) == _without_time(events)
        assert events
        await history.process.stop()

    asyncio.run(run())


def _without_time(events: list[OrderEvent]) -> list[OrderEvent]:
    kept = [{**event, "seen_at": None} for event in events]
    return sorted(kept, key=lambda event: str(event["event_id"]))
