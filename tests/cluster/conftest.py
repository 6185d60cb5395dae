"""One real Airflow for all tests of this folder; a sandbox with canaries in its orders is what it talks to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_orders.sandbox import Sandbox
from tests.cluster.airflow_cluster import AirflowCluster
from tests.cluster.canaries import CanaryProxy

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


@pytest.fixture(scope="session")
def cluster_sandbox() -> Iterator[Sandbox]:
    """The sandbox that the cluster's connections lead to; its clock stands still."""
    with Sandbox(orders=30) as sandbox:
        sandbox.clock.freeze()
        yield sandbox


@pytest.fixture(scope="session")
def cluster(cluster_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowCluster]:
    """A running Airflow; nothing of it is left at the end."""
    with CanaryProxy(cluster_sandbox) as proxy:
        running = AirflowCluster(tmp_path_factory.mktemp("airflow"), proxy.connections)
        with running:
            yield running
        assert not running.survivors()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the processes printed, beside a failure."""
    report = yield
    cluster = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and isinstance(cluster, AirflowCluster):
        report.sections.append(("Airflow's processes", cluster.outputs()))
    return report
