"""Cuts a span of time into windows, so that an export can be spread over workers. Cheap to import and to call."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.models.moments import in_utc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["KINDS", "MOST_PARTS", "STEPS", "Window", "cut", "plan_windows", "window_kwargs"]

KINDS: Final = ("created", "updated")
"""What of an order a window is about."""

STEPS: Final = ("month", "week", "day", "hour")

MOST_PARTS: Final = 1024
"""How often Airflow maps a task, unless ``[core] max_map_length`` says otherwise."""

Window = tuple[datetime | None, datetime | None]
"""From, included, and to, not included; None where open."""


def plan_windows(
    start: datetime | date | str,
    end: datetime | date | str,
    *,
    every: str | timedelta = "month",
    timezone: str = "UTC",
    by: str = "created",
    most: int = MOST_PARTS,
) -> list[dict[str, str]]:
    """Split a span of time into windows, as arguments for a mapped export.

    ::

        OrdersToObjectStorageOperator.partial(task_id="export", orders_conn_id="genuka_default").expand_kwargs(
            plan_windows("2025-01-01", "2026-01-01", every="month", timezone="Europe/Paris")
        )

    The windows join: none overlaps another, and together they are the span. Months, weeks (from Monday) and days begin
    at midnight of the zone, so that a day in which the clocks change has 23 or 25 hours. The first window begins at
    ``start`` and the last one ends at ``end``, wherever these lie.

    :param start: where the span begins: an aware datetime, its ISO text, or a date, which means its midnight in the zone.
    :param end: where it ends, not included.
    :param every: ``month``, ``week``, ``day``, ``hour``, or a timedelta, which is counted from ``start``.
    :param timezone: the zone whose midnights and full hours count.
    :param by: ``created`` puts each order into one window, whatever happens to it meanwhile; ``updated`` is for what
        changed in the span: an order that changes while the windows are read leaves its window for a later one.
    :param most: the most windows to give.
    :return: one dict a window, such as ``{"created_from": "2025-01-01T00:00:00+01:00", "created_to": ...}``.
    :raises ConfigurationError: an argument cannot be meant, or there would be too many windows.
    """
    zone = _zone(timezone)
    if by not in KINDS:
        raise ConfigurationError(f"by must be {' or '.join(KINDS)}, not {by!r}.", field="by")
    first, last = _moment("start", start, zone), _moment("end", end, zone)
    if first >= last:
        raise ConfigurationError("end must lie after start; they are half-open.", field="end")
    windows: list[dict[str, str]] = []
    for window in cut(first, last, every=every, zone=zone):
        if len(windows) == most:
            raise ConfigurationError(
                f"These are more than {most} windows, and Airflow maps a task at most that often "
                "([core] max_map_length). Choose a longer every, or split the span over several runs.",
                field="every",
            )
        windows.append(window_kwargs(by, window))
    return windows


def cut(
    start: datetime, end: datetime, *, every: str | timedelta, zone: ZoneInfo
) -> Iterator[tuple[datetime, datetime]]:
    """Give the windows of a span, in the zone's time.

    :raises ConfigurationError: ``every`` is none of the steps.
    """
    following = _following(start, every, zone)
    begin, end_utc = start.astimezone(UTC), end.astimezone(UTC)
    while begin < end_utc:
        # Compared in UTC: of two moments in the same zone Python compares the clocks, not the moments.
        try:
            stop = min(following(begin), end_utc)
        except OverflowError:  # the calendar ends with the year 9999
            stop = end_utc
        yield begin.astimezone(zone), stop.astimezone(zone)
        begin = stop


def window_kwargs(by: str, window: Window) -> dict[str, str]:
    """Give a window as an operator's arguments."""
    names = (f"{by}_from", f"{by}_to")
    return {
        name: moment.isoformat() for name, moment in zip(names, window, strict=True) if moment is not None
    }


def _following(start: datetime, every: str | timedelta, zone: ZoneInfo) -> Callable[[datetime], datetime]:
    """Give what finds the end of the window that begins at a moment; all in UTC."""
    if isinstance(every, timedelta):
        if every <= timedelta(0):
            raise ConfigurationError("every must be longer than nothing.", field="every")
        step = every
        return lambda begin: begin + step
    if every not in STEPS:
        raise ConfigurationError(
            f"every must be one of {', '.join(STEPS)} or a timedelta, not {every!r}.", field="every"
        )
    if every == "hour":
        local = start.astimezone(zone)
        into_hour = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        first = start.astimezone(UTC) - into_hour
        return lambda begin: begin + timedelta(hours=1) - (begin - first) % timedelta(hours=1)
    next_day = {"day": _tomorrow, "week": _next_monday, "month": _next_first}[every]

    def midnight(begin: datetime) -> datetime:
        day = next_day(begin.astimezone(zone).date())
        # A midnight that the clocks skip becomes the moment they skip from; of one that comes twice it is the first.
        return datetime.combine(day, time(), zone).astimezone(UTC)

    return midnight


def _tomorrow(day: date) -> date:
    return day + timedelta(days=1)


def _next_monday(day: date) -> date:
    return day + timedelta(days=7 - day.weekday())


def _next_first(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        message = f"timezone: {name!r} is not a time zone. Use a name such as Europe/Paris or UTC."
    raise ConfigurationError(message, field="timezone")


def _moment(name: str, value: datetime | date | str, zone: ZoneInfo) -> datetime:
    """Read a moment, or a date as its midnight in the zone; in UTC."""
    if isinstance(value, str):
        value = _parsed(name, value.strip())
    if not isinstance(value, datetime):
        value = datetime.combine(value, time(), zone)
    if value.tzinfo is None:
        raise ConfigurationError(
            f"{name} has no time zone; write it as 2026-01-31T00:00:00Z, pass an aware datetime, or give a date alone.",
            field=name,
        )
    return in_utc(name, value)


def _parsed(name: str, text: str) -> datetime | date:
    try:
        return date.fromisoformat(text) if len(text) == len("2026-01-31") else datetime.fromisoformat(text)
    except ValueError:
        message = f"{name} is no moment; write it as 2026-01-31T00:00:00Z, or as a date."
    raise ConfigurationError(message, field=name)
