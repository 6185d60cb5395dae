"""The pages of an interrupted export, kept in the target, so that a retry need not ask for them again.

A journal holds the rows as the vendor sent them and how far the listing was read. A retry takes it up only where it can
go on as if nothing had happened: the same export, and the last page of the journal still holds the same orders. Then
the rows pass through the export as they did the first time. Otherwise the export starts again.
"""

from __future__ import annotations

import json
import logging
import time
import zlib
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from airflow_provider_orders.apis.listing import Row
from airflow_provider_orders.export.record import one_line
from airflow_provider_orders.http.paging import RowPage, WalkPosition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from airflow_provider_orders.export.plan import SyncPlan
    from airflow_provider_orders.http.sync import SyncClient

__all__ = ["Journal", "JournalStore", "Replay", "digest_of"]

log = logging.getLogger(__name__)

_MOST_BYTES: Final = 1 << 20
_MOST_S: Final = 10.0
_OLDEST: Final = timedelta(hours=6)
"""Orders read longer ago have changed too often to be taken up."""
_FEWEST_PAGES: Final = 10
_SHORTEST_S: Final = 10.0
"""A listing of fewer pages, or that is read in less time, is read again as fast as it is taken up."""


class JournalStore(Protocol):
    """Where a sink keeps the journal of one task instance."""

    def load(self) -> Iterable[bytes]:
        """Give the segments, in the order in which they were appended."""

    def append(self, segment: bytes) -> None:
        """Keep a segment; when this returns it outlives the process.

        :raises OSError: there is no room.
        """

    def clear(self) -> None:
        """Forget all segments."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What an interrupted try has left.

    :param started_at: when that try began.
    :param position: how far it came in the listing.
    :param store: where its pages are.
    """

    started_at: datetime
    position: WalkPosition
    store: JournalStore = field(repr=False)

    @classmethod
    def find(cls, store: JournalStore, export: str) -> Self | None:
        """Look for the journal of an earlier try.

        :param export: names the export: what is asked for, and the state that it goes on from.
        """
        last: dict[str, Any] | None = None
        for segment in _whole(store.load()):
            head = _head(segment)
            if head["export"] != export:
                return None
            last = head
        if last is None:
            return None
        return cls(datetime.fromisoformat(last["started_at"]), WalkPosition(**last["position"]), store)

    def find_again(self, client: SyncClient, plan: SyncPlan, now: datetime) -> Self | None:
        """Find its place in the listing as it is now; if the export cannot go on behind it, forget it."""
        if now - self.started_at < _OLDEST:
            position = client.find_again(plan.asked, self.position, newest_first=plan.horizon is not None)
            if position is not None:
                return replace(self, position=position)
        log.info("An interrupted try cannot be taken up, as orders have moved since; the export starts again")
        self.store.clear()
        return None

    def pages(self) -> Iterator[RowPage]:
        """Give its pages again, one for each segment."""
        for segment in _whole(self.store.load()):
            _, *lines = segment.split(b"\n")
            rows = tuple(
                Row(identity.decode(), raw) for identity, _, raw in (line.partition(b"\t") for line in lines)
            )
            yield RowPage(rows, self.position.total)


class Journal:
    """Keeps the pages of one export while it reads them.

    :param store: where.
    :param export: names the export.
    :param started_at: when it began.
    :param goes_on: whether it follows what an interrupted try has left.
    """

    def __init__(
        self, store: JournalStore, export: str, started_at: datetime, *, goes_on: bool = False
    ) -> None:
        self._store = store
        self._export = export
        self._started_at = started_at
        self._lines: list[bytes] = []
        self._size = 0
        self._started = self._since = time.monotonic()
        self._position: WalkPosition | None = None
        self._is_off = False
        self._is_worth_it = goes_on

    def note(self, page: RowPage) -> None:
        """Note a page that was read; it is kept with others, a few seconds later."""
        position = page.position
        if self._is_off:
            return
        if position is None or position.pages < _FEWEST_PAGES:
            self.stop()
            return
        self._position = position
        self._lines += [row.id.encode() + b"\t" + one_line(row.raw) for row in page.rows]
        self._size += sum(len(row.raw) for row in page.rows)
        if self._size >= _MOST_BYTES or time.monotonic() - self._since >= _MOST_S or position.is_last:
            self._keep()

    def _keep(self) -> None:
        if self._position is None or (not self._is_worth_it and not self._will_last(self._position)):
            self.stop()
            return
        self._is_worth_it = True
        head = {
            "export": self._export,
            "started_at": self._started_at.isoformat(),
            "position": asdict(self._position),
        }
        body = b"\n".join([json.dumps(head).encode(), *self._lines])
        try:
            self._store.append(b"%08x" % zlib.crc32(body) + body)
        except OSError as error:
            log.warning(
                "The pages of this export cannot be kept for a retry (%s); it goes on without",
                error.strerror or type(error).__name__,
            )
            self.stop()
        self._lines, self._size, self._since = [], 0, time.monotonic()

    def _will_last(self, position: WalkPosition) -> bool:
        """Tell whether the rest of the listing takes long, at the pace of its first pages."""
        a_page_s = (time.monotonic() - self._started) / position.number
        return a_page_s * position.pages >= _SHORTEST_S

    def stop(self) -> None:
        """Keep nothing any more, and forget what was kept: a walk that begins again cannot be taken up in its middle."""
        self._is_off = True
        self._lines = []
        self._store.clear()


def _whole(segments: Iterable[bytes]) -> Iterator[bytes]:
    """Give the segments up to the first that was not written to its end."""
    for segment in segments:
        checksum, body = segment[:8], segment[8:]
        if checksum != b"%08x" % zlib.crc32(body):
            return
        yield body


def _head(segment: bytes) -> dict[str, Any]:
    head: dict[str, Any] = json.loads(segment.partition(b"\n")[0])
    return head


def digest_of(parts: Sequence[object]) -> str:
    """Name an export by what makes it what it is."""
    return f"{zlib.crc32(repr(parts).encode()):08x}"
