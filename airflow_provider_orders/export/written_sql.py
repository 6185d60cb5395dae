"""What exports have written into a database, read back from the table of orders. Imports SQLAlchemy."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import MetaData, Table, and_, func, select
from sqlalchemy.exc import NoSuchTableError, SQLAlchemyError

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.export.merge import Seen
from airflow_provider_orders.export.sinks.sql import TableNames
from airflow_provider_orders.export.sinks.sql.session import place_of
from airflow_provider_orders.export.written import WrittenOrder
from airflow_provider_orders.models.order import MODEL_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from airflow_provider_orders.export.sinks.sql import Database
    from airflow_provider_orders.export.state import Scope

__all__ = ["SqlTarget"]

_BATCH: Final = 5000


class SqlTarget:
    """The orders of one scope's account in a table, used as a context manager.

    :param database: the database hook.
    :param table: table of the orders.
    :param schema: where it lies; the connection's own by default.
    :param scope: whose orders, and whose watermark.
    :raises ConfigurationError: there is no such table, or it cannot be read.
    """

    def __init__(self, database: Database, *, table: str, schema: str | None, scope: Scope) -> None:
        names = TableNames.of(table)
        self._scope = scope
        # What a statement was given is the data of persons.
        self._engine = database.get_sqlalchemy_engine({"hide_parameters": True})
        try:
            metadata = MetaData(schema=schema or None)
            self._orders = Table(names.orders, metadata, autoload_with=self._engine)
            self._state = Table(names.state, metadata, autoload_with=self._engine)
            self._reached = self._reach()
            with self._engine.connect() as connection:
                self.uri = place_of(connection, schema or None, names.orders)
        except NoSuchTableError as error:
            self.close()
            raise ConfigurationError(
                f"There is no table {error}; give the table that was exported to.", field="table"
            ) from None
        except (SQLAlchemyError, OSError) as error:
            self.close()
            problem = type(getattr(error, "orig", None) or error).__name__
            raise ConfigurationError(
                f"The table {table} cannot be read: {problem}. Correct the connection, or what its user may do.",
                field="sql_conn_id",
            ) from None

    def orders(self) -> Iterator[WrittenOrder]:
        """Read the rows in pages by their ids, because most drivers hold a whole result in memory."""
        columns = self._orders.c
        query = (
            select(
                columns.id,
                columns.content_hash,
                columns.currency,
                columns.total,
                columns.created_at,
                columns.updated_at,
                columns.deleted,
                columns.model_version,
                # One that the vendor marks was read with the mark, one that a full export did not see was read before.
                (columns.deleted_at > columns.exported_at).label("is_gone"),
                columns.timezone_assumed,
            )
            .where(*self._ours(self._orders))
            .order_by(columns.id)
            .limit(_BATCH)
        )
        last = ""
        while True:
            with self._engine.connect() as connection:
                rows = connection.execute(query.where(columns.id > last)).fetchall()
            for row in rows:
                yield WrittenOrder(
                    row.id,
                    row.content_hash if row.model_version == MODEL_VERSION else None,
                    row.currency,
                    _amount(row.total),
                    _in_utc(row.created_at),
                    _in_utc(row.updated_at),
                    bool(row.deleted),
                    is_gone=bool(row.is_gone),
                    is_zone_assumed=row.timezone_assumed is not None,
                )
            if len(rows) < _BATCH:
                return
            last = rows[-1].id

    def covers(self, created: datetime | None, updated: datetime | None) -> bool:
        """Tell whether a change was made before the watermark, or before the last export where there is none."""
        changed = updated or created
        return changed is None or (self._reached is not None and changed <= self._reached)

    def seen(self) -> Seen:
        """Give the latest change and the highest id in the table."""
        columns = self._orders.c
        with self._engine.connect() as connection:
            newest = connection.execute(
                select(func.max(columns.updated_at)).where(*self._ours(self._orders))
            ).scalar()
            highest = connection.execute(
                select(columns.id)
                .where(*self._ours(self._orders))
                .order_by(func.length(columns.id).desc(), columns.id.desc())
                .limit(1)
            ).scalar()
        return Seen(_in_utc(newest), int(highest) if highest and highest.isdigit() else None)

    def _reach(self) -> datetime | None:
        with self._engine.connect() as connection:
            watermark = connection.execute(
                select(self._state.c.watermark).where(
                    *self._ours(self._state), self._state.c.scope == self._scope.key
                )
            ).scalar()
            if watermark is None:
                watermark = connection.execute(
                    select(func.max(self._orders.c.exported_at)).where(*self._ours(self._orders))
                ).scalar()
        return _in_utc(watermark)

    def _ours(self, table: Table) -> list[Any]:
        return [and_(table.c.source == self._scope.source, table.c.account == self._scope.account)]

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _amount(value: Any) -> Decimal | None:
    """Read an amount; the shortest text of a float is what was written into it."""
    return None if value is None else value if isinstance(value, Decimal) else Decimal(str(value))


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
