"""Waits for many orders in several ways, side by side, and prints what it takes, and whether the goals are met.

``make bench-waiting`` runs 10,000 waits for ten minutes with this provider, with the trigger of the HTTP provider's
deferrable sensor, and with one that polls as dbt Cloud's does; ``make bench-waiting BENCH_ARGS=--quick`` runs 1,000 waits
for one minute; ``--triggerer`` adds the waits of this provider in a real triggerer. Each way runs in a process of its own,
one after another, and so does the sandbox that all of them ask, a new one each time. All waits begin at once. After
one poll interval the orders begin to be delivered, evenly over the rest of the time.

Imports are not counted: each process lets one wait come to its end before it begins. Nor is the processor time of the
probe that measures the event loop.
"""

from __future__ import annotations

import argparse
import compileall
import math
import os
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.export import say
from tests.benchmarks.waiting_contestants import CONTESTANTS, OURS
from tests.benchmarks.waiting_process import ContestantProcess, allow_many_files
from tests.benchmarks.waiting_results import Run
from tests.benchmarks.waiting_server import MovingSandbox
from tests.benchmarks.waiting_triggerer import measure_airflow, run_in_triggerer

if TYPE_CHECKING:
    from collections.abc import Sequence

HTTP = "http"
GRACE_INTERVALS = 5
"""How many poll intervals after the last delivery a wait may still fire."""


@dataclass(frozen=True)
class Goals:
    """What this provider has to reach."""

    fewer_requests: float = 80
    less_cpu: float = 40
    connections: int = 10
    kb_per_wait: float = 12
    lag_ms: float = 20
    latency_intervals: float = 1.5


@dataclass(frozen=True)
class Size:
    """How much is waited for.

    :param waits: how many orders.
    :param seconds: from the start until the last is delivered.
    :param interval_s: seconds between two polls.
    """

    waits: int
    seconds: float
    interval_s: float

    @property
    def deliver_over_s(self) -> float:
        """Seconds from the first delivery to the last."""
        return self.seconds - self.interval_s

    @property
    def grace_s(self) -> float:
        """Seconds after the last delivery until the run is given up."""
        return GRACE_INTERVALS * self.interval_s + 30


