"""Pay commissions once their orders are delivered and paid.

Many orders, one wait: each order has to be delivered *and* paid before its commission is due, and an order that is
returned, cancelled or refunded ends the wait with an error that names it. The wait sits in the triggerer and holds no worker
slot; however many such waits there are on a connection, they share one poll. It ends at a fixed moment, which neither a
retry nor a restart moves.

What is paid is left to you: the last task shows where.

**Try it in the sandbox** of `make airflow`: without orders in the form, it takes two that have come all the way already.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from itertools import islice
from typing import Any

from airflow.sdk import Param, dag, get_current_context, task

from airflow_provider_orders.sensors.orders import OrderStatusSensor

log = logging.getLogger(__name__)

WANTED = {"fulfillment": "delivered", "payment": "paid"}


@dag(
    dag_id="example_pay_commissions",
    schedule=None,
    tags=["orders", "example"],
    doc_md=__doc__,
    params={
        "orders_conn_id": Param(
            "genuka_default",
            type="string",
            pattern=r"^\S+$",
            title="Connection",
            description="Id of a connection whose orders say both how far they are delivered and how far they are paid.",
            examples=["genuka_default", "valomnia_default"],
        ),
        "order_ids": Param(
            [],
            type="array",
            items={"type": "string", "pattern": r"^\S+$"},
            uniqueItems=True,
            title="Orders",
            description="Ids of the orders to pay commissions for, one a line; empty for two from the sandbox.",
        ),
        "at_least": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            title="At least",
            description="How many of the orders have to come all the way; empty for all.",
        ),
        "rate_percent": Param(
            5.0,
            type="number",
            minimum=0,
            maximum=100,
            title="Rate",
            description="Commission, in percent of an order's total.",
        ),
        "days": Param(
            14,
            type="integer",
            minimum=1,
            maximum=365,
            title="Days to wait",
            description="Then the wait fails.",
        ),
    },
)
def example_pay_commissions() -> None:
    """Wait until the orders of the form are delivered and paid, then pay for them."""

    @task
    def choose_orders() -> list[str]:
        from airflow_provider_orders.hooks.orders import OrdersHook

        params = get_current_context()["params"]
        if params["order_ids"]:
            return list(params["order_ids"])
        with OrdersHook.for_connection(params["orders_conn_id"]) as hook:
            done = (
                order.identity()
                for order in hook.iter_orders()
                if {axis: word.canonical.value for axis, word in order.status_words().items()}.items()
                >= WANTED.items()
            )
            return list(islice(done, 2))

    wait = OrderStatusSensor(
        task_id="wait",
        orders_conn_id="{{ params.orders_conn_id }}",
        order_id=choose_orders(),  # type: ignore[arg-type]
        wanted=WANTED,
        at_least="{{ params.at_least or '' }}",
        deadline="{{ dag_run.start_date + macros.timedelta(days=params.days) }}",
        timeout=timedelta(days=365),
        poke_interval=30,
        deferrable=True,
    )

    @task
    def pay(result: dict[str, Any]) -> dict[str, str]:
        from decimal import Decimal

        from airflow_provider_orders.hooks.orders import OrdersHook

        params = get_current_context()["params"]
        rate = Decimal(str(params["rate_percent"])) / 100
        paid = {}
        with OrdersHook.for_connection(params["orders_conn_id"]) as hook:
            for report in result["orders"]:
                if report["outcome"] != "met":
                    continue
                currency, total = hook.get_order(report["order_id"]).money_total()
                # Here, hand the amount to whatever pays it, under the order's id, so that it is paid once only.
                paid[report["order_id"]] = f"{(total or Decimal(0)) * rate:.2f} {currency}"
        log.info("Commissions: %s", paid)
        return paid

    pay(wait.output)  # type: ignore[arg-type]


example_pay_commissions()
