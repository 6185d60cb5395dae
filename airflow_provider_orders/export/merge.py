"""The end of an export that was spread over workers: their manifests become one, and the watermark moves once."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast

from airflow_provider_orders.apis.capabilities import Granularity
from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.export.manifest import MOST_FILES, Manifest
from airflow_provider_orders.export.plan import overlap_of
from airflow_provider_orders.export.record import RecordReader
from airflow_provider_orders.export.sinks.files import FileSink
from airflow_provider_orders.export.state import Scope, SyncState
from airflow_provider_orders.export.windows import KINDS
from airflow_provider_orders.export.written import read_files, read_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.apis.query import OrderQuery
    from airflow_provider_orders.export.record import Record
    from airflow_provider_orders.export.sinks.base import Sink, Written
    from airflow_provider_orders.export.sinks.folder import Folder, PartFile
    from airflow_provider_orders.export.written import WrittenOrder

__all__ = [
    "MergedManifest",
    "Seen",
    "SeriesSink",
    "kind_of",
    "look_into_files",
    "merge_manifests",
    "move_watermark",
]

log = logging.getLogger(__name__)

_BATCH: Final = 1000
_DAY: Final = timedelta(days=1)

_SAME: Final = ("source", "orders_conn_id", "uri", "model_version", "mode", "account")


class MergedManifest(Manifest):
    """The manifests of several exports as one; the counts are sums, the moments span all of them.

    :param parts: how many exports there were.
    :param rejects_files: the files with rejected rows, up to as many as ``files`` may list.
    """

    parts: int
    rejects_files: list[str]


def merge_manifests(
    manifests: Iterable[Mapping[str, Any]], *, parts: Sequence[Mapping[str, Any]] | int | None = None
) -> MergedManifest:
    """Make one manifest of those of all parts.

    :param manifests: the manifests, in any order.
    :param parts: what was mapped over, as :func:`~airflow_provider_orders.export.windows.plan_windows` gives it, or
        their number: then none may be missing.
    :raises ConfigurationError: they are not of one export, or one is missing, or windows overlap.
    """
    found = sorted(manifests, key=_begin)
    if not found:
        raise ConfigurationError("manifests is empty: there is nothing to merge.", field="manifests")
    for name in _SAME:
        if len(values := {manifest[name] for manifest in found}) > 1:
            raise ConfigurationError(
                f"The manifests are not of one export: {name} is {' and '.join(sorted(map(str, values)))}.",
                field="manifests",
            )
    _check_count(found, parts)
    _check_windows(found)
    return _merged(found)


def kind_of(parts: Sequence[Mapping[str, Any]] | int | None) -> str | None:
    """Give what the windows of the parts are about, ``created`` or ``updated``; None where there are none."""
    if parts is None or isinstance(parts, int):
        return None
    for kind in KINDS:
        if parts and all(part.keys() & {f"{kind}_from", f"{kind}_to"} for part in parts):
            return kind
    return None


def _check_count(found: Sequence[Mapping[str, Any]], parts: Sequence[Mapping[str, Any]] | int | None) -> None:
    if parts is None:
        return
    wanted = parts if isinstance(parts, int) else len(parts)
    if len(found) != wanted:
        raise ConfigurationError(
            f"There are {len(found)} manifests of {wanted} parts. Clear the tasks that failed or were skipped, then "
            "run this one again.",
            field="manifests",
        )
    kind = kind_of(parts)
    if kind is None or isinstance(parts, int):
        return
    planned = {(_text(part.get(f"{kind}_from")), _text(part.get(f"{kind}_to"))) for part in parts}
    exported = {(_text(start), _text(end)) for start, end in (manifest["window"] for manifest in found)}
    if missing := sorted(planned - exported):
        raise ConfigurationError(
            f"No manifest is of the window {_span(*missing[0])}, which parts names"
            f"{f' (and {len(missing) - 1} more)' if len(missing) > 1 else ''}.",
            field="manifests",
        )


def _check_windows(found: Sequence[Mapping[str, Any]]) -> None:
    """Refuse windows that do not join; exports without one, such as one for each ambassador, have nothing to check."""
    if all(manifest["window"] == [None, None] for manifest in found):
        return
    for one, other in pairwise(found):
        (_, end), (start, _) = one["window"], other["window"]
        if end is None or start is None or read_moment(start) < read_moment(end):  # type: ignore[operator]
            raise ConfigurationError(
                f"The windows {_span(*one['window'])} and {_span(*other['window'])} overlap: orders in both would be "
                "counted twice.",
                field="manifests",
            )
        if read_moment(start) > read_moment(end):  # type: ignore[operator]
            raise ConfigurationError(
                f"No manifest is of the time {_span(end, start)}: a part is missing. Clear its task, then run this "
                "one again.",
                field="manifests",
            )


def _merged(found: Sequence[Mapping[str, Any]]) -> MergedManifest:
    first = found[0]
    scopes = {manifest["scope"] for manifest in found}
    file_count = _sum(found, "file_count")
    files = [file for manifest in found for file in manifest["files"]]
    rejects = [manifest["rejects_file"] for manifest in found if manifest["rejects_file"]]
    started_at, finished_at = (
        pick(datetime.fromisoformat(manifest[name]) for manifest in found)
        for pick, name in ((min, "started_at"), (max, "finished_at"))
    )
    prints = {manifest["fingerprint"] for manifest in found}
    return MergedManifest(
        model_version=first["model_version"],
        source=first["source"],
        account=first["account"],
        orders_conn_id=first["orders_conn_id"],
        mode=first["mode"],
        window=[first["window"][0], found[-1]["window"][1]],
        by=first["by"],
        limit=max((manifest["limit"] for manifest in found if manifest["limit"] is not None), default=None),
        scope=scopes.pop() if len(scopes) == 1 else "",
        plan=f"{len(found)} exports, each of its own part. {first['plan']}",
        watermark=None,
        uri=first["uri"],
        files=files if len(files) == file_count <= MOST_FILES else [],
        file_count=file_count,
        manifest_file=None,
        rows=_sum(found, "rows"),
        bytes=_sum(found, "bytes"),
        unchanged=_sum(found, "unchanged"),
        deleted=_sum(found, "deleted"),
        rejected=_sum(found, "rejected"),
        rejects_file=rejects[0] if len(rejects) == 1 else None,
        statuses=_statuses(found),
        totals=_totals(found),
        source_total=_source_total(found),
        can_miss=_once(gap for manifest in found for gap in manifest["can_miss"]),
        drift=_once(change for manifest in found for change in manifest["drift"])[:MOST_FILES],
        fingerprint=prints.pop() if len(prints) == 1 else "",
        requests=_sum(found, "requests"),
        seconds=round((finished_at - started_at).total_seconds(), 3),
        started_at=started_at.isoformat(),
        finished_at=finished_at.isoformat(),
        parts=len(found),
        rejects_files=rejects[:MOST_FILES],
    )


def _sum(found: Sequence[Mapping[str, Any]], name: str) -> int:
    return sum(manifest[name] for manifest in found)


def _statuses(found: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for manifest in found:
        for axis, words in manifest["statuses"].items():
            counts.setdefault(axis, Counter()).update(words)
    return {axis: dict(sorted(words.items())) for axis, words in sorted(counts.items())}


def _totals(found: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    totals: dict[str, Decimal] = {}
    for manifest in found:
        for currency, total in manifest["totals"].items():
            totals[currency] = totals.get(currency, Decimal(0)) + Decimal(total)
    return {currency: f"{total:f}" for currency, total in sorted(totals.items())}


def _source_total(found: Sequence[Mapping[str, Any]]) -> int | None:
    """Add the vendor's counts, where each of them was of its part alone."""
    totals = [manifest["source_total"] for manifest in found]
    read = [manifest["rows"] + manifest["rejected"] for manifest in found]
    return sum(totals) if totals == read else None


