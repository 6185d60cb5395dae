"""Parts for dynamic task mapping: as many as Airflow maps, and each mapped task brings its own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG, task

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.export.windows import MOST_PARTS
from airflow_provider_orders.operators.planning import plan_ambassadors, plan_windows
from airflow_provider_orders.transfers.orders_to_object_storage import OrdersToObjectStorageOperator

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_orders.sandbox import Sandbox
    from tests.conftest import DagRunner
    from tests.unit.hooks.connect import Connect

MAP_LENGTH = "AIRFLOW__CORE__MAX_MAP_LENGTH"


class TestWindows:
    def test_are_planned_without_asking_anybody(self, orders_sandbox: Sandbox) -> None:
        windows = plan_windows("2025-01-01", "2026-01-01", timezone="Europe/Paris", by="updated")
        assert len(windows) == 12
        assert windows[0]["updated_from"] == "2025-01-01T00:00:00+01:00"
        assert orders_sandbox.requests == []

    def test_are_as_many_as_airflow_maps(self, monkeypatch: pytest.MonkeyPatch) -> None:
        start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2022, 12, 31, tzinfo=UTC)
        with pytest.raises(ConfigurationError, match=f"more than {MOST_PARTS} windows"):
            plan_windows(start, end, every="day")
        monkeypatch.setenv(MAP_LENGTH, "2000")
        assert len(plan_windows(start, end, every="day")) == 1095
        monkeypatch.setenv(MAP_LENGTH, "3")
        with pytest.raises(ConfigurationError, match="more than 3 windows"):
            plan_windows("2025-01-01", "2026-01-01")

    def test_are_mapped_over(self, orders_sandbox: Sandbox, dag_runner: DagRunner, tmp_path: Path) -> None:
        seen: list[Any] = []
        with DAG("plan_windows", schedule=None) as dag:
            export = OrdersToObjectStorageOperator.partial(
                task_id="export", orders_conn_id="valomnia_default", path=str(tmp_path)
            ).expand_kwargs(plan_windows("2025-10-01", "2026-01-01"))

            @task
            def take(manifests: Any) -> None:
                seen.extend(manifests)

            take(export.output)
        assert dag_runner(dag).state == "success"
        assert [manifest["mode"] for manifest in seen] == ["window"] * 3
        assert sum(manifest["rows"] for manifest in seen) == len(orders_sandbox.payloads("valomnia"))


class TestAmbassadors:
    def test_are_those_of_the_account(self, orders_sandbox: Sandbox) -> None:
        parts = plan_ambassadors("popsell_default")
        credited = {
            order["ambassador"]["id_ambassador"]
            for order in orders_sandbox.payloads("popsell")
            if order["ambassador"]
        }
        assert credited <= {part["ambassador_id"] for part in parts}
        assert len(parts) == len({part["ambassador_id"] for part in parts})

    def test_are_popsells(self, orders_sandbox: Sandbox) -> None:
        with pytest.raises(ConfigurationError, match="is to Dipli; only Popsell has ambassadors"):
            plan_ambassadors("dipli_default")
        assert orders_sandbox.requests == []

    def test_are_no_more_than_airflow_maps(
        self, orders_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, connect: Connect
    ) -> None:
        most = len(plan_ambassadors("popsell_default"))
        monkeypatch.setenv(MAP_LENGTH, str(most))
        assert len(plan_ambassadors("popsell_default")) == most
        monkeypatch.setenv(MAP_LENGTH, str(most - 1))
        with pytest.raises(
            ConfigurationError, match=rf"more than {most - 1} ambassadors.*without ambassador_id"
        ):
            plan_ambassadors(connect("popsell", page_size=2))
        assert orders_sandbox.requests
