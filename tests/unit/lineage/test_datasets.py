"""What OpenLineage is told: names, counts and columns, of what was read and written."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_orders.export.columns import columns_of, table_columns
from airflow_provider_orders.lineage.datasets import LineageDataset, Written, account_of, name_of
from airflow_provider_orders.lineage.mixin import ReportsLineageMixin
from airflow_provider_orders.models.order import Order


class TestNames:
    @pytest.mark.parametrize(
        ("uri", "named"),
        [
            ("/data/orders", ("file", "/data/orders")),
            ("file:///data/orders/", ("file", "/data/orders")),
            ("file:///", ("file", "/")),
            ("s3://lake/orders/2026", ("s3://lake", "orders/2026")),
            ("s3a://aws_default@lake/orders", ("s3://lake", "orders")),
            ("gcs://gcp@lake", ("gs://lake", "/")),
            ("abfs://azure@container/orders", ("abfs://container", "/orders")),
            ("postgres://db:6432/shop/public/orders", ("postgres://db:6432", "shop.public.orders")),
            ("postgres://db/shop/public/orders", ("postgres://db:5432", "shop.public.orders")),
            ("mysql://db/shop/orders", ("mysql://db:3306", "shop.orders")),
            ("sqlite:///data/shop.db/orders", ("sqlite:///data/shop.db", "orders")),
        ],
    )
    def test_are_those_that_openlineage_gives_to_such_places(self, uri: str, named: tuple[str, str]) -> None:
        assert name_of(uri) == named

    @pytest.mark.parametrize(
        ("account", "namespace"),
        [
            ("shop.example.com", "orders://shop.example.com"),
            ("01HQYD", "orders://01hqyd"),
            ("::1", "orders://%3A%3A1"),
            ("user@host", "orders://user%40host"),
        ],
    )
    def test_of_accounts_are_safe_in_an_address(self, account: str, namespace: str) -> None:
        assert account_of(account) == namespace


class TestWithoutTheProvider:
    def test_nobody_is_told_and_nothing_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        task = ReportsLineageMixin()
        task.note_lineage(LineageDataset.of_orders("shop"), outputs=(LineageDataset.at("/data"),))
        monkeypatch.setitem(sys.modules, "airflow.providers.openlineage", None)
        monkeypatch.setitem(sys.modules, "airflow.providers.openlineage.extractors", None)

        assert task.get_openlineage_facets_on_complete(None) is None

    def test_task_that_has_read_nothing_tells_nothing(self) -> None:
        assert ReportsLineageMixin().get_openlineage_facets_on_complete(None) is None


class TestFacets:
    @pytest.fixture(autouse=True)
    def _openlineage(self) -> None:
        pytest.importorskip("airflow.providers.openlineage.extractors")

    def test_of_a_dataset_are_its_columns_and_counts(self) -> None:
        task = ReportsLineageMixin()
        task.note_lineage(
            LineageDataset.of_orders("Shop"),
            outputs=(
                LineageDataset(
                    namespace="s3://lake",
                    name="orders",
                    columns=table_columns,
                    written=Written(rows=7, bytes=70, files=2),
                ),
            ),
        )

        told: Any = task.get_openlineage_facets_on_complete(None)

        (read,), (written,) = told.inputs, told.outputs
        assert (read.namespace, read.name) == ("orders://shop", "orders")
        fields = {field.name: field for field in read.facets["schema"].fields}
        assert list(fields) == [column.name for column in columns_of(Order)]
        assert (fields["total"].type, fields["created_at"].type) == ("decimal", "timestamp")
        assert [field.name for field in fields["customer"].fields][:2] == ["id", "name"]
        statistics = written.outputFacets["outputStatistics"]
        assert (statistics.rowCount, statistics.size, statistics.fileCount) == (7, 70, 2)
        assert [field.name for field in written.facets["schema"].fields][:3] == ["source", "account", "id"]

    def test_say_nothing_of_columns_that_are_not_known(self) -> None:
        assert LineageDataset.at("/data").as_output().facets == {}
        assert LineageDataset.at("/data").as_output().outputFacets == {}

    def test_of_an_asset_are_named_as_those_of_its_account(self) -> None:
        from airflow.sdk import Asset

        from airflow_provider_orders.assets.orders import convert_asset_to_openlineage

        dataset = convert_asset_to_openlineage(Asset(uri="orders://Shop.Example/orders"), None)

        assert (dataset.namespace, dataset.name) == (account_of("shop.example"), "orders")


@pytest.mark.parametrize(
    ("conn_type", "uri", "name"),
    [
        ("postgres", "postgres://db/shop/public/orders", "shop.public.orders"),
        ("mysql", "mysql://db/shop/orders", "shop.orders"),
    ],
)
def test_table_has_the_name_that_other_operators_give_to_it(conn_type: str, uri: str, name: str) -> None:
    pytest.importorskip("airflow.providers.openlineage.sqlparser")
    hooks = {"postgres": "PostgresHook", "mysql": "MySqlHook"}
    module = pytest.importorskip(f"airflow.providers.{conn_type}.hooks.{conn_type}")
    hook = getattr(module, hooks[conn_type])()
    connection: Any = SimpleNamespace(
        get_uri=lambda: f"{conn_type}://user:secret@db/shop", schema="shop", extra_dejson={}
    )

    known = hook.get_openlineage_database_info(connection)

    assert name_of(uri) == (f"{known.scheme}://{known.authority}", name)
