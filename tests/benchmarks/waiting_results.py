"""What a run of many waits amounts to, whether in a loop of its own or in a triggerer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.benchmarks.waiting_probe import quantile, without_omission

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.benchmarks.waiting_server import ServerReport

__all__ = ["Run"]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run, as it was measured.

    :param name: the contestant.
    :param ids: the orders waited for.
    :param interval_s: seconds between two polls.
    :param begun_at: when each wait began, in seconds of the epoch; 0 for never.
    :param met_at: when each fired; 0 for never.
    :param events: how many events each fired.
    :param problems: what else happened, and how often.
    :param seconds: from the first wait to the end.
    :param cpu_s: processor time of the process in this time, without what the probe needs.
    :param memory_kb: what the process grew by until all waits ran.
    :param peak_kb: what it grew by at most.
    :param lags_s: how late the probe's timers were.
    :param lags_at_start: how many of them were there before all waits had begun and polled.
    :param server: what the server saw.
    """

    name: str
    ids: Sequence[str]
    interval_s: float
    begun_at: Sequence[float]
    met_at: Sequence[float]
    events: Sequence[int]
    problems: Mapping[str, int] = field(default_factory=dict)
    seconds: float
    cpu_s: float
    memory_kb: float
    peak_kb: float
    lags_s: Sequence[float]
    lags_at_start: int
    server: ServerReport

    @property
    def missing(self) -> int:
        """How many waits never fired."""
        return sum(not met_at for met_at in self.met_at)

    @property
    def twice(self) -> int:
        """How many fired more than once."""
        return sum(events > 1 for events in self.events)

    @property
    def early(self) -> int:
        """How many fired before their order was delivered."""
        delivered_at = self.server.delivered_at
        return sum(
            met_at > 0 and met_at < delivered_at.get(order_id, float("inf"))
            for order_id, met_at in zip(self.ids, self.met_at, strict=True)
        )

    def latency_s(self, share: float) -> float:
        """Give a quantile of the time from delivery to event."""
        delivered_at = self.server.delivered_at
        latencies_s = [
            met_at - delivered_at[order_id]
            for order_id, met_at in zip(self.ids, self.met_at, strict=True)
            if met_at and order_id in delivered_at
        ]
        return quantile(latencies_s, share)

    def lag_ms(self, share: float) -> float:
        """Give a quantile of how late a timer fired, at any moment of the run."""
        return 1000 * quantile(without_omission(self.lags_s), share)

    def lag_at_start_ms(self, share: float) -> float:
        """Give the same for the start, until all waits had begun and polled."""
        return 1000 * quantile(without_omission(self.lags_s[: self.lags_at_start]), share)

    def lag_later_ms(self, share: float) -> float:
        """Give the same for the time after the start."""
        return 1000 * quantile(without_omission(self.lags_s[self.lags_at_start :]), share)

    @property
    def wait_seconds(self) -> float:
        """How long all waits lasted, added up."""
        end = min(filter(None, self.begun_at)) + self.seconds
        return sum(
            (met_at or end) - begun_at
            for begun_at, met_at in zip(self.begun_at, self.met_at, strict=True)
            if begun_at
        )

    @property
    def requests_per_interval(self) -> float:
        """How many requests were sent per poll interval."""
        return self.server.requests / (self.seconds / self.interval_s)

    @property
    def requests_per_wait(self) -> float:
        """How many requests were sent per wait and poll interval."""
        return self.server.requests / (self.wait_seconds / self.interval_s)

    @property
    def cpu_us(self) -> float:
        """Microseconds of processor time per wait and second."""
        return 1e6 * self.cpu_s / self.wait_seconds

    @property
    def kb_per_wait(self) -> float:
        """Memory per wait."""
        return self.memory_kb / len(self.ids)

    @property
    def peak_kb_per_wait(self) -> float:
        """Memory per wait at the highest."""
        return self.peak_kb / len(self.ids)
