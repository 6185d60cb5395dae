"""Which orders a run exports: its data interval, what came since the last run, and what a backfill may touch."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from airflow.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.utils.types import DagRunType
from lazy_object_proxy import Proxy  # type: ignore[import-untyped]
from sqlalchemy import event

from airflow_provider_orders.transfers.orders_to_object_storage import OrdersToObjectStorageOperator
from tests.unit.hooks.connect import truth

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow.models.dagrun import DagRun

    from airflow_provider_orders.sandbox import Sandbox
    from tests.conftest import DagRunner

START = datetime(2025, 1, 1, tzinfo=UTC)
PARIS = ZoneInfo("Europe/Paris")

pytestmark = pytest.mark.usefixtures("orders_sandbox")


def export_dag(
    dag_id: str, path: Path, schedule: Any, *, mode: str | None = "window", **arguments: Any
) -> DAG:
    with DAG(dag_id, schedule=schedule, start_date=START, catchup=False) as dag:
        OrdersToObjectStorageOperator(
            **{
                "task_id": "export",
                "orders_conn_id": "valomnia_default",
                "path": str(path),
                "mode": mode,
                **arguments,
            }
        )
    return dag


def ran(finished: DagRun) -> dict[str, Any]:
    """Give the manifest of a run that succeeded."""
    assert finished.state == "success"
    (instance,) = finished.get_task_instances()
    manifest: dict[str, Any] = instance.xcom_pull(task_ids="export")
    return manifest


def window(manifest: dict[str, Any]) -> tuple[datetime | None, datetime | None]:
    start, end = (text and datetime.fromisoformat(text) for text in manifest["window"])
    return start, end


def changed_between(sandbox: Sandbox, start: datetime | None, end: datetime) -> int:
    return sum(
        (start is None or start <= at) and at < end
        for order in truth(sandbox, "valomnia").values()
        for at in [datetime.fromisoformat(order["lastUpdated"])]
    )


class TestTheWindowOfARun:
    def test_is_its_data_interval(
        self, orders_sandbox: Sandbox, dag_runner: DagRunner, tmp_path: Path
    ) -> None:
        dag = export_dag("interval", tmp_path, CronDataIntervalTimetable("@daily", timezone="UTC"))
        manifest = ran(dag_runner(dag, logical_date=datetime(2025, 12, 30, tzinfo=UTC)))
        start, end = window(manifest)
        assert (start, end) == (datetime(2025, 12, 29, tzinfo=UTC), datetime(2025, 12, 30, tzinfo=UTC))
        assert end is not None
        assert manifest["rows"] == changed_between(orders_sandbox, start, end) > 0

    @pytest.mark.parametrize(
        ("day", "hours"),
        [(datetime(2025, 3, 31), 23), (datetime(2025, 10, 27), 25), (datetime(2025, 6, 1), 24)],  # noqa: DTZ001 - the zone follows
    )
    def test_is_a_day_of_the_zone_when_clocks_change(
        self, dag_runner: DagRunner, tmp_path: Path, day: datetime, hours: int
    ) -> None:
        dag = export_dag(
            f"zone_{hours}", tmp_path, CronDataIntervalTimetable("@daily", timezone="Europe/Paris")
        )
        start, end = window(ran(dag_runner(dag, logical_date=day.replace(tzinfo=PARIS).astimezone(UTC))))
        assert start is not None
        assert end is not None
        assert end - start == timedelta(hours=hours)
        assert start.astimezone(PARIS).hour == end.astimezone(PARIS).hour == 0

    def test_of_a_plain_cron_schedule_joins_the_last_one_that_succeeded(
        self, orders_sandbox: Sandbox, dag_runner: DagRunner, tmp_path: Path
    ) -> None:
        dag = export_dag("cron", tmp_path, "@daily")
        days = [datetime(2025, 12, number, tzinfo=UTC) for number in (20, 21, 24)]
        manifests = [ran(dag_runner(dag, logical_date=day)) for day in days]
        assert [window(manifest) for manifest in manifests] == [
            (None, days[0]),
            (days[0], days[1]),
            (days[1], days[2]),  # of those between none succeeded
        ]
        assert sum(manifest["rows"] for manifest in manifests) == changed_between(
            orders_sandbox, None, days[2]
        )

    def test_of_a_run_without_a_logical_date_ends_when_it_was_asked_for(
        self, dag_runner: DagRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dag = export_dag("manual", tmp_path, None)
        before = datetime.now(UTC)
        start, end = window(ran(run_without_date(dag_runner, dag, monkeypatch)))
        assert start is None
        assert end is not None
        assert before - timedelta(minutes=1) <= end <= datetime.now(UTC)

    def test_of_an_incremental_export_is_its_own_affair(self, dag_runner: DagRunner, tmp_path: Path) -> None:
        dag = export_dag(
            "own", tmp_path, CronDataIntervalTimetable("@daily", timezone="UTC"), mode="incremental"
        )
        manifest = ran(dag_runner(dag, logical_date=datetime(2025, 12, 30, tzinfo=UTC)))
        assert (manifest["mode"], window(manifest)[0], manifest["rows"]) == ("incremental", None, 230)
        again = ran(dag_runner(dag, logical_date=datetime(2025, 12, 1, tzinfo=UTC)))
        assert (again["mode"], again["rows"]) == ("incremental", 0)

    @pytest.mark.parametrize("mode", ["incremental", "full"])
    def test_does_not_matter_to_a_manual_run_of_another_mode(
        self, dag_runner: DagRunner, tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dag = export_dag(f"manual_{mode}", tmp_path, None, mode=mode)
        assert ran(run_without_date(dag_runner, dag, monkeypatch))["rows"] == 230

    def test_gives_way_to_one_that_is_given(self, dag_runner: DagRunner, tmp_path: Path) -> None:
        dag = export_dag(
            "given",
            tmp_path,
            CronDataIntervalTimetable("@daily", timezone="UTC"),
            updated_from="{{ data_interval_start - macros.timedelta(days=1) }}",
            updated_to="{{ data_interval_end }}",
        )
        start, end = window(ran(dag_runner(dag, logical_date=datetime(2025, 12, 30, tzinfo=UTC))))
        assert (start, end) == (datetime(2025, 12, 28, tzinfo=UTC), datetime(2025, 12, 30, tzinfo=UTC))


def test_two_tries_of_a_run_ask_for_the_same(tmp_path: Path) -> None:
    """What names an interrupted export must not depend on the process; Airflow gives the last run's end lazily."""
    run_at = datetime(2026, 1, 1, 10, tzinfo=UTC)
    operator = OrdersToObjectStorageOperator(
        task_id="export", orders_conn_id="valomnia_default", path=str(tmp_path), mode="window"
    )
    interval = {"data_interval_start": run_at, "data_interval_end": run_at}
    tries: list[Any] = [
        {**interval, "prev_data_interval_end_success": Proxy(lambda: START)} for _ in range(2)
    ]
    asked = [operator.mode_and_query(context) for context in tries]
    assert repr(asked[0]) == repr(asked[1])
    assert (asked[0][1].updated_from, asked[0][1].updated_to) == (START, run_at)


