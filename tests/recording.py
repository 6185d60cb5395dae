"""DAGs that lie in no file, written to Airflow's database as the DAG processor does with files."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import DAG

__all__ = ["record_dag"]


def record_dag(dag: DAG) -> None:
    """Write a DAG to Airflow's database."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    newer, older = "airflow.dag_processing.dagbag", "airflow.models.dagbag"  # 3.2 moved it
    dagbag = import_module(newer if find_spec(newer) else older)

    DagBundlesManager().sync_bundles_to_db()  # type: ignore[no-untyped-call]
    bag = dagbag.DagBag(dag_folder=os.devnull, collect_dags=False)
    bag.bag_dag(dag)
    dagbag.sync_bag_to_db(bag, "dags-folder", None)
