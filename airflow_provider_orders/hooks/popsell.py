"""The hook of Popsell."""

from __future__ import annotations

from typing import ClassVar

from airflow_provider_orders.apis.popsell import PopsellApi
from airflow_provider_orders.hooks.orders import OrdersHook

__all__ = ["PopsellHook"]


class PopsellHook(OrdersHook):
    """Reads orders of Popsell; see :class:`~airflow_provider_orders.hooks.orders.OrdersHook`.

    :param orders_conn_id: id of the Airflow connection.
    """

    default_conn_name: ClassVar[str] = "popsell_default"
    conn_type: ClassVar[str] = "popsell"
    hook_name: ClassVar[str] = "Popsell"
    api_class = PopsellApi
