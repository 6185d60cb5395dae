"""The last task of a fan-out: one manifest, and a watermark from which an incremental export goes on."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG, task

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.export.windows import plan_windows
from airflow_provider_orders.operators.merge import MergeExportsOperator
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

PLAN: Any = plan_windows("2025-10-01", "2026-01-01")


def export(vendor: str, path: Path, index: int, **arguments: Any) -> dict[str, Any]:
    operator = OrdersToObjectStorageOperator(
        task_id="export", orders_conn_id=f"{vendor}_default", path=str(path), **arguments
    )
    return operator.execute(context(map_index=index))


def export_all(vendor: str, path: Path, plan: list[dict[str, str]] = PLAN) -> list[dict[str, Any]]:
    return [export(vendor, path, index, **part) for index, part in enumerate(plan)]


def merge(manifests: Any, **arguments: Any) -> dict[str, Any]:
    operator = MergeExportsOperator(task_id="merge", manifests=manifests, **arguments)
    merged = operator.execute(context(task_id="merge"))
    assert json.loads(json.dumps(merged)) == merged
    assert secrets_in(json.dumps(merged)) == []
    return merged


class TestInADag:
    @pytest.mark.parametrize("vendor", VENDORS)
    def test_a_mapped_export_becomes_one_and_an_incremental_one_follows(
        self, orders_sandbox: Sandbox, dag_runner: DagRunner, tmp_path: Path, vendor: str
    ) -> None:
        seen: list[Any] = []
        conn_id = f"{vendor}_default"
        with DAG(f"merge_{vendor}", schedule=None) as dag:

            @task
            def plan() -> Any:
                return PLAN

            parts = plan()
            exports = OrdersToObjectStorageOperator.partial(
                task_id="export", orders_conn_id=conn_id, path=str(tmp_path)
            ).expand_kwargs(parts)
            merged = MergeExportsOperator(
                task_id="merge", manifests=exports.output, parts=parts, moves_watermark=True
            )
            following = OrdersToObjectStorageOperator(
                task_id="following", orders_conn_id=conn_id, path=str(tmp_path), mode="incremental"
            )
            merged >> following

            @task
            def take(*manifests: Any) -> None:
                seen.extend(manifests)

            take(merged.output, following.output)
        assert dag_runner(dag).state == "success"
        whole, after = seen
        assert (whole["parts"], whole["rows"]) == (3, len(orders_sandbox.payloads(vendor)))
        assert whole["watermark"] is not None
        assert (after["mode"], after["rows"]) == ("incremental", 0)
        assert len(list(tmp_path.glob(f"{vendor}-*-00000002.manifest.json"))) == 1

    def test_a_part_that_failed_fails_the_merge(
        self,
        orders_sandbox: Sandbox,
        dag_runner: DagRunner,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        errors = note_errors(monkeypatch, MergeExportsOperator)
        with DAG("merge_failed", schedule=None) as dag:
            exports = OrdersToObjectStorageOperator.partial(
                task_id="export", orders_conn_id="genuka_default", path=str(tmp_path)
            ).expand_kwargs([*PLAN[:2], {**PLAN[2], "statuses": "no such"}])
            MergeExportsOperator(
                task_id="merge",
                manifests=exports.output,
                parts=PLAN,
                moves_watermark=True,
                trigger_rule="all_done",
            )
        assert dag_runner(dag).state == "failed"
        (error,) = errors
        assert "2 manifests of 3 parts" in str(error)
        assert not list(tmp_path.glob("genuka-????????????-*"))
        assert orders_sandbox.requests


class TestTheWatermarkOfATable:
    def test_moves_once(
        self,
        orders_sandbox: Sandbox,
        any_database: Database,
        connect_airflow: Callable[[str, Database], None],
    ) -> None:
        connect_airflow("warehouse", any_database)
        shared: dict[str, Any] = {"orders_conn_id": "valomnia_default", "sql_conn_id": "warehouse"}
        plan: Any = plan_windows("2025-10-01", "2030-01-01", every=timedelta(days=1000), by="updated")
        manifests = [
            OrdersToSqlOperator(task_id="export", **shared, **part).execute(context(map_index=index))
            for index, part in enumerate(plan)
        ]
        merged = merge(manifests, parts=plan, moves_watermark=True, sql_conn_id="warehouse")
        newest = max(order["lastUpdated"] for order in orders_sandbox.payloads("valomnia"))
        assert merged["watermark"].startswith(newest[:19])
        assert merge(manifests, parts=plan, moves_watermark=True, sql_conn_id="warehouse") == merged
        orders_sandbox.clock.advance(7200)
        orders_sandbox.insert_orders("valomnia")
        before = len(orders_sandbox.requests)
        following = OrdersToSqlOperator(task_id="following", mode="incremental", **shared).execute(
            context(task_id="following")
        )
        since = next(
            request.query["lastUpdated_gte"]
            for request in orders_sandbox.requests[before:]
            if "lastUpdated_gte" in request.query
        )
        assert since < merged["watermark"]
        assert 1 <= following["rows"] - following["unchanged"] <= 10

    def test_knows_the_newest_order_where_the_vendor_lists_by_ids(
        self,
        orders_sandbox: Sandbox,
        sqlite_database: Database,
        connect_airflow: Callable[[str, Database], None],
    ) -> None:
        connect_airflow("warehouse", sqlite_database)
        shared: dict[str, Any] = {"orders_conn_id": "popsell_default", "sql_conn_id": "warehouse"}
        manifests = [
            OrdersToSqlOperator(task_id="export", **shared, **part).execute(context(map_index=index))
            for index, part in enumerate(PLAN)
        ]
        merge(manifests, parts=PLAN, moves_watermark=True, sql_conn_id="warehouse")
        engine = HookDatabase("warehouse").get_sqlalchemy_engine()
        with engine.connect() as connection:
            (text,) = connection.exec_driver_sql("SELECT state FROM orders_sync_state").fetchone() or ("",)
        engine.dispose()
        newest = max(order["id_order"] for order in orders_sandbox.payloads("popsell"))
        assert json.loads(text)["newest_id"] == newest


class TestArguments:
    def test_ambassadors_merge_without_a_watermark(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        people = sorted(
            {
                order["ambassador"]["id_ambassador"]
                for order in orders_sandbox.payloads("popsell")
                if order["ambassador"]
            }
        )[:3]
        manifests = [
            export("popsell", tmp_path, index, ambassador_id=person) for index, person in enumerate(people)
        ]
        parts = [{"ambassador_id": person} for person in people]
        assert merge(manifests, parts=parts)["parts"] == 3
        with pytest.raises(ConfigurationError, match="moves_watermark needs parts"):
            merge(manifests, parts=parts, moves_watermark=True)

    @pytest.mark.parametrize("parts", [None, 3, "3"])
    def test_a_watermark_needs_to_know_the_windows(
        self, orders_sandbox: Sandbox, tmp_path: Path, parts: Any
    ) -> None:
        manifests = export_all("dipli", tmp_path)
        assert merge(manifests, parts=parts)["parts"] == 3
        with pytest.raises(ConfigurationError, match="moves_watermark needs parts"):
            merge(manifests, parts=parts, moves_watermark=True)
        assert orders_sandbox.requests

    @pytest.mark.parametrize("lookback", ["300", -1, timedelta(days=900_000)])
    def test_lookback_must_be_a_duration(
        self, orders_sandbox: Sandbox, tmp_path: Path, lookback: Any
    ) -> None:
        manifests = export_all("genuka", tmp_path)
        with pytest.raises(ConfigurationError, match="lookback must be"):
            merge(manifests, parts=PLAN, moves_watermark=True, lookback=lookback)
        assert orders_sandbox.requests

    @pytest.mark.parametrize("manifests", [None, 7, "text", [None], [{"rows": 1}], ["text"]])
    def test_manifests_must_be_manifests(self, manifests: Any) -> None:
        with pytest.raises(ConfigurationError, match="manifests must be what exports have returned"):
            merge(manifests)

    @pytest.mark.parametrize("parts", ["text", [1], 1.5])
    def test_parts_must_be_parts(self, orders_sandbox: Sandbox, tmp_path: Path, parts: Any) -> None:
        with pytest.raises(ConfigurationError, match="parts must be"):
            merge([export("dipli", tmp_path, 0, limit=1)], parts=parts)
        assert orders_sandbox.requests

    def test_one_manifest_and_any_iterable_will_do(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        manifests = export_all("dipli", tmp_path)
        assert merge(manifests[0])["parts"] == 1
        assert merge(iter(manifests)) == merge(tuple(manifests)) == merge(manifests)
        assert orders_sandbox.requests

    def test_the_scope_is_that_of_the_filters(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        filters = {"statuses": ["shipped"]}
        manifests = [export("dipli", tmp_path, index, **part, **filters) for index, part in enumerate(PLAN)]
        merge(manifests, parts=PLAN, moves_watermark=True, **filters)
        following = export("dipli", tmp_path, 99, mode="incremental", **filters)
        assert following["rows"] == 0 < following["unchanged"]
        assert export("dipli", tmp_path, 98, mode="incremental")["rows"] == len(
            orders_sandbox.payloads("dipli")
        )
