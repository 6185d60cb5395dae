"""The sink: orders are staged in the session, and one transaction brings them into the tables with the state."""

from __future__ import annotations

import logging
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from airflow_provider_orders.export.sinks.base import Sink, Written
from airflow_provider_orders.export.sinks.sql.journal import SqlJournal
from airflow_provider_orders.export.sinks.sql.ledger import Ledger
from airflow_provider_orders.export.sinks.sql.merge import Merge, Merged
from airflow_provider_orders.export.sinks.sql.rows import RowMaker, lines_document
from airflow_provider_orders.export.sinks.sql.session import Session
from airflow_provider_orders.export.sinks.sql.shape import make_tables
from airflow_provider_orders.export.sinks.sql.tables import ORDER_COLUMNS, Kind, Staging, TableNames, Tables
from airflow_provider_orders.export.state import KeptShape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from airflow_provider_orders.export.manifest import Manifest
    from airflow_provider_orders.export.record import Record
    from airflow_provider_orders.export.sinks.sql.session import Database
    from airflow_provider_orders.export.state import Scope, SyncState

__all__ = ["SqlSink", "StagedOrder"]

log = logging.getLogger(__name__)

_BUFFERED_ROWS: Final = 1000
"""Orders that wait to be staged together; more would be memory without being quicker."""
_BUFFERED_CHARACTERS: Final = 1 << 20
_MANY_ROWS: Final = 1000
"""Changes of a target after which its statistics are renewed."""
_LINE_COUNT: Final = [name for name, _ in ORDER_COLUMNS].index("line_count")


class StagedOrder(NamedTuple):
    """An order ready to be staged.

    :param values: of the columns of an order.
    :param lines: of the columns of each line.
    :param raw: what the vendor sent, None where it is not kept.
    """

    values: list[Any]
    lines: list[list[Any]]
    raw: str | None


