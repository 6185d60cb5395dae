"""The examination of a connection: reach it, sign in, read a few pages, and say what was found."""

from __future__ import annotations

import statistics
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.diagnosis.answers import examine_clock, examine_rate_limit
from airflow_provider_orders.diagnosis.network import examine_network
from airflow_provider_orders.diagnosis.steps import Outcome, Step
from airflow_provider_orders.errors import (
    AuthenticationError,
    OrderNotFoundError,
    OrdersError,
    PaginationError,
    PermissionDeniedError,
    UnexpectedPayloadError,
)
from airflow_provider_orders.export.record import RecordReader
from airflow_provider_orders.http.paging import PageWalk, SeenIds
from airflow_provider_orders.http.policy import RetryPolicy
from airflow_provider_orders.http.sync import SyncClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.apis.listing import Listing, Page, Row
    from airflow_provider_orders.export.record import Record
    from airflow_provider_orders.http.messages import Exchange, Request, Response

__all__ = ["IMPATIENT", "STEPS", "examine"]

IMPATIENT: Final = RetryPolicy(attempts=2, max_retry_after_s=2.0)
"""A person waits for the answer, so that an outage is reported soon."""

STEPS: Final = (
    "dns",
    "tls",
    "answer",
    "login",
    "permission",
    "clock",
    "rate limit",
    "page size",
    "pages",
    "orders",
    "time zone",
    "one order",
    "speed",
)
"""Names of the steps, in their order."""

_PAGES: Final = 2
_SLOW_S: Final = 1.0


def examine(
    api: OrderApi[Any], *, policy: RetryPolicy = IMPATIENT, mask: Callable[[str], None] | None = None
) -> Iterator[Step]:
    """Examine a connection with a handful of requests; none of them changes anything.

    After a step that keeps the others from being taken, those are given as skipped.

    :param api: the vendor, for one connection.
    :param policy: what is repeated, and how patiently.
    :param mask: called with each credential before its first use, to have it masked in logs.
    """
    given = 0
    with SyncClient(api, policy=policy, mask=mask) as client:
        for step in _Examination(api, client).steps():
            given += 1
            yield step
    for name in STEPS[given:]:
        yield Step(name, Outcome.SKIPPED, "Not examined, because of the failure above.")


@dataclass(frozen=True, slots=True)
class _Look:
    """One answer, and when it was asked for and came."""

    response: Response
    sent_at: datetime
    received_at: datetime

    @property
    def seconds(self) -> float:
        return (self.received_at - self.sent_at).total_seconds()


