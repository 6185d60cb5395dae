"""How many waits are asked for: each order by itself, or once for what changed, whichever takes fewer requests."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_orders.waiting.changes import Progress, searches
from airflow_provider_orders.waiting.clock import CLOCK

if TYPE_CHECKING:
    from collections.abc import Hashable

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.waiting.changes import Search
    from airflow_provider_orders.waiting.watchlist import Watchlist

__all__ = ["FEW", "SWEEP", "Choice", "spread"]

log = logging.getLogger(__name__)

FEW: Final = 20
"""Up to so many orders are each asked for by itself, and so many newcomers in an interval at once."""

SWEEP: Final = 200
"""Of so many intervals, one in which an order is asked for by itself, whatever the answers show."""

_TRUST: Final = 30
_LONGEST_BAN: Final = 64


@dataclass(slots=True)
class _Cost:
    """What one kind of search was seen to take.

    :param pages: how many pages.
    :param until: for how long that is believed, by the monotonic clock.
    :param refused: how many times in a row it was too much, or not to be trusted.
    """

    pages: int
    until: float
    refused: int = 0


class Choice:
    """What a poller asks, chosen by the number of requests, and chosen anew when much has changed.

    :param key: the connection, for the log.
    :param api: the vendor.
    :param watchlist: all waits on the connection.
    """

    def __init__(self, key: Hashable, api: OrderApi[Any], watchlist: Watchlist) -> None:
        self._key = key
        self._api = api
        self._list = watchlist
        self._costs: dict[str, _Cost] = {}
        self._considered = (0.0, 0)
        self.kind: str | None = None
        """The kind of the search chosen; None to ask for each order by itself."""
        self.due: float | None = None
        """When to search, by the monotonic clock; None to ask for each order by itself."""
        self.progress = Progress(CLOCK.monotonic())
        """Since when to ask for what changed."""

    @property
    def is_searching(self) -> bool:
        """Whether what changed is asked for at once."""
        return self.due is not None

    def is_due(self) -> bool:
        """Tell whether to choose again: much has changed, or time has passed."""
        orders, now = len(self._list), CLOCK.monotonic()
        considered_at, before = self._considered
        return now - considered_at >= self._list.interval_s or not 0.8 * before <= orders <= 1.25 * before

    def choose(self) -> bool:
        """Choose between asking for each order and asking once; tell whether it is the other of the two now."""
        orders, now = len(self._list), CLOCK.monotonic()
        self._considered = (now, orders)
        if not orders:
            return False
        best = min(self.searches(), key=self._pages_of, default=None) if self._is_worth_searching() else None
        if best is not None and self._pages_of(best) + orders / SWEEP >= orders:
            best = None
        kind = best.kind if best else None
        if kind == self.kind:
            return False
        was_searching, self.kind = self.kind is not None, kind
        if best is None:
            log.info("%s: asks for each of %d orders by itself", self._key, orders)
            self.due = None
        else:
            log.info(
                "%s: asks once a poll for %s, in about %d requests in place of %d",
                self._key,
                best.words,
                self._pages_of(best),
                orders,
            )
            if self.due is None:
                self.due = now + spread(0.1 * self._list.interval_s)
                self.progress.complete(now - self._list.longest_unasked_s(CLOCK.now()))
        return was_searching != (best is not None)

    def hasten(self) -> None:
        """Search sooner where a wait has come with a shorter interval."""
        if self.due is not None:
            self.due = min(self.due, CLOCK.monotonic() + self._list.interval_s)

    def _is_worth_searching(self) -> bool:
        # Not back and forth, with each wait that comes and goes.
        return len(self._list) > (FEW // 2 if self.is_searching else FEW)

    def searches(self) -> list[Search]:
        """Give the ways to ask once that are not refused at present."""
        found = searches(
            self._api,
            since=self.progress.since,
            oldest=self._list.oldest(),
            words=self._list.ending_words(),
        )
        return [search for search in found if not self.is_refused(search.kind)]

    def is_refused(self, kind: str) -> bool:
        """Tell whether a kind of search is to be done without at present."""
        cost = self._costs.get(kind)
        return cost is not None and cost.refused > 0 and CLOCK.monotonic() < cost.until

    def _pages_of(self, search: Search) -> int:
        """Estimate what a search takes: what it took lately, or else the least that it can."""
        cost = self._costs.get(search.kind)
        if cost is None or cost.refused or CLOCK.monotonic() >= cost.until:
            return search.listings
        return cost.pages

    def note_pages(self, kind: str, pages: int) -> None:
        """Take note of what a search took."""
        self._costs[kind] = _Cost(pages, CLOCK.monotonic() + _TRUST * self._list.interval_s)

    def refuse(self, kind: str, reason: str) -> None:
        """Do without a kind of search, the longer the more often in a row it was no good."""
        refused = min(_LONGEST_BAN, 2 * self._costs[kind].refused if kind in self._costs else 0) or 1
        until = CLOCK.monotonic() + refused * self._list.interval_s
        self._costs[kind] = _Cost(0, until, refused)
        log.info(
            "%s: does without asking once for what changed, for %d polls: %s", self._key, refused, reason
        )


def spread(seconds: float) -> float:
    """Give a delay of up to so many seconds, so that what begins together is not asked for together."""
    return random.uniform(0.0, seconds)  # noqa: S311 - jitter, no cryptography
