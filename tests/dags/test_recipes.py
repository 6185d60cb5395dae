"""The recipes of docs/recipes.md are run as they stand, but for the paths."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import sqlalchemy

from airflow_provider_orders.sandbox import Sandbox
from tests.dags.conftest import read_dags, returned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import DagRunner
    from tests.services import Database

RECIPES = (Path(__file__).resolve().parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")


def block(language: str, containing: str) -> str:
    """Give the one code block that contains a text."""
    found = [
        code for code in re.findall(rf"```{language}\n(.*?)```", RECIPES, re.DOTALL) if containing in code
    ]
    assert len(found) == 1, containing
    return str(found[0])


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Genuka as it was some hours ago, so that its changes lie before the exports."""
    some_hours_ago = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=6)
    with Sandbox(orders=120, step_s=float("inf"), base_date=some_hours_ago) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        yield sandbox


@pytest.fixture
def recipe(airflow_db: Path, tmp_path: Path) -> Callable[..., Any]:
    """Give the DAG of a recipe, with other paths."""
    assert airflow_db.exists()

    def read(dag_id: str, **texts: str) -> Any:
        code = block("python", f"def {dag_id}(")
        for old, new in texts.items():
            code = code.replace(old, new)
        (tmp_path / "recipe.py").write_text(code, encoding="utf-8")
        bag = read_dags(tmp_path)
        assert bag.import_errors == {}
        return bag.dags[dag_id]

    return read


def change_some(sandbox: Sandbox) -> None:
    """Let orders come and change."""
    sandbox.clock.advance(60)
    for order in sandbox.payloads("genuka")[:7]:
        sandbox.set_status("genuka", order["id"], "taken_in_charge", axis="fulfillment")
    sandbox.insert_orders("genuka", 4)
    sandbox.clock.advance(60)


def test_every_hour_into_postgresql(
    sandbox: Sandbox,
    recipe: Callable[..., Any],
    dag_runner: DagRunner,
    postgres_database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", postgres_database.airflow_connection)
    hourly = recipe("orders_every_hour")
    first = returned(dag_runner(hourly), "export")
    change_some(sandbox)
    second = returned(dag_runner(hourly), "export")
    engine = sqlalchemy.create_engine(postgres_database.url)
    with engine.connect() as connection:
        count = connection.execute(sqlalchemy.text("SELECT count(*) FROM orders WHERE NOT deleted")).scalar()
    engine.dispose()
    assert first["rows"] == 120
    assert second["rows"] - second["unchanged"] == 11
    alive = [order for order in sandbox.payloads("genuka") if not order["deleted_at"]]
    assert count == len(alive)


def test_does_the_warehouse_hold_what_the_vendor_has(
    sandbox: Sandbox,
    recipe: Callable[..., Any],
    dag_runner: DagRunner,
    postgres_database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", postgres_database.airflow_connection)
    dag_runner(recipe("orders_every_hour"))
    start = datetime.fromisoformat(sandbox.payloads("genuka")[0]["created_at"])
    years = {"2025-01-01T00:00:00Z": start.isoformat(), "2026-01-01T00:00:00Z": datetime.now(UTC).isoformat()}
    weekly = recipe("reconcile_orders", **years)
    report = returned(dag_runner(weekly), "reconcile")
    assert report["windows_to_repair"] == []
    assert sum(report[kind]["count"] for kind in ("missing", "extra", "changed")) == 0


def test_every_day_into_a_parquet_lake(
    sandbox: Sandbox, recipe: Callable[..., Any], dag_runner: DagRunner, tmp_path: Path
) -> None:
    lake = str(tmp_path / "lake")
    daily = recipe("orders_lake", **{"/data/lake/orders": lake})
    dag_runner(daily)
    change_some(sandbox)
    dag_runner(daily)
    newest = duckdb.sql(block("sql", "QUALIFY").replace("/data/lake/orders", lake))
    assert newest is not None
    statuses = dict(newest.project("id, fulfillment_status").fetchall())
    truth = sandbox.payloads("genuka")
    assert statuses.keys() == {order["id"] for order in truth}
    changed = [order["id"] for order in truth[:7] if not order["deleted_at"]]
    assert {statuses[order_id] for order_id in changed} == {"in_transit"}


def test_a_year_month_by_month_on_many_workers(
    sandbox: Sandbox, recipe: Callable[..., Any], dag_runner: DagRunner, tmp_path: Path
) -> None:
    this_month = datetime.now(UTC).replace(day=1)
    until = (this_month + timedelta(days=40)).replace(day=1)
    since = (this_month - timedelta(days=200)).replace(day=1)
    texts = {
        "/data/orders": str(tmp_path / "orders"),
        '"2025-01-01"': f'"{since:%Y-%m-%d}"',
        '"2026-01-01"': f'"{until:%Y-%m-%d}"',
    }
    run = dag_runner(recipe("backfill_2025", **texts))
    merged = returned(run, "merge")
    assert merged["rows"] == 120 == len(sandbox.payloads("genuka"))
