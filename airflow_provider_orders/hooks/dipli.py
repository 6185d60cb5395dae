"""The hook of Dipli."""

from __future__ import annotations

from typing import ClassVar

from airflow_provider_orders.apis.dipli import DipliApi
from airflow_provider_orders.hooks.orders import OrdersHook

__all__ = ["DipliHook"]


class DipliHook(OrdersHook):
    """Reads orders of Dipli; see :class:`~airflow_provider_orders.hooks.orders.OrdersHook`.

    :param orders_conn_id: id of the Airflow connection.
    """

    default_conn_name: ClassVar[str] = "dipli_default"
    conn_type: ClassVar[str] = "dipli"
    hook_name: ClassVar[str] = "Dipli"
    api_class = DipliApi
