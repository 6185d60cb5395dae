"""The same waits in a real triggerer: Airflow's own process, with its database, its logs and nothing else running.

What a triggerer does for each trigger is in the figures, too: it keeps a task, a context and an open log file. They are
taken by a probe that runs in the triggerer, as a trigger itself.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import psycopg

from tests.benchmarks.waiting_contestants import CONN_ID, CONTESTANTS, OURS
from tests.benchmarks.waiting_probe import quantile, without_omission
from tests.benchmarks.waiting_results import Run
from tests.benchmarks.waiting_server import MovingSandbox
from tests.cluster.airflow_cluster import AirflowCluster, wait_for
from tests.services.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from tests.services import Database

__all__ = ["Overhead", "measure_airflow", "run_in_triggerer"]

IDLE_S = 5
START_TIMEOUT_S = 600
PROBE, WARM_UP, FIRST = 0, 1, 2
"""Map indexes."""

_RESUMED = """state = 'scheduled' AND next_kwargs::text LIKE '%"met"%'"""
_FIRED = "Trigger fired event"
_PRINTED = re.compile(rf"^(\S+) \[info *\] {_FIRED} .*? map_index=(\d+) ", re.MULTILINE)


class _Triggerer(AirflowCluster):
    """An Airflow of which only the triggerer runs; PostgreSQL holds its metadata."""

    parts: ClassVar[Sequence[str]] = ("triggerer",)

    def __init__(self, home: Path, database: Database, connection: Mapping[str, Any], capacity: int) -> None:
        self._database = database
        self._connection = connection
        self._capacity = capacity
        self.dags = home / "dags"
        super().__init__(home, {})

    def _make_environment(self) -> dict[str, str]:
        inherited = super()._make_environment()
        for name in list(inherited):
            if name.upper().endswith("_PROXY") or name == "PYTHONDONTWRITEBYTECODE":
                del inherited[name]
        return inherited | {
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self._database.plain_url.replace(
                "postgresql://", "postgresql+psycopg2://"
            ),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
            "AIRFLOW__TRIGGERER__CAPACITY": str(self._capacity),
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "5",
            # With the usual 50 it would take minutes until all waits run; with many more, Airflow itself blocks the loop.
            "AIRFLOW__TRIGGERER__MAX_TRIGGER_TO_SELECT_PER_LOOP": "250",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "30",
            f"AIRFLOW_CONN_{CONN_ID.upper()}": json.dumps(self._connection),
            "NO_PROXY": "*",
        }

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(self.outputs())
        super().__exit__(kind, error, trace)

    def _prepare(self) -> None:
        self.dags.mkdir()
        super()._prepare()

    def _is_healthy(self) -> bool:
        for process in self._processes.values():
            if process.poll() is not None:
                raise RuntimeError(f"the triggerer ended with {process.returncode}")
        return self.count("job", "job_type = 'TriggererJob' AND state = 'running'") == 1

    def count(self, table: str, condition: str) -> int:
        """Count rows of Airflow's database."""
        with psycopg.connect(self._database.plain_url) as connection:
            found = connection.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()  # noqa: S608 - from this file
        assert found is not None
        return int(found[0])

    def write_rows(self, **asked: Any) -> None:
        """Put tasks and triggers into the database."""
        output = self.home / "outputs" / f"rows-{asked['first']}.log"
        command = [sys.executable, "-m", "tests.benchmarks.waiting_rows"]
        self._finish(command, given=json.dumps(asked), output=output)

    def count_logs(self) -> int:
        """Count the triggers that have begun to write their log."""
        return sum(1 for _ in self.logs.glob("dag_id=waits/*/*/*/*.trigger.*"))

    def read_logs(self) -> dict[int, list[dict[str, Any]]]:
        """Give the lines of each trigger's log, by map index."""
        found: dict[int, list[dict[str, Any]]] = {}
        for file in self.logs.glob("dag_id=waits/*/*/*/*.trigger.*"):
            index = int(file.parent.name.removeprefix("map_index="))
            found[index] = [json.loads(line) for line in file.read_text().splitlines()]
        # Under load, Airflow closes a trigger's log before its last lines have come, and prints them instead.
        printed = (self.home / "outputs" / "triggerer.log").read_text(errors="replace")
        for timestamp, index in _PRINTED.findall(printed):
            found[int(index)].append({"timestamp": timestamp, "event": _FIRED, "level": "info"})
        return found


