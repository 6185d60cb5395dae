"""Which orders are awaited, by whom, and what their answers mean for each wait. Asks nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, TypeVar

from airflow_provider_orders.waiting.agenda import Agenda
from airflow_provider_orders.waiting.conditions import Outcome, StatusCondition, order_ids
from airflow_provider_orders.waiting.waits import (
    SHORTEST_S,
    Wait,
    WaitRequest,
    WatchedOrder,
    check_id,
    check_rest,
    condition_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.errors import OrderNotFoundError, OrdersError
    from airflow_provider_orders.waiting.conditions import StatusWords

__all__ = ["Watchlist", "in_slices"]

_T = TypeVar("_T")

SLICE: Final = 50
"""How many orders, or waits, are dealt with before others in the event loop have their turn."""


class Watchlist:
    """All waits on one connection.

    :param api: the vendor.
    """

    def __init__(self, api: OrderApi[Any]) -> None:
        self._api = api
        self._orders: dict[tuple[str, str], WatchedOrder] = {}
        self._rows: dict[str, list[WatchedOrder]] = {}
        self._known: dict[str, StatusCondition] = {}
        self._conditions: Counter[Any] = Counter()
        self._intervals: Counter[Any] = Counter()
        self.deadlines: Agenda[Wait] = Agenda()
        self.unseen = 0
        """How many orders no answer has shown yet."""
        self._decided: set[Wait] = set()
        self.urgent: list[WatchedOrder] = []
        """Orders that a wait only misses to be over."""

    def __len__(self) -> int:
        return len(self._orders)

    @property
    def orders(self) -> Iterable[WatchedOrder]:
        """All orders awaited, each once."""
        return self._orders.values()

    @property
    def interval_s(self) -> float:
        """The shortest interval of all waits."""
        return min(self._intervals, default=60.0)

    def of_row(self, row_id: str) -> Sequence[WatchedOrder]:
        """Give the orders that a row of a listing is about."""
        return self._rows.get(row_id, ())

    def oldest(self) -> int | None:
        """Give the lowest id awaited, None where not all of them are known to be numbers."""
        ids = [order.row_id for order in self._orders.values()]
        if not ids or not all(row_id is not None and row_id.isdigit() for row_id in ids):
            return None
        return min(int(row_id) for row_id in ids if row_id is not None)

    def longest_unasked_s(self, now: float) -> float:
        """Give for how many seconds the order has not been asked for that has not been for the longest.

        Leaves out those that will be in any case: nothing has shown them yet, or they alone cannot be had at present.
        """
        asked = (order.seen_at for order in self.orders if order.seen_at and order.failing_since is None)
        return max(0.0, now - min(asked, default=now))

    def ending_words(self) -> set[str] | None:
        """Give the vendor's words that can end a wait, on the axis that its listing can be filtered by.

        None where other words can end one, too, or where there is no such filter.
        """
        axis, found = self._api.status_axis, set[str]()
        if axis is None:
            return None
        for condition in self._conditions:
            words = condition.ending_words(axis)
            if words is None:
                return None
            found |= words
        return found

    async def admit(self, wait: Wait) -> list[WatchedOrder]:
        """Take a wait in, and give its orders that have to be looked at.

        :raises ConfigurationError: it asks for something that there is not.
        """
        request = wait.request
        if request is None:
            return []
        ids = order_ids(request.order_id)
        condition = self._condition(request, len(ids))
        check_rest(self._api, request)
        async for order_id in in_slices(ids):
            check_id(self._api, order_id, request.by)
        if wait.future.done():
            return []
        wait.interval_s = max(SHORTEST_S, wait.interval_s)
        wait.request, wait.condition, wait.account = None, condition, self._api.settings.account
        self._conditions[condition] += 1
        self._intervals[wait.interval_s] += 1
        wait.orders = tuple(
            self._watch(order_id, request.by, wait, index) for index, order_id in enumerate(ids)
        )
        wait.outcomes = [None] * len(ids)
        wait.unseen = len(ids)
        if wait.deadline is not None:
            # One that is resumed after its deadline still has a last look, for which it waits its turn.
            is_late = wait.deadline <= wait.joined_at
            has_looked = (request.first_poll_at or 0.0) > wait.joined_at  # the worker, just now
            wait.has_had_last_look = is_late
            grace = 2 * wait.interval_s + 1 if is_late and not has_looked else 0.0
            self.deadlines.put(wait, max(wait.deadline, wait.joined_at + grace))
        return list(wait.orders)

    def _condition(self, request: WaitRequest, orders: int) -> StatusCondition:
        # Ten thousand waits mostly wait for the same thing.
        asked = (
            request.wanted,
            request.failed,
            request.ignored,
            request.axis,
            request.require,
            request.at_least,
        )
        key = repr((*asked, orders if request.at_least is not None else None))
        if key not in self._known:
            self._known[key] = condition_of(self._api, request, orders)
        return self._known[key]

    def _watch(self, order_id: str, by: str, wait: Wait, index: int) -> WatchedOrder:
        order = self._orders.get((by, order_id))
        if order is None:
            order = self._orders[by, order_id] = WatchedOrder(order_id, by, interval_s=wait.interval_s)
            self.unseen += 1
            if order.row_id is not None:
                self._rows.setdefault(order.row_id, []).append(order)
        else:
            self._renew(order)  # a new wait begins with an answer of its own
        order.interval_s = min(order.interval_s, wait.interval_s)
        order.waits[wait] = index
        return order

    def _renew(self, order: WatchedOrder) -> None:
        """Take what is known of an order for out of date."""
        self.unseen += order.is_seen
        order.is_seen, order.version = False, None

    def begin_last_look(self, wait: Wait) -> None:
        """Forget where the orders of a wait stood, so that only what they say from now on decides."""
        wait.has_had_last_look = True
        wait.outcomes = [None] * len(wait.orders)
        wait.met, wait.failed, wait.unseen = 0, 0, len(wait.orders)
        for order in wait.orders:
            self._renew(order)

    def remove(self, wait: Wait) -> list[WatchedOrder]:
        """Let a wait go, and give the orders that nobody awaits any more."""
        self.deadlines.drop(wait)
        if wait.condition is None:
            return []
        for counts, key in ((self._conditions, wait.condition), (self._intervals, wait.interval_s)):
            counts[key] -= 1
            if not counts[key]:
                del counts[key]
        gone = []
        for order in wait.orders:
            del order.waits[wait]
            if not order.waits:
                gone.append(order)
                del self._orders[order.by, order.asked]
                self.unseen -= not order.is_seen
                self._unlist(order)
        return gone

    def _unlist(self, order: WatchedOrder) -> None:
        if order.row_id is None:
            return
        same = self._rows[order.row_id]
        same.remove(order)
        if not same:
            del self._rows[order.row_id]

    async def apply(
        self, order: WatchedOrder, words: StatusWords, *, row_id: str, version: int, now: float
    ) -> None:
        """Take note of an answer.

        :param words: the order's status on each axis.
        :param row_id: the vendor's id of it.
        :param version: tells this answer from others.
        :param now: when it came, in seconds since the epoch.
        """
        if not order.waits:
            return
        if order.row_id != row_id:
            self._unlist(order)
            order.row_id = row_id
            self._rows.setdefault(row_id, []).append(order)
        changed = order.words is not None and order.words != words
        order.words, order.seen_at, order.version = words, now, version
        await self._tell(order, now, changed=changed)

    async def miss(self, order: WatchedOrder, error: OrderNotFoundError, *, now: float) -> None:
        """Take note that an order is not there."""
        order.words, order.seen_at, order.version = None, now, None
        async for wait in in_slices(order.waits):
            if wait.not_found == "fail":
                wait.fail(error)
        await self._tell(order, now, changed=False)

    async def fail(self, order: WatchedOrder, error: OrdersError) -> None:
        """End the waits for an order that cannot be asked for."""
        async for wait in in_slices(order.waits):
            wait.fail(error)

    async def _tell(self, order: WatchedOrder, now: float, *, changed: bool) -> None:
        if not order.is_seen:
            order.is_seen = True
            self.unseen -= 1
        async for wait, index in in_slices(order.waits.items()):
            if not wait.future.done() and wait.condition is not None:
                self._update(wait, wait.condition, order, index, now)
                if changed and not wait.future.done():
                    wait.log("Order %s is now %s", order.asked, wait.condition.describe_order(order.words))

    def _update(
        self, wait: Wait, condition: StatusCondition, order: WatchedOrder, index: int, now: float
    ) -> None:
        before, was_decided = wait.outcomes[index], wait.outcome() is not Outcome.WAITING
        outcome = Outcome.WAITING if order.words is None else condition.outcome(order.words)
        wait.outcomes[index] = outcome
        wait.unseen -= before is None
        wait.met += (outcome is Outcome.MET) - (before is Outcome.MET)
        wait.failed += (outcome is Outcome.FAILED) - (before is Outcome.FAILED)
        is_decided = wait.outcome() is not Outcome.WAITING
        if wait.unseen:
            if is_decided and not was_decided:
                # The report says where every order stands, as that of a sensor that pokes.
                self.urgent += [other for other in wait.orders if not other.is_seen]
        elif len(wait.orders) == 1:
            wait.settle(now)
        elif is_decided or wait.is_over_by(now):
            self._decided.add(wait)

    async def settle(self, now: float) -> None:
        """End the waits for several orders that are decided, once a poll has brought what there is to know of them."""
        decided, self._decided = self._decided, set()
        async for wait in in_slices(decided):
            wait.settle(now)

    async def end_unavailable(
        self,
        waits: Iterable[Wait],
        error: OrdersError,
        *,
        since: float,
        answered_at: float | None,
        now: float,
    ) -> float:
        """End the waits for which the API has been out of reach for too long, or whose time is up meanwhile.

        :param error: why it is.
        :param since: since when.
        :param answered_at: when it last answered.
        :param now: now; all three in seconds since the epoch.
        :return: when the next wait will be ended so, in seconds since the epoch, too.
        """
        next_at = float("inf")
        async for wait in in_slices(waits):
            if wait.condition is None:
                continue  # its turn to be taken in has not come yet
            gives_up_at = wait.gives_up_at(since, answered_at)
            is_given_up = now >= gives_up_at
            if is_given_up and wait.outcome() is Outcome.WAITING:
                wait.fail(error)
            elif is_given_up or wait.is_over_by(now):
                wait.settle(now)
            else:
                next_at = min(next_at, gives_up_at)
        return next_at


async def in_slices(things: Iterable[_T]) -> AsyncIterator[_T]:
    """Give things one by one, and others in the event loop their turn in between."""
    for number, thing in enumerate(list(things)):
        if number % SLICE == SLICE - 1:
            await asyncio.sleep(0)
        yield thing
