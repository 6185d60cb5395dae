"""The hook of Valomnia."""

from __future__ import annotations

from typing import ClassVar

from airflow_provider_orders.apis.valomnia import ValomniaApi
from airflow_provider_orders.hooks.orders import OrdersHook

__all__ = ["ValomniaHook"]


class ValomniaHook(OrdersHook):
    """Reads orders of Valomnia; see :class:`~airflow_provider_orders.hooks.orders.OrdersHook`.

    :param orders_conn_id: id of the Airflow connection.
    """

    default_conn_name: ClassVar[str] = "valomnia_default"
    conn_type: ClassVar[str] = "valomnia"
    hook_name: ClassVar[str] = "Valomnia"
    api_class = ValomniaApi
