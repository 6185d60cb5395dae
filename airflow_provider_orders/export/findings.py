"""What a reconciliation has found, gathered window by window, and the report of it."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypedDict

from airflow_provider_orders.export.manifest import NO_CURRENCY
from airflow_provider_orders.export.windows import Window, window_kwargs
from airflow_provider_orders.models.money import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_orders.apis.base import OrderApi

__all__ = ["MOST_IDS", "Difference", "Findings", "Reconciliation"]

log = logging.getLogger(__name__)

MOST_IDS: Final = 100
"""Ids that a report names, and windows: XCom carries it."""


class Difference(TypedDict):
    """Orders that differ in one way.

    :param count: how many.
    :param ids: the first hundred of them; none where only counts were compared.
    """

    count: int
    ids: list[str]


class Reconciliation(TypedDict):
    """What a reconciliation has found.

    :param source: the vendor.
    :param orders_conn_id: the connection.
    :param depth: ``totals`` or ``orders``.
    :param by: what the windows are about, ``created`` or ``updated``.
    :param window: from and to in ISO form, each None where open.
    :param uri: the folder or table compared with.
    :param checked: how many orders the ``source`` has in the window, and how many were ``written``.
    :param missing: in the source, not in the target.
    :param extra: in the target, no longer in the source, and not marked as deleted.
    :param changed: in both, with another amount or another content.
    :param changed_since: placed or changed after the exports; no difference.
    :param unreadable: rows of the source that are not what the vendor documents, and were not compared.
    :param totals: per currency, the sum of the orders' totals in the ``source`` and as ``written``, as text; empty where
        only counts were compared.
    :param windows: the first hundred windows that differ, with their counts.
    :param windows_to_repair: windows with missing or changed orders, as arguments for a mapped export; at most a hundred,
        adjoining ones as one where there are more.
    :param is_equal: whether nothing is missing, extra or changed.
    :param can_miss: in words, what this comparison cannot see.
    :param requests: requests sent.
    :param seconds: how long it took.
    :param started_at: when it started, ISO in UTC.
    :param finished_at: when it finished.
    """

    source: str
    orders_conn_id: str
    depth: str
    by: str
    window: list[str | None]
    uri: str
    checked: dict[str, int]
    missing: Difference
    extra: Difference
    changed: Difference
    changed_since: Difference
    unreadable: int
    totals: dict[str, dict[str, str]]
    windows: list[dict[str, Any]]
    windows_to_repair: list[dict[str, str]]
    is_equal: bool
    can_miss: list[str]
    requests: int
    seconds: float
    started_at: str
    finished_at: str


@dataclass
class Findings:
    """Counts and differences of one comparison.

    :param depth: ``totals`` or ``orders``.
    :param by: what the windows are about, ``created`` or ``updated``.
    :param windows: the windows in order.
    :param uri: what is compared with.
    :param source: per window, orders that the vendor has.
    :param written: per window, orders that were written.
    :param unreadable: rows that were not compared.
    """

    depth: str
    by: str
    windows: Sequence[Window]
    uri: str
    source: Counter[int] = field(default_factory=Counter)
    written: Counter[int] = field(default_factory=Counter)
    unreadable: int = 0

    def __post_init__(self) -> None:
        # An open window begins before all others.
        self._starts = [window[0] or datetime.min.replace(tzinfo=UTC) for window in self.windows]
        self._found: dict[str, Counter[int]] = {
            kind: Counter() for kind in ("missing", "extra", "changed", "changed_since")
        }
        self._ids: dict[str, list[str]] = {kind: [] for kind in self._found}
        self._sums: dict[str, dict[str, Decimal]] = {}
        self._started_at = datetime.now(UTC)

    def add(self, kind: str, number: int, count: int = 1, order_id: str | None = None) -> None:
        """Note a difference in a window."""
        self._found[kind][number] += count
        if order_id is not None and len(self._ids[kind]) < MOST_IDS:
            self._ids[kind].append(order_id)

    def add_amount(self, side: str, currency: str | None, total: Decimal | None) -> None:
        """Add an order's total to the sum of a side, ``source`` or ``written``."""
        if total is not None:
            sums = self._sums.setdefault(
                currency or NO_CURRENCY, {"source": Decimal(0), "written": Decimal(0)}
            )
            sums[side] += total

    def number(self, moment: datetime | None) -> int | None:
        """Find the window of a moment; an unknown one lies in the first, as in an export."""
        if moment is None:
            return 0
        number = bisect_right(self._starts, moment) - 1
        end = self.windows[number][1]
        return number if number >= 0 and (end is None or moment < end) else None

    def sum_up(self, api: OrderApi[Any], *, can_miss: list[str], requests: int) -> Reconciliation:
        """Give the report."""
        finished_at = datetime.now(UTC)
        kinds = {
            kind: Difference(count=counts.total(), ids=self._ids[kind])
            for kind, counts in self._found.items()
        }
        wrong = {number for kind in ("missing", "extra", "changed") for number in self._found[kind]}
        if self.unreadable:
            log.warning(
                "%d rows are not what %s documents, and were not compared", self.unreadable, api.title
            )
        return Reconciliation(
            source=api.vendor,
            orders_conn_id=api.settings.conn_id,
            depth=self.depth,
            by=self.by,
            window=[
                moment.isoformat() if moment else None for moment in (self.windows[0][0], self.windows[-1][1])
            ],
            uri=self.uri,
            checked={"source": self.source.total(), "written": self.written.total()},
            missing=kinds["missing"],
            extra=kinds["extra"],
            changed=kinds["changed"],
            changed_since=kinds["changed_since"],
            unreadable=self.unreadable,
            totals={
                currency: {side: f"{plain(total):f}" for side, total in sums.items()}
                for currency, sums in sorted(self._sums.items())
            },
            windows=[
                {
                    **window_kwargs(self.by, self.windows[number]),
                    "source": self.source[number],
                    "written": self.written[number],
                }
                for number in sorted(wrong)[:MOST_IDS]
            ],
            windows_to_repair=self._to_repair(),
            is_equal=not wrong,
            can_miss=can_miss,
            requests=requests,
            seconds=round((finished_at - self._started_at).total_seconds(), 3),
            started_at=self._started_at.isoformat(),
            finished_at=finished_at.isoformat(),
        )

    def _to_repair(self) -> list[dict[str, str]]:
        """Give the windows that another export brings right; what is extra in a target it does not take away."""
        numbers = sorted({*self._found["missing"], *self._found["changed"]})
        size = -(-len(numbers) // MOST_IDS) or 1
        groups = [numbers[start : start + size] for start in range(0, len(numbers), size)]
        return [
            window_kwargs(self.by, (self.windows[group[0]][0], self.windows[group[-1]][1]))
            for group in groups
        ]
