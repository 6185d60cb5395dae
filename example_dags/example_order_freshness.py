"""Raise the alarm when no order comes in.

A shop that sells all day and shows no new or changed order for two hours has a problem, or its connection has. The wait sits
in the triggerer and holds no worker slot; at the deadline it fails, and so does the run: that is the alert. An outage of the
API is waited out until then.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import Param, dag, task

from airflow_provider_orders.sensors.orders import OrdersUpdatedSensor

log = logging.getLogger(__name__)


@dag(
    dag_id="example_order_freshness",
    schedule=None,
    tags=["orders", "example"],
    doc_md=__doc__,
    params={
        "orders_conn_id": Param(
            "genuka_default",
            type="string",
            pattern=r"^\S+$",
            title="Connection",
            description="Id of the connection, as listed under Admin > Connections. Its type chooses the API.",
            examples=["popsell_default", "dipli_default", "valomnia_default", "genuka_default"],
        ),
        "minutes": Param(
            120,
            type="integer",
            minimum=1,
            maximum=5256000,
            title="Minutes",
            description="How old the latest change may be, and how long to wait for one.",
        ),
    },
)
def example_order_freshness() -> None:
    """Wait until an order changes, or fail at the deadline."""
    fresh = OrdersUpdatedSensor(
        task_id="fresh",
        orders_conn_id="{{ params.orders_conn_id }}",
        updated_since="{{ (dag_run.run_after - macros.timedelta(minutes=params.minutes)).isoformat() }}",
        deadline="{{ (dag_run.run_after + macros.timedelta(minutes=params.minutes)).isoformat() }}",
        poke_interval=30,
        deferrable=True,
    )

    @task
    def report(found: Any) -> int:
        count: int = found["count"]
        log.info("%d orders changed since %s", count, found["updated_since"])
        return count

    report(fresh.output)


example_order_freshness()
