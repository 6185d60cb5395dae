from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

import pytest
from airflow.sdk import DAG, Asset, AssetAlias

from airflow_provider_orders import get_provider_info
from airflow_provider_orders.assets.orders import EXPORT, orders_asset, sanitize_uri
from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.export.manifest import ExportSummary
from airflow_provider_orders.operators.merge import MergeExportsOperator
from airflow_provider_orders.transfers.orders_to_object_storage import OrdersToObjectStorageOperator
from airflow_provider_orders.transfers.orders_to_sql import OrdersToSqlOperator
from tests.unit.hooks.connect import VENDORS, secrets_in, truth

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.models.dagrun import DagRun

    from airflow_provider_orders.sandbox import Sandbox
    from tests.conftest import DagRunner

CANARY = "canary-secret"


def events_of(run: DagRun) -> list[tuple[str, dict[str, Any]]]:
    """Give the asset events of a run: the asset's address, and what the event tells."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    with create_session() as session:
        rows = session.query(AssetEvent).filter_by(source_run_id=run.run_id, source_dag_id=run.dag_id)
        return sorted(((row.asset.uri, row.extra) for row in rows), key=str)


class TestAnAddress:
    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("orders://genuka_default/orders", "orders://genuka_default/orders"),
            ("orders://Genuka_Default/orders/", "orders://genuka_default/orders"),
            ("ORDERS://shop.example.com/orders", "orders://shop.example.com/orders"),
            ("orders://01HQYDXWTXDJ3KMZP3BZ7JK73G/orders", "orders://01hqydxwtxdj3kmzp3bz7jk73g/orders"),
            ("orders://genuka_default/Orders", "orders://genuka_default/Orders"),
        ],
    )
    def test_is_written_in_one_way(self, given: str, kept: str) -> None:
        assert Asset(name="orders", uri=given).uri == kept
        assert isinstance(sanitize_uri(urlsplit(given)), SplitResult)

    @pytest.mark.parametrize(
        ("uri", "reason"),
        [
            (f"orders://{CANARY}@genuka_default/orders", "user name or a password"),
            (f"orders://{CANARY}:@genuka_default/orders", "user name or a password"),
            ("orders://@genuka_default/orders", "user name or a password"),
            (f"orders://genuka_default/orders?token={CANARY}", "behind"),
            ("orders:///orders", "names no connection"),
            ("orders://genuka_default", "names no resource"),
            ("orders://genuka_default/", "names no resource"),
            ("orders://genuka_default//", "names no resource"),
            ("orders://genuka_default/orders/7", "no single resource"),
            ("orders://genuka_default/a b", "no single resource"),
            ("orders://genuka default/orders", "other signs"),
            ("orders://genuka_default:8080/orders", "other signs"),
            ("orders://{{ params.connection }}/orders", "other signs"),
        ],
    )
    def test_that_is_none_is_refused_with_the_fix(self, uri: str, reason: str) -> None:
        with pytest.raises(ConfigurationError, match=reason) as caught:
            Asset(name="orders", uri=uri)

        assert "orders://genuka_default/orders" in str(caught.value)
        assert caught.value.field == "uri"
        assert CANARY not in str(caught.value)

    @pytest.mark.parametrize(
        "uri",
        [f"orders://user:{CANARY}@genuka_default/orders", f"orders://genuka_default/orders#{CANARY}"],
    )
    def test_is_refused_as_it_stands_too(self, uri: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            sanitize_uri(urlsplit(uri))

        assert CANARY not in str(caught.value)

    def test_with_a_password_loses_it(self) -> None:
        with pytest.warns(UserWarning, match="should not contain a password"):
            asset = Asset(name="orders", uri=f"orders://user:{CANARY}@genuka_default/orders")

        assert asset.uri == "orders://genuka_default/orders"


class TestTheAssetOfAConnection:
    def test_has_a_name_and_an_address(self) -> None:
        asset = orders_asset("Genuka_Default")

        assert (asset.name, asset.uri) == ("orders://genuka_default/orders",) * 2
        assert asset == orders_asset("genuka_default", "orders")

    @pytest.mark.parametrize(
        "orders_conn_id",
        ["", "a b", "{{ params.orders_conn_id }}", "user@host", "a/b", "a:b", "a#b", "ä", None, 7],
    )
    def test_is_refused_where_the_id_cannot_be_part_of_an_address(self, orders_conn_id: Any) -> None:
        with pytest.raises(ConfigurationError, match="AssetAlias") as caught:
            orders_asset(orders_conn_id)

        assert caught.value.field == "orders_conn_id"

    @pytest.mark.parametrize("resource", ["", "orders/7", "a b", "{{ x }}"])
    def test_is_refused_where_the_resource_cannot_be(self, resource: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            orders_asset("genuka_default", resource)

        assert caught.value.field == "resource"


@pytest.mark.filterwarnings("ignore:ProvidersManager.asset_")  # its successor is not in 3.1
def test_airflow_knows_the_scheme() -> None:
    from airflow.providers_manager import ProvidersManager

    manager: Any = ProvidersManager()  # type: ignore[no-untyped-call]

    assert manager.asset_uri_handlers["orders"] is sanitize_uri
    assert "orders" in manager.asset_to_openlineage_converters
    (entry,) = get_provider_info()["asset-uris"]
    assert entry["schemes"] == ["orders"]
    assert get_provider_info()["dataset-uris"] == [entry]


class TestEventsOfAnExport:
    @pytest.mark.parametrize("vendor", VENDORS)
    def test_tell_what_it_brought(
        self, orders_sandbox: Sandbox, dag_runner: DagRunner, tmp_path: Path, vendor: str
    ) -> None:
        conn_id = f"{vendor}_default"
        with DAG(f"export_{vendor}_with_outlet", schedule=None) as dag:
            OrdersToObjectStorageOperator(
                task_id="export", orders_conn_id=conn_id, path=str(tmp_path), outlets=[orders_asset(conn_id)]
            )

        run = dag_runner(dag)

        assert run.state == "success"
        ((uri, extra),) = events_of(run)
        summary = extra[EXPORT]
        assert uri == f"orders://{conn_id}/orders"
        assert summary.keys() == ExportSummary.__annotations__.keys()
        assert (summary["source"], summary["orders_conn_id"], summary["mode"]) == (vendor, conn_id, "full")
        assert summary["rows"] == len(truth(orders_sandbox, vendor))
        assert (summary["rejected"], summary["drift"], summary["window"]) == (0, 0, [None, None])
        assert summary["can_miss"] == 1
        assert all(
            isinstance(count, int) for counts in summary["statuses"].values() for count in counts.values()
        )
        assert secrets_in(json.dumps(extra)) == []
        assert len(json.dumps(extra)) < 1500

    def test_of_a_database_are_the_same(
        self, orders_sandbox: Sandbox, dag_runner: DagRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert orders_sandbox.vendors
        monkeypatch.setenv(
            "AIRFLOW_CONN_WAREHOUSE",
            json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "orders.db")}),
        )
        with DAG("export_sql_with_outlet", schedule=None) as dag:
            OrdersToSqlOperator(
                task_id="export",
                orders_conn_id="dipli_default",
                sql_conn_id="warehouse",
                mode="incremental",
                outlets=[Asset("exported"), orders_asset("dipli_default")],
            )

        run = dag_runner(dag)

        assert run.state == "success"
        events = events_of(run)
        assert {uri for uri, _ in events} == {"exported", "orders://dipli_default/orders"}
        assert events[0][1] == events[1][1]
        assert events[0][1][EXPORT]["watermark"]
        assert events[0][1][EXPORT]["manifest_file"] is None

    def test_of_an_alias_are_of_the_connection_that_the_run_was_for(
        self, orders_sandbox: Sandbox, dag_runner: DagRunner, tmp_path: Path
    ) -> None:
        assert orders_sandbox.vendors
        with DAG("export_with_alias", schedule=None) as dag:
            OrdersToObjectStorageOperator.partial(
                task_id="export", path=str(tmp_path), outlets=[AssetAlias("exported_orders")]
            ).expand(orders_conn_id=["dipli_default", "valomnia_default"])

        run = dag_runner(dag)

        assert run.state == "success"
        assert [(uri, extra[EXPORT]["orders_conn_id"]) for uri, extra in events_of(run)] == [
            ("orders://dipli_default/orders", "dipli_default"),
            ("orders://valomnia_default/orders", "valomnia_default"),
        ]

    def test_of_a_merge_tell_the_sum(
        self, orders_sandbox: Sandbox, dag_runner: DagRunner, tmp_path: Path
    ) -> None:
        windows = [
            {"created_to": "2025-07-01T00:00:00+00:00"},
            {"created_from": "2025-07-01T00:00:00+00:00"},
        ]
        with DAG("merge_with_outlet", schedule=None) as dag:
            export = OrdersToObjectStorageOperator.partial(
                task_id="export", orders_conn_id="genuka_default", path=str(tmp_path)
            ).expand_kwargs(windows)
            MergeExportsOperator(
                task_id="merge", manifests=export.output, outlets=[orders_asset("genuka_default")]
            )

        run = dag_runner(dag)

        assert run.state == "success"
        ((_, extra),) = events_of(run)
        assert extra[EXPORT]["rows"] == len(truth(orders_sandbox, "genuka"))

    def test_connection_that_no_asset_can_name_is_refused_before_anything_is_sent(
        self, orders_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_SHOP:DIPLI", json.dumps(orders_sandbox.connections["dipli_default"]))
        export = OrdersToObjectStorageOperator(
            task_id="export",
            orders_conn_id="shop:dipli",
            path=str(tmp_path),
            outlets=[AssetAlias("exported_orders")],
        )
        context: Any = {"ti": SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1)}

        with pytest.raises(ConfigurationError, match="shop:dipli"):
            export.execute(context)

        assert orders_sandbox.requests == []
