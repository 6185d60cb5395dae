"""Orders that change start a DAG in a real Airflow, all of whose processes are killed in the middle."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from airflow.triggers.base import BaseEventTrigger

from airflow_provider_orders.sandbox import Sandbox
from tests.cluster.airflow_cluster import AirflowCluster, wait_for
from tests.cluster.canaries import CanaryProxy, find_canaries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

CHANGES = 200
KEEPS_POSITION = hasattr(BaseEventTrigger, "create_shared_stream_producer")


class EventCluster(AirflowCluster):
    """An Airflow with the DAG of ``event_dags``."""

    dags_folder: ClassVar[Path] = Path(__file__).parent / "event_dags"

    def restart(self) -> None:
        """Kill every process and start all of them again."""
        for part in self.parts:
            self.kill(part)
        for part in self.parts:
            self.start(part)
        wait_for("a healthy Airflow", self._is_healthy, timeout_s=150)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(self.database()) as database:
            return database.execute(statement).fetchall()

    def events(self) -> list[dict[str, Any]]:
        """Give the payload of each asset event, the oldest first."""
        return [
            json.loads(extra)["payload"]
            for (extra,) in self.rows("SELECT extra FROM asset_event ORDER BY id")
        ]

    def events_of_runs(self) -> list[str]:
        """Give the event ids that runs of the DAG were started by."""
        rows = self.rows(
            "SELECT e.extra FROM dag_run r JOIN dagrun_asset_event d ON d.dag_run_id = r.id "
            "JOIN asset_event e ON e.id = d.event_id WHERE r.dag_id = 'order_events'"
        )
        return [json.loads(extra)["payload"]["event_id"] for (extra,) in rows]


@pytest.fixture(scope="module")
def shop() -> Iterator[Sandbox]:
    """A sandbox whose clock is right, as a watcher without a stored position begins shortly before now."""
    now = datetime.now(UTC)
    with Sandbox(orders=CHANGES + 20, live=0, base_date=now) as sandbox:
        for order in sandbox.payloads("genuka"):
            sandbox.set_status(
                "genuka", order["id"], "pending", axis="fulfillment", at=now - timedelta(hours=1)
            )
        yield sandbox


@pytest.fixture(scope="module")
def event_cluster(shop: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventCluster]:
    with CanaryProxy(shop) as proxy:
        running = EventCluster(tmp_path_factory.mktemp("airflow"), proxy.connections)
        with running:
            yield running
        assert not running.survivors()


def deliver(shop: Sandbox, ids: Sequence[str]) -> None:
    for order_id in ids:
        shop.set_status("genuka", order_id, "delivered", axis="fulfillment")


def test_each_change_starts_a_run_across_a_restart_of_everything(
    event_cluster: EventCluster, shop: Sandbox
) -> None:
    def told() -> Counter[str]:
        return Counter(event["order_id"] for event in event_cluster.events())

    def wait_until_told(ids: Sequence[str], *, at_least: int | None = None) -> None:
        wait_for(
            f"{at_least or len(ids)} events",
            lambda: len(told().keys() & {*ids}) >= (at_least or len(ids)),
            timeout_s=60,
        )

    def ids_of(ids: Sequence[str]) -> set[str]:
        return {event["event_id"] for event in event_cluster.events() if event["order_id"] in {*ids}}

    # What is deleted counts as cancelled, whatever its other fields say.
    usable = [order["id"] for order in shop.payloads("genuka") if not order["deleted_at"]]
    pending, spare = usable[:CHANGES], usable[CHANGES:]
    assert spare
    first, second, third = pending[:60], pending[60:140], pending[140:]
    wait_for("the first poll", lambda: any("/genuka/" in request.path for request in shop.requests))

    deliver(shop, first)
    wait_until_told(first)
    polls = len(shop.requests)
    wait_for("the position to be stored", lambda: len(shop.requests) >= polls + 4)
    deliver(shop, second)
    wait_until_told(second, at_least=1)
    event_cluster.restart()
    deliver(shop, third)
    wait_until_told(pending)
    # Airflow may pass over the last events when they come while it makes a run; the next event's run takes them along.
    for order_id in spare:
        if len({*event_cluster.events_of_runs()} & ids_of(pending)) == CHANGES:
            break
        deliver(shop, [order_id])
        wait_until_told([order_id])
        with contextlib.suppress(TimeoutError):
            wait_for(
                "runs for all of them",
                lambda: {*event_cluster.events_of_runs()} >= ids_of(pending),
                timeout_s=10,
            )

    assert {*event_cluster.events_of_runs()} >= ids_of(pending), "each change started a run"
    assert len(ids_of(pending)) == CHANGES, "what comes twice has its id again"
    if KEEPS_POSITION:
        twice = {order_id for order_id, times in told().items() if times > 1}
        assert twice <= {*second}, "only the restart can repeat an event"
    states = {state for (state,) in event_cluster.rows("SELECT state FROM dag_run")}
    assert states <= {"success", "running", "queued"}


def test_the_events_hold_ids_statuses_and_times(event_cluster: EventCluster) -> None:
    for event in event_cluster.events():
        assert event["kind"] == "order.status_changed"
        assert event["statuses"]["fulfillment"] == {"status": "delivered", "status_raw": "delivered"}
        assert event["orders_conn_id"] == "genuka_default"
        assert datetime.fromisoformat(event["updated_at"]) <= datetime.fromisoformat(event["seen_at"])


def test_nothing_leaks(event_cluster: EventCluster) -> None:
    texts = event_cluster.left_behind()
    assert "order.status_changed" in "".join(texts)
    assert find_canaries(*texts) == []
