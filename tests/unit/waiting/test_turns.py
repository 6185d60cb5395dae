"""Many that could go on at once do so a few at a time."""

from __future__ import annotations

import asyncio

from airflow_provider_orders.waiting.turns import Turns

LONG_S = 60.0
PAUSE_S = 0.02


async def test_whoever_comes_alone_goes_on_at_once() -> None:
    turns = Turns(2, LONG_S)
    await asyncio.wait_for(turns.take(), timeout=5)


async def test_a_few_go_on_and_the_others_wait() -> None:
    turns = Turns(2, LONG_S)
    tasks = [asyncio.create_task(turns.take()) for _ in range(5)]
    gone, waiting = await asyncio.wait(tasks, timeout=0.2)
    assert len(gone) == 2
    for task in waiting:
        task.cancel()


async def test_all_go_on_in_the_order_in_which_they_came() -> None:
    turns, gone = Turns(2, PAUSE_S), list[tuple[int, float]]()
    loop = asyncio.get_running_loop()

    async def take(number: int) -> None:
        await turns.take()
        gone.append((number, loop.time()))

    begun = loop.time()
    await asyncio.gather(*(take(number) for number in range(6)))
    assert [number for number, _ in gone] == list(range(6))
    assert all(at - begun >= number // 2 * PAUSE_S for number, at in gone)


async def test_whoever_comes_in_a_pause_waits_for_its_end() -> None:
    turns = Turns(1, LONG_S)
    await turns.take()
    late = asyncio.create_task(turns.take())
    gone, _ = await asyncio.wait([late], timeout=0.1)
    assert not gone
    late.cancel()


async def test_the_turn_of_whoever_was_cancelled_goes_to_the_next() -> None:
    turns = Turns(1, PAUSE_S)
    first, second, third = (asyncio.create_task(turns.take()) for _ in range(3))
    await first
    second.cancel()
    await asyncio.wait_for(third, timeout=5)
    assert second.cancelled()
