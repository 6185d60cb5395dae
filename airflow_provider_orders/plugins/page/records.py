"""Reads what the page is about from Airflow's metadata database: never more than a fixed number of rows.

Of the two tables that hold exports none is indexed by time or by operator, so only their newest rows are searched, by
primary key: ids of asset events count up, and those of task instances begin with the time.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.models.asset import AssetEvent
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.models.xcom import XComModel
from cryptography.fernet import InvalidToken
from sqlalchemy import Text, and_, cast, func, or_, select
from sqlalchemy.orm import lazyload

from airflow_provider_orders.assets.orders import EXPORT
from airflow_provider_orders.plugins.page.exports import Export, TaskKey, join_parts, read_export

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from airflow_provider_orders.plugins.page.access import Access

__all__ = ["DAYS", "Records", "Wait", "read_records"]

log = logging.getLogger(__name__)

DAYS: Final = 30
"""How far back the page looks."""

NEWEST_TASK_INSTANCES: Final = 100_000
NEWEST_ASSET_EVENTS: Final = 20_000
MOST_EXPORTS: Final = 2_000
MOST_WAITS: Final = 1_000

TRANSFERS: Final = ("OrdersToObjectStorageOperator", "OrdersToSqlOperator")
MERGE: Final = "MergeExportsOperator"
SENSORS: Final = ("OrderStatusSensor", "OrdersUpdatedSensor")
TRIGGERS: Final = "airflow_provider_orders.triggers."

_KINDS: Final = {
    "OrderStatusTrigger": "status",
    "OrderStatusSensor": "status",
    "OrdersUpdatedTrigger": "updated",
    "OrdersUpdatedSensor": "updated",
    "PauseTrigger": "pause",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A task that waits for orders.

    :param orders_conn_id: the connection, None where it cannot be told.
    :param kind: ``status``, ``updated``, or ``pause`` for an export that leaves the vendor alone for a while.
    :param orders: how many orders it watches, None where it watches a filter.
    :param since: when it began.
    :param task: the task instance.
    """

    orders_conn_id: str | None
    kind: str
    orders: int | None
    since: datetime | None
    task: TaskKey


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
    deferred, more_waits = _deferred(session, access)
    waits = sorted([*deferred, *_poking(session, access)], key=lambda wait: wait.since or now)
    return Records(
        exports=sorted(join_parts(exports.values()), key=lambda export: export.finished_at, reverse=True),
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
                *_same_task_instance(XComModel, ranked),
                XComModel.key == "return_value",
                ranked.state == "success",
            ),
        )
        .outerjoin(
            RenderedTaskInstanceFields,
            and_(*_same_task_instance(RenderedTaskInstanceFields, ranked), ranked.state == "failed"),
        )
        .order_by(ranked.place, ranked.id.desc())
        .limit(MOST_EXPORTS)
    ).all()
    found = []
    for row in rows:
        task = TaskKey(row.dag_id, row.run_id, row.task_id, row.map_index)
        if row.state == "failed":
            export = _failed(row, task) if _may_read(access, task, DagAccessEntity.TASK_INSTANCE) else None
        else:
            # As it is stored: a manifest is plain, and an API server makes no objects of what tasks return.
            export = read_export(row.value, task) if _may_read(access, task, DagAccessEntity.XCOM) else None
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
    return max(row.ended_at for row in oldest.values() if row.place >= rows[-1].place - 1)


def _failed(row: Any, task: TaskKey) -> Export | None:
    conn_id = _rendered(row, "orders_conn_id")
    if row.operator == MERGE or not isinstance(conn_id, str) or row.start_date is None:
        return None
    return Export(
        orders_conn_id=conn_id,
        source=None,
        task=task,
        succeeded=False,
        started_at=row.start_date,
        finished_at=row.ended_at,
        seconds=max((row.ended_at - row.start_date).total_seconds(), 0.0),
    )


