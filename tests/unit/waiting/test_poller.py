"""Many waits on one connection: how they are asked for, how often, and what they leave behind."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import logging
import re
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_orders import errors
from airflow_provider_orders.http.aio import AsyncClient
from airflow_provider_orders.sandbox import credentials
from airflow_provider_orders.waiting import choice, poller
from airflow_provider_orders.waiting.choice import FEW, SWEEP
from airflow_provider_orders.waiting.clock import CLOCK
from airflow_provider_orders.waiting.poller import watch
from airflow_provider_orders.waiting.rounds import LEARN
from airflow_provider_orders.waiting.shared import shared_client
from airflow_provider_orders.waiting.waits import WaitRequest, WaitResult
from airflow_provider_orders.waiting.waits import log as waits_log
from tests.unit.clients import FAST, make_api
from tests.unit.hooks.connect import ID_FIELDS, VENDORS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_orders.sandbox import Sandbox
    from tests.unit.waiting.held_clock import HeldClock

INTERVAL_S = 60.0
MOVES = {
    "popsell": ("order", "PENDING", "FULFILLED"),
    "dipli": ("fulfillment", "pending_confirmation", "shipped"),
    "valomnia": ("fulfillment", "PENDING", "DELIVERED"),
    "genuka": ("fulfillment", "pending", "delivered"),
}


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


class Waits:
    """Some waits on one connection, for one order each.

    :param sandbox: where the orders are.
    :param vendor: whose they are.
    """

    def __init__(self, sandbox: Sandbox, vendor: str = "genuka", **settings: Any) -> None:
        self.sandbox = sandbox
        self.vendor = vendor
        self.opened: list[AsyncClient] = []
        self.results: dict[str, WaitResult] = {}
        self.ended_at: dict[str, float] = {}
        self._settings = settings

    def pending(self, count: int) -> list[str]:
        """Make some orders wait, the newest ones, and give their ids."""
        axis, word, _ = MOVES[self.vendor]
        ids = ids_in(self.sandbox, self.vendor)[-count:]
        for order_id in ids:
            self.sandbox.set_status(self.vendor, order_id, word, axis=axis)
        self.sandbox.clock.advance(600)
        return ids

    def deliver(self, *ids: str) -> None:
        """Bring orders to the status that is wanted, at the time that it is."""
        axis, _, word = MOVES[self.vendor]
        self.sandbox.clock.advance(1)
        for order_id in ids:
            self.sandbox.set_status(self.vendor, order_id, word, axis=axis)

    async def open(self) -> AsyncClient:
        client = AsyncClient(make_api(self.sandbox, self.vendor, **self._settings), policy=FAST)
        self.opened.append(client)
        return client

    async def wait(self, order_id: str | Sequence[str], **request: Any) -> WaitResult:
        axis, _, word = MOVES[self.vendor]
        options = {"interval_s": INTERVAL_S, "wanted": word, "axis": axis, **request}
        result = await watch(self.vendor, self.open, WaitRequest(order_id=order_id, **options))
        name = order_id if isinstance(order_id, str) else order_id[0]
        assert name not in self.results
        self.results[name] = result
        self.ended_at[name] = CLOCK.monotonic()
        return result

    async def wait_for_all(self, ids: Sequence[str], **request: Any) -> None:
        await asyncio.gather(*(self.wait(order_id, **request) for order_id in ids))

    @property
    def asked(self) -> Counter[str]:
        """How often each path was asked for."""
        return Counter(request.path.rpartition("/")[2] for request in self.sandbox.requests)


@functools.cache
def ids_in(sandbox: Sandbox, vendor: str) -> list[str]:
    """Give the ids of all orders that are not deleted; a sandbox has the same after each reset."""
    payloads = [order for order in sandbox.payloads(vendor) if not order.get("deleted_at")]
    return [str(order[ID_FIELDS[vendor]]) for order in payloads]


def choices(caplog: pytest.LogCaptureFixture) -> list[str]:
    said = [record.getMessage() for record in caplog.records if record.name == choice.__name__]
    return [message for message in said if "asks " in message]


class TestFewOrMany:
    async def test_few_are_asked_for_one_by_one(
        self, many_orders: Sandbox, clock: HeldClock, caplog: pytest.LogCaptureFixture, vendor: str
    ) -> None:
        waits = Waits(many_orders, vendor)
        ids = waits.pending(FEW)
        clock.at(2.5 * INTERVAL_S, lambda: waits.deliver(*ids))
        with caplog.at_level(logging.INFO):
            await waits.wait_for_all(ids)
        assert {result.status for result in waits.results.values()} == {"met"}
        assert {waits.asked[order_id] for order_id in ids} == {4}
        assert choices(caplog) == []

    async def test_many_are_asked_for_at_once(
        self, many_orders: Sandbox, clock: HeldClock, caplog: pytest.LogCaptureFixture, vendor: str
    ) -> None:
        waits = Waits(many_orders, vendor)
        ids = waits.pending(600)
        moved: dict[str, float] = {}

        def move(*orders: str) -> None:
            moved.update(dict.fromkeys(orders, clock.passed_s))
            waits.deliver(*orders)

        for step in range(10):
            clock.at((2 + step) * INTERVAL_S + 7 * step, functools.partial(move, *ids[step::10]))
        with caplog.at_level(logging.INFO):
            await waits.wait_for_all(ids)
        assert {result.status for result in waits.results.values()} == {"met"}
        late = {order_id: waits.ended_at[order_id] - moved[order_id] for order_id in ids}
        assert 0 <= min(late.values()) <= max(late.values()) <= 1.5 * INTERVAL_S
        intervals = clock.passed_s / INTERVAL_S
        assert len(many_orders.requests) < len(ids) * intervals / 30
        assert "in place of 600" in choices(caplog)[0]

    async def test_the_choice_is_logged_when_it_changes(
        self, many_orders: Sandbox, clock: HeldClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        waits = Waits(many_orders)
        ids = waits.pending(100)
        clock.at(2 * INTERVAL_S, lambda: waits.deliver(*ids[5:]))
        clock.at(5 * INTERVAL_S, lambda: waits.deliver(*ids[:5]))
        with caplog.at_level(logging.INFO):
            await waits.wait_for_all(ids)
        first, second = choices(caplog)
        assert first == (
            "genuka: asks once a poll for what changed lately, in about 1 requests in place of 100"
        )
        assert re.fullmatch("genuka: asks for each of [56] orders by itself", second)

    async def test_a_listing_that_takes_more_requests_is_given_up(
        self, many_orders: Sandbox, clock: HeldClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        waits = Waits(many_orders, "dipli", page_size=1)
        ids = waits.pending(40)
        for order_id in ids_in(many_orders, "dipli")[:300]:  # as much changed since yesterday
            many_orders.set_status("dipli", order_id, "shipped")
        clock.at(3 * INTERVAL_S, lambda: waits.deliver(*ids))
        with caplog.at_level(logging.INFO):
            await waits.wait_for_all(ids)
        assert "dipli: asks for each of 40 orders by itself" in choices(caplog)
        assert {result.status for result in waits.results.values()} == {"met"}
        assert max(waits.ended_at.values()) <= 4.5 * INTERVAL_S

    async def test_a_filter_that_leaves_changes_out_is_not_trusted(
        self, many_orders: Sandbox, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pages = AsyncClient.iter_pages

        async def nothing(client: AsyncClient, query: Any, **options: Any) -> Any:
            if query.updated_from is not None:
                query = type(query)(updated_from=query.updated_from.replace(year=2100))
            async for page in pages(client, query, **options):
                yield page

        monkeypatch.setattr(AsyncClient, "iter_pages", nothing)
        waits = Waits(many_orders)
        ids = waits.pending(30)
        clock.at(3 * INTERVAL_S, lambda: waits.deliver(*ids))
        await waits.wait_for_all(ids)
        assert max(waits.ended_at.values()) <= (3 + 1.5 + 1) * INTERVAL_S

    async def test_a_change_that_no_listing_shows_is_seen_in_the_end(
        self, many_orders: Sandbox, clock: HeldClock
    ) -> None:
        waits = Waits(many_orders, "valomnia")
        ids = waits.pending(100)
        hidden = ids[50]

        def change_without_a_date() -> None:
            axis, _, word = MOVES["valomnia"]
            many_orders.set_status("valomnia", hidden, word, axis=axis, at=many_orders.clock.base_date)

        clock.at(2 * INTERVAL_S, lambda: waits.deliver(*ids[80:]))
        clock.at(4 * INTERVAL_S, change_without_a_date)
        clock.at(400 * INTERVAL_S, lambda: waits.deliver(*ids[:80]))
        await waits.wait_for_all(ids)
        assert 5 * INTERVAL_S < waits.ended_at[hidden] <= (4 + SWEEP + 1) * INTERVAL_S

    @pytest.mark.parametrize("vendor", ["valomnia", "genuka"])
    async def test_references_are_matched_by_what_their_first_answer_says(
        self, many_orders: Sandbox, clock: HeldClock, vendor: str
    ) -> None:
        waits = Waits(many_orders, vendor)
        ids = waits.pending(60)
        references = {
            str(order[ID_FIELDS[vendor]]): order["reference"] for order in many_orders.payloads(vendor)
        }
        clock.at(20 * INTERVAL_S, lambda: waits.deliver(*ids))
        asked = [references[order_id] for order_id in ids]
        await waits.wait_for_all(asked, by="reference")
        assert {result.status for result in waits.results.values()} == {"met"}
        assert max(waits.ended_at.values()) <= 21.5 * INTERVAL_S
        assert len(many_orders.requests) < len(ids) * 5


class TestTheFirstInterval:
    @pytest.mark.parametrize("count", [100, 500])
    async def test_has_fewer_requests_than_waits(
        self, many_orders: Sandbox, clock: HeldClock, vendor: str, count: int
    ) -> None:
        waits = Waits(many_orders, vendor)
        ids = waits.pending(count)
        asked: list[int] = []
        clock.at(INTERVAL_S, lambda: asked.append(len(many_orders.requests)))
        clock.at(LEARN * INTERVAL_S, lambda: waits.deliver(*ids))
        await waits.wait_for_all(ids)
        assert asked[0] < count / 2

    async def test_waits_that_come_one_by_one_are_no_burst(
        self, many_orders: Sandbox, clock: HeldClock
    ) -> None:
        waits = Waits(many_orders, page_size=1)  # to leave asking for each
        ids = waits.pending(200)
        asked: list[int] = []
        clock.at(INTERVAL_S, lambda: asked.append(len(many_orders.requests)))
        clock.at(3 * INTERVAL_S, lambda: waits.deliver(*ids))
        tasks = []
        for order_id in ids:
            tasks.append(asyncio.create_task(waits.wait(order_id)))
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert asked[0] < len(ids)

    async def test_a_wait_that_is_over_already_ends_at_once(
        self, many_orders: Sandbox, clock: HeldClock, vendor: str
    ) -> None:
        waits = Waits(many_orders, vendor)
        ids = waits.pending(3)
        waits.deliver(ids[0])
        result = await waits.wait(ids[0])
        assert result.status == "met"
        assert clock.passed_s == 0

    async def test_one_that_joins_many_is_looked_at_at_once(
        self, many_orders: Sandbox, clock: HeldClock
    ) -> None:
        waits = Waits(many_orders)
        *ids, late = waits.pending(101)
        waits.deliver(late)
        joined: list[asyncio.Task[WaitResult]] = []
        clock.at(5.3 * INTERVAL_S, lambda: joined.append(asyncio.ensure_future(waits.wait(late))))
        clock.at(8 * INTERVAL_S, lambda: waits.deliver(*ids))
        await waits.wait_for_all(ids)
        assert (await joined[0]).status == "met"
        assert waits.ended_at[late] == pytest.approx(5.3 * INTERVAL_S, abs=0.1 * INTERVAL_S)

    async def test_one_that_a_worker_has_looked_at_waits_for_its_turn(
        self, many_orders: Sandbox, clock: HeldClock
    ) -> None:
        waits = Waits(many_orders)
        (order_id,) = waits.pending(1)
        waits.deliver(order_id)
        await waits.wait(order_id, first_poll_at=CLOCK.now() + 45)
        assert clock.passed_s == pytest.approx(45)

    async def test_one_with_a_short_interval_hastens_the_many(
        self, many_orders: Sandbox, clock: HeldClock
    ) -> None:
        waits = Waits(many_orders)
        *ids, quick = waits.pending(61)
        joined: list[asyncio.Future[WaitResult]] = []
        clock.at(4000, lambda: joined.append(asyncio.ensure_future(waits.wait(quick, interval_s=5))))
        clock.at(4100, lambda: waits.deliver(quick))
        clock.at(4400, lambda: waits.deliver(*ids))
        await waits.wait_for_all(ids, interval_s=3600)
        await joined[0]
        assert waits.ended_at[quick] <= 4100 + 10


class TestFaults:
    @pytest.mark.parametrize("way", [("popsell", "login"), ("genuka", "login"), ("valomnia", None)])
    async def test_a_rejected_session_among_a_thousand_waits_is_one_login(
        self, many_orders: Sandbox, clock: HeldClock, way: tuple[str, str | None]
    ) -> None:
        waits = login_waits(many_orders, *way)
        ids = waits.pending(1000)
        logins: list[int] = []
        clock.at(2.2 * INTERVAL_S, lambda: logins.append(count_logins(many_orders)))
        clock.at(2.3 * INTERVAL_S, lambda: many_orders.expire_sessions(waits.vendor))
        clock.at(5 * INTERVAL_S, lambda: waits.deliver(*ids))
        await waits.wait_for_all(ids)
        assert logins == [1]
        assert count_logins(many_orders) == 2
        assert {result.status for result in waits.results.values()} == {"met"}

    @pytest.mark.parametrize("way", [("popsell", "login"), ("genuka", "login"), ("valomnia", None)])
    async def test_credentials_that_are_withdrawn_end_a_thousand_waits_alike(
        self, many_orders: Sandbox, clock: HeldClock, way: tuple[str, str | None]
    ) -> None:
        waits = login_waits(many_orders, *way)
        ids = waits.pending(1000)
        vendor = waits.vendor
        clock.at(2.3 * INTERVAL_S, lambda: many_orders.inject("expire", vendor=vendor, times=None))
        await waits.wait_for_all(ids)
        (error,) = {id(result.error): result.error for result in waits.results.values()}.values()
        assert isinstance(error, errors.AuthenticationError)
        assert count_logins(many_orders) <= 3
        assert clock.passed_s <= 3.4 * INTERVAL_S
        assert len(asyncio.all_tasks()) == 1

    async def test_a_missing_permission_ends_all(self, many_orders: Sandbox, clock: HeldClock) -> None:
        waits = Waits(many_orders, "dipli", password=credentials.DIPLI_FORBIDDEN_API_KEY)
        await waits.wait_for_all(waits.pending(100))
        assert {type(result.error) for result in waits.results.values()} == {errors.PermissionDeniedError}
        assert len(many_orders.requests) < 10
        assert clock.passed_s < INTERVAL_S

    @pytest.mark.parametrize("count", [1, 5, 1000])
    async def test_a_server_that_is_down_is_asked_once_an_interval(
        self, many_orders: Sandbox, clock: HeldClock, count: int
    ) -> None:
        waits = Waits(many_orders)
        ids = waits.pending(count)
        polls, attempts = 20, FAST.attempts
        begun: list[int] = []

        def go_down() -> None:
            begun.append(len(many_orders.requests))
            many_orders.inject("server_error", vendor="genuka", times=None)

        clock.at(2.5 * INTERVAL_S, go_down)
        done: list[int] = []
        clock.at((2.5 + polls) * INTERVAL_S, lambda: done.append(len(many_orders.requests)))
        deadline = CLOCK.now() + (3 + polls) * INTERVAL_S
        await waits.wait_for_all(ids, deadline=deadline)
        assert {result.status for result in waits.results.values()} == {"timeout"}
        # A first poll of a few at once shows that it is down; from then on it is one request in an interval, repeated.
        assert 0.8 * polls * attempts <= done[0] - begun[0] <= (polls + 4) * attempts

    @pytest.mark.parametrize("count", [1, 300])
    async def test_an_outage_that_ends_is_no_burst(
        self, many_orders: Sandbox, clock: HeldClock, count: int
    ) -> None:
        waits = Waits(many_orders)
        ids = waits.pending(count)
        clock.at(2.5 * INTERVAL_S, lambda: many_orders.inject("server_error", vendor="genuka", times=40))
        clock.at(8 * INTERVAL_S, lambda: waits.deliver(*ids))
        await waits.wait_for_all(ids)
        assert {result.status for result in waits.results.values()} == {"met"}
        assert max(waits.ended_at.values()) < 16 * INTERVAL_S

    @pytest.mark.parametrize("count", [2, 100])
    async def test_an_outage_that_lasts_too_long_ends_the_waits_with_its_cause(
        self, many_orders: Sandbox, clock: HeldClock, count: int
    ) -> None:
        waits = Waits(many_orders)
        ids = waits.pending(count)
        clock.at(2.5 * INTERVAL_S, lambda: many_orders.inject("server_error", vendor="genuka", times=None))
        patient, *others = ids
        both = asyncio.gather(
            waits.wait_for_all(others, max_unavailable_s=600),
            waits.wait(patient, max_unavailable_s=1200),
        )
        await both
        for order_id in others:
            error = waits.results[order_id].error
            assert isinstance(error, errors.ApiUnavailableError)
            assert error.status == 503
            assert 12 * INTERVAL_S <= waits.ended_at[order_id] <= 14.6 * INTERVAL_S
        assert 22 * INTERVAL_S <= waits.ended_at[patient] <= 24.6 * INTERVAL_S

    async def test_a_rate_limit_is_obeyed_for_all(self, many_orders: Sandbox, clock: HeldClock) -> None:
        waits = Waits(many_orders)
        ids = waits.pending(10)
        asked: list[int] = []
        clock.at(
            1.5 * INTERVAL_S, lambda: many_orders.inject("rate_limit", vendor="genuka", retry_after="900")
        )
        for minute in (3, 16):
            clock.at(minute * 60, lambda: asked.append(len(many_orders.requests)))
        clock.at(17 * 60, lambda: waits.deliver(*ids))
        await waits.wait_for_all(ids)
        assert asked[1] == asked[0]

    async def test_an_outage_that_tells_its_end_is_waited_for(
        self, many_orders: Sandbox, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waits = Waits(many_orders)
        ids = waits.pending(5)
        real, begun, asked = AsyncClient.fetch_order, CLOCK.monotonic(), list[float]()

        async def fetch_order(client: AsyncClient, order_id: str, **options: Any) -> bytes:
            asked.append(CLOCK.monotonic() - begun)
            if INTERVAL_S / 2 < asked[-1] < 900:
                raise errors.ApiUnavailableError("closed for an hour", status=503, retry_after_s=900)
            return await real(client, order_id, **options)

        monkeypatch.setattr(AsyncClient, "fetch_order", fetch_order)
        clock.at(2 * INTERVAL_S, lambda: waits.deliver(*ids))
        await waits.wait_for_all(ids)
        assert not [at for at in asked if 1.5 * INTERVAL_S < at < 900]

    async def test_an_order_that_alone_cannot_be_had_holds_up_no_other(
        self, many_orders: Sandbox, clock: HeldClock
    ) -> None:
        waits = Waits(many_orders)
        broken, *ids = waits.pending(5)
        many_orders.inject("server_error", vendor="genuka", path=f"/{broken}", times=None)
        clock.at(3.5 * INTERVAL_S, lambda: waits.deliver(*ids))
        await asyncio.gather(waits.wait_for_all(ids), waits.wait(broken, max_unavailable_s=1800))
        assert max(waits.ended_at[order_id] for order_id in ids) <= 5 * INTERVAL_S
        assert isinstance(waits.results[broken].error, errors.ApiUnavailableError)
        assert waits.ended_at[broken] >= 1800

    async def test_a_pause_that_the_vendor_asks_for_is_no_longer_than_an_outage_may_be(
        self, many_orders: Sandbox, clock: HeldClock
    ) -> None:
        waits = Waits(many_orders)
        ids = waits.pending(3)
        joined: list[asyncio.Future[WaitResult]] = []
        clock.at(
            1.5 * INTERVAL_S,
            lambda: many_orders.inject("rate_limit", vendor="genuka", retry_after="50000", times=None),
        )
        clock.at(600, lambda: joined.append(asyncio.ensure_future(waits.wait(ids[2], max_unavailable_s=300))))
        await asyncio.gather(
            waits.wait(ids[0], max_unavailable_s=1800), waits.wait(ids[1], max_unavailable_s=20000)
        )
        await joined[0]
        assert {type(result.error) for result in waits.results.values()} == {errors.RateLimitedError}
        assert 1800 <= waits.ended_at[ids[0]] <= 1800 + 3 * INTERVAL_S
        assert 20000 <= waits.ended_at[ids[1]] <= 20000 + 3 * INTERVAL_S
        assert 900 <= waits.ended_at[ids[2]] <= 900 + 3 * INTERVAL_S
        assert len(many_orders.requests) < 60

    async def test_a_pause_that_the_vendor_asks_for_is_an_hour_at_the_most(
        self, many_orders: Sandbox, clock: HeldClock
    ) -> None:
        waits = Waits(many_orders)
        (order_id,) = waits.pending(1)
        clock.at(
            1.5 * INTERVAL_S, lambda: many_orders.inject("rate_limit", vendor="genuka", retry_after="50000")
        )
        clock.at(2.5 * INTERVAL_S, lambda: waits.deliver(order_id))
        result = await waits.wait(order_id, max_unavailable_s=86400)
        assert result.status == "met"
        assert waits.ended_at[order_id] <= 3600 + 3 * INTERVAL_S


class TestNotFound:
    @pytest.mark.parametrize("others", [0, 100])
    async def test_fails_the_waits_of_that_order_only(
        self, many_orders: Sandbox, clock: HeldClock, others: int
    ) -> None:
        waits = Waits(many_orders)
        ids = waits.pending(others + 1)[1:]
        clock.at(15 * INTERVAL_S, lambda: waits.deliver(*ids))
        missing = "01zzzzzzzzzzzzzzzzzzzzzzzz"
        await waits.wait_for_all([missing, *ids])
        assert isinstance(waits.results.pop(missing).error, errors.OrderNotFoundError)
        assert {result.status for result in waits.results.values()} <= {"met"}

    async def test_is_waited_for_when_asked_to(self, many_orders: Sandbox, clock: HeldClock) -> None:
        waits = Waits(many_orders, "dipli")
        coming = str(max(map(int, ids_in(many_orders, "dipli"))) + 1)

        def come() -> None:
            assert many_orders.insert_orders("dipli") == [coming]

        clock.at(2.5 * INTERVAL_S, come)
        clock.at(4.5 * INTERVAL_S, lambda: waits.deliver(coming))
        result = await waits.wait(coming, not_found="wait")
        assert result.status == "met"
        assert clock.passed_s == pytest.approx(5 * INTERVAL_S, abs=1)


class TestSeveralOrders:
    async def test_a_wait_for_many_is_over_when_all_of_them_are(
        self, many_orders: Sandbox, clock: HeldClock, vendor: str
    ) -> None:
        waits = Waits(many_orders, vendor)
        ids = waits.pending(300)
        clock.at(3 * INTERVAL_S, lambda: waits.deliver(*ids[1:]))
        clock.at(6 * INTERVAL_S, lambda: waits.deliver(ids[0]))
        result = await waits.wait(ids)
        assert [report["order_id"] for report in result.reports] == ids
        assert {report["outcome"] for report in result.reports} == {"met"}
        assert 6 * INTERVAL_S < clock.passed_s < 7.6 * INTERVAL_S

    async def test_the_report_says_where_every_order_stands(
        self, many_orders: Sandbox, clock: HeldClock
    ) -> None:
        waits = Waits(many_orders)
        ids = waits.pending(60)
        waits.deliver(ids[0])
        result = await waits.wait(ids, require="any")
        assert result.status == "met"
        assert Counter(report["outcome"] for report in result.reports) == {"met": 1, "waiting": 59}
        assert None not in {report["seen_at"] for report in result.reports}

    @pytest.mark.parametrize("deadline_s", [None, 1800.0])
    @pytest.mark.parametrize("require", ["all", "any"])
    async def test_one_that_is_met_is_not_lost_to_an_outage(
        self, many_orders: Sandbox, clock: HeldClock, require: str, deadline_s: float | None
    ) -> None:
        waits = Waits(many_orders, concurrency=1)
        ids = waits.pending(6)

        def go_down() -> None:
            waits.deliver(*ids[:2])
            many_orders.inject("server_error", vendor="genuka", times=None, after=2)

        clock.at(1.5 * INTERVAL_S, go_down)
        deadline = None if deadline_s is None else CLOCK.now() + deadline_s
        await asyncio.gather(
            waits.wait(ids[:2], require=require, deadline=deadline),
            *(waits.wait(order_id, max_unavailable_s=7200) for order_id in ids[2:]),
        )
        assert waits.results[ids[0]].status == "met"
        assert waits.ended_at[ids[0]] <= 2.5 * INTERVAL_S

    @pytest.mark.parametrize("end", ["deadline", "outage"])
    async def test_one_that_is_met_by_any_does_not_fail_for_what_others_would_say(
        self, many_orders: Sandbox, clock: HeldClock, end: str
    ) -> None:
        waits = Waits(many_orders, concurrency=1)
        ids = waits.pending(6)
        waits.deliver(ids[0])
        many_orders.inject("server_error", vendor="genuka", times=None, after=1)
        deadline = CLOCK.now() + 2.5 * INTERVAL_S if end == "deadline" else None
        result = await waits.wait(ids, require="any", deadline=deadline)
        assert result.status == "met"
        assert waits.ended_at[ids[0]] <= (2.6 * INTERVAL_S if end == "deadline" else 3600 + 3 * INTERVAL_S)

    async def test_one_whose_time_is_up_while_its_last_answers_come_is_met(
        self, many_orders: Sandbox, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waits = Waits(many_orders, concurrency=1)
        ids = waits.pending(3)
        fetch_order, is_up = AsyncClient.fetch_order, asyncio.Event()

        async def fetch(client: AsyncClient, order_id: str, **options: Any) -> bytes:
            if order_id == ids[2] and clock.passed_s > 0:
                clock.passed_s += INTERVAL_S
                pollers = poller._pollers[asyncio.get_running_loop()].values()
                for waiting in pollers:
                    waiting._wake.set()
                await is_up.wait()
            return await fetch_order(client, order_id, **options)

        monkeypatch.setattr(AsyncClient, "fetch_order", fetch)
        clock.at(0.5 * INTERVAL_S, lambda: waits.deliver(*ids[:2]))
        other = asyncio.ensure_future(waits.wait(ids[2]))
        result = await waits.wait(ids[:2], deadline=CLOCK.now() + 1.5 * INTERVAL_S)
        assert result.status == "met"
        waits.deliver(ids[2])
        is_up.set()
        assert (await other).status == "met"

    async def test_waits_that_join_do_not_put_off_the_order_that_another_awaits(
        self, many_orders: Sandbox, clock: HeldClock
    ) -> None:
        waits = Waits(many_orders)
        (order_id,) = waits.pending(1)
        joined: list[asyncio.Future[WaitResult]] = []

        def join() -> None:
            first_poll_at = CLOCK.now() + INTERVAL_S
            joined.append(
                asyncio.ensure_future(Waits(many_orders).wait(order_id, first_poll_at=first_poll_at))
            )

        for number in range(10):
            clock.at(30 + 50 * number, join)
        clock.at(100, lambda: waits.deliver(order_id))
        await waits.wait(order_id)
        assert waits.ended_at[order_id] <= 100 + INTERVAL_S
        for other in (
            joined
        ):  # their waits are over, too; cancelled on their way out, they would leave the rest to others
            assert (await other).status == "met"

    async def test_two_waits_for_one_order_ask_once(self, many_orders: Sandbox, clock: HeldClock) -> None:
        waits = Waits(many_orders)
        (order_id,) = waits.pending(1)
        clock.at(2.5 * INTERVAL_S, lambda: waits.deliver(order_id))
        one = Waits(many_orders)
        await asyncio.gather(waits.wait(order_id), one.wait(order_id))
        assert waits.asked[order_id] == 4


class TestLeaving:
    @pytest.mark.parametrize("count", [1, 300])
    async def test_cancelled_waits_leave_no_task_and_no_connection(
        self, many_orders: Sandbox, clock: HeldClock, count: int
    ) -> None:
        waits = Waits(many_orders)
        ids = waits.pending(count)
        reached = asyncio.Event()
        clock.at(1.2 * INTERVAL_S, reached.set)
        tasks = [asyncio.create_task(waits.wait(order_id)) for order_id in ids]
        await reached.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert len(asyncio.all_tasks()) == 1
        (client,) = waits.opened
        assert client._session is None
        assert not poller._pollers.get(asyncio.get_running_loop())
        gc.collect()

    @pytest.mark.parametrize("slow", [False, True])
    async def test_a_wait_that_is_cancelled_while_the_client_opens(
        self, many_orders: Sandbox, clock: HeldClock, slow: bool
    ) -> None:
        waits = Waits(many_orders)
        (order_id,) = waits.pending(1)
        opened = waits.open

        async def open_slowly() -> AsyncClient:
            await asyncio.sleep(0.05 if slow else 0)
            return await opened()

        waits.open = open_slowly  # type: ignore[method-assign]
        task = asyncio.create_task(waits.wait(order_id))
        await asyncio.sleep(0.01 if slow else 0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(asyncio.all_tasks()) == 1
        assert all(client._session is None for client in waits.opened)
        assert clock.passed_s < INTERVAL_S

    async def test_the_rest_goes_on_when_some_leave(self, many_orders: Sandbox, clock: HeldClock) -> None:
        waits = Waits(many_orders)
        ids = waits.pending(100)
        tasks = {order_id: asyncio.create_task(waits.wait(order_id)) for order_id in ids}
        gone = ids[::2]
        clock.at(2.5 * INTERVAL_S, lambda: [tasks[order_id].cancel() for order_id in gone])
        clock.at(4 * INTERVAL_S, lambda: waits.deliver(*ids))
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        assert set(waits.results) == set(ids) - set(gone)
        assert len(waits.opened) == 1

    async def test_who_comes_later_has_a_client_of_their_own(
        self, many_orders: Sandbox, clock: HeldClock
    ) -> None:
        waits = Waits(many_orders)
        ids = waits.pending(2)
        waits.deliver(*ids)
        for order_id in ids:
            await waits.wait(order_id)
        assert len(waits.opened) == 2
        assert clock.passed_s == 0

    async def test_a_mistake_of_one_wait_is_its_own(self, many_orders: Sandbox, clock: HeldClock) -> None:
        waits = Waits(many_orders)
        ids = waits.pending(30)
        clock.at(3 * INTERVAL_S, lambda: waits.deliver(*ids))
        asked: list[tuple[str, dict[str, Any], str]] = [
            ("#ORDER_1", {}, "order_id"),
            ("7" * 26, {"wanted": "delivred"}, "wanted"),
            ("8" * 26, {"at_least": 2}, "at_least"),
            ("9" * 26, {"by": "e-mail"}, "by"),
        ]
        wrong = asyncio.gather(*(waits.wait(order_id, **request) for order_id, request, _ in asked))
        await asyncio.gather(wrong, waits.wait_for_all(ids))
        for order_id, _, field in asked:
            error = waits.results.pop(order_id).error
            assert isinstance(error, errors.ConfigurationError)
            assert error.field == field
        assert {result.status for result in waits.results.values()} == {"met"}

    @pytest.mark.parametrize(
        "wrong",
        [
            {"axis": ["fulfillment"]},
            {"by": ["id"]},
            {"wanted": {"fulfillment": [["delivered"]]}},
            {"interval_s": "60"},
            {"max_unavailable_s": "1h"},
            {"deadline": "tomorrow"},
            {"first_poll_at": "now"},
            {"unavailable_since": "yesterday"},
        ],
        ids="".join,
    )
    async def test_a_wait_that_nobody_foresaw_ends_alone(
        self, many_orders: Sandbox, clock: HeldClock, wrong: dict[str, Any]
    ) -> None:
        waits = Waits(many_orders)
        bad, *ids = waits.pending(5)
        clock.at(1.2 * INTERVAL_S, lambda: many_orders.inject("server_error", vendor="genuka", times=6))
        clock.at(3 * INTERVAL_S, lambda: waits.deliver(*ids))
        both = asyncio.gather(waits.wait(bad, **wrong), waits.wait_for_all(ids), return_exceptions=True)
        ended = (await both)[0]
        error = ended.error if isinstance(ended, WaitResult) else ended
        assert isinstance(error, TypeError | errors.ConfigurationError)
        assert {waits.results[order_id].status for order_id in ids} == {"met"}
        assert len(asyncio.all_tasks()) == 1

    async def test_a_connection_that_cannot_be_read_ends_all(
        self, many_orders: Sandbox, clock: HeldClock
    ) -> None:
        opened = 0

        async def refuse() -> AsyncClient:
            nonlocal opened
            opened += 1
            raise errors.ConfigurationError("There is no such connection.", field="orders_conn_id")

        waits = Waits(many_orders)
        waits.open = refuse  # type: ignore[method-assign]
        await waits.wait_for_all(["7" * 26, "8" * 26])
        assert {type(result.error) for result in waits.results.values()} == {errors.ConfigurationError}
        assert opened == 1
        assert clock.passed_s == 0

    async def test_what_nobody_foresaw_reaches_every_wait(
        self, many_orders: Sandbox, clock: HeldClock
    ) -> None:
        async def break_down() -> AsyncClient:
            raise RuntimeError("broken")

        waits = Waits(many_orders)
        waits.open = break_down  # type: ignore[method-assign]
        ended = await asyncio.gather(waits.wait("7" * 26), waits.wait("8" * 26), return_exceptions=True)
        assert [str(error) for error in ended] == ["broken", "broken"]
        assert clock.passed_s == 0

    async def test_waits_that_end_together_are_let_go_one_by_one(
        self, many_orders: Sandbox, clock: HeldClock
    ) -> None:
        """What a triggerer does for each of a thousand would otherwise keep its event loop from everything else."""
        waits = Waits(many_orders)
        ids = waits.pending(100)
        turns, left_at = 0, []

        async def count_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async def wait(order_id: str) -> None:
            await waits.wait(order_id)
            left_at.append(turns)

        clock.at(1.5 * INTERVAL_S, lambda: waits.deliver(*ids))
        counting = asyncio.create_task(count_turns())
        await asyncio.gather(*(wait(order_id) for order_id in ids))
        counting.cancel()
        assert len(set(left_at)) == len(ids)


class TestSharing:
    async def test_other_connections_are_not_shared(self, many_orders: Sandbox, clock: HeldClock) -> None:
        one, other = Waits(many_orders, "genuka"), Waits(many_orders, "dipli")
        first, second = one.pending(1), other.pending(1)
        clock.at(2.5 * INTERVAL_S, lambda: one.deliver(*first))
        clock.at(2.5 * INTERVAL_S, lambda: other.deliver(*second))
        await asyncio.gather(one.wait_for_all(first), other.wait_for_all(second))
        assert len(one.opened) == len(other.opened) == 1

    def test_other_event_loops_are_not_shared(self, many_orders: Sandbox, clock: HeldClock) -> None:
        waits = Waits(many_orders)
        ids = waits.pending(2)
        waits.deliver(*ids)
        for order_id in ids:
            asyncio.run(waits.wait(order_id))
        assert len(waits.opened) == 2
        assert clock.passed_s == 0

    async def test_the_client_is_shared_with_who_else_has_it(
        self, many_orders: Sandbox, clock: HeldClock
    ) -> None:
        waits = Waits(many_orders)
        (order_id,) = waits.pending(1)
        waits.deliver(order_id)
        async with shared_client("genuka", waits.open) as client:
            await waits.wait(order_id)
            assert waits.opened == [client]
            assert not is_closed(client)
        assert is_closed(client)
        assert clock.passed_s == 0

    async def test_a_change_that_ends_nothing_is_logged_for_its_wait(
        self, many_orders: Sandbox, clock: HeldClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        waits = Waits(many_orders)
        (order_id,) = waits.pending(1)
        move: Callable[[], None] = functools.partial(
            many_orders.set_status, "genuka", order_id, "taken_in_charge", axis="fulfillment"
        )
        clock.at(1.5 * INTERVAL_S, move)
        clock.at(2.5 * INTERVAL_S, lambda: waits.deliver(order_id))
        with caplog.at_level(logging.INFO):
            await waits.wait(order_id)
        assert f"Order {order_id} is now in_transit" in [record.getMessage() for record in caplog.records]

    async def test_waits_go_on_while_a_line_of_the_log_cannot_be_written(
        self, many_orders: Sandbox, clock: HeldClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        waits = Waits(many_orders)
        (order_id,) = waits.pending(1)
        is_delivered = threading.Event()
        in_time: list[bool] = []

        class SlowHandler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                del record
                in_time.append(is_delivered.wait(5))

        def deliver() -> None:
            waits.deliver(order_id)
            is_delivered.set()

        move: Callable[[], None] = functools.partial(
            many_orders.set_status, "genuka", order_id, "taken_in_charge", axis="fulfillment"
        )
        clock.at(1.5 * INTERVAL_S, move)
        clock.at(2.5 * INTERVAL_S, deliver)
        handler = SlowHandler()
        waits_log.addHandler(handler)
        with caplog.at_level(logging.INFO):
            await waits.wait(order_id)
        waits_log.removeHandler(handler)
        assert in_time == [True]

    async def test_one_line_of_the_log_is_written_after_the_other(
        self, many_orders: Sandbox, clock: HeldClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Threads that write at the same time keep the event loop from the interpreter, each for its turn."""
        waits = Waits(many_orders)
        ids = waits.pending(40)
        two_at_once = threading.Barrier(2)
        have_met: list[bool] = []

        def meet(record: logging.LogRecord) -> bool:
            del record
            with contextlib.suppress(threading.BrokenBarrierError):
                two_at_once.wait(0.2)
                have_met.append(True)
            return True

        def move() -> None:
            many_orders.clock.advance(1)
            for order_id in ids:
                many_orders.set_status("genuka", order_id, "taken_in_charge", axis="fulfillment")

        clock.at(1.5 * INTERVAL_S, move)
        clock.at(2.5 * INTERVAL_S, lambda: waits.deliver(*ids))
        waits_log.addFilter(meet)
        with caplog.at_level(logging.INFO):
            await waits.wait_for_all(ids)
        waits_log.removeFilter(meet)
        assert have_met == []
        assert len([record for record in caplog.records if record.name == waits_log.name]) == len(ids)


def login_waits(sandbox: Sandbox, vendor: str, auth: str | None) -> Waits:
    if auth is None:
        return Waits(sandbox, vendor)
    prefix = vendor.upper()
    return Waits(
        sandbox,
        vendor,
        auth=auth,
        login=getattr(credentials, f"{prefix}_EMAIL"),
        password=getattr(credentials, f"{prefix}_PASSWORD"),
    )


def is_closed(client: AsyncClient) -> bool:
    return client._session is None


def count_logins(sandbox: Sandbox) -> int:
    return sum(request.method == "POST" for request in sandbox.requests)
