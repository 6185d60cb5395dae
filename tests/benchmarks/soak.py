"""Waits for a long time against a sandbox that has faults, and fails when memory, sockets or tasks keep growing.

``make soak`` runs it for 30 minutes. A thousand waits run at any time, and whenever one ends another begins; every tenth
is cancelled on its way, as a user does who ends a task. Beside them a stream of events reads what changes. All orders go
round, from new to delivered and back. The sandbox answers some requests with 429, 5xx, late, with half a body or with
HTML, and again and again it ends the session that all of them share.

What counts is the second half: by then caches are full and the allocator has what it needs. Growth is the linear trend
over it. Memory may grow by two megabytes an hour, but in a short run by half a megabyte, which is how far the allocator's
fragments wander. In 15 minutes some 50,000 waits end, so that to lose a dozen bytes with each of them would be too much.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import os
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]

from airflow_provider_orders.sandbox import credentials
from tests.benchmarks.export import say
from tests.benchmarks.waiting_contestants import CONN_ID, CONTESTANTS, OURS
from tests.benchmarks.waiting_probe import memory_kb
from tests.benchmarks.waiting_process import allow_many_files, environment
from tests.benchmarks.waiting_server import MovingSandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from airflow.triggers.base import BaseTrigger

FAULTS = "rate_limit:0.03,server_error:0.03,slow:0.03,cut:0.03,html:0.01"
STAGE_S = 30.0
EXPIRE_EVERY_S = 60.0
CANCELLED = 10
"""One wait in how many is cancelled."""
MB_PER_HOUR, LEAST_MB = 2.0, 0.5
SOCKETS, SOCKETS_GROWN = 10, 2.0
"""How many connections may be open at once, and how far their number wanders: idle ones come and go."""
LEAVE_S = 2.0
"""How long connections may take to close after the last wait."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How the process fares at one moment."""

    at_s: float
    memory_mb: float
    sockets: int
    tasks: int
    ended: int
    events: int


class Soak:
    """The waits, and what was seen of them.

    :param ids: the orders, more than waits.
    :param waits: how many run at any time.
    :param interval_s: seconds between two polls.
    :param seconds: how long all of it lasts.
    """

    def __init__(self, ids: Sequence[str], waits: int, interval_s: float, seconds: float) -> None:
        self.samples: list[Sample] = []
        self.outcomes: Counter[str] = Counter()
        self.problems: Counter[str] = Counter()
        self._rotation: Iterator[tuple[int, str]] = enumerate(itertools.cycle(ids), 1)
        self._waits = waits
        self._interval_s = interval_s
        self._seconds = seconds
        self._process = psutil.Process()

    async def run(self, sample_s: float) -> None:
        """Wait and sample until the time is over."""
        from airflow_provider_orders.triggers.events import OrderEventTrigger

        deadline = time.time() + self._seconds + 3600
        working = [asyncio.create_task(self._keep_waiting(deadline)) for _ in range(self._waits)]
        stream = OrderEventTrigger(orders_conn_id=CONN_ID, poke_interval=self._interval_s)
        working.append(asyncio.create_task(self._follow(stream)))
        begun = time.monotonic()
        for number in itertools.count(1):
            await asyncio.sleep(max(0.0, begun + number * sample_s - time.monotonic()))
            at_s = time.monotonic() - begun
            self._sample(at_s)
            if at_s >= self._seconds:
                break
            if number % max(1, round(60 / sample_s)) == 0:
                self._say_last()
        for task in working:
            if task.done():
                self.problems[f"stopped: {task.exception()!r}"[:300]] += 1
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        del working, stream
        gc.collect()
        await asyncio.sleep(LEAVE_S)
        self._sample(at_s)

    async def _keep_waiting(self, deadline: float) -> None:
        """Run one wait after the other."""
        while True:
            number, order_id = next(self._rotation)
            trigger = CONTESTANTS[OURS].trigger(order_id, self._interval_s, deadline)
            wait = asyncio.create_task(self._wait(trigger))
            try:
                await asyncio.wait([wait], timeout=self._interval_s if number % CANCELLED == 0 else None)
            finally:
                is_over = wait.done()
                wait.cancel()
            (error,) = await asyncio.gather(wait, return_exceptions=True)
            if not is_over:
                self.outcomes["cancelled"] += 1
            elif error is not None:
                self.problems[f"a wait broke: {error!r}"[:300]] += 1
                await asyncio.sleep(self._interval_s)

    async def _wait(self, trigger: BaseTrigger) -> None:
        async for event in trigger.run():
            if CONTESTANTS[OURS].is_met(event.payload):
                self.outcomes["met"] += 1
            else:
                self.problems[f"a wait ended with {event.payload}"[:300]] += 1
                await asyncio.sleep(self._interval_s)

    async def _follow(self, stream: BaseTrigger) -> None:
        """Count the events of the stream, which has no end."""
        async for _ in stream.run():
            self.outcomes["events"] += 1
        self.problems["the stream of events ended"] += 1

    def _sample(self, at_s: float) -> None:
        gc.collect()  # what waits for the collector is no leak
        # Airflow masks each token that was ever obtained, by one pattern that grows; re keeps up to 512 of its versions.
        re.purge()
        sockets = len(self._process.net_connections(kind="inet"))
        ended = self.outcomes["met"] + self.outcomes["cancelled"]
        tasks = len(asyncio.all_tasks())
        events = self.outcomes["events"]
        self.samples.append(Sample(at_s, memory_kb() / 1024, sockets, tasks, ended, events))

    def _say_last(self) -> None:
        last = self.samples[-1]
        say(
            f"  {last.at_s / 60:5.1f} min{last.memory_mb:9.1f} MB{last.sockets:7} sockets{last.tasks:7} tasks"
            f"{last.ended:9,} waits ended{last.events:9,} events"
        )


