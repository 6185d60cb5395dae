# ruff: noqa: INP001 - scripts are run one by one, they are no package
"""An Airflow of this checkout's own, for ``make demo`` and ``make airflow``.

It has its own home and database below ``.airflow``, takes no setting from the shell, and leaves no process behind.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

__all__ = [
    "ROOT",
    "CommandError",
    "LocalAirflow",
    "airflow_version",
    "failure_in",
    "free_port",
    "interruptible",
    "running",
    "stop",
]

ROOT = Path(__file__).resolve().parent.parent

_LAST_LINES = 25
_STARTS_LOG_LINE = re.compile(r"^(\x1b\[\d*m)*\[?\d{4}-\d\d-\d\dT\d\d:\d\d")
_TRACEBACK = "Traceback (most recent call last)"
_FOREIGN_FRAME = re.compile(r'  File ".*/site-packages/')


class CommandError(Exception):
    """An Airflow command failed; the message holds what it printed last."""


def airflow_version() -> str:
    """Give the version of the Airflow that is installed beside this Python."""
    return version("apache-airflow")


def free_port(wanted: int = 0) -> int:
    """Give a free port of this machine: the wanted one if it is free, else any."""
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            number: int = probe.getsockname()[1]
            return number
    raise CommandError("This machine has no free port.")


@dataclass(frozen=True, kw_only=True)
class LocalAirflow:
    """One Airflow home and the environment of the commands that use it.

    :param name: tells homes apart; each Airflow version has its own, because their databases differ.
    :param settings: more environment variables, such as connections.
    """

    name: str
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """Its folder, which git ignores and ``make clean`` removes."""
        return ROOT / ".airflow" / f"{self.name}-{airflow_version()}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its commands; a shell set up for another Airflow does not get in the way."""
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("AIRFLOW")}
        local = "127.0.0.1,localhost"
        no_proxy = kept.get("no_proxy") or kept.get("NO_PROXY")
        return {
            **kept,
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), kept.get("PATH", os.defpath))),
            "NO_PROXY": f"{no_proxy},{local}" if no_proxy else local,
            "no_proxy": f"{no_proxy},{local}" if no_proxy else local,
            "PYTHONUNBUFFERED": "1",
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "example_dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home / 'airflow.db'}",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            **self.settings,
        }

    def start(self, *arguments: str, output: int | IO[str] = subprocess.PIPE) -> subprocess.Popen[str]:
        """Start an Airflow command in a process group of its own, so that all of it can be ended."""
        return subprocess.Popen(  # noqa: S603 - our own Python and our own words
            [sys.executable, "-m", "airflow", *arguments],
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def run(self, *arguments: str) -> None:
        """Run an Airflow command to its end, without a word.

        :raises CommandError: it failed.
        """
        with running(self.start(*arguments)) as process:
            printed, _ = process.communicate()
        if process.returncode:
            raise CommandError(f"airflow {' '.join(arguments)} failed:\n{failure_in(printed)}")

    def prepare_database(self) -> bool:
        """Set the database up, unless an earlier run did.

        :return: whether there was anything to do.
        :raises CommandError: it did not work.
        """
        ready = self.home / "database-is-ready"
        if ready.exists():
            return False
        # Whatever is there comes from a run that was interrupted.
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        self.run("db", "migrate")
        ready.touch()
        return True


@contextlib.contextmanager
def running(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """End the process, and all that it has started, with the block."""
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[str], *, patience_s: float = 20.0) -> None:
    """End a process of :meth:`LocalAirflow.start` and its whole group: politely, then not, or at a second Ctrl-C."""
    # Airflow ends what it has started when it is interrupted; the two others are for what does not listen.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, KeyboardInterrupt):
            if number is signal.SIGINT:
                process.send_signal(number)
            else:
                os.killpg(process.pid, number)
            if _gone(process, patience_s):
                return


def _gone(process: subprocess.Popen[str], patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while _is_alive(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _is_alive(process: subprocess.Popen[str]) -> bool:
    """Tell whether anything of the process's group still runs."""
    if process.poll() is None:
        return True
    processes = Path("/proc")
    if not (processes / "self" / "stat").exists():
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return False
        return True
    # What has ended stays in its group until it is waited for, and in a container nobody may do that.
    for path in processes.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, group = (
                path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[:3]
            )
            if group == str(process.pid) and state != "Z":
                return True
    return False


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C, a hang-up or a request to terminate end the block, even where a shell had Ctrl-C ignored."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {
        number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def failure_in(log: str) -> str:
    """Find in a log what a person wants to read: the first traceback without Airflow's frames, else the last lines."""
    lines = log.rstrip().splitlines()
    starts = (number for number, line in enumerate(lines) if line.startswith(_TRACEBACK))
    first = next(starts, None)
    if first is None:
        return "\n".join(lines[-_LAST_LINES:])
    end = next(
        (number for number in range(first, len(lines)) if _STARTS_LOG_LINE.match(lines[number])), len(lines)
    )
    shown, is_foreign = [], False
    for line in lines[first:end]:
        if not line.startswith("    "):  # deeper lines belong to the frame above them
            is_foreign = _FOREIGN_FRAME.match(line) is not None
        if not is_foreign:
            shown.append(line)
    return "\n".join(shown[-_LAST_LINES:])
