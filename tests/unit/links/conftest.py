from __future__ import annotations

from tests.unit.hooks.conftest import _no_long_backoff, _no_stragglers, connect

__all__ = ["_no_long_backoff", "_no_stragglers", "connect"]
