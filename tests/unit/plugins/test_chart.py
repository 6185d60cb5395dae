"""The chart of freshness."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from airflow_provider_orders.plugins.page.chart import Chart, freshness_chart
from airflow_provider_orders.plugins.page.report import Freshness
from tests.unit.plugins.metadata import NOW


def point(ended_h: float, until_h: float) -> Freshness:
    """Give an export that ended, and knew of changes until, so many hours ago."""
    return Freshness(at=NOW - timedelta(hours=ended_h), data_until=NOW - timedelta(hours=until_h))


def chart(*points: Freshness, failures: tuple[datetime, ...] = ()) -> Chart:
    drawn = freshness_chart(points, failures, NOW)
    assert drawn is not None
    return drawn


@pytest.mark.parametrize("points", [[], [point(1, 1)]])
def test_without_two_exports_there_is_no_chart(points: list[Freshness]) -> None:
    assert freshness_chart(points, [NOW], NOW) is None


def test_age_grows_and_falls_with_each_export() -> None:
    drawn = chart(point(4, 5), point(2, 2))

    ages = [tuple(map(float, corner.split(","))) for corner in drawn.line.split()]
    heights = [drawn.bottom - y for _, y in ages]
    assert [round(height / heights[0], 1) for height in heights] == [1, 3, 0, 2]
    assert (ages[0][0], ages[-1][0]) == (drawn.left, drawn.right)
    assert ages[1][0] == ages[2][0] == (drawn.left + drawn.right) / 2


def test_axes_have_round_numbers() -> None:
    drawn = chart(point(4, 5), point(2, 2))

    assert [tick.label for tick in drawn.ages] == ["0", "1 h", "2 h", "3 h"]
    assert [tick.label for tick in drawn.times] == ["08:00", "09:00", "10:00", "11:00", "12:00"]


def test_days_are_named() -> None:
    assert [tick.label for tick in chart(point(24 * 6, 24 * 6 + 1), point(1, 1)).times] == [
        "17 Nov", "18 Nov", "19 Nov", "20 Nov", "21 Nov", "22 Nov",
    ]  # fmt: skip
    assert [tick.label for tick in chart(point(30, 31), point(1, 1)).times] == [
        "06:00", "12:00", "18:00", "22 Nov", "06:00", "12:00",
    ]  # fmt: skip


def test_failures_lie_on_the_axis() -> None:
    drawn = chart(point(4, 5), point(1, 1), failures=(NOW - timedelta(hours=2), NOW - timedelta(days=20)))

    (mark,) = drawn.failures
    assert (mark.x, mark.y) == ((drawn.left + drawn.right) / 2, drawn.bottom)
    assert mark.text == "22 Nov 10:00 UTC: an export failed"


def test_the_chart_is_told_in_words() -> None:
    assert chart(point(4, 5), point(2, 2)).description == (
        "Age of the data over time, with 2 exports since 22 Nov 08:00 UTC. It is 2 h now; the highest was 3 h, "
        "at 22 Nov 10:00 UTC."
    )


def test_exports_that_have_just_ended_can_be_drawn() -> None:
    drawn = chart(point(0.0001, 0.0001), point(0, 0))

    assert len(drawn.exports) == 2
    assert drawn.ages[0].label == "0"
    assert [tick.label for tick in drawn.times] == [
        "11:59:00",
        "11:59:15",
        "11:59:30",
        "11:59:45",
        "12:00:00",
    ]


@given(some.lists(some.tuples(some.floats(0, 24 * 30), some.floats(0, 24 * 3650)), min_size=2, max_size=50))
def test_every_mark_lies_within_the_chart(moments: list[tuple[float, float]]) -> None:
    ended = sorted((ended for ended, _ in moments), reverse=True)
    known = sorted((extra for _, extra in moments), reverse=True)
    points = [point(end, end + extra) for end, extra in zip(ended, known, strict=True)]

    drawn = chart(*points)

    corners = [tuple(map(float, corner.split(","))) for corner in drawn.area.split()]
    for x, y in [*corners, *((mark.x, mark.y) for mark in drawn.exports)]:
        assert drawn.left <= x <= drawn.right
        assert drawn.top <= y <= drawn.bottom
    assert 1 <= len(drawn.times) <= 8
    assert 2 <= len(drawn.ages) <= 6
