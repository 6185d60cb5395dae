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
    is_written = threading.Event()
    for number in range(50):
        writer.add(lambda number=number: log.write(number))  # type: ignore[misc]
    writer.add(is_written.set)
    assert await asyncio.to_thread(is_written.wait, WITHIN_S)
    assert log.lines == list(range(50))


async def test_many_are_written_a_few_at_a_time(writer: LineWriter, log: Log) -> None:
    """A triggerer's parent does not read while it takes in events, and once its socket is full Airflow's lines block."""
    for number in range(1000):
        writer.add(lambda number=number: log.write(number))  # type: ignore[misc]
    await asyncio.sleep(0.3)
    assert 0 < len(log.lines) <= 100


async def test_no_more_are_handed_over_while_some_are_held_back(writer: LineWriter, log: Log) -> None:
    held, is_written = writer.add(log.hold), threading.Event()
    await asyncio.sleep(0.05)
    later = writer.add(is_written.set)
    await asyncio.sleep(1)
    assert held.job is not None
    assert later.job is None
    log.go_on.set()
    assert await asyncio.to_thread(is_written.wait, WITHIN_S)


async def test_whoever_ends_has_its_lines_written_before_all_others(log: Log) -> None:
    writer, is_written = LineWriter(), threading.Event()
    for number in range(1000):
        writer.add(lambda number=number: log.write(number))  # type: ignore[misc]
    own = [writer.add(lambda number=number: log.write(number)) for number in (1001, 1002)]  # type: ignore[misc]
    await writer.flush(own)
    assert log.lines[-2:] == [1001, 1002]
    assert len(log.lines) < 100
    writer.add(is_written.set)
    writer.close()
    assert await asyncio.to_thread(is_written.wait, WITHIN_S)
    assert sorted(log.lines) == [*range(1000), 1001, 1002]


async def test_a_line_is_not_waited_for_together_with_those_that_came_later(
    writer: LineWriter, log: Log
) -> None:
    first = writer.add(lambda: log.write(1))
    second = writer.add(log.hold)
    async with asyncio.timeout(WITHIN_S):
        await writer.flush([first])
    assert log.lines == [1]
    log.go_on.set()
    await writer.flush([second])


async def test_a_line_that_cannot_be_written_holds_up_no_other(writer: LineWriter, log: Log) -> None:
    def fail() -> None:
        raise BrokenPipeError

    lines = [writer.add(log.hold), writer.add(fail), writer.add(lambda: log.write(3))]
    log.go_on.set()
    await writer.flush(lines)
    assert log.lines == [3]


async def test_what_has_been_written_is_not_waited_for(writer: LineWriter, log: Log) -> None:
    await writer.flush([])
    first = writer.add(lambda: log.write(1))
    await writer.flush([first])
    writer.add(log.hold)
    await writer.flush([first])
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


async def test_whoever_ends_after_all_others_waits_for_its_lines(log: Log) -> None:
    """The writer is closed with the last wait, which then waits for its turn."""
    writer = LineWriter()
    writer.add(log.hold)
    own = writer.add(lambda: log.write(1))
    writer.close()
    asyncio.get_running_loop().call_later(0.1, log.go_on.set)
    await writer.flush([own])
    assert log.lines == [1]
