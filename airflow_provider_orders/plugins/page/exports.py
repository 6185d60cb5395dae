"""What the page knows of an export: read from a manifest, or from the summary in an asset event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

__all__ = ["Export", "TaskKey", "join_parts", "read_export"]


@dataclass(frozen=True, slots=True, order=True)
class TaskKey:
    """Names a task instance.

    :param map_index: -1 where the task is not mapped.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One export.

    :param orders_conn_id: the connection.
    :param source: the vendor, None where it is not known.
    :param task: the task instance that did it, None where an asset event does not name it.
    :param succeeded: whether it did; of one that failed nothing else is known but its times.
    :param started_at: when it started.
    :param finished_at: when it finished.
    :param seconds: how long it took.
    :param mode: ``incremental``, ``window`` or ``full``.
    :param window: from and to, each None where open.
    :param watermark: up to when changes are in the target, None where the export did not move it.
    :param rows: orders written.
    :param rejected: rows that are not what the vendor documents.
    :param drift: how many fields are new, have vanished or have another type.
    :param statuses: per axis, how many orders are in each canonical status.
    :param parts: how many mapped task instances did it together.
    :param merges: whether this is the sum of mapped exports of the same run.
    """

    orders_conn_id: str
    source: str | None
    task: TaskKey | None
    succeeded: bool
    started_at: datetime
    finished_at: datetime
    seconds: float
    mode: str | None = None
    window: tuple[datetime | None, datetime | None] = (None, None)
    watermark: datetime | None = None
    rows: int = 0
    rejected: int = 0
    drift: int = 0
    statuses: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    parts: int = 1
    merges: bool = False

    @property
    def data_until(self) -> datetime:
        """Up to when changes at the vendor are in the target, thanks to this export."""
        until = self.watermark or self.window[1] or self.started_at
        return min(until, self.started_at)


def read_export(value: object, task: TaskKey | None) -> Export | None:
    """Read a manifest or a summary of one; None where it is neither.

    What a task returns and what lies in an event may be anything: an odd field is as good as a missing one.
    """
    if not isinstance(value, Mapping):
        return None
    conn_id, rows = value.get("orders_conn_id"), value.get("rows")
    started_at, finished_at = _moment(value.get("started_at")), _moment(value.get("finished_at"))
    if not isinstance(conn_id, str) or not _is_count(rows) or started_at is None or finished_at is None:
        return None
    return Export(
        orders_conn_id=conn_id,
        source=_word(value.get("source")),
        task=task,
        succeeded=True,
        started_at=started_at,
        finished_at=finished_at,
        seconds=max((finished_at - started_at).total_seconds(), 0.0),
        mode=_word(value.get("mode")),
        window=_window(value.get("window")),
        watermark=_moment(value.get("watermark")),
        rows=_count(rows),
        rejected=_count(value.get("rejected")),
        drift=_drift(value.get("drift")),
        statuses=_statuses(value.get("statuses")),
    )


def join_parts(exports: Iterable[Export]) -> list[Export]:
    """Make one export of those that a mapped task did in a run; where another task has merged them, leave them out."""
    joined: dict[tuple[object, ...], list[Export]] = {}
    merged = set()
    for number, export in enumerate(exports):
        task = export.task
        if task is not None and export.merges:
            merged.add((task.dag_id, task.run_id, export.orders_conn_id))
        key: tuple[object, ...] = (number,)
        if task is not None and task.map_index >= 0:
            key = (task.dag_id, task.run_id, task.task_id, export.orders_conn_id, export.succeeded)
        joined.setdefault(key, []).append(export)
    return [
        _sum(parts)
        for (dag_id, *names), parts in joined.items()
        if not names or (dag_id, names[0], parts[0].orders_conn_id) not in merged
    ]


def _sum(parts: Sequence[Export]) -> Export:
    if len(parts) == 1:
        return parts[0]
    started_at, finished_at = min(part.started_at for part in parts), max(part.finished_at for part in parts)
    statuses: dict[str, Counter[str]] = {}
    for part in parts:
        for axis, counts in part.statuses.items():
            statuses.setdefault(axis, Counter()).update(counts)
    starts, ends = zip(*(part.window for part in parts), strict=True)
    return replace(
        max(parts, key=lambda part: part.finished_at),
        started_at=started_at,
        finished_at=finished_at,
        seconds=(finished_at - started_at).total_seconds(),
        window=(None if None in starts else min(starts), None if None in ends else max(ends)),
        watermark=max((part.watermark for part in parts if part.watermark), default=None),
        rows=sum(part.rows for part in parts),
        rejected=sum(part.rejected for part in parts),
        drift=max(part.drift for part in parts),
        statuses=statuses,
        parts=len(parts),
    )


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _count(value: Any) -> int:
    return int(value) if _is_count(value) else 0


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _window(value: object) -> tuple[datetime | None, datetime | None]:
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
        return _moment(value[0]), _moment(value[1])
    return None, None


def _drift(value: object) -> int:
    """Count changes: a manifest lists them, a summary holds their number."""
    return len(value) if isinstance(value, list) else _count(value)


def _statuses(value: object) -> dict[str, dict[str, int]]:
    if not isinstance(value, Mapping):
        return {}
    return {
        str(axis): {str(status): count for status, count in counts.items() if _is_count(count)}
        for axis, counts in value.items()
        if isinstance(counts, Mapping)
    }