def _deferred(session: Session, access: Access) -> tuple[list[Wait], int]:
    """Read the waits that the triggerer has, the longest first, and count those that are too many."""
    are_deferred = (
        TaskInstance.state == "deferred",
        Trigger.classpath.startswith(TRIGGERS, autoescape=True),
        TaskInstance.dag_id.in_(access.dag_ids),
    )
    rows = session.execute(
        select(
            TaskInstance.dag_id,
            TaskInstance.run_id,
            TaskInstance.task_id,
            TaskInstance.map_index,
            TaskInstance.start_date,
            RenderedTaskInstanceFields.rendered_fields,
            Trigger,
        )
        .select_from(TaskInstance)
        .join(Trigger, TaskInstance.trigger_id == Trigger.id)
        .outerjoin(
            RenderedTaskInstanceFields, and_(*_same_task_instance(RenderedTaskInstanceFields, TaskInstance))
        )
        .where(*are_deferred)
        .order_by(TaskInstance.start_date, TaskInstance.id)
        .limit(MOST_WAITS)
        # It would bring each trigger's whole task instance.
        .options(lazyload(Trigger.task_instance))
    ).all()
    found = []
    for row in rows:
        task = TaskKey(row.dag_id, row.run_id, row.task_id, row.map_index)
        if _may_read(access, task, DagAccessEntity.TASK_INSTANCE):
            found.append(_deferred_wait(row, task))
    if len(rows) < MOST_WAITS:
        return found, 0
    counted = session.execute(
        select(TaskInstance.dag_id, func.count())
        .select_from(TaskInstance)
        .join(Trigger, TaskInstance.trigger_id == Trigger.id)
        .where(*are_deferred)
        .group_by(TaskInstance.dag_id)
    )
    readable = sum(
        number for dag_id, number in counted if access.may_read_in_dag(dag_id, DagAccessEntity.TASK_INSTANCE)
    )
    return found, readable - len(found)


def _deferred_wait(row: Any, task: TaskKey) -> Wait:
    arguments = _arguments(row.Trigger)
    return Wait(
        orders_conn_id=_text(arguments.get("orders_conn_id")) or _text(_rendered(row, "orders_conn_id")),
        kind=_KINDS.get(row.Trigger.classpath.rpartition(".")[2], "status"),
        orders=_number_of_orders(arguments.get("order_id")),
        since=row.start_date or row.Trigger.created_date,
        task=task,
    )


def _poking(session: Session, access: Access) -> list[Wait]:
    """Read the waits that workers have."""
    rows = session.execute(
        select(
            TaskInstance.dag_id,
            TaskInstance.run_id,
            TaskInstance.task_id,
            TaskInstance.map_index,
            TaskInstance.operator,
            TaskInstance.start_date,
            RenderedTaskInstanceFields.rendered_fields,
        )
        .select_from(TaskInstance)
        .outerjoin(
            RenderedTaskInstanceFields, and_(*_same_task_instance(RenderedTaskInstanceFields, TaskInstance))
        )
        .where(
            TaskInstance.state.in_(("running", "up_for_reschedule")),
            TaskInstance.operator.in_(SENSORS),
            TaskInstance.dag_id.in_(access.dag_ids),
        )
        .order_by(TaskInstance.start_date, TaskInstance.id)
        .limit(MOST_WAITS)
    )
    found = []
    for row in rows:
        task = TaskKey(row.dag_id, row.run_id, row.task_id, row.map_index)
        if _may_read(access, task, DagAccessEntity.TASK_INSTANCE):
            found.append(
                Wait(
                    orders_conn_id=_text(_rendered(row, "orders_conn_id")),
                    kind=_KINDS[row.operator],
                    orders=_number_of_orders(_rendered(row, "order_id")),
                    since=row.start_date,
                    task=task,
                )
            )
    return found


def _last_searched(session: Session, table: Any, most: int) -> Any:
    """Give the id of the newest row that is one too many; None where all are searched."""
    return session.scalar(select(table.id).order_by(table.id.desc()).offset(most).limit(1))


def _after(table: Any, last_searched: Any) -> tuple[Any, ...]:
    return () if last_searched is None else (table.id > last_searched,)


def _made_at(task_instance_id: Any) -> datetime:
    """Read the time in the id of a task instance: its first 48 bits are the milliseconds at which it was made."""
    return datetime.fromtimestamp(int(str(task_instance_id).replace("-", "")[:12], 16) / 1000, tz=UTC)


def _same_task_instance(table: Any, other: Any) -> tuple[Any, ...]:
    return tuple(
        getattr(table, column) == getattr(other, column)
        for column in ("dag_id", "task_id", "run_id", "map_index")
    )


def _may_read(access: Access, task: TaskKey, entity: DagAccessEntity) -> bool:
    return access.may_read_in_dag(task.dag_id, entity)


def _arguments(trigger: Trigger) -> Mapping[str, Any]:
    """Decrypt a trigger's arguments; they hold ids and words, and no more than two of them are looked at."""
    try:
        arguments: Any = trigger.kwargs
    except (InvalidToken, ValueError) as error:
        log.warning("The arguments of trigger %s cannot be read: %s", trigger.id, type(error).__name__)
        return {}
    return arguments if isinstance(arguments, Mapping) else {}


def _rendered(row: Any, field: str) -> object:
    return row.rendered_fields.get(field) if isinstance(row.rendered_fields, Mapping) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _number_of_orders(value: object) -> int | None:
    if isinstance(value, list | tuple):
        return len(value)
    return None if value is None or value == "" else 1
