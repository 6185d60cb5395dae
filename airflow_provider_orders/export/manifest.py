"""The manifest: what an export brought, in a plain dict of a few hundred bytes. XCom carries it, never orders."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypedDict

from airflow_provider_orders.models.order import MODEL_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from airflow_provider_orders.export.plan import SyncPlan
    from airflow_provider_orders.export.sinks.base import Written
    from airflow_provider_orders.export.state import SyncState
    from airflow_provider_orders.models.statuses import StatusWord

__all__ = [
    "MOST_FILES",
    "ExportSummary",
    "Manifest",
    "Tally",
    "WrittenFile",
    "summary_of",
    "without_long_lists",
]

log = logging.getLogger(__name__)

NO_CURRENCY = "unknown"
_NOTHING: Final = Decimal(0)

MOST_FILES: Final = 31
"""Files that a manifest lists in XCom; one on disk lists them all."""


class WrittenFile(TypedDict):
    """One file of an export.

    :param path: its URL or path.
    :param rows: orders in it.
    :param bytes: its size, as stored.
    :param sha256: checksum of its bytes, in hexadecimal.
    """

    path: str
    rows: int
    bytes: int
    sha256: str


class Manifest(TypedDict):
    """What an export brought.

    :param model_version: version of the canonical order.
    :param source: the vendor.
    :param account: whose orders.
    :param orders_conn_id: the connection.
    :param mode: ``incremental``, ``window`` or ``full``.
    :param window: from and to in ISO form, each None where open.
    :param by: what the window is about, ``updated`` or ``created``; None without one.
    :param limit: the limit of orders, None without one.
    :param scope: short name of the account and the filters; exports with the same one are about the same orders.
    :param plan: how the orders were read, in one sentence.
    :param watermark: up to when changes are in the target now, in ISO form; None where this export did not move it.
    :param uri: the folder or table written to.
    :param files: the files with orders; empty for a database, and in XCom if there are more than 31.
    :param file_count: how many files there are.
    :param manifest_file: where this manifest lies, None for a database.
    :param rows: orders written.
    :param bytes: bytes written into files.
    :param unchanged: orders that were read again and that the target held already in the same version: files leave
        them out, a table counts them among ``rows``.
    :param deleted: orders that are no longer in the source, and were marked as deleted in the table.
    :param rejected: rows that are not what the vendor documents, kept in ``rejects_file``.
    :param rejects_file: path of the file beside the data that keeps them with the reason, None without any.
    :param statuses: per axis, how many orders are in each canonical status.
    :param totals: per currency, the sum of the orders' totals in major units, as text.
    :param source_total: the vendor's own count of the orders that match, None where it gives none.
    :param can_miss: in words, what this export may have missed.
    :param drift: fields of the payloads that are new, have vanished or have another type since the last export.
    :param fingerprint: short digest of the payloads' shape.
    :param requests: requests sent, repeats included.
    :param seconds: how long it took; of an export that went on behind an interrupted try, the last try alone.
    :param started_at: when it started, ISO in UTC; with the first try whose orders are part of it. No change from then
        on need be in it.
    :param finished_at: when it finished.
    """

    model_version: int
    source: str
    account: str
    orders_conn_id: str
    mode: str
    window: list[str | None]
    by: str | None
    limit: int | None
    scope: str
    plan: str
    watermark: str | None
    uri: str
    files: list[WrittenFile]
    file_count: int
    manifest_file: str | None
    rows: int
    bytes: int
    unchanged: int
    deleted: int
    rejected: int
    rejects_file: str | None
    statuses: dict[str, dict[str, int]]
    totals: dict[str, str]
    source_total: int | None
    can_miss: list[str]
    drift: list[dict[str, Any]]
    fingerprint: str
    requests: int
    seconds: float
    started_at: str
    finished_at: str


class ExportSummary(TypedDict):
    """What an asset event tells of an export: counts, moments and places, no list that grows.

    :param source: the vendor.
    :param account: whose orders.
    :param orders_conn_id: the connection.
    :param mode: ``incremental``, ``window`` or ``full``.
    :param window: from and to in ISO form, each None where open.
    :param by: what the window is about, ``updated`` or ``created``; None without one.
    :param watermark: up to when changes are in the target now, in ISO form; None where the export did not move it.
    :param uri: the folder or table written to.
    :param manifest_file: where the manifest lies, None for a database.
    :param rows: orders written.
    :param bytes: bytes written into files.
    :param unchanged: orders that were read again in a version that the target held already.
    :param deleted: orders that were marked as deleted.
    :param rejected: rows that are not what the vendor documents.
    :param statuses: per axis, how many orders are in each canonical status.
    :param can_miss: how many ways there are in which the export may have missed an order.
    :param drift: how many fields are new, have vanished or have another type.
    :param requests: requests sent.
    :param seconds: how long it took.
    :param started_at: when it started, ISO in UTC.
    :param finished_at: when it finished.
    """

    source: str
    account: str
    orders_conn_id: str
    mode: str
    window: list[str | None]
    by: str | None
    watermark: str | None
    uri: str
    manifest_file: str | None
    rows: int
    bytes: int
    unchanged: int
    deleted: int
    rejected: int
    statuses: dict[str, dict[str, int]]
    can_miss: int
    drift: int
    requests: int
    seconds: float
    started_at: str
    finished_at: str


@dataclass(slots=True)
class Tally:
    """Counts orders while they pass.

    :param source: the vendor, for the log.
    :param read: orders that have passed, those outside of the window and those that are not written, too.
    """

    source: str
    read: int = 0
    pages: int = 0
    rows: int = 0
    unchanged: int = 0
    rejected: int = 0
    source_total: int | None = None
    statuses: dict[str, Counter[str]] = field(default_factory=dict)
    totals: dict[str, Decimal] = field(default_factory=dict)
    _unknown: set[tuple[str, str]] = field(default_factory=set)

    def add(self, statuses: Mapping[str, StatusWord], currency: str | None, total: Decimal | None) -> None:
        """Count one order."""
        self.rows += 1
        for axis, word in statuses.items():
            counts = self.statuses.get(axis)
            if counts is None:
                counts = self.statuses[axis] = Counter()
            counts[word.canonical] += 1
            if word.raw is not None and word.canonical == "unknown":
                self._note_unknown(axis, word.raw)
        if total is not None:
            key = currency or NO_CURRENCY
            self.totals[key] = self.totals.get(key, _NOTHING) + total

    def _note_unknown(self, axis: str, raw: str) -> None:
        if (axis, raw) not in self._unknown:
            self._unknown.add((axis, raw))
            log.warning(
                "%s: %r is no documented %s status; it counts as unknown", self.source, raw[:40], axis
            )

    def manifest(
        self,
        *,
        account: str,
        orders_conn_id: str,
        plan: SyncPlan,
        limit: int | None,
        scope: str,
        uri: str,
        written: Written,
        state: SyncState | None,
        drift: list[dict[str, Any]],
        fingerprint: str,
        requests: int,
        began_at: datetime,
        took: timedelta,
    ) -> Manifest:
        """Sum up.

        :param began_at: when this try began; the plan knows when the first one did whose orders are part of it.
        :param took: how long this try took.
        """
        return Manifest(
            model_version=MODEL_VERSION,
            source=self.source,
            account=account,
            orders_conn_id=orders_conn_id,
            mode=plan.mode,
            window=[_iso(moment) for moment in plan.window],
            by=plan.by,
            limit=limit,
            scope=scope,
            plan=plan.words,
            watermark=_iso(state.watermark) if state else None,
            uri=uri,
            files=written.files,
            file_count=len(written.files),
            manifest_file=written.manifest_file,
            rows=self.rows,
            bytes=sum(file["bytes"] for file in written.files),
            unchanged=self.unchanged + written.unchanged,
            deleted=written.deleted,
            rejected=self.rejected,
            rejects_file=written.rejects_file,
            statuses={
                axis: {str(status): count for status, count in sorted(counts.items())}
                for axis, counts in sorted(self.statuses.items())
            },
            totals={currency: _plain(total) for currency, total in sorted(self.totals.items())},
            source_total=self.source_total,
            can_miss=list(plan.can_miss),
            drift=drift,
            fingerprint=fingerprint,
            requests=requests,
            seconds=round(took.total_seconds(), 3),
            started_at=plan.started_at.isoformat(),
            finished_at=(began_at + took).isoformat(),
        )


def without_long_lists(manifest: Manifest) -> Manifest:
    """Give a manifest as XCom carries it: a few kilobytes, however many files there are."""
    few = manifest["file_count"] <= MOST_FILES
    return {**manifest, "files": manifest["files"] if few else [], "drift": manifest["drift"][:MOST_FILES]}


def summary_of(manifest: Manifest) -> ExportSummary:
    """Give what an asset event tells of an export."""
    return ExportSummary(
        source=manifest["source"],
        account=manifest["account"],
        orders_conn_id=manifest["orders_conn_id"],
        mode=manifest["mode"],
        window=list(manifest["window"]),
        by=manifest["by"],
        watermark=manifest["watermark"],
        uri=manifest["uri"],
        manifest_file=manifest["manifest_file"],
        rows=manifest["rows"],
        bytes=manifest["bytes"],
        unchanged=manifest["unchanged"],
        deleted=manifest["deleted"],
        rejected=manifest["rejected"],
        statuses=manifest["statuses"],
        can_miss=len(manifest["can_miss"]),
        drift=len(manifest["drift"]),
        requests=manifest["requests"],
        seconds=manifest["seconds"],
        started_at=manifest["started_at"],
        finished_at=manifest["finished_at"],
    )


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _plain(amount: Decimal) -> str:
    """Write an amount without an exponent."""
    return f"{amount:f}"
