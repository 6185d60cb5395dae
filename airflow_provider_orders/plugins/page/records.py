"""Reads what the page is about from Airflow's metadata database: never more than a fixed number of rows.

Of the two tables that hold exports none is indexed by time or by operator, so only their newest rows are searched, by
primary key: ids of asset events count up, and those of task instances begin with the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.models.asset import AssetEvent
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import Text, and_, cast, func, or_, select

from airflow_provider_orders.assets.orders import EXPORT
from airflow_provider_orders.plugins.page.exports import (
    Export,
    TaskKey,
    find_connections,
    join_parts,
    read_export,
    read_word,
)
from airflow_provider_orders.plugins.page.task_instances import is_same, rendered
from airflow_provider_orders.plugins.page.waits import Wait, read_waits

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from airflow_provider_orders.plugins.page.access import Access

__all__ = ["DAYS", "Records", "read_records"]

DAYS: Final = 30
"""How far back the page looks."""

NEWEST_TASK_INSTANCES: Final = 100_000
NEWEST_ASSET_EVENTS: Final = 20_000
MOST_EXPORTS: Final = 2_000

TRANSFERS: Final = ("OrdersToObjectStorageOperator", "OrdersToSqlOperator")
MERGE: Final = "MergeExportsOperator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What was found.

    :param exports: the newest of each task, newest first.
    :param waits: the longest, longest first.
    :param more_waits: how many more there are.
    :param complete_since: from when on every export is there, as there are too many to read those before; None where
        all are.
    """

    exports: Sequence[Export]
    waits: Sequence[Wait]
    more_waits: int
    complete_since: datetime | None


def read_records(session: Session, access: Access, *, now: datetime) -> Records:
    """Read what a user may see.

    :param session: a session of the metadata database.
    :param access: what the user may read.
    :param now: the present.
    """
    since = now - timedelta(days=DAYS)
    in_events, events_since = _exports_in_asset_events(session, access, since)
    of_tasks, tasks_since = _exports_of_task_instances(session, access, since)
    # A run that both sources tell of is taken once; its manifest says as much as the event.
    exports = {_identity(export): export for export in [*in_events, *of_tasks]}
    waits, more_waits = read_waits(session, access, now=now)
    return Records(
        exports=sorted(
            join_parts(find_connections(exports.values())),
            key=lambda export: export.finished_at,
            reverse=True,
        ),
        waits=waits,
        more_waits=more_waits,
        complete_since=max((limit for limit in (events_since, tasks_since) if limit > since), default=None),
    )


def _identity(export: Export) -> tuple[object, ...]:
    return (export.task or export.orders_conn_id, export.started_at)


def _exports_in_asset_events(
    session: Session, access: Access, since: datetime
) -> tuple[list[Export], datetime]:
    """Read the summaries that transfers leave in the events of their outlets, and tell since when all are there.

    As in Airflow itself, an event needs the right to read its asset, and the DAG that produced it.
    """
    last_searched = _last_searched(session, AssetEvent, NEWEST_ASSET_EVENTS)
    place = func.row_number().over(
        partition_by=(
            AssetEvent.asset_id,
            AssetEvent.source_dag_id,
            AssetEvent.source_task_id,
            AssetEvent.source_map_index,
        ),
        order_by=AssetEvent.id.desc(),
    )
    ranked = (
        select(
            AssetEvent.id,
            AssetEvent.asset_id,
            AssetEvent.extra,
            AssetEvent.source_dag_id,
            AssetEvent.source_run_id,
            AssetEvent.source_task_id,
            AssetEvent.source_map_index,
            AssetEvent.timestamp.label("ended_at"),
            place.label("place"),
        )
        .where(
            *_after(AssetEvent, last_searched),
            AssetEvent.timestamp >= since,
            # Whether the key is there is asked in words that all databases have; what was found is parsed below.
            cast(AssetEvent.extra, Text).like(f'%"{EXPORT}"%'),
            or_(AssetEvent.source_dag_id.is_(None), AssetEvent.source_dag_id.in_(access.dag_ids)),
        )
        .subquery()
        .c
    )
    rows = session.execute(select(*ranked).order_by(ranked.place, ranked.id.desc()).limit(MOST_EXPORTS)).all()
    found = []
    for row in rows:
        summary = row.extra.get(EXPORT) if isinstance(row.extra, Mapping) else None
        task = None
        if row.source_dag_id and row.source_run_id and row.source_task_id:
            index = -1 if row.source_map_index is None else row.source_map_index
            task = TaskKey(row.source_dag_id, row.source_run_id, row.source_task_id, index)
        if (export := read_export(summary, task)) and access.may_read_asset(row.asset_id):
            found.append(export)
    searched_since = None
    if last_searched is not None:
        searched_since = session.scalar(select(AssetEvent.timestamp).where(AssetEvent.id == last_searched))
    tasks = ("asset_id", "source_dag_id", "source_task_id", "source_map_index")
    return found, max(searched_since or since, _complete_since(rows, tasks) or since)


