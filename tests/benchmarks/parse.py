"""What the imports of a DAG file cost, beside Airflow's own providers: ``python -m tests.benchmarks.parse``.

Each candidate is imported in a process of its own, forked from one that has ``airflow.sdk`` and the base classes of
operators, sensors and hooks, as Airflow's DAG processor has when it reads a file. The lowest of many runs is shown: what is
above it is the machine's doing.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CANDIDATES", "HEAVY", "OURS", "ImportCost", "main", "measure"]

OURS = (
    "airflow_provider_orders.operators.merge",
    "airflow_provider_orders.operators.orders",
    "airflow_provider_orders.operators.planning",
    "airflow_provider_orders.operators.reconcile",
    "airflow_provider_orders.sensors.orders",
    "airflow_provider_orders.sensors.updated",
    "airflow_provider_orders.transfers.orders_to_object_storage",
    "airflow_provider_orders.transfers.orders_to_sql",
)
ALL = "all of them"
CANDIDATES: dict[str, Sequence[str]] = {
    "our operators": [name for name in OURS if ".operators." in name],
    "our sensors": [name for name in OURS if ".sensors." in name],
    "our transfers": [name for name in OURS if ".transfers." in name],
    ALL: OURS,
    "Airflow's HTTP operator": ("airflow.providers.http.operators.http",),
    "Airflow's HTTP sensor": ("airflow.providers.http.sensors.http",),
    "dbt Cloud's operators": ("airflow.providers.dbt.cloud.operators.dbt",),
}
BUDGET_MS = 30
HEAVY = (
    "aiohttp",
    "asgiref",
    "duckdb",
    "httpx",
    "msgspec",
    "numpy",
    "pandas",
    "pendulum",
    "polars",
    "psycopg2",
    "pyarrow",
    "requests",
    "sqlalchemy",
    "starlette",
    "tenacity",
    "uvicorn",
    "zstandard",
)
"""HTTP, database and data-frame libraries, and what else costs milliseconds."""


@dataclass(frozen=True)
class ImportCost:
    """What importing some modules costs.

    :param cpu_ms: processor time, in milliseconds.
    :param modules: every module that was loaded.
    """

    cpu_ms: float
    modules: tuple[str, ...]

    @property
    def heavy(self) -> list[str]:
        """The heavy libraries among them."""
        roots = {name.partition(".")[0] for name in self.modules}
        return sorted(roots & set(HEAVY))


def measure(names: Sequence[str], *, rounds: int) -> ImportCost:
    """Import modules in fresh processes, above Airflow's base classes.

    :param names: the modules.
    :param rounds: how often; the quickest counts.
    """
    import airflow.sdk

    import airflow_provider_orders

    # As in production; a checkout that has just been edited is not.
    compileall.compile_dir(Path(airflow_provider_orders.__file__).parent, quiet=2)
    # They load when they are first asked for.
    for base in (
        "BaseHook",
        "BaseOperator",
        "BaseSensorOperator",
        "Context",
        "ObjectStoragePath",
        "dag",
        "task",
    ):
        getattr(airflow.sdk, base)
    return min((_once(names) for _ in range(rounds)), key=lambda cost: cost.cpu_ms)


def _once(names: Sequence[str]) -> ImportCost:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        before = set(sys.modules)
        start = time.process_time()
        for name in names:
            __import__(name)
        cpu_ms = (time.process_time() - start) * 1000
        with os.fdopen(writer, "w") as answer:
            json.dump([cpu_ms, sorted(set(sys.modules) - before)], answer)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    _, status = os.waitpid(child, 0)
    if status or not text:
        raise ImportError(f"could not import {', '.join(names)}")
    cpu_ms, modules = json.loads(text)
    return ImportCost(cpu_ms, tuple(modules))


def _there(names: Sequence[str]) -> bool:
    try:
        return all(find_spec(name) for name in names)
    except ModuleNotFoundError:
        return False


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What the imports of a DAG file cost.")
    parser.add_argument("--rounds", type=int, default=20, help="how often each is imported (default: 20)")
    parser.add_argument("--quick", action="store_true", help="five times only")
    options = parser.parse_args(words)
    rounds = 5 if options.quick else options.rounds
    from airflow import __version__ as version

    costs = {title: measure(names, rounds=rounds) for title, names in CANDIDATES.items() if _there(names)}
    lines = [
        f"Above airflow.sdk and its base classes, on Airflow {version}:",
        "",
        "| import | CPU time | modules | heavy libraries |",
        "|---|---|---|---|",
    ]
    for title in CANDIDATES:
        if cost := costs.get(title):
            heavy = ", ".join(cost.heavy) or "none"
            lines.append(f"| {title} | {cost.cpu_ms:.0f} ms | {len(cost.modules)} | {heavy} |")
        else:
            lines.append(f"| {title} | not installed | | |")
    verdict = "met" if costs[ALL].cpu_ms <= BUDGET_MS else "MISSED"
    lines += ["", f"{ALL.capitalize()}: goal at most {BUDGET_MS} ms, {verdict}.", ""]
    sys.stdout.write("\n".join(lines))


if __name__ == "__main__":
    main()
