"""The time by which live orders move: real seconds since the start, plus those added by hand."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

__all__ = ["BASE_DATE", "Clock"]

BASE_DATE = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """Sandbox time: it starts at ``base_date`` and runs with the wall clock, unless it is frozen.

    :param base_date: what ``now()`` says at the start; every seeded order is older.
    """

    def __init__(self, base_date: datetime = BASE_DATE) -> None:
        if base_date.tzinfo is None:
            raise ValueError("base_date needs a time zone, for example datetime(2026, 1, 1, tzinfo=UTC)")
        self.base_date = base_date
        self._started = time.monotonic()
        self._added_s = 0.0
        self._frozen_s: float | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds of sandbox time since the start."""
        running = time.monotonic() - self._started if self._frozen_s is None else self._frozen_s
        return running + self._added_s

    def now(self) -> datetime:
        """Say what time it is in the sandbox (UTC)."""
        return self.base_date + timedelta(seconds=self.elapsed_s)

    def timestamp(self) -> int:
        """Give ``now()`` as whole seconds of the epoch: vendors write no finer."""
        return int(self.base_date.timestamp() + self.elapsed_s)

    def advance(self, seconds: float) -> None:
        """Move time forward by hand.

        :param seconds: how far; not negative.
        """
        if seconds < 0:
            raise ValueError("time in the sandbox does not run backwards")
        self._added_s += seconds

    def freeze(self) -> None:
        """Stop the wall clock's part: from here on only :meth:`advance` moves time."""
        if self._frozen_s is None:
            self._frozen_s = time.monotonic() - self._started

    def reset(self) -> None:
        """Start again at ``base_date``, running or frozen as before."""
        self._started = time.monotonic()
        self._added_s = 0.0
        if self._frozen_s is not None:
            self._frozen_s = 0.0
