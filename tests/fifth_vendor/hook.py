"""The hook of Mercato."""

from __future__ import annotations

from typing import ClassVar

from airflow_provider_orders.hooks.orders import OrdersHook
from tests.fifth_vendor.api import MercatoApi

__all__ = ["MercatoHook"]


class MercatoHook(OrdersHook):
    """Reads orders of Mercato; see :class:`~airflow_provider_orders.hooks.orders.OrdersHook`.

    :param orders_conn_id: id of the Airflow connection.
    """

    default_conn_name: ClassVar[str] = "mercato_default"
    conn_type: ClassVar[str] = "mercato"
    hook_name: ClassVar[str] = "Mercato"
    api_class = MercatoApi
