"""The DAG that an endpoint for webhooks starts."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Asset, task

GENUKA_ORDERS = Asset("genuka_orders")

with DAG(dag_id="on_webhook", schedule=[GENUKA_ORDERS]):

    @task
    def payloads(triggering_asset_events: Any = None) -> list[Any]:
        return [event.extra["payload"] for event in triggering_asset_events[GENUKA_ORDERS]]

    payloads()
