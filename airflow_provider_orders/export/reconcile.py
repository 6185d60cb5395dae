"""Compares what a vendor has with what was written: by counts alone, or order by order.

Orders that were placed or changed after the export are no difference: they are counted apart, as ``changed_since``. Memory
does not grow with the orders: what was written lies in a temporary file of SQLite while the vendor's pages pass.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_orders.errors import ConfigurationError, UnexpectedPayloadError
from airflow_provider_orders.export.findings import MOST_IDS, Difference, Findings, Reconciliation
from airflow_provider_orders.export.plan import check_plan, make_plan, mode_of, past_test
from airflow_provider_orders.export.record import RecordReader
from airflow_provider_orders.export.written import Coverage, Export, read_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.apis.listing import Listing
    from airflow_provider_orders.apis.query import OrderQuery
    from airflow_provider_orders.export.plan import SyncPlan
    from airflow_provider_orders.export.record import Record
    from airflow_provider_orders.export.windows import Window
    from airflow_provider_orders.export.written import Target, WrittenOrder
    from airflow_provider_orders.http.messages import Exchange
    from airflow_provider_orders.http.sync import SyncClient
    from airflow_provider_orders.models.order import Order

    Covers = Callable[[datetime | None, datetime | None], bool]

__all__ = [
    "DEPTHS",
    "MOST_IDS",
    "Counted",
    "Difference",
    "Reconciliation",
    "check_windows",
    "compare_orders",
    "compare_totals",
    "count_manifests",
    "count_target",
]

DEPTHS: Final = ("totals", "orders")

_BATCH: Final = 1000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_HOUR: Final = timedelta(hours=1) // _MICROSECOND


@dataclass(frozen=True, slots=True)
class Counted:
    """A window, and how many of its orders were written.

    :param rejected: rows that were kept apart, because they are not what the vendor documents.
    :param marked: of those written, the ones that the vendor marks as deleted, and may delete for good.
    """

    window: Window
    written: int
    rejected: int = 0
    marked: int = 0


def check_windows(api: OrderApi[Any], query: OrderQuery, windows: Sequence[Window], *, by: str) -> None:
    """Refuse what cannot be compared, before anything is sent.

    :raises ConfigurationError: the windows overlap, or the vendor's orders do not tell in which one they lie.
    """
    if by == "updated" and api.order_model.WINDOW_FIELDS[1] is None and windows != [(None, None)]:
        raise ConfigurationError(
            f"{api.title}'s orders do not say when they changed, so that windows of updates cannot be compared; give "
            "created_from and created_to.",
            field="updated_from",
        )
    for (_, end), (start, _) in pairwise(windows):
        if end is None or start is None or start < end:
            raise ConfigurationError("The windows overlap, or are not in order.", field="manifests")
    check_plan(api, _between(query, by, windows))


def count_manifests(
    manifests: Iterable[Mapping[str, Any]], orders_conn_id: str
) -> tuple[list[Counted], Covers]:
    """Read from manifests what was written, and tell of a change whether it should be in it.

    :raises ConfigurationError: they are of another connection, or of exports that cannot be counted again.
    """
    found = sorted(
        manifests,
        key=lambda manifest: read_moment(manifest["window"][0]) or datetime.min.replace(tzinfo=UTC),
    )
    for manifest in found:
        if manifest["orders_conn_id"] != orders_conn_id:
            raise ConfigurationError(
                f"A manifest is of {manifest['orders_conn_id']}, not of {orders_conn_id}.", field="manifests"
            )
        if manifest["mode"] == "incremental":
            raise ConfigurationError(
                "What an incremental export has read cannot be counted again; compare with the folder or the table.",
                field="manifests",
            )
    exports = [Export.of("", manifest) for manifest in found]

    counted = [
        Counted((export.start, export.end), manifest["rows"], manifest["rejected"])
        for export, manifest in zip(exports, found, strict=True)
    ]
    return counted, Coverage(exports)


def count_target(target: Target, windows: Sequence[Window], *, by: str, api: OrderApi[Any]) -> list[Counted]:
    """Count the orders of a target, each once, whatever versions of it there are."""
    with closing(_Ledger(by)) as ledger:
        ledger.load(target.orders())
        counted = []
        for number, window in enumerate(windows):
            there, marked = ledger.count(window, is_first=number == 0)
            if not api.capabilities.shows_deleted:
                marked = 0  # where the vendor lists them, they are part of its count
            counted.append(Counted(window, there + marked, marked=marked))
        return counted


def compare_totals(
    client: SyncClient, query: OrderQuery, counted: Sequence[Counted], *, by: str, uri: str, covers: Covers
) -> Reconciliation:
    """Compare the vendor's own count of each window with what was written.

    It costs one small request a window where the vendor filters exactly; where the counts differ, or the vendor filters
    roughly, the orders are read to count them.

    :param client: the client.
    :param query: the filters, without a window.
    :param counted: the windows in order, and what was written.
    :param by: what the windows are about.
    :param uri: what is compared with.
    :param covers: whether a change should be in what was written.
    """
    findings = Findings("totals", by, [each.window for each in counted], uri)
    comparison = _Comparison(client, findings)
    counts: list[int | None] = []
    if _is_exact(client.api, _between(query, by, findings.windows[:1])):
        for each in counted:
            own = _between(query, by, [each.window])
            total = _count(client, own)
            counts.append(each.written if total == each.written + each.rejected else None)
    unsure = [number for number in range(len(counted)) if not counts or counts[number] is None]
    read, marked = comparison.count(query, unsure, covers, at_once=not counts)
    for number, each in enumerate(counted):
        source, written = read.get(number, each.written), each.written
        if number in read:  # what it marks no longer, it has deleted for good: nothing is wrong with that
            written -= max(0, each.marked - marked[number])
        findings.source[number], findings.written[number] = source, written
        for kind, count in (("missing", source - written), ("extra", written - source)):
            if count > 0:
                findings.add(kind, number, count)
    gaps = ["changed orders, and missing ones where as many are extra; depth='orders' sees them"]
    if by == "updated":
        gaps.append("orders that changed since the export lie in a later window, and count as extra")
    return comparison.sum_up(gaps)


def compare_orders(
    client: SyncClient, query: OrderQuery, target: Target, windows: Sequence[Window], *, by: str
) -> Reconciliation:
    """Compare ids, amounts and content of the orders.

    :param client: the client.
    :param query: the filters, without a window.
    :param target: what was written.
    :param windows: the windows in order.
    :param by: what the windows are about.
    """
    comparison = _Comparison(client, Findings("orders", by, windows, target.uri))
    with closing(_Ledger(by)) as ledger:
        ledger.load(target.orders())
        # However old the orders above it are: a page of imported ones is not the end of what was written.
        lowest_id = ledger.lowest_id(windows)
        for records, unreadable in comparison.read(_between(query, by, windows), lowest_id=lowest_id):
            comparison.findings.unreadable += len(unreadable)
            held = ledger.look_up([record.identity for record in records])
            for record in records:
                comparison.compare(record, held.get(record.identity), target.covers)
            ledger.mark([record.identity for record in records] + unreadable)
        end = windows[-1][1]
        if by == "updated" and end is not None and ledger.has_unseen(windows):
            # Changed again after the windows: they are not gone, only no longer in them.
            later = replace(query, updated_from=end)
            for records, unreadable in comparison.read(later):
                ledger.mark([record.identity for record in records] + unreadable, later=True)
        comparison.take_rest(ledger)
    return comparison.sum_up(_gaps(client.api))


def _gaps(api: OrderApi[Any]) -> list[str]:
    if api.order_model.WINDOW_FIELDS[1] is None:
        return [
            f"{api.title} does not say when an order changed: one that changed after the export counts as changed"
        ]
    return []


def _between(query: OrderQuery, by: str, windows: Sequence[Window]) -> OrderQuery:
    return replace(query, **{f"{by}_from": windows[0][0], f"{by}_to": windows[-1][1]})  # type: ignore[arg-type]


def _plan(api: OrderApi[Any], query: OrderQuery) -> SyncPlan:
    return make_plan(api, query, mode=mode_of(None, query), state=None, now=datetime.now(UTC))


def _is_exact(api: OrderApi[Any], query: OrderQuery) -> bool:
    """Tell whether the vendor's count is that of the window, not of a wider one."""
    plan, able = _plan(api, query), api.capabilities_for(query)
    is_counted = able.totals and (able.counts_windows or plan.window == (None, None))
    return plan.asked == plan.kept and plan.horizon is None and is_counted


