"""SQLite: one file, one writer at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import JSON, BigInteger, Boolean, DateTime, Numeric, Text, func
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.export.sinks.sql.dialect import Dialect, lock_digest, or_update, zoneless_text
from airflow_provider_orders.export.sinks.sql.rows import UnfitError, amount_text
from airflow_provider_orders.export.sinks.sql.tables import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Select, Table
    from sqlalchemy.engine import Connection
    from sqlalchemy.sql.dml import Insert
    from sqlalchemy.sql.elements import ColumnElement
    from sqlalchemy.types import TypeEngine

__all__ = ["SqliteDialect"]

_SURE_DIGITS = 15
"""Decimal digits that every 64-bit float keeps."""


class SqliteDialect(Dialect):
    """SQLite, on Python's own driver.

    It has no decimal numbers. Amounts lie in NUMERIC columns, as 64-bit floats, so that they compare and sort as
    numbers; one that such a float does not give back digit by digit is refused.
    """

    title = "SQLite"
    types: ClassVar[Mapping[Kind, TypeEngine[Any]]] = {
        Kind.KEY: Text(),
        Kind.WORD: Text(),
        Kind.TEXT: Text(),
        Kind.AMOUNT: Numeric(asdecimal=False),
        Kind.MOMENT: DateTime(),
        Kind.FLAG: Boolean(),
        Kind.COUNT: BigInteger(),
        Kind.PAYLOAD: Text(),
        Kind.DOCUMENT: JSON(),
    }
    begin_words = "BEGIN IMMEDIATE"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._locks: dict[str, tuple[int, Path]] = {}

    def prepare(self, lock_timeout_s: float) -> None:
        """Wait for other writers."""
        self.connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(lock_timeout_s * 1000)}")

    def resolve_schema(self, schema: str | None) -> str:
        """Take only the database itself."""
        if schema not in {None, "main"}:
            raise ConfigurationError("SQLite has no schemas: leave schema out.", field="schema")
        return "main"

    def place(self, schema: str, table: str) -> str:
        """Name a table by the file of the database."""
        del schema
        return f"sqlite://{self._file() or '/:memory:'}/{table}"

    def try_lock(self, name: str) -> bool:
        """Lock a file beside the database: SQLite's own locks would keep every other writer out of all its tables."""
        database = self._file()
        if database is None:
            return True
        path = database.with_name(f"{database.name}.{lock_digest(name)[:12]}.lock")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it before may have removed the file after we opened it.
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                self._locks[name] = (descriptor, path)
                return True
        os.close(descriptor)
        return False

    def unlock(self, name: str) -> None:
        """Remove the file while it is ours, then let go of it."""
        held = self._locks.pop(name, None)
        if held is None:
            return
        descriptor, path = held
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)

    def _file(self) -> Path | None:
        """Give the file of the database, None for one in memory."""
        rows = self.connection.exec_driver_sql("PRAGMA database_list").fetchall()
        file = next((row[2] for row in rows if row[1] == "main"), None)
        return Path(os.path.realpath(file)) if file else None

    @staticmethod
    def hour_later(moment: ColumnElement[Any]) -> ColumnElement[Any]:
        """Add to the text that a moment is here; SQLite itself would round its microseconds."""
        return func.strftime("%Y-%m-%d %H:%M:%S", moment, "+1 hour").concat(func.substr(moment, 20))

    def upsert(
        self,
        table: Table,
        names: Sequence[str],
        rows: Select[Any],
        replace: Mapping[str, Callable[[Any], Any]],
    ) -> Insert:
        """Insert with ``ON CONFLICT``."""
        return or_update(sqlite_insert(table).from_select(names, rows), table, replace)

    @staticmethod
    def explain(error: BaseException) -> str:
        """Give SQLite's own words, which name tables and columns only."""
        return str(error)


def _float_text(amount: Decimal) -> str:
    text = amount_text(amount)
    if len(text) > _SURE_DIGITS and Decimal(repr(float(text))) != amount:
        raise UnfitError(
            f"SQLite keeps {_SURE_DIGITS} digits of a number for sure, and it has more; use another database"
        )
    return text


SqliteDialect.converters = {
    Kind.AMOUNT: _float_text,
    Kind.MOMENT: zoneless_text,
    Kind.FLAG: int,
}
