from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lazy_object_proxy import Proxy  # type: ignore[import-untyped]

from airflow_provider_orders.apis.query import OrderQuery, whole_number, whole_second
from airflow_provider_orders.errors import ConfigurationError

DAY = datetime(2026, 1, 31, tzinfo=UTC)


class TestReading:
    def test_people_write_texts(self) -> None:
        query = OrderQuery.of(
            updated_from="2026-01-31T00:00:00Z",
            updated_to="2026-02-01T02:00:00+02:00",
            statuses="delivered",
            ambassador_id="7",
            params={"new": True, "count": 3},
        )
        assert query.updated_from == DAY
        assert query.updated_to == DAY + timedelta(days=1)
        assert query.statuses == ("delivered",)
        assert query.ambassador_id == 7
        assert query.params == {"new": "true", "count": "3"}

    def test_absent_filters_are_none_or_empty_text_as_templates_render_them(self) -> None:
        assert OrderQuery.of(updated_from=None, updated_to="", statuses=None).asked == frozenset()

    @pytest.mark.parametrize(
        ("filters", "name"),
        [
            ({"updated_from": datetime(2026, 1, 31)}, "updated_from"),  # noqa: DTZ001 - what is tested
            ({"updated_from": "2026-01-31T00:00:00"}, "updated_from"),
            ({"updated_from": "2026-01-31"}, "updated_from"),
            ({"created_to": "yesterday"}, "created_to"),
            ({"updated_from": DAY, "updated_to": DAY - timedelta(seconds=1)}, "updated_to"),
            ({"created_from": DAY, "created_to": DAY - timedelta(seconds=1)}, "created_to"),
            ({"statuses": 5}, "statuses"),
            ({"statuses": ["delivered", None]}, "statuses"),
            ({"ambassador_id": "seven"}, "ambassador_id"),
            ({"ambassador_id": 0}, "ambassador_id"),
            ({"params": "new=1"}, "params"),
            ({"with_lines": "yes"}, "with_lines"),
            ({"updated_since": DAY}, "updated_since"),
        ],
    )
    def test_what_cannot_be_meant_is_named(self, filters: dict[str, Any], name: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            OrderQuery.of(**filters)
        assert caught.value.field == name
        assert name in str(caught.value)

    def test_a_moment_of_a_text_keeps_its_zone_in_sums(self) -> None:
        moment = OrderQuery.of(created_from="2026-01-31T00:00:00Z").created_from
        assert moment is not None
        assert moment - timedelta(days=1) == datetime(2026, 1, 30, tzinfo=UTC)


class TestMoments:
    @pytest.mark.parametrize(
        "moment",
        [
            pendulum.datetime(2026, 1, 31, 1, tz="Europe/Paris"),
            Proxy(lambda: DAY),
            datetime(2026, 1, 31, 1, tzinfo=ZoneInfo("Europe/Paris")),
        ],
    )
    def test_of_any_kind_are_plain_ones_in_utc(self, moment: Any) -> None:
        for query in (OrderQuery.of(created_from=moment), replace(OrderQuery(), created_from=moment)):
            assert type(query.created_from) is datetime
            assert query.created_from == DAY
            assert repr(query) == repr(OrderQuery(created_from=DAY))

    @pytest.mark.parametrize("text", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
    def test_outside_of_the_calendar_are_named(self, text: str) -> None:
        with pytest.raises(ConfigurationError, match="created_to lies outside of the years 1 to 9999"):
            OrderQuery.of(created_to=text)


class TestWindow:
    def test_it_is_half_open(self) -> None:
        query = OrderQuery(updated_from=DAY, updated_to=DAY + timedelta(hours=1))
        assert query.in_window(None, DAY)
        assert query.in_window(None, DAY + timedelta(minutes=59))
        assert not query.in_window(None, DAY + timedelta(hours=1))
        assert not query.in_window(None, DAY - timedelta(microseconds=1))

    def test_one_that_begins_where_it_ends_is_empty(self) -> None:
        assert OrderQuery(updated_from=DAY, updated_to=DAY).is_empty()
        assert OrderQuery(created_from=DAY, created_to=DAY).is_empty()
        assert not OrderQuery(updated_from=DAY, updated_to=DAY + timedelta(seconds=1)).is_empty()
        assert not OrderQuery().is_empty()

    def test_an_unknown_time_is_never_dropped(self) -> None:
        assert OrderQuery(created_from=DAY, updated_from=DAY).in_window(None, None)

    @given(st.floats(0, 4e9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)))
    def test_whole_seconds_never_narrow_a_window(self, moment: datetime) -> None:
        start = datetime.fromisoformat(whole_second(moment))
        end = datetime.fromisoformat(whole_second(moment, up=True))
        assert start <= moment <= end
        assert end - start < timedelta(seconds=2)

    @pytest.mark.parametrize(
        ("moment", "text"),
        [
            (datetime.min.replace(tzinfo=UTC), "0001-01-01T00:00:00Z"),
            (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59Z"),
        ],
    )
    def test_seconds_are_written_to_the_ends_of_the_calendar(self, moment: datetime, text: str) -> None:
        assert whole_second(moment, up=True) == text

    def test_seconds_are_written_in_utc(self) -> None:
        assert (
            whole_second(datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))))
            == "2025-12-31T23:00:00Z"
        )


class TestWholeNumber:
    @pytest.mark.parametrize("value", [5, "5", " 5 "])
    def test_it_reads_numbers_and_texts(self, value: object) -> None:
        assert whole_number("limit", value) == 5

    @pytest.mark.parametrize("value", [0, -1, True, "x", 1.5, None, "²", 11])
    def test_it_refuses_the_rest(self, value: object) -> None:
        with pytest.raises(ConfigurationError, match="limit must be a whole number from 1 to 10"):
            whole_number("limit", value, most=10)
