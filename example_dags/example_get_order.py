"""Fetch one order, through any of the four connection types.

The order arrives in one shape, whoever the vendor is. Names, e-mail addresses and streets in it are replaced by `***`,
because what a task returns is stored in Airflow's database.

**Try it:** press *Trigger* and fill in the form. Without an account of your own, `make airflow` starts a sandbox with
the connections to it, or `python -m airflow_provider_orders.sandbox` does and prints connections and order ids.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import Param, dag, task

from airflow_provider_orders.operators.orders import GetOrderOperator

log = logging.getLogger(__name__)


@dag(
    dag_id="example_get_order",
    schedule=None,
    tags=["orders", "example"],
    doc_md=__doc__,
    params={
        "orders_conn_id": Param(
            "popsell_default",
            type="string",
            pattern=r"^\S+$",
            title="Connection",
            description="Id of the connection, as listed under Admin > Connections. Its type chooses the API.",
            examples=["popsell_default", "dipli_default", "valomnia_default", "genuka_default"],
        ),
        "order_id": Param(
            "100001",
            type="string",
            pattern=r"\S",
            title="Order",
            description="The order's id, or its reference if that is chosen below.",
        ),
        "by": Param(
            "id",
            type="string",
            enum=["id", "reference"],
            values_display={"id": "Id", "reference": "Reference (Valomnia and Genuka)"},
            title="Look it up by",
        ),
    },
)
def example_get_order() -> None:
    """Fetch the order that the form names, then say where it stands."""
    get_order = GetOrderOperator(
        task_id="get_order",
        orders_conn_id="{{ params.orders_conn_id }}",
        order_id="{{ params.order_id }}",
        by="{{ params.by }}",
    )

    @task
    def describe(order: Any) -> str:
        line = (
            f"{order['source']} order {order['reference'] or order['id']}: {order['total']} {order['currency']}; "
            f"order {order['status']}, payment {order['payment_status']}, goods {order['fulfillment_status']}"
        )
        log.info(line)
        return line

    describe(get_order.output)


example_get_order()
