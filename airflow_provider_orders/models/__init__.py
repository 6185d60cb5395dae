"""What travels: the vendors' payloads as documented, and the canonical order they all map to.

Nothing is loaded before it is used, so that reading one vendor's orders does not load the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_orders.models.base import OrderSummary, VendorOrder
    from airflow_provider_orders.models.dipli import DipliOrder
    from airflow_provider_orders.models.genuka import GenukaOrder
    from airflow_provider_orders.models.order import MODEL_VERSION, Order
    from airflow_provider_orders.models.personal import redact, redact_raw
    from airflow_provider_orders.models.popsell import PopsellOrder
    from airflow_provider_orders.models.valomnia import ValomniaOrder

__all__ = [
    "MODEL_VERSION",
    "DipliOrder",
    "GenukaOrder",
    "Order",
    "OrderSummary",
    "PopsellOrder",
    "ValomniaOrder",
    "VendorOrder",
    "redact",
    "redact_raw",
]

_HOMES = {
    "MODEL_VERSION": "order",
    "DipliOrder": "dipli",
    "GenukaOrder": "genuka",
    "Order": "order",
    "OrderSummary": "base",
    "PopsellOrder": "popsell",
    "ValomniaOrder": "valomnia",
    "VendorOrder": "base",
    "redact": "personal",
    "redact_raw": "personal",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
