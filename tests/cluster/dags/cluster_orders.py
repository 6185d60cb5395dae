"""DAGs that the tests of this folder run in a real Airflow; what they work on comes with each run."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_provider_orders.operators.orders import GetOrderOperator
from airflow_provider_orders.sensors.orders import OrderStatusSensor
from airflow_provider_orders.transfers.orders_to_object_storage import OrdersToObjectStorageOperator

with DAG(dag_id="wait", schedule=None, params={"order_id": "", "orders_conn_id": "dipli_default"}):
    OrderStatusSensor(
        task_id="wait",
        orders_conn_id="{{ params.orders_conn_id }}",
        order_id="{{ params.order_id }}",
        poke_interval=0.5,
        timeout=300,
        deferrable=True,
    )

with DAG(dag_id="wait_briefly", schedule=None, params={"order_id": "", "orders_conn_id": "dipli_default"}):
    OrderStatusSensor(
        task_id="wait",
        orders_conn_id="{{ params.orders_conn_id }}",
        order_id="{{ params.order_id }}",
        poke_interval=0.5,
        timeout=45,
        deferrable=True,
    )

with DAG(
    dag_id="wait_in_triggerer", schedule=None, params={"order_id": "", "orders_conn_id": "dipli_default"}
):
    OrderStatusSensor(
        task_id="wait",
        orders_conn_id="{{ params.orders_conn_id }}",
        order_id="{{ params.order_id }}",
        poke_interval=0.5,
        timeout=300,
        start_from_trigger=True,
    )

with DAG(dag_id="export", schedule=None, params={"path": ""}):
    for vendor in ("popsell", "dipli", "valomnia", "genuka"):
        OrdersToObjectStorageOperator(
            task_id=vendor, orders_conn_id=f"{vendor}_default", path="{{ params.path }}", compression="gzip"
        )

# Paused, because `airflow dags test` and a scheduler that runs beside it would both take up the tasks.
with DAG(
    dag_id="get",
    schedule=None,
    is_paused_upon_creation=True,
    params=dict.fromkeys(("popsell", "dipli", "valomnia", "genuka"), ""),
):
    for vendor in ("popsell", "dipli", "valomnia", "genuka"):
        GetOrderOperator(
            task_id=vendor, orders_conn_id=f"{vendor}_default", order_id=f"{{{{ params.{vendor} }}}}"
        )
