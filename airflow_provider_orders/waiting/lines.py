"""Writes what waits log: in a thread, one line after the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LineWriter"]


class LineWriter:
    """Writes lines of logs, so that the event loop need not wait for it.

    A triggerer's log goes through a socket that its busy parent may not empty for seconds. There is one thread, as each
    more would take its turn before the event loop gets the interpreter back; and one job for all lines that have come
    meanwhile, as a job each is dozens of objects for Python's garbage collector to walk through.
    """

    def __init__(self) -> None:
        self._lines: deque[Callable[[], object]] = deque()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="orders-log")
        self._writing: asyncio.Future[None] | None = None
        self._added = self._written = 0

    def add(self, write: Callable[[], object]) -> int:
        """Have a line written, and give its number.

        :param write: writes it; called in the thread.
        """
        self._lines.append(write)
        self._added += 1
        if self._writing is None:
            self._begin()
        return self._added

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        self._writing = loop.run_in_executor(self._executor, self._write, len(self._lines))
        self._writing.add_done_callback(self._end)

    def _write(self, lines: int) -> None:
        for _ in range(lines):
            with contextlib.suppress(Exception):  # a line that cannot be written is no reason to end a wait
                self._lines.popleft()()

    def _end(self, _: object) -> None:
        self._written = self._added - len(self._lines)
        self._writing = None
        if self._lines:
            self._begin()

    async def flush(self, number: int) -> None:
        """Wait until the line of a number has been written."""
        while self._written < number and self._writing is not None:
            await asyncio.wait([self._writing])

    def close(self) -> None:
        """Take no more lines; those that are left will be written."""
        if self._writing is not None:
            self._writing.remove_done_callback(self._end)
            self._executor.submit(self._write_rest)
        self._executor.shutdown(wait=False)

    def _write_rest(self) -> None:
        self._write(len(self._lines))
