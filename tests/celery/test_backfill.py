"""A year is exported month by month on two workers, and one of them is killed on the way."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from airflow_provider_orders.sandbox import Sandbox
from tests.celery.celery_cluster import SLOTS, WORKERS, CeleryCluster
from tests.cluster.airflow_cluster import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services.postgres import Postgres
    from tests.services.redis import Redis

YEAR = 2025
ORDERS_A_MONTH = 120
PAGE_SIZE = 10
PAGES_A_MONTH = ORDERS_A_MONTH // PAGE_SIZE
LATENCY_MS = 400  # makes a month last five seconds


@pytest.fixture(scope="module")
def year_sandbox() -> Iterator[Sandbox]:
    """A sandbox with orders in each month of a year, also in its first and last second, and before and after it."""
    with Sandbox(
        orders=1, live=0, latency_ms=LATENCY_MS, base_date=datetime(YEAR + 1, 4, 1, tzinfo=UTC)
    ) as sandbox:
        sandbox.clock.freeze()
        starts = [datetime(YEAR + number // 12, number % 12 + 1, 1, tzinfo=UTC) for number in range(13)]
        for start, end in pairwise(starts):
            sandbox.insert_orders("genuka", placed_at=start)
            sandbox.insert_orders("genuka", placed_at=end - timedelta(seconds=1))
            for number in range(1, ORDERS_A_MONTH - 1):
                sandbox.insert_orders("genuka", placed_at=start + (end - start) / ORDERS_A_MONTH * number)
        sandbox.insert_orders("genuka", placed_at=starts[0] - timedelta(seconds=1))
        sandbox.insert_orders("genuka", placed_at=starts[-1])
        yield sandbox


@pytest.fixture(scope="module")
def cluster(
    year_sandbox: Sandbox,
    postgres_server: Postgres,
    redis_server: Redis,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[CeleryCluster]:
    """A running Airflow with two workers."""
    connection = year_sandbox.connections["genuka_default"]
    connection["extra"] = {**connection["extra"], "page_size": PAGE_SIZE, "concurrency": 1}
    running = CeleryCluster(
        tmp_path_factory.mktemp("airflow"),
        {"genuka_default": connection},
        database=postgres_server.create_database(),
        redis=redis_server,
    )
    with running:
        yield running
    assert not running.survivors()


@pytest.mark.timeout(600)
def test_backfill_is_complete_and_without_doubles_when_a_worker_is_killed(
    cluster: CeleryCluster, year_sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = tmp_path / "orders"
    run_id = cluster.trigger("backfill", folder=str(folder))

    def states() -> Counter[str]:
        return Counter(str(task["state"]) for task in cluster.mapped_tasks("backfill", run_id, "export"))

    def both_workers_are_busy() -> bool:
        pages = Counter(request.query["filter[created_at][start]"] for request in year_sandbox.requests)
        halfway = sum(1 < count < PAGES_A_MONTH for count in pages.values())
        return states()["running"] == halfway == SLOTS * len(WORKERS)

    wait_for("work for both workers", both_workers_are_busy, timeout_s=120)
    cluster.kill(WORKERS[0])
    assert cluster.wait_for_run("backfill", run_id, timeout_s=300) == "success", cluster.outputs()

    tasks = cluster.mapped_tasks("backfill", run_id, "export")
    assert len(tasks) == 12
    assert sum(task["try_number"] > 1 for task in tasks) == SLOTS, "the killed worker's tasks, and no other"

    files = sorted(folder.glob("*.jsonl"))
    assert len(files) == 12
    (shape,) = folder.glob(".*.shape.json")
    assert len({*folder.iterdir()} - {shape}) == 24, (
        "a file and its manifest for each month, and nothing of the killed tries"
    )
    exported = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    wanted = [
        order["id"] for order in year_sandbox.payloads("genuka") if order["created_at"].startswith(str(YEAR))
    ]
    assert len(wanted) == 12 * ORDERS_A_MONTH
    assert Counter(order["id"] for order in exported) == Counter(wanted)
