from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_orders.apis.settings import Origin
from airflow_provider_orders.errors import UnsafeRedirectError
from airflow_provider_orders.http.policy import RequestBudget, RetryPolicy, retry_after_s

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


class TestRetryAfter:
    def test_seconds(self) -> None:
        assert retry_after_s(" 120 ", now=NOW) == 120

    def test_date(self) -> None:
        assert retry_after_s(format_datetime(NOW + timedelta(seconds=90), usegmt=True), now=NOW) == 90

    def test_a_date_without_zone_is_utc(self) -> None:
        assert retry_after_s("Sat, 31 Jan 2026 12:00:30 -0000", now=NOW) == 30

    def test_a_date_in_the_past_is_no_wait(self) -> None:
        assert retry_after_s(format_datetime(NOW - timedelta(days=1)), now=NOW) == 0

    @pytest.mark.parametrize("value", [None, "", "soon", "-1", "1.5", "²"])
    def test_anything_else_is_unknown(self, value: str | None) -> None:
        assert retry_after_s(value, now=NOW) is None

    @given(st.text(max_size=40))
    def test_no_text_breaks_it(self, value: str) -> None:
        wait = retry_after_s(value, now=NOW)
        assert wait is None or wait >= 0


class TestBackoff:
    def test_it_doubles_and_is_capped_and_jittered(self) -> None:
        policy = RetryPolicy(base_s=1, max_backoff_s=5)
        for attempt, step in [(1, 1), (2, 2), (3, 4), (4, 5), (9, 5)]:
            waits = {policy.backoff_s(attempt) for _ in range(50)}
            assert len(waits) > 1
            assert all(step / 2 <= wait <= step for wait in waits)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class TestRequestBudget:
    def test_requests_are_spread_over_the_minute(self) -> None:
        clock = Clock()
        budget = RequestBudget(60, clock=clock)
        assert [round(budget.reserve(), 3) for _ in range(4)] == [0, 1, 2, 3]
        clock.now += 10
        assert budget.reserve() == 0

    def test_a_burst_is_let_through_after_a_pause_and_no_more(self) -> None:
        clock = Clock()
        budget = RequestBudget(60, burst=3, clock=clock)
        assert [round(budget.reserve(), 3) for _ in range(5)] == [0, 0, 0, 1, 2]

    def test_without_a_bound_nothing_waits(self) -> None:
        budget = RequestBudget(None, clock=Clock())
        assert [budget.reserve() for _ in range(100)] == [0] * 100

    def test_a_halt_holds_everybody_back(self) -> None:
        clock = Clock()
        budget = RequestBudget(None, clock=clock)
        budget.halt(7)
        assert budget.reserve() == 7
        clock.now += 7
        assert budget.reserve() == 0

    @given(st.integers(1, 6000), st.integers(1, 8), st.lists(st.floats(0, 5), max_size=60))
    def test_no_minute_holds_more_than_the_budget_and_its_burst(
        self, per_minute: int, burst: int, pauses: list[float]
    ) -> None:
        clock = Clock()
        budget = RequestBudget(per_minute, burst=burst, clock=clock)
        sent = []
        for pause in pauses:
            sent.append(clock.now + budget.reserve())
            clock.now += pause
        for start in sent:
            assert sum(start <= moment < start + 60 for moment in sent) <= per_minute + burst


class TestOrigin:
    ORIGIN = Origin.of("https://shop.example.com/base")

    @pytest.mark.parametrize(
        "link",
        [
            "/api/v2/orders?page=2",
            "?page=2",
            "https://shop.example.com/elsewhere",
            "https://SHOP.example.com:443/x",
            "//shop.example.com/x",
        ],
    )
    def test_a_link_within_it_is_fine(self, link: str) -> None:
        self.ORIGIN.check(link, vendor="popsell", what="A link")

    @pytest.mark.parametrize(
        "link",
        [
            "https://shop.example.com:8443/x",
            "http://shop.example.com/x",
            "https://shop.example.com.evil.test/x",
            "https://shop.example.com@evil.test/x",
            "//evil.test/x",
            "ftp://shop.example.com/x",
            "https:///x",
            "https://shop.example.com:99999/x",
            "javascript:alert(1)",
            "//[",
        ],
    )
    def test_a_link_out_of_it_is_refused(self, link: str) -> None:
        with pytest.raises(UnsafeRedirectError, match="A link"):
            self.ORIGIN.check(link, vendor="popsell", what="A link")

    def test_the_error_does_not_repeat_the_links_query(self) -> None:
        with pytest.raises(UnsafeRedirectError) as caught:
            self.ORIGIN.check("https://evil.test/x?token=canary", vendor="popsell", what="A link")
        assert "canary" not in str(caught.value)
