"""When each order is asked for by itself: spread over the interval of its waits, and seldom while answers show it anyway."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from airflow_provider_orders.waiting.agenda import Agenda
from airflow_provider_orders.waiting.choice import FEW, SWEEP, spread
from airflow_provider_orders.waiting.clock import CLOCK
from airflow_provider_orders.waiting.watchlist import in_slices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_orders.waiting.choice import Choice
    from airflow_provider_orders.waiting.waits import WatchedOrder
    from airflow_provider_orders.waiting.watchlist import Watchlist

__all__ = ["LEARN", "Rounds"]

LEARN: Final = 10
"""Within so many intervals each order is asked for that no answer has shown yet."""

_FIRST_LOOKS: Final = 1.5
_TOGETHER: Final = 0.02


class Rounds:
    """The order in which orders are asked for.

    :param watchlist: all waits on the connection.
    :param choice: whether answers show what changed in all of them at once.
    """

    def __init__(self, watchlist: Watchlist, choice: Choice) -> None:
        self._list = watchlist
        self._choice = choice
        self._agenda: Agenda[WatchedOrder] = Agenda()
        self._prompt = (0.0, 0)

    @property
    def next_due(self) -> float | None:
        """When the next order is due, by the monotonic clock; None where there is none."""
        return self._agenda.next_due

    def take_due(self) -> list[WatchedOrder]:
        """Give the orders to ask for now."""
        # What is due in a moment is asked for along with the rest, so that the orders of one wait stay together.
        return self._agenda.take(CLOCK.monotonic() + _TOGETHER * self._list.interval_s)

    def take_next(self, most: int) -> list[WatchedOrder]:
        """Give the orders that come next, due or not."""
        return self._agenda.take(float("inf"), most=most)

    def drop(self, order: WatchedOrder) -> None:
        """Forget an order."""
        self._agenda.drop(order)

    def may_be_prompt(self, orders: int) -> bool:
        """Tell whether so many more can be asked for at once: a triggerer that starts brings its waits little by little."""
        now = CLOCK.monotonic()
        since, before = self._prompt
        if now - since >= self._list.interval_s:
            since, before = now, 0
        is_few = before + orders <= FEW
        self._prompt = (since, before + orders)
        return is_few

    async def begin(self, fresh: Sequence[tuple[WatchedOrder, float | None]]) -> None:
        """Put in orders that are awaited from now on, each with when to look at it for the first time, if that is said."""
        is_few = self.may_be_prompt(len(fresh))
        async for order, first_at in in_slices(fresh):
            if order.waits:
                first_look = self._first_look(order, first_at, is_few=is_few)
                # Others may await it already, and no later.
                self._agenda.put(order, first_look if order.due is None else min(first_look, order.due))

    def _first_look(self, order: WatchedOrder, first_at: float | None, *, is_few: bool) -> float:
        now = CLOCK.monotonic()
        ahead = (first_at or 0.0) - CLOCK.now()
        if is_few:
            return now + max(0.0, ahead)
        # Where a worker has asked a moment ago, nothing is gained by asking before the usual time.
        return now + max(spread(self._cycle_of(order)), min(ahead, order.interval_s))

    def put_now(self, order: WatchedOrder) -> None:
        """Ask for an order at once."""
        self._agenda.put(order, CLOCK.monotonic())

    def put_soon(self, order: WatchedOrder) -> None:
        """Ask for an order within its interval."""
        self._agenda.put(order, CLOCK.monotonic() + spread(order.interval_s))

    def put_later(self, order: WatchedOrder) -> None:
        """Ask for an order after its interval."""
        self._agenda.put(order, CLOCK.monotonic() + order.interval_s)

    def put_back(self, order: WatchedOrder) -> None:
        """Ask again for an order that was just seen, when it is its turn."""
        if not order.waits:
            return
        interval = order.interval_s
        if self._choice.is_searching and order.row_id is not None:
            interval *= SWEEP * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, no cryptography
        self._agenda.put(order, CLOCK.monotonic() + interval)

    async def spread_anew(self) -> None:
        """Spread all orders over the time within which each is asked for by itself, as that has changed."""
        now = CLOCK.monotonic()
        async for order in in_slices(self._list.orders):
            if order.waits and order.due is not None:
                self._agenda.put(order, now + spread(self._cycle_of(order)))

    async def spread_missed(self) -> None:
        """Spread what an outage has left due over an interval; what is few is asked for at once."""
        missed = self._agenda.take(CLOCK.monotonic())
        is_few = len(missed) <= FEW
        async for order in in_slices(missed):
            if is_few:
                self.put_now(order)
            else:
                self.put_soon(order)

    def _cycle_of(self, order: WatchedOrder) -> float:
        """Give the time within which an order is asked for by itself."""
        if self._choice.is_searching:
            intervals: float = SWEEP if order.is_seen else LEARN
        else:
            intervals = 1.0 if order.is_seen else _FIRST_LOOKS
        return intervals * order.interval_s
