"""What ``dag.test()`` needs for DAGs that lie in no file."""

from __future__ import annotations

import functools
import os
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import DAG

__all__ = ["keep_api", "record_dag"]


def record_dag(dag: DAG) -> None:
    """Write a DAG to Airflow's database, as the DAG processor does with files."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    newer, older = "airflow.dag_processing.dagbag", "airflow.models.dagbag"  # 3.2 moved it
    dagbag = import_module(newer if find_spec(newer) else older)

    DagBundlesManager().sync_bundles_to_db()  # type: ignore[no-untyped-call]
    bag = dagbag.DagBag(dag_folder=os.devnull, collect_dags=False)
    bag.bag_dag(dag)
    dagbag.sync_bag_to_db(bag, "dags-folder", None)


def keep_api() -> None:
    """Let the API that ``dag.test()`` runs in its own process live as long as that.

    Airflow 3.1 makes one for each task, which takes seconds; 3.2 loses it while the first task starts.
    """
    supervisor: Any = import_module("airflow.sdk.execution_time.supervisor")
    supervisor.in_process_api_server = functools.cache(supervisor.in_process_api_server)
