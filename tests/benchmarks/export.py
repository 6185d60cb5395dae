"""Exports the same orders in several ways, side by side, and prints time, memory, and whether the goals are met.

``make bench`` runs it; ``make bench BENCH_ARGS=--quick`` only the smaller number of orders. Each figure is the median of
three runs, which take turns, so that a ratio holds on a machine whose speed drifts; but with the larger number the
others, which need minutes, run once, unless ``--thorough`` is given. Each run is a process of its own, and so are the
server of the orders and PostgreSQL. Imports are not counted, and everything is compiled to bytecode beforehand, as in
production.

This provider validates every order against what the vendor documents, counts statuses and totals, de-duplicates, hashes
what it writes and compares the number of orders with the vendor's own. The others take what comes.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tests.benchmarks.contestants import CONTESTANTS
from tests.benchmarks.replay import record, replay
from tests.services.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROUNDS = 3
FEW, MANY = 20_000, 100_000
LATENCIES_MS = (0, 20)

_Figures: TypeAlias = dict[str, float]


@dataclass(frozen=True)
class Faster:
    """A goal: how many times faster one way has to be than another, by latency."""

    ours: str
    peer: str
    times: Mapping[int, float]


FASTER = (
    Faster("OursJsonLines", "DltJsonLines", {0: 8, 20: 12}),
    Faster("OursJsonLines", "DltFlatJsonLines", {0: 5, 20: 9}),
    Faster("OursJsonLines", "HttpOperatorJsonLines", {0: 3, 20: 7}),
    Faster("OursEightAtOnceJsonLines", "HttpOperatorJsonLines", {20: 7}),
    Faster("OursJsonLines", "PlainLoopJsonLines", {0: 1.5, 20: 5}),
    Faster("OursEightAtOnceJsonLines", "PlainLoopJsonLines", {0: 1.5, 20: 5}),
    Faster("OursParquet", "DltParquet", {0: 5, 20: 5}),
    Faster("OursPostgres", "DltPostgres", {0: 4, 20: 4}),
)
MEMORY_MB = {"OursJsonLines": 20, "OursPostgres": 20, "OursParquet": 150}
"""How much more memory than its imports an export may need."""
SAME_MEMORY_MB = 3
"""How far two peaks may lie apart and still be the same: what the allocator makes of it."""


@dataclass
class Bench:
    """The servers, and what was measured."""

    ways: Sequence[str]
    rounds: int
    is_thorough: bool
    folder: Path
    postgres: Postgres
    found: dict[tuple[int, int], dict[str, _Figures]] = field(default_factory=dict)
    missed: int = 0

    def compare(self, orders: int, latency_ms: int) -> None:
        """Let all ways take turns, and print the medians with the goals."""
        pages = self.folder / f"{orders}.pages"
        if not pages.exists():
            record(orders, pages)
        runs: dict[str, list[_Figures]] = {way: [] for way in self.ways}
        with replay(pages, latency_ms) as url:
            for number in range(self.rounds):
                for way in self.ways:
                    is_ours = any(way == goal.ours for goal in FASTER)
                    if number == 0 or is_ours or orders <= FEW or self.is_thorough:
                        runs[way].append(self._run(way, url, orders))
        self.found[orders, latency_ms] = {way: _median(figures) for way, figures in runs.items()}
        self._print_figures(orders, latency_ms, {way: len(figures) for way, figures in runs.items()})
        self._print_ratios(orders, latency_ms)

    def _run(self, way: str, url: str, orders: int) -> _Figures:
        command = [sys.executable, "-m", "tests.benchmarks.contestants", way, url]
        database = self.postgres.create_database() if CONTESTANTS[way].needs_database else None
        if database is not None:
            command += ["--database", database.plain_url]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=self._environment())
        if database is not None:
            self.postgres.drop_database(database)
        if done.returncode:
            raise RuntimeError(f"{way} failed:\n{done.stdout[-3000:]}{done.stderr[-6000:]}")
        figures: _Figures = json.loads(done.stdout.splitlines()[-1])
        if figures["orders"] != orders:
            raise RuntimeError(f"{way} exported {figures['orders']} of {orders} orders")
        return figures

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if name != "PYTHONDONTWRITEBYTECODE" and not name.upper().endswith("_PROXY")
        }
        return kept | {
            "AIRFLOW_HOME": str(self.folder / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "NO_PROXY": "*",
        }

    def _print_figures(self, orders: int, latency_ms: int, runs: Mapping[str, int]) -> None:
        say(f"\n{orders:,} orders, {latency_ms} ms a request")
        say(
            f"  {'':42}{'runs':>6}{'seconds':>9}{'of CPU':>9}{'orders/s':>10}{'peak MB':>10}{'of it by the export':>22}"
        )
        for way, figures in self.found[orders, latency_ms].items():
            say(
                f"  {_title(way):42}{runs[way]:>6}{figures['seconds']:>9.2f}{figures['cpu_seconds']:>9.2f}"
                f"{orders / figures['seconds']:>10,.0f}{figures['peak_mb']:>10.0f}{figures['grown_mb']:>22.1f}"
            )

    def _print_ratios(self, orders: int, latency_ms: int) -> None:
        found = self.found[orders, latency_ms]
        goals = [
            goal for goal in FASTER if {goal.ours, goal.peer} <= found.keys() and latency_ms in goal.times
        ]
        if goals:
            say("  how many times faster")
        for goal in goals:
            times = found[goal.peer]["seconds"] / found[goal.ours]["seconds"]
            wanted = goal.times[latency_ms]
            words = f"{_title(goal.ours)}, than {CONTESTANTS[goal.peer].title}"
            self._judge(words, f"{times:.1f}", f"{wanted:g}", times >= wanted)

    def print_memory(self) -> None:
        """Print what the exports need beside their imports, and whether it grows with the orders."""
        say("\nMemory of an export in MB, beside its imports")
        few, many = self._grown_mb(FEW), self._grown_mb(MANY)
        for way, limit in MEMORY_MB.items():
            for orders, grown in ((FEW, few), (MANY, many)):
                if way in grown:
                    words = f"{_title(way)}, {orders:,} orders"
                    self._judge(words, f"{grown[way]:.1f}", f"at most {limit}", grown[way] <= limit)
            if way in few and way in many:
                words = f"{_title(way)}, how much it grows"
                growth = many[way] - few[way]
                self._judge(words, f"{growth:.1f}", f"at most {SAME_MEMORY_MB}", growth <= SAME_MEMORY_MB)

    def _grown_mb(self, orders: int) -> _Figures:
        """Give the most that each way needed for a number of orders; nothing where it was not measured."""
        runs = [figures for (size, _), figures in self.found.items() if size == orders]
        return {way: max(run[way]["grown_mb"] for run in runs) for way in self.ways if runs}

    def _judge(self, words: str, result: str, goal: str, is_met: bool) -> None:
        self.missed += not is_met
        say(f"    {words:62}{result:>8}   goal {goal:12}{'met' if is_met else 'MISSED'}")


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _median(runs: Sequence[_Figures]) -> _Figures:
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def _title(way: str) -> str:
    kind = CONTESTANTS[way]
    return f"{kind.target}: {kind.title}"


def _versions() -> str:
    from importlib.metadata import version

    names = ("apache-airflow", "apache-airflow-providers-http", "dlt", "pyarrow")
    return ", ".join(f"{name} {version(name)}" for name in names)


def main() -> int:
    """Compare; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=f"only {FEW:,} orders")
    parser.add_argument("--thorough", action="store_true", help="let the others run as often as ours")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--orders", type=int, nargs="*", help="other numbers of orders")
    parser.add_argument("--latencies", type=int, nargs="*", choices=LATENCIES_MS, default=LATENCIES_MS)
    parser.add_argument("--only", nargs="*", choices=CONTESTANTS, default=list(CONTESTANTS), metavar="WAY")
    options = parser.parse_args()

    root = Path(__file__).parents[2]
    for package in ("airflow_provider_orders", "tests/benchmarks"):
        compileall.compile_dir(root / package, quiet=1)
    say(f"Python {sys.version.split()[0]}, {_versions()}, {os.cpu_count()} processors")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="orders-benchmark-")))
        postgres = stack.enter_context(Postgres())
        bench = Bench(options.only, options.rounds, options.thorough, folder, postgres)
        for orders in options.orders or ((FEW,) if options.quick else (FEW, MANY)):
            for latency_ms in options.latencies:
                bench.compare(orders, latency_ms)
        bench.print_memory()
    say("\nAll goals are met." if not bench.missed else f"\n{bench.missed} goals are missed.")
    return 1 if bench.missed else 0


if __name__ == "__main__":
    sys.exit(main())
