"""Which version of which order a folder of files holds already, so that an overlap repeats nothing."""

from __future__ import annotations

import hashlib
import sqlite3
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from datetime import datetime, timedelta

    from airflow_provider_orders.export.record import Record
    from airflow_provider_orders.models.base import VendorOrder

__all__ = ["Versions", "payload_version"]

Recurring = tuple[str, str, int]
"""Id and version of an order, and whether the last export did not read it."""

_MOST_PENDING = 1000
"""Orders whose version is put off: most of them leave the overlap before anybody asks for it."""

_DECODE: Final = msgspec.json.Decoder(float_hook=Decimal).decode
_ENCODE: Final = msgspec.json.Encoder(order="deterministic", decimal_format="number").encode


class Versions:
    """The versions that an earlier export wrote and that may come again, and those of this export.

    Memory does not grow with them: SQLite spills to a temporary file.

    :param known: what :meth:`recurring` gave at the end of the earlier export.
    :param version_of: gives what tells the versions of an order apart.
    :param overlap: how long before the watermark the next export begins; None where every order may come again.
    """

    def __init__(
        self,
        known: Iterable[Recurring] = (),
        *,
        version_of: Callable[[Record], str],
        overlap: timedelta | None = None,
    ) -> None:
        self._version_of = version_of
        self._overlap = overlap
        self._newest: datetime | None = None
        self._pending: dict[str, Record] = {}
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-2000;"
            "CREATE TABLE known (id TEXT PRIMARY KEY, version TEXT, missed INTEGER) WITHOUT ROWID;"
            "CREATE TABLE read (id TEXT PRIMARY KEY, version TEXT) WITHOUT ROWID"
        )
        self._database.executemany("INSERT OR REPLACE INTO known VALUES (?, ?, ?)", known)
        self._knows_any = self._database.execute("SELECT 1 FROM known LIMIT 1").fetchone() is not None

    def is_known(self, record: Record) -> bool:
        """Tell whether the earlier export wrote this very version.

        :raises UnexpectedPayloadError: the order has no version, as it cannot be written.
        """
        if not self._knows_any:
            return False
        found = self._database.execute(
            "SELECT version FROM known WHERE id = ?", (record.identity,)
        ).fetchone()
        return found is not None and found[0] == self._version(record)

    def note(self, record: Record) -> None:
        """Note an order that was read and can be written, whether it was written or not."""
        self._pending[record.identity] = record
        if len(self._pending) >= _MOST_PENDING:
            self._settle()

    def recurring(self) -> Iterator[Recurring]:
        """Give all that may come again with the next export.

        One that was not read this time is remembered once more: it may have moved to a page that was read before, or this
        export's clock may be behind the last one's.
        """
        self._settle()
        yield from self._database.execute(
            "SELECT id, version, 0 FROM read UNION ALL "
            "SELECT id, version, 1 FROM known WHERE NOT missed AND id NOT IN (SELECT id FROM read) ORDER BY id"
        )

    def keep(self, versions: Iterable[tuple[str, str]]) -> None:
        """Note versions that may come again, and that this export did not read itself; the first one of an order counts."""
        self._database.executemany("INSERT OR IGNORE INTO read VALUES (?, ?)", versions)

    def keep_known(self) -> None:
        """Note those that the earlier export left, too, for orders that this one has not."""
        self._database.execute("INSERT OR IGNORE INTO read SELECT id, version FROM known")

    def _settle(self) -> None:
        """Forget what has left the overlap, and take the versions of the rest."""
        pending = self._pending.values()
        if self._overlap is not None:
            times = [updated for record in pending if (updated := record.times[1]) is not None]
            self._newest = max([*times, *filter(None, [self._newest])], default=None)
        self._database.executemany(
            "INSERT OR REPLACE INTO read VALUES (?, ?)",
            [(record.identity, self._version(record)) for record in pending if self._recurs(record)],
        )
        self._pending.clear()

    def _version(self, record: Record) -> str:
        if record.version is None:
            record.version = self._version_of(record)
        return record.version

    def _recurs(self, record: Record) -> bool:
        updated = record.times[1]
        if self._overlap is None or self._newest is None or updated is None:
            return True
        return updated >= self._newest - self._overlap

    def close(self) -> None:
        """Forget them."""
        self._database.close()


def payload_version(payload: bytes, model: type[VendorOrder]) -> str:
    """Tell the versions of a payload apart; neither the order of its fields nor white space makes another one.

    :param payload: the order's JSON.
    :param model: the vendor's, which says what changes without the order.
    """
    volatile = model.VOLATILE_FIELDS
    try:
        content = _DECODE(payload)
        normalised = _ENCODE(_without(content, volatile) if volatile else content)
    except (ValueError, OverflowError, RecursionError):
        # What validation does not read need not be JSON that can be read.
        normalised = payload
    return hashlib.sha256(normalised).hexdigest()


def _without(content: Any, names: Collection[str]) -> Any:
    if isinstance(content, dict):
        return {name: _without(value, names) for name, value in content.items() if name not in names}
    if isinstance(content, list):
        return [_without(value, names) for value in content]
    return content