def growth(samples: Sequence[Sample], value: Callable[[Sample], float]) -> float:
    """Give how much a value grows over the samples, by its linear trend."""
    at_s = [sample.at_s for sample in samples]
    trend = statistics.linear_regression(at_s, [value(sample) for sample in samples])
    return trend.slope * (at_s[-1] - at_s[0])


def judge(soak: Soak, waits: int) -> int:
    """Print what the second half was like; gives how much of it is wrong."""
    *samples, after = soak.samples
    half = samples[len(samples) // 2 :]
    hours = (half[-1].at_s - half[0].at_s) / 3600
    ended, events = half[-1].ended - half[0].ended, half[-1].events - half[0].events
    grown_mb = growth(half, lambda sample: sample.memory_mb)
    limit_mb = max(MB_PER_HOUR * hours, LEAST_MB)
    sockets = max(sample.sockets for sample in half)
    grown_sockets = growth(half, lambda sample: sample.sockets)
    grown_tasks = growth(half, lambda sample: sample.tasks)
    say(f"\nIn the second half, {60 * hours:.1f} minutes")
    rows = (
        ("waits ended", f"{ended:,}", "some", ended > 0),
        ("events", f"{events:,}", "some", events > 0),
        ("memory grew by MB", f"{grown_mb:.2f}", f"at most {limit_mb:.2f}", grown_mb <= limit_mb),
        ("sockets, most", f"{sockets}", f"at most {SOCKETS}", sockets <= SOCKETS),
        (
            "sockets grew by",
            f"{grown_sockets:.1f}",
            f"at most {SOCKETS_GROWN:g}",
            grown_sockets <= SOCKETS_GROWN,
        ),
        # A wait that has just ended and its successor are tasks at the same time.
        ("tasks grew by", f"{grown_tasks:.1f}", "under 1 % of waits", grown_tasks < max(1.0, waits / 100)),
        # One task is the program itself.
        (
            "left behind",
            f"{after.sockets + after.tasks - 1}",
            "no socket, no task",
            after.sockets + after.tasks == 1,
        ),
        ("problems", f"{soak.problems.total()}", "none", not soak.problems),
    )
    for words, result, limit, is_met in rows:
        say(f"  {words:24}{result:>10}   {limit:20}{'met' if is_met else 'MISSED'}")
    for problem, times in soak.problems.most_common(10):
        say(f"  {times} times: {problem}")
    return sum(not is_met for *_, is_met in rows)


def main() -> int:
    """Soak; 1 when something grew."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--waits", type=int, default=1000)
    parser.add_argument("--interval", type=float, default=5, help="seconds between two polls")
    parser.add_argument("--sample", type=float, default=5, help="seconds between two samples")
    options = parser.parse_args()
    allow_many_files()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="orders-soak-")))
        sandbox = stack.enter_context(MovingSandbox(3 * options.waits, faults=FAULTS))
        surroundings = environment(_with_login(sandbox.connection), folder)
        os.environ.clear()
        # The faults would fill the terminal.
        os.environ.update(surroundings | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"})
        soak = Soak(sandbox.ids, options.waits, options.interval, options.minutes * 60)
        say(
            f"{options.waits:,} waits and a stream of events for {options.minutes:g} minutes, faults {FAULTS}, "
            f"sessions end every {EXPIRE_EVERY_S:g} s"
        )
        sandbox.cycle(STAGE_S, EXPIRE_EVERY_S)
        asyncio.run(soak.run(options.sample))
        report = sandbox.report()
    say(f"{report.requests:,} requests, {report.refused:,} refused; {dict(soak.outcomes)}")
    missed = judge(soak, options.waits)
    say("\nNothing grew." if not missed else f"\n{missed} limits are missed.")
    return 1 if missed else 0


def _with_login(connection: dict[str, Any]) -> dict[str, Any]:
    """Turn the connection into one whose sessions can expire."""
    extra = {**connection["extra"], "auth": "login"}
    login = {"login": credentials.GENUKA_EMAIL, "password": credentials.GENUKA_PASSWORD}
    return {**connection, **login, "extra": extra}


if __name__ == "__main__":
    sys.exit(main())
