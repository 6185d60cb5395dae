"""How far a watch has come, and what it last knew of each order: what is kept between two polls and across restarts.

As plain JSON, a position is::

    {
        "format": 1,
        "scope": "5f2b0c9d1a7e",
        "since": "2026-01-01T00:00:00+00:00",
        "settled": true,
        "state": {"watermark": "2026-01-01T00:05:00+00:00", ...},
        "axes": ["fulfillment", "payment"],
        "whole": true,
        "words": [[["delivered", "DELIVERED"], ["paid", "PAID"]], ...],
        "orders": {"1001": "9f86d0818812", ...}
    }

Each order is the beginning of its content hash, and the place of its statuses in ``words``. Of very many orders, those that
changed last are kept: an asset's state store takes 64 KB. One that comes again although it was dropped is told once more,
with the same event id; and what its status was before is then unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from airflow_provider_orders.export.state import SyncState

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["Known", "Memory", "Position", "Statuses"]

FORMAT: Final = 1
MOST_BYTES: Final = 48 * 1024
"""Of all orders in a position that is stored."""

MOST_ORDERS: Final = 20_000
"""Remembered beyond those that a poll shows."""

_HASH_LENGTH: Final = 11

Statuses = tuple[tuple[str, str | None], ...]
"""Canonical and own word on each of the vendor's axes, in the order of their names."""


# As a row, one of very many: not counted by the garbage collector.
class Known(msgspec.Struct, frozen=True, gc=False):
    """What was last seen of an order.

    :param version: the beginning of its content hash.
    :param statuses: its statuses.
    """

    version: str
    statuses: Statuses


class Memory:
    """The orders seen lately, the one that changed last at the end."""

    def __init__(self) -> None:
        self._orders: dict[str, Known] = {}
        self._statuses: dict[Statuses, Statuses] = {}
        self.is_whole = False
        """Whether it has every order that the last poll has shown."""

    def __len__(self) -> int:
        return len(self._orders)

    def swap(self, order_id: str, content_hash: str, statuses: Statuses) -> tuple[Known | None, bool]:
        """Remember an order, and give what was known of it before and whether it is another version now."""
        known = self._orders.get(order_id)
        version = content_hash[:_HASH_LENGTH]
        if known is not None and known.version == version:
            return known, False
        self._orders.pop(order_id, None)
        self._orders[order_id] = Known(version, self._statuses.setdefault(statuses, statuses))
        return known, True

    def retain(self, shown: Collection[str]) -> None:
        """Forget the oldest beyond what is kept; never one that the last poll has shown and the next may show again."""
        self.is_whole = True
        surplus = len(self._orders) - len(shown) - MOST_ORDERS
        if surplus > 0:
            for order_id in [order_id for order_id in self._orders if order_id not in shown][:surplus]:
                del self._orders[order_id]

    def as_dict(self, most_bytes: int = MOST_BYTES) -> dict[str, Any]:
        """Give those that changed last as plain JSON."""
        places: dict[Statuses, int] = {}
        kept: list[tuple[str, str]] = []
        size = 0
        for order_id, known in reversed(self._orders.items()):
            if known.statuses not in places:
                size += len(repr(known.statuses))
            place = places.setdefault(known.statuses, len(places))
            size += len(order_id) + _HASH_LENGTH + len(str(place)) + 8
            if size > most_bytes:
                break
            kept.append((order_id, f"{known.version}{place}"))
        words = [[list(word) for word in statuses] for statuses in places]
        is_whole = self.is_whole and len(kept) == len(self)
        return {"whole": is_whole, "words": words, "orders": dict(reversed(kept))}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Read it from plain JSON."""
        memory = cls()
        words: list[Statuses] = [
            tuple((canonical, raw) for canonical, raw in statuses) for statuses in content["words"]
        ]
        for order_id, entry in content["orders"].items():
            statuses = words[int(entry[_HASH_LENGTH:])]
            memory.swap(order_id, entry[:_HASH_LENGTH], statuses)
        memory.is_whole = bool(content["whole"])
        return memory


@dataclass(slots=True)
class Position:
    """How far one watch of one selection of orders has come.

    :param scope: which orders of which account it is about.
    :param axes: names of the vendor's axes, sorted.
    :param since: when the watch began; what changed before is no event.
    :param settled: whether a poll was completed. Until then a change without a date may be an old one.
    :param state: how far it has come, as for an export.
    :param memory: what was last known of each order.
    """

    scope: str
    axes: tuple[str, ...]
    since: datetime
    settled: bool
    state: SyncState
    memory: Memory

    @classmethod
    def start(cls, scope: str, axes: tuple[str, ...], since: datetime, *, settled: bool) -> Self:
        """Begin at a moment.

        :param settled: whether changes without a date, which may lie before it, are events too.
        """
        return cls(scope, axes, since, settled, SyncState(watermark=since), Memory())

    def fresh_from(self, lookback: timedelta) -> datetime:
        """Give since when what is dated was not seen by an earlier poll."""
        watermark = self.state.watermark
        return self.since if watermark is None else max(self.since, watermark - lookback)

    def knows_without_memory(self, updated_at: datetime | None, lookback: timedelta) -> bool:
        """Tell whether a change of an order that is not remembered lies before the watch, or was told already."""
        if self.settled and self.memory.is_whole:
            return False
        if updated_at is None:
            return not self.settled
        return updated_at < self.fresh_from(lookback)

    def move_to(self, state: SyncState) -> bool:
        """Take over how far a poll has come, and tell whether that is any further."""
        state = replace(state, sequence=0, run_key="")
        moved = not self.settled or state != self.state
        self.state, self.settled = state, True
        return moved

    def as_dict(self) -> dict[str, Any]:
        """Give it as plain JSON, small enough for an asset's state store."""
        return {
            "format": FORMAT,
            "scope": self.scope,
            "since": self.since.isoformat(),
            "settled": self.settled,
            "state": self.state.as_dict(),
            "axes": list(self.axes),
            **self.memory.as_dict(),
        }

    @classmethod
    def from_dict(cls, content: Any, *, scope: str, axes: tuple[str, ...]) -> Self | None:
        """Read it from plain JSON; None for one of other orders, or that this version of the package cannot read."""
        try:
            stored = content["format"], content["scope"], tuple(content["axes"])
            if stored != (FORMAT, scope, axes):
                return None
            return cls(
                scope,
                axes,
                datetime.fromisoformat(content["since"]),
                bool(content["settled"]),
                SyncState.from_dict(content["state"]),
                Memory.from_dict(content),
            )
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            return None
