"""Read every form of date that the four APIs send."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from airflow_provider_orders.errors import ConfigurationError

__all__ = ["in_utc", "is_blank", "read_moment", "seconds_of", "zone"]

# Several times as fast as ``moment.replace(tzinfo=...).astimezone(UTC)``, with the same result.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = _EPOCH.replace(tzinfo=None)
_NO_OFFSET = timedelta(0)

_DAY_FIRST = re.compile(r"(\d{2})/(\d{2})/(\d{4})(?:[ T](\d{2}:\d{2}(?::\d{2})?))?", re.ASCII)


def read_moment(text: str, *, assumed_timezone: str) -> tuple[datetime, bool]:
    """Read a date in any of the documented forms.

    ============================== ==============================================================
    ``2025-07-30T09:05:53Z``       ISO 8601 with a zone: Valomnia, Genuka (with microseconds), Popsell
    ``2022-09-05T14:34:30+01:00``  ISO 8601 with an offset: Dipli's dropship API
    ``2014_12_20T22:00:00Z``       a slip in Valomnia's payment page, read all the same
    ``2026-01-29 09:32:37``        no zone: Genuka's batches; *assumed* for Popsell's order dates
    ``2022-09-01``                 a day: Dipli; the first moment of that day
    ``18/01/2024``                 day first: Genuka's ``billing.scheduled_at``
    ============================== ==============================================================

    A local time that clocks show twice (the autumn change) is the first of the two. One that they
    skip (the spring change) is read as if the change had not happened yet, which is an hour later on
    the new clock. So a date without a zone can be an hour off, but never lost.

    :param text: the date as the vendor wrote it.
    :param assumed_timezone: name of the zone for a date without one, such as ``Europe/Paris``.
    :return: the moment in UTC, and whether the zone had to be assumed.
    :raises ValueError: it is none of these forms; the message does not repeat the text.
    :raises ConfigurationError: there is no such zone.
    """
    try:
        moment = datetime.fromisoformat(text if _is_iso(text) else _as_iso(text.strip()))
        if moment.tzinfo is None:
            offset = zone(assumed_timezone).utcoffset(moment) or _NO_OFFSET
            return _EPOCH + (moment - _NAIVE_EPOCH - offset), True
        return moment.astimezone(UTC), False
    except (ValueError, OverflowError):
        problem = "not a date in any documented form"
    raise ValueError(problem)


def is_blank(text: str | None) -> bool:
    """Tell whether a date field holds no date: null, empty, or MySQL's zero date (*assumed*)."""
    return text is None or not text.strip() or text.startswith("0000-00-00")


def in_utc(name: str, moment: datetime) -> datetime:
    """Give an aware moment of any kind as a plain one in UTC.

    :param name: the argument, for the error.
    :raises ConfigurationError: in UTC it lies outside of the calendar.
    """
    try:
        # Pendulum's reckon in ways of their own, and Airflow's lazy ones have another repr() in each process.
        return datetime.fromisoformat(moment.isoformat()).astimezone(UTC)
    except OverflowError:
        message = f"{name} lies outside of the years 1 to 9999."
    raise ConfigurationError(message, field=name)


def seconds_of(duration: object) -> float | None:
    """Give a duration, a timedelta or a number of seconds, in seconds; None where it is neither."""
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    if isinstance(duration, int | float) and not isinstance(duration, bool):
        return float(duration)
    return None


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """Find a time zone by its name.

    :raises ConfigurationError: there is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f"assumed_timezone: {name!r} is not a time zone. Use a name such as Europe/Paris or UTC."
    raise ConfigurationError(message, field="assumed_timezone")


def _is_iso(text: str) -> bool:
    # fromisoformat also takes bare digits ("1712011530123") and ISO weeks, which no vendor sends: it
    # would make a date of a number. So the separators must be where they belong.
    return text[4:8:3] == "--" and text[10:11] in "T "


def _as_iso(text: str) -> str:
    if text[4:5] == "_" and text[7:8] == "_":
        text = text.replace("_", "-")
    elif match := _DAY_FIRST.fullmatch(text):
        day, month, year, time = match.groups()
        text = f"{year}-{month}-{day}" + (f"T{time}" if time else "")
    if not _is_iso(text):
        raise ValueError
    return text
