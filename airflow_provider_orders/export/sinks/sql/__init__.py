"""Orders in tables of a database: PostgreSQL, MySQL or MariaDB, SQLite.

It imports SQLAlchemy, so nothing imports it before a task runs.
"""

from __future__ import annotations

from airflow_provider_orders.export.sinks.sql.session import Database
from airflow_provider_orders.export.sinks.sql.sink import SqlSink
from airflow_provider_orders.export.sinks.sql.tables import TableNames

__all__ = ["Database", "SqlSink", "TableNames"]
