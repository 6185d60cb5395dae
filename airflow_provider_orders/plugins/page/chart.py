"""The chart of freshness: how old the newest known change was, over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from airflow_provider_orders.plugins.page import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from airflow_provider_orders.plugins.page.report import Freshness

__all__ = ["Chart", "Mark", "Tick", "freshness_chart"]

WIDTH: Final = 720
HEIGHT: Final = 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 28

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_TIME_STEPS: Final = (
    *(minutes * _MINUTE for minutes in (0.25, 1, 5, 15, 30)),
    *(hours * _HOUR for hours in (1, 3, 6, 12)),
    *(days * _DAY for days in (1, 2, 7)),
)
_AGE_STEPS: Final = (
    *(seconds for seconds in (5, 15)),
    *(minutes * _MINUTE for minutes in (0.5, 1, 2, 5, 15, 30)),
    *(hours * _HOUR for hours in (1, 2, 3, 6, 12)),
    *(days * _DAY for days in (1, 2, 7, 14, 30, 90, 365, 3_650)),
)
_MOST_TIME_TICKS, _MOST_AGE_TICKS = 7, 4
_SHORTEST: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the grid.

    :param at: its place, in units of the chart.
    :param label: what stands beside it.
    """

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Mark:
    """An export.

    :param text: what a reader hears or sees of it.
    """

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What the template draws; all places are in units of the chart.

    :param line: points of the line, as SVG wants them.
    :param area: the same, closed along the axis.
    :param exports: where exports ended.
    :param failures: where exports failed.
    :param times: ticks of the time axis.
    :param ages: ticks of the age axis.
    :param description: the chart in words.
    """

    line: str
    area: str
    exports: Sequence[Mark]
    failures: Sequence[Mark]
    times: Sequence[Tick]
    ages: Sequence[Tick]
    description: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def freshness_chart(points: Sequence[Freshness], failures: Iterable[datetime], now: datetime) -> Chart | None:
    """Draw how the age of the data grew, and fell with each export.

    :param points: the exports that succeeded, oldest first.
    :param failures: when exports failed.
    :param now: the right end.
    :return: None where fewer than two exports succeeded: there is nothing to compare then.
    """
    if len(points) < 2:
        return None
    start = min(points[0].at, now - _SHORTEST)
    turns = _turns(points, now)
    oldest = max(age for _, age in turns)
    step = _step(oldest, _AGE_STEPS, _MOST_AGE_TICKS)
    top = step * max(1, -(-oldest // step))

    def x(when: datetime) -> float:
        share = (when - start) / (now - start)
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def y(age: float) -> float:
        return round(HEIGHT - _BOTTOM - age / top * (HEIGHT - _TOP - _BOTTOM), 1)

    corners = [(x(when), y(age)) for when, age in turns]
    line = " ".join(f"{left},{up}" for left, up in corners)
    floor = y(0)
    return Chart(
        line=line,
        area=f"{corners[0][0]},{floor} {line} {corners[-1][0]},{floor}",
        exports=[
            Mark(
                x(point.at),
                y(_age(point.at, point.data_until)),
                f"{words.moment(point.at, now)} UTC: data up to {words.moment(point.data_until, now)}",
            )
            for point in points
        ],
        failures=[
            Mark(x(when), floor, f"{words.moment(when, now)} UTC: an export failed")
            for when in failures
            if when >= start
        ],
        times=[Tick(x(when), label) for when, label in _times(start, now)],
        ages=[Tick(y(number * step), _age_label(number * step)) for number in range(round(top / step) + 1)],
        description=_description(turns, points, now),
    )


def _turns(points: Sequence[Freshness], now: datetime) -> list[tuple[datetime, float]]:
    """Give the corners of the line: the age just before and just after each export, and now."""
    turns = []
    for before, point in zip([None, *points], points, strict=False):
        if before is not None:
            turns.append((point.at, _age(point.at, before.data_until)))
        turns.append((point.at, _age(point.at, point.data_until)))
    turns.append((now, _age(now, points[-1].data_until)))
    return turns


def _age(when: datetime, data_until: datetime) -> float:
    return max((when - data_until).total_seconds(), 0.0)


def _step(span: float, steps: Sequence[float], most: int) -> float:
    return next((step for step in steps if span <= step * most), steps[-1])


def _times(start: datetime, now: datetime) -> Iterator[tuple[datetime, str]]:
    step = _step((now - start).total_seconds(), _TIME_STEPS, _MOST_TIME_TICKS)
    number = -(-start.timestamp() // step)
    while number * step <= now.timestamp():
        when = datetime.fromtimestamp(number * step, tz=UTC)
        yield when, _time_label(when, step)
        number += 1


def _time_label(when: datetime, step: float) -> str:
    if step < _MINUTE:
        return f"{when:%H:%M:%S}"
    return f"{when:%H:%M}" if when.hour or when.minute else f"{when.day} {when:%b}"


def _age_label(seconds: float) -> str:
    if seconds == 0:
        return "0"
    for unit, size in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def _description(turns: Sequence[tuple[datetime, float]], points: Sequence[Freshness], now: datetime) -> str:
    when, oldest = max(turns, key=lambda turn: turn[1])
    return (
        f"Age of the data over time, with {words.plural(len(points), 'export')} since "
        f"{words.moment(points[0].at, now)} UTC. It is {words.duration(turns[-1][1])} now; "
        f"the highest was {words.duration(oldest)}, at {words.moment(when, now)} UTC."
    )
