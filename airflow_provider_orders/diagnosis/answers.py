"""What the headers of an answer tell: the vendor's clock, and how many requests it still allows."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from airflow_provider_orders.diagnosis.steps import Outcome, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_orders.apis.settings import ApiSettings

__all__ = ["examine_clock", "examine_rate_limit"]

_RATE_LIMIT: Final = re.compile(r"(x-)?rate-?limit(-[a-z-]+)?")
_PLAIN: Final = re.compile(r"[ -~]{1,40}")

_TOLERATED_S: Final = 60.0


def examine_clock(
    headers: Mapping[str, str], *, title: str, sent_at: datetime, received_at: datetime
) -> Step:
    """Compare this machine's clock with the vendor's, which the header ``Date`` tells.

    :param headers: of an answer, names in lower case.
    :param title: the vendor's name for people.
    :param sent_at: when the request was sent, by this machine's clock.
    :param received_at: when its answer had come.
    """
    try:
        theirs = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return Step("clock", Outcome.SKIPPED, f"{title} does not say what time it has.")
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    # The header is cut to whole seconds, so that half a second is missing on average.
    ours = sent_at + (received_at - sent_at) / 2
    skew_s = (theirs + timedelta(seconds=0.5) - ours).total_seconds()
    details = {"skew_s": round(skew_s, 1)}
    if abs(skew_s) <= _TOLERATED_S:
        return Step(
            "clock", Outcome.OK, f"The clocks agree to {max(1, round(abs(skew_s)))} s.", None, details
        )
    direction = "behind" if skew_s > 0 else "ahead of"
    return Step(
        "clock",
        Outcome.WARNING,
        f"This machine's clock is {abs(skew_s):,.0f} s {direction} {title}'s; windows that end now end at the wrong "
        "time. Set one of the clocks.",
        None,
        details,
    )


def examine_rate_limit(headers: Mapping[str, str], settings: ApiSettings) -> Step:
    """Say what the vendor tells about its limit, and what the connection keeps to."""
    told = {
        name: value
        for name, value in sorted(headers.items())
        if _RATE_LIMIT.fullmatch(name) and _PLAIN.fullmatch(value)
    }
    kept = settings.requests_per_minute
    own = f"the connection keeps to {kept} requests a minute" if kept else "requests_per_minute is not set"
    details = {"headers": told, "requests_per_minute": kept}
    if not told:
        return Step("rate limit", Outcome.OK, f"{settings.title} tells no limit; {own}.", None, details)
    is_spent = any(name.endswith("remaining") and value.strip() == "0" for name, value in told.items())
    words = ", ".join(f"{name} {value}" for name, value in told.items())
    return Step(
        "rate limit",
        Outcome.WARNING if is_spent else Outcome.OK,
        f"{settings.title} says {words}; {own}.",
        None,
        details,
    )
