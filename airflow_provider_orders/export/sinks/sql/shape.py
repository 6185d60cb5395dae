"""Whether the tables have the shape that is needed; makes what is missing, and changes nothing that is there."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from sqlalchemy import Boolean, DateTime, Enum, Float, Integer, Numeric, String, inspect
from sqlalchemy.exc import NoSuchTableError
from sqlalchemy.schema import CreateColumn, CreateTable
from sqlalchemy.types import JSON, TypeEngine

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.export.sinks.sql.rows import AMOUNT_SCALE
from airflow_provider_orders.export.sinks.sql.tables import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Table

    from airflow_provider_orders.export.sinks.sql.dialect import Dialect
    from airflow_provider_orders.export.sinks.sql.tables import Tables

__all__ = ["make_tables"]

log = logging.getLogger(__name__)


def make_tables(dialect: Dialect, tables: Tables) -> None:
    """Check all tables first, then make those that are missing and add the columns that are.

    :raises ConfigurationError: a table has another shape; nothing was changed.
    """
    found = {table.name: _columns(dialect, table) for table in tables.all}
    for table in tables.all:
        columns = found[table.name]
        if columns:
            problem = _key_problem(dialect, table) or dialect.check_table(table)
            if problem is None:
                problem = _column_problem(dialect, table, columns, tables.kinds[table.name])
            if problem is not None:
                raise ConfigurationError(
                    f"The table {table.fullname} {problem}. Change it, or name another with table=...",
                    field="table",
                )
    statements = [words for table in tables.all for words in _missing(dialect, table, found[table.name])]
    if not statements:
        return
    dialect.begin()
    for words in statements:
        dialect.connection.exec_driver_sql(words)
    dialect.commit()


def _columns(dialect: Dialect, table: Table) -> dict[str, Mapping[str, Any]]:
    """Give the columns that a table has, none where there is no such table."""
    try:
        columns = inspect(dialect.connection).get_columns(table.name, schema=table.schema)
    except NoSuchTableError:
        return {}
    return {column["name"]: column for column in columns}


def _missing(dialect: Dialect, table: Table, found: Mapping[str, Any]) -> list[str]:
    words = dialect.connection.dialect
    if not found:
        log.info("Creating the table %s", table.fullname)
        return [str(CreateTable(table).compile(dialect=words))]
    name = words.identifier_preparer.format_table(table)
    added = [column for column in table.columns if column.name not in found]
    if added:
        log.info("Adding to the table %s: %s", table.fullname, ", ".join(column.name for column in added))
    return [
        f"ALTER TABLE {name} ADD COLUMN {CreateColumn(column).compile(dialect=words)}" for column in added
    ]


def _key_problem(dialect: Dialect, table: Table) -> str | None:
    wanted = [column.name for column in table.primary_key]
    key = inspect(dialect.connection).get_pk_constraint(table.name, schema=table.schema)
    if set(key.get("constrained_columns") or ()) == set(wanted):
        return None
    return f"has no primary key ({', '.join(wanted)})"


def _column_problem(
    dialect: Dialect, table: Table, found: Mapping[str, Mapping[str, Any]], kinds: Mapping[str, Kind]
) -> str | None:
    words = dialect.connection.dialect
    for column in table.columns:
        known = found.get(column.name)
        if known is None:
            continue
        if not _holds(known["type"], column.type, kinds[column.name]):
            needed, has = (each.compile(dialect=words) for each in (column.type, known["type"]))
            return f"has a column {column.name} of the type {has} where {needed} is needed"
        if column.nullable and not known["nullable"]:
            return f"has a column {column.name} that is NOT NULL, and vendors leave it out"
    return _foreign_problem(table.columns.keys(), found)


def _foreign_problem(ours: Sequence[str], found: Mapping[str, Mapping[str, Any]]) -> str | None:
    for name, column in found.items():
        filled = column.get("default") is not None or column.get("autoincrement") is True
        filled = filled or bool(column.get("identity") or column.get("computed"))
        if name not in ours and not column["nullable"] and not filled:
            return f"has a column {name} of its own that is NOT NULL and has no default"
    return None


def _holds(found: TypeEngine[Any], needed: TypeEngine[Any], kind: Kind) -> bool:
    """Tell whether a type holds every value of a kind, and nothing is cut or converted."""
    if kind in {Kind.KEY, Kind.WORD, Kind.TEXT}:
        return _is_text(found, needed)
    if kind is Kind.AMOUNT:
        return _is_exact(found)
    if kind is Kind.MOMENT:
        wide = getattr(found, "fsp", None) == getattr(needed, "fsp", None)
        return isinstance(found, DateTime) and found.timezone == _zoned(needed) and wide
    if kind is Kind.FLAG:
        # MySQL's BOOLEAN is a number of one digit.
        return isinstance(found, Boolean | Integer)
    if kind is Kind.COUNT:
        return isinstance(found, Integer)
    return isinstance(found, JSON) or _is_text(found, needed)


def _is_text(found: TypeEngine[Any], needed: TypeEngine[Any]) -> bool:
    if not isinstance(found, String) or isinstance(found, Enum):
        return False
    length = getattr(needed, "length", None)
    return found.length is None or (length is not None and found.length >= length)


def _is_exact(found: TypeEngine[Any]) -> bool:
    if not isinstance(found, Numeric) or isinstance(found, Float):
        return False
    if found.precision is None:
        return True
    scale = found.scale or 0
    return scale >= AMOUNT_SCALE and found.precision - scale >= 20


def _zoned(needed: TypeEngine[Any]) -> bool:
    return isinstance(needed, DateTime) and bool(needed.timezone)
