"""Puts deferred waits into Airflow's database, as a scheduler and many workers would; run it with Airflow's settings.

For the triggerer, a task that has deferred is two rows: its trigger, and its instance. It reads from its standard input what
to put there: ``orders_conn_id``, ``order_ids``, ``deadline``, ``poke_interval``.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.models.dagbag import DBDagBag
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.sdk import DAG, task
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from pendulum import now

from airflow_provider_orders.triggers.orders import OrderStatusTrigger

DAG_ID, TASK_ID = "waits", "wait"


def make_dag() -> DAG:
    """Write a DAG with one mapped task to the database."""
    with DAG(DAG_ID, schedule=None) as dag:

        @task
        def orders() -> list[str]:
            return []

        @task
        def wait(order_id: str) -> None:
            del order_id

        wait.expand(order_id=orders())
    newer, older = "airflow.dag_processing.dagbag", "airflow.models.dagbag"  # 3.2 moved it
    dagbag = import_module(newer if find_spec(newer) else older)
    DagBundlesManager().sync_bundles_to_db()  # type: ignore[no-untyped-call]
    bag = dagbag.DagBag(dag_folder=os.devnull, collect_dags=False)
    bag.bag_dag(dag)
    dagbag.sync_bag_to_db(bag, "dags-folder", None)
    return dag


def defer(order_ids: list[str], **arguments: Any) -> None:
    """Make a run of the DAG in which the task waits for each of the orders."""
    with create_session() as session:
        kept = DBDagBag().get_latest_version_of_dag(DAG_ID, session=session)
        assert kept is not None
        run = kept.create_dagrun(
            run_id="many",
            run_after=now("UTC"),
            logical_date=now("UTC"),
            data_interval=(now("UTC"), now("UTC")),
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.TEST,
            state=DagRunState.RUNNING,
            session=session,
        )
        mapped: Any = kept.get_task(TASK_ID)
        takes_run = "dag_run" in inspect.signature(TaskInstance.insert_mapping).parameters  # since 3.2
        of_run: dict[str, Any] = {"dag_run": run} if takes_run else {}
        rows = [
            Trigger.from_object(OrderStatusTrigger(order_id=[order_id], **arguments))
            for order_id in order_ids
        ]
        session.add_all(rows)
        session.flush()
        session.bulk_insert_mappings(
            TaskInstance.__mapper__,
            [
                TaskInstance.insert_mapping(
                    "many", mapped, number, dag_version_id=run.created_dag_version_id, **of_run
                )
                | {
                    "state": TaskInstanceState.DEFERRED,
                    "trigger_id": row.id,
                    "next_method": "execute_complete",
                    "next_kwargs": {},
                    "try_number": 1,
                    "start_date": now("UTC"),
                }
                for number, row in enumerate(rows)
            ],
        )


if __name__ == "__main__":
    make_dag()
    defer(**json.load(sys.stdin))
