"""A year of orders, one mapped export a month."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, task

from airflow_provider_orders.operators.planning import plan_windows
from airflow_provider_orders.transfers.orders_to_object_storage import OrdersToObjectStorageOperator

with DAG(dag_id="backfill", schedule=None, params={"folder": ""}):

    @task
    def plan() -> list[dict[str, str]]:
        """Split the year."""
        return plan_windows("2025-01-01", "2026-01-01", every="month")

    OrdersToObjectStorageOperator.partial(
        task_id="export",
        orders_conn_id="genuka_default",
        path="{{ params.folder }}",
        retries=3,
        retry_delay=timedelta(seconds=1),
    ).expand_kwargs(plan())
