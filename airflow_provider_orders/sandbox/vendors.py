"""The vendors that the sandbox plays: one module each, called as the connection type that it plays."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_provider_orders import get_provider_info
from airflow_provider_orders.sandbox.vendor import FakeVendor

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["VENDORS"]


def _vendor_in(module: ModuleType) -> type[FakeVendor[Any]]:
    """Give the one vendor that a module defines."""
    (found,) = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, FakeVendor) and kind.__module__ == module.__name__
    ]
    return found


VENDORS: tuple[type[FakeVendor[Any]], ...] = tuple(
    _vendor_in(import_module(f"{__package__}.{entry['connection-type']}"))
    for entry in get_provider_info()["connection-types"]
)
