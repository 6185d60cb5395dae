"""Wait until orders are delivered, then go on.

The wait sits in the triggerer and holds no worker slot, however long it takes. An order that is cancelled, or fails in
another way, ends the wait at once with an error that names it; an outage of the API does not.

**Try it in the sandbox** of `make airflow`: Dipli's order 111111 is on its way to delivery for two minutes, again and
again.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import Param, dag, get_current_context, task

from airflow_provider_orders.sensors.orders import OrderStatusSensor

log = logging.getLogger(__name__)


@dag(
    dag_id="example_wait_for_delivery",
    schedule=None,
    tags=["orders", "example"],
    doc_md=__doc__,
    params={
        "orders_conn_id": Param(
            "dipli_default",
            type="string",
            pattern=r"^\S+$",
            title="Connection",
            description="Id of the connection, as listed under Admin > Connections. Its type chooses the API.",
            examples=["popsell_default", "dipli_default", "valomnia_default", "genuka_default"],
        ),
        "order_ids": Param(
            ["111111"],
            type="array",
            items={"type": "string", "pattern": r"^\S+$"},
            minItems=1,
            uniqueItems=True,
            title="Orders",
            description="Ids of the orders to wait for, one a line. The wait ends when all are delivered.",
        ),
        "timeout_minutes": Param(
            30,
            type="integer",
            minimum=1,
            maximum=10080,
            title="Minutes to wait",
            description="Then the wait fails.",
        ),
    },
)
def example_wait_for_delivery() -> None:
    """Wait for the orders that the form names, then do what has to be done."""

    @task
    def read_form() -> list[str]:
        return list(get_current_context()["params"]["order_ids"])

    wait = OrderStatusSensor(
        task_id="wait",
        orders_conn_id="{{ params.orders_conn_id }}",
        order_id=read_form(),  # type: ignore[arg-type]
        # A moment, not a duration: it stays what it is when the task is tried again.
        deadline="{{ dag_run.start_date + macros.timedelta(minutes=params.timeout_minutes) }}",
        deferrable=True,
        poke_interval=10,
    )

    @task
    def go_on(result: Any) -> list[str]:
        delivered = [order["order_id"] for order in result["orders"]]
        log.info("Delivered: %s", ", ".join(delivered))
        return delivered

    go_on(wait.output)


example_wait_for_delivery()
