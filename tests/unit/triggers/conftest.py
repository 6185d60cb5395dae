from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_orders.sandbox import Sandbox
from tests.unit.hooks.conftest import _no_long_backoff, _no_stragglers, connect
from tests.unit.sensors.modes import World

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["_no_long_backoff", "_no_stragglers", "connect", "orders_sandbox", "world"]


@pytest.fixture(scope="session")
def _small_sandbox() -> Iterator[Sandbox]:
    with Sandbox(orders=12) as sandbox:
        sandbox.clock.freeze()
        yield sandbox


@pytest.fixture
def orders_sandbox(_small_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """Give a sandbox with few orders, which is quick to reset: a wait looks at one or two."""
    _small_sandbox.reset()
    for name, value in _small_sandbox.environment().items():
        monkeypatch.setenv(name, value)
    return _small_sandbox


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Hold the clock of whatever waits."""
    held = World()
    held.hold_the_clock(monkeypatch)
    return held
