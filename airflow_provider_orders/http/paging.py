"""The walk over a listing: which page next, does what came back add up. No I/O.

Pages are asked for ahead as soon as the vendor has said how many there are; they are accepted in order.
Orders that are added or removed while the walk is under way shift the rows between pages: a row that
comes twice is dropped, and when rows may have slipped by, the listing is walked again for what is
missing. What still does not add up is an error, never a shorter result.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from airflow_provider_orders.errors import PaginationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from airflow_provider_orders.apis.listing import Listing, Page, Row
    from airflow_provider_orders.apis.settings import Origin
    from airflow_provider_orders.http.messages import Request

    PastTest = Callable[[Sequence[Row]], bool]

__all__ = ["Merge", "PageStep", "PageWalk", "RowPage", "SeenIds", "WalkPosition"]

log = logging.getLogger(__name__)

_MAX_PASSES = 3
_MAX_STALE_PAGES = 2
_FEW_IDS = 5000
"""Up to so many a set takes less time than a database, and less than a megabyte."""


class SeenIds:
    """The ids that were seen, exactly, in memory that does not grow: what is many, SQLite spills to a temporary file."""

    def __init__(self) -> None:
        self._few: set[str] = set()
        self._database: sqlite3.Connection | None = None
        self._count = 0

    def add(self, ids: Sequence[str]) -> set[str]:
        """Note ids and give those that are new."""
        new = set(ids).difference(self._few if self._database is None else _known(self._database, ids))
        self._count += len(new)
        if self._database is not None:
            _note(self._database, new)
            return new
        self._few |= new
        if self._count > _FEW_IDS:
            self._database = _open_database()
            _note(self._database, self._few)
            self._few = set()
        return new

    def __len__(self) -> int:
        return self._count

    def close(self) -> None:
        """Forget them."""
        if self._database is not None:
            self._database.close()


def _open_database() -> sqlite3.Connection:
    # One walk uses it from one thread at a time, though not always from the thread that made it.
    database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    database.executescript(
        "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-2000;"
        "CREATE TABLE seen (id TEXT PRIMARY KEY) WITHOUT ROWID"
    )
    return database


def _known(database: sqlite3.Connection, ids: Sequence[str]) -> set[str]:
    # Not by RETURNING: each row that SQLite gives lets another thread run first, and hardly any is known.
    rows = database.execute(
        "SELECT value FROM json_each(?) WHERE EXISTS (SELECT 1 FROM seen WHERE id = value)",
        (json.dumps(ids),),
    )
    return {row[0] for row in rows}


def _note(database: sqlite3.Connection, ids: Iterable[str]) -> None:
    database.execute("INSERT OR IGNORE INTO seen SELECT value FROM json_each(?)", (json.dumps(list(ids)),))


@dataclass(frozen=True, slots=True)
class PageStep:
    """One page to ask for.

    :param pass_number: the pass over the listing that it belongs to.
    :param number: the page's number, from 1.
    :param request: the request for it.
    """

    pass_number: int
    number: int
    request: Request


@dataclass(frozen=True, kw_only=True, slots=True)
class WalkPosition:
    """How far a walk has come, so that another one can go on behind it.

    :param number: the last page that was accepted.
    :param total: how many rows the vendor counted then.
    :param first_total: how many it counted on the first page.
    :param page_size: the page size in force.
    :param rows: digest of that page's ids, by which it is known again.
    :param is_last: whether nothing comes after it.
    :param most: the most that it counted on any page so far.
    :param shrank: whether it counted fewer after that, so that rows may have slipped by.
    """

    number: int
    total: int
    first_total: int
    page_size: int
    rows: str
    is_last: bool
    most: int = 0
    shrank: bool = False

    @property
    def pages(self) -> int:
        """How many pages the listing has."""
        return max(1, -(-self.total // self.page_size))

    def found_on(self, page: Page) -> Self | None:
        """Give where the walk stands by a page, read again; None if it is no longer the one that was accepted.

        Orders may have come behind it. They count from now on: when some leave again, rows may slip by.
        """
        if page.total is None or page.total < self.total:
            return None
        if page.page_size != self.page_size or _digest(page) != self.rows:
            return None
        return replace(self, total=page.total, most=max(self.most, page.total))


def _digest(page: Page) -> str:
    ids = json.dumps([row.id for row in page.rows])
    return hashlib.sha256(ids.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class RowPage:
    """The rows of one page that were not seen before.

    :param rows: the rows.
    :param total: how many rows the vendor counts in the whole listing, None where it does not say.
    :param position: where the walk stands behind it, None where no other walk could go on from there.
    :param is_sure: False if the walk has ended and orders may have slipped by, so that one that was not seen need not
        be gone.
    """

    rows: tuple[Row, ...]
    total: int | None
    position: WalkPosition | None = None
    is_sure: bool = True


class Merge:
    """Joins the pages of several listings, in which an order may occur twice when it moves between them.

    :param listings: how many there are.
    """

    def __init__(self, listings: int) -> None:
        self._seen = SeenIds() if listings > 1 else None
        self._before: int | None = 0
        self._current: int | None = 0

    def next_listing(self) -> None:
        """Begin with the next listing."""
        self._before = _sum(self._before, self._current)
        self._current = 0

    def add(self, page: RowPage) -> RowPage:
        """Drop rows that an earlier listing had, and count over all listings so far."""
        if self._seen is None:
            return page
        self._current = page.total
        new = self._seen.add([row.id for row in page.rows])
        rows = tuple(row for row in page.rows if row.id in new)
        return RowPage(rows, _sum(self._before, page.total), is_sure=page.is_sure)

    def close(self) -> None:
        """Forget what was seen."""
        if self._seen is not None:
            self._seen.close()


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


class PageWalk:
    """One walk over one listing.

    :param listing: the listing.
    :param seen: the ids seen, to drop rows that come twice.
    :param origin: where links of the answers may point.
    :param vendor: the vendor, for errors.
    :param is_past: tells of a page's rows whether the rest of the listing is not wanted; the walk ends there.
    :param start: where an earlier walk stood, whose ids are in ``seen``; None to begin with the first page.
    """

    def __init__(
        self,
        listing: Listing,
        seen: SeenIds,
        *,
        origin: Origin,
        vendor: str,
        is_past: PastTest | None = None,
        start: WalkPosition | None = None,
    ) -> None:
        self._listing = listing
        self._seen = seen
        self._origin = origin
        self._vendor = vendor
        self._is_past = is_past
        self._is_sure = True
        self._pass = 1
        self._start_pass()
        if start is not None:
            self._go_on(start)

    def _start_pass(self) -> None:
        self._asked = 0
        self._known_last = 1
        self._page_size = self._listing.page_size
        self._total: int | None = None
        self._first_total: int | None = None
        self._previous: tuple[Row, ...] = ()
        self._previous_total: int | None = None
        self._most = 0
        self._most_when_asked: dict[int, int] = {}
        self._shrank = False
        self._stale_pages = 0
        self._done = False
        self._stopped = False

    def _go_on(self, start: WalkPosition) -> None:
        self._asked, self._page_size = start.number, start.page_size
        self._total, self._previous_total = start.total, start.total
        self._first_total = start.first_total
        self._most, self._shrank = max(start.most, start.total), start.shrank
        self._known_last = max(start.pages, start.number + 1)
        self._done = start.is_last

    def next_step(self) -> PageStep | None:
        """Give the next page to ask for, None while that is not known or nothing is left."""
        if self._done or self._asked >= self._known_last:
            return None
        self._asked += 1
        self._most_when_asked[self._asked] = self._most
        return PageStep(self._pass, self._asked, self._listing.page_request(self._asked, self._page_size))

    def wants(self, step: PageStep) -> bool:
        """Tell whether a page that was asked for ahead is still of use."""
        return not self._done and step.pass_number == self._pass

    def accept(self, page: Page) -> RowPage:
        """Check the next page in order and give its rows that were not seen before.

        :raises PaginationError: the page is not the one asked for, or repeats.
        :raises UnsafeRedirectError: its link to the next page leaves the origin.
        """
        if page.next_link:
            self._origin.check(
                page.next_link, vendor=self._vendor, what=f"The link to the page after {page.number}"
            )
        if page.claimed_number is not None and page.claimed_number != page.number:
            raise self._error(f"Asked for page {page.number} and was given page {page.claimed_number}")
        new = self._seen.add([row.id for row in page.rows])
        self._check_progress(page, new)
        self._take_counts(page)
        if self._is_past is not None and page.rows and not self._done and self._is_past(page.rows):
            self._done = self._stopped = True
        if self._done:
            self._end_pass()
        position = self._position(page)
        fresh = []
        for row in page.rows:
            if row.id in new:
                new.discard(row.id)
                fresh.append(row)
        return RowPage(tuple(fresh), page.total, position, self._is_sure)

    def _position(self, page: Page) -> WalkPosition | None:
        """Give where the walk stands; nowhere once it has begun again, or where the vendor counts nothing."""
        if self._pass > 1 or page.total is None or self._first_total is None:
            return None
        return WalkPosition(
            number=page.number,
            total=page.total,
            first_total=self._first_total,
            page_size=page.page_size,
            rows=_digest(page),
            is_last=self._done,
            most=self._most,
            shrank=self._shrank,
        )

    def _check_progress(self, page: Page, new: set[str]) -> None:
        grown = 0
        if page.total is not None and self._previous_total is not None:
            grown = page.total - self._previous_total
        repeats = bool(page.rows) and [row.id for row in page.rows] == [row.id for row in self._previous]
        if repeats and grown < len(page.rows):
            raise self._error(f"Page {page.number} repeats page {page.number - 1}")
        self._stale_pages = self._stale_pages + 1 if page.rows and not new and grown <= 0 else 0
        if self._pass == 1 and self._stale_pages >= _MAX_STALE_PAGES:
            raise self._error(f"Page {page.number} and the one before it hold only orders of earlier pages")
        self._previous, self._previous_total = page.rows, page.total

    def _take_counts(self, page: Page) -> None:
        self._total = page.total
        if page.total is not None:
            # Fewer than on a page that was there before this one was asked for: some have left, even if others came.
            self._shrank |= page.total < self._most_when_asked.pop(page.number, 0)
            self._most = max(self._most, page.total)
        if page.number == 1:
            self._first_total = page.total
            self._page_size = page.page_size
        elif page.page_size != self._page_size and page.total is not None:
            raise self._error(f"Page {page.number} has another page size than page 1")
        if page.last_number is not None:
            self._known_last = page.last_number
        elif page.has_more:
            self._known_last = page.number + 1
        # Pages beyond the end may be under way when the listing shrinks; they come back empty and do no harm.
        self._done = not page.rows or (page.number >= self._known_last and not page.has_more)
        if not self._done and page.number >= self._known_last:
            self._known_last = page.number + 1

    def _end_pass(self) -> None:
        if self._total is None or self._first_total is None:
            self._is_sure = False
            return
        # Orders that arrived during this pass may lie before its first page; they were not there when it began.
        arrived = max(0, self._total - self._first_total)
        missing = not self._stopped and self._total - len(self._seen) > arrived
        if not missing and not self._shrank and self._total >= self._first_total:
            return
        if self._pass < _MAX_PASSES:
            log.info(
                "Orders moved between pages while they were read; reading the listing again for those missed"
            )
            self._pass += 1
            self._start_pass()
        elif missing:
            raise self._error(f"The vendor counts {self._total} orders, but its pages hold {len(self._seen)}")
        else:
            self._is_sure = False

    def _error(self, what: str) -> PaginationError:
        return PaginationError(
            f"{what}; stopped, because going on could lose orders. Try again; if it happens again, report it to the vendor.",
            vendor=self._vendor,
            method="GET",
            path=self._listing.request.path,
        )
