"""The rules of sending: what is tried again and when, how fast, how large an answer may be. No I/O."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from airflow_provider_orders.errors import ApiUnavailableError, OrdersError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SLOWEST_ANSWER", "FailedAttempt", "RequestBudget", "RetryPolicy", "retry_after_s"]

SLOWEST_ANSWER = 10
"""How many times the time-out an answer may take in all, when its bytes keep trickling in."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a request is repeated.

    :param attempts: how often it is sent at the most.
    :param base_s: seconds of the first back-off; it doubles each time, and a random part of it is waited.
    :param max_backoff_s: longest back-off.
    :param max_retry_after_s: longest wait that a vendor may ask for; beyond it the wait is given back to Airflow.
    :param max_redirects: redirects followed within the origin.
    :param max_body_bytes: largest answer accepted, decompressed.
    """

    attempts: int = 5
    base_s: float = 0.5
    max_backoff_s: float = 30.0
    max_retry_after_s: float = 120.0
    max_redirects: int = 5
    max_body_bytes: int = 64 * 1024 * 1024

    def backoff_s(self, attempt: int) -> float:
        """Give the seconds to wait after an attempt, from 1: between half and all of the exponential step."""
        step = min(self.max_backoff_s, self.base_s * 2.0 ** (attempt - 1))
        return step * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, no cryptography


class FailedAttempt(Exception):  # noqa: N818 - one attempt of several; never leaves the http room
    """One attempt that gave no usable answer; another may.

    :param reason: what happened, in words that hold neither host nor query.
    :param error: makes the error to raise once no attempt is left.
    :param retry_after_s: how long the vendor asks to wait.
    """

    def __init__(
        self,
        reason: str,
        *,
        error: Callable[[int], OrdersError] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s
        self._error = error

    def final(self, *, vendor: str, method: str, path: str, attempts: int) -> OrdersError:
        """Make the error to raise once no attempt is left."""
        if self._error is not None:
            return self._error(attempts)
        return ApiUnavailableError(
            f"No usable answer: {self.reason}. Try again later.",
            vendor=vendor,
            method=method,
            path=path,
            attempts=attempts,
        )


def retry_after_s(value: str | None, *, now: datetime | None = None) -> float | None:
    """Read ``Retry-After`` in either form, seconds or a date; None where it is absent or unreadable."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


class RequestBudget:
    """Spreads the requests of one connection evenly, and halts them all when the vendor asks for it.

    Shared by all threads or tasks of a client. It only tells how long to wait; the client waits.

    :param per_minute: requests a minute, None for no bound.
    :param burst: requests that may go out at once.
    """

    def __init__(
        self, per_minute: int | None, *, burst: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._slack = self._interval * max(0, burst - 1)
        self._clock = clock
        self._lock = threading.Lock()
        self._next = 0.0
        self._resume = 0.0

    def reserve(self) -> float:
        """Take the next free place and give the seconds until it."""
        with self._lock:
            now = self._clock()
            place = max(self._next, now - self._slack, self._resume)
            self._next = place + self._interval
            return max(0.0, place - now)

    def halt(self, seconds: float) -> None:
        """Let nobody send for a while."""
        with self._lock:
            self._resume = max(self._resume, self._clock() + seconds)
