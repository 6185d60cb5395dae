"""One look at the orders of a wait, from a worker."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from airflow_provider_orders.errors import OrderNotFoundError
from airflow_provider_orders.waiting.clock import CLOCK
from airflow_provider_orders.waiting.waits import check_request

if TYPE_CHECKING:
    from airflow_provider_orders.http.sync import SyncClient
    from airflow_provider_orders.waiting.conditions import OrderReport, StatusCondition
    from airflow_provider_orders.waiting.waits import WaitRequest

__all__ = ["look"]


def look(client: SyncClient, request: WaitRequest) -> tuple[StatusCondition, list[OrderReport]]:
    """Ask for each order once and say where it stands.

    :param client: the connection's client.
    :param request: what is waited for.
    :raises ConfigurationError: it asks for something that there is not; nothing was sent.
    :raises OrderNotFoundError: an order is not there, and that is not waited for.
    :raises OrdersError: any other answer that says nothing about the orders.
    """
    ids, condition = check_request(client.api, request)
    model = client.api.order_model

    def look_at(order_id: str) -> OrderReport:
        try:
            raw = client.fetch_order(order_id, by=request.by)
        except OrderNotFoundError:
            if request.not_found == "fail":
                raise
            return condition.report(order_id, None, 0.0)
        return condition.report(order_id, model.summarise(raw).statuses, CLOCK.now())

    with ThreadPoolExecutor(client.api.settings.concurrency, thread_name_prefix="orders-get") as pool:
        return condition, list(pool.map(look_at, ids))
