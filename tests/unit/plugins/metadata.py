"""Airflow's metadata database with what a test wants to be in it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from airflow.models import import_all_models
from airflow.models.asset import AssetEvent
from airflow.models.base import Base
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskreschedule import TaskReschedule
from airflow.models.trigger import Trigger
from airflow.models.xcom import XComModel
from sqlalchemy import create_engine, insert, text
from sqlalchemy.orm import Session, sessionmaker

from airflow_provider_orders.plugins.page.exports import TaskKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine

__all__ = ["NOW", "Metadata", "manifest"]

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def manifest(
    *, ended: datetime = NOW - timedelta(hours=1), conn_id: str = "shop", **fields: Any
) -> dict[str, Any]:
    """Give what a transfer returns."""
    return {
        "model_version": 1,
        "source": "popsell",
        "orders_conn_id": conn_id,
        "mode": "incremental",
        "window": [(ended - timedelta(hours=2)).isoformat(), (ended - timedelta(minutes=5)).isoformat()],
        "watermark": (ended - timedelta(minutes=5)).isoformat(),
        "uri": "file:///orders",
        "files": [],
        "rows": 12,
        "rejected": 0,
        "statuses": {"order": {"completed": 9, "cancelled": 3}, "payment": {"unknown": 12}},
        "drift": [],
        "seconds": 30.0,
        "started_at": (ended - timedelta(seconds=30)).isoformat(),
        "finished_at": ended.isoformat(),
        **fields,
    }


@dataclass
class Metadata:
    """Writes rows as Airflow does, as far as the page reads them."""

    engine: Engine
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _runs: dict[tuple[str, str], int] = field(default_factory=dict)
    _ids: dict[TaskKey, UUID | str] = field(default_factory=dict)
    _dags: set[str] = field(default_factory=set)

    @classmethod
    def create(cls, url: str) -> Metadata:
        """Make Airflow's tables in an empty database."""
        import_all_models()  # type: ignore[no-untyped-call]
        engine = create_engine(url)
        if engine.dialect.name == "mysql":
            with engine.begin() as connection:
                # Airflow shortens its keys so, where its configuration names such a database.
                connection.execute(text(f"ALTER DATABASE `{engine.url.database}` CHARACTER SET utf8mb3"))
            engine.dialect.supports_native_uuid = False  # MariaDB's own, which MySQL's driver does not know
        Base.metadata.create_all(engine)
        return cls(engine)

    @property
    def session(self) -> sessionmaker[Session]:
        """Make sessions."""
        return sessionmaker(self.engine)

    def add(self, table: Any, rows: list[dict[str, Any]]) -> None:
        with self.session.begin() as session:
            session.execute(insert(table.__table__), rows)

    def export(
        self,
        task: TaskKey | None = None,
        *,
        ended: datetime = NOW - timedelta(hours=1),
        returned: object = None,
        operator: str = "OrdersToSqlOperator",
        state: str = "success",
        rendered: dict[str, Any] | None = None,
    ) -> TaskKey:
        """Add a task instance that ended, with what it returned."""
        task = task or self.task()
        value = manifest(ended=ended) if returned is None else returned
        self.task_instance(
            task, operator=operator, state=state, start=ended - timedelta(seconds=30), end=ended
        )
        if state == "success":
            self.add(
                XComModel,
                [
                    {
                        "dag_run_id": self._runs[task.dag_id, task.run_id],
                        **_names(task),
                        "key": "return_value",
                        "value": value,
                    }
                ],
            )
        if rendered is not None:
            self.rendered(task, rendered)
        return task

    def task(self, dag_id: str = "nightly") -> TaskKey:
        """Name a task instance that is not there yet."""
        return TaskKey(dag_id, f"scheduled__{next(self._numbers)}", "export")

    def task_instance(
        self,
        task: TaskKey,
        *,
        operator: str,
        state: str,
        start: datetime,
        end: datetime | None = None,
        trigger_id: int | None = None,
    ) -> None:
        """Add a task instance; its id begins with the time, as Airflow's do."""
        self.dag(task.dag_id)
        self._run(task, start)
        self._ids[task] = self._id(start)
        self.add(
            TaskInstance,
            [
                {
                    "id": self._ids[task],
                    **_names(task),
                    "operator": operator,
                    "state": state,
                    "start_date": start,
                    "end_date": end,
                    "pool": "default_pool",
                    "trigger_id": trigger_id,
                    "executor_config": {},
                }
            ],
        )

    def rescheduled(self, task: TaskKey, moments: list[datetime]) -> None:
        """Add when a task instance was rescheduled; Airflow notes the moment at which the poke had ended."""
        self.add(
            TaskReschedule,
            [
                {
                    "ti_id": self._ids[task],
                    "start_date": moment,
                    "end_date": moment,
                    "duration": 0,
                    "reschedule_date": moment + timedelta(minutes=1),
                }
                for moment in moments
            ],
        )

    def rendered(self, task: TaskKey, fields: dict[str, Any]) -> None:
        """Add the rendered fields of a task instance."""
        self.add(RenderedTaskInstanceFields, [{**_names(task), "rendered_fields": fields}])

    def wait(self, trigger: Any, *, since: datetime, task: TaskKey | None = None) -> TaskKey:
        """Add a task instance that a trigger will wake."""
        task = task or self.task("waiting")
        with self.session.begin() as session:
            row = Trigger.from_object(trigger)
            session.add(row)
            session.flush()
            trigger_id = row.id
        self.task_instance(
            task, operator="OrderStatusSensor", state="deferred", start=since, trigger_id=trigger_id
        )
        return task

    def event(
        self,
        summary: object,
        *,
        task: TaskKey | None = None,
        asset_id: int = 1,
        at: datetime = NOW - timedelta(hours=1),
        key: str = "orders_export",
    ) -> None:
        """Add an event of an asset."""
        source = {f"source_{name}": value for name, value in _names(task).items()} if task else {}
        self.add(AssetEvent, [{"asset_id": asset_id, "extra": {key: summary}, "timestamp": at, **source}])

    def dag(self, dag_id: str) -> None:
        """Add a DAG, once."""
        if not self._dags:
            self.add(DagBundleModel, [{"name": "dags-folder", "active": True}])
        if dag_id not in self._dags:
            self._dags.add(dag_id)
            with self.session.begin() as session:
                session.add(
                    DagModel(  # type: ignore[no-untyped-call]
                        dag_id=dag_id, bundle_name="dags-folder", fileloc="/dags/orders.py"
                    )
                )

    def _run(self, task: TaskKey, start: datetime) -> None:
        if (task.dag_id, task.run_id) not in self._runs:
            number = next(self._numbers)
            self._runs[task.dag_id, task.run_id] = number
            self.add(
                DagRun,
                [
                    {
                        "id": number,
                        "dag_id": task.dag_id,
                        "run_id": task.run_id,
                        "run_type": "scheduled",
                        "run_after": start,
                        "queued_at": start,
                        "state": "running",
                    }
                ],
            )

    def _id(self, start: datetime) -> UUID | str:
        """Make an id of version 7: the milliseconds, then a number that grows."""
        value = UUID(int=int(start.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62 | next(self._numbers))
        return str(value) if str(TaskInstance.__table__.c.id.type).startswith("VARCHAR") else value


def _names(task: TaskKey) -> dict[str, Any]:
    return {
        "dag_id": task.dag_id,
        "run_id": task.run_id,
        "task_id": task.task_id,
        "map_index": task.map_index,
    }
