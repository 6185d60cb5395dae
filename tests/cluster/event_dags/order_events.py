"""A DAG that changing orders start; its one task needs no worker."""

from __future__ import annotations

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, AssetWatcher

from airflow_provider_orders.triggers.events import OrderEventTrigger

changed = Asset(
    "changed_orders",
    watchers=[
        AssetWatcher(
            name="genuka",
            trigger=OrderEventTrigger(
                orders_conn_id="genuka_default",
                events="order.status_changed",
                statuses="delivered",
                poke_interval=1.0,
                lookback=90.0,
            ),
        )
    ],
)

with DAG(dag_id="order_events", schedule=[changed]):
    EmptyOperator(task_id="take")