def _count(client: SyncClient, query: OrderQuery) -> int | None:
    totals = [client.run(_total(listing)) for listing in client.api.listings(query)]
    return None if None in totals else sum(filter(None, totals))


def _total(listing: Listing) -> Exchange[int | None]:
    response = yield listing.page_request(1, 1)
    return listing.read(response, 1).total


class _Comparison:
    """One comparison on its way.

    :param client: the client.
    :param findings: what it has found.
    """

    def __init__(self, client: SyncClient, findings: Findings) -> None:
        self._client = client
        self.findings = findings
        settings = client.api.settings
        self._reader = RecordReader(
            client.api.order_model, account=settings.account, assumed_timezone=settings.assumed_timezone
        )
        self._requests = client.requests_sent
        self._gaps: dict[str, None] = {}

    def read(
        self, query: OrderQuery, *, lowest_id: int | None = None
    ) -> Iterator[tuple[list[Record], list[str]]]:
        """Read orders, page by page, and the ids of rows that are not what the vendor documents.

        :param lowest_id: no page with this id or a higher one is taken for the end of a listing that begins with the newest.
        """
        plan = _plan(self._client.api, query)
        horizon = plan.horizon
        if horizon is not None:
            self._gaps.update(dict.fromkeys(plan.can_miss))
            horizon = replace(horizon, lowest_id=lowest_id)
        for page in self._client.iter_pages(plan.asked, is_past=past_test(horizon, self._reader)):
            records, unreadable = [], []
            for row in page.rows:
                try:
                    record = self._reader.read(row.raw)
                    record.order()
                except UnexpectedPayloadError:
                    unreadable.append(row.id)
                    continue
                if plan.kept.in_window(*record.times):
                    records.append(record)
            yield records, unreadable

    def count(
        self, query: OrderQuery, numbers: Sequence[int], covers: Covers, *, at_once: bool
    ) -> tuple[dict[int, int], dict[int, int]]:
        """Count the vendor's orders in windows by reading them: each window for itself, or all in one go.

        :return: the orders in each window, and of them the ones that the vendor marks as deleted.
        """
        windows = self.findings.windows
        counts, marked = dict.fromkeys(numbers, 0), dict.fromkeys(numbers, 0)
        spans = [windows] if at_once else [[windows[number]] for number in numbers]
        for span in spans:
            for records, unreadable in self.read(_between(query, self.findings.by, span)):
                self.findings.unreadable += len(unreadable)
                for record in records:
                    number = self.findings.number(self._moment(*record.times))
                    if number not in counts:
                        continue
                    if covers(*record.times):
                        counts[number] += 1
                        marked[number] += record.order().deleted
                    else:
                        self.findings.add("changed_since", number)
        return counts, marked

    def compare(self, record: Record, held: _Held | None, covers: Covers) -> None:
        """Compare an order with what was written of it."""
        number = self.findings.number(self._moment(*record.times))
        if number is None:
            return
        order = record.order()
        self.findings.source[number] += 1
        self.findings.add_amount("source", order.currency, order.total)
        if held is not None and held.equals(order):
            return
        kind = "missing" if held is None else "changed"
        self.findings.add(kind if covers(*record.times) else "changed_since", number, 1, record.identity)

    def take_rest(self, ledger: _Ledger) -> None:
        """Count what was written, and note what of it the vendor does not have."""
        for row in ledger.rows(self.findings.windows):
            number = self.findings.number(row.moment)
            if number is None:
                continue
            if not row.is_deleted or row.seen:
                self.findings.written[number] += 1
                self.findings.add_amount("written", row.currency, row.total)
            if row.seen == _LATER:
                self.findings.add("changed_since", number, 1, row.id)
            elif not row.seen and not row.is_deleted:
                self.findings.add("extra", number, 1, row.id)

    def _moment(self, created: datetime | None, updated: datetime | None) -> datetime | None:
        return created if self.findings.by == "created" else updated

    def sum_up(self, can_miss: list[str]) -> Reconciliation:
        """Give the report."""
        requests = self._client.requests_sent - self._requests
        return self.findings.sum_up(self._client.api, can_miss=[*can_miss, *self._gaps], requests=requests)


