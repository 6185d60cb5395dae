"""What keeps a stream of changes from polling, and how it goes on all the same."""

from __future__ import annotations

import logging
import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from airflow_provider_orders.errors import (
    ApiUnavailableError,
    OrdersError,
    PaginationError,
    RateLimitedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TRANSIENT", "Trouble"]

log = logging.getLogger(__name__)

TRANSIENT: Final = (ApiUnavailableError, RateLimitedError, PaginationError)
"""What goes by without anybody's help; pages that do not add up among it, as orders move while they are read."""

# An outage, and all that a person has to mend, such as rejected credentials.
_LONGEST_BACKOFF_S = 300.0
_LONGEST_RETRY_AFTER_S = 3600.0

_QUIET: Final = timedelta(minutes=10)
"""How long a poll may go on failing for the same reason until that is logged again."""


class Trouble:
    """What keeps a stream from polling: how long to wait, and when to say so.

    :param name: the connection.
    :param poke_interval: seconds between two polls when all is well.
    :param now: gives the time.
    """

    def __init__(self, name: str, poke_interval: float, now: Callable[[], datetime]) -> None:
        self._name = name
        self._poke_interval = poke_interval
        self._now = now
        self._failed = 0
        self._pause_s = 0.0
        self._kind: object = None
        self._logged_at: datetime | None = None

    def pause_s(self) -> float:
        """Give how long to wait until the next poll: some more or less, so that streams do not poll together."""
        if self._failed:
            return self._pause_s
        return self._poke_interval * random.uniform(0.9, 1.1)  # noqa: S311 - jitter, no cryptography

    def note(self, error: Exception) -> float:
        """Note a failure, and give how long to wait."""
        self._failed += 1
        longest = max(_LONGEST_BACKOFF_S, self._poke_interval)
        transient = isinstance(error, TRANSIENT)
        step = min(longest, self._poke_interval * 2.0 ** min(self._failed - 1, 30)) if transient else longest
        asked = min(getattr(error, "retry_after_s", None) or 0.0, _LONGEST_RETRY_AFTER_S)
        self._pause_s = max(step * random.uniform(0.5, 1.0), asked)  # noqa: S311 - jitter, no cryptography
        kind = type(error), getattr(error, "status", None)
        now = self._now()
        if kind != self._kind or self._logged_at is None or now - self._logged_at >= _QUIET:
            self._kind, self._logged_at = kind, now
            # Of an error that is not ours, nobody knows what its message holds.
            what = str(error) if isinstance(error, OrdersError) else type(error).__name__
            log.warning(
                "Orders of %s cannot be watched at the moment (%d polls failed): %s Asking again in %.0f s.",
                self._name,
                self._failed,
                what,
                self._pause_s,
            )
        return self._pause_s

    def forget(self) -> None:
        """Note that all is well."""
        if self._failed:
            log.info("Orders of %s are watched again, after %d failed polls", self._name, self._failed)
        self._failed, self._kind, self._logged_at = 0, None, None