class TestABackfill:
    def test_of_an_incremental_export_takes_the_windows_of_its_runs_and_leaves_the_watermark_alone(
        self, orders_sandbox: Sandbox, dag_runner: DagRunner, tmp_path: Path
    ) -> None:
        dag = export_dag(
            "backfill", tmp_path, CronDataIntervalTimetable("@daily", timezone="UTC"), mode="incremental"
        )
        first = ran(dag_runner(dag, logical_date=datetime(2025, 12, 31, tzinfo=UTC)))
        states = state_of_series(tmp_path)
        with as_backfill():
            for number in (10, 11):
                day = datetime(2025, 12, number, tzinfo=UTC)
                finished = dag_runner(dag, logical_date=day)
                assert finished.run_type == DagRunType.BACKFILL_JOB
                manifest = ran(finished)
                assert (manifest["mode"], manifest["watermark"]) == ("window", None)
                assert window(manifest) == (day - timedelta(days=1), day)
                assert manifest["rows"] == changed_between(orders_sandbox, day - timedelta(days=1), day)
        assert state_of_series(tmp_path) == states
        orders_sandbox.clock.advance(60)
        orders_sandbox.insert_orders("valomnia", 2)
        following = ran(dag_runner(dag, logical_date=datetime(2026, 1, 1, tzinfo=UTC)))
        assert following["mode"] == "incremental"
        assert following["rows"] == 2 + len(orders_sandbox.live_ids("valomnia"))
        assert following["watermark"] > first["watermark"]


def state_of_series(path: Path) -> list[dict[str, Any]]:
    """Give the states in the manifests of a series."""
    manifests = [json.loads(file.read_bytes()) for file in sorted(path.glob("*.manifest.json"))]
    return [manifest["state"] for manifest in manifests if "state" in manifest]


@contextlib.contextmanager
def as_backfill() -> Iterator[None]:
    """Let ``dag.test()`` make runs as a backfill does; it has no argument for it."""
    from airflow.models.dagrun import DagRun

    def change(_mapper: object, _connection: object, run: DagRun) -> None:
        run.run_type = DagRunType.BACKFILL_JOB

    event.listen(DagRun, "before_insert", change)
    try:
        yield
    finally:
        event.remove(DagRun, "before_insert", change)


def run_without_date(dag_runner: DagRunner, dag: DAG, patch: pytest.MonkeyPatch) -> DagRun:
    """Run a DAG as the trigger button does: without a logical date."""
    test = dag.test
    patch.setattr(type(dag), "test", lambda _, **options: test(**{**options, "logical_date": None}))
    return dag_runner(dag)
