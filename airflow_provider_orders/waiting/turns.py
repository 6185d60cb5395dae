"""Lets many that could go on at once do so a few at a time."""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["Turns"]


class Turns:
    """Gives turns one after the other, and leaves the event loop alone in between.

    Where a turn takes the event loop next to no time, several go on before the pause: to wake it for each would cost more
    than they do.

    :param pause_s: seconds of pause for each turn given.
    :param budget_s: seconds of the event loop's time, after which there is a pause.
    """

    def __init__(self, pause_s: float, budget_s: float) -> None:
        self._pause_s = pause_s
        self._budget_s = budget_s
        self._queue: deque[asyncio.Future[None]] = deque()
        self._next_at = 0.0
        self._is_under_way = False

    async def take(self) -> None:
        """Wait for a turn; there is none to wait for where nobody has had one just now."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._queue.append(turn)
        if not self._is_under_way:
            self._is_under_way = True
            loop.call_at(self._next_at, self._begin)
        await turn

    def _begin(self) -> None:
        self._give(began_at=asyncio.get_running_loop().time(), given=0)

    def _give(self, *, began_at: float, given: int) -> None:
        """Give a turn; called again once the event loop has done what comes of it."""
        loop = asyncio.get_running_loop()
        while self._queue and self._queue[0].done():  # whoever was cancelled meanwhile needs none
            self._queue.popleft()
        now = loop.time()
        if self._queue and (given == 0 or now - began_at < self._budget_s):
            self._queue.popleft().set_result(None)
            loop.call_soon(lambda: self._give(began_at=began_at, given=given + 1))
            return
        self._next_at = now + given * self._pause_s
        if self._queue:
            loop.call_at(self._next_at, self._begin)
        else:
            self._is_under_way = False