def run_in_loop(name: str, size: Size) -> Run:
    """Run all waits of a contestant in one event loop."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="orders-benchmark-")))
        sandbox = stack.enter_context(MovingSandbox(size.waits + 1))
        *ids, warm_up_id = sandbox.ids
        sandbox.deliver([warm_up_id], over_s=0)
        connection = CONTESTANTS[name].connection(sandbox.connection)
        process = stack.enter_context(ContestantProcess(connection, folder))
        process.tell(
            name=name,
            ids=ids,
            warm_up_id=warm_up_id,
            interval_s=size.interval_s,
            timeout_s=size.seconds + size.grace_s,
        )
        process.expect("prepared")
        sandbox.count()
        process.tell()
        process.expect("running")
        sandbox.deliver(ids, size.deliver_over_s)
        figures = process.expect("ended")
        return Run(name=name, ids=ids, interval_s=size.interval_s, server=sandbox.report(), **figures)


@dataclass
class Report:
    """Prints runs and judges them."""

    goals: Goals = field(default_factory=Goals)
    judged: int = 0
    missed: int = 0

    def print_figures(self, title: str, runs: Sequence[Run]) -> None:
        """Print one column per run."""
        say(f"\n{title}")
        rows = [
            ("waits", [f"{len(run.ids):,}" for run in runs]),
            ("seconds", [f"{run.seconds:,.0f}" for run in runs]),
            ("never fired", [f"{run.missing:,}" for run in runs]),
            ("fired early", [f"{run.early:,}" for run in runs]),
            ("fired twice", [f"{run.twice:,}" for run in runs]),
            ("detection, median s", [f"{run.latency_s(0.5):.2f}" for run in runs]),
            ("  95 % within s", [f"{run.latency_s(0.95):.2f}" for run in runs]),
            ("  99 % within s", [f"{run.latency_s(0.99):.2f}" for run in runs]),
            ("  in poll intervals", [f"{run.latency_s(0.99) / run.interval_s:.2f}" for run in runs]),
            ("loop lag, median ms", [f"{run.lag_ms(0.5):.1f}" for run in runs]),
            ("  99 % within ms", [f"{run.lag_ms(0.99):,.1f}" for run in runs]),
            ("  at most ms", [f"{run.lag_ms(1):,.0f}" for run in runs]),
            ("  99 % at the start", [f"{run.lag_at_start_ms(0.99):,.1f}" for run in runs]),
            ("  99 % later", [f"{run.lag_later_ms(0.99):,.1f}" for run in runs]),
            ("requests", [f"{run.server.requests:,}" for run in runs]),
            ("  per poll interval", [f"{run.requests_per_interval:,.1f}" for run in runs]),
            ("  refused", [f"{run.server.refused:,}" for run in runs]),
            ("open connections, most", [f"{run.server.connections:,}" for run in runs]),
            ("CPU seconds", [f"{run.cpu_s:,.1f}" for run in runs]),
            ("  us per wait and s", [f"{run.cpu_us:.2f}" for run in runs]),
            ("memory KB per wait", [f"{run.kb_per_wait:.1f}" for run in runs]),
            ("  at the highest", [f"{run.peak_kb_per_wait:.1f}" for run in runs]),
        ]
        say(f"  {'':24}" + "".join(f"{CONTESTANTS[run.name].title:>18}" for run in runs))
        for words, values in rows:
            say(f"  {words:24}" + "".join(f"{value:>18}" for value in values))
        for run in runs:
            for problem, times in run.problems.items():
                say(f"  {CONTESTANTS[run.name].title}, {times} times: {problem}")

    def judge_run(self, run: Run) -> None:
        """Compare what a run needs by itself with the goals."""
        goals = self.goals
        for words, count in (
            ("never fired", run.missing),
            ("fired early", run.early),
            ("fired twice", run.twice),
        ):
            self._judge(words, f"{count:,}", "none", is_met=not count)
        for words, share in (("detection, median", 0.5), ("detection, 99 %", 0.99)):
            intervals = run.latency_s(share) / run.interval_s
            limit = goals.latency_intervals
            self._judge(
                f"{words}, poll intervals",
                f"{intervals:.2f}",
                f"at most {limit:g}",
                is_met=intervals <= limit,
            )
        self._judge(
            "open connections",
            f"{run.server.connections}",
            f"at most {goals.connections}",
            is_met=run.server.connections <= goals.connections,
        )

    def judge_lag(self, words: str, lag_ms: float) -> None:
        """Compare the event loop's lag with its goal."""
        limit = self.goals.lag_ms
        self._judge(f"{words}, ms", f"{lag_ms:.1f}", f"under {limit:g}", is_met=lag_ms < limit)

    def judge_memory(self, run: Run) -> None:
        """Compare memory with its goal."""
        limit = self.goals.kb_per_wait
        self._judge(
            "memory per wait, KB",
            f"{run.kb_per_wait:.1f}",
            f"at most {limit:g}",
            is_met=run.kb_per_wait <= limit,
        )

    def judge_beside(self, run: Run, peer: Run) -> None:
        """Compare a run with a peer's."""
        goals, title = self.goals, CONTESTANTS[peer.name].title
        for words, times, wanted in (
            ("times fewer requests", peer.requests_per_wait / run.requests_per_wait, goals.fewer_requests),
            ("times less CPU", peer.cpu_us / run.cpu_us if run.cpu_us > 0 else math.inf, goals.less_cpu),
        ):
            self._judge(f"{words} than {title}", f"{times:.1f}", f"{wanted:g}", is_met=times >= wanted)

    def _judge(self, words: str, result: str, goal: str, *, is_met: bool) -> None:
        self.judged += 1
        self.missed += not is_met
        say(f"    {words:42}{result:>10}   goal {goal:14}{'met' if is_met else 'MISSED'}")


