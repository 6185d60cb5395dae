"""Exports in processes of their own that are killed, as a worker's process is when its machine runs out of memory."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from tests.unit.export.exports import context

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.process import BaseProcess
    from pathlib import Path

_AUDITED = frozenset({"open", "os.rename", "os.link", "os.remove"})


def _export(
    arguments: Mapping[str, Any],
    environment: Mapping[str, str],
    run_id: str,
    kill_at_step: int | None,
    steps_file: str,
) -> None:
    os.environ.update(environment)
    from airflow_provider_orders.export import journal
    from airflow_provider_orders.transfers.orders_to_object_storage import OrdersToObjectStorageOperator
    from airflow_provider_orders.transfers.orders_to_sql import OrdersToSqlOperator

    patch.object(journal, "_SHORTEST_S", 0.0).start()  # so short an export would keep nothing for a retry
    kind = OrdersToSqlOperator if "sql_conn_id" in arguments else OrdersToObjectStorageOperator
    steps = _Steps(kill_at_step, str(arguments.get("path", "//")))
    kind(task_id="export", **arguments).execute(context(run_id=run_id))
    with open(steps_file, "w") as file:  # noqa: PTH123 - not a step
        file.write(str(steps.count))


class _Steps:
    """Counts what a process does to its target, and kills it right before one of these steps.

    :param kill_at: number of the step, None to count only.
    :param folder: where the files go.
    """

    def __init__(self, kill_at: int | None, folder: str) -> None:
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        self.count = 0
        self._kill_at = kill_at
        self._folder = folder
        sys.addaudithook(self._audit)
        for name in ("before_cursor_execute", "commit"):
            event.listen(Engine, name, lambda *_: self._step())

    def _audit(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name not in _AUDITED or self._folder not in str(arguments[0]):
            return
        if name != "open" or "w" in str(arguments[1] or ""):
            self._step()

    def _step(self) -> None:
        self.count += 1
        if self.count == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


class Exporter:
    """Runs exports one after the other, each in a process of its own.

    The processes are forked from one that has imported everything, so that a kill meets the export and not its imports.

    :param arguments: of the operator.
    :param environment: the connections.
    :param folder: for notes.
    """

    def __init__(self, arguments: Mapping[str, Any], environment: Mapping[str, str], folder: Path) -> None:
        self._arguments = dict(arguments)
        self._environment = dict(environment)
        self._steps_file = folder / "steps"
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(
            [
                "airflow_provider_orders.export.run",
                "airflow_provider_orders.hooks.genuka",
                "airflow_provider_orders.transfers.orders_to_object_storage",
                "airflow_provider_orders.transfers.orders_to_sql",
                "tests.unit.transfers.crashes",
            ]
        )

    def start(self, run_id: str, *, kill_at_step: int | None = None) -> BaseProcess:
        """Begin an export."""
        process = self._processes.Process(
            target=_export,
            args=(self._arguments, self._environment, run_id, kill_at_step, str(self._steps_file)),
        )
        process.start()
        return process

    def run(self, run_id: str, *, kill_at_step: int | None = None) -> bool:
        """Export, and tell whether it came to its end rather than being killed.

        :raises AssertionError: it failed otherwise.
        """
        process = self.start(run_id, kill_at_step=kill_at_step)
        process.join()
        return self.ended(process)

    @staticmethod
    def ended(process: BaseProcess) -> bool:
        """Tell how a process ended."""
        assert process.exitcode in {0, -signal.SIGKILL}, "the export failed; its log says why"
        return process.exitcode == 0

    @property
    def steps(self) -> int:
        """How many steps the last export that came to its end took."""
        return int(self._steps_file.read_text())