class _Probe:
    """Reads what the probe in the triggerer writes."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def lines(self) -> list[dict[str, Any]]:
        """Give all complete lines so far, oldest first."""
        if not self._file.exists():
            return []
        return [
            json.loads(line)
            for line in self._file.read_text().splitlines(keepends=True)
            if line.endswith("\n")
        ]

    def wait_until(self, moment: float) -> None:
        """Wait for a line that was written after a moment."""
        wait_for("the probe", lambda: self.lines()[-1]["at"] > moment, timeout_s=START_TIMEOUT_S, every_s=0.5)


@dataclass(frozen=True)
class _Scene:
    """A triggerer in which all waits run.

    :param start: a file without which triggers that only sleep do not begin to fire.
    :param before: what the probe told of the idle triggerer.
    :param running: what it told when all waits had begun and polled.
    """

    sandbox: MovingSandbox
    triggerer: _Triggerer
    probe: _Probe
    ids: Sequence[str]
    start: Path
    before: Sequence[Mapping[str, Any]]
    running: Mapping[str, Any]

    @property
    def memory_kb(self) -> float:
        """What the triggerer grew by until all waits ran."""
        grown: float = self.running["memory_kb"] - self.before[-1]["memory_kb"]
        return grown

    def wait_until_fired(self, within_s: float) -> None:
        """Wait until only the probe is left, or the time is up."""
        gives_up = time.time() + within_s
        while self.triggerer.count("task_instance", "state = 'deferred'") > 1 and time.time() < gives_up:
            time.sleep(1)
        self.probe.wait_until(time.time())

    def during(self) -> list[dict[str, Any]]:
        """Give what the probe told since the idle triggerer."""
        return [line for line in self.probe.lines() if line["at"] > self.before[-1]["at"]]

    def lags_at_start(self) -> int:
        """Count the lags until all waits had begun and polled."""
        return sum(len(line["lags_s"]) for line in self.during() if line["at"] <= self.running["at"])

    def lags_s(self) -> list[float]:
        """Give all lags since the idle triggerer."""
        return [lag_s for line in self.during() for lag_s in line["lags_s"]]


def _set_up(stack: ExitStack, waits: int, interval_s: float, fire_over_s: float, *, sleep: bool) -> _Scene:
    """Start everything, and let all waits begin; with ``sleep``, triggers that only sleep and fire."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="orders-benchmark-")))
    sandbox = stack.enter_context(MovingSandbox(waits + 1))
    *ids, warm_up_id = sandbox.ids
    sandbox.deliver([warm_up_id], over_s=0)
    database = stack.enter_context(Postgres()).create_database()
    connection = CONTESTANTS[OURS].connection(sandbox.connection)
    triggerer = stack.enter_context(
        _Triggerer(folder / "airflow", database, connection, capacity=waits + FIRST)
    )
    probe = _Probe(folder / "probe.jsonl")
    start = folder / "start"
    plan = {
        "interval_s": interval_s,
        "deadline": time.time() + 2 * START_TIMEOUT_S + fire_over_s,
        "fire_over_s": fire_over_s,
    }
    triggerer.write_rows(
        create=waits + FIRST,
        probe=str(folder / "probe.jsonl"),
        first=PROBE,
        ids=[warm_up_id],
        sleep_until="",
        **plan,
    )
    wait_for("the wait that warms up", lambda: triggerer.count("task_instance", _RESUMED) == 1)
    idle = len(probe.lines())
    wait_for("an idle triggerer", lambda: len(probe.lines()) > idle + IDLE_S)
    before = probe.lines()[idle:]
    sandbox.count()
    triggerer.write_rows(first=FIRST, ids=ids, sleep_until=str(start) if sleep else "", **plan)
    wait_for(
        "the last wait",
        lambda: triggerer.count_logs() >= waits + FIRST,
        timeout_s=START_TIMEOUT_S,
        every_s=1,
    )
    probe.wait_until(time.time() + interval_s)
    return _Scene(sandbox, triggerer, probe, ids, start, before, probe.lines()[-1])


