from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from airflow_provider_orders.diagnosis.answers import examine_clock, examine_rate_limit
from airflow_provider_orders.diagnosis.steps import Outcome
from tests.unit.clients import make_api

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_orders.diagnosis.steps import Step
    from airflow_provider_orders.sandbox import Sandbox

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def clock(headers: Mapping[str, str], *, took_s: float = 0.2) -> Step:
    return examine_clock(headers, title="Dipli", sent_at=NOON, received_at=NOON + timedelta(seconds=took_s))


def date(skew_s: float) -> dict[str, str]:
    return {"date": format_datetime(NOON + timedelta(seconds=skew_s), usegmt=True)}


@pytest.mark.parametrize("skew_s", [-50, -1, 0, 1, 50])
def test_clocks_that_agree_are_fine(skew_s: float) -> None:
    assert clock(date(skew_s)).outcome is Outcome.OK


@pytest.mark.parametrize(
    ("skew_s", "words"), [(600, "600 s behind Dipli's"), (-7200, "7,200 s ahead of Dipli's")]
)
def test_a_clock_that_is_wrong_is_a_warning(skew_s: float, words: str) -> None:
    step = clock(date(skew_s))

    assert step.outcome is Outcome.WARNING
    assert words in step.message
    assert step.details["skew_s"] == pytest.approx(skew_s, abs=1)


def test_the_time_an_answer_takes_is_no_skew() -> None:
    """The header is written somewhere between question and answer; the middle of a long wait is taken."""
    assert clock(date(50), took_s=100).outcome is Outcome.OK


@pytest.mark.parametrize("headers", [{}, {"date": ""}, {"date": "yesterday"}])
def test_a_vendor_without_a_clock_is_not_judged(headers: dict[str, str]) -> None:
    assert clock(headers).outcome is Outcome.SKIPPED


@pytest.mark.parametrize(
    ("headers", "outcome", "words"),
    [
        ({}, Outcome.OK, "tells no limit; requests_per_minute is not set"),
        (
            {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "59"},
            Outcome.OK,
            "x-ratelimit-limit 60, x-ratelimit-remaining 59",
        ),
        ({"ratelimit-remaining": "0"}, Outcome.WARNING, "ratelimit-remaining 0"),
        ({"x-ratelimit-limit": "\x1b[2J"}, Outcome.OK, "tells no limit"),
        ({"x-ratelimit-limit": "9" * 999}, Outcome.OK, "tells no limit"),
        ({"set-cookie": "session=secret"}, Outcome.OK, "tells no limit"),
    ],
)
def test_a_limit_is_told_as_the_vendor_tells_it(
    headers: dict[str, str], outcome: Outcome, words: str, orders_sandbox: Sandbox
) -> None:
    step = examine_rate_limit(headers, make_api(orders_sandbox, "dipli").settings)

    assert step.outcome is outcome
    assert words in step.message
    assert "secret" not in step.message


def test_the_limit_of_the_connection_is_told(orders_sandbox: Sandbox) -> None:
    step = examine_rate_limit({}, make_api(orders_sandbox, "dipli", requests_per_minute=30).settings)

    assert "keeps to 30 requests a minute" in step.message
