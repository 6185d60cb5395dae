"""How to ask a vendor once for what changed, in place of asking for every order.

What can be asked follows from what the vendor's listing can do, never from which vendor it is:

==================== =========================================================================================
update filter         asks for
==================== =========================================================================================
to the second         what changed since the last answer, less a minute
by the day            what changed since the day before the last answer
none, newest first    from the newest order back to the oldest one awaited; or of these, the ones with a status that can
                      end a wait
none, no order        every order
==================== =========================================================================================

The answer is a hint: what it shows is so, but what it does not show may have changed all the same. So each order awaited is
also asked for by itself now and then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_orders.apis.capabilities import Granularity
from airflow_provider_orders.apis.query import OrderQuery

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.apis.listing import Row
    from airflow_provider_orders.http.paging import PastTest

__all__ = ["LOOKBACK", "Progress", "Search", "every_order", "needs_moment", "searches"]

LOOKBACK: Final = timedelta(minutes=1)
"""How far before the last answer to begin again: a vendor may date a change earlier than it shows it."""

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """One way to ask once.

    :param kind: tells it from the other ways of the same vendor.
    :param query: what is asked.
    :param is_past: where to stop, for a listing that begins with the newest order; None to read it to its end.
    :param newest_first: whether it begins with the newest order.
    :param listings: how many listings answer it, each of at least one page.
    :param words: what is asked for, in words.
    """

    kind: str
    query: OrderQuery
    is_past: PastTest | None = None
    newest_first: bool = False
    listings: int = 1
    words: str


class Progress:
    """Since when to ask for what changed, by the vendor's own clock, of which nothing is known but what orders say.

    Not since the newest change seen: others before it may not have been seen yet, where it was seen in an order that was
    asked for by itself, or in an answer that broke off.

    :param now: the time, by the monotonic clock.
    """

    def __init__(self, now: float) -> None:
        self.newest: tuple[datetime, str] | None = None
        """The newest change seen, and of which order."""
        self._noted_at = now
        self._complete_from = now

    @property
    def since(self) -> datetime | None:
        """Since when what changed may not have been seen, by the vendor's clock; None where nothing is known of that."""
        if self.newest is None:
            return None
        # When it was noted, that clock said no less; and as long before as ours, not much less than that long before.
        unsure_s = max(0.0, self._noted_at - self._complete_from)
        return max(self.newest[0], _EARLIEST) - timedelta(seconds=unsure_s)

    def note(self, moment: datetime, order_id: str, *, now: float) -> None:
        """Take note of a change that an order tells of."""
        if self.newest is None or moment > self.newest[0]:
            self.newest, self._noted_at = (moment, order_id), now

    def complete(self, begun: float) -> None:
        """Take note that each order was asked for, by itself or along with others, at that time or later.

        :param begun: by the monotonic clock.
        """
        self._complete_from = max(self._complete_from, begun)


def needs_moment(api: OrderApi[Any]) -> bool:
    """Tell whether the vendor is asked for what changed since a moment."""
    return api.capabilities.update_filter is not Granularity.NONE


def searches(
    api: OrderApi[Any], *, since: datetime | None, oldest: int | None, words: Iterable[str] | None
) -> list[Search]:
    """Give the ways to ask a vendor once for what changed.

    :param api: the vendor, for one connection.
    :param since: since when, see :attr:`Progress.since`.
    :param oldest: the lowest id awaited; None where not all of them are numbers.
    :param words: the vendor's words that can end a wait, on the axis that its listing can be filtered by; None where
        others can, too, or where it has no such filter.
    """
    able = api.capabilities
    if needs_moment(api):
        by_second = able.update_filter is Granularity.SECOND
        overlap = LOOKBACK if by_second else _DAY
        start = None if since is None else max(since, _EARLIEST) - overlap
        what = "what changed lately" if by_second else "what changed since yesterday"
        return [Search(kind="changed", query=OrderQuery(updated_from=start), words=what)]
    if not (able.newest_first and oldest is not None):
        return [every_order()]
    is_past = _older_than(oldest)
    found = [
        Search(
            kind="newest",
            query=OrderQuery(),
            is_past=is_past,
            newest_first=True,
            words="all orders, from the newest back to the oldest one awaited",
        )
    ]
    ending = tuple(sorted(words or ()))
    if ending:
        found.append(
            Search(
                kind="status",
                query=OrderQuery(statuses=ending),
                is_past=is_past,
                newest_first=True,
                listings=len(ending),
                words=f"the orders that are {' or '.join(ending)}, back to the oldest one awaited",
            )
        )
    return found


def every_order() -> Search:
    """Ask for all orders that there are."""
    return Search(kind="all", query=OrderQuery(), words="every order")


_EARLIEST: Final = datetime.fromisoformat("1970-01-03T00:00:00+00:00")


def _older_than(oldest: int) -> PastTest:
    """Tell of a page whether all of its ids, which grow with each order, are lower than one."""

    def is_past(rows: Sequence[Row]) -> bool:
        return all(row.id.isdigit() and int(row.id) < oldest for row in rows)

    return is_past
