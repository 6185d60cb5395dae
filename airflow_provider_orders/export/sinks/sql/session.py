"""One connection to the target: its locks, its transaction, and what its errors mean."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy.event import listen
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from airflow_provider_orders.errors import ConfigurationError, OrdersError
from airflow_provider_orders.export.sinks.sql.mysql import MySqlDialect
from airflow_provider_orders.export.sinks.sql.postgres import PostgresDialect
from airflow_provider_orders.export.sinks.sql.sqlite import SqliteDialect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.engine import Connection, Engine

    from airflow_provider_orders.export.sinks.sql.dialect import Dialect

__all__ = ["Database", "Session", "place_of"]

log = logging.getLogger(__name__)

_DIALECTS: Final[Mapping[str, type[Dialect]]] = {
    "postgresql": PostgresDialect,
    "mysql": MySqlDialect,
    "mariadb": MySqlDialect,
    "sqlite": SqliteDialect,
}
_LOCK_POLL_S: Final = 0.25


class Database(Protocol):
    """What is used of a database hook; Airflow's ``DbApiHook`` has it."""

    def get_sqlalchemy_engine(self, engine_kwargs: dict[str, Any] | None = None, /) -> Engine:
        """Make an engine."""


def place_of(connection: Connection, schema: str | None, table: str) -> str:
    """Name a table that was exported to as the manifest does, which is without credentials.

    :raises ConfigurationError: there is no such schema.
    """
    dialect = _DIALECTS[connection.dialect.name](connection)
    return dialect.place(dialect.resolve_schema(schema), table)


class Session:
    """One connection to a database, from :meth:`connect` to :meth:`close`.

    :param database: the database hook.
    :param target: the table, for messages.
    :param lock_timeout_s: how long to wait for a lock.
    """

    dialect: Dialect

    def __init__(self, database: Database, *, target: str, lock_timeout_s: float) -> None:
        self._database = database
        self._target = target
        self._lock_timeout_s = lock_timeout_s
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        self._in_transaction = False
        self._locked: list[str] = []

    def connect(self) -> None:
        """Connect.

        :raises ConfigurationError: the database cannot be reached, or is none of those that are supported.
        """
        try:
            # What a statement was given is the data of persons. SQLAlchemy 1.4 without future would commit by itself.
            engine = self._database.get_sqlalchemy_engine({"hide_parameters": True, "future": True})
        except (ImportError, ArgumentError, NotImplementedError, TypeError, ValueError) as error:
            missing = isinstance(error, ImportError) and error.name
            problem = f"the module {missing} is missing" if missing else type(error).__name__
        else:
            self._engine = engine
            self._use(engine)
            return
        raise ConfigurationError(
            f"The connection gives no way to its database: {problem}. Install Airflow's provider for it, with its driver.",
            field="sql_conn_id",
        )

    def _use(self, engine: Engine) -> None:
        kind = _DIALECTS.get(engine.dialect.name)
        if kind is None:
            raise ConfigurationError(
                f"The connection is to {engine.dialect.name}; orders can be written to PostgreSQL, MySQL, MariaDB and "
                "SQLite.",
                field="sql_conn_id",
            )
        if kind is MySqlDialect:
            listen(engine, "do_connect", _speak_utf8)
        with self.refused("The database cannot be reached"):
            self._connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self.dialect = kind(self._connection)
            self.dialect.prepare(self._lock_timeout_s)

    def lock(self, name: str) -> None:
        """Wait until no other export has the lock.

        By asking again, because a session that waits inside of the database holds up its housekeeping.

        :raises OrdersError: it took too long.
        """
        deadline = time.monotonic() + self._lock_timeout_s
        told = False
        while not self.dialect.try_lock(name):
            if time.monotonic() >= deadline:
                raise OrdersError(
                    f"Another export is writing these orders to {self._target}, and did not end within "
                    f"{self._lock_timeout_s:g} s; nothing was asked of the vendor. Run the task again later."
                )
            if not told:
                log.info("Waiting for another export of these orders to %s", self._target)
                told = True
            time.sleep(_LOCK_POLL_S)
        self._locked.append(name)

    def unlock(self, name: str) -> None:
        """Let go of a lock."""
        self._locked.remove(name)
        self.dialect.unlock(name)

    def begin(self) -> None:
        """Begin a transaction."""
        self.dialect.begin()
        self._in_transaction = True

    def commit(self) -> None:
        """Commit it."""
        self.dialect.commit()
        self._in_transaction = False

    def rollback(self) -> None:
        """Drop it."""
        self.dialect.rollback()
        self._in_transaction = False

    def close(self) -> None:
        """Drop what was not committed, and let go of the locks and of the connection; it may be lost already."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with self._whatever_happens():
                if self._in_transaction:
                    self.rollback()
            while self._locked:
                with self._whatever_happens():
                    self.dialect.unlock(self._locked.pop())
            with self._whatever_happens():
                # Not back into a pool: the session has settings and tables of its own.
                connection.invalidate()
                connection.close()
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    @contextlib.contextmanager
    def refused(self, what: str) -> Iterator[None]:
        """Turn an error of the database, before the first request, into one about the configuration."""
        try:
            yield
        except self._driver_errors() as error:
            problem = self._explain(error)
        else:
            return
        raise ConfigurationError(
            f"{what}: {problem}. Nothing was asked of the vendor; correct the connection, or what its user may do.",
            field="sql_conn_id",
        )

    @contextlib.contextmanager
    def failing(self, what: str, *, committing: bool = False) -> Iterator[None]:
        """Turn an error of the database into one that says where the target stands."""
        try:
            yield
        except self._driver_errors() as error:
            problem = self._explain(error)
        else:
            return
        # Where the answer to COMMIT is lost, nobody knows what became of it.
        stand = "is as it was before" if not committing else "has all of the export or nothing of it"
        # Without its cause: the driver's words quote rows.
        raise OrdersError(
            f"{what} failed: {problem}. {self._target} {stand}; put the database right, then run the task again."
        )

    def optional(self) -> contextlib.AbstractContextManager[None]:
        """Go on where the database refuses something that the orders do not depend on."""
        return self._whatever_happens()

    def _whatever_happens(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.suppress(*self._driver_errors())

    def _driver_errors(self) -> tuple[type[BaseException], ...]:
        driver = getattr(self._engine.dialect, "dbapi", None) if self._engine is not None else None
        # A driver's own errors come through where rows are copied in.
        return (SQLAlchemyError, OSError, *([driver.Error] if driver is not None else []))

    def _explain(self, error: BaseException) -> str:
        original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        if isinstance(original, OSError):
            return original.strerror or type(original).__name__
        kind = _DIALECTS.get(self._engine.dialect.name) if self._engine is not None else None
        if isinstance(original, SQLAlchemyError) or kind is None:
            return type(original).__name__
        return kind.explain(original).strip().rstrip(".")


def _speak_utf8(dialect: object, record: object, arguments: object, options: dict[str, Any]) -> None:
    del dialect, record, arguments
    options.setdefault("charset", "utf8mb4")