_UNSEEN, _SEEN, _LATER = 0, 1, 2


@dataclass(frozen=True, slots=True)
class _Held:
    """The newest version of an order in a target.

    :param moment: when it was created or changed, as the windows go.
    :param seen: whether the vendor has it in the windows, or later.
    """

    id: str
    version: str | None
    currency: str | None
    total: Decimal | None
    moment: datetime | None
    is_deleted: bool
    seen: int

    def equals(self, order: Order) -> bool:
        """Compare it with the vendor's; the amount for itself, because a file may have been edited."""
        return (
            (self.version is None or self.version == order.content_hash)
            and self.total == order.total
            and self.currency == order.currency
            and self.is_deleted == order.deleted
        )


class _Ledger:
    """What was written: the newest version of each order, in memory that does not grow with them.

    :param by: whether orders lie in windows by their creation or by their last change.
    """

    def __init__(self, by: str) -> None:
        self._by = by
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-8000;"
            "CREATE TABLE written (id TEXT PRIMARY KEY, version TEXT, currency TEXT, total TEXT, moment INTEGER,"
            " updated INTEGER, deleted INTEGER, gone INTEGER, vague INTEGER, seen INTEGER DEFAULT 0) WITHOUT ROWID"
        )

    def load(self, orders: Iterator[WrittenOrder]) -> None:
        """Take all versions; the one with the latest change counts, or, where that does not tell, the last one."""
        while batch := list(islice(orders, _BATCH)):
            self._database.executemany(
                "INSERT INTO written VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT (id) DO UPDATE SET"
                " version = excluded.version, currency = excluded.currency, total = excluded.total,"
                " moment = excluded.moment, updated = excluded.updated, deleted = excluded.deleted,"
                " gone = excluded.gone, vague = excluded.vague"
                # Without a zone, the hour that clocks show twice is read as the first of the two.
                " WHERE ifnull(excluded.updated + max(excluded.vague, written.vague) >= written.updated, 1)",
                [
                    (
                        order.id,
                        order.version,
                        order.currency,
                        None if order.total is None else str(order.total),
                        _number(order.created if self._by == "created" else order.updated),
                        _number(order.updated),
                        order.is_deleted,
                        order.is_gone,
                        _HOUR if order.is_zone_assumed else 0,
                    )
                    for order in batch
                ],
            )
        self._database.execute("CREATE INDEX moments ON written (moment)")

    def look_up(self, ids: Sequence[str]) -> dict[str, _Held]:
        """Give what is held of these orders."""
        rows = self._database.execute(
            f"SELECT {_COLUMNS} FROM written WHERE id IN (SELECT value FROM json_each(?))",  # noqa: S608 - our own names
            (json.dumps(ids),),
        )
        return {row[0]: _held(row) for row in rows}

    def mark(self, ids: Sequence[str], *, later: bool = False) -> None:
        """Note that the vendor has these orders, in the windows or later."""
        self._database.execute(
            "UPDATE written SET seen = ? WHERE seen = 0 AND id IN (SELECT value FROM json_each(?))",
            (_LATER if later else _SEEN, json.dumps(ids)),
        )

    def count(self, window: Window, *, is_first: bool) -> tuple[int, int]:
        """Count the orders in a window that are not deleted, and those that the vendor marks as deleted.

        Those without a moment lie in the first one.
        """
        where, bounds = _inside(window, or_unknown=is_first)
        there, marked = self._database.execute(
            f"SELECT total(NOT deleted), total(deleted AND NOT gone) FROM written WHERE {where}",  # noqa: S608 - our own words
            bounds,
        ).fetchone()
        return int(there), int(marked)

    def lowest_id(self, windows: Sequence[Window]) -> int | None:
        """Give the lowest id in the windows, where ids are numbers that grow; None without one."""
        where, bounds = _inside((windows[0][0], windows[-1][1]), or_unknown=False)
        (found,) = self._database.execute(
            f"SELECT min(CAST(id AS INTEGER)) FROM written WHERE {where} AND id NOT GLOB '*[^0-9]*'",  # noqa: S608 - our own words
            bounds,
        ).fetchone()
        return None if found is None else int(found)

    def has_unseen(self, windows: Sequence[Window]) -> bool:
        """Tell whether there are orders in the windows that the vendor was not seen to have."""
        return any(row.seen == _UNSEEN and not row.is_deleted for row in self.rows(windows))

    def rows(self, windows: Sequence[Window]) -> Iterator[_Held]:
        """Give the orders between the first and the last window, by their ids."""
        where, bounds = _inside((windows[0][0], windows[-1][1]), or_unknown=True)
        for row in self._database.execute(
            f"SELECT {_COLUMNS} FROM written WHERE {where} ORDER BY id",  # noqa: S608 - our own words
            bounds,
        ):
            yield _held(row)

    def close(self) -> None:
        """Forget them."""
        self._database.close()


_COLUMNS: Final = "id, version, currency, total, moment, deleted, seen"


def _held(row: tuple[Any, ...]) -> _Held:
    identity, version, currency, total, moment, deleted, seen = row
    return _Held(
        identity,
        version,
        currency,
        None if total is None else Decimal(total),
        None if moment is None else _EPOCH + moment * _MICROSECOND,
        bool(deleted),
        seen,
    )


def _number(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


def _inside(window: Window, *, or_unknown: bool) -> tuple[str, list[int]]:
    """Give the words of SQL for a window, and their parameters."""
    words, bounds = ["true"], []
    for moment, comparison in zip(window, ("moment >= ?", "moment < ?"), strict=True):
        if moment is not None:
            words.append(comparison)
            bounds.append((moment - _EPOCH) // _MICROSECOND)
    known = f"moment IS NOT NULL AND {' AND '.join(words)}"
    return (f"(moment IS NULL OR ({known}))" if or_unknown else f"({known})"), bounds
