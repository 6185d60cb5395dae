"""The example DAGs, read as Airflow reads them."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

EXAMPLES = Path(__file__).resolve().parents[2] / "example_dags"


def read_dags(folder: Path) -> Any:
    """Read the DAG files of a folder."""
    newer, older = "airflow.dag_processing.dagbag", "airflow.models.dagbag"  # 3.2 moved it
    dagbag = import_module(newer if find_spec(newer) else older)
    return dagbag.DagBag(dag_folder=str(folder))


def returned(run: DagRun, task_id: str, map_index: int = -1) -> Any:
    """Give what a task of a finished run has returned."""
    task = run.get_task_instance(task_id, map_index=map_index)
    assert task is not None
    return task.xcom_pull(task_ids=task_id, map_indexes=map_index)


@pytest.fixture(scope="session")
def examples(airflow_db: Path) -> Any:
    assert airflow_db.exists()
    return read_dags(EXAMPLES)
