"""The vendors that the sandbox plays; a fifth one is an entry here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_orders.sandbox.dipli import FakeDipli
from airflow_provider_orders.sandbox.genuka import FakeGenuka
from airflow_provider_orders.sandbox.popsell import FakePopsell
from airflow_provider_orders.sandbox.valomnia import FakeValomnia

if TYPE_CHECKING:
    from airflow_provider_orders.sandbox.vendor import FakeVendor

__all__ = ["VENDORS"]

VENDORS: tuple[type[FakeVendor[Any]], ...] = (FakePopsell, FakeDipli, FakeValomnia, FakeGenuka)
