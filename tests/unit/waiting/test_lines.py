"""How the lines that waits log are written."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from airflow_provider_orders.waiting.lines import LineWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHIN_S = 10


class Log:
    """Takes lines; may be held back at one of them, as by a parent process that is busy."""

    def __init__(self) -> None:
        self.lines: list[int] = []
        self.go_on = threading.Event()

    def write(self, number: int) -> None:
        self.lines.append(number)

    def hold(self) -> None:
        assert self.go_on.wait(WITHIN_S)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def writer() -> Iterator[LineWriter]:
    writer = LineWriter()
    yield writer
    writer.close()


async def test_lines_are_written_in_the_order_in_which_they_came(writer: LineWriter, log: Log) -> None:
    for number in range(1000):
        last = writer.add(lambda number=number: log.write(number))  # type: ignore[misc]
        if number % 100 == 0:
            await asyncio.sleep(0)
    await writer.flush(last)
    assert log.lines == list(range(1000))


async def test_a_line_is_not_waited_for_together_with_those_that_came_later(
    writer: LineWriter, log: Log
) -> None:
    first = writer.add(lambda: log.write(1))
    second = writer.add(log.hold)
    async with asyncio.timeout(WITHIN_S):
        await writer.flush(first)
    assert log.lines == [1]
    log.go_on.set()
    await writer.flush(second)


async def test_a_line_that_cannot_be_written_holds_up_no_other(writer: LineWriter, log: Log) -> None:
    def fail() -> None:
        raise BrokenPipeError

    writer.add(log.hold)
    writer.add(fail)
    last = writer.add(lambda: log.write(3))
    log.go_on.set()
    await writer.flush(last)
    assert log.lines == [3]


async def test_what_has_been_written_is_not_waited_for(writer: LineWriter, log: Log) -> None:
    await writer.flush(0)
    first = writer.add(lambda: log.write(1))
    await writer.flush(first)
    writer.add(log.hold)
    await writer.flush(first)
    log.go_on.set()


async def test_lines_that_are_left_are_written_in_the_end(log: Log) -> None:
    writer = LineWriter()
    is_written = threading.Event()
    writer.add(log.hold)
    for number in range(3):
        writer.add(lambda number=number: log.write(number))  # type: ignore[misc]
    writer.add(is_written.set)
    writer.close()
    log.go_on.set()
    assert await asyncio.to_thread(is_written.wait, WITHIN_S)
    assert log.lines == [0, 1, 2]
