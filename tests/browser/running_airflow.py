"""``airflow standalone`` with the sandbox, as ``make airflow`` starts it, but for one test session."""

from __future__ import annotations

import json
import os
import shutil
import sys
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

# The scripts import each other by their bare names; nothing there shadows a module of Airflow.
sys.path.append(str(Path(__file__).parents[2] / "scripts"))

import run_airflow
from local_airflow import CommandError, LocalAirflow, failure_in, free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_orders.sandbox import Sandbox

__all__ = ["RunningAirflow", "running_airflow"]


@dataclass(frozen=True, slots=True)
class RunningAirflow:
    """One Airflow that runs, with the sandbox behind its connections and the example DAGs.

    :param url: where the browser finds it, without a slash at its end.
    :param sandbox: what the connections ``<type>_default`` lead to.
    """

    url: str
    sandbox: Sandbox
    _airflow: LocalAirflow

    @property
    def home(self) -> Path:
        """Airflow's home."""
        return self._airflow.home

    @property
    def log(self) -> Path:
        """What all parts of Airflow write."""
        return self.home / "airflow.log"

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a request to Airflow's own API, for what the browser does not show.

        :param method: HTTP method.
        :param path: with its prefix, such as ``/api/v2``.
        :param body: what is sent as JSON.
        """
        token = self._open("GET", "/auth/token")["access_token"]
        return self._open(method, path, body, token)

    def _open(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, token: str | None = None
    ) -> Any:
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            f"{self.url}{path}", method=method, data=None if body is None else json.dumps(body).encode()
        )
        request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def command(self, *arguments: str) -> str:
        """Run ``airflow`` with some arguments, and give what it printed.

        :raises CommandError: it failed.
        """
        with running(self._airflow.start(*arguments)) as process:
            printed, _ = process.communicate()
        if process.returncode:
            raise CommandError(f"airflow {' '.join(arguments)} failed:\n{printed}")
        return str(printed)


@contextmanager
def running_airflow(sandbox: Sandbox) -> Iterator[RunningAirflow]:
    """Run Airflow, and leave nothing of it.

    :param sandbox: what the connections lead to.
    :raises CommandError: it did not start.
    """
    port = free_port()
    airflow = LocalAirflow(
        name=f"browser-{os.getpid()}",
        settings={
            **run_airflow.settings(port),
            # What a person waits for comes without delay.
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
            # A task that starts asks the server that is busy with the browser's scripts.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        },
    )
    site = RunningAirflow(f"http://localhost:{port}", sandbox, airflow)
    try:
        airflow.prepare_database()
        run_airflow.add_connections(airflow, sandbox)
        with (
            site.log.open("w", encoding="utf-8") as output,
            running(airflow.start("standalone", output=output)) as process,
        ):
            try:
                run_airflow.wait_until_healthy(process, f"http://127.0.0.1:{port}")
            except CommandError as error:
                output.flush()
                raise CommandError(f"{failure_in(site.log.read_text(encoding='utf-8'))}\n\n{error}") from None
            yield site
    finally:
        shutil.rmtree(airflow.home, ignore_errors=True)
