"""The processes of the benchmark of waiting: their environment, and the one in which a contestant runs."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

from tests.benchmarks.waiting_contestants import CONN_ID, MARK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

__all__ = ["ContestantProcess", "allow_many_files", "environment"]


class ContestantProcess:
    """The process of a contestant; use it as a context manager.

    :param connection: the Airflow connection.
    :param folder: an empty folder.
    """

    def __init__(self, connection: Mapping[str, Any], folder: Path) -> None:
        self._environment = environment(connection, folder)
        self._errors = folder / "errors.log"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.benchmarks.waiting_contestants"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=self._environment,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate()

    def tell(self, **message: Any) -> None:
        """Send a message."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(message)}\n")
        self._process.stdin.flush()

    def expect(self, phase: str) -> dict[str, Any]:
        """Wait until the process says that it has come to a phase, and give what it tells.

        :raises RuntimeError: it ended before.
        """
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(MARK):
                answer: dict[str, Any] = json.loads(line.removeprefix(MARK))
                assert answer.pop("phase") == phase
                return answer
        raise RuntimeError(f"ended before it was {phase}:\n{self._errors.read_text()[-6000:]}")


def environment(connection: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Give an environment in which Airflow runs as in production, with one connection and no proxy."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONDONTWRITEBYTECODE"
        and not name.upper().endswith("_PROXY")
        and not name.startswith("AIRFLOW")
    }
    return kept | {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        f"AIRFLOW_CONN_{CONN_ID.upper()}": json.dumps(connection),
        "NO_PROXY": "*",
    }


def allow_many_files() -> None:
    """Let the processes open as many connections as the machine allows: a way may open one for each wait."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