def _once(items: Iterable[Any]) -> list[Any]:
    kept: list[Any] = []
    for item in items:
        if item not in kept:
            kept.append(item)
    return kept


def _begin(manifest: Mapping[str, Any]) -> tuple[datetime, str]:
    return read_moment(manifest["window"][0]) or datetime.min.replace(tzinfo=UTC), manifest["started_at"]


def _text(moment: object) -> str:
    """Write a moment so that two ways of writing the same one are equal."""
    if moment is None or moment == "":
        return ""
    if not isinstance(moment, datetime):
        moment = datetime.fromisoformat(str(moment))
    return moment.astimezone(UTC).isoformat()


def _span(start: object, end: object) -> str:
    return f"from {start or 'the beginning'} to {end or 'the end'}"


class SeriesSink(FileSink[None]):
    """Commits a state to the incremental exports of a folder, without files of its own.

    :param folder: the folder.
    :param run_key: names the task instance; the same for each try of it.
    """

    suffix = ""

    def __init__(self, folder: Any, *, run_key: str) -> None:
        super().__init__(folder, "", run_key=run_key)

    def keep(self, versions: Iterable[tuple[str, str]]) -> None:
        """Note the versions that the next incremental export may bring again."""
        if self._versions is not None:
            self._versions.keep(versions)

    def finish(self, state: SyncState | None) -> Written:
        """Complete the file of the versions."""
        if self._versions is not None:
            self._versions.keep_known()
        return super().finish(state)

    def _start(self) -> None:
        """There is no data file."""

    def _parts(self) -> Sequence[PartFile]:
        return ()

    def _end(self) -> None:
        """There is nothing held back."""

    def _line(self, record: Record) -> None:
        raise NotImplementedError

    def write(self, items: Sequence[None]) -> None:
        """Write nothing: the orders are in the files of the parts."""


