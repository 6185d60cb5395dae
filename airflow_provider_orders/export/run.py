"""One export: a plan, pages from a client, validated and counted, into a sink; the manifest and the state at the end."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from airflow_provider_orders.errors import ConfigurationError, PaginationError, UnexpectedPayloadError
from airflow_provider_orders.export.drift import ON_DRIFT, ShapeWatch, refuse, report
from airflow_provider_orders.export.journal import Journal, Replay, digest_of
from airflow_provider_orders.export.manifest import Manifest, Tally
from airflow_provider_orders.export.plan import (
    LOOKBACK,
    SWEEP_DAYS,
    SyncPlan,
    check_plan,
    make_plan,
    overlap_of,
    past_test,
    read_lookback,
)
from airflow_provider_orders.export.reach import Reach
from airflow_provider_orders.export.record import RecordReader
from airflow_provider_orders.export.state import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_orders.apis.listing import Row
    from airflow_provider_orders.apis.query import OrderQuery
    from airflow_provider_orders.export.sinks.base import Sink
    from airflow_provider_orders.http.paging import RowPage
    from airflow_provider_orders.http.sync import SyncClient

__all__ = ["ON_REJECT", "check_choice", "export_orders"]

log = logging.getLogger(__name__)

ON_REJECT: Final = ("fail", "keep")

_PROGRESS_EVERY_S = 5.0
_DAY_S: Final = 86_400.0

_Item = TypeVar("_Item")


def check_choice(argument: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is not among the choices.

    :raises ConfigurationError: naming the argument and the choices.
    """
    if value not in choices:
        raise ConfigurationError(
            f"{argument} must be one of {', '.join(choices)}, not {value!r}.", field=argument
        )


def export_orders(
    client: SyncClient,
    query: OrderQuery,
    sink: Sink[Any],
    *,
    mode: str | None = None,
    on_reject: str = "fail",
    on_drift: str = "log",
    limit: int | None = None,
    lookback: timedelta = LOOKBACK,
    sweep_days: int = SWEEP_DAYS,
    run_key: str = "",
    now: datetime | None = None,
) -> Manifest:
    """Read the orders of a selection into a sink.

    Every order is validated against the vendor's model, whatever the output. Memory holds a few pages.

    :param client: the client.
    :param query: which orders.
    :param sink: where to; it is committed at the end, and left as it was if anything fails.
    :param mode: ``incremental``: from the watermark of the last one; ``window``: what was changed or created in the
        query's window; ``full``: everything. By default ``window`` where the query has one, else ``full``.
    :param on_reject: ``fail``: a row that is not what the vendor documents stops the export before it commits;
        ``keep``: it goes to the rejects, with the reason.
    :param on_drift: ``log``: payloads of another shape than last time are noted; ``fail``: they stop the export before
        it commits.
    :param limit: orders to write at the most, None for all; not with ``incremental``.
    :param lookback: how far before the watermark to begin again, where the vendor filters to the second.
    :param sweep_days: for how many days an order is looked at again, where the vendor cannot filter by update.
    :param run_key: names the task instance; the same for each try of it.
    :param now: when the export begins, for tests.
    :raises ConfigurationError: an argument cannot be meant, or the target cannot be used; nothing was sent.
    :raises UnexpectedPayloadError: an order is not what the vendor documents, or the payloads' shape has changed.
    :raises PaginationError: the pages do not add up.
    """
    api = client.api
    lookback = read_lookback(lookback)
    check_choice("on_reject", on_reject, ON_REJECT)
    check_choice("on_drift", on_drift, ON_DRIFT)
    mode = check_plan(api, query, mode=mode, limit=limit, lookback=lookback, sweep_days=sweep_days)
    is_complete = mode == "full" and limit is None
    scope = Scope.of(api, query)
    state = sink.open(
        scope,
        incremental=mode == "incremental",
        complete=is_complete,
        overlap=overlap_of(api.capabilities_for(query), lookback),
    )
    now, began = now or datetime.now(UTC), time.monotonic()
    name = digest_of((scope, query, mode, state.sequence if state else 0, lookback, sweep_days))
    left = Replay.find(sink.journal, name) if sink.journal is not None else None

    def plan_from(started_at: datetime) -> SyncPlan:
        return make_plan(
            api,
            query,
            mode=mode,
            state=state,
            now=started_at,
            lookback=lookback,
            sweep_days=sweep_days,
            limit=limit,
        )

    plan = plan_from(left.started_at if left else now)
    if left is not None and (left := left.find_again(client, plan, now)) is None:
        plan = plan_from(now)
    log.info("%s", plan.words)
    moves_state = plan.is_incremental or (is_complete and sink.replaces_orders)
    export = _Export(
        client,
        plan,
        sink,
        known_shape=sink.known_shape,
        on_reject=on_reject,
        moves_state=moves_state,
    )
    journal = None
    if sink.journal is not None and limit is None:
        journal = Journal(sink.journal, name, plan.started_at, goes_on=left is not None)
    try:
        export.read(limit, journal, left)
    except (UnexpectedPayloadError, PaginationError):
        if journal is not None:  # the vendor may have mended it by the next try
            journal.stop()
        raise
    drifts = export.shape.drift()
    report(drifts, api.vendor)
    if on_drift == "fail":
        refuse(drifts, api.vendor)
    shape = export.shape.shape()
    next_state = None
    if moves_state:
        next_state = replace(export.reach.next_state(state, run_key=run_key), shape=shape)
    written = sink.finish(next_state)
    manifest = export.tally.manifest(
        account=api.settings.account,
        orders_conn_id=api.settings.conn_id,
        plan=plan,
        limit=limit,
        scope=scope.key,
        uri=sink.uri,
        written=written,
        state=next_state,
        drift=[drift.as_dict() for drift in drifts],
        fingerprint=export.shape.fingerprint(),
        requests=client.requests_sent,
        began_at=now,
        took=timedelta(seconds=time.monotonic() - began),
    )
    sink.commit(manifest, next_state, shape=shape)
    return manifest


