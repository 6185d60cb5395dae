"""What the page knows of an export: read from a manifest, or from the summary in an asset event."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

__all__ = ["Export", "TaskKey", "find_connections", "join_parts", "read_export", "read_word"]


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

    :param orders_conn_id: the connection, None where it is not known, of one that failed.
    :param source: the vendor, None where it is not known.
    :param task: the task instance that did it, None where an asset event does not name it.
    :param succeeded: whether it did; of one that failed nothing else is known but its times.
    :param started_at: when it started.
    :param finished_at: when it finished.
    :param seconds: how long it took.
    :param mode: ``incremental``, ``window`` or ``full``.
    :param window: from and to, each None where open.
    :param rows: orders written.
    :param rejected: rows that are not what the vendor documents.
    :param drift: how many fields are new, have vanished or have another type.
    :param statuses: per axis, how many orders are in each canonical status.
    :param parts: how many mapped task instances did it together.
    :param merges: whether this is the sum of mapped exports of the same run.
    """

    orders_conn_id: str | None
    source: str | None
    task: TaskKey | None
    succeeded: bool
    started_at: datetime
    finished_at: datetime
    seconds: float
    mode: str | None = None
    window: tuple[datetime | None, datetime | None] = (None, None)
    rows: int = 0
    rejected: int = 0
    drift: int = 0
    statuses: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    parts: int = 1
    merges: bool = False

    @property
    def data_until(self) -> datetime:
        """Up to when changes at the vendor are in the target, thanks to this export.

        The watermark would not tell: it may be the newest change seen, however long ago that was.
        """
        return min(self.window[1] or self.started_at, self.started_at)


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
    span, took = max((finished_at - started_at).total_seconds(), 0.0), value.get("seconds")
    return Export(
        orders_conn_id=conn_id,
        source=read_word(value.get("source")),
        task=task,
        succeeded=True,
        started_at=started_at,
        finished_at=finished_at,
        # It may have begun with an interrupted try, long before the one that brought it.
        seconds=float(took) if isinstance(took, int | float) and 0 <= took < span else span,
        mode=read_word(value.get("mode")),
        window=_window(value.get("window")),
        rows=_count(rows),
        rejected=_count(value.get("rejected")),
        drift=_drift(value.get("drift")),
        statuses=_statuses(value.get("statuses")),
    )


def read_word(value: object) -> str | None:
    """Give a text that is not empty; None for anything else."""
    return value if isinstance(value, str) and value else None


def find_connections(exports: Iterable[Export]) -> list[Export]:
    """Give failed exports whose connection is not known that of the same task's other exports.

    Airflow keeps the arguments of a task for its newest runs only. The connection stays unknown where the others do not
    agree: those of the same map index, and else those of the whole task.
    """
    exports = list(exports)
    known: defaultdict[tuple[object, ...], set[str]] = defaultdict(set)
    for export in exports:
        if export.orders_conn_id is not None:
            for names in _task_names(export):
                known[names].add(export.orders_conn_id)

    def find(export: Export) -> str | None:
        candidates = (known[names] for names in _task_names(export))
        return next((conn_id for conn_ids in candidates if len(conn_ids) == 1 for conn_id in conn_ids), None)

    return [
        replace(export, orders_conn_id=find(export)) if export.orders_conn_id is None else export
        for export in exports
    ]


def _task_names(export: Export) -> tuple[tuple[object, ...], ...]:
    task = export.task
    return ((task.dag_id, task.task_id, task.map_index), (task.dag_id, task.task_id)) if task else ()


def join_parts(exports: Iterable[Export]) -> list[Export]:
    """Make one export of those that a mapped task did in a run; where another task has merged them, leave them out.

    Of a part that was cleared and ran again the newest counts; the earlier ones are an export of their own.
    """
    whole: list[Export] = []
    merged: set[tuple[object, ...]] = set()
    parts: dict[tuple[object, ...], list[Export]] = {}
    newer: Counter[tuple[object, ...]] = Counter()
    for export in sorted(exports, key=lambda export: export.finished_at, reverse=True):
        task, conn_id, succeeded = export.task, export.orders_conn_id, export.succeeded
        if task is not None and export.merges:
            merged.add((task.dag_id, task.run_id, conn_id))
        if task is None or task.map_index < 0 or export.merges:
            whole.append(export)
            continue
        part = (task, conn_id, succeeded)
        parts.setdefault(
            (task.dag_id, task.run_id, conn_id, task.task_id, succeeded, newer[part]), []
        ).append(export)
        newer[part] += 1
    return [
        *whole,
        *(
            _sum(members)
            for (*run, _, succeeded, _), members in parts.items()
            if not succeeded or tuple(run) not in merged
        ),
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
