"""Runs DAGs in an Airflow with OpenLineage: ``python -m tests.unit.lineage.runs FOLDER``.

A process of its own, because Airflow decides as it starts who is told of lineage. The events go where the environment says.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG
from airflow.utils.db import initdb

from airflow_provider_orders.assets.orders import orders_asset
from airflow_provider_orders.operators.merge import MergeExportsOperator
from airflow_provider_orders.operators.orders import GetOrderOperator, ListOrdersOperator
from airflow_provider_orders.operators.reconcile import ReconcileOrdersOperator
from airflow_provider_orders.sandbox import Sandbox
from airflow_provider_orders.sensors.orders import OrderStatusSensor, OrdersUpdatedSensor
from airflow_provider_orders.transfers.orders_to_object_storage import OrdersToObjectStorageOperator
from airflow_provider_orders.transfers.orders_to_sql import OrdersToSqlOperator
from airflow_provider_orders.triggers.pauses import PauseTrigger
from tests.recording import keep_api, record_dag

if TYPE_CHECKING:
    from collections.abc import Callable

ORDERS = 30


def main(folder: Path) -> None:
    """Run the DAGs."""
    os.environ["AIRFLOW_CONN_WAREHOUSE"] = json.dumps(
        {"conn_type": "sqlite", "host": str(folder / "orders.db")}
    )
    let_pauses_end_at_once()
    initdb()
    keep_api()
    with Sandbox(orders=ORDERS) as sandbox:
        sandbox.clock.freeze()
        os.environ.update(sandbox.environment())
        run(plain(sandbox, folder))
        sandbox.inject("rate_limit", vendor="genuka", path="/admin/orders", retry_after="600")
        run(turned_away(folder))
        order_id = sandbox.payloads("dipli")[7]["id"]
        sandbox.set_status("dipli", order_id, "pending_confirmation")
        threading.Thread(target=ship, args=(sandbox, order_id), daemon=True).start()
        run(waiting(order_id))


def plain(sandbox: Sandbox, folder: Path) -> DAG:
    """Use each operator once."""
    files = str(folder / "plain")
    order_id = sandbox.payloads("valomnia")[0]["id"]
    with DAG("plain", schedule=None) as dag:
        get = GetOrderOperator(task_id="get", orders_conn_id="valomnia_default", order_id=order_id)
        several = ListOrdersOperator(task_id="list", orders_conn_id="popsell_default", limit=3)
        to_files = OrdersToObjectStorageOperator(
            task_id="to_files",
            orders_conn_id="genuka_default",
            path=files,
            output="canonical",
            outlets=[orders_asset("genuka_default")],
        )
        to_sql = OrdersToSqlOperator(
            task_id="to_sql", orders_conn_id="dipli_default", sql_conn_id="warehouse"
        )
        merge = MergeExportsOperator(task_id="merge", manifests=[to_files.output])
        with_files = ReconcileOrdersOperator(
            task_id="with_files", orders_conn_id="genuka_default", path=files
        )
        with_table = ReconcileOrdersOperator(
            task_id="with_table", orders_conn_id="dipli_default", sql_conn_id="warehouse"
        )
        changed = OrdersUpdatedSensor(
            task_id="changed", orders_conn_id="valomnia_default", updated_since="2000-01-01T00:00:00Z"
        )
        get >> several >> to_files >> to_sql >> merge >> with_files >> with_table >> changed
    return dag


def turned_away(folder: Path) -> DAG:
    """Export where the vendor wants to be left alone for ten minutes, so that the task is deferred for as long."""
    with DAG("turned_away", schedule=None) as dag:
        OrdersToObjectStorageOperator(
            task_id="export", orders_conn_id="genuka_default", path=str(folder / "deferred"), retries=0
        )
    return dag


def waiting(order_id: int) -> DAG:
    """Wait in the triggerer."""
    with DAG("waiting", schedule=None) as dag:
        OrderStatusSensor(
            task_id="wait",
            orders_conn_id="dipli_default",
            order_id=order_id,
            poke_interval=1,
            timeout=60,
            deferrable=True,
        )
    return dag


def ship(sandbox: Sandbox, order_id: int) -> None:
    """Let an order be shipped when it was asked for by the worker."""
    while not any(request.path.endswith(f"/{order_id}") for request in sandbox.requests):
        time.sleep(0.01)
    sandbox.set_status("dipli", order_id, "shipped")


def let_pauses_end_at_once() -> None:
    """Let nobody wait for ten minutes."""
    original: Callable[[PauseTrigger], Any] = PauseTrigger.run

    async def run(self: PauseTrigger) -> Any:
        self.until = 0.0
        async for event in original(self):
            yield event

    PauseTrigger.run = run  # type: ignore[method-assign]


def run(dag: DAG) -> None:
    """Run a DAG to its end."""
    record_dag(dag)
    finished = dag.test()
    assert finished.state == "success", dag.dag_id


if __name__ == "__main__":
    main(Path(sys.argv[1]))
