from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.clients import FAST, Reader, make_api

if TYPE_CHECKING:
    from airflow_provider_orders.http.policy import RetryPolicy
    from airflow_provider_orders.sandbox import Sandbox

MakeReader = Callable[..., Reader]


@pytest.fixture(params=["sync", "async"])
def make_reader(request: pytest.FixtureRequest, orders_sandbox: Sandbox) -> MakeReader:
    """Give a reader of a vendor in the sandbox, on each of the two clients."""

    def make(vendor: str, *, policy: RetryPolicy = FAST, **changes: Any) -> Reader:
        return Reader(request.param, make_api(orders_sandbox, vendor, **changes), policy)

    return make
