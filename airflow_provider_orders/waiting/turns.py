"""Lets many that could go on at once do so a few at a time."""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["Turns"]


class Turns:
    """Gives turns: to a few, then after a pause to the next few.

    :param together: how many go on at a time. Waking the event loop for each costs more than many of them need.
    :param pause_s: seconds between two turns.
    """

    def __init__(self, together: int, pause_s: float) -> None:
        self._together = together
        self._pause_s = pause_s
        self._queue: deque[asyncio.Future[None]] = deque()
        self._next_at = 0.0
        self._is_under_way = False

    async def take(self) -> None:
        """Wait for a turn; there is none to wait for where nobody has had one just now."""
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        if not self._is_under_way:
            self._plan()
        await turn

    def _plan(self) -> None:
        self._is_under_way = True
        asyncio.get_running_loop().call_at(self._next_at, self._give)

    def _give(self) -> None:
        self._is_under_way = False
        self._next_at = asyncio.get_running_loop().time() + self._pause_s
        left = self._together
        while self._queue and left:
            turn = self._queue.popleft()
            if not turn.done():  # whoever was cancelled meanwhile needs none
                turn.set_result(None)
                left -= 1
        if self._queue:
            self._plan()
