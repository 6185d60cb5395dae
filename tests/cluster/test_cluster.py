"""What only a real Airflow can show: its triggerer, killed and started again, its scheduler, its command line."""

from __future__ import annotations

import gzip
import json
import re
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from airflow.triggers.base import BaseTrigger

from tests.cluster.airflow_cluster import wait_for
from tests.cluster.canaries import find_canaries

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_orders.sandbox import Sandbox
    from tests.cluster.airflow_cluster import AirflowCluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

VENDORS = ("popsell", "dipli", "valomnia", "genuka")
WAIT_BRIEFLY_S = 45
"""The time-out of the DAG ``wait_briefly``."""


def _asked(sandbox: Sandbox, order_id: str) -> int:
    """Count how often an order was asked for."""
    return sum(request.path.endswith(f"/orders/{order_id}") for request in sandbox.requests)


def _wait_until_watched(cluster: AirflowCluster, sandbox: Sandbox, run: Run) -> dict[str, Any]:
    """Wait until the triggerer has asked for the order a few times, after the worker did.

    Once would do, but a busy scheduler of Airflow 3.1 fails a task that is triggered before it has taken note of the
    worker's end.
    """
    trigger = cluster.wait_for_deferral(run.dag_id, run.run_id, "wait")
    asked = _asked(sandbox, run.order_id)
    wait_for("polls by the triggerer", lambda: _asked(sandbox, run.order_id) > asked + 8)
    return trigger


@dataclass(frozen=True, slots=True)
class Run:
    """A run of one of the waiting DAGs."""

    dag_id: str
    run_id: str
    order_id: str


def _start(cluster: AirflowCluster, dag_id: str, vendor: str, order_id: str) -> Run:
    run_id = cluster.trigger(dag_id, orders_conn_id=f"{vendor}_default", order_id=order_id)
    return Run(dag_id, run_id, order_id)


def test_deferred_wait_sees_status_move(cluster: AirflowCluster, cluster_sandbox: Sandbox) -> None:
    order_id = cluster_sandbox.live_ids("valomnia")[0]
    run = _start(cluster, "wait", "valomnia", order_id)
    _wait_until_watched(cluster, cluster_sandbox, run)

    cluster_sandbox.set_status("valomnia", order_id, "DELIVERED", axis="fulfillment")

    assert cluster.wait_for_run(run.dag_id, run.run_id) == "success"
    result = cluster.xcom(run.dag_id, run.run_id, "wait")
    assert result["orders"][0].pop("seen_at")
    report = _delivered(order_id, "DELIVERED")
    assert result == {"axes": ["fulfillment"], "orders": [report]}


@pytest.mark.skipif(
    not hasattr(BaseTrigger, "render_template_fields"),
    reason="this Airflow renders no templates of a trigger, so that each wait begins in a worker",
)
def test_wait_that_starts_in_the_triggerer_takes_no_worker_before_it_ends(
    cluster: AirflowCluster, cluster_sandbox: Sandbox
) -> None:
    order_id = cluster_sandbox.live_ids("genuka")[-1]
    run = _start(cluster, "wait_in_triggerer", "genuka", order_id)
    _wait_until_watched(cluster, cluster_sandbox, run)
    waiting = cluster.task(run.dag_id, run.run_id, "wait")

    cluster_sandbox.set_status("genuka", order_id, "delivered", axis="fulfillment")

    assert (waiting["state"], waiting["pid"], waiting["hostname"]) == ("deferred", None, "")
    assert cluster.wait_for_run(run.dag_id, run.run_id) == "success"
    (report,) = cluster.xcom(run.dag_id, run.run_id, "wait")["orders"]
    assert report.pop("seen_at")
    assert report == _delivered(order_id, "delivered")


def _delivered(order_id: str, word: str) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "outcome": "met",
        "status": {"fulfillment": "delivered"},
        "status_raw": {"fulfillment": word},
    }


@dataclass(frozen=True, slots=True)
class Restart:
    """Two waits, during which the triggerer was killed and started again.

    :param moved: the order of this one moved while no triggerer ran.
    :param unmoved: nothing happened to the order of this one.
    :param before: the arguments of the latter's trigger before the kill.
    :param after: the same, when the new triggerer had taken it over.
    :param polled_at: when the new triggerer had asked for an order, in seconds since the epoch.
    """

    moved: Run
    unmoved: Run
    before: str
    after: str
    polled_at: float


@pytest.fixture(scope="module")
def restart(cluster: AirflowCluster, cluster_sandbox: Sandbox) -> Restart:
    moved_id, unmoved_id = cluster_sandbox.live_ids("dipli")[:2]
    moved = _start(cluster, "wait", "dipli", moved_id)
    unmoved = _start(cluster, "wait_briefly", "dipli", unmoved_id)
    _wait_until_watched(cluster, cluster_sandbox, moved)
    old = _wait_until_watched(cluster, cluster_sandbox, unmoved)
    before = cluster.trigger_kwargs(old["id"])

    cluster.kill("triggerer")
    asked = len(cluster_sandbox.requests)
    cluster_sandbox.set_status("dipli", moved_id, "shipped")
    cluster.start("triggerer")

    def taken_over() -> dict[str, Any] | None:
        new = cluster.wait_for_deferral(unmoved.dag_id, unmoved.run_id, "wait")
        return new if new["triggerer_id"] != old["triggerer_id"] else None

    new = wait_for("another triggerer", taken_over)
    assert new["id"] == old["id"]
    after = cluster.trigger_kwargs(new["id"])
    wait_for("its first poll", lambda: len(cluster_sandbox.requests) > asked)
    return Restart(moved, unmoved, before, after, time.time())


