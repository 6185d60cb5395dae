"""Spans cut into windows: joined, none overlapping, at the zone's own midnights."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.export.windows import MOST_PARTS, STEPS, plan_windows

ZONES = ("UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Havana")

moments = st.datetimes(
    datetime(1990, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(2040, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([ZoneInfo(name) for name in ZONES]),
)


def read(windows: list[dict[str, str]], by: str = "created") -> list[tuple[datetime, datetime]]:
    """Read the windows as an operator does."""
    queries = [OrderQuery.of(**window) for window in windows]
    return [(getattr(query, f"{by}_from"), getattr(query, f"{by}_to")) for query in queries]


def hours(windows: list[dict[str, str]]) -> list[float]:
    return [(end - start).total_seconds() / 3600 for start, end in read(windows)]


class TestTheWindows:
    @given(
        start=moments,
        length=st.timedeltas(timedelta(microseconds=1), timedelta(days=40)),
        every=st.sampled_from(STEPS) | st.timedeltas(timedelta(hours=1), timedelta(days=400)),
        zone=st.sampled_from(ZONES),
        by=st.sampled_from(["created", "updated"]),
    )
    def test_join_into_the_span_without_an_overlap(
        self, start: datetime, length: timedelta, every: str | timedelta, zone: str, by: str
    ) -> None:
        end = start.astimezone(UTC) + length
        windows = read(plan_windows(start, end, every=every, timezone=zone, by=by), by)
        assert windows[0][0] == start.astimezone(UTC)
        assert windows[-1][1] == end
        assert all(one < other for one, other in windows)
        assert all(before[1] == after[0] for before, after in pairwise(windows))

    @given(start=moments, every=st.sampled_from(["month", "week", "day"]), zone=st.sampled_from(ZONES))
    def test_meet_at_the_first_moment_of_a_local_day(self, start: datetime, every: str, zone: str) -> None:
        end = start.astimezone(UTC) + timedelta(days=70)
        for seam, _ in read(plan_windows(start, end, every=every, timezone=zone))[1:]:
            here = seam.astimezone(ZoneInfo(zone))
            assert (seam - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date() < here.date()
            assert every != "week" or here.weekday() == 0
            assert every != "month" or here.day == 1

    def test_are_months_of_a_year(self) -> None:
        windows = plan_windows("2025-01-01", "2026-01-01", timezone="Europe/Paris")
        assert len(windows) == 12
        assert windows[2] == {
            "created_from": "2025-03-01T00:00:00+01:00",
            "created_to": "2025-04-01T00:00:00+02:00",
        }

    def test_are_as_long_as_the_days_in_which_the_clocks_change(self) -> None:
        assert hours(plan_windows("2026-03-28", "2026-03-31", every="day", timezone="Europe/Paris")) == [
            24,
            23,
            24,
        ]
        assert hours(plan_windows("2026-10-24", "2026-10-27", every="day", timezone="Europe/Paris")) == [
            24,
            25,
            24,
        ]

    def test_are_hours_of_real_time_while_the_clocks_change(self) -> None:
        windows = plan_windows("2026-10-25", "2026-10-26", every="hour", timezone="Europe/Paris")
        assert hours(windows) == [1] * 25
        assert [window["created_from"][11:] for window in windows[1:4]] == [
            "01:00:00+02:00",
            "02:00:00+02:00",
            "02:00:00+01:00",
        ]

    def test_begin_where_the_clocks_skip_midnight(self) -> None:
        # In Havana the clocks went from 24:00 to 01:00 in the night to 2026-03-08.
        (_, day, _) = plan_windows("2026-03-07", "2026-03-10", every="day", timezone="America/Havana")
        assert day == {
            "created_from": "2026-03-08T01:00:00-04:00",
            "created_to": "2026-03-09T00:00:00-04:00",
        }

    def test_are_cut_at_start_and_end(self) -> None:
        assert plan_windows("2026-01-15T10:00:00Z", "2026-02-02T00:00:00Z", by="updated") == [
            {"updated_from": "2026-01-15T10:00:00+00:00", "updated_to": "2026-02-01T00:00:00+00:00"},
            {"updated_from": "2026-02-01T00:00:00+00:00", "updated_to": "2026-02-02T00:00:00+00:00"},
        ]

    def test_begin_on_mondays_and_at_full_hours(self) -> None:
        weeks = plan_windows("2026-01-01", "2026-01-20", every="week")
        assert [week["created_from"][:10] for week in weeks] == [
            "2026-01-01",
            "2026-01-05",
            "2026-01-12",
            "2026-01-19",
        ]
        full = plan_windows(
            "2026-01-01T00:10:00Z", "2026-01-01T02:00:00Z", every="hour", timezone="Asia/Kolkata"
        )
        assert [hour["created_from"][11:16] for hour in full] == ["05:40", "06:00", "07:00"]

    def test_may_have_any_length(self) -> None:
        start = datetime(2026, 1, 1, 7, tzinfo=UTC)
        assert hours(plan_windows(start, start + timedelta(hours=10), every=timedelta(hours=4))) == [4, 4, 2]
        assert hours(plan_windows(start, start + timedelta(hours=10), every=timedelta.max)) == [10]

    def test_take_every_form_of_a_moment(self) -> None:
        whole = [
            {"created_from": "2026-01-01T00:00:00+00:00", "created_to": "2026-01-02T00:00:00+00:00"},
        ]
        forms: list[tuple[datetime | date | str, datetime | date | str]] = [
            (date(2026, 1, 1), date(2026, 1, 2)),
            (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-02T00:00:00Z"),
            ("2026-01-01 01:00:00+01:00", pendulum.datetime(2026, 1, 2)),
        ]
        for start, end in forms:
            assert plan_windows(start, end) == whole

    def test_reach_the_end_of_the_calendar(self) -> None:
        assert len(plan_windows("9999-12-30", "9999-12-31T23:00:00Z", every="day")) == 2
        assert len(plan_windows("9999-12-01", "9999-12-31", every="month")) == 1


class TestRefuses:
    @pytest.mark.parametrize(
        ("field", "arguments"),
        [
            ("end", {"end": "2026-01-01"}),
            ("end", {"end": "2025-12-31"}),
            ("start", {"start": datetime(2026, 1, 1)}),  # noqa: DTZ001 - that is what is refused
            ("start", {"start": "2026-01-01T00:00:00"}),
            ("start", {"start": "yesterday"}),
            ("start", {"start": ""}),
            ("start", {"start": "0001-01-01", "timezone": "Asia/Tokyo"}),
            ("every", {"every": "fortnight"}),
            ("every", {"every": timedelta(0)}),
            ("every", {"every": timedelta(seconds=-1)}),
            ("every", {"every": None}),
            ("timezone", {"timezone": "Paris"}),
            ("timezone", {"timezone": ""}),
            ("timezone", {"timezone": None}),
            ("by", {"by": "placed"}),
        ],
    )
    def test_what_cannot_be_meant(self, field: str, arguments: dict[str, object]) -> None:
        with pytest.raises(ConfigurationError, match=field) as caught:
            plan_windows(**{"start": "2026-01-01", "end": "2026-02-01", **arguments})  # type: ignore[arg-type]
        assert caught.value.field == field

    def test_more_windows_than_airflow_maps(self) -> None:
        start = datetime(2026, 1, 1, tzinfo=UTC)
        assert len(plan_windows(start, start + timedelta(hours=MOST_PARTS), every="hour")) == MOST_PARTS
        with pytest.raises(ConfigurationError, match=r"more than 1024 windows.*max_map_length"):
            plan_windows(start, start + timedelta(hours=MOST_PARTS, seconds=1), every="hour")
        with pytest.raises(ConfigurationError, match="more than 3 windows"):
            plan_windows("0001-01-01", "9999-12-31", every="day", most=3)


def test_costs_nothing_to_import() -> None:
    code = (
        "import sys, airflow_provider_orders.errors; before = set(sys.modules)\n"
        "import airflow_provider_orders.export.windows\n"
        "new = set(sys.modules) - before\n"
        "print(new & {'pendulum', 'pydantic', 'msgspec', 'requests', 'sqlite3', 'pyarrow', 'sqlalchemy'})"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
