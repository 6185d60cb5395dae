"""Reads from Airflow's metadata database what waits now: never more than a fixed number of rows."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskreschedule import TaskReschedule
from airflow.models.trigger import Trigger
from cryptography.fernet import InvalidToken
from sqlalchemy import func, select
from sqlalchemy.orm import lazyload

from airflow_provider_orders.plugins.page.exports import TaskKey, read_word
from airflow_provider_orders.plugins.page.task_instances import is_same, rendered

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import Session

    from airflow_provider_orders.plugins.page.access import Access

__all__ = ["Wait", "read_waits"]

log = logging.getLogger(__name__)

MOST_WAITS: Final = 1_000

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


def read_waits(session: Session, access: Access, *, now: datetime) -> tuple[list[Wait], int]:
    """Read the waits that a user may see, the longest first, and count those that are too many.

    :param session: a session of the metadata database.
    :param access: what the user may read.
    :param now: the present.
    """
    deferred, more_deferred = _longest(
        session,
        access,
        select(Trigger)
        .select_from(TaskInstance)
        .join(Trigger, TaskInstance.trigger_id == Trigger.id)
        .where(
            TaskInstance.state == "deferred",
            Trigger.classpath.startswith(TRIGGERS, autoescape=True),
        )
        # It would bring each trigger's whole task instance.
        .options(lazyload(Trigger.task_instance)),
        since=func.coalesce(TaskInstance.start_date, Trigger.created_date),
        read_wait=_deferred,
    )
    poking, more_poking = _longest(
        session,
        access,
        select(TaskInstance.operator).where(
            TaskInstance.state.in_(("running", "up_for_reschedule")), TaskInstance.operator.in_(SENSORS)
        ),
        since=func.coalesce(_first_reschedule(), TaskInstance.start_date),
        read_wait=_poking,
    )
    waits = sorted([*deferred, *poking], key=lambda wait: wait.since or now)
    return waits, more_deferred + more_poking


def _longest(
    session: Session,
    access: Access,
    waiting: Select[Any],
    *,
    since: ColumnElement[Any],
    read_wait: Callable[[Any, TaskKey], Wait],
) -> tuple[list[Wait], int]:
    """Read the waits that are the longest, and count those that are too many.

    :param waiting: selects task instances that wait.
    :param since: when one began.
    :param read_wait: makes a wait of a row.
    """
    waiting = waiting.where(TaskInstance.dag_id.in_(access.dag_ids))
    since = since.label("since")
    rows = session.execute(
        waiting.add_columns(
            TaskInstance.dag_id,
            TaskInstance.run_id,
            TaskInstance.task_id,
            TaskInstance.map_index,
            RenderedTaskInstanceFields.rendered_fields,
            since,
        )
        .outerjoin(RenderedTaskInstanceFields, is_same(RenderedTaskInstanceFields, TaskInstance))
        .order_by(since, TaskInstance.id)
        .limit(MOST_WAITS)
    ).all()
    found = [
        read_wait(row, TaskKey(row.dag_id, row.run_id, row.task_id, row.map_index))
        for row in rows
        if access.may_read_in_dag(row.dag_id, DagAccessEntity.TASK_INSTANCE)
    ]
    if len(rows) < MOST_WAITS:
        return found, 0
    counted = session.execute(
        waiting.with_only_columns(TaskInstance.dag_id, func.count(), maintain_column_froms=True).group_by(
            TaskInstance.dag_id
        )
    )
    readable = sum(
        number for dag_id, number in counted if access.may_read_in_dag(dag_id, DagAccessEntity.TASK_INSTANCE)
    )
    return found, readable - len(found)


def _first_reschedule() -> Any:
    """Look up when a try was rescheduled first: Airflow writes the start of each poke over that of the one before."""
    return (
        select(TaskReschedule.start_date)
        .where(TaskReschedule.ti_id == TaskInstance.id)
        .order_by(TaskReschedule.id)
        .limit(1)
        .correlate(TaskInstance)
        .scalar_subquery()
    )


def _deferred(row: Any, task: TaskKey) -> Wait:
    """Read a wait that the triggerer has."""
    arguments = _arguments(row.Trigger)
    return Wait(
        orders_conn_id=read_word(arguments.get("orders_conn_id"))
        or read_word(rendered(row, "orders_conn_id")),
        kind=_KINDS.get(row.Trigger.classpath.rpartition(".")[2], "status"),
        orders=_number_of_orders(arguments.get("order_id")),
        since=row.since,
        task=task,
    )


def _poking(row: Any, task: TaskKey) -> Wait:
    """Read a wait that workers have."""
    return Wait(
        orders_conn_id=read_word(rendered(row, "orders_conn_id")),
        kind=_KINDS[row.operator],
        orders=_number_of_orders(rendered(row, "order_id")),
        since=row.since,
        task=task,
    )


def _arguments(trigger: Trigger) -> Mapping[str, Any]:
    """Decrypt a trigger's arguments; they hold ids and words, and no more than two of them are looked at."""
    try:
        arguments: Any = trigger.kwargs
    except (InvalidToken, ValueError) as error:
        log.warning("The arguments of trigger %s cannot be read: %s", trigger.id, type(error).__name__)
        return {}
    return arguments if isinstance(arguments, Mapping) else {}


def _number_of_orders(value: object) -> int | None:
    if isinstance(value, list | tuple):
        return len(value)
    return None if value is None or value == "" else 1
