"""How an export will read: what is asked of the vendor, what is kept of its answer, and what that can miss.

A plan follows from what the vendor's listing can do, never from which vendor it is:

==================== =========================================================================================
update filter         an incremental export reads
==================== =========================================================================================
to the second         what changed since the watermark, less ``lookback``
by the day            what changed since the day of the watermark, less a day
none, newest first    from the newest order back to ``sweep_days`` before the watermark
none, no order        everything
==================== =========================================================================================

Where an order can come again although it did not change, the sink recognises the version by its content.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_orders.apis.capabilities import Granularity
from airflow_provider_orders.errors import ConfigurationError, UnexpectedPayloadError
from airflow_provider_orders.export.state import SyncState
from airflow_provider_orders.models.moments import seconds_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.apis.capabilities import Capabilities
    from airflow_provider_orders.apis.listing import Row
    from airflow_provider_orders.apis.query import OrderQuery
    from airflow_provider_orders.export.record import RecordReader
    from airflow_provider_orders.http.paging import PastTest

__all__ = [
    "LOOKBACK",
    "MODES",
    "SWEEP_DAYS",
    "Horizon",
    "SyncPlan",
    "check_plan",
    "make_plan",
    "mode_of",
    "overlap_of",
    "past_test",
    "read_lookback",
]

MODES: Final = ("incremental", "window", "full")
LOOKBACK: Final = timedelta(minutes=5)
SWEEP_DAYS: Final = 30

_SLIPPED: Final = "orders that move to a page read before, as another one is deleted while the pages are read"

_IMPORTED: Final = "imported orders, entered with an older date"

_DAY: Final = timedelta(days=1)
_LONGEST_DAY: Final = timedelta(hours=25)
_FARTHEST: Final = timedelta(days=36_500)
_BEGINNING: Final = datetime(1, 1, 2, tzinfo=UTC)
"""A day after that of the calendar: in any zone it is a moment."""
_WINDOW: Final = frozenset({"updated_from", "updated_to", "created_from", "created_to"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Horizon:
    """How far back a listing is read that begins with the newest order.

    :param entered: orders created before it are past, unless the vendor got to know them later: ids grow with that, and a
        page full of old orders that were entered late is not the end of the newer ones.
    :param newest_id: of those, the ones up to this id; a higher one is an order that was entered late.
    :param lowest_id: no page ends the listing that holds this id or a higher one, however old its orders are: they may
        have been imported with the dates of another system. 0 to read to the end; None where any page of old orders is
        taken for the end.
    """

    entered: datetime
    newest_id: int | None
    lowest_id: int | None = None

    def is_past(self, order_id: str, entered: datetime | None) -> bool:
        """Tell whether an order lies behind it; one that cannot be placed does not."""
        if entered is None or entered >= self.entered or not order_id.isdigit():
            return False
        return self.newest_id is None or int(order_id) <= self.newest_id

    def may_end_at(self, order_id: str) -> bool:
        """Tell whether a page with this order can be the end of what is wanted."""
        return self.lowest_id is None or (order_id.isdigit() and int(order_id) < self.lowest_id)


def past_test(horizon: Horizon | None, reader: RecordReader) -> PastTest | None:
    """Give what tells of a page whether the walk ends with it, None without a horizon."""
    if horizon is None:
        return None

    def is_past(rows: Sequence[Row]) -> bool:
        try:
            return all(
                horizon.may_end_at(row.id) and horizon.is_past(row.id, reader.read(row.raw).entered)
                for row in rows
            )
        except UnexpectedPayloadError:
            return False  # a row that cannot be read cannot be placed

    return is_past


@dataclass(frozen=True, kw_only=True, slots=True)
class SyncPlan:
    """How one export reads.

    :param mode: ``incremental``, ``window`` or ``full``.
    :param window: the window wanted, from and to, each None where open.
    :param by: what the window is about, ``updated`` or ``created``; None without one.
    :param asked: the query that the vendor answers.
    :param kept: the query whose window each order is held against, because the vendor's may be wider.
    :param horizon: how far back to read from the newest order; None to read the listing as it comes.
    :param swept_from: where the lowest id has to be known of the orders that the next export may look at again: those
        entered since then; None where it asks for changes.
    :param by_update: whether the next watermark is the latest change seen, by the vendor's clock; else it is the start
        of the export, by ours.
    :param started_at: when the export began; no change from then on is part of it.
    :param words: the plan in one sentence.
    :param can_miss: what it can miss, in words.
    """

    mode: str
    window: tuple[datetime | None, datetime | None]
    by: str | None
    asked: OrderQuery
    kept: OrderQuery
    horizon: Horizon | None = None
    swept_from: datetime | None = None
    by_update: bool = False
    started_at: datetime
    words: str
    can_miss: tuple[str, ...] = ()

    @property
    def is_incremental(self) -> bool:
        """Whether it goes on where the last export of the same scope ended."""
        return self.mode == "incremental"

    def next_state(
        self,
        state: SyncState | None,
        *,
        newest_change: datetime | None,
        newest_id: int | None,
        lowest_id: int | None = None,
        run_key: str,
    ) -> SyncState:
        """Give the state after this export.

        :param state: the state before it.
        :param newest_change: the latest change among the orders read.
        :param newest_id: the highest order id read.
        :param lowest_id: the lowest id of the orders read that were entered since ``swept_from``.
        :param run_key: the task instance.
        """
        state = state or SyncState()
        # The latest change seen is by the vendor's own clock, however wrong that runs.
        reached = newest_change if self.by_update else self.started_at
        known = [min(moment, self.started_at) for moment in (state.watermark, reached) if moment is not None]
        newest_id = max(filter(None, (state.newest_id, newest_id)), default=None)
        if self.swept_from is not None and lowest_id is None:
            lowest_id = (newest_id or 0) + 1
        return SyncState(
            sequence=state.sequence + 1,
            watermark=max(known, default=None),
            newest_id=newest_id,
            swept_from=self.swept_from,
            lowest_id=lowest_id,
            run_key=run_key,
        )


def mode_of(mode: str | None, query: OrderQuery) -> str:
    """Give the mode, by default ``window`` where there is a window and ``full`` where there is none.

    :raises ConfigurationError: it is unknown, or the window does not go with it.
    """
    windows = sorted(query.asked & _WINDOW)
    if mode is None:
        return "window" if windows else "full"
    if mode not in MODES:
        raise ConfigurationError(f"mode must be one of {', '.join(MODES)}, not {mode!r}.", field="mode")
    if mode != "window" and windows:
        raise ConfigurationError(
            f"{windows[0]} is for mode='window'; a {mode} export finds its window by itself.",
            field=windows[0],
        )
    if mode == "window" and not windows:
        raise ConfigurationError(
            "mode='window' needs a window: updated_from and updated_to, or created_from and created_to.",
            field="updated_from",
        )
    return mode


def check_plan(
    api: OrderApi[Any],
    query: OrderQuery,
    *,
    mode: str | None = None,
    limit: int | None = None,
    lookback: timedelta = LOOKBACK,
    sweep_days: int = SWEEP_DAYS,
) -> str:
    """Refuse what cannot be exported, before anything is sent or written, and give the mode.

    :raises ConfigurationError: naming the argument.
    """
    mode = mode_of(mode, query)
    read_lookback(lookback)
    if not 0 <= sweep_days <= _FARTHEST.days:
        raise ConfigurationError(f"sweep_days must be from 0 to {_FARTHEST.days}.", field="sweep_days")
    if mode == "incremental" and limit is not None:
        raise ConfigurationError(
            "limit does not go with mode='incremental': what lies beyond it would never be exported.",
            field="limit",
        )
    plan = make_plan(
        api, query, mode=mode, state=SyncState(watermark=datetime.now(UTC)), now=datetime.now(UTC)
    )
    if plan.horizon is None:
        api.listings(plan.asked)
    else:
        api.newest_first(plan.asked)
    return mode


def read_lookback(value: Any) -> timedelta:
    """Read how far before the watermark to begin again, as people write it.

    :param value: seconds, or a timedelta.
    :raises ConfigurationError: it is neither, or cannot be meant.
    """
    seconds = seconds_of(value)
    if seconds is not None and 0 <= seconds <= _FARTHEST.total_seconds():
        return timedelta(seconds=seconds)  # also of pendulum's kind, which cannot be divided
    raise ConfigurationError(
        f"lookback must be a number of seconds, or a timedelta, from 0 to {_FARTHEST.days} days.",
        field="lookback",
    )


def make_plan(
    api: OrderApi[Any],
    query: OrderQuery,
    *,
    mode: str,
    state: SyncState | None,
    now: datetime,
    lookback: timedelta = LOOKBACK,
    sweep_days: int = SWEEP_DAYS,
    limit: int | None = None,
) -> SyncPlan:
    """Plan an export.

    :param api: the vendor, for one connection.
    :param query: which orders.
    :param mode: see :data:`MODES`.
    :param state: how far the exports of this scope have come; None for the first.
    :param now: when the export begins.
    :param lookback: how far before the watermark to begin again, where the vendor filters to the second.
    :param sweep_days: for how many days after its creation an order is looked at again, where the vendor cannot
        filter by update.
    :param limit: orders to write at the most.
    """
    capabilities = api.capabilities_for(query)
    if mode == "incremental":
        plan = _incremental(api, query, capabilities, state, now, lookback, sweep_days)
    elif query.asked & {"updated_from", "updated_to"}:
        plan = _changed_between(api, query, capabilities, now)
    elif query.asked & {"created_from", "created_to"}:
        plan = _created_between(api, query, capabilities, now)
    else:
        plan = SyncPlan(
            mode="full",
            window=(None, None),
            by=None,
            asked=query,
            kept=query,
            started_at=now,
            by_update=capabilities.update_filter is Granularity.SECOND,
            swept_from=_sweep_start(capabilities, now, sweep_days),
            words=f"{api.title}: reads every order.",
        )
    return replace(plan, can_miss=(*_shared_gaps(api, query, limit), *plan.can_miss, _SLIPPED))


def overlap_of(capabilities: Capabilities, lookback: timedelta) -> timedelta | None:
    """Give how long before the watermark an incremental export begins; None where every order may come again."""
    return lookback if capabilities.update_filter is Granularity.SECOND else None


def _shared_gaps(api: OrderApi[Any], query: OrderQuery, limit: int | None) -> list[str]:
    gaps = []
    if limit is not None:
        gaps.append(f"orders beyond the limit of {limit}")
    if query.statuses:
        gaps.append("orders whose status changed while the listing was read")
    wanted = {word.strip().casefold() for word in query.statuses}
    gaps += [orders for word, orders in api.statuses_beyond_filter.items() if word in wanted]
    return gaps


def _late_gap(api: OrderApi[Any]) -> str:
    return f"orders that {api.title} dates in the window, but shows only after the window was read"


def _incremental(
    api: OrderApi[Any],
    query: OrderQuery,
    capabilities: Capabilities,
    state: SyncState | None,
    now: datetime,
    lookback: timedelta,
    sweep_days: int,
) -> SyncPlan:
    watermark = state.watermark if state else None
    gaps = _deletion_gaps(api, capabilities)
    if query.statuses:
        gaps += ("orders that have left the statuses asked for",)
    by_update = capabilities.update_filter is Granularity.SECOND
    if capabilities.update_filter is not Granularity.NONE:
        overlap = lookback if by_update else _DAY
        start = watermark and _before(watermark, overlap)
        # Without an end: an order that changes while the pages are read would leave the listing, and move the rows of others
        # to pages that were read already.
        asked = replace(query, updated_from=start)
        words = f"{api.title}: reads everything, as no export of this kind was committed before."
        if start is not None:
            words = (
                f"{api.title}: reads what changed since {start.isoformat(timespec='seconds')}, "
                f"{_words(overlap)} before the watermark."
            )
        return SyncPlan(
            mode="incremental",
            window=(start, now),
            by="updated",
            asked=asked,
            # Of two workers, the clock of the one that comes later may be behind.
            kept=replace(query, updated_from=start, updated_to=now if start is None else max(now, start)),
            by_update=by_update,
            started_at=now,
            words=words,
            can_miss=(
                f"changes that {api.title} does not date, or dates more than {_words(overlap)} before they can be read",
                *([f"changes that {api.title} dates in the future, until then"] if by_update else []),
                *gaps,
            ),
        )
    horizon = None
    if capabilities.newest_first and state is not None and watermark is not None:
        horizon = _horizon(state, _before(watermark, timedelta(days=sweep_days)))
        gaps = (
            f"changes of orders later than {_days(sweep_days)} after they were placed",
            *_filter_gaps(query),
            *gaps,
        )
        words = (
            f"{api.title} cannot filter by update: reads from the newest order back to "
            f"{horizon.entered.isoformat(timespec='seconds')}, {_days(sweep_days)} before the watermark."
        )
        if not horizon.lowest_id:
            words += (
                " This time to the oldest one, as it is not known yet where the orders of these days begin."
            )
    else:
        words = f"{api.title} cannot filter these orders by update: reads every one."
    return SyncPlan(
        mode="incremental",
        window=(horizon.entered if horizon else None, now),
        by="created" if horizon else None,
        asked=query,
        kept=query,
        horizon=horizon,
        swept_from=horizon.entered if horizon else _sweep_start(capabilities, now, sweep_days),
        started_at=now,
        words=words,
        can_miss=gaps,
    )


def _filter_gaps(query: OrderQuery) -> list[str]:
    """Name what the lowest id and the highest do not tell, as they are those of the orders that match."""
    gaps = []
    if query.statuses or query.params:
        gaps.append(f"orders that come to match the filters behind a page of {_IMPORTED}")
    if len(query.statuses) > 1:
        gaps.append("orders entered with an older date that were imported while the listing was read")
    return gaps


def _horizon(state: SyncState, entered: datetime) -> Horizon:
    is_known = state.swept_from is not None and state.swept_from <= entered
    return Horizon(
        entered=entered,
        newest_id=state.newest_id or 0,
        lowest_id=(state.lowest_id or 0) if is_known else 0,
    )


def _sweep_start(capabilities: Capabilities, now: datetime, sweep_days: int) -> datetime | None:
    """Give since when the orders were entered at which the export after a complete one looks again."""
    return _before(now, timedelta(days=sweep_days)) if capabilities.newest_first else None


def _changed_between(
    api: OrderApi[Any], query: OrderQuery, capabilities: Capabilities, now: datetime
) -> SyncPlan:
    start, end = query.updated_from, query.updated_to
    dates_changes = api.order_model.WINDOW_FIELDS[1] is not None
    gaps = [_late_gap(api)]
    if capabilities.update_filter is not Granularity.NONE:
        gaps.append(f"changes that {api.title} does not date")
    if end is not None and dates_changes:
        gaps.append("orders that were changed again after the window, and lie in a later one")
    words = f"{api.title}: reads what changed in the window."
    asked = query
    if capabilities.update_filter is Granularity.DAY:
        asked = replace(query, updated_from=start and _before(start, _DAY))
        words = f"{api.title} filters by the day: reads from a day before the window."
    elif capabilities.update_filter is Granularity.NONE:
        asked = replace(query, updated_from=None)
        words = f"{api.title} cannot filter by update: reads every order."
    if not capabilities.update_filter_ends:
        asked = replace(asked, updated_to=None)
        if end is not None and not dates_changes:
            words += " An order does not say when it changed, so that later changes are in it too."
    return SyncPlan(
        mode="window",
        window=(start, end),
        by="updated",
        asked=asked,
        kept=query,
        started_at=now,
        words=words,
        can_miss=tuple(gaps),
    )


def _created_between(
    api: OrderApi[Any], query: OrderQuery, capabilities: Capabilities, now: datetime
) -> SyncPlan:
    start, end = query.created_from, query.created_to
    words = f"{api.title}: reads what was created in the window."
    asked, horizon = query, None
    gaps: tuple[str, ...] = ()
    if capabilities.created_filter is Granularity.NONE:
        asked = replace(query, created_from=None, created_to=None)
        words = f"{api.title} cannot filter by creation: reads every order."
        if capabilities.newest_first and start is not None:
            horizon = Horizon(entered=_before(start, _DAY), newest_id=None)
            words = f"{api.title} cannot filter by creation: reads from the newest order back to the window."
            gaps = (
                "orders entered more than a day before the date that they bear",
                f"orders behind a page of {_IMPORTED}",
            )
    elif capabilities.created_filter is Granularity.DAY:
        asked = replace(query, created_from=start and _before(start, _DAY), created_to=None)
        if end is None or end > now - _LONGEST_DAY:
            gaps = (
                f"orders of a day that was not over yet, as {api.title} may date an order with the day alone",
            )
    return SyncPlan(
        mode="window",
        window=(start, end),
        by="created",
        asked=asked,
        kept=query,
        horizon=horizon,
        started_at=now,
        words=words,
        can_miss=(*gaps, _late_gap(api)),
    )


def _deletion_gaps(api: OrderApi[Any], capabilities: Capabilities) -> tuple[str, ...]:
    deleted = f"orders deleted at {api.title}"
    if capabilities.shows_deleted:
        deleted = f"orders deleted for good at {api.title}; those it marks as deleted are read"
    return (deleted,)


def _before(moment: datetime, overlap: timedelta) -> datetime:
    """Give the moment so long before another, or the beginning of the calendar."""
    try:
        return max(moment - overlap, _BEGINNING)
    except OverflowError:
        return _BEGINNING


def _words(duration: timedelta) -> str:
    minutes, seconds = divmod(int(duration.total_seconds()), 60)
    if duration % _DAY == timedelta(0) and duration:
        return _days(duration.days)
    parts = [f"{minutes} minute{'s' * (minutes != 1)}"] if minutes or not seconds else []
    return " ".join([*parts, f"{seconds} second{'s' * (seconds != 1)}"] if seconds else parts)


def _days(days: int) -> str:
    return f"{days} day{'s' * (days != 1)}"
