"""Mercato from end to end, against the sandbox; pytest takes it up as ``tests/unit/test_mercato.py``."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_orders import get_provider_info
from airflow_provider_orders.errors import AuthenticationError, ConfigurationError, OrderFailedError
from airflow_provider_orders.hooks.orders import OrdersHook
from airflow_provider_orders.operators.orders import GetOrderOperator, ListOrdersOperator
from airflow_provider_orders.sensors.orders import OrderStatusSensor
from airflow_provider_orders.transfers.orders_to_object_storage import OrdersToObjectStorageOperator

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_orders.sandbox import Sandbox

CONNECTION = "mercato_default"


def run(name: str) -> Any:
    """Give the context of a run, as far as an export reads it."""
    return {"run_id": name, "ti": SimpleNamespace(dag_id="d", task_id="export", run_id=name, map_index=-1)}


def test_airflow_learns_of_the_connection_type() -> None:
    types = {entry["connection-type"]: entry for entry in get_provider_info()["connection-types"]}

    assert types["mercato"]["hook-name"] == "Mercato"
    assert "page_size" in types["mercato"]["conn-fields"]


def test_connection_test_says_what_is_visible(orders_sandbox: Sandbox) -> None:
    with OrdersHook.for_connection(CONNECTION) as hook:
        assert hook.test_connection() == (True, "Signed in to Mercato at 127.0.0.1; 230 orders visible.")


def test_wrong_token_is_an_authentication_error(
    orders_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = orders_sandbox.connections[CONNECTION] | {"password": "wrong"}
    monkeypatch.setenv("AIRFLOW_CONN_MERCATO_DEFAULT", json.dumps(wrong))

    with pytest.raises(AuthenticationError):
        GetOrderOperator(task_id="get", orders_conn_id=CONNECTION, order_id="1001").execute({})


def test_one_order_comes_in_canonical_form(orders_sandbox: Sandbox) -> None:
    order = GetOrderOperator(task_id="get", orders_conn_id=CONNECTION, order_id="1002").execute({})

    assert order["source"] == "mercato"
    assert (order["total"], order["currency"]) == ("12", "EUR")
    assert (order["fulfillment_status"], order["fulfillment_status_raw"]) == ("pending", "new")
    assert order["customer"]["name"] == "***"
    assert order["lines"][0]["total"] == "12"


def test_filter_that_mercato_lacks_is_an_error(orders_sandbox: Sandbox) -> None:
    lister = ListOrdersOperator(
        task_id="list", orders_conn_id=CONNECTION, created_from="2026-01-01T00:00:00Z"
    )

    with pytest.raises(ConfigurationError, match="created_from"):
        lister.execute({})


@pytest.mark.parametrize("fault", [None, "rate_limit", "cut", "server_error", "insert"])
def test_export_holds_each_order_once(orders_sandbox: Sandbox, tmp_path: Path, fault: Any) -> None:
    if fault:
        orders_sandbox.inject(fault, vendor="mercato")
    manifest = OrdersToObjectStorageOperator(
        task_id="export", orders_conn_id=CONNECTION, path=str(tmp_path), mode="full", compression=None
    ).execute(run("only"))

    rows = [json.loads(line) for file in tmp_path.glob("*.jsonl") for line in file.read_text().splitlines()]
    ids = [row["id"] for row in rows]
    truth = {order["id"] for order in orders_sandbox.payloads("mercato")}
    assert manifest["rows"] == len(ids) == len(set(ids))
    assert set(ids) in (truth, {order for order in truth if order < 1231})


def test_incremental_export_brings_what_changed(orders_sandbox: Sandbox, tmp_path: Path) -> None:
    export = OrdersToObjectStorageOperator(
        task_id="export", orders_conn_id=CONNECTION, path=str(tmp_path), mode="incremental"
    )
    first = export.execute(run("first"))
    orders_sandbox.clock.advance(3600)
    orders_sandbox.set_status("mercato", "1100", "called_off")
    second = export.execute(run("second"))

    moved = {"1100", *orders_sandbox.live_ids("mercato")}
    assert (first["rows"], second["rows"]) == (230, len(moved))


def test_status_is_waited_for(orders_sandbox: Sandbox) -> None:
    wait = OrderStatusSensor(task_id="wait", orders_conn_id=CONNECTION, order_id="1001")
    assert not wait.poke({})

    orders_sandbox.clock.advance(20)

    (told,) = wait.execute({})["orders"]
    assert told["status_raw"] == {"fulfillment": "handed_over"}


def test_status_that_cannot_come_any_more_fails(orders_sandbox: Sandbox) -> None:
    orders_sandbox.clock.advance(20)

    with pytest.raises(OrderFailedError):
        OrderStatusSensor(task_id="wait", orders_conn_id=CONNECTION, order_id="1002").execute({})


def test_status_is_waited_for_in_the_triggerer(orders_sandbox: Sandbox) -> None:
    wait = OrderStatusSensor(
        task_id="wait", orders_conn_id=CONNECTION, order_id="1001", deferrable=True, poke_interval=1
    )
    with pytest.raises(TaskDeferred) as deferred:
        wait.execute({})
    orders_sandbox.clock.advance(20)

    async def first_event() -> Any:
        return (await anext(deferred.value.trigger.run())).payload

    payload = asyncio.run(first_event())

    (told,) = getattr(wait, deferred.value.method_name)({}, payload)["orders"]
    assert told["status"] == {"fulfillment": "delivered"}
