"""PostgreSQL: rows come in by COPY."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

from sqlalchemy import BigInteger, Boolean, Numeric, Text, text
from sqlalchemy.dialects.postgresql import JSON, TIMESTAMP
from sqlalchemy.dialects.postgresql import insert as postgres_insert

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.export.sinks.sql.dialect import Dialect, lock_digest, or_update
from airflow_provider_orders.export.sinks.sql.rows import UnfitError, amount_text
from airflow_provider_orders.export.sinks.sql.tables import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Select, Table
    from sqlalchemy.sql.dml import Delete, Insert
    from sqlalchemy.sql.elements import ColumnElement
    from sqlalchemy.types import TypeEngine

__all__ = ["PostgresDialect", "copy_text"]

# Classes of error whose words name tables, roles and files, never the values of a row.
_SPEAKABLE: Final = ("08", "0A", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58", "XX")
_LOST = "the connection to the database could not be made, or was lost"

_NULL = "\x01"
_ESCAPED: Final = re.compile("[\\\\\n\r\t\x00\x01]")
_ESCAPES: Final = {
    "\\": "\\\\",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\x01": "\\x01",
    "\x00": "\ufffd",  # PostgreSQL has no text with a NUL in it; the place stays visible
}
_SPECIAL: Final = re.compile("[\\\\\n\r\x00]")


class PostgresDialect(Dialect):
    """PostgreSQL, on psycopg 3 or psycopg2."""

    title = "PostgreSQL"
    types: ClassVar[Mapping[Kind, TypeEngine[Any]]] = {
        # Ids are no words of a language, and compare faster by their bytes.
        Kind.KEY: Text(collation="C"),
        Kind.WORD: Text(),
        Kind.TEXT: Text(),
        Kind.AMOUNT: Numeric(),
        Kind.MOMENT: TIMESTAMP(timezone=True),
        Kind.FLAG: Boolean(),
        Kind.COUNT: BigInteger(),
        # Not JSONB, which refuses the NUL and forgets the order of keys: it is what the vendor sent.
        Kind.PAYLOAD: JSON(),
        Kind.DOCUMENT: JSON(),
    }
    indexes_staging = False

    def prepare(self, lock_timeout_s: float) -> None:
        """Speak UTF-8."""
        del lock_timeout_s
        encoding = self.connection.exec_driver_sql("SHOW server_encoding").scalar()
        if encoding != "UTF8":
            raise ConfigurationError(
                f"The database has the encoding {encoding}, which cannot hold every name and address; "
                "use one with the encoding UTF8.",
                field="sql_conn_id",
            )
        self.connection.exec_driver_sql("SET client_encoding TO 'UTF8'")
        # Sorting and joining what was staged; the default would do it on disk.
        self.connection.exec_driver_sql("SET work_mem TO '32MB'")

    def resolve_schema(self, schema: str | None) -> str:
        """Give it, or the first of the search path that exists."""
        if schema is None:
            found = self.connection.exec_driver_sql("SELECT current_schema()").scalar()
            if found is None:
                raise ConfigurationError(
                    "The connection has no schema by default: give schema.", field="schema"
                )
            return str(found)
        known = self.connection.execute(
            text("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = :name"), {"name": schema}
        )
        if known.scalar() is None:
            raise ConfigurationError(
                f"There is no schema {schema} in the database: create it, or name another.", field="schema"
            )
        return schema

    def place(self, schema: str, table: str) -> str:
        """Name a table by server, database and schema."""
        return f"postgres://{self._server()}/{self.connection.engine.url.database}/{schema}/{table}"

    def try_lock(self, name: str) -> bool:
        """Take a lock of the session."""
        return bool(
            self.connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _key(name)}).scalar()
        )

    def unlock(self, name: str) -> None:
        """Let go of it."""
        self.connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _key(name)})

    def moment(self, moment: datetime) -> datetime:
        """Keep it as it is."""
        return moment

    @staticmethod
    def hour_later(moment: ColumnElement[Any]) -> ColumnElement[Any]:
        """Add an interval."""
        return moment + text("INTERVAL '1 hour'")

    def upsert(
        self,
        table: Table,
        names: Sequence[str],
        rows: Select[Any],
        replace: Mapping[str, Callable[[Any], Any]],
    ) -> Insert:
        """Insert with ``ON CONFLICT``."""
        return or_update(postgres_insert(table).from_select(names, rows), table, replace)

    def delete_matching(self, table: Table, column: ColumnElement[Any], matches: Select[Any]) -> Delete:
        """Delete with a join."""
        wanted = matches.subquery()
        return table.delete().where(column == next(iter(wanted.c)))

    def load(self, table: Table, rows: Sequence[Sequence[Any]]) -> None:
        """Copy the rows in."""
        quote = self.connection.dialect.identifier_preparer.quote
        words = f"COPY {quote(table.name)} FROM STDIN WITH (FORMAT text, NULL E'\\x01')"
        data = copy_text(rows).encode()
        cursor = self.connection.connection.cursor()
        try:
            if hasattr(cursor, "copy_expert"):
                cursor.copy_expert(words, io.BytesIO(data))
            else:
                with cursor.copy(words) as copy:
                    copy.write(data)
        finally:
            cursor.close()

    def settle(self, *tables: Table) -> None:
        """Let the planner know how many rows there are, and find them."""
        quote = self.connection.dialect.identifier_preparer.quote
        for table in tables:
            name = quote(table.name)
            if "verdict" in table.c:
                self.connection.exec_driver_sql(
                    f"CREATE INDEX IF NOT EXISTS {quote(f'{table.name}_id')} ON {name} (id)"
                )
            # The column that is joined by is enough, and several times as quick as all of them.
            self.connection.exec_driver_sql(f"ANALYZE {name} (seq)")

    def refresh(self, *tables: Table) -> None:
        """Let the planner know, before autovacuum comes round to it: without, the next export can take hours."""
        words = self.connection.dialect.identifier_preparer
        for table in tables:
            columns = ", ".join(words.format_column(column) for column in table.primary_key)
            self.connection.exec_driver_sql(f"ANALYZE {words.format_table(table)} ({columns})")

    @staticmethod
    def explain(error: BaseException) -> str:
        """Give the server's words where they can name no value, else the kind of error."""
        code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        details = getattr(error, "diag", None)
        words = getattr(details, "message_primary", None)
        if code and words and code.startswith(_SPEAKABLE):
            return str(words)
        if code:
            where = [
                getattr(details, name, None) for name in ("table_name", "column_name", "constraint_name")
            ]
            named = ", ".join(str(part) for part in where if part)
            return f"{type(error).__name__}, SQLSTATE {code}{f' ({named})' if named else ''}"
        refused = re.search(r"FATAL:\s+([^\n]+)", str(error))
        return refused.group(1) if refused else _LOST


