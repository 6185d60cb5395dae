"""The time that waits go by, and how they let it pass."""

from __future__ import annotations

import asyncio
import contextlib
import time

__all__ = ["CLOCK", "Clock"]


class Clock:
    """What waits ask for the time; a test may hold it."""

    def now(self) -> float:
        """Seconds since the epoch, by which deadlines go: they outlive a process."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment, by which intervals go: nobody sets this clock."""
        return time.monotonic()

    async def pass_until(self, wake: asyncio.Event, seconds: float | None, *, idle: bool) -> None:
        """Let time pass until something happens.

        :param wake: set when it does.
        :param seconds: how long at the most, None for as long as it takes.
        :param idle: whether nothing is under way that could set it.
        """
        del idle
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await wake.wait()

    async def sleep(self, seconds: float) -> None:
        """Let so much time pass; none if it is negative."""
        await self.pass_until(asyncio.Event(), max(0.0, seconds), idle=True)


CLOCK = Clock()
