"""The table of states: how far the exports of each scope have come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from airflow_provider_orders.errors import OrdersError
from airflow_provider_orders.export.state import KeptShape, SyncState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Table

    from airflow_provider_orders.export.sinks.sql.dialect import Dialect
    from airflow_provider_orders.export.state import Scope

__all__ = ["Ledger"]


@dataclass(frozen=True, slots=True)
class _Entry:
    """The row of a scope.

    :param exists: whether there is one.
    :param commits: how many exports it has seen; it tells that another one came between.
    :param run_key: the task instance that committed the state.
    :param state: the state.
    :param previous: the state that this task instance started from.
    :param shape: the shape of the payloads that exports without a state keep.
    """

    exists: bool = False
    commits: int = 0
    run_key: str = ""
    state: Mapping[str, Any] | None = None
    previous: Mapping[str, Any] | None = None
    shape: Mapping[str, Any] | None = None

    def before(self, run_key: str) -> Mapping[str, Any] | None:
        """Give the state that a task instance starts from: not its own."""
        return self.previous if run_key and self.run_key == run_key else self.state


class Ledger:
    """The state of one scope, read at the start and written in the transaction of the orders.

    :param dialect: the connection.
    :param table: the table of states.
    :param scope: which orders.
    """

    def __init__(self, dialect: Dialect, table: Table, scope: Scope) -> None:
        self._dialect = dialect
        self._table = table
        self._scope = scope
        self._entry = _Entry()

    def open(self, run_key: str) -> SyncState | None:
        """Give the state that a task instance starts from."""
        self._entry = self._read(lock=False)
        before = self._entry.before(run_key)
        return None if before is None else SyncState.from_dict(before)

    def shape_before(self, run_key: str) -> Mapping[str, Any] | None:
        """Give the shape of the payloads that an export without a state starts from."""
        entry = self._entry
        if entry.shape is not None:
            return KeptShape.from_dict(entry.shape).before(run_key)
        return None if entry.state is None else SyncState.from_dict(entry.state).shape

    def check(self) -> None:
        """Make sure that no other export has committed meanwhile, and that none can until this one has.

        :raises OrdersError: one has.
        """
        if self._read(lock=True).commits != self._entry.commits:
            raise OrdersError(
                "Another export of these orders has committed to the same table meanwhile; this one changed nothing. "
                "Run the task again."
            )

    def write(
        self, manifest: Mapping[str, Any], state: SyncState | None, shape: KeptShape | None = None
    ) -> None:
        """Write manifest and state; without a state, or a shape, the old one stays."""
        table, entry = self._table, self._entry
        values: dict[str, Any] = {
            "commits": entry.commits + 1,
            "manifest": manifest,
            "committed_at": self._dialect.moment(datetime.now(UTC)),
        }
        if shape is not None:
            values["shape"] = shape.as_dict()
        if state is not None:
            values |= {
                "sequence": state.sequence,
                "watermark": None if state.watermark is None else self._dialect.moment(state.watermark),
                "run_key": state.run_key,
                "state": state.as_dict(),
                "previous_state": entry.before(state.run_key),
            }
        connection = self._dialect.connection
        if entry.exists:
            connection.execute(update(table).where(*self._is_ours()).values(**values))
        else:
            scope = self._scope
            owner = {"source": scope.source, "account": scope.account, "scope": scope.key}
            connection.execute(insert(table).values(**owner, **values))

    def _read(self, *, lock: bool) -> _Entry:
        columns = self._table.c
        query = select(columns.commits, columns.run_key, columns.state, columns.previous_state, columns.shape)
        query = query.where(*self._is_ours())
        row = self._dialect.connection.execute(query.with_for_update() if lock else query).fetchone()
        return _Entry() if row is None else _Entry(True, row[0], row[1] or "", *row[2:])

    def _is_ours(self) -> list[Any]:
        columns, scope = self._table.c, self._scope
        return [columns.source == scope.source, columns.account == scope.account, columns.scope == scope.key]
