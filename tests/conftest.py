"""The Airflow that the tests run against: its own home and database, no examples, nothing from this machine."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from hypothesis import settings

from tests.recording import keep_api, record_dag

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.models.dagrun import DagRun
    from airflow.sdk import DAG


def _isolate() -> Path:
    """Point Airflow at an empty home, before anything imports it, and forget what the shell says of proxies and TLS."""
    home = Path(tempfile.mkdtemp(prefix="orders-tests-"))
    (home / "dags").mkdir()
    for name in list(os.environ):
        if name.upper().startswith("AIRFLOW") or name.upper().endswith("_PROXY"):
            del os.environ[name]
    for name in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE", "NETRC"):
        os.environ.pop(name, None)
    os.environ |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API_AUTH__JWT_SECRET": "x" * 64,  # without it, dag.test() of Airflow 3.2 runs no task
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # Two tests may give their DAGs the same name within a second.
        "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",  # its own configuration would win over what is set here
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "NO_PROXY": "*",
    }
    return home


_HOME = _isolate()

settings.register_profile("usual", deadline=None)  # a busy machine is no failure
settings.load_profile("usual")
settings.register_profile("thorough", max_examples=10_000, deadline=None, print_blob=True)

pytest_plugins = ["airflow_provider_orders.sandbox.pytest_plugin", "tests.services.fixtures"]

DagRunner: TypeAlias = Callable[..., "DagRun"]
"""What the fixture ``dag_runner`` is: ``run(dag, conf=None, logical_date=None) -> DagRun``."""

DAG_TIMEOUT_S = 120
"""``dag.test()`` has no time-out of its own and spins for ever when a trigger breaks."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "dag_runner" in getattr(item, "fixturenames", ()) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(DAG_TIMEOUT_S))


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def airflow_home() -> Path:
    """Folder of the Airflow that the tests use; also right for commands that a test starts."""
    return _HOME


@pytest.fixture(scope="session")
def airflow_db(airflow_home: Path) -> Path:
    """Make Airflow's database, once; the folder it lies in."""
    from airflow.utils.db import initdb

    initdb()
    keep_api()
    return airflow_home


@pytest.fixture
def dag_runner(airflow_db: Path) -> DagRunner:
    """Run a DAG that a test builds in line: ``run(dag, conf=None, logical_date=None)``.

    Records the DAG, as ``dag.test()`` wants from 3.1 on, runs its tasks in this process and gives the finished run.
    Connections come from ``AIRFLOW_CONN_<ID>``.
    """

    def run(dag: DAG, *, conf: dict[str, Any] | None = None, logical_date: datetime | None = None) -> DagRun:
        record_dag(dag)
        options: dict[str, Any] = {} if logical_date is None else {"logical_date": logical_date}
        finished: DagRun = dag.test(run_conf=conf, **options)
        return finished

    return run
