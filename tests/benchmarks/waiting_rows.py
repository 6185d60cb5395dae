"""Puts waits into Airflow's database as the scheduler and the workers would, only faster; run it with Airflow's settings.

A task that defers is, for the triggerer, two rows: its trigger, and its instance in the state *deferred*. To have 10,000
of them made by a scheduler and as many worker processes would take hours. So this program lets Airflow make the DAG and
its run, adds the instances of the mapped task with the function of Airflow that expands one, and defers them with the
columns that Airflow's own API writes when a worker reports a deferral.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.models.dagbag import DBDagBag
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.sdk import DAG, task
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from pendulum import now
from sqlalchemy import select

from tests.benchmarks.waiting_contestants import CONTESTANTS, OURS
from tests.benchmarks.waiting_triggers import ProbeTrigger, SleepTrigger

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

DAG_ID, RUN_ID, TASK_ID = "waits", "benchmark", "wait"
AT_ONCE = 1000


def create(instances: int) -> None:
    """Make the DAG, its run, and the instances of its mapped task."""
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
    with create_session() as session:
        kept = DBDagBag().get_latest_version_of_dag(DAG_ID, session=session)
        assert kept is not None
        run = kept.create_dagrun(
            run_id=RUN_ID,
            run_after=now("UTC"),
            logical_date=now("UTC"),
            data_interval=(now("UTC"), now("UTC")),
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.TEST,
            state=DagRunState.RUNNING,
            session=session,
        )
        mapped: Any = kept.get_task(TASK_ID)
        session.bulk_insert_mappings(
            TaskInstance.__mapper__,
            [
                TaskInstance.insert_mapping(
                    RUN_ID, mapped, number, dag_version_id=run.created_dag_version_id, dag_run=run
                )
                for number in range(instances)
            ],
        )


def defer(first: int, triggers: list[BaseTrigger]) -> None:
    """Defer instances of the mapped task, some at once.

    :param first: the map index of the first one.
    :param triggers: one for each.
    """
    for begin in range(0, len(triggers), AT_ONCE):
        some = triggers[begin : begin + AT_ONCE]
        with create_session() as session:
            rows = [Trigger.from_object(trigger) for trigger in some]
            session.add_all(rows)
            session.flush()
            instances = session.scalars(
                select(TaskInstance)
                .where(
                    TaskInstance.task_id == TASK_ID,
                    TaskInstance.map_index.between(first + begin, first + begin + len(some) - 1),
                )
                .order_by(TaskInstance.map_index)
            )
            for instance, row in zip(instances, rows, strict=True):
                instance.state = TaskInstanceState.DEFERRED
                instance.trigger_id = row.id
                instance.next_method = "execute_complete"
                instance.next_kwargs = {}
                instance.try_number = 1
                instance.start_date = now("UTC")


def main() -> None:
    """Do what the driver asks for."""
    asked = json.load(sys.stdin)
    if "create" in asked:
        create(asked["create"])
    triggers: list[BaseTrigger] = [ProbeTrigger(asked["probe"])] if "probe" in asked else []
    for number, order_id in enumerate(asked["ids"], 1):
        if asked["sleep_until"]:
            delay_s = asked["fire_over_s"] * number / len(asked["ids"])
            triggers.append(SleepTrigger(asked["sleep_until"], delay_s))
        else:
            triggers.append(CONTESTANTS[OURS].trigger(order_id, asked["interval_s"], asked["deadline"]))
    defer(asked["first"], triggers)


if __name__ == "__main__":
    main()
