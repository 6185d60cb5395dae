"""The hook of Genuka."""

from __future__ import annotations

from typing import ClassVar

from airflow_provider_orders.apis.genuka import GenukaApi
from airflow_provider_orders.hooks.orders import OrdersHook

__all__ = ["GenukaHook"]


class GenukaHook(OrdersHook):
    """Reads orders of Genuka; see :class:`~airflow_provider_orders.hooks.orders.OrdersHook`.

    :param orders_conn_id: id of the Airflow connection.
    """

    default_conn_name: ClassVar[str] = "genuka_default"
    conn_type: ClassVar[str] = "genuka"
    hook_name: ClassVar[str] = "Genuka"
    api_class = GenukaApi
