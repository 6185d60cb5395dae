"""A real Airflow for tests: scheduler, triggerer, DAG processor and API server, each a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import psutil  # type: ignore[import-untyped]
import requests
from cryptography.fernet import Fernet

from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

__all__ = ["AirflowCluster", "wait_for"]

_T = TypeVar("_T")

_HEALTH_NAMES = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}
# They serve logs on ports of their own, which nobody reads here.
_OPTIONS = {"scheduler": ("--skip-serve-logs",), "triggerer": ("--skip-serve-logs",)}

START_TIMEOUT_S = 150
COMMAND_TIMEOUT_S = 120
DEFAULT_WAIT_S = 90


def wait_for(
    what: str, look: Callable[[], _T | None], *, timeout_s: float = DEFAULT_WAIT_S, every_s: float = 0.25
) -> _T:
    """Look again and again until there is something to see.

    :param what: what is waited for, for the error.
    :param look: gives it, or something false.
    :raises TimeoutError: it did not come in time.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {timeout_s:g} s")
        time.sleep(every_s)


class AirflowCluster:
    """One Airflow in a folder of its own, with its processes and a client of its REST API.

    Use it as a context manager; at the end every process is gone, whatever happened.

    :param home: an empty folder.
    :param connections: what is added to Airflow's database, by Airflow's own command; fields by connection id.
    """

    parts: ClassVar[Sequence[str]] = ("api-server", "scheduler", "dag-processor", "triggerer")
    dags_folder: ClassVar[Path] = Path(__file__).parent / "dags"

    def __init__(self, home: Path, connections: Mapping[str, Mapping[str, Any]]) -> None:
        self.home = home
        self.logs = home / "logs"
        self._connections = connections
        self._outputs = home / "outputs"
        self._preparation = self._outputs / "preparation.log"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._port = free_port()
        self._url = f"http://127.0.0.1:{self._port}"
        self._http = requests.Session()
        self._http.trust_env = False
        self.environment = self._make_environment()

    def _make_environment(self) -> dict[str, str]:
        inherited = {
            name: value for name, value in os.environ.items() if not name.upper().startswith("AIRFLOW")
        }
        # Secrets are fixed here: each process would otherwise write, and read, a configuration file.
        return inherited | {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
            "AIRFLOW__API__BASE_URL": self._url,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self._port),
            "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(32),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags_folder),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self._url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__FERNET_KEY": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "3",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home / 'airflow.db'}",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.logs),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
            "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
            # How long a triggerer must be silent before another takes over what it watched.
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
            "PYTHONUNBUFFERED": "1",
        }

    # Life.

    def __enter__(self) -> Self:
        self._outputs.mkdir(parents=True)
        try:
            self._prepare()
            for part in self.parts:
                self.start(part)
            wait_for("a healthy Airflow", self._is_healthy, timeout_s=START_TIMEOUT_S)
        except BaseException as error:
            error.add_note(self.outputs())
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _prepare(self) -> None:
        """Make the database and add the connections: Airflow's own commands, in one process to import it once."""
        commands = [["db", "migrate"], *map(_add_connection, self._connections.items())]
        script = Path(__file__).with_name("airflow_commands.py")
        self._finish([sys.executable, str(script)], given=json.dumps(commands), output=self._preparation)

    def start(self, part: str) -> None:
        """Start one of the processes, one of ``parts``."""
        with (self._outputs / f"{part}.log").open("ab") as output:
            self._processes[part] = subprocess.Popen(
                [sys.executable, "-m", "airflow", *self._arguments(part)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self.home,
                start_new_session=True,
            )

    def _arguments(self, part: str) -> Sequence[str]:
        return [part, *_OPTIONS.get(part, ())]

    def kill(self, part: str) -> None:
        """Kill one of the processes, and what it has started, without a warning."""
        process = self._processes.pop(part)
        family = _family_of(process.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        _kill(family)
        process.wait()

    def stop(self) -> None:
        """End all processes, at once: nothing of their work is needed any more."""
        for part in list(self._processes):
            self.kill(part)
        _kill(self.survivors())
        self._http.close()

    def survivors(self) -> set[psutil.Process]:
        """Find what this Airflow left running: processes that have its home in their environment."""
        found = set()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("AIRFLOW_HOME") == str(self.home):
                    found.add(process)
        return found

    # Commands.

    def run(self, *arguments: str) -> str:
        """Run ``airflow`` with some arguments and give what it printed, both streams.

        :raises AssertionError: it did not succeed.
        """
        output = self._outputs / f"command-{len(list(self._outputs.iterdir()))}.log"
        return self._finish([sys.executable, "-m", "airflow", *arguments], output=output)

    def _finish(self, command: Sequence[str], *, given: str = "", output: Path) -> str:
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # At DEBUG, Airflow's own supervisor of `dags test` logs what it is asked to mask.
            env=self.environment | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO"},
            cwd=self.home,
            start_new_session=True,
            text=True,
        ) as process:
            try:
                printed, _ = process.communicate(given, timeout=COMMAND_TIMEOUT_S)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        output.write_text(printed)
        assert process.returncode == 0, f"{' '.join(command)} failed:\n{printed}"
        return printed

    # The REST API.

    def _ask(self, method: str, path: str, **options: Any) -> requests.Response:
        return self._http.request(method, f"{self._url}{path}", timeout=30, **options)

    def get(self, path: str) -> Any:
        """Read below ``/api/v2``."""
        answer = self._ask("GET", f"/api/v2{path}")
        answer.raise_for_status()
        return answer.json()

    def _is_healthy(self) -> bool:
        for part, process in self._processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"airflow {part} ended with {process.returncode}")
        try:
            if "Authorization" not in self._http.headers:
                token = self._ask("GET", "/auth/token").json()["access_token"]
                self._http.headers["Authorization"] = f"Bearer {token}"
            health = self.get("/monitor/health")
            return all(
                health[name]["status"] == "healthy"
                for part, name in _HEALTH_NAMES.items()
                if part in self.parts
            ) and len(self.get("/dags")["dags"]) == len(self._dag_ids())
        except requests.RequestException:
            return False

    def _dag_ids(self) -> list[str]:
        return [
            line
            for file in self.dags_folder.glob("*.py")
            for line in file.read_text().splitlines()
            if "dag_id=" in line
        ]

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """Start a DAG run.

        :param conf: the run's parameters.
        :return: the run's id.
        """
        answer = self._ask(
            "POST", f"/api/v2/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf}
        )
        assert answer.ok, answer.text
        run_id: str = answer.json()["dag_run_id"]
        return run_id

    def task(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """Give a task instance, with its trigger while it is deferred."""
        found: dict[str, Any] = self.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}")
        return found

    def wait_for_deferral(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """Wait until a triggerer runs the task's trigger, and give the trigger."""

        def look() -> dict[str, Any] | None:
            task = self.task(dag_id, run_id, task_id)
            assert task["state"] not in {"success", "failed"}, self.task_log(dag_id, run_id, task_id)
            trigger: dict[str, Any] | None = task["trigger"]
            return trigger if trigger and trigger["triggerer_id"] else None

        return wait_for(f"the trigger of {dag_id}.{task_id}", look)

    def trigger_kwargs(self, trigger_id: int) -> str:
        """Give a trigger's arguments as they lie in the database; some versions of Airflow encrypt them."""
        with contextlib.closing(self.database()) as database:
            (kept,) = database.execute("SELECT kwargs FROM trigger WHERE id = ?", (trigger_id,)).fetchone()
        content: str = kept
        if content.startswith("{"):
            return content
        return Fernet(self.environment["AIRFLOW__CORE__FERNET_KEY"]).decrypt(content.encode()).decode()

    def database(self) -> sqlite3.Connection:
        """Open Airflow's database, to read it."""
        return sqlite3.connect(f"file:{self.home / 'airflow.db'}?mode=ro", uri=True, timeout=30)

    def left_behind(self) -> list[str]:
        """Give all that Airflow wrote: each log, what each process printed, and the rows of its database.

        But for the connections, whose user names stand in clear in their table, and in what `connections add` tells.
        """
        files = [*self.logs.rglob("*"), *self._outputs.glob("*.log")]
        texts = [
            file.read_text(errors="replace") for file in files if file.is_file() and file != self._preparation
        ]
        with contextlib.closing(self.database()) as database:
            tables = [
                name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            for table in sorted({*tables} - {"connection"}):
                rows = database.execute(f'SELECT * FROM "{table}"').fetchall()  # noqa: S608 - the schema's own names
                texts += [repr(row) for row in rows if "cli_connections_add" not in row]
        return texts

    def wait_for_run(self, dag_id: str, run_id: str, *, timeout_s: float = DEFAULT_WAIT_S) -> str:
        """Wait until a DAG run is over and give its state."""

        def look() -> str | None:
            state: str = self.get(f"/dags/{dag_id}/dagRuns/{run_id}")["state"]
            return state if state in {"success", "failed"} else None

        return wait_for(f"the end of {dag_id}", look, timeout_s=timeout_s)

    def xcom(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """Give what a task returned."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        return self.get(f"{path}?deserialize=true")["value"]

    def task_log(self, dag_id: str, run_id: str, task_id: str) -> str:
        """Give a task's log, of all tries and of its triggers, as it lies in the log folder."""
        folder = self.logs / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        return "\n".join(file.read_text() for file in sorted(folder.rglob("*")) if file.is_file())

    def outputs(self, *, last: int = 30) -> str:
        """Give the end of what each process printed, without what only explains how Airflow works."""
        parts = []
        for file in sorted(self._outputs.glob("*.log")):
            lines = file.read_text(errors="replace").splitlines()
            lines = [line for line in lines if "[debug " not in line and "[http.access]" not in line]
            parts += [f"----- {file.stem}", *lines[-last:]]
        return "\n".join(parts)


def _add_connection(connection: tuple[str, Mapping[str, Any]]) -> list[str]:
    conn_id, fields = connection
    options = []
    for name, value in fields.items():
        option = name if name.startswith("conn_") else f"conn_{name}"
        options += [f"--{option.replace('_', '-')}", value if isinstance(value, str) else json.dumps(value)]
    return ["connections", "add", conn_id, *options]


def _family_of(pid: int) -> set[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return {process, *process.children(recursive=True)}
    return set()


def _kill(processes: set[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(list(processes), timeout=10)