@dataclass(frozen=True)
class Overhead:
    """What Airflow itself needs for triggers that only sleep and fire."""

    kb_per_wait: float
    lag_at_start_ms: float
    lag_later_ms: float


def measure_airflow(waits: int, interval_s: float, fire_over_s: float, grace_s: float) -> Overhead:
    """Run triggers in a triggerer that only sleep and fire.

    :param waits: how many.
    :param interval_s: how long to look at them sleeping, once they run.
    :param fire_over_s: seconds over which they fire, evenly.
    :param grace_s: seconds after that until the run is given up.
    """
    with ExitStack() as stack:
        scene = _set_up(stack, waits, interval_s, fire_over_s, sleep=True)
        scene.start.touch()
        scene.wait_until_fired(fire_over_s + grace_s)
        lags_s, at_start = scene.lags_s(), scene.lags_at_start()
    return Overhead(
        scene.memory_kb / waits,
        1000 * quantile(without_omission(lags_s[:at_start]), 0.99),
        1000 * quantile(without_omission(lags_s[at_start:]), 0.99),
    )


def run_in_triggerer(waits: int, interval_s: float, deliver_over_s: float, grace_s: float) -> Run:
    """Run waits of this provider in a triggerer.

    :param waits: how many.
    :param interval_s: seconds between two polls.
    :param deliver_over_s: seconds from the first delivery to the last.
    :param grace_s: seconds after the last delivery until the run is given up.
    """
    with ExitStack() as stack:
        scene = _set_up(stack, waits, interval_s, deliver_over_s, sleep=False)
        triggerer, before = scene.triggerer, scene.before
        scene.sandbox.deliver(scene.ids, deliver_over_s)
        scene.wait_until_fired(deliver_over_s + grace_s)
        report = scene.sandbox.report()
        during, lags_s, lags_at_start = scene.during(), scene.lags_s(), scene.lags_at_start()
        resumed = triggerer.count("task_instance", f"{_RESUMED} AND map_index >= {FIRST}")
        begun_at, met_at, events, problems = _read(triggerer.read_logs(), waits)
    if resumed != waits:
        problems["the event did not reach the task"] = waits - resumed
    idle_share = (before[-1]["cpu_s"] - before[0]["cpu_s"]) / (before[-1]["at"] - before[0]["at"])
    seconds = during[-1]["at"] - before[-1]["at"]
    return Run(
        name=OURS,
        ids=scene.ids,
        interval_s=interval_s,
        begun_at=begun_at,
        met_at=met_at,
        events=events,
        problems=problems,
        seconds=seconds,
        cpu_s=during[-1]["cpu_s"] - before[-1]["cpu_s"] - idle_share * seconds,
        memory_kb=scene.memory_kb,
        peak_kb=max(line["memory_kb"] for line in during) - before[-1]["memory_kb"],
        lags_s=lags_s,
        lags_at_start=lags_at_start,
        server=report,
    )


def _read(
    logs: Mapping[int, Sequence[Mapping[str, Any]]], waits: int
) -> tuple[list[float], list[float], list[int], Counter[str]]:
    """Read from the triggers' logs when each began, when it fired, how often, and what went wrong."""
    begun_at, met_at, events = [0.0] * waits, [0.0] * waits, [0] * waits
    problems: Counter[str] = Counter()
    for index, lines in logs.items():
        number = index - FIRST
        if number < 0:
            continue
        for line in lines:
            at = datetime.fromisoformat(line["timestamp"]).timestamp()
            begun_at[number] = begun_at[number] or at
            if line["event"] == _FIRED:
                events[number] += 1
                met_at[number] = met_at[number] or at
            elif line["level"] in {"error", "critical"}:
                problems[line["event"][:200]] += 1
    return begun_at, met_at, events, problems
