"""How users say when a wait gives up: a moment, and how long an outage may last."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.models.moments import seconds_of

__all__ = ["MAX_UNAVAILABLE_S", "duration_s", "moment_s"]

MAX_UNAVAILABLE_S: Final = 3600.0


def moment_s(value: object, argument: str = "deadline") -> float:
    """Read a moment as people and templates write it, and give it in seconds since the epoch.

    :param value: an aware datetime, its ISO 8601 text, or seconds since the epoch.
    :raises ConfigurationError: it is none of these, or has no time zone.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    moment: datetime | None = value if isinstance(value, datetime) else None
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigurationError(
            f"{argument} must be a moment with a time zone; write it as 2026-01-31T18:00:00Z, or pass an aware datetime.",
            field=argument,
        )
    return moment.timestamp()


def duration_s(value: object, argument: str) -> float:
    """Read a duration and give it in seconds.

    :param value: seconds, or a timedelta.
    :raises ConfigurationError: it is neither, or negative.
    """
    seconds = seconds_of(value)
    if seconds is not None and seconds >= 0:
        return seconds
    raise ConfigurationError(f"{argument} must be seconds, or a timedelta, and not negative.", field=argument)
