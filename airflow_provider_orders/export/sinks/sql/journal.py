"""The table of journals: the pages of interrupted exports, until a retry has taken them up."""

from __future__ import annotations

import base64
import errno
import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, delete, insert, or_, select
from sqlalchemy.exc import SQLAlchemyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Table

    from airflow_provider_orders.export.sinks.sql.dialect import Dialect
    from airflow_provider_orders.export.sinks.sql.session import Session
    from airflow_provider_orders.export.state import Scope

__all__ = ["SqlJournal"]

_FORGET_AFTER: Final = timedelta(days=1)
"""How long the pages of a task that never ran again are kept."""


class SqlJournal:
    """The journal of one task instance.

    :param session: the connection, which commits each statement by itself outside of a transaction.
    :param table: the table of journals.
    :param scope: which orders.
    :param run_key: the task instance.
    """

    def __init__(self, session: Session, table: Table, scope: Scope, run_key: str) -> None:
        self._session = session
        self._table = table
        self._owner = {"source": scope.source, "account": scope.account}
        self._run = hashlib.sha256(run_key.encode()).hexdigest()[:32]
        self._count = 0

    @property
    def _dialect(self) -> Dialect:
        return self._session.dialect

    def load(self) -> Iterator[bytes]:
        """Give the segments, one at a time: a listing may be longer than memory."""
        columns = self._table.c
        numbers = select(columns.number).where(*self._is_ours()).order_by(columns.number)
        for (number,) in self._dialect.connection.execute(numbers).fetchall():
            one = select(columns.segment).where(*self._is_ours(), columns.number == number)
            yield base64.b64decode(self._dialect.connection.execute(one).scalar_one())
            self._count = number

    def append(self, segment: bytes) -> None:
        """Keep a segment."""
        self._count += 1
        values = {
            **self._owner,
            "run": self._run,
            "number": self._count,
            "segment": base64.b64encode(segment).decode(),
            "kept_at": self._dialect.moment(datetime.now(UTC)),
        }
        try:
            self._dialect.connection.execute(insert(self._table).values(**values))
        except SQLAlchemyError:
            raise OSError(errno.EIO, "the database refused them") from None

    def clear(self) -> None:
        """Forget all segments."""
        with self._session.optional():
            self._dialect.connection.execute(delete(self._table).where(*self._is_ours()))
        self._count = 0

    def forget(self) -> None:
        """Forget them in the transaction that commits the orders, and what tasks left that never ran again."""
        columns = self._table.c
        oldest = self._dialect.moment(datetime.now(UTC) - _FORGET_AFTER)
        owned = [columns[name] == value for name, value in self._owner.items()]
        dead = or_(columns.run == self._run, columns.kept_at < oldest)
        self._dialect.connection.execute(delete(self._table).where(and_(*owned, dead)))

    def _is_ours(self) -> list[Any]:
        columns = self._table.c
        return [*(columns[name] == value for name, value in self._owner.items()), columns.run == self._run]