class Seen(NamedTuple):
    """What the parts have brought.

    :param newest_change: the latest change of an order, by the vendor's clock.
    :param newest_id: the highest id, where ids are numbers.
    """

    newest_change: datetime | None
    newest_id: int | None


Look: TypeAlias = "Callable[[datetime, timedelta | None], Seen]"
"""Looks at what the parts have brought, given where the watermark will lie at the latest and the overlap."""


def move_watermark(
    sink: Sink[Any],
    merged: MergedManifest,
    *,
    api: OrderApi[Any],
    query: OrderQuery,
    by: str,
    lookback: timedelta,
    look: Look,
    run_key: str = "",
) -> MergedManifest:
    """Move the watermark of the target once, to where all parts together have come.

    It comes to lie neither after the end of the last window nor after the start of the first export, so that what
    changed while the parts were read is seen by the next incremental export. Where the vendor filters by update and the
    windows end less than a day ago, it does not lie after the latest change seen either, which is by the vendor's clock.
    It never moves backwards, and does not move where changes since the last one are in no part.

    :param sink: the target, not opened yet.
    :param merged: what :func:`merge_manifests` made of the parts.
    :param api: the vendor, for the connection.
    :param query: the filters of the incremental exports that shall go on from there.
    :param by: what the windows are about, ``created`` or ``updated``.
    :param lookback: that of the incremental exports.
    :param look: looks at what the parts have brought.
    :param run_key: names the task instance.
    :return: the manifest, with the watermark if it moved.
    """
    capabilities = api.capabilities_for(query)
    overlap = overlap_of(capabilities, lookback)
    with sink:
        before = sink.open(Scope.of(api, query), incremental=True, overlap=overlap) or SyncState()
        end, started_at = read_moment(merged["window"][1]), datetime.fromisoformat(merged["started_at"])
        limit = started_at if end is None else min(end, started_at)
        reason = _why_not(before.watermark, limit, merged, by)
        if merged["scope"] != Scope.of(api, query).key:
            reason = (
                "the parts were exported with other filters than it is about: give the same statuses, ambassador_id and "
                "vendor_params."
            )
        if reason is not None:
            log.warning("The watermark was not moved: %s", reason)
            return merged
        seen = look(limit, overlap)
        # Long after the end of the window no clock is so wrong that a change would still be dated before it.
        is_recent = limit > started_at - _DAY and capabilities.update_filter is Granularity.SECOND
        reached = min(limit, seen.newest_change) if is_recent and seen.newest_change else limit
        watermark = max(filter(None, [before.watermark, reached]))
        after = replace(
            before,
            sequence=before.sequence + 1,
            watermark=watermark,
            newest_id=max(filter(None, [before.newest_id, seen.newest_id]), default=None),
            run_key=run_key,
        )
        sink.finish(after)
        moved = cast("MergedManifest", {**merged, "watermark": watermark.isoformat()})
        sink.commit(moved, after)
    return moved


