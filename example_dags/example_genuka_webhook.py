"""Start when Genuka tells that an order changed, without asking it for anything.

An endpoint of yours verifies Genuka's webhooks and hands each to the asset `genuka_orders`; `docs/webhooks.md` shows one of
sixty lines. Each change starts this DAG, with the order's id, statuses and times in the event; changes that come
together may share a run.

**Try it** without a webhook: add an event to the asset under Assets, with
`{"payload": {"order_id": "1", "kind": "order.updated", "statuses": {"fulfillment": {"status": "delivered"}}}}`.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import Asset, dag, task

log = logging.getLogger(__name__)

GENUKA_ORDERS = Asset("genuka_orders")


@dag(
    dag_id="example_genuka_webhook",
    schedule=[GENUKA_ORDERS],
    tags=["orders", "example"],
    doc_md=__doc__,
)
def example_genuka_webhook() -> None:
    """Read the events that started the run, then do something for the orders that were delivered."""

    @task
    def read_events(triggering_asset_events: Any = None) -> list[dict[str, Any]]:
        events = triggering_asset_events[GENUKA_ORDERS] if triggering_asset_events else []
        # Who may add events to an asset may add others too: take only what the endpoint sends.
        return [event.extra["payload"] for event in events if "payload" in event.extra]

    @task
    def find_delivered(events: Any) -> list[str]:
        statuses = {event["order_id"]: event["statuses"]["fulfillment"]["status"] for event in events}
        delivered = [order_id for order_id, status in statuses.items() if status == "delivered"]
        log.info("%d orders changed, delivered: %s", len(statuses), ", ".join(delivered) or "none")
        return delivered

    find_delivered(read_events())


example_genuka_webhook()
