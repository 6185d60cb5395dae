"""Many that could go on at once do so a few at a time."""

from __future__ import annotations

import asyncio
import time

from airflow_provider_orders.waiting.turns import Turns

LONG_S = 60.0
PAUSE_S = 0.02
NONE_S = 0.0


async def test_whoever_comes_alone_goes_on_at_once() -> None:
    turns = Turns(LONG_S, NONE_S)
    await asyncio.wait_for(turns.take(), timeout=5)


async def test_the_others_wait_while_there_is_a_pause() -> None:
    turns = Turns(LONG_S, NONE_S)
    tasks = [asyncio.create_task(turns.take()) for _ in range(5)]
    gone, waiting = await asyncio.wait(tasks, timeout=0.2)
    assert gone == {tasks[0]}
    for task in waiting:
        task.cancel()


async def test_several_go_on_where_that_takes_no_time() -> None:
    turns = Turns(LONG_S, 30.0)
    await asyncio.wait_for(asyncio.gather(*(turns.take() for _ in range(100))), timeout=10)


async def test_there_is_a_pause_once_they_have_taken_their_time() -> None:
    turns, gone = Turns(LONG_S, 0.5), list[int]()

    async def take(number: int) -> None:
        await turns.take()
        gone.append(number)
        time.sleep(0.3)  # noqa: ASYNC251 - this is what keeps the event loop busy

    tasks = [asyncio.create_task(take(number)) for number in range(5)]
    await asyncio.wait(tasks, timeout=1.5)
    assert gone == [0, 1]
    for task in tasks:
        task.cancel()


async def test_the_pause_is_as_long_as_many_have_gone_on() -> None:
    turns, gone = Turns(PAUSE_S, NONE_S), list[tuple[int, float]]()
    loop = asyncio.get_running_loop()

    async def take(number: int) -> None:
        await turns.take()
        gone.append((number, loop.time()))

    begun = loop.time()
    await asyncio.gather(*(take(number) for number in range(6)))
    assert [number for number, _ in gone] == list(range(6))
    assert all(at - begun >= number * PAUSE_S for number, at in gone)


async def test_whoever_comes_in_a_pause_waits_for_its_end() -> None:
    turns = Turns(LONG_S, NONE_S)
    await turns.take()
    late = asyncio.create_task(turns.take())
    gone, _ = await asyncio.wait([late], timeout=0.1)
    assert not gone
    late.cancel()


async def test_the_turn_of_whoever_was_cancelled_goes_to_the_next() -> None:
    turns = Turns(PAUSE_S, NONE_S)
    first, second, third = (asyncio.create_task(turns.take()) for _ in range(3))
    await first
    second.cancel()
    await asyncio.wait_for(third, timeout=5)
    assert second.cancelled()