def _versions() -> str:
    from importlib.metadata import version

    names = ("apache-airflow", "apache-airflow-providers-http", "aiohttp")
    return ", ".join(f"{name} {version(name)}" for name in names)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="1,000 waits, one minute, a poll every 5 s")
    parser.add_argument("--waits", type=int, help="how many waits; 10,000 by default")
    parser.add_argument("--minutes", type=float, help="until the last order is delivered; 10 by default")
    parser.add_argument("--interval", type=float, help="seconds between two polls; 30 by default")
    parser.add_argument(
        "--peer-waits", type=int, help="fewer waits for the others, whose needs grow with each wait"
    )
    parser.add_argument("--peer-minutes", type=float, help="less time for the others")
    parser.add_argument("--only", nargs="*", choices=CONTESTANTS, default=list(CONTESTANTS), metavar="WAY")
    parser.add_argument("--triggerer", action="store_true", help="also run our waits in a real triggerer")
    options = parser.parse_args()
    usual = (1_000, 1.0, 5.0) if options.quick else (10_000, 10.0, 30.0)
    for name, value in zip(("waits", "minutes", "interval"), usual, strict=True):
        if getattr(options, name) is None:
            setattr(options, name, value)
    options.peer_waits = options.peer_waits or options.waits
    options.peer_minutes = options.peer_minutes or options.minutes
    for minutes in (options.minutes, options.peer_minutes):
        if minutes * 60 <= options.interval:
            parser.error("the time must be longer than the poll interval")
    return options


def main() -> int:
    """Compare; 1 when a goal is missed."""
    options = _options()
    root = Path(__file__).parents[2]
    for package in ("airflow_provider_orders", "tests/benchmarks"):
        compileall.compile_dir(root / package, quiet=1)
    allow_many_files()
    say(f"Python {sys.version.split()[0]}, {_versions()}, {os.cpu_count()} processors")
    size = Size(options.waits, options.minutes * 60, options.interval)
    peer_size = Size(options.peer_waits, options.peer_minutes * 60, options.interval)
    runs = {name: run_in_loop(name, size if name == OURS else peer_size) for name in options.only}
    report = Report()
    if runs:
        title = f"All waits in one event loop, a poll every {size.interval_s:g} s"
        report.print_figures(title, list(runs.values()))
    if peer_size != size:
        say(
            "  The others ran fewer waits or less time. What they need grows with each wait: ratios are per wait and second."
        )
    if OURS in runs:
        say("  goals")
        report.judge_run(runs[OURS])
        report.judge_lag("loop lag, 99 %", runs[OURS].lag_ms(0.99))
        report.judge_memory(runs[OURS])
        if HTTP in runs:
            report.judge_beside(runs[OURS], runs[HTTP])
    if options.triggerer:
        airflow = measure_airflow(size.waits, size.interval_s, size.deliver_over_s, size.grace_s)
        run = run_in_triggerer(size.waits, size.interval_s, size.deliver_over_s, size.grace_s)
        report.print_figures("The same in a real triggerer, with all that Airflow needs for a wait", [run])
        say(
            f"  Airflow alone, with as many triggers that only sleep and fire: loop lag, 99 % at the start, "
            f"{airflow.lag_at_start_ms:,.1f} ms, later {airflow.lag_later_ms:,.1f} ms; {airflow.kb_per_wait:.1f} KB per wait"
        )
        say("  goals")
        report.judge_run(run)
        # While waits begin, it is Airflow that blocks its loop, as the triggers show that only sleep and fire.
        report.judge_lag("loop lag after the start, 99 %", run.lag_later_ms(0.99))
    if report.judged:
        say(f"\n{report.missed} goals are missed." if report.missed else "\nAll goals are met.")
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
