"""One poller per connection and event loop, shared by all waits on the connection.

They share one client, and with it one session, one login and one budget of requests; and they share its answers. The
poller asks for each order by itself while few are awaited, and once for what changed when that takes fewer requests.

By itself, an order is asked for once in the interval of its wait. Asking once for what changed, the poller does so once in
the shortest interval of all waits; and it asks for each order by itself, too, once in many intervals (``choice.SWEEP``),
because an answer may leave a change out, and sooner (``rounds.LEARN``) for one that no answer has shown yet. Polls are
spread over their interval from the first one on, so that many waits that begin together are not polled together.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from airflow_provider_orders.errors import (
    ApiUnavailableError,
    ConfigurationError,
    OrderNotFoundError,
    OrdersError,
    RateLimitedError,
)
from airflow_provider_orders.waiting.choice import FEW, Choice
from airflow_provider_orders.waiting.clock import CLOCK
from airflow_provider_orders.waiting.conditions import Outcome
from airflow_provider_orders.waiting.lines import LineWriter
from airflow_provider_orders.waiting.rounds import Rounds
from airflow_provider_orders.waiting.searcher import OF_ONE_ORDER, Searcher
from airflow_provider_orders.waiting.shared import OpenClient, shared_client, start_task
from airflow_provider_orders.waiting.turns import Turns
from airflow_provider_orders.waiting.waits import Wait, WaitRequest, WaitResult, WatchedOrder
from airflow_provider_orders.waiting.watchlist import Watchlist, in_slices

if TYPE_CHECKING:
    from collections.abc import Hashable, MutableMapping, Sequence

    from airflow_provider_orders.http.aio import AsyncClient

__all__ = ["Poller", "watch"]

log = logging.getLogger(__name__)

_LAST_LOOK_S: Final = 1.0
_ADMIT_FOR_S: Final = 0.5
"""For how long newcomers are taken in before polls and deadlines have their turn."""
_BETWEEN_ENDS_S: Final = 0.02
"""Half as fast as the parent of a triggerer can take in events: meanwhile it does not read the log, which blocks all."""
_ENDS_BUDGET_S: Final = 0.001
_LONGEST_RETRY_AFTER_S: Final = 3600.0

_OUTAGES: Final = (ApiUnavailableError, RateLimitedError)


async def watch(key: Hashable, open_client: OpenClient, request: WaitRequest) -> WaitResult:
    """Wait until orders are where they are wanted; whoever is cancelled leaves nothing behind.

    :param key: the connection; all waits with the same key in the same event loop are polled together.
    :param open_client: looks the connection up and opens a client; called once for all.
    :param request: what is waited for.
    """
    pollers = _pollers.setdefault(asyncio.get_running_loop(), {})
    poller = pollers.get(key)
    if poller is None:
        poller = pollers[key] = Poller(key, open_client)
    wait = poller.join(request)
    try:
        result = await wait.future
    finally:
        await poller.leave(wait)
    await poller.take_turn()
    await wait.flush()  # mostly done by now
    return result


@dataclass(slots=True)
class _Outage:
    """The API has been out of reach since then, without a break.

    :param since: in seconds since the epoch.
    :param retry_at: when to ask again, by the monotonic clock.
    :param polls: how many in a row failed.
    """

    since: float
    retry_at: float
    polls: int


@dataclass(slots=True)
class _Looks:
    """Orders that are asked for, a few at a time.

    :param queue: those to be asked for.
    :param taken: all of them.
    :param answers: how many answers there were before.
    :param failures: how many requests in a row had none.
    :param failed: the order that had none, while others may.
    """

    queue: deque[WatchedOrder]
    taken: list[WatchedOrder]
    answers: int
    failures: int = 0
    failed: tuple[WatchedOrder, ApiUnavailableError] | None = None


class Poller:
    """Polls one connection for all who wait on it.

    :param key: the connection.
    :param open_client: opens a client for it.
    """

    def __init__(self, key: Hashable, open_client: OpenClient) -> None:
        self._key = key
        self._open_client = open_client
        self._waits: set[Wait] = set()
        self._newcomers: deque[Wait] = deque()
        self._wake = asyncio.Event()
        self._outage: _Outage | None = None
        self._answered_at: float | None = None
        self._answers = 0
        self._last_looks: list[WatchedOrder] = []
        self._turns = Turns(_BETWEEN_ENDS_S, _ENDS_BUDGET_S)
        self._writer = LineWriter()
        self._client: AsyncClient
        self._list: Watchlist
        self._choice: Choice
        self._rounds: Rounds
        self._searcher: Searcher
        self._task = start_task(self._run())

    # Coming and going.

    def join(self, request: WaitRequest) -> Wait:
        """Begin a wait."""
        wait = Wait(request, joined_at=CLOCK.now(), writer=self._writer)
        self._waits.add(wait)
        self._newcomers.append(wait)
        self._wake.set()
        return wait

    async def leave(self, wait: Wait) -> None:
        """End a wait; with the last one the poller ends too, and its connections are closed."""
        self._waits.discard(wait)
        wait.future.cancel()
        if wait.condition is not None:
            for order in self._list.remove(wait):
                self._rounds.drop(order)
        if not self._waits:
            _forget(self)
            self._task.cancel()
            self._writer.close()
            await asyncio.wait([self._task])
            with suppress(asyncio.CancelledError):
                self._task.exception()  # its waits have got it

    async def take_turn(self) -> None:
        """Let those whose waits are over go on one after the other.

        A poll may end a thousand waits. What has to be done for each would block the event loop if it came all at once, and
        what piles up meanwhile makes Python search all of its memory for garbage.
        """
        await self._turns.take()

    async def _run(self) -> None:
        try:
            async with shared_client(self._key, self._open_client) as client:
                self._prepare(client)
                await self._serve()
        except OrdersError as error:
            _forget(self)  # who comes now may find another connection of that name
            async for wait in in_slices(self._waits):
                wait.fail(error)
        except Exception as error:
            _forget(self)
            for wait in self._waits:
                wait.break_off(error)
            raise

    def _prepare(self, client: AsyncClient) -> None:
        self._client, self._list = client, Watchlist(client.api)
        self._choice = Choice(self._key, client.api, self._list)
        self._rounds = Rounds(self._list, self._choice)
        self._searcher = Searcher(
            self._key,
            client,
            self._list,
            self._choice,
            self._rounds,
            self._note_answer,
            self._prove_reachable,
        )

    async def _serve(self) -> None:
        polling: asyncio.Task[None] | None = None
        try:
            while True:
                self._wake.clear()
                await self._admit()
                await self._end_overdue(is_polling=polling is not None)
                if polling is not None and polling.done():
                    polling.result()
                    polling = None
                if polling is None and self._next_poll() <= CLOCK.monotonic():
                    polling = start_task(self._poll())
                    polling.add_done_callback(lambda _: self._wake.set())
                await CLOCK.pass_until(self._wake, self._pause_s(polling), idle=polling is None)
        finally:
            if polling is not None:
                polling.cancel()
                await asyncio.wait([polling])
                with suppress(asyncio.CancelledError):
                    polling.exception()  # nobody is left to care

    async def _end_overdue(self, *, is_polling: bool) -> None:
        """End the waits whose time is up, after a last look where they are few."""
        now = CLOCK.now()
        overdue = self._list.deadlines.take(now)
        looks: list[WatchedOrder] = []
        async for wait in in_slices(overdue):
            recently = now - 0.1 * wait.interval_s
            is_decided = wait.outcome() is not Outcome.WAITING
            if is_decided or is_polling or wait.has_had_last_look or wait.was_seen_since(recently):
                wait.settle(now)
            elif not wait.future.done():
                self._list.begin_last_look(wait)
                self._list.deadlines.put(wait, now + _LAST_LOOK_S)
                looks += wait.orders
        if self._rounds.may_be_prompt(len(looks)):
            self._last_looks += looks
        else:
            async for wait in in_slices(overdue):
                wait.settle(now)

    def _pause_s(self, polling: asyncio.Task[None] | None) -> float | None:
        """Give the seconds until there is something to do, None for until somebody comes."""
        until = []
        if (deadline := self._list.deadlines.next_due) is not None:
            until.append(deadline - CLOCK.now())
        if polling is None and (poll := self._next_poll()) < float("inf"):
            until.append(poll - CLOCK.monotonic())
        return max(0.0, min(until)) if until else None

    def _next_poll(self) -> float:
        if self._last_looks:
            return 0.0
        if self._outage is not None and self._waits:
            return self._outage.retry_at
        dues = [due for due in (self._choice.due, self._rounds.next_due) if due is not None]
        return min(dues, default=float("inf"))

    async def _admit(self) -> None:
        fresh: list[tuple[WatchedOrder, float | None]] = []
        until = CLOCK.monotonic() + _ADMIT_FOR_S
        while self._newcomers and CLOCK.monotonic() < until:
            wait = self._newcomers.popleft()
            if wait.future.done():
                continue
            first_at = wait.request.first_poll_at if wait.request else None
            try:
                orders = await self._list.admit(wait)
            except ConfigurationError as error:
                wait.fail(error)
                continue
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one wait, the others go on
                wait.break_off(error)
                continue
            self._bear_outage_no_longer_than(wait)
            fresh += [(order, first_at) for order in orders]
            if not self._newcomers or len(fresh) % 16 == 0:
                await asyncio.sleep(0)  # where triggers start, each turn of the event loop brings another one
        if self._newcomers:
            self._wake.set()
        if not fresh:
            return
        await self._reconsider()
        await self._rounds.begin(fresh)
        self._choice.hasten()

    async def _reconsider(self) -> None:
        if self._choice.is_due():
            await self._choose()

    async def _choose(self) -> None:
        if self._choice.choose():
            self._searcher.forget()
            await self._rounds.spread_anew()

    # Asking.

    async def _poll(self) -> None:
        """Ask for all that is due, and end the waits that are over by that."""
        try:
            try:
                await self._ask()
            finally:
                await self._list.settle(CLOCK.now())
            await self._reconsider()
        except _OUTAGES as error:
            await self._note_outage(error)

    async def _ask(self) -> None:
        answers = self._answers
        last_looks, self._last_looks = self._last_looks, []
        await self._look(last_looks)
        if self._is_search_due():
            await self._search()
        if self._outage is not None and self._answers == answers and self._waits:
            # Out of reach, as far as is known: one order shows whether it still is.
            await self._look(self._rounds.take_next(1))
        await self._recover()
        await self._look(self._rounds.take_due())
        while self._list.urgent:
            urgent, self._list.urgent = self._list.urgent, []
            async for order in in_slices(urgent):
                if order.waits and not order.is_seen:
                    self._rounds.put_now(order)
            await self._look(self._rounds.take_due())

    def _is_search_due(self) -> bool:
        due, outage = self._choice.due, self._outage
        if due is None:
            return False
        # The listing may be down alone, or the orders: in an outage the polls ask for one and the other by turns.
        return due <= CLOCK.monotonic() if outage is None else outage.polls % 2 == 1

    async def _look(self, orders: Sequence[WatchedOrder]) -> None:
        """Ask for some orders, each by itself.

        :raises ApiUnavailableError: there was no answer to any, or to several in a row.
        """
        looks = _Looks(deque(orders), list(orders), self._answers)
        concurrency = min(len(orders), self._client.api.settings.concurrency)
        tasks = [start_task(self._work(looks)) for _ in range(concurrency)]
        try:
            await asyncio.gather(*tasks)
            if looks.failed is not None:
                if self._answers == looks.answers:
                    raise looks.failed[1]
                await self._note_failing(*looks.failed)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for order in looks.taken:
                if order.waits and order.due is None:
                    self._rounds.put_now(order)

    async def _work(self, looks: _Looks) -> None:
        while looks.queue:
            order, answers = looks.queue.popleft(), self._answers
            try:
                await self._look_at(order)
            except ApiUnavailableError as error:
                looks.failures = looks.failures + 1 if self._answers == answers else 1
                is_outage = looks.failures > 1 or self._outage is not None
                if not is_outage and not looks.queue and self._answers == looks.answers:
                    # Perhaps it is this one alone that cannot be had: another one will show.
                    others = self._rounds.take_next(1)
                    looks.taken += others
                    looks.queue += others
                self._rounds.put_later(order)
                if is_outage:
                    raise
                looks.failed = (order, error)

    async def _look_at(self, order: WatchedOrder) -> None:
        if not order.waits:
            return
        try:
            raw = await self._client.fetch_order(order.asked, by=order.by)
            await self._searcher.take_in(order, raw)
        except OrderNotFoundError as error:
            await self._list.miss(order, error, now=CLOCK.now())
        except OF_ONE_ORDER as error:
            await self._list.fail(order, error)
        order.failing_since = None
        self._note_answer()
        self._rounds.put_back(order)

    def _note_answer(self) -> None:
        self._answers += 1
        self._answered_at = CLOCK.now()

    async def _search(self) -> None:
        """Ask once for what changed; where that proves too much, or no good, go back to asking for each order."""
        self._choice.due = CLOCK.monotonic() + self._list.interval_s
        if await self._searcher.learn():
            return
        if self._searcher.lacks_moment:
            await self._look(self._rounds.take_next(FEW))
        tried: set[str] = set()
        while (kind := self._choice.kind) is not None and kind not in tried:
            tried.add(kind)
            search = next((search for search in self._choice.searches() if search.kind == kind), None)
            if search is not None and await self._searcher.search(search):
                break
            await self._choose()
        await self._reconsider()

    async def _prove_reachable(self, error: ApiUnavailableError) -> None:
        """Ask for one order by itself, which shows whether it is the listing alone that gives no answer.

        :raises ApiUnavailableError: it is not, as far as is known.
        """
        answers = self._answers
        if not self._is_cut_off:
            await self._look(self._rounds.take_next(1))
        if self._answers == answers:
            raise error

    # Outages.

    @property
    def _is_cut_off(self) -> bool:
        """Whether nothing has answered since an outage began."""
        outage, answered_at = self._outage, self._answered_at
        return outage is not None and (answered_at is None or answered_at <= outage.since)

    async def _note_outage(self, error: ApiUnavailableError | RateLimitedError) -> None:
        now = CLOCK.now()
        # An answer that broke off, or came to a last look, does not end it: the next poll asks for one order.
        outage = self._outage = self._outage or _Outage(now, 0.0, 0)
        outage.polls += 1
        gives_up_at = await self._list.end_unavailable(
            self._waits, error, since=outage.since, answered_at=self._answered_at, now=now
        )
        # Who asks to be left alone for longer than a wait bears with that is asked once more before it ends.
        asked = min(error.retry_after_s or 0.0, _LONGEST_RETRY_AFTER_S, gives_up_at - now)
        pause = max(self._list.interval_s, asked)
        outage.retry_at = CLOCK.monotonic() + pause
        log.warning(
            "%s: %s %d polls in a row have failed; asking again in %g s.",
            self._key,
            error,
            outage.polls,
            pause,
        )

    def _bear_outage_no_longer_than(self, wait: Wait) -> None:
        """Ask again, in an outage, before it lasts too long for a wait that has come meanwhile."""
        if self._outage is not None:
            left = wait.gives_up_at(self._outage.since, self._answered_at) - CLOCK.now()
            retry_at = CLOCK.monotonic() + max(wait.interval_s, left)
            self._outage.retry_at = min(self._outage.retry_at, retry_at)

    async def _note_failing(self, order: WatchedOrder, error: ApiUnavailableError) -> None:
        """One order gives no answer while others do: that is between it and its own waits."""
        now = CLOCK.now()
        order.failing_since = order.failing_since or now
        log.warning("%s: %s Others answer; asking for this one again later.", self._key, error)
        await self._list.end_unavailable(
            order.waits, error, since=order.failing_since, answered_at=None, now=now
        )

    async def _recover(self) -> None:
        """Go on after an outage, without making up for all that was missed at once."""
        if self._outage is None:
            return
        log.info("%s: answers again after %d failed polls", self._key, self._outage.polls)
        self._outage = None
        await self._rounds.spread_missed()


# By loop, as their clients.
_pollers: MutableMapping[asyncio.AbstractEventLoop, dict[Hashable, Poller]] = weakref.WeakKeyDictionary()


def _forget(poller: Poller) -> None:
    for pollers in list(_pollers.values()):
        for key, known in list(pollers.items()):
            if known is poller:
                del pollers[key]
