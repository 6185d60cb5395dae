"""The transfer into a database as a task: its connection, its arguments, and what it leaves in the tables."""

from __future__ import annotations

import json
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from airflow.sdk import BaseHook

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.transfers.orders_to_sql import OrdersToSqlOperator
from tests.unit.export.exports import expected_totals, same_totals
from tests.unit.export.sql_targets import only, query, tables
from tests.unit.hooks.connect import AMOUNTS, LISTINGS, VENDORS, secrets_in

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_orders.sandbox import Sandbox
    from tests.services import Database
    from tests.services.fixtures import ConnectAirflow


def context(run_id: str = "manual__1") -> Context:
    ti = SimpleNamespace(dag_id="dag", task_id="export", run_id=run_id, map_index=-1)
    return cast("Context", {"ti": ti})


def run(conn_id: str = "dipli_default", *, run_id: str = "manual__1", **arguments: Any) -> dict[str, Any]:
    operator = OrdersToSqlOperator(
        **{"task_id": "export", "orders_conn_id": conn_id, "sql_conn_id": "warehouse", **arguments}
    )
    manifest = operator.execute(context(run_id))
    assert json.loads(json.dumps(manifest, allow_nan=False)) == manifest
    return manifest


@pytest.fixture
def warehouse(any_database: Database, connect_airflow: ConnectAirflow) -> str:
    connect_airflow("warehouse", any_database)
    return any_database.url


@pytest.fixture
def sqlite(sqlite_database: Database, connect_airflow: ConnectAirflow) -> str:
    connect_airflow("warehouse", sqlite_database)
    return sqlite_database.url


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_order_arrives_and_again_changes_nothing(
    orders_sandbox: Sandbox, sqlite: str, vendor: str
) -> None:
    manifest = run(f"{vendor}_default", mode="full")
    expected = len(orders_sandbox.payloads(vendor))
    assert (manifest["rows"], manifest["unchanged"], manifest["mode"]) == (expected, 0, "full")
    assert same_totals(manifest["totals"], expected_totals(orders_sandbox, vendor))
    assert (
        only(query(sqlite, "SELECT COUNT(*) AS found FROM orders WHERE NOT deleted"))["found"]
        >= expected - 50
    )
    again = run(f"{vendor}_default", mode="full", run_id="manual__2")
    assert (again["unchanged"], again["deleted"]) == (expected, 0)


def test_goes_into_each_database(orders_sandbox: Sandbox, warehouse: str) -> None:
    manifest = run(mode="incremental", with_raw=True, history=True)
    expected = len(orders_sandbox.payloads("dipli"))
    for table in ("orders", "orders_raw", "orders_history"):
        assert only(query(warehouse, f"SELECT COUNT(*) AS found FROM {table}"))["found"] == expected  # noqa: S608
    (total,) = manifest["totals"].values()
    found = only(query(warehouse, "SELECT ROUND(SUM(total), 2) AS total FROM orders"))["total"]
    assert Decimal(str(found)) == Decimal(total)
    row = only(query(warehouse, "SELECT * FROM orders_sync_state"))
    stored = row["manifest"] if isinstance(row["manifest"], dict) else json.loads(row["manifest"])
    assert stored == manifest
    assert row["run_key"].splitlines() == ["dag", "export", "manual__1", "-1"]
    assert manifest["watermark"] is not None
    again = run(mode="incremental", run_id="manual__2")
    assert again["rows"] < expected
    assert again["unchanged"] == again["rows"]
    assert not secrets_in(json.dumps(manifest) + manifest["uri"])


def test_a_reject_is_kept_in_its_table(orders_sandbox: Sandbox, sqlite: str) -> None:
    orders_sandbox.inject("bad_row", vendor="dipli", variant="text_amount", path=LISTINGS["dipli"])
    manifest = run(on_reject="keep", mode="full")
    row = only(query(sqlite, "SELECT * FROM orders_rejects"))
    assert (manifest["rejected"], manifest["rejects_file"]) == (1, "orders_rejects")
    assert AMOUNTS["dipli"] in row["reason"]
    assert json.loads(row["payload"])[AMOUNTS["dipli"]] == "forty-two"
    assert only(query(sqlite, "SELECT COUNT(*) AS found FROM orders"))["found"] == manifest["rows"]


@pytest.mark.parametrize(
    ("connection", "problem"),
    [
        (None, "There is no connection 'warehouse'"),
        ({"conn_type": "dipli", "password": "hidden"}, "has the type 'dipli', which is no database"),
        ({"conn_type": "nosuch", "password": "hidden"}, "has the type 'nosuch', which Airflow does not know"),
        (
            {"conn_type": "mysql", "host": "localhost", "password": "hidden", "schema": "x"},
            "the module MySQLdb is missing",
        ),
        (
            {
                "conn_type": "postgres",
                "host": "127.0.0.1",
                "port": 1,
                "login": "me",
                "password": "hidden",
                "schema": "x",
            },
            "The database cannot be reached",
        ),
    ],
)
def test_a_connection_to_no_database_is_refused_before_any_request(
    orders_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, connection: dict[str, Any] | None, problem: str
) -> None:
    if connection is not None:
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(connection))
    with pytest.raises(ConfigurationError, match=problem) as caught:
        run()
    assert caught.value.field == "sql_conn_id"
    assert "hidden" not in str(caught.value)
    assert orders_sandbox.requests == []


def test_a_provider_that_is_not_installed_is_named(
    orders_sandbox: Sandbox, sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del sqlite
    connection = type(BaseHook.get_connection("warehouse"))

    def get_hook(_self: object, **_: object) -> None:
        raise ModuleNotFoundError(
            "No module named 'airflow.providers.sqlite'", name="airflow.providers.sqlite"
        )

    monkeypatch.setattr(connection, "get_hook", get_hook)
    with pytest.raises(ConfigurationError, match="'sqlite', whose provider is not installed"):
        run()
    assert orders_sandbox.requests == []


def test_a_table_of_another_shape_is_refused_before_any_request(orders_sandbox: Sandbox, sqlite: str) -> None:
    run(limit=1)
    sent = len(orders_sandbox.requests)
    query_words = "has no primary key"
    with pytest.raises(ConfigurationError, match=query_words):
        run(table="order_lines")
    assert len(orders_sandbox.requests) == sent
    assert "orders" in tables(sqlite)


def test_extras_of_the_connection_reach_the_driver(
    orders_sandbox: Sandbox, postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = json.loads(postgres_database.airflow_connection)
    fields["extra"] = {"options": "-c search_path=elsewhere", "cursor": "dictcursor"}
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(fields))
    with pytest.raises(ConfigurationError, match="has no schema by default"):
        run()
    assert orders_sandbox.requests == []


def test_templates() -> None:
    assert set(OrdersToSqlOperator.template_fields) >= {
        "sql_conn_id",
        "table",
        "schema",
        "mode",
        "orders_conn_id",
    }
    operator = OrdersToSqlOperator(
        task_id="export", orders_conn_id="dipli_default", sql_conn_id="{{ params.c }}", table="{{ params.t }}"
    )
    operator.render_template_fields(cast("Any", {"params": {"c": "warehouse", "t": "sales"}}))
    assert (operator.sql_conn_id, operator.table, operator.schema) == ("warehouse", "sales", None)
