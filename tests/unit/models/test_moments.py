from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.models.moments import is_blank, read_moment

PARIS = "Europe/Paris"


@pytest.mark.parametrize(
    ("text", "moment", "assumed"),
    [
        ("2014-12-20T23:00:00Z", "2014-12-20T23:00:00+00:00", False),
        ("2025-07-30T09:05:53.000000Z", "2025-07-30T09:05:53+00:00", False),
        ("2025-07-30T09:05:59.350460Z", "2025-07-30T09:05:59.350460+00:00", False),
        ("2025-07-30T08:57:08.517Z", "2025-07-30T08:57:08.517+00:00", False),
        ("2022-09-05T14:34:30+01:00", "2022-09-05T13:34:30+00:00", False),
        ("2025-05-04T09:42:00+0000", "2025-05-04T09:42:00+00:00", False),
        ("2014_12_20T22:00:00Z", "2014-12-20T22:00:00+00:00", False),
        ("2025-10-10 11:22:28", "2025-10-10T09:22:28+00:00", True),
        ("2025-01-10 11:22:28", "2025-01-10T10:22:28+00:00", True),
        ("2025-01-10T11:22", "2025-01-10T10:22:00+00:00", True),
        ("2022-09-01", "2022-08-31T22:00:00+00:00", True),
        ("18/01/2024", "2024-01-17T23:00:00+00:00", True),
        ("18/01/2024 10:30", "2024-01-18T09:30:00+00:00", True),
        ("18/01/2024 10:30:05", "2024-01-18T09:30:05+00:00", True),
        (" 2022-09-01 ", "2022-08-31T22:00:00+00:00", True),
    ],
)
def test_every_documented_form_is_read(text: str, moment: str, assumed: bool) -> None:
    assert read_moment(text, assumed_timezone=PARIS) == (datetime.fromisoformat(moment), assumed)
    assert read_moment(text, assumed_timezone=PARIS)[0].tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "string",
        "now",
        "1712011530123",
        "20240118",
        "2024-W03-4",
        "2024-13-01",
        "2024-01-1",
        "2024-01-18T25:00:00",
        "2024-01-18x10:00:00",
        "0001-01-01T00:00:00+10:00",
        "01/18/2024",
        "18/1/24",
        "\u0661\u0668/\u0660\u0661/\u0662\u0660\u0662\u0664",  # digits of another script
    ],
)
def test_what_is_not_a_date_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match="not a date") as caught:
        read_moment(text, assumed_timezone=PARIS)

    assert text not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_time_that_clocks_show_twice_is_the_first() -> None:
    moment, assumed = read_moment("2025-10-26 02:30:00", assumed_timezone=PARIS)

    assert moment == datetime(
        2025, 10, 26, 0, 30, tzinfo=UTC
    )  # still summer time; an hour later it is 01:30Z
    assert assumed


def test_a_time_that_clocks_skip_is_an_hour_later_on_the_new_clock() -> None:
    moment, _ = read_moment("2025-03-30 02:30:00", assumed_timezone=PARIS)

    assert moment == datetime(2025, 3, 30, 1, 30, tzinfo=UTC)
    assert moment.astimezone(ZoneInfo(PARIS)).hour == 3


@pytest.mark.parametrize("name", ["Europe/Pari", "", "../../etc/passwd", "Europe", "/etc/localtime", "UTC\0"])
def test_a_zone_that_does_not_exist_is_a_wrong_argument(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_moment("2022-09-01", assumed_timezone=name)

    assert caught.value.field == "assumed_timezone"


@pytest.mark.parametrize("text", [None, "", "  ", "0000-00-00", "0000-00-00 00:00:00"])
def test_no_date_is_blank(text: str | None) -> None:
    assert is_blank(text)
    assert not is_blank("2022-09-01")


aware = st.datetimes(
    min_value=datetime(1971, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    timezones=st.builds(
        timezone, st.integers(-14 * 60, 14 * 60).map(lambda minutes: timedelta(minutes=minutes))
    ),
)


@given(aware)
def test_a_date_with_a_zone_keeps_its_moment(moment: datetime) -> None:
    assert read_moment(moment.isoformat(), assumed_timezone=PARIS) == (moment, False)
    assert read_moment(moment.isoformat(" "), assumed_timezone=PARIS) == (moment, False)
    underscores = moment.astimezone(UTC).strftime("%Y_%m_%dT%H:%M:%SZ")
    assert read_moment(underscores, assumed_timezone=PARIS) == (moment.replace(microsecond=0), False)


@given(
    st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2100, 1, 1)),  # noqa: DTZ001 - zoneless
    st.sampled_from(
        [PARIS, "UTC", "Africa/Douala", "America/Sao_Paulo", "Asia/Kolkata", "Australia/Lord_Howe"]
    ),
)
def test_a_date_without_a_zone_shows_the_same_clock_there_unless_clocks_skip_it(
    moment: datetime, name: str
) -> None:
    read, assumed = read_moment(moment.isoformat(sep=" "), assumed_timezone=name)

    there = read.astimezone(ZoneInfo(name)).replace(tzinfo=None)
    assert assumed
    assert timedelta(0) <= there - moment <= timedelta(hours=1)
    day, _ = read_moment(moment.strftime("%d/%m/%Y"), assumed_timezone=name)
    assert day <= read
    assert day == read_moment(moment.strftime("%Y-%m-%d"), assumed_timezone=name)[0]


@given(st.text(max_size=30))
def test_any_text_is_a_date_or_a_value_error(text: str) -> None:
    try:
        moment, _ = read_moment(text, assumed_timezone=PARIS)
    except ValueError:
        return
    assert moment.tzinfo is UTC
