from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.unit.hooks.connect import Connect, connector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_orders.sandbox import Sandbox


@pytest.fixture
def connect(orders_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Store a connection to the sandbox with some fields changed; gives its id."""
    return connector(orders_sandbox, monkeypatch)


@pytest.fixture(autouse=True)
def _no_stragglers() -> Iterator[None]:
    """Let pages that were asked for ahead arrive, so that the next test does not find them in its sandbox."""
    yield
    for thread in threading.enumerate():
        if thread.name.startswith(("orders-page", "orders-get")):
            thread.join(timeout=10)


@pytest.fixture(autouse=True)
def _no_long_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "airflow_provider_orders.http.policy.RetryPolicy.backoff_s", lambda _policy, _attempt: 0.001
    )
