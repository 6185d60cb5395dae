"""What an export will cost: how many requests, how long, and what it can miss. A few requests tell it."""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_provider_orders.errors import UnexpectedPayloadError
from airflow_provider_orders.export.plan import check_plan, make_plan, past_test
from airflow_provider_orders.export.record import RecordReader
from airflow_provider_orders.export.state import SyncState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_orders.apis.listing import Listing, Page, Row
    from airflow_provider_orders.apis.query import OrderQuery
    from airflow_provider_orders.apis.settings import ApiSettings
    from airflow_provider_orders.export.plan import SyncPlan
    from airflow_provider_orders.http.messages import Exchange, Request, Response
    from airflow_provider_orders.http.sync import SyncClient

__all__ = ["Estimate", "estimate_export"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What an export will cost.

    :param plan: how it reads.
    :param orders: how many orders the vendor lists for it; some may lie outside of the window, and are dropped.
    :param is_exact: whether that is the vendor's own count, and not what the pages looked at suggest.
    :param logins: requests to sign in.
    :param pages: requests for pages.
    :param further: requests for what the pages leave out, such as order lines.
    :param seconds: how long it takes.
    :param limited_by: what makes it take that long: ``api``, ``requests_per_minute`` or ``this machine``.
    :param request_s: how long one request takes.
    :param requests_made: requests that this estimate took.
    """

    plan: SyncPlan
    orders: int
    is_exact: bool
    logins: int
    pages: int
    further: int
    seconds: float
    limited_by: str
    request_s: float
    requests_made: int

    @property
    def requests(self) -> int:
        """How many requests there will be."""
        return self.logins + self.pages + self.further


def estimate_export(
    client: SyncClient,
    query: OrderQuery,
    *,
    mode: str | None = None,
    watermark: datetime | None = None,
    now: datetime | None = None,
) -> Estimate:
    """Estimate an export with a few requests, which it does not need to repeat: they change nothing.

    One request gives the vendor's count of a listing; a second one is timed. Where the listing is read from the newest
    order back, or where the vendor counts nothing, the last page needed is searched by halves.

    :param client: a client that has sent nothing yet.
    :param query: which orders.
    :param mode: see :func:`~airflow_provider_orders.export.run.export_orders`.
    :param watermark: of an incremental export: up to when the one before it brought every change; None for the first.
    :param now: when the export would begin, for tests.
    :raises ConfigurationError: an argument cannot be meant; nothing was sent.
    """
    mode = check_plan(client.api, query, mode=mode)
    state = None if watermark is None else _state_at(watermark)
    plan = make_plan(client.api, query, mode=mode, state=state, now=now or datetime.now(UTC))
    return _Estimator(client, plan).estimate()


def _state_at(watermark: datetime) -> SyncState:
    """Give the state after an export, as if no order had been entered with an older date: a target knows of those."""
    return SyncState(
        sequence=1,
        watermark=watermark,
        newest_id=sys.maxsize,
        swept_from=datetime.min.replace(tzinfo=UTC),
        lowest_id=sys.maxsize,
    )


@dataclass(frozen=True, slots=True)
class _Extent:
    """How far one listing will be read.

    :param pages: pages that it takes.
    :param rows: rows on them.
    :param is_parallel: whether pages are asked for ahead.
    :param is_exact: whether the rows are the vendor's own count.
    """

    pages: int
    rows: int
    is_parallel: bool
    is_exact: bool


class _Estimator:
    def __init__(self, client: SyncClient, plan: SyncPlan) -> None:
        api = client.api
        self._client = client
        self._plan = plan
        self._settings: ApiSettings = api.settings
        self._reader = RecordReader(
            api.order_model,
            account=api.settings.account,
            assumed_timezone=api.settings.assumed_timezone,
        )
        self._is_past = past_test(plan.horizon, self._reader)
        self._logins = 0
        self._request_s: list[float] = []
        self._sample: Sequence[Row] = ()

    def estimate(self) -> Estimate:
        api, asked = self._client.api, self._plan.asked
        listings = api.listings(asked) if self._is_past is None else api.newest_first(asked)
        started = time.monotonic()
        extents = [self._extent(listing) for listing in listings]
        first_s = time.monotonic() - started
        further_each = self._further_each()
        pages = sum(extent.pages for extent in extents)
        rows = sum(extent.rows for extent in extents)
        further = rows * further_each
        request_s = statistics.median(self._request_s or [first_s])
        bounds = {
            "api": request_s * (sum(map(self._rounds, extents)) + further / self._settings.concurrency),
            "this machine": rows * self._reading_s(),
            "requests_per_minute": self._budget_s(self._logins + pages + further),
        }
        limited_by = max(bounds, key=lambda name: bounds[name])
        return Estimate(
            plan=self._plan,
            orders=rows,
            is_exact=all(extent.is_exact for extent in extents),
            logins=self._logins,
            pages=pages,
            further=further,
            seconds=bounds[limited_by] + self._logins * request_s,
            limited_by=limited_by,
            request_s=request_s,
            requests_made=self._client.requests_sent,
        )

    def _extent(self, listing: Listing) -> _Extent:
        page = self._page(listing, 1)
        if not self._sample:
            self._sample = page.rows
            self._page(listing, min(2, page.last_number or 1), page.page_size)  # timed, without a login
        last = page.last_number
        if last is not None and self._is_past is None:
            return _Extent(last, page.total or 0, is_parallel=True, is_exact=True)
        needed = self._search(listing, page, last)
        if last is None:
            return _Extent(needed.number, _rows_to(needed), is_parallel=False, is_exact=False)
        # By then pages behind it are under way, as they are asked for ahead: at least one for each thread, as measured.
        threads = self._settings.concurrency
        ahead = threads + threads // 3 if needed.number > 1 else 0
        return _Extent(min(last, needed.number + ahead), _rows_to(needed), is_parallel=True, is_exact=False)

    def _search(self, listing: Listing, first: Page, last: int | None) -> Page:
        """Find the page with which the walk will end, by halves."""
        low, low_page = 1, first
        if self._ends(first):
            return first
        high = 2 if last is None else last
        high_page = self._page(listing, high, first.page_size)
        while last is None and not self._ends(high_page):
            low, low_page = high, high_page
            high *= 2
            high_page = self._page(listing, high, first.page_size)
        while high - low > 1:
            middle = (low + high) // 2
            page = self._page(listing, middle, first.page_size)
            if self._ends(page):
                high, high_page = middle, page
            else:
                low, low_page = middle, page
        return high_page if high > low else low_page

    def _ends(self, page: Page) -> bool:
        return not page.rows or not page.has_more or (self._is_past is not None and self._is_past(page.rows))

    def _page(self, listing: Listing, number: int, page_size: int | None = None) -> Page:
        request = listing.page_request(number, page_size)
        sent = self._client.requests_sent
        started = time.monotonic()
        response = self._client.run(_once(request))
        seconds = time.monotonic() - started
        if sent == 0:
            self._logins = self._client.requests_sent - response.attempts
        elif response.attempts == 1:
            self._request_s.append(seconds)
        return listing.read(response, number)

    def _further_each(self) -> int:
        """Tell how many requests each row needs in addition."""
        api = self._client.api
        if not (self._plan.asked.with_lines and api.completes_rows and self._sample):
            return 0
        sent = self._client.requests_sent
        self._client.run(api.complete(self._sample[0].raw))
        return self._client.requests_sent - sent

    def _rounds(self, extent: _Extent) -> float:
        """Give how many requests follow each other; the first page of a listing comes alone."""
        if not extent.is_parallel:
            return extent.pages
        return 1 + (extent.pages - 1) / self._settings.concurrency

    def _budget_s(self, requests: int) -> float:
        per_minute = self._settings.requests_per_minute
        if per_minute is None:
            return 0.0
        return max(0, requests - self._settings.concurrency) * 60 / per_minute

    def _reading_s(self) -> float:
        """Measure how long this machine takes to read one order."""
        if not self._sample:
            return 0.0
        self._read(self._sample[:1])  # the first one of all makes the validators
        started = time.monotonic()
        self._read(self._sample)
        return (time.monotonic() - started) / len(self._sample)

    def _read(self, rows: Sequence[Row]) -> None:
        for row in rows:
            with contextlib.suppress(UnexpectedPayloadError):  # an export will say so
                _ = self._reader.read(row.raw).times


def _rows_to(page: Page) -> int:
    """Count the rows up to the end of a page."""
    return (page.number - 1) * page.page_size + len(page.rows)


def _once(request: Request) -> Exchange[Response]:
    return (yield request)
