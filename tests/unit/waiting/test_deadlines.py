"""How users say when a wait gives up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pendulum
import pytest

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.waiting.deadlines import duration_s, moment_s

MOMENT = datetime(2026, 1, 31, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        MOMENT,
        MOMENT.astimezone(timezone(timedelta(hours=5))),
        pendulum.instance(MOMENT),
        "2026-01-31T18:00:00Z",
        " 2026-01-31 18:00:00+00:00 ",
        "2026-01-31T19:00:00.000000+01:00",
        MOMENT.timestamp(),
    ],
)
def test_a_moment_is_read_in_every_form(value: Any) -> None:
    assert moment_s(value) == MOMENT.timestamp()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "2026-01-31T18:00:00",
        "2026-02-30T00:00:00Z",
        MOMENT.replace(tzinfo=None),
        float("nan"),
        True,
        [1],
    ],
)
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        moment_s(value)
    assert caught.value.field == "deadline"


@pytest.mark.parametrize(("value", "seconds"), [(0, 0.0), (90, 90.0), (timedelta(hours=1), 3600.0)])
def test_a_duration_is_seconds_or_a_timedelta(value: Any, seconds: float) -> None:
    assert duration_s(value, "max_unavailable") == seconds


@pytest.mark.parametrize("value", [-1, "1h", None, True, timedelta(seconds=-1), float("nan")])
def test_no_other_duration(value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        duration_s(value, "max_unavailable")
    assert caught.value.field == "max_unavailable"