def _why_not(watermark: datetime | None, limit: datetime, merged: MergedManifest, by: str) -> str | None:
    """Say why the watermark must not move, None if it may."""
    start = read_moment(merged["window"][0])
    if merged["limit"] is not None:
        return "the parts were exported with a limit, and what lies beyond it would never be exported."
    if watermark is None:
        return None
    if limit <= watermark:
        return f"the parts do not reach beyond {watermark.isoformat()}, where it is."
    if by == "created":
        return (
            f"it is at {watermark.isoformat()} already, and windows of creation leave out older orders that were "
            "changed since then. The next incremental export goes on from there."
        )
    if start is not None and start > watermark:
        return (
            f"what changed between {watermark.isoformat()}, where it is, and {start.isoformat()}, where the first "
            "window begins, is in no part. The next incremental export goes on from there."
        )
    return None


def look_into_files(
    sink: SeriesSink,
    folder: Folder,
    manifests: Sequence[Mapping[str, Any]],
    *,
    api: OrderApi[Any],
    by: str,
) -> Look:
    """Give what reads the parts' files, from the last window back, as far as the next export may see orders again.

    :param sink: notes which version of these orders is in the files.
    :param folder: where they are.
    :param manifests: those of the parts.
    :param api: the vendor, for the connection.
    :param by: what the windows are about.
    """
    reader = RecordReader(
        api.order_model, account=api.settings.account, assumed_timezone=api.settings.assumed_timezone
    )

    def look(limit: datetime, overlap: timedelta | None) -> Seen:
        recent = _Recent(limit, overlap)
        for manifest in sorted(manifests, key=_begin, reverse=True):
            if by == "updated" and recent.is_past(read_moment(manifest["window"][1])):
                break
            orders = read_files(folder, manifest, reader)
            while batch := list(islice(orders, _BATCH)):
                recent.take(batch)
                sink.keep(recent.versions(batch))
        return Seen(recent.newest_change, recent.newest_id)

    return look


class _Recent:
    """What orders say about where the next incremental export will begin.

    :param limit: where the watermark will lie at the latest.
    :param overlap: how long before it the next export begins; None where every order may come again.
    """

    def __init__(self, limit: datetime, overlap: timedelta | None) -> None:
        self._limit = limit
        self._overlap = overlap
        self.newest_change: datetime | None = None
        self.newest_id: int | None = None

    def take(self, orders: Sequence[WrittenOrder]) -> None:
        """Look at orders."""
        changes = [order.updated for order in orders if order.updated is not None]
        ids = [int(order.id) for order in orders if order.id.isdigit()]
        self.newest_change = max([*changes, *filter(None, [self.newest_change])], default=None)
        self.newest_id = max([*ids, *filter(None, [self.newest_id])], default=None)

    def versions(self, orders: Iterable[WrittenOrder]) -> Iterator[tuple[str, str]]:
        """Give those that may come again; too many rather than too few while later changes are still to be read."""
        for order in orders:
            past = order.updated is not None and self.is_past(order.updated)
            if order.version is not None and not past:
                yield order.id, order.version

    def is_past(self, moment: datetime | None) -> bool:
        """Tell whether changes before a moment will not be read again."""
        if self._overlap is None or self.newest_change is None or moment is None:
            return False
        return moment < min(self._limit, self.newest_change) - self._overlap
