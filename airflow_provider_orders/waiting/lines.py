"""Writes what waits log: in a thread, and not faster than it is read."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

__all__ = ["Line", "LineWriter"]

_TOGETHER: Final = 20
_PAUSE_S: Final = 0.4
"""Fifty lines a second; a triggerer's parent reads a few hundred, and none while it takes in events."""


class Line:
    """A line that is to be written.

    :param write: writes it; called in the thread.
    """

    __slots__ = ("job", "write")

    def __init__(self, write: Callable[[], object]) -> None:
        self.write = write
        self.job: Future[None] | None = None
        """Writes it, perhaps with others; None until its turn has come."""

    @property
    def is_written(self) -> bool:
        """Whether nothing is left to do for it."""
        return self.job is not None and self.job.done()


class LineWriter:
    """Writes lines of logs, so that the event loop need not wait for it.

    A triggerer's log goes through a socket that its busy parent may not empty for seconds. So lines are written a few at a
    time: a poll may bring a thousand, and once the socket is full, the lines that Airflow writes in the event loop block
    it. There is one thread, as each more would take its turn before the event loop gets the interpreter back.
    """

    def __init__(self) -> None:
        self._queue: deque[Line] = deque()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="orders-log")
        self._job: Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._next_at = 0.0

    def add(self, write: Callable[[], object]) -> Line:
        """Have a line written.

        :param write: writes it; called in the thread.
        """
        line = Line(write)
        self._queue.append(line)
        self._plan()
        return line

    def _plan(self) -> None:
        if self._timer is None and self._queue:
            self._timer = asyncio.get_running_loop().call_at(self._next_at, self._write_some)

    def _write_some(self) -> None:
        self._timer = None
        self._next_at = asyncio.get_running_loop().time() + _PAUSE_S
        lines: list[Line] = []
        while self._queue and len(lines) < _TOGETHER and (self._job is None or self._job.done()):
            line = self._queue.popleft()
            if line.job is None:
                lines.append(line)
        self._hand_over(lines)
        self._plan()

    def _hand_over(self, lines: Iterable[Line]) -> None:
        """Let the thread write those lines that it has not got yet."""
        left = [line for line in lines if line.job is None]
        if not left:
            return
        # The thread wakes the event loop only where somebody waits for it.
        self._job = self._executor.submit(_write, left)
        for line in left:
            line.job = self._job

    async def flush(self, lines: Sequence[Line]) -> None:
        """Write some lines before all others, and wait until that is done.

        :param lines: in the order in which they came.
        """
        self._hand_over(lines)
        jobs = {line.job for line in lines if line.job is not None and not line.is_written}
        if jobs:
            await asyncio.wait([asyncio.wrap_future(job) for job in jobs])

    def close(self) -> None:
        """Take no more lines; those that are left will be written."""
        if self._timer is not None:
            self._timer.cancel()
        self._hand_over(self._queue)
        self._executor.shutdown(wait=False)


def _write(lines: Sequence[Line]) -> None:
    for line in lines:
        with contextlib.suppress(Exception):  # a line that cannot be written is no reason to end a wait
            line.write()