def test_wait_survives_a_killed_triggerer(cluster: AirflowCluster, restart: Restart) -> None:
    run = restart.moved
    assert cluster.wait_for_run(run.dag_id, run.run_id) == "success"
    (report,) = cluster.xcom(run.dag_id, run.run_id, "wait")["orders"]
    assert report.pop("seen_at")
    assert report == _delivered(run.order_id, "shipped")


def test_restart_leaves_the_triggers_arguments_as_they_were(restart: Restart) -> None:
    assert restart.after == restart.before
    assert _deadline(restart.before) > 0


def test_rejected_credentials_in_the_trigger_fail_the_task_clearly(
    cluster: AirflowCluster, cluster_sandbox: Sandbox
) -> None:
    order_id = cluster_sandbox.live_ids("genuka")[0]
    run = _start(cluster, "wait", "genuka", order_id)
    _wait_until_watched(cluster, cluster_sandbox, run)

    cluster_sandbox.inject("expire", vendor="genuka", times=1)

    assert cluster.wait_for_run(run.dag_id, run.run_id) == "failed"
    log = cluster.task_log(run.dag_id, run.run_id, "wait")
    assert "AuthenticationError" in log
    assert "Genuka rejected the API key for company" in log
    assert "HTTP 401" in log


def test_export_writes_the_files(cluster: AirflowCluster, cluster_sandbox: Sandbox, tmp_path: Path) -> None:
    run_id = cluster.trigger("export", path=str(tmp_path))

    assert cluster.wait_for_run("export", run_id) == "success", cluster.outputs()
    for vendor in VENDORS:
        manifest = cluster.xcom("export", run_id, vendor)
        expected = len(cluster_sandbox.payloads(vendor))
        assert (manifest["source"], manifest["rows"], manifest["rejected"]) == (vendor, expected, 0)
        (file,) = manifest["files"]
        with gzip.open(file["path"].removeprefix("file://"), "rt") as lines:
            orders = [json.loads(line) for line in lines]
        assert len(orders) == expected
        assert find_canaries(json.dumps(orders)), "the exported files hold the orders, and so the canaries"


def test_connections_of_the_command_line_fetch_an_order_of_each_vendor(
    cluster: AirflowCluster, cluster_sandbox: Sandbox
) -> None:
    # The cluster's connections came from `airflow connections add`.
    ids = {vendor: cluster_sandbox.live_ids(vendor)[-1] for vendor in VENDORS}

    printed = cluster.run("dags", "test", "get", "--conf", json.dumps(ids))

    assert "state=success" in printed or "state:success" in printed, printed
    with closing(cluster.database()) as database:
        rows = database.execute(
            "SELECT x.task_id, x.value FROM xcom x WHERE x.dag_id = 'get' AND x.key = 'return_value'"
        ).fetchall()
    orders = {task_id: json.loads(value) for task_id, value in rows}
    assert {vendor: order["id"] for vendor, order in orders.items()} == ids
    assert {vendor: order["source"] for vendor, order in orders.items()} == {name: name for name in VENDORS}


def test_restart_does_not_move_the_deadline(cluster: AirflowCluster, restart: Restart) -> None:
    run, deadline = restart.unmoved, _deadline(restart.before)
    assert cluster.wait_for_run(run.dag_id, run.run_id) == "failed"

    log = cluster.task_log(run.dag_id, run.run_id, "wait")
    assert "AirflowSensorTimeout" in log
    assert "did not reach the wanted status" in log
    # Had the wait begun anew with the new triggerer, it would have taken all its time from there.
    assert (
        deadline <= _fired_at(log) < max(deadline, restart.polled_at) + 8 < restart.polled_at + WAIT_BRIEFLY_S
    )


def _deadline(kwargs: str) -> float:
    """Read the deadline out of a trigger's serialised arguments, whatever envelope Airflow puts around them."""
    (text,) = re.findall(r'"deadline": ([0-9.]+)', kwargs)
    return float(text)


def _fired_at(log: str) -> float:
    """Give the time of the line that tells of the trigger's event."""
    lines = [json.loads(line) for line in log.splitlines() if "Trigger fired event" in line]
    (line,) = [line for line in lines if line.get("event") == "Trigger fired event"]
    return datetime.fromisoformat(line["timestamp"]).timestamp()


def test_nothing_leaks(cluster: AirflowCluster) -> None:
    """Comes last: looks at all that the runs above have left behind."""
    texts = cluster.left_behind()
    assert len(texts) > 10
    assert "dipli_default" in "".join(texts)
    assert find_canaries(*texts) == []
