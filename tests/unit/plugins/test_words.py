"""How the Orders page writes numbers and moments."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_orders.plugins.page import words
from tests.unit.plugins.metadata import NOW

THIN = "\u202f"


def at(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (999, "999"), (1000, f"1{THIN}000"), (1234567, f"1{THIN}234{THIN}567")]
)
def test_amounts_are_written_in_groups(number: int, text: str) -> None:
    assert words.amount(number) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0 fields"), (1, "1 field"), (2, "2 fields")])
def test_nouns_agree_with_their_number(number: int, text: str) -> None:
    assert words.plural(number, "field") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (1.44, "1.4 s"),
        (9.96, "10.0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3599.7, "1 h"),
        (3661, "1 h 1 min"),
        (86_399, "1 day"),
        (90_000, "1 day 1 h"),
        (180_000, "2 days 2 h"),
    ],
)
def test_lengths_of_time_have_two_units_at_the_most(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("past", "text"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 min ago"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(hours=23), "23 h ago"),
        (timedelta(hours=24), "1 day ago"),
        (timedelta(days=29), "29 days ago"),
    ],
)
def test_moments_are_told_from_now(past: timedelta, text: str) -> None:
    assert words.ago(NOW - past, NOW) == text


def test_moments_are_written_in_utc() -> None:
    east = timezone(timedelta(hours=2))

    assert words.moment(NOW.astimezone(east), NOW) == "22 Nov 12:00"
    assert words.moment(NOW.replace(year=2025, month=1, day=2), NOW) == "2 Jan 2025 12:00"


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (None, None, "Everything"),
        (None, "2026-11-21T00:00:00+00:00", "Until 21 Nov 00:00"),
        ("2026-11-21T00:00:00+00:00", None, "Since 21 Nov 00:00"),
        ("2026-11-21T00:00:00+00:00", "2026-11-21T06:30:00+00:00", "21 Nov 00:00 to 06:30"),
        ("2026-11-21T00:00:00+00:00", "2026-11-22T00:00:00+00:00", "21 Nov 00:00 to 22 Nov 00:00"),
        ("2025-12-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00", "1 Dec 2025 00:00 to 1 Jan 2026 00:00"),
    ],
)
def test_windows_name_what_is_closed(start: str | None, end: str | None, text: str) -> None:
    assert words.window((at(start), at(end)), NOW) == text


def test_statuses_read_as_words() -> None:
    assert words.status_name("partially_delivered") == "Partially delivered"
