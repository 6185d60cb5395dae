"""Start a DAG for each order that is delivered.

A trigger in the triggerer polls the connection; each event that it fires starts this DAG. Changes that come at the same
time start it once, with several events, and each of them becomes a task of its own.

An event that comes twice, as it can after a restart of Airflow, has the same `event_id`: do the work under that key.

**Try it in the sandbox** of `make airflow`: unpause the DAG, and wait a few minutes.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import Asset, AssetWatcher, dag, task

from airflow_provider_orders.triggers.orders import OrderEventTrigger

log = logging.getLogger(__name__)

DELIVERED = Asset(
    "delivered_orders",
    watchers=[
        AssetWatcher(
            name="genuka",
            trigger=OrderEventTrigger(
                orders_conn_id="genuka_default",
                events=["order.status_changed"],
                statuses=["delivered"],
                poke_interval=10,
            ),
        )
    ],
)


@dag(
    dag_id="example_order_events",
    schedule=[DELIVERED],
    is_paused_upon_creation=True,
    tags=["orders", "example"],
    doc_md=__doc__,
)
def example_order_events() -> None:
    """Take the events that started the run, one task each."""

    @task
    def read_events(triggering_asset_events: Any = None) -> list[dict[str, Any]]:
        return [event.extra["payload"] for event in triggering_asset_events[DELIVERED]]

    @task(map_index_template="{{ event['order_id'] }}")
    def pay_commission(event: dict[str, Any]) -> str:
        order_id: str = event["order_id"]
        log.info("Order %s was delivered; event %s", order_id, event["event_id"])
        return order_id

    pay_commission.expand(event=read_events())


example_order_events()