class _Export:
    """The reading part of one export.

    :param client: the client.
    :param plan: how to read.
    :param sink: where to.
    :param known_shape: the shape of the payloads of the last committed export.
    :param on_reject: see :func:`export_orders`.
    :param moves_state: whether the watermark will move, so that the reach is to be noted.
    """

    def __init__(
        self,
        client: SyncClient,
        plan: SyncPlan,
        sink: Sink[_Item],
        *,
        known_shape: Any,
        on_reject: str,
        moves_state: bool,
    ) -> None:
        api = client.api
        self._client = client
        self._plan = plan
        self._sink: Sink[Any] = sink
        self._on_reject = on_reject
        self._moves_state = moves_state
        self._reader = RecordReader(
            api.order_model,
            account=api.settings.account,
            assumed_timezone=api.settings.assumed_timezone,
            for_mapping=sink.maps_orders,
        )
        self._has_window = bool(
            plan.kept.asked & {"updated_from", "updated_to", "created_from", "created_to"}
        )
        self.tally = Tally(api.vendor)
        self.shape = ShapeWatch(api.order_model, known=known_shape)
        self.reach = Reach(plan)

    def read(self, limit: int | None, journal: Journal | None, left: Replay | None) -> None:
        """Read all pages into the sink, behind those that an interrupted try has left."""
        plan, tally = self._plan, self.tally
        progress = _Progress(self._client.api.title, knows_end=plan.horizon is None)
        pages = self._client.iter_pages(
            plan.asked,
            is_past=past_test(plan.horizon, self._reader),
            start=left.position if left else None,
            seen=self._take_left(left, limit) if left else (),
            summarise=not self._reader.for_mapping,
        )
        with closing(pages):  # an error would keep it, and its threads, alive
            for page in pages:
                tally.source_total = page.total
                tally.pages += 1
                self._take(page, limit)
                if not page.is_sure:
                    self._sink.doubt()
                if journal is not None:
                    journal.note(page)
                progress.report(tally)
                if limit is not None and tally.rows >= limit:
                    log.info("Stopped at the limit of %d orders", limit)
                    break

    def _take_left(self, left: Replay, limit: int | None) -> Iterator[Sequence[str]]:
        """Take the pages that an interrupted try has left, and give the ids of each."""
        for page in left.pages():
            self._take(page, limit)
            yield [row.id for row in page.rows]
        self.tally.source_total, self.tally.pages = left.position.total, left.position.number
        log.info(
            "Goes on behind page %d, where an interrupted try has left off at %s orders",
            left.position.number,
            f"{self.tally.read:,}",
        )

    def _take(self, page: RowPage, limit: int | None) -> None:
        tally = self.tally
        items = []
        for row in page.rows:
            if limit is not None and tally.rows >= limit:
                break
            tally.read += 1
            try:
                item = self._item(row)
            except UnexpectedPayloadError as error:
                if self._on_reject == "fail":
                    raise
                tally.rejected += 1
                self._sink.reject(row.raw, error.message)
            else:
                if item is not None:
                    items.append(item)
        self._sink.write(items)

    def _item(self, row: Row) -> Any:
        """Validate and count a row; None for one outside of the window, or that the target has already."""
        record = self._reader.read(row.raw, row.summary)
        horizon = self._plan.horizon
        if horizon is not None and horizon.is_past(record.identity, record.entered):
            return None
        if self._has_window and not self._plan.kept.in_window(*record.times):
            return None
        self.shape.see(row.raw)
        item = self._sink.render(record)
        if self._moves_state:
            self.reach.note(record)
        if item is None:
            self.tally.unchanged += 1
        else:
            summary = record.summary
            self.tally.add(summary.statuses, summary.currency, summary.total)
        return item


class _Progress:
    """Logs one line every few seconds, however many pages there are."""

    def __init__(self, title: str, *, knows_end: bool) -> None:
        self._title = title
        self._knows_end = knows_end
        self._started: tuple[float, int] | None = None
        self._last = 0.0

    def report(self, tally: Tally) -> None:
        now = time.monotonic()
        if self._started is None:
            # With the first page: the orders of an interrupted try have come with it, and at another speed.
            self._started, self._last = (now, tally.read), now
        if now - self._last < _PROGRESS_EVERY_S:
            return
        self._last = now
        began, read_before = self._started
        speed = (tally.read - read_before) / (now - began)
        of = end = ""
        if tally.source_total is not None and self._knows_end:
            of = f" of {tally.source_total:,}"
            left = max(0, tally.source_total - tally.read)
            if left < speed * _DAY_S:  # the time alone would not do for a later end
                end = f", done at about {datetime.now(UTC) + timedelta(seconds=left / speed):%H:%M:%S} UTC"
        log.info(
            "%s: %s pages, %s%s orders, %s a second%s",
            self._title,
            f"{tally.pages:,}",
            f"{tally.read:,}",
            of,
            f"{speed:,.0f}",
            end,
        )