def _exports_of_task_instances(
    session: Session, access: Access, since: datetime
) -> tuple[list[Export], datetime]:
    """Read the manifests that transfers return, and which transfers failed, and tell since when all are there."""
    last_searched = _last_searched(session, TaskInstance, NEWEST_TASK_INSTANCES)
    place = func.row_number().over(
        partition_by=(TaskInstance.dag_id, TaskInstance.task_id, TaskInstance.map_index),
        order_by=TaskInstance.id.desc(),
    )
    ranked = (
        select(
            TaskInstance.id,
            TaskInstance.dag_id,
            TaskInstance.run_id,
            TaskInstance.task_id,
            TaskInstance.map_index,
            TaskInstance.operator,
            TaskInstance.state,
            TaskInstance.start_date,
            TaskInstance.end_date.label("ended_at"),
            place.label("place"),
        )
        .where(
            *_after(TaskInstance, last_searched),
            TaskInstance.operator.in_((*TRANSFERS, MERGE)),
            TaskInstance.state.in_(("success", "failed")),
            TaskInstance.end_date >= since,
            TaskInstance.dag_id.in_(access.dag_ids),
        )
        .subquery()
        .c
    )
    rows = session.execute(
        select(*ranked, XComModel.value, RenderedTaskInstanceFields.rendered_fields)
        .outerjoin(
            XComModel,
            and_(
                is_same(XComModel, ranked),
                XComModel.key == "return_value",
                ranked.state == "success",
            ),
        )
        .outerjoin(
            RenderedTaskInstanceFields,
            and_(is_same(RenderedTaskInstanceFields, ranked), ranked.state == "failed"),
        )
        .order_by(ranked.place, ranked.id.desc())
        .limit(MOST_EXPORTS)
    ).all()
    found = []
    for row in rows:
        task = TaskKey(row.dag_id, row.run_id, row.task_id, row.map_index)
        if row.state == "failed":
            may_read = access.may_read_in_dag(row.dag_id, DagAccessEntity.TASK_INSTANCE)
            export = _failed(row, task) if may_read else None
        else:
            # As it is stored: a manifest is plain, and an API server makes no objects of what tasks return.
            may_read = access.may_read_in_dag(row.dag_id, DagAccessEntity.XCOM)
            export = read_export(row.value, task) if may_read else None
        if export is not None:
            found.append(replace(export, merges=row.operator == MERGE))
    searched_since = _made_at(last_searched) if last_searched else since
    return found, max(searched_since, _complete_since(rows, ("dag_id", "task_id", "map_index")) or since)


def _complete_since(rows: Sequence[Any], task: Sequence[str]) -> datetime | None:
    """Tell from when on no export is missing, where there were too many to read; None where there were not.

    :param rows: what was read: the newest of each task first, then the second of each, and so on.
    :param task: columns that name the task.
    """
    if len(rows) < MOST_EXPORTS:
        return None
    oldest = {tuple(getattr(row, column) for column in task): row for row in rows}
    # All tasks have been read to the place before the last one; those that ended before that are whole.
    ends: list[datetime] = [row.ended_at for row in oldest.values() if row.place >= rows[-1].place - 1]
    return max(ends)


def _failed(row: Any, task: TaskKey) -> Export | None:
    if row.operator == MERGE:
        return None
    started_at = row.start_date or row.ended_at
    return Export(
        orders_conn_id=read_word(rendered(row, "orders_conn_id")),
        source=None,
        task=task,
        succeeded=False,
        started_at=started_at,
        finished_at=row.ended_at,
        seconds=max((row.ended_at - started_at).total_seconds(), 0.0),
    )


def _last_searched(session: Session, table: Any, most: int) -> Any:
    """Give the id of the newest row that is one too many; None where all are searched."""
    return session.scalar(select(table.id).order_by(table.id.desc()).offset(most).limit(1))


def _after(table: Any, last_searched: Any) -> tuple[Any, ...]:
    return () if last_searched is None else (table.id > last_searched,)


def _made_at(task_instance_id: Any) -> datetime:
    """Read the time in the id of a task instance: its first 48 bits are the milliseconds at which it was made."""
    return datetime.fromtimestamp(int(str(task_instance_id).replace("-", "")[:12], 16) / 1000, tz=UTC)
