"""What the databases do in different words."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Select, Table
    from sqlalchemy.engine import Connection
    from sqlalchemy.sql.dml import Delete, Insert
    from sqlalchemy.sql.elements import ColumnElement
    from sqlalchemy.types import TypeEngine

    from airflow_provider_orders.export.sinks.sql.tables import Kind

__all__ = ["Dialect", "lock_digest", "or_update", "zoneless_text"]

_BATCH: Final = 250
"""Rows of one statement: far below what a server takes as one message."""


class Dialect(ABC):
    """One connection to one kind of database.

    The connection is in autocommit mode; transactions are begun and ended here, in so many words, because each driver
    has its own idea of when one begins.

    :param connection: the connection.
    """

    title: ClassVar[str]
    types: ClassVar[Mapping[Kind, TypeEngine[Any]]]
    converters: ClassVar[Mapping[Kind, Callable[[Any], Any]]]
    """For each kind of column whose values the driver does not take as they are."""
    table_options: ClassVar[Mapping[str, Any]] = {}
    indexes_staging: ClassVar[bool] = True
    begin_words: ClassVar[str] = "BEGIN"

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @abstractmethod
    def prepare(self, lock_timeout_s: float) -> None:
        """Set up the session.

        :raises ConfigurationError: the database cannot be used.
        """

    @abstractmethod
    def resolve_schema(self, schema: str | None) -> str:
        """Give the schema that the tables lie in, for the locks and for the manifest.

        :raises ConfigurationError: there is no such schema.
        """

    @abstractmethod
    def place(self, schema: str, table: str) -> str:
        """Name a table the way Airflow's assets do: without user, password and options."""

    @abstractmethod
    def try_lock(self, name: str) -> bool:
        """Take a lock that ends with this process at the latest, or tell that another one has it."""

    @abstractmethod
    def unlock(self, name: str) -> None:
        """Let go of it."""

    def moment(self, moment: datetime) -> datetime:
        """Give a moment as a parameter: without its zone, where the columns have none."""
        return moment.replace(tzinfo=None)

    @staticmethod
    @abstractmethod
    def hour_later(moment: ColumnElement[Any]) -> ColumnElement[Any]:
        """Give the moment an hour after that of a column."""

    @abstractmethod
    def upsert(
        self,
        table: Table,
        names: Sequence[str],
        rows: Select[Any],
        replace: Mapping[str, Callable[[Any], Any]],
    ) -> Insert:
        """Insert rows; where the key is taken, replace.

        :param names: the columns of the rows.
        :param replace: what each column that is not part of the key becomes, of the row that was to be inserted.
        """

    @staticmethod
    @abstractmethod
    def explain(error: BaseException) -> str:
        """Say what a driver's error means, without any value of a row, a URL or a password."""

    def check_table(self, table: Table) -> str | None:
        """Say what is wrong with an existing table beyond its columns."""
        del table
        return None

    def delete_matching(self, table: Table, column: ColumnElement[Any], matches: Select[Any]) -> Delete:
        """Delete the rows whose column is among the ids of a selection."""
        return table.delete().where(column.in_(matches))

    def _server(self) -> str:
        url = self.connection.engine.url
        return f"{url.host or 'localhost'}{f':{url.port}' if url.port else ''}"

    def load(self, table: Table, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows, with a value for every column, into a staging table."""
        statement = self._insert_words(table)
        for start in range(0, len(rows), _BATCH):
            batch = [tuple(row) for row in rows[start : start + _BATCH]]
            self.connection.exec_driver_sql(statement, batch)

    def _insert_words(self, table: Table) -> str:
        style = self.connection.dialect.paramstyle
        mark = "?" if style == "qmark" else "%s"
        quote = self.connection.dialect.identifier_preparer.quote
        names = ", ".join(quote(column.name) for column in table.columns)
        marks = ", ".join([mark] * len(table.columns))
        return f"INSERT INTO {quote(table.name)} ({names}) VALUES ({marks})"  # noqa: S608 - our own names

    def begin(self) -> None:
        """Begin a transaction."""
        self.connection.exec_driver_sql(self.begin_words)

    def commit(self) -> None:
        """Commit it."""
        self.connection.exec_driver_sql("COMMIT")

    def rollback(self) -> None:
        """Drop it."""
        self.connection.exec_driver_sql("ROLLBACK")

    def settle(self, *tables: Table) -> None:
        """Let the database look at tables of the staging that are full now, where it does not do that by itself."""
        del tables

    def refresh(self, *tables: Table) -> None:
        """Let the database look at tables of the target that have changed much."""
        del tables


def or_update(insert: Any, table: Table, replace: Mapping[str, Callable[[Any], Any]]) -> Insert:
    """Add ``ON CONFLICT``, in which PostgreSQL and SQLite agree, to an insert of either."""
    updating: Insert = insert.on_conflict_do_update(
        index_elements=[column.name for column in table.primary_key],
        set_={name: value(insert.excluded) for name, value in replace.items()},
    )
    return updating


def zoneless_text(moment: datetime) -> str:
    """Write a moment for a column without a zone."""
    return moment.replace(tzinfo=None).isoformat(" ", "microseconds")


def lock_digest(name: str) -> str:
    """Give a short name for a lock: hexadecimal digits."""
    return hashlib.sha256(f"airflow-provider-orders\n{name}".encode()).hexdigest()
