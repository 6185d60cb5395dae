"""What the operators share that come after an export: the target that it wrote to, and its manifests."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowNotFoundException
from airflow.sdk import BaseHook, ObjectStoragePath

from airflow_provider_orders.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow.sdk import Connection, Context
    from sqlalchemy.engine import Engine

__all__ = ["HookDatabase", "fetch_manifests", "folder", "run_key"]


def folder(path: object) -> ObjectStoragePath:
    """Give the folder that ``path`` means: a local path, or the URL of a storage; ``orders`` in Airflow's home by default.

    :raises ConfigurationError: it is neither, or the storage is not known.
    """
    if path is None or path == "":
        path = os.path.join(os.environ.get("AIRFLOW_HOME") or "~/airflow", "orders")  # noqa: PTH118 - a text is needed
    if isinstance(path, ObjectStoragePath):
        return path
    if isinstance(path, PurePath):
        path = str(path)
    if not isinstance(path, str):
        raise ConfigurationError(
            "path must be a folder: a local path, or the URL of a storage.", field="path"
        )
    if "://" not in path:
        path = f"file://{os.path.abspath(os.path.expanduser(path))}"  # noqa: PTH100, PTH111 - a text is needed
    try:
        return ObjectStoragePath(path)
    except (ValueError, ImportError) as error:
        raise ConfigurationError(f"path is no storage that can be reached: {error}.", field="path") from error


class HookDatabase:
    """The database of a connection, through the hook that its provider brings.

    :param conn_id: id of the connection.
    :raises ConfigurationError: there is no such connection, or it is not one to a database.
    """

    def __init__(self, conn_id: str) -> None:
        self._connection = _connection(conn_id)
        self._hook = _hook(self._connection)

    def get_sqlalchemy_engine(self, engine_kwargs: dict[str, Any] | None = None, /) -> Engine:
        """Make an engine.

        :raises ConfigurationError: the driver is not installed.
        """
        # PostgresHook gives its extras, such as sslmode, to its own connections only.
        ignored = getattr(self._hook, "ignored_extra_options", None)
        options = dict(engine_kwargs or {})
        if ignored is not None:
            extras = self._connection.extra_dejson
            options["connect_args"] = {name: value for name, value in extras.items() if name not in ignored}
        try:
            engine: Engine = self._hook.get_sqlalchemy_engine(options)
        except AirflowException as error:
            problem = str(error)  # which package is missing
        else:
            return engine
        raise ConfigurationError(
            f"Connection {self._connection.conn_id!r} gives no way to its database: {problem}",
            field="sql_conn_id",
        )


def _connection(conn_id: str) -> Connection:
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise ConfigurationError(
            f"There is no connection {conn_id!r}: add it, or correct sql_conn_id.", field="sql_conn_id"
        ) from None


def _hook(connection: Connection) -> Any:
    try:
        hook = connection.get_hook()  # type: ignore[no-untyped-call]
    except (AirflowException, ImportError) as error:
        problem = (
            "whose provider is not installed"
            if isinstance(error, ImportError)
            else "which Airflow does not know"
        )
    else:
        if hasattr(hook, "get_sqlalchemy_engine"):
            return hook
        problem = "which is no database"
    raise ConfigurationError(
        f"Connection {connection.conn_id!r} has the type {connection.conn_type!r}, {problem}; orders can be written to "
        "PostgreSQL (pip install 'airflow-provider-orders[postgres]'), MySQL and MariaDB "
        "('airflow-provider-orders[mysql]') and SQLite ('airflow-provider-orders[sqlite]').",
        field="sql_conn_id",
    )


def fetch_manifests(manifests: Any) -> list[Mapping[str, Any]]:
    """Fetch manifests, of one task or of a mapped one, in one request.

    :raises ConfigurationError: they are no manifests.
    """
    if isinstance(manifests, dict):
        found: Iterable[Any] = [manifests]
    elif hasattr(manifests, "__getitem__") and not isinstance(manifests, str):
        found = manifests[:]  # of a lazy sequence a loop would fetch one by one
    else:
        found = manifests if hasattr(manifests, "__iter__") else [None]
    found = list(found)
    if not all(isinstance(manifest, dict) and "window" in manifest for manifest in found):
        raise ConfigurationError(
            "manifests must be what exports have returned, such as export.output of a mapped task.",
            field="manifests",
        )
    return found


def run_key(context: Context) -> str:
    """Name the task instance: the same for each try of it, another for every other."""
    ti = context["ti"]
    return "\n".join((ti.dag_id, ti.task_id, ti.run_id, str(ti.map_index)))