class _Examination:
    def __init__(self, api: OrderApi[Any], client: SyncClient) -> None:
        self._api = api
        self._client = client
        self._rows: list[Row] = []
        self._seconds: list[float] = []

    def steps(self) -> Iterator[Step]:
        api = self._api
        for step in examine_network(api.settings):
            yield step
            if step.outcome is Outcome.FAILED:
                return
        listing = api.listings(OrderQuery())[0]
        try:
            first = self._look(listing.page_request(1))
            page = listing.read(first.response, 1)
        except OrdersError as error:
            yield from self._refusal(error)
            return
        yield Step("answer", Outcome.OK, f"{api.title} answers.", first.seconds)
        yield Step("login", Outcome.OK, f"{api.title} accepts {api.settings.credentials}.")
        seen = "orders are visible" if page.total is None else f"{page.total:,} orders are visible"
        yield Step("permission", Outcome.OK, f"May list orders: {seen}.", None, {"orders": page.total})
        yield examine_clock(
            first.response.headers, title=api.title, sent_at=first.sent_at, received_at=first.received_at
        )
        yield examine_rate_limit(first.response.headers, api.settings)
        yield self._page_size(page)
        yield self._pages(listing, page)
        records, step = self._orders()
        yield step
        yield self._time_zone(records)
        yield self._one_order(records)
        yield self._speed(page)

    def _look(self, request: Request) -> _Look:
        def once() -> Exchange[Response]:
            return (yield request)

        started, sent_at = time.monotonic(), datetime.now(UTC)
        response = self._client.run(once())
        self._seconds.append(time.monotonic() - started)
        return _Look(response, sent_at, datetime.now(UTC))

    def _refusal(self, error: OrdersError) -> Iterator[Step]:
        """Say of a first request that failed how far it came."""
        answered = Step("answer", Outcome.OK, f"{self._api.title} answers.")
        if isinstance(error, AuthenticationError):
            yield answered
            yield Step.failure("login", error)
        elif isinstance(error, PermissionDeniedError):
            yield answered
            yield Step("login", Outcome.OK, f"{self._api.title} accepts {self._api.settings.credentials}.")
            yield Step.failure("permission", error)
        else:
            yield Step.failure("answer", error)

    def _page_size(self, page: Page) -> Step:
        asked = self._api.settings.page_size
        details = {"asked": asked, "in_force": page.page_size}
        if page.page_size < asked:
            return Step(
                "page size",
                Outcome.WARNING,
                f"{self._api.title} gives {page.page_size} orders a page where {asked} were asked for; exports obey it. "
                f"Set page_size of the connection to {page.page_size}.",
                None,
                details,
            )
        return Step("page size", Outcome.OK, f"{page.page_size} orders a page, as asked for.", None, details)

    def _pages(self, listing: Listing, first: Page) -> Step:
        """Walk over the first pages, and see that the last one is there."""
        started = time.monotonic()
        try:
            self._walk(listing, first)
            last = self._last_page(listing, first)
        except OrdersError as error:
            return Step.failure("pages", error, seconds=time.monotonic() - started)
        words = (
            "Pages follow each other" if last is None else f"Pages follow each other up to the last, {last:,}"
        )
        return Step("pages", Outcome.OK, f"{words}.", time.monotonic() - started, {"last": last})

    def _walk(self, listing: Listing, first: Page) -> None:
        settings = self._api.settings
        page: Page | None = first
        with closing(SeenIds()) as seen:
            walk = PageWalk(listing, seen, origin=settings.origin, vendor=settings.vendor)
            while (step := walk.next_step()) is not None and step.number <= _PAGES:
                page = page or listing.read(self._look(step.request).response, step.number)
                self._rows += walk.accept(page).rows
                page = None

    def _last_page(self, listing: Listing, first: Page) -> int | None:
        """Read the last page, where the vendor says which it is, and hold it against the vendor's count."""
        number = first.last_number
        if number is None or number <= _PAGES:
            return number
        request = listing.page_request(number, first.page_size)
        page = listing.read(self._look(request).response, number)
        if page.total is None or page.last_number != number:
            return page.last_number  # orders have come or gone meanwhile
        expected = page.total - (number - 1) * page.page_size
        if len(page.rows) != expected:
            raise PaginationError(
                f"{self._api.title} counts {page.total:,} orders, but its last page holds {len(page.rows)} where "
                f"{expected} would be left; an export would stop, because orders could be missing. Report it to the vendor.",
                vendor=self._api.vendor,
                method="GET",
                path=request.path,
            )
        return number

    def _orders(self) -> tuple[list[Record], Step]:
        """Validate the orders seen."""
        settings = self._api.settings
        reader = RecordReader(
            self._api.order_model,
            account=settings.account,
            assumed_timezone=settings.assumed_timezone,
            for_mapping=True,
        )
        records: list[Record] = []
        rejected: list[UnexpectedPayloadError] = []
        for row in self._rows:
            try:
                record = reader.read(row.raw)
                record.order()
            except UnexpectedPayloadError as error:
                rejected.append(error)
            else:
                records.append(record)
        details = {"read": len(self._rows), "rejected": len(rejected)}
        if rejected:
            summary = UnexpectedPayloadError(
                f"{len(rejected)} of {len(self._rows)} orders are not what {self._api.title} documents; the first: "
                f"{rejected[0].message} Exports stop there, unless on_reject is keep.",
                vendor=self._api.vendor,
            )
            return records, Step("orders", Outcome.FAILED, str(summary), None, details, summary)
        unknown = sorted(
            {
                f"{word.raw[:40]!r} ({axis})"
                for record in records
                for axis, word in record.summary.statuses.items()
                if word.raw is not None and word.canonical.value == "unknown"
            }
        )
        if unknown:
            return records, Step(
                "orders",
                Outcome.WARNING,
                f"Statuses that {self._api.title} does not document, and that count as unknown: {', '.join(unknown[:5])}.",
                None,
                details,
            )
        words = (
            f"All {len(records)} orders read are as documented." if records else "There are no orders yet."
        )
        return records, Step("orders", Outcome.OK, words, None, details)

    def _time_zone(self, records: list[Record]) -> Step:
        settings = self._api.settings
        assumed = sorted({zone for record in records if (zone := record.order().timezone_assumed)})
        if not records:
            return Step("time zone", Outcome.SKIPPED, "There is no order to look at.")
        details = {"assumed": assumed[0] if assumed else None, "set": settings.assumed_timezone}
        if not assumed:
            return Step("time zone", Outcome.OK, "The dates name their zone.", None, details)
        why = (
            "as the connection says"
            if settings.assumed_timezone
            else "by default: set assumed_timezone if it is another"
        )
        return Step(
            "time zone",
            Outcome.OK,
            f"Dates without a zone are taken for those of {assumed[0]}, {why}.",
            None,
            details,
        )

    def _one_order(self, records: list[Record]) -> Step:
        if not records:
            return Step("one order", Outcome.SKIPPED, "There is no order to look at.")
        wanted = records[0].identity
        started = time.monotonic()
        try:
            self._api.order_model.parse(self._client.fetch_order(wanted))
        except OrderNotFoundError:
            return Step(
                "one order",
                Outcome.WARNING,
                f"Order {wanted} is in the listing, but cannot be read by its id; waiting for single orders may not work.",
                time.monotonic() - started,
            )
        except OrdersError as error:
            return Step.failure("one order", error, seconds=time.monotonic() - started)
        return Step(
            "one order", Outcome.OK, f"Order {wanted} can be read by its id.", time.monotonic() - started
        )

    def _speed(self, page: Page) -> Step:
        settings = self._api.settings
        # Without the first one, which has to connect and to sign in.
        seconds = statistics.median(self._seconds[1:] or self._seconds)
        is_slow = seconds >= _SLOW_S
        advice = "; that is slow, so narrow your windows" if is_slow else ""
        return Step(
            "speed",
            Outcome.WARNING if is_slow else Outcome.OK,
            f"{seconds:.2f} s for a page of {page.page_size}, {settings.concurrency} at a time{advice}.",
            seconds,
            {"page_s": round(seconds, 3), "requests": self._client.requests_sent},
        )
