"""The reconciliation as a task: what it compares with, what it refuses, and the repair that follows it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pendulum
import pytest
from airflow.sdk import DAG, task
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from airflow_provider_orders.errors import ConfigurationError, OrdersError
from airflow_provider_orders.export.reconcile import Reconciliation
from airflow_provider_orders.export.windows import plan_windows
from airflow_provider_orders.operators.merge import MergeExportsOperator
from airflow_provider_orders.operators.reconcile import ReconcileOrdersOperator
from airflow_provider_orders.operators.targets import HookDatabase
from airflow_provider_orders.transfers.orders_to_object_storage import OrdersToObjectStorageOperator
from airflow_provider_orders.transfers.orders_to_sql import OrdersToSqlOperator
from tests.unit.export.exports import context
from tests.unit.hooks.connect import VENDORS, secrets_in
from tests.unit.operators.dags import note_errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_orders.sandbox import Sandbox
    from tests.conftest import DagRunner
    from tests.services.database import Database

WINDOW = {"created_from": "2025-10-01T00:00:00Z", "created_to": "2026-01-01T00:00:00Z"}
KINDS = ("missing", "extra", "changed", "changed_since")


def export(vendor: str, path: Path, **arguments: Any) -> dict[str, Any]:
    operator = OrdersToObjectStorageOperator(
        task_id="export", orders_conn_id=f"{vendor}_default", path=str(path), **arguments
    )
    return operator.execute(context())


def reconcile(vendor: str, **arguments: Any) -> dict[str, Any]:
    operator = ReconcileOrdersOperator(task_id="reconcile", orders_conn_id=f"{vendor}_default", **arguments)
    report = operator.execute(context(task_id="reconcile"))
    assert json.loads(json.dumps(report)) == report
    assert set(report) == set(Reconciliation.__annotations__)
    assert secrets_in(json.dumps(report)) == []
    return report


def counts(report: dict[str, Any]) -> tuple[int, ...]:
    return tuple(report[kind]["count"] for kind in KINDS)


def drop_lines(path: Path, start: int, end: int) -> None:
    (file,) = path.glob("*.jsonl")
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:start], *lines[end:]]))


class TestInADag:
    @pytest.mark.parametrize("vendor", VENDORS)
    def test_the_windows_to_repair_are_mapped_over(
        self, orders_sandbox: Sandbox, dag_runner: DagRunner, tmp_path: Path, vendor: str
    ) -> None:
        seen: list[Any] = []
        export(vendor, tmp_path)
        drop_lines(tmp_path, 5, 12)
        conn_id = f"{vendor}_default"
        with DAG(f"repair_{vendor}", schedule=None, params={"path": str(tmp_path), **WINDOW}) as dag:
            arguments: dict[str, Any] = {
                "orders_conn_id": conn_id,
                "path": "{{ params.path }}",
                "depth": "{{ 'orders' }}",
                "split_every": "{{ 'week' }}",
                "created_from": "{{ params.created_from }}",
                "created_to": "{{ params.created_to }}",
            }
            first = ReconcileOrdersOperator(task_id="first", **arguments)

            @task
            def to_repair(report: Any) -> Any:
                return report["windows_to_repair"]

            repair = OrdersToObjectStorageOperator.partial(
                task_id="repair", orders_conn_id=conn_id, path=str(tmp_path)
            ).expand_kwargs(to_repair(first.output))
            second = ReconcileOrdersOperator(task_id="second", on_difference="fail", **arguments)

            @task
            def take(*reports: Any) -> None:
                seen.extend(reports)

            repair >> second
            take(first.output, second.output)
        assert dag_runner(dag).state == "success"
        before, after = seen
        assert counts(before) == (7, 0, 0, 0)
        assert before["windows_to_repair"]
        assert counts(after) == (0, 0, 0, 0)
        assert after["is_equal"]
        assert orders_sandbox.requests

    def test_manifests_of_a_mapped_export_are_counted(
        self, orders_sandbox: Sandbox, dag_runner: DagRunner, tmp_path: Path
    ) -> None:
        seen: list[Any] = []
        with DAG("count_manifests", schedule=None) as dag:
            exports = OrdersToObjectStorageOperator.partial(
                task_id="export", orders_conn_id="genuka_default", path=str(tmp_path)
            ).expand_kwargs(plan_windows("2025-10-01", "2026-01-01"))
            report = ReconcileOrdersOperator(
                task_id="reconcile", orders_conn_id="genuka_default", manifests=exports.output
            )

            @task
            def take(report: Any) -> None:
                seen.append(report)

            take(report.output)
        assert dag_runner(dag).state == "success"
        (found,) = seen
        assert found["is_equal"]
        assert found["checked"]["source"] == len(orders_sandbox.payloads("genuka"))
        assert found["requests"] == 3

    def test_a_difference_fails_the_task_where_that_is_wanted(
        self,
        orders_sandbox: Sandbox,
        dag_runner: DagRunner,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        export("dipli", tmp_path)
        drop_lines(tmp_path, 0, 2)
        errors = note_errors(monkeypatch, ReconcileOrdersOperator)
        with DAG("fail_on_difference", schedule=None) as dag:
            ReconcileOrdersOperator(
                task_id="reconcile",
                orders_conn_id="dipli_default",
                path=str(tmp_path),
                depth="orders",
                on_difference="fail",
            )
        assert dag_runner(dag).state == "failed"
        (error,) = errors
        assert isinstance(error, OrdersError)
        assert "2 missing, 0 extra, 0 changed, 0 changed since" in str(error)
        assert orders_sandbox.requests


@pytest.mark.parametrize("depth", ["totals", "orders"])
def test_the_window_may_be_of_airflows_own_kind_of_moments(
    orders_sandbox: Sandbox, tmp_path: Path, depth: str
) -> None:
    export("genuka", tmp_path)
    report = reconcile(
        "genuka", path=str(tmp_path), depth=depth,
        created_from=pendulum.datetime(2025, 10, 1, tz="Europe/Paris"), created_to=pendulum.datetime(2026, 1, 1),
    )  # fmt: skip
    assert report["is_equal"]
    assert report["checked"]["source"] == len(orders_sandbox.payloads("genuka"))


def test_a_merged_backfill_is_counted_once(orders_sandbox: Sandbox, tmp_path: Path) -> None:
    plan: Any = plan_windows("2025-10-01", "2026-01-01")
    manifests = [
        OrdersToObjectStorageOperator(
            task_id="export", orders_conn_id="dipli_default", path=str(tmp_path), **part
        ).execute(context(map_index=index))
        for index, part in enumerate(plan)
    ]
    MergeExportsOperator(task_id="merge", manifests=manifests, parts=plan, moves_watermark=True).execute(
        context(task_id="merge")
    )
    for depth in ("totals", "orders"):
        report = reconcile("dipli", path=str(tmp_path), depth=depth)
        assert report["is_equal"]
        assert report["checked"]["written"] == len(orders_sandbox.payloads("dipli"))


def test_another_storage_is_merged_and_compared_as_well(orders_sandbox: Sandbox) -> None:
    attach("memory", conn_id="box", fs=MemoryFileSystem())
    path = "memory://box@bucket/orders"
    plan: Any = plan_windows("2025-10-01", "2026-01-01")
    try:
        manifests = [
            OrdersToObjectStorageOperator(
                task_id="export", orders_conn_id="popsell_default", path=path, compression="gzip", **part
            ).execute(context(map_index=index))
            for index, part in enumerate(plan)
        ]
        merged = MergeExportsOperator(
            task_id="merge", manifests=manifests, parts=plan, moves_watermark=True
        ).execute(context(task_id="merge"))
        assert merged["watermark"]
        report = reconcile("popsell", path=path, depth="orders", split_every="week", **WINDOW)
        assert report["is_equal"]
        assert report["checked"]["written"] == len(orders_sandbox.payloads("popsell"))
        with pytest.raises(ConfigurationError, match="path"):
            reconcile("popsell", path="memory://box@bucket/nowhere")
    finally:
        MemoryFileSystem.store.clear()


class TestATable:
    @pytest.mark.parametrize("vendor", VENDORS)
    def test_is_compared(
        self,
        orders_sandbox: Sandbox,
        sqlite_database: Database,
        connect_airflow: Callable[[str, Database], None],
        vendor: str,
    ) -> None:
        self.check(orders_sandbox, sqlite_database, connect_airflow, vendor)

    def test_is_compared_in_every_database(
        self,
        orders_sandbox: Sandbox,
        any_database: Database,
        connect_airflow: Callable[[str, Database], None],
    ) -> None:
        self.check(orders_sandbox, any_database, connect_airflow, "valomnia")

    @staticmethod
    def check(
        sandbox: Sandbox, database: Database, connect_airflow: Callable[[str, Database], None], vendor: str
    ) -> None:
        connect_airflow("warehouse", database)
        arguments: dict[str, Any] = {"sql_conn_id": "warehouse", **WINDOW, "split_every": "month"}
        shared: dict[str, Any] = {"orders_conn_id": f"{vendor}_default", "sql_conn_id": "warehouse"}
        OrdersToSqlOperator(task_id="export", **shared).execute(context())
        for depth in ("totals", "orders"):
            report = reconcile(vendor, depth=depth, **arguments)
            assert report["is_equal"]
            assert report["checked"] == {"source": 230, "written": 230}
        ids = sorted(
            str(order["id_order" if vendor == "popsell" else "id"]) for order in sandbox.payloads(vendor)
        )
        engine = HookDatabase("warehouse").get_sqlalchemy_engine()
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DELETE FROM orders WHERE id IN ('{ids[3]}', '{ids[4]}')")  # noqa: S608
            connection.exec_driver_sql(f"UPDATE orders SET total = 1.25 WHERE id = '{ids[50]}'")  # noqa: S608
            connection.exec_driver_sql(f"UPDATE orders SET id = 'zzz' WHERE id = '{ids[60]}'")  # noqa: S608
        engine.dispose()
        report = reconcile(vendor, depth="orders", **arguments)
        assert counts(report) == (3, 1, 1, 0)
        assert sorted(report["missing"]["ids"]) == sorted([ids[3], ids[4], ids[60]])
        assert (report["changed"]["ids"], report["extra"]["ids"]) == ([ids[50]], ["zzz"])
        assert counts(reconcile(vendor, **arguments))[0] >= 2
        for index, part in enumerate(report["windows_to_repair"]):
            OrdersToSqlOperator(task_id="repair", **shared, **part).execute(context(map_index=index))
        after = reconcile(vendor, depth="orders", **arguments)
        assert after["missing"]["count"] == 0
        assert after["extra"]["ids"] == ["zzz"]  # exporting again removes nothing

    def test_is_counted_by_manifests(
        self,
        orders_sandbox: Sandbox,
        sqlite_database: Database,
        connect_airflow: Callable[[str, Database], None],
    ) -> None:
        connect_airflow("warehouse", sqlite_database)
        for number in range(2):  # the second time every order is there already
            manifest = OrdersToSqlOperator(
                task_id="export", orders_conn_id="genuka_default", sql_conn_id="warehouse"
            ).execute(context(map_index=number))
            report = reconcile("genuka", manifests=[manifest])
            assert report["is_equal"]
            assert report["checked"]["written"] == len(orders_sandbox.payloads("genuka"))

    def test_that_is_not_there_is_named(
        self,
        orders_sandbox: Sandbox,
        sqlite_database: Database,
        connect_airflow: Callable[[str, Database], None],
    ) -> None:
        connect_airflow("warehouse", sqlite_database)
        with pytest.raises(ConfigurationError, match="There is no table orders"):
            reconcile("dipli", sql_conn_id="warehouse")
        with pytest.raises(ConfigurationError, match="no connection 'nowhere'"):
            reconcile("dipli", sql_conn_id="nowhere")
        with pytest.raises(ConfigurationError, match="is no database"):
            reconcile("dipli", sql_conn_id="dipli_default")
        assert orders_sandbox.requests == []


class TestRefuses:
    @pytest.mark.parametrize(
        ("words", "arguments"),
        [
            ("not path and sql_conn_id", {"path": "x", "sql_conn_id": "y"}),
            ("not sql_conn_id and manifests", {"sql_conn_id": "y", "manifests": []}),
            ("depth must be one of", {"path": "x", "depth": "all"}),
            ("by must be one of", {"path": "x", "by": "placed"}),
            ("on_difference must be one of", {"path": "x", "on_difference": "ignore"}),
            ("manifests hold counts only", {"manifests": [], "depth": "orders"}),
            ("windows of their own", {"manifests": [], **WINDOW}),
            ("windows of their own", {"manifests": [], "split_every": "day"}),
            ("manifests is empty", {"manifests": []}),
            ("manifests must be", {"manifests": "text"}),
            ("not both", {"path": "x", **WINDOW, "updated_from": "2025-10-01T00:00:00Z"}),
            ("needs both ends", {"path": "x", "split_every": "day"}),
            ("needs both ends", {"path": "x", "split_every": "day", "created_from": WINDOW["created_from"]}),
            ("every must be one of", {"path": "x", "split_every": "fortnight", **WINDOW}),
            ("more than 1024 windows", {"path": "x", "split_every": "hour", **WINDOW}),
            ("is not a time zone", {"path": "x", "split_every": "day", "timezone": "Paris", **WINDOW}),
            ("has no time zone", {"path": "x", "created_from": "2025-10-01T00:00:00"}),
            ("do not say when they changed", {"path": "x", "updated_from": "2025-10-01T00:00:00Z"}),
            ("cannot be read|holds no manifest", {"path": "x"}),
        ],
    )
    def test_what_cannot_be_meant_before_a_request(
        self,
        orders_sandbox: Sandbox,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        words: str,
        arguments: dict[str, Any],
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ConfigurationError, match=words):
            reconcile("dipli", **arguments)
        assert orders_sandbox.requests == []

    def test_filters_that_the_vendor_lacks(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        export("valomnia", tmp_path, limit=1)
        before = len(orders_sandbox.requests)
        with pytest.raises(ConfigurationError, match="cannot filter orders by statuses"):
            reconcile("valomnia", path=str(tmp_path), statuses="paid")
        assert len(orders_sandbox.requests) == before


def test_the_folder_is_in_airflows_home_by_default(
    orders_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    manifest = export("dipli", tmp_path / "orders")
    for path in (None, ""):
        report = reconcile("dipli", path=path)
        assert (report["is_equal"], report["uri"]) == (True, manifest["uri"])
    assert orders_sandbox.requests


class TestFilters:
    def test_are_those_of_the_export(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        person = next(
            order["ambassador"]["id_ambassador"]
            for order in orders_sandbox.payloads("popsell")
            if order["ambassador"]
        )
        manifest = export("popsell", tmp_path, ambassador_id=person)
        for depth in ("totals", "orders"):
            report = reconcile("popsell", path=str(tmp_path), depth=depth, ambassador_id=person)
            assert report["is_equal"]
            assert report["checked"] == {"source": manifest["rows"], "written": manifest["rows"]}

    def test_lines_are_compared_where_they_were_exported(
        self, orders_sandbox: Sandbox, tmp_path: Path
    ) -> None:
        export("genuka", tmp_path, with_lines=True)
        assert reconcile("genuka", path=str(tmp_path), depth="orders", with_lines=True)["is_equal"]
        assert orders_sandbox.requests
