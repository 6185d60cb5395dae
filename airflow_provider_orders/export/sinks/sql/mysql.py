"""MySQL and MariaDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from sqlalchemy import JSON, BigInteger, Boolean, func, inspect, text
from sqlalchemy.dialects.mysql import DATETIME, DECIMAL, LONGTEXT, VARCHAR
from sqlalchemy.dialects.mysql import insert as mysql_insert

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.export.sinks.sql.dialect import Dialect, lock_digest, zoneless_text
from airflow_provider_orders.export.sinks.sql.rows import AMOUNT_SCALE, UnfitError, amount_text
from airflow_provider_orders.export.sinks.sql.tables import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Select, Table
    from sqlalchemy.sql.dml import Delete, Insert
    from sqlalchemy.sql.elements import ColumnElement
    from sqlalchemy.types import TypeEngine

__all__ = ["MySqlDialect"]

_KEY_LENGTH = 191
"""Three such columns of four bytes a character stay within the 3072 bytes of an index."""
_WORD_LENGTH = 64

# Errors whose words name tables, users and files, never the values of a row.
_SPEAKABLE: Final = frozenset(
    {
        1016,
        1021,
        1030,
        1034,
        1036,
        1040,
        1044,
        1045,
        1046,
        1049,
        1050,
        1051,
        1053,
        1054,
        1064,
        1071,
        1072,
        1114,
        1117,
    }
    | {
        1118,
        1129,
        1130,
        1142,
        1143,
        1146,
        1158,
        1159,
        1160,
        1161,
        1180,
        1181,
        1194,
        1195,
        1196,
        1197,
        1205,
        1206,
    }
    | {1213, 1226, 1227, 1267, 1290, 1317, 1792, 1836, 3024, 3572}
)
_LOST: Final = frozenset({2002, 2003, 2005, 2006, 2013, 2055, 4031})


class MySqlDialect(Dialect):
    """MySQL and MariaDB, on any driver of SQLAlchemy."""

    title = "MySQL"
    types: ClassVar[Mapping[Kind, TypeEngine[Any]]] = {
        Kind.KEY: VARCHAR(_KEY_LENGTH),
        Kind.WORD: VARCHAR(_WORD_LENGTH),
        Kind.TEXT: LONGTEXT(),
        Kind.AMOUNT: DECIMAL(38, AMOUNT_SCALE),
        Kind.MOMENT: DATETIME(fsp=6),
        Kind.FLAG: Boolean(),
        Kind.COUNT: BigInteger(),
        # MySQL's own JSON forgets the order of keys and how a number was written.
        Kind.PAYLOAD: LONGTEXT(),
        Kind.DOCUMENT: JSON(),
    }
    # The binary collation: ids that differ in case only are two orders.
    table_options: ClassVar[Mapping[str, Any]] = {
        "mysql_engine": "InnoDB",
        "mysql_default_charset": "utf8mb4",
        "mysql_collate": "utf8mb4_bin",
        "mariadb_engine": "InnoDB",
        "mariadb_default_charset": "utf8mb4",
        "mariadb_collate": "utf8mb4_bin",
    }
    begin_words = "START TRANSACTION"

    def prepare(self, lock_timeout_s: float) -> None:
        """Refuse what does not fit instead of cutting it."""
        del lock_timeout_s
        self.connection.exec_driver_sql("SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')")

    def resolve_schema(self, schema: str | None) -> str:
        """Give it, or the database of the connection."""
        found = self.connection.exec_driver_sql("SELECT DATABASE()").scalar()
        if found is None:
            raise ConfigurationError("The connection names no database: set its schema.", field="sql_conn_id")
        if schema is None:
            return str(found)
        if schema not in inspect(self.connection).get_schema_names():
            raise ConfigurationError(
                f"There is no database {schema}: create it, or name another.", field="schema"
            )
        return schema

    def place(self, schema: str, table: str) -> str:
        """Name a table by server and database."""
        return f"mysql://{self._server()}/{schema}/{table}"

    def try_lock(self, name: str) -> bool:
        """Take a lock of the session."""
        taken = self.connection.execute(text("SELECT GET_LOCK(:name, 0)"), {"name": _lock_name(name)})
        return taken.scalar() == 1

    def unlock(self, name: str) -> None:
        """Let go of it."""
        self.connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": _lock_name(name)})

    @staticmethod
    def hour_later(moment: ColumnElement[Any]) -> ColumnElement[Any]:
        """Add in the words that MySQL and MariaDB share."""
        return func.timestampadd(text("HOUR"), 1, moment)

    def upsert(
        self,
        table: Table,
        names: Sequence[str],
        rows: Select[Any],
        replace: Mapping[str, Callable[[Any], Any]],
    ) -> Insert:
        """Insert with ``ON DUPLICATE KEY UPDATE``."""
        insert = mysql_insert(table).from_select(names, rows)
        return insert.on_duplicate_key_update(
            {name: value(insert.inserted) for name, value in replace.items()}
        )

    def delete_matching(self, table: Table, column: ColumnElement[Any], matches: Select[Any]) -> Delete:
        """Delete with a join: a sub-select would be read once for each row."""
        wanted = matches.subquery()
        return table.delete().where(column == next(iter(wanted.c)))

    def check_table(self, table: Table) -> str | None:
        """Want an engine that has transactions."""
        options = inspect(self.connection).get_table_options(table.name, schema=table.schema)
        engine = next((str(value) for name, value in options.items() if name.endswith("_engine")), "InnoDB")
        if engine.lower() == "innodb":
            return None
        return f"has the engine {engine}, which has no transactions: ALTER TABLE {table.name} ENGINE = InnoDB"

    @staticmethod
    def explain(error: BaseException) -> str:
        """Give the server's words where they can name no value, else the number of the error."""
        number = getattr(error, "errno", None) or next(iter(error.args), None)
        if not isinstance(number, int):
            return type(error).__name__
        if number in _LOST or number < 0:
            return "the connection to the database could not be made, or was lost"
        if number not in _SPEAKABLE:
            return f"{type(error).__name__} {number}"
        words = getattr(error, "msg", None) or error.args[1]
        return str(words)


def _lock_name(name: str) -> str:
    return f"airflow-orders-{lock_digest(name)[:40]}"


def _key_text(value: str) -> str:
    if len(value) > _KEY_LENGTH:
        raise UnfitError(f"it has more than {_KEY_LENGTH} characters")
    return value


MySqlDialect.converters = {
    Kind.KEY: _key_text,
    Kind.AMOUNT: amount_text,
    Kind.MOMENT: zoneless_text,
    Kind.FLAG: int,
}
