"""The orders of one fake vendor: seeded, moved by time or by hand, and kept as bytes ready to send."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, cast

from airflow_provider_orders.sandbox.drawing import Draw

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from airflow_provider_orders.sandbox.clock import Clock

__all__ = ["SEEDED_DAYS", "Change", "Order", "OrderStore", "Stage"]

SEEDED_DAYS = 90
_QUERIES_KEPT = 32

# One stop on a live order's way: the word of each axis that changes there.
Stage = dict[str, str]


class Change(NamedTuple):
    """A status that changed after the seed.

    :param at: when, in seconds of the epoch.
    :param axis: which of the vendor's statuses.
    :param before: the word until then.
    :param after: the word since then.
    """

    at: int
    axis: str
    before: str
    after: str


@dataclass(slots=True, eq=False, kw_only=True)
class Order:
    """What every vendor's order has; a vendor adds the facts it sorts and filters by.

    Only these facts stay in memory for each order. The payload is made from them when it is first asked for, and kept as
    bytes until the order changes.

    :param index: place in the order of creation; with the seed it decides everything else.
    :param id: the vendor's id, as it stands in a path.
    :param created_at: seconds of the epoch.
    :param updated_at: seconds of the epoch.
    :param statuses: the vendor's word on each axis.
    :param entered_at: when it came into the vendor's books; later than ``created_at`` for one that was entered late.
    """

    index: int
    id: str
    created_at: int
    updated_at: int
    statuses: dict[str, str]
    entered_at: int = 0
    seeded_at: int = 0
    deleted_at: int | None = None
    changes: tuple[Change, ...] = ()
    journey: Sequence[Stage] = ()
    rendered: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.seeded_at = self.updated_at
        self.entered_at = self.created_at

    def begin(self, statuses: Mapping[str, str]) -> None:
        """Make the order a new one, to which nothing has happened yet.

        :param statuses: the words it starts with.
        """
        self.statuses.update(statuses)
        self.updated_at = self.seeded_at = self.created_at
        self.deleted_at = None

    def start_over(self, statuses: Mapping[str, str], at: int) -> None:
        """Bring the order back to its beginning, and forget what happened since.

        :param statuses: the words it starts with.
        :param at: when, in seconds of the epoch.
        """
        self.statuses.update(statuses)
        self.changes = ()
        self.updated_at = max(self.updated_at, at)
        self.rendered.clear()

    def seeded_status(self, axis: str) -> str:
        """Give the word an axis had before any change."""
        return next((change.before for change in self.changes if change.axis == axis), self.statuses[axis])

    def move(self, axis: str, word: str, at: int) -> None:
        """Give an axis another word.

        :param axis: which status.
        :param word: the vendor's word.
        :param at: when, in seconds of the epoch.
        """
        self.changes = (*self.changes, Change(at, axis, self.statuses[axis], word))
        self.statuses[axis] = word
        self.updated_at = max(self.updated_at, at)
        self.rendered.clear()


OrderT = TypeVar("OrderT", bound=Order)
RowT = TypeVar("RowT")


class OrderStore(Generic[OrderT]):
    """All orders of one vendor, in order of creation.

    :param make: builds the order of an index from its draws and its time of creation.
    :param seed: the sandbox's seed.
    :param stream: names the vendor's draws.
    :param count: how many orders there are at first.
    :param clock: the sandbox's time.
    :param step_s: seconds between two stages of a live order.
    :param cycle: after how many stages the live orders start over; 0 for never.
    :param journeys: the ways that the first orders go, one each.
    """

    def __init__(
        self,
        make: Callable[[Draw, int, int], OrderT],
        *,
        seed: int,
        stream: str,
        count: int,
        clock: Clock,
        step_s: float,
        cycle: int,
        journeys: Sequence[Sequence[Stage]],
    ) -> None:
        self._make = make
        self._seed = seed
        self._stream = stream
        self._clock = clock
        self._step_s = step_s
        self._cycle = cycle
        self._stage = 0
        self._next_index = count
        self._queries: dict[Hashable, list[Any]] = {}
        self.orders = [self._seeded(index, count) for index in range(count)]
        self.live = self.orders[: len(journeys)]
        for order, journey in zip(self.live, journeys, strict=False):
            order.begin(journey[0])
            order.journey = journey
        self._by_id = {order.id: order for order in self.orders}

    def _seeded(self, index: int, count: int) -> OrderT:
        """Make one order of the seed, placed evenly but not regularly over the last ninety days."""
        span_s, start = SEEDED_DAYS * 86400, int(self._clock.base_date.timestamp())
        jitter = Draw(self._seed, "times", index).below(1000)
        age_s = span_s - (index * 1000 + jitter) * span_s // (count * 1000)
        order = self._make(Draw(self._seed, self._stream, index), index, start - age_s)
        order.updated_at = order.seeded_at = min(order.updated_at, start)
        if order.deleted_at is not None:
            order.deleted_at = order.updated_at
        return order

    def settle(self) -> None:
        """Move the live orders to where the clock says they are."""
        reached = int(self._clock.elapsed_s // self._step_s)
        if reached == self._stage:
            return
        start = self._clock.base_date.timestamp()
        longest = max((len(order.journey) for order in self.live), default=0)
        last = reached if self._cycle else min(reached, longest)
        for number in range(self._stage + 1, last + 1):
            stage = number % self._cycle if self._cycle else number
            for order in self.live:
                if stage < len(order.journey):
                    self._enter(order, stage, int(start + number * self._step_s))
        self._stage = reached

    def _enter(self, order: OrderT, stage: int, at: int) -> None:
        """Bring a live order to a stage of its journey."""
        if stage == 0:
            order.start_over(order.journey[0], at)
        else:
            for axis, word in order.journey[stage].items():
                if order.statuses[axis] != word:
                    order.move(axis, word, at)
        self._queries.clear()

    def get(self, order_id: str) -> OrderT | None:
        """Find an order by the id that stands in paths."""
        return self._by_id.get(order_id)

    def select(self, key: Hashable, choose: Callable[[list[OrderT]], list[RowT]]) -> list[RowT]:
        """Filter and sort, once per query as long as no order changes.

        :param key: what tells this query from others.
        :param choose: takes all orders, gives the rows wanted in their order.
        """
        if key not in self._queries:
            while len(self._queries) >= _QUERIES_KEPT:
                self._queries.pop(next(iter(self._queries)))
            self._queries[key] = choose(self.orders)
        return cast("list[RowT]", self._queries[key])

    def insert(
        self,
        count: int,
        statuses: Mapping[str, str],
        *,
        placed_at: int | None = None,
        entered_at: int | None = None,
    ) -> list[OrderT]:
        """Add new orders.

        :param count: how many.
        :param statuses: the words a new order starts with.
        :param placed_at: the date that they bear, in seconds of the epoch; now by default.
        :param entered_at: when they came into the vendor's books, by its own word; now by default.
        """
        added = []
        now = self._clock.timestamp()
        for index in range(self._next_index, self._next_index + count):
            draw = Draw(self._seed, self._stream, index)
            order = self._make(draw, index, now if placed_at is None else placed_at)
            order.begin(statuses)
            order.updated_at = now
            order.entered_at = now if entered_at is None else entered_at
            self._by_id[order.id] = order
            added.append(order)
        self._next_index += count
        self.orders.extend(added)
        self._queries.clear()
        return added

    def set_status(self, order: OrderT, axis: str, word: str, *, at: int | None = None) -> None:
        """Give an order a status by hand; a live one moves no further by itself.

        :param at: the time that the change bears, in seconds of the epoch; now by default.
        """
        order.move(axis, word, self._clock.timestamp() if at is None else at)
        order.journey = ()
        self._queries.clear()

    def mark_deleted(self, order: OrderT) -> None:
        """Delete an order softly: it stays, and says since when it is deleted."""
        order.deleted_at = order.updated_at = self._clock.timestamp()
        order.journey = ()
        order.rendered.clear()
        self._queries.clear()

    def remove(self, order: OrderT) -> None:
        """Delete an order for good."""
        self.orders.remove(order)
        del self._by_id[order.id]
        if order in self.live:
            self.live.remove(order)
        self._queries.clear()
