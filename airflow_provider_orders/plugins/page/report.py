"""What the page says, made of what was read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from airflow_provider_orders.connections import FORMS
from airflow_provider_orders.models.statuses import FulfillmentStatus, OrderStatus, PaymentStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from airflow_provider_orders.plugins.page.exports import Export
    from airflow_provider_orders.plugins.page.records import Records
    from airflow_provider_orders.plugins.page.waits import Wait

__all__ = [
    "ConnectionReport",
    "Freshness",
    "Report",
    "StatusCount",
    "StatusCounts",
    "WaitGroup",
    "make_report",
]

LAST_EXPORTS: Final = 10
CHARTED_EXPORTS: Final = 50
_AXES: Final = {"order": OrderStatus, "payment": PaymentStatus, "fulfillment": FulfillmentStatus}
_RECENT: Final = timedelta(hours=24)
_CHANGES_OF: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How old the data were when an export ended.

    :param at: when it ended.
    :param data_until: up to when the target knew of changes then.
    """

    at: datetime
    data_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusCount:
    """How many orders are in a status."""

    status: str
    orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusCounts:
    """The statuses of one axis, in the order in which an order passes them."""

    axis: str
    counts: Sequence[StatusCount]

    @property
    def most(self) -> int:
        """The largest count."""
        return max((count.orders for count in self.counts), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitGroup:
    """The waits of one kind on one connection.

    :param waits: how many.
    :param orders: how many orders they watch together, None where they watch filters.
    :param oldest: the longest of them.
    """

    orders_conn_id: str | None
    kind: str
    waits: int
    orders: int | None
    oldest: Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionReport:
    """What there is to say of a connection.

    :param orders_conn_id: the connection, None for failed exports of which it is not known.
    :param vendor: the vendor's name, None where no export tells it.
    :param exports: the last, newest first, failed ones too.
    :param last: the last that succeeded, None where none did.
    :param data_until: up to when the target knows of changes, None where no export succeeded.
    :param freshness: how that moved with the last exports, oldest first.
    :param failures: when exports failed.
    :param statuses: what is in which status; see ``statuses_of_full``.
    :param statuses_of_full: whether that is what a full export found; else it is what changed in the last seven days.
    :param rejected: rows rejected in all the exports that were read.
    """

    orders_conn_id: str | None
    vendor: str | None
    exports: Sequence[Export]
    last: Export | None
    data_until: datetime | None
    freshness: Sequence[Freshness]
    failures: Sequence[datetime]
    statuses: Sequence[StatusCounts]
    statuses_of_full: bool
    rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole page.

    :param made_at: when it was made.
    :param connections: one report each, by id; what is of no known connection comes last.
    :param waits: the groups of waits, that with the longest first.
    :param all_waits: how many waits there are.
    :param oldest_wait: the longest, None where nothing waits.
    :param more_waits: how many of the waits are in no group, as there are too many.
    :param recent_exports: exports that succeeded in the last 24 hours.
    :param recent_failures: exports that failed in the last 24 hours.
    :param recent_rows: orders that were written then.
    :param recent_rejected: rows that were rejected then.
    :param complete_since: from when on every export is there, where that is not as far back as the page looks.
    """

    made_at: datetime
    connections: Sequence[ConnectionReport]
    waits: Sequence[WaitGroup]
    all_waits: int
    oldest_wait: Wait | None
    more_waits: int
    recent_exports: int
    recent_failures: int
    recent_rows: int
    recent_rejected: int
    complete_since: datetime | None


def make_report(records: Records, *, now: datetime) -> Report:
    """Sum up."""
    by_connection: dict[str | None, list[Export]] = {}
    for export in records.exports:
        by_connection.setdefault(export.orders_conn_id, []).append(export)
    recent = [export for export in records.exports if now - export.finished_at <= _RECENT]
    return Report(
        made_at=now,
        connections=[
            _connection(conn_id, by_connection[conn_id], now)
            for conn_id in sorted(by_connection, key=lambda conn_id: (conn_id is None, conn_id or ""))
        ],
        waits=_groups(records.waits),
        all_waits=len(records.waits) + records.more_waits,
        oldest_wait=records.waits[0] if records.waits else None,
        more_waits=records.more_waits,
        recent_exports=sum(export.succeeded for export in recent),
        recent_failures=sum(not export.succeeded for export in recent),
        recent_rows=sum(export.rows for export in recent),
        recent_rejected=sum(export.rejected for export in recent),
        complete_since=records.complete_since,
    )


def _connection(conn_id: str | None, exports: Sequence[Export], now: datetime) -> ConnectionReport:
    done = [export for export in exports if export.succeeded]
    freshness = _freshness(reversed(done))
    statuses, of_full = _statuses(done, now)
    source = next((export.source for export in done if export.source), None)
    form = FORMS.get(source) if source else None
    return ConnectionReport(
        orders_conn_id=conn_id,
        vendor=form.name if form else source,
        exports=exports[:LAST_EXPORTS],
        last=done[0] if done else None,
        data_until=freshness[-1].data_until if freshness else None,
        freshness=freshness[-CHARTED_EXPORTS:],
        failures=[export.finished_at for export in reversed(exports) if not export.succeeded],
        statuses=statuses,
        statuses_of_full=of_full,
        rejected=sum(export.rejected for export in done),
    )


def _freshness(exports: Iterable[Export]) -> list[Freshness]:
    """Follow what the target knows: an export of a window that is long over makes it no older."""
    points: list[Freshness] = []
    for export in exports:
        until = max(export.data_until, points[-1].data_until) if points else export.data_until
        points.append(Freshness(at=export.finished_at, data_until=until))
    return points


def _statuses(exports: Sequence[Export], now: datetime) -> tuple[list[StatusCounts], bool]:
    """Count statuses: a full export found every order once, the others found what changed."""
    if exports and exports[0].mode == "full":
        counted, of_full = exports[:1], True
    else:
        counted = [
            export for export in exports if export.mode != "full" and now - export.finished_at <= _CHANGES_OF
        ]
        of_full = False
    axes: dict[str, Counter[str]] = {axis: Counter() for axis in _AXES}
    for export in counted:
        for axis, counts in export.statuses.items():
            axes.get(axis, Counter()).update(counts)
    return [
        StatusCounts(
            axis=axis,
            counts=[
                StatusCount(status=status, orders=counts[status]) for status in _AXES[axis] if counts[status]
            ],
        )
        for axis, counts in axes.items()
        # A vendor that does not have an axis leaves each order unknown on it.
        if set(+counts) - {"unknown"}
    ], of_full


def _groups(waits: Sequence[Wait]) -> list[WaitGroup]:
    """Group waits, of which the longest come first."""
    groups: dict[tuple[str | None, str], list[Wait]] = {}
    for wait in waits:
        groups.setdefault((wait.orders_conn_id, wait.kind), []).append(wait)
    return [
        WaitGroup(
            orders_conn_id=conn_id,
            kind=kind,
            waits=len(members),
            orders=sum(wait.orders or 0 for wait in members) or None,
            oldest=members[0],
        )
        for (conn_id, kind), members in groups.items()
    ]
