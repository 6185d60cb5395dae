from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_orders.cli.selection import in_words, query_of

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def selected(**options: Any) -> Any:
    given = {
        "since": None, "until": None, "all": False, "window": "updated", "statuses": None, "ambassador_id": None,
        "params": None, "with_lines": False,
    } | options  # fmt: skip
    return query_of(argparse.Namespace(**given), now=NOW)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-30", datetime(2026, 1, 30, tzinfo=UTC)),
        ("2026-01-30T08:00:00Z", datetime(2026, 1, 30, 8, tzinfo=UTC)),
        ("2026-01-30T08:00:00+01:00", datetime(2026, 1, 30, 7, tzinfo=UTC)),
        ("90m", datetime(2026, 1, 31, 10, 30, tzinfo=UTC)),
        ("24h", datetime(2026, 1, 30, 12, tzinfo=UTC)),
        ("7d", datetime(2026, 1, 24, 12, tzinfo=UTC)),
        ("1w", datetime(2026, 1, 24, 12, tzinfo=UTC)),
    ],
)
def test_moments_are_read_as_people_write_them(text: str, moment: datetime) -> None:
    assert selected(since=text).updated_from == moment


def test_the_window_is_about_creation_when_asked() -> None:
    query = selected(since="2026-01-01", until="2026-01-02", window="created")

    assert query.asked == {"created_from", "created_to"}


def test_everything_is_an_empty_query() -> None:
    assert selected(all=True).asked == frozenset()


def test_filters_are_told_by_name_only() -> None:
    words = in_words(
        selected(
            since="2026-01-01", statuses=["paid"], ambassador_id="7", params=["customer=jane@example.org"]
        )
    )

    assert words == "updated since 2026-01-01 00:00:00 UTC, status paid, ambassador 7, filtered by customer"


def test_no_filter_at_all_is_every_order() -> None:
    assert in_words(selected(all=True)) == "every order"
