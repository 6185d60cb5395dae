"""Asking once for what changed: that no change falls between two answers, and what happens when there is none."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_orders import errors
from airflow_provider_orders.http.aio import AsyncClient
from airflow_provider_orders.waiting.choice import FEW
from airflow_provider_orders.waiting.clock import CLOCK
from tests.unit.hooks.connect import VENDORS
from tests.unit.waiting.test_poller import INTERVAL_S, MOVES, Waits, choices

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from airflow_provider_orders.http.paging import RowPage
    from airflow_provider_orders.sandbox import Sandbox
    from airflow_provider_orders.waiting.waits import WaitResult
    from tests.unit.waiting.held_clock import HeldClock

LONG_S = 300.0
HOUR_S = 3600.0


class TestChangesBetweenTwoAnswers:
    """One order is delivered just after an answer; another, which changes later, is seen before the next answer."""

    @pytest.fixture(params=["genuka", "valomnia"])
    def waits(self, request: pytest.FixtureRequest, many_orders: Sandbox, clock: HeldClock) -> Waits:
        clock.lead(many_orders.clock)
        return Waits(many_orders, request.param)

    @pytest.mark.parametrize("interval_s", [INTERVAL_S, LONG_S])
    @pytest.mark.parametrize("ahead_s", [None, 0.0, HOUR_S], ids=["behind", "right", "ahead"])
    async def test_are_seen_although_a_new_wait_has_seen_a_later_one(
        self, waits: Waits, clock: HeldClock, interval_s: float, ahead_s: float | None
    ) -> None:
        *ids, late = waits.pending(61)
        if ahead_s is not None:
            clock.began_at = waits.sandbox.clock.now().timestamp() - ahead_s
        joined: list[asyncio.Future[WaitResult]] = []

        def join() -> None:
            touch(waits, late)
            joined.append(asyncio.ensure_future(waits.wait(late, interval_s=interval_s)))

        clock.at(5.2 * interval_s, lambda: waits.deliver(ids[0]))
        clock.at(5.9 * interval_s, join)
        clock.at(30 * interval_s, lambda: waits.deliver(*ids[1:], late))
        await waits.wait_for_all(ids, interval_s=interval_s)
        await joined[0]
        assert waits.ended_at[ids[0]] <= 6.7 * interval_s

    async def test_are_seen_although_an_answer_broke_off(
        self, waits: Waits, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = waits.pending(60)
        broken: list[float] = []

        def is_broken(query: Any) -> bool:
            is_next = query.updated_from is not None and clock.passed_s > 5.3 * LONG_S
            if is_next:
                broken.append(clock.passed_s)
            return is_next and len(broken) == 1

        def change() -> None:
            for order_id in ids[1:20]:
                touch(waits, order_id)

        break_listing(
            monkeypatch, is_broken, errors.RateLimitedError("slow down"), first_page=True, without=ids[0]
        )
        clock.at(5.2 * LONG_S, lambda: waits.deliver(ids[0]))
        clock.at(5.7 * LONG_S, change)
        clock.at(30 * LONG_S, lambda: waits.deliver(*ids[1:]))
        await waits.wait_for_all(ids, interval_s=LONG_S)
        assert broken
        assert waits.ended_at[ids[0]] <= 7.7 * LONG_S

    async def test_are_seen_when_others_come_to_those_that_are_asked_for_seldom(
        self, waits: Waits, clock: HeldClock
    ) -> None:
        orders = waits.pending(FEW + 6)
        seldom, ids = orders[:8], orders[8:]
        joined: list[asyncio.Future[None]] = []

        def join() -> None:
            for order_id in ids:
                touch(waits, order_id)
            joined.append(asyncio.ensure_future(waits.wait_for_all(ids)))

        clock.at(0.3 * HOUR_S, lambda: waits.deliver(*seldom))
        clock.at(0.8 * HOUR_S, join)
        clock.at(3 * HOUR_S, lambda: waits.deliver(*ids))
        await waits.wait_for_all(seldom, interval_s=HOUR_S)
        await joined[0]
        assert max(waits.ended_at[order_id] for order_id in seldom) <= HOUR_S + INTERVAL_S

    async def test_are_asked_for_no_further_back_than_the_last_answer(
        self, waits: Waits, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = waits.pending(60)
        asked: list[float] = []

        def note(query: Any) -> bool:
            if query.updated_from is not None:
                asked.append((waits.sandbox.clock.now() - query.updated_from).total_seconds())
            return False

        break_listing(monkeypatch, note, errors.RateLimitedError("never"))
        for step in range(1, 200):
            clock.at(0.1 * step * LONG_S, lambda: touch(waits, ids[0]))
        clock.at(20 * LONG_S, lambda: waits.deliver(*ids))
        await waits.wait_for_all(ids, interval_s=LONG_S)
        assert len(asked) > 15
        assert max(asked[2:]) < 1.5 * LONG_S


class TestListingThatIsDown:
    @pytest.fixture(params=VENDORS)
    def waits(self, request: pytest.FixtureRequest, many_orders: Sandbox) -> Waits:
        return Waits(many_orders, request.param)

    @pytest.mark.parametrize("first_page", [False, True])
    @pytest.mark.parametrize("since", [0.0, 2.5 * INTERVAL_S], ids=["ever", "later"])
    async def test_orders_that_can_be_had_by_themselves_are_asked_for(
        self, waits: Waits, clock: HeldClock, monkeypatch: pytest.MonkeyPatch, first_page: bool, since: float
    ) -> None:
        ids = waits.pending(60)
        timed_out = errors.ApiUnavailableError("The listing times out.", status=504)
        break_listing(monkeypatch, lambda _: clock.passed_s >= since, timed_out, first_page=first_page)
        clock.at(5 * INTERVAL_S, lambda: waits.deliver(*ids[:30]))
        await waits.wait_for_all(ids, deadline=CLOCK.now() + 1200, max_unavailable_s=600)
        assert {waits.results[order_id].status for order_id in ids[:30]} == {"met"}
        assert max(waits.ended_at[order_id] for order_id in ids[:30]) <= 8.2 * INTERVAL_S
        assert {waits.results[order_id].status for order_id in ids[30:]} == {"timeout"}

    async def test_one_that_answers_again_is_asked_again(
        self, many_orders: Sandbox, clock: HeldClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:  # fmt: skip
        waits = Waits(many_orders)
        ids = waits.pending(60)
        timed_out = errors.ApiUnavailableError("The listing times out.", status=504)
        break_listing(monkeypatch, lambda _: 2.5 < clock.passed_s / INTERVAL_S < 12, timed_out)
        asked: list[int] = []
        for poll in (40, 60):
            clock.at(poll * INTERVAL_S, lambda: asked.append(len(many_orders.requests)))
        clock.at(60 * INTERVAL_S, lambda: waits.deliver(*ids))
        with caplog.at_level(logging.INFO):
            await waits.wait_for_all(ids)
        assert asked[1] - asked[0] < 40
        assert len(choices(caplog)) <= 12

    @pytest.mark.parametrize("back", ["orders", "listing"])
    async def test_either_alone_shows_that_an_outage_is_over(
        self, many_orders: Sandbox, clock: HeldClock, monkeypatch: pytest.MonkeyPatch, back: str
    ) -> None:
        waits = Waits(many_orders)
        ids = waits.pending(60)
        closed = errors.ApiUnavailableError("closed", status=503)
        fetch_order = AsyncClient.fetch_order

        def is_closed(what: str) -> bool:
            until = 7.5 * INTERVAL_S if back == what else float("inf")
            return 2.5 * INTERVAL_S < clock.passed_s < until

        async def fetch(client: AsyncClient, order_id: str, **options: Any) -> bytes:
            if is_closed("orders"):
                raise closed
            return await fetch_order(client, order_id, **options)

        monkeypatch.setattr(AsyncClient, "fetch_order", fetch)
        break_listing(monkeypatch, lambda _: is_closed("listing"), closed)
        clock.at(5 * INTERVAL_S, lambda: waits.deliver(*ids))
        await waits.wait_for_all(ids, max_unavailable_s=HOUR_S)
        assert {result.status for result in waits.results.values()} == {"met"}
        assert max(waits.ended_at.values()) <= 12 * INTERVAL_S


def touch(waits: Waits, order_id: str) -> None:
    """Let an order change, by now, without that it ends a wait."""
    axis, word, _ = MOVES[waits.vendor]
    waits.sandbox.set_status(waits.vendor, order_id, word, axis=axis)


def break_listing(
    monkeypatch: pytest.MonkeyPatch,
    is_broken: Callable[[Any], bool],
    error: errors.OrdersError,
    *,
    first_page: bool = False,
    without: str | None = None,
) -> None:
    """Let listings fail.

    :param is_broken: tells of a query whether it fails.
    :param first_page: whether that has come until then.
    :param without: an order that is on none of its rows.
    """
    pages = AsyncClient.iter_pages

    async def iter_pages(client: AsyncClient, query: Any, **options: Any) -> AsyncIterator[RowPage]:
        fails = is_broken(query)
        if fails and not first_page:
            raise error
        async for page in pages(client, query, **options):
            if not fails:
                yield page
                continue
            yield replace(page, rows=tuple(row for row in page.rows if row.id != without))
            raise error

    monkeypatch.setattr(AsyncClient, "iter_pages", iter_pages)
