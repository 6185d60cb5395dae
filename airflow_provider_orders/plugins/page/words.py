"""How the page writes numbers, moments and lengths of time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

__all__ = ["ago", "amount", "duration", "moment", "plural", "status_name", "window"]

_UNITS: Final = (("day", 86_400), ("h", 3_600), ("min", 60))
_THIN_SPACE: Final = "\u202f"


def amount(number: int) -> str:
    """Write a number in groups of three digits."""
    return f"{number:,}".replace(",", _THIN_SPACE)


def plural(number: int, one: str, many: str | None = None) -> str:
    """Write a number with its noun."""
    return f"{amount(number)} {one if number == 1 else many or f'{one}s'}"


def duration(seconds: float) -> str:
    """Write a length of time, with two units at the most."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return _two(whole // 60, "min", whole % 60, "s")
    minutes = round(seconds / 60)
    if minutes < 1_440:
        return _two(minutes // 60, "h", minutes % 60, "min")
    hours = round(seconds / 3_600)
    return _two(hours // 24, "day" if hours // 24 == 1 else "days", hours % 24, "h")


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit}" + (f" {small} {small_unit}" if small else "")


def ago(then: datetime, now: datetime) -> str:
    """Write a moment as seen from now, in the largest unit."""
    seconds = (now - then).total_seconds()
    if seconds < 60:
        return "just now"
    for unit, size in _UNITS:
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit if number == 1 or unit != 'day' else 'days'} ago"
    raise AssertionError("A minute is the smallest unit.")


def moment(when: datetime, now: datetime) -> str:
    """Write a moment in UTC; with the year only where it is another one."""
    return _moment(when, with_year=when.astimezone(UTC).year != now.year)


def _moment(when: datetime, *, with_year: bool) -> str:
    when = when.astimezone(UTC)
    return f"{when.day} {when:%b %Y %H:%M}" if with_year else f"{when.day} {when:%b %H:%M}"


def window(limits: tuple[datetime | None, datetime | None], now: datetime) -> str:
    """Write a window; without limits it is everything."""
    start, end = limits
    if start is None:
        return f"Until {moment(end, now)}" if end else "Everything"
    if end is None:
        return f"Since {moment(start, now)}"
    with_year = {now.year} != {limit.astimezone(UTC).year for limit in (start, end)}
    first, last = (_moment(limit, with_year=with_year) for limit in (start, end))
    same_day = first.rpartition(" ")[0] == last.rpartition(" ")[0]
    return f"{first} to {last.rpartition(' ')[2] if same_day else last}"


def status_name(status: str) -> str:
    """Write a canonical status, or the name of an axis, as words."""
    return status.replace("_", " ").capitalize()