class SqlSink(Sink[StagedOrder]):
    """Writes orders into tables of a database; what is there already is brought up to date.

    An order's newest version wins: the one with the later ``updated_at``, or, where that does not tell, the one read
    later. Nothing is visible before the one transaction that writes orders, lines, state and manifest together.

    :param database: the database hook.
    :param table: table of the orders; the others are named after it, see :class:`TableNames`.
    :param schema: where the tables lie; the connection's own by default.
    :param with_raw: also keep what the vendor sent.
    :param history: also keep every version from now on.
    :param run_key: the task instance, which replaces its own work when it is run again.
    :param lock_timeout_s: how long to wait for another export of the same orders into the same table.
    :raises ConfigurationError: the name of the table cannot be one.
    """

    replaces_orders = True
    maps_orders = True

    def __init__(
        self,
        database: Database,
        *,
        table: str = "orders",
        schema: str | None = None,
        with_raw: bool = False,
        history: bool = False,
        run_key: str = "",
        lock_timeout_s: float = 300.0,
    ) -> None:
        self._names = TableNames.of(table)
        self._schema = schema or None
        self._with_raw = with_raw
        self._with_history = history
        self._run_key = run_key
        self._session = Session(database, target=self._names.orders, lock_timeout_s=lock_timeout_s)
        self.uri = ""
        self._orders: list[list[Any]] = []
        self._lines: list[list[Any]] = []
        self._rejects: list[list[Any]] = []
        self._buffered = 0
        self._staged = 0
        self._rejected = 0
        self._changed = 0

    def __repr__(self) -> str:
        """Show the table only."""
        return f"SqlSink(table={self._names.orders!r}, schema={self._schema!r})"

    def open(
        self, scope: Scope, *, incremental: bool, complete: bool = False, overlap: timedelta | None = None
    ) -> SyncState | None:
        """Connect, make the tables, wait for the lock, rehearse the transaction, and give the state."""
        del overlap  # the table itself tells what it has already
        # Orders that the filters leave out are missing for another reason.
        self._is_complete = complete and scope.filters == "{}"
        self._scope = scope
        try:
            self._session.connect()
            self._dialect = self._session.dialect
            with self._session.refused("The tables cannot be used"):
                schema = self._dialect.resolve_schema(self._schema)
                self.uri = self._dialect.place(schema, self._names.orders)
                self._make_tables(schema)
                self._session.lock(f"{schema}.{self._names.orders}\n{scope.source}\n{scope.account}")
                state = self._ledger.open(self._run_key)
                if not (incremental or complete):
                    self.known_shape = self._ledger.shape_before(self._run_key)
                elif state is not None:
                    self.known_shape = state.shape
                if self._run_key:
                    self.journal = SqlJournal(self._session, self._tables.journal, scope, self._run_key)
                self._rehearse()
        except BaseException:
            self.close()
            raise
        return state

    def render(self, record: Record) -> StagedOrder:
        """Give the order's rows; whether the table has it already, the database knows."""
        order = record.order()
        values, lines = self._rows.order_row(order), self._rows.line_rows(order)
        return StagedOrder(values, lines, record.raw.decode() if self._with_raw else None)

    def write(self, items: Sequence[StagedOrder]) -> None:
        """Stage the orders of a page."""
        read_at = self._moment_value(datetime.now(UTC))
        for item in items:
            self._staged += 1
            seq = self._count_value(self._staged)
            row = [seq, *item.values, read_at]
            if self._with_history:
                row.append(None if item.values[_LINE_COUNT] is None else lines_document(item.lines))
            if item.raw is not None:
                row.append(item.raw)
                self._buffered += len(item.raw)
            self._orders.append(row)
            self._lines.extend([seq, *line] for line in item.lines)
        if len(self._orders) >= _BUFFERED_ROWS or self._buffered >= _BUFFERED_CHARACTERS:
            self._flush()

    def reject(self, raw: bytes, reason: str) -> None:
        """Stage a row that is not what the vendor documents."""
        self._rejected += 1
        payload = raw.decode(errors="replace")
        self._rejects.append([self._count_value(self._rejected), reason, payload])
        self._buffered += len(payload)
        if self._buffered >= _BUFFERED_CHARACTERS:
            self._flush()

    def doubt(self) -> None:
        """Mark no order as deleted that did not come."""
        if self._is_complete:
            log.warning("Orders kept moving between the pages: none is marked as deleted this time")
        self._is_complete = False

    def finish(self, state: SyncState | None) -> Written:
        """Do everything that the transaction does, but for the state, and keep it open."""
        del state
        self._flush()
        complete = self._is_complete and self._may_bury()
        with self._session.failing("Bringing the orders into the table"):
            self._dialect.settle(self._staging.orders, self._staging.lines)
            self._session.begin()
            self._ledger.check()
            merged = self._merge(complete=complete)
        self._changed = merged.written + merged.deleted
        return Written(
            rejects_file=self._tables.rejects.fullname if self._rejected else None,
            unchanged=self._staged - merged.written,
            deleted=merged.deleted,
        )

    def commit(
        self, manifest: Manifest, state: SyncState | None, *, shape: Mapping[str, Any] | None = None
    ) -> None:
        """Write manifest and state, and commit."""
        kept = None
        if state is None and shape is not None:
            kept = KeptShape(shape=shape, run_key=self._run_key, previous=self.known_shape)
        with self._session.failing("Committing", committing=True):
            self._ledger.write(manifest, state, kept)
            if isinstance(self.journal, SqlJournal):
                self.journal.forget()
            self._session.commit()
        if self._changed >= _MANY_ROWS:
            with self._session.optional():
                self._dialect.refresh(self._tables.orders, self._tables.lines)

    def close(self) -> None:
        """Drop what was not committed, and let go of the locks and of the connection."""
        self._session.close()

    def _make_tables(self, schema: str) -> None:
        dialect = self._dialect
        self._rows = RowMaker(dialect.converters)
        self._count_value = dialect.converters.get(Kind.COUNT, int)
        self._moment_value = dialect.converters[Kind.MOMENT]
        extras = {"with_raw": self._with_raw, "with_history": self._with_history}
        self._tables = Tables(
            self._names, schema=self._schema, types=dialect.types, options=dialect.table_options, **extras
        )
        self._staging = Staging(
            types=dialect.types, options=dialect.table_options, indexed=dialect.indexes_staging, **extras
        )
        self._ledger = Ledger(dialect, self._tables.state, self._scope)
        making = f"{schema}.{self._names.orders}"
        self._session.lock(making)
        make_tables(dialect, self._tables)
        self._session.unlock(making)
        for table in self._staging.all:
            table.create(dialect.connection)

    def _rehearse(self) -> None:
        """Run the whole transaction without orders, and drop it: what is not allowed is found before the first request."""
        self._session.begin()
        self._ledger.check()
        self._merge(complete=False)
        self._ledger.write({}, None)
        self._session.rollback()

    def _merge(self, *, complete: bool) -> Merged:
        merge = Merge(self._dialect, self._tables, self._staging, self._scope)
        run_key = self._run_key or uuid.uuid4().hex
        return merge.run(run_key=run_key, now=datetime.now(UTC), complete=complete)

    def _may_bury(self) -> bool:
        """Tell whether orders that were not seen may be taken for deleted."""
        if self._rejected:
            log.warning(
                "%d rows could not be read, and each may be any order: none is marked as deleted this time",
                self._rejected,
            )
        elif not self._staged:
            log.warning("The source gave no order at all: none is marked as deleted")
        return bool(self._staged) and not self._rejected

    def _flush(self) -> None:
        """Stage what is buffered."""
        with self._session.failing("Staging the orders"):
            for table, rows in (
                (self._staging.orders, self._orders),
                (self._staging.lines, self._lines),
                (self._staging.rejects, self._rejects),
            ):
                if rows:
                    self._dialect.load(table, rows)
                    rows.clear()
        self._buffered = 0