def _key(name: str) -> int:
    """Give the number of a lock: 64 bits with a sign."""
    return int(lock_digest(name)[:16], 16) - (1 << 63)


def copy_text(rows: Sequence[Sequence[Any]]) -> str:
    """Write rows in the text format of COPY; each value is a text or None."""
    lines = []
    for row in rows:
        line = "\t".join([_NULL if value is None else value for value in row])
        # Nearly no row needs an escape, and looking at a whole row is quicker than looking at each value.
        if (
            line.count("\t") != len(row) - 1
            or line.count(_NULL) != row.count(None)
            or _SPECIAL.search(line) is not None
        ):
            line = "\t".join([_NULL if value is None else _ESCAPED.sub(_escape, value) for value in row])
        lines.append(line)
    lines.append("")
    return "\n".join(lines)


def _escape(found: re.Match[str]) -> str:
    return _ESCAPES[found.group()]


def _key_text(value: str) -> str:
    if "\x00" in value:
        raise UnfitError("it has a NUL character, which PostgreSQL cannot hold")
    return value


PostgresDialect.converters = {
    Kind.KEY: _key_text,
    Kind.AMOUNT: amount_text,
    Kind.MOMENT: lambda moment: moment.isoformat(),
    Kind.FLAG: lambda flag: "t" if flag else "f",
    Kind.COUNT: str,
}
