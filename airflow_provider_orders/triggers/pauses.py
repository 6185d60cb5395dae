"""The trigger that wakes a task when the vendor will answer again."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["PauseTrigger"]


class PauseTrigger(BaseTrigger):
    """Fires at a moment, and hands on how long its task has paused by then.

    Airflow's own ``DateTimeTrigger`` wakes each second, and its event has no room for what the task must remember: a
    task that wakes knows nothing but its trigger's event.

    :param until: when to fire, in seconds since the epoch.
    :param paused_s: seconds that the task has paused, this time included; the event gives them back.
    """

    def __init__(self, *, until: float, paused_s: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.until = until
        self.paused_s = paused_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give plain values."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {"until": self.until, "paused_s": self.paused_s},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait."""
        await asyncio.sleep(max(0.0, self.until - time.time()))
        yield TriggerEvent({"status": "over", "paused_s": self.paused_s})  # type: ignore[no-untyped-call]
