"""Five hundred waits in a real triggerer that is killed without a warning, and started again."""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from cryptography.fernet import Fernet

from airflow_provider_orders.sandbox import Sandbox
from tests.cluster.airflow_cluster import AirflowCluster, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

WAITS = 500
INTERVAL_S = 5.0
RESUMED = """state = 'scheduled' AND next_kwargs LIKE '%"met"%'"""


class TriggererOnly(AirflowCluster):
    """An Airflow of which only the triggerer runs.

    :param home: an empty folder.
    :param sandbox: where its connections lead to.
    """

    parts: ClassVar[Sequence[str]] = ("triggerer",)

    def __init__(self, home: Path, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        super().__init__(home, {})

    def _make_environment(self) -> dict[str, str]:
        return super()._make_environment() | self._sandbox.environment()

    def _is_healthy(self) -> bool:
        return self.count("job", "job_type = 'TriggererJob' AND state = 'running'") > 0

    def count(self, table: str, condition: str) -> int:
        """Count rows of Airflow's database."""
        with closing(self.database()) as database:
            (found,) = database.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()  # noqa: S608 - from this file
        return int(found)

    def defer(self, order_ids: Sequence[str], **arguments: Any) -> None:
        """Put waits into the database."""
        script = Path(__file__).with_name("deferred_waits.py")
        self._finish(
            [sys.executable, str(script)],
            given=json.dumps({"order_ids": order_ids, **arguments}),
            output=self.home / "outputs" / "defer.log",
        )

    def arguments(self) -> dict[int, str]:
        """Give the arguments of all triggers as they lie in the database."""
        fernet = Fernet(self.environment["AIRFLOW__CORE__FERNET_KEY"])
        with closing(self.database()) as database:
            rows = database.execute("SELECT id, kwargs FROM trigger").fetchall()
        return {
            number: kept if kept.startswith("{") else fernet.decrypt(kept.encode()).decode()
            for number, kept in rows
        }

    def fired(self) -> Counter[int]:
        """Count by map index how often a trigger has fired."""
        found: Counter[int] = Counter()
        for file in self.logs.glob("dag_id=waits/*/*/*/*.trigger.*"):
            index = int(file.parent.name.removeprefix("map_index="))
            found[index] += file.read_text().count('"event":"Trigger fired event"')
        # Under load, Airflow closes a trigger's log before its last lines have come, and prints them instead.
        printed = (self.home / "outputs" / "triggerer.log").read_text(errors="replace")
        found.update(int(index) for index in re.findall(r"Trigger fired event .*? map_index=(\d+) ", printed))
        return found


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(orders=WAITS + 100, live=0) as running:
        yield running


@pytest.fixture(scope="module")
def ids(sandbox: Sandbox) -> list[str]:
    found = [order["id"] for order in sandbox.payloads("genuka") if not order["deleted_at"]][:WAITS]
    for order_id in found:
        sandbox.set_status("genuka", order_id, "pending", axis="fulfillment")
    assert len(found) == WAITS
    return found


def test_all_fire_once_with_their_deadlines_and_without_a_burst(
    sandbox: Sandbox, ids: Sequence[str], tmp_path: Path
) -> None:
    with TriggererOnly(tmp_path / "airflow", sandbox) as airflow:
        airflow.defer(
            ids, orders_conn_id="genuka_default", deadline=time.time() + 3600, poke_interval=INTERVAL_S
        )
        wait_for("all waits", lambda: airflow.count("trigger", "triggerer_id IS NOT NULL") == WAITS)
        _wait_for_intervals(2)
        for order_id in ids[:50]:
            sandbox.set_status("genuka", order_id, "delivered", axis="fulfillment")
        wait_for("the first to fire", lambda: airflow.count("task_instance", RESUMED) == 50)
        before = airflow.arguments()

        airflow.kill("triggerer")
        for order_id in ids[50:150]:
            sandbox.set_status("genuka", order_id, "delivered", axis="fulfillment")
        asked = len(sandbox.requests)
        airflow.start("triggerer")

        wait_for("its first request", lambda: len(sandbox.requests) > asked, every_s=0.02)
        _wait_for_intervals(1)
        in_the_first_interval = len(sandbox.requests) - asked
        after = airflow.arguments()
        wait_for("what moved meanwhile", lambda: airflow.count("task_instance", RESUMED) >= 150)
        for number, order_id in enumerate(ids[150:]):
            sandbox.set_status("genuka", order_id, "delivered", axis="fulfillment")
            if number % 50 == 0:
                _wait_for_intervals(0.5)
        wait_for("the last to fire", lambda: airflow.count("task_instance", RESUMED) == WAITS)
        fired = airflow.fired()

    assert in_the_first_interval < WAITS / 2
    assert after.keys() <= before.keys()
    assert {number: before[number] for number in after} == after
    assert all('"deadline"' in kept for kept in after.values())
    # That each has fired is in the database; Airflow 3.1 loses lines of the log under load.
    assert max(fired.values()) == 1


def _wait_for_intervals(intervals: float) -> None:
    """Let the triggerer, which nobody holds the clock of, poll."""
    until = time.monotonic() + intervals * INTERVAL_S
    wait_for("some polls", lambda: time.monotonic() >= until)
