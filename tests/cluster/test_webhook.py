"""Genuka's webhooks, through the documented endpoint, into a real Airflow."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.cluster.airflow_cluster import wait_for
from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_orders.sandbox import Sandbox
    from tests.cluster.airflow_cluster import AirflowCluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
SECRET = "canary-of-a-webhook-secret-00001"


@pytest.fixture(scope="module")
def endpoint(cluster: AirflowCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The documented endpoint, in a process of its own; gives its address."""
    port = free_port()
    output = tmp_path_factory.mktemp("endpoint") / "output.log"
    with (
        output.open("wb") as printed,
        subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "--port", str(port), "genuka_webhook_endpoint:app"],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            cwd=EXAMPLES,
            env={
                **os.environ,
                "AIRFLOW_URL": cluster.environment["AIRFLOW__API__BASE_URL"],
                "AIRFLOW_USERNAME": "admin",
                "AIRFLOW_PASSWORD": "admin",
                "GENUKA_WEBHOOK_SECRET": SECRET,
                "NO_PROXY": "*",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
        ) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for("the endpoint", lambda: process.poll() is not None or _answers(url))
            assert process.poll() is None, output.read_text()
            yield f"{url}/webhooks/genuka"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
    assert SECRET not in output.read_text()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=1).status_code == 404
    except requests.ConnectionError:
        return False


def _body(sandbox: Sandbox, number: int) -> bytes:
    payload = sandbox.payloads("genuka")[number]
    return json.dumps({"type": "order.updated", "data": payload, "timestamp": time.time()}).encode()


def _send(endpoint: str, body: bytes, *, secret: str = SECRET) -> int:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    answer = requests.post(endpoint, data=body, headers={"X-Genuka-Signature": signature}, timeout=30)
    return answer.status_code


def _events(cluster: AirflowCluster) -> int:
    with contextlib.closing(cluster.database()) as database:
        (count,) = database.execute("SELECT count(*) FROM asset_event").fetchone()
    return int(count)


def _runs(cluster: AirflowCluster) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cluster.get("/dags/on_webhook/dagRuns")["dag_runs"]
    return found


def test_each_verified_webhook_starts_a_run_and_a_forged_one_nothing(
    cluster: AirflowCluster, cluster_sandbox: Sandbox, endpoint: str
) -> None:
    body, forged, second = (_body(cluster_sandbox, number) for number in (3, 4, 5))

    assert _send(endpoint, forged, secret="another") == 401
    assert _send(endpoint, b"x" * (2 * 1024 * 1024)) == 413
    assert _send(endpoint, b"{}") == 400
    assert _events(cluster) == 0
    assert _send(endpoint, body) == 204
    assert _send(endpoint, body) == 401

    run = wait_for("a run", lambda: _runs(cluster))[0]
    assert cluster.wait_for_run("on_webhook", run["dag_run_id"]) == "success"
    (event,) = cluster.xcom("on_webhook", run["dag_run_id"], "payloads")
    assert event["order_id"] == cluster_sandbox.payloads("genuka")[3]["id"]
    assert event["event_id"] == hashlib.sha256(body).hexdigest()[:32]
    assert "@" not in json.dumps(event)

    assert _send(endpoint, second) == 204
    wait_for("another run", lambda: len(_runs(cluster)) == 2)
    assert _events(cluster) == 2
    assert all(SECRET not in text for text in cluster.left_behind())
