from __future__ import annotations

from tests.unit.sensors.conftest import (
    _no_long_backoff,
    _no_stragglers,
    _small_sandbox,
    connect,
    orders_sandbox,
    world,
)

__all__ = ["_no_long_backoff", "_no_stragglers", "_small_sandbox", "connect", "orders_sandbox", "world"]
