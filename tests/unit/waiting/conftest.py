from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_orders.sandbox import Sandbox
from tests.unit.hooks.conftest import _no_long_backoff, _no_stragglers, connect
from tests.unit.waiting.held_clock import HeldClock

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["_no_long_backoff", "_no_stragglers", "clock", "connect", "many_orders"]


@pytest.fixture(scope="session")
def _large_sandbox() -> Iterator[Sandbox]:
    with Sandbox(orders=1200, live=0) as sandbox:
        sandbox.clock.freeze()
        yield sandbox


@pytest.fixture
def many_orders(_large_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """Give a sandbox with more orders than anyone would ask for one by one."""
    _large_sandbox.reset()
    for name, value in _large_sandbox.environment().items():
        monkeypatch.setenv(name, value)
    return _large_sandbox


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> HeldClock:
    """Hold the clock of pollers."""
    return HeldClock(monkeypatch)
