"""A clock for pollers that stands still, but for what they let pass: hours of polls in seconds."""

from __future__ import annotations

import asyncio
import heapq
from typing import TYPE_CHECKING, ParamSpec

from airflow_provider_orders.waiting import poller
from airflow_provider_orders.waiting.clock import CLOCK
from airflow_provider_orders.waiting.poller import Poller
from airflow_provider_orders.waiting.waits import Wait

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest

    from airflow_provider_orders.sandbox.clock import Clock as SandboxClock

__all__ = ["HeldClock"]

_P = ParamSpec("_P")


class HeldClock:
    """Takes the place of the clock that waits go by.

    :param monkeypatch: takes it away again.
    :param most_s: how much time may pass, before a test that never ends is ended.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, most_s: float = 86400.0) -> None:
        self.passed_s = 0.0
        self.began_at = CLOCK.now()
        """What time it was at the beginning, in seconds since the epoch."""
        self._most_s = most_s
        self._happenings: list[tuple[float, int, Callable[[], object]]] = []
        self._followers: list[SandboxClock] = []
        self._real_pass = CLOCK.pass_until
        monkeypatch.setattr(CLOCK, "now", lambda: self.began_at + self.passed_s)
        monkeypatch.setattr(CLOCK, "monotonic", lambda: self.passed_s)
        monkeypatch.setattr(CLOCK, "pass_until", self._pass_until)
        self._holding: list[asyncio.Event] = []
        monkeypatch.setattr(Wait, "flush", self._held_during(Wait.flush))
        monkeypatch.setattr(poller, "_BETWEEN_ENDS_S", 0.0)
        monkeypatch.setattr(Poller, "take_turn", self._held_during(Poller.take_turn))

    def at(self, seconds: float, happening: Callable[[], object]) -> None:
        """Let something happen at a time, counted from the beginning."""
        heapq.heappush(self._happenings, (seconds, len(self._happenings), happening))

    def lead(self, other: SandboxClock) -> None:
        """Let a vendor's clock go on as this one does, whatever time that says it is."""
        self._followers.append(other)

    def _held_during(self, real: Callable[_P, Awaitable[None]]) -> Callable[_P, Awaitable[None]]:
        """Let no time pass while something goes on that does not go by this clock."""

        async def hold(*arguments: _P.args, **options: _P.kwargs) -> None:
            is_over = asyncio.Event()
            self._holding.append(is_over)
            try:
                await real(*arguments, **options)
            finally:
                self._holding.remove(is_over)
                is_over.set()

        return hold

    async def _pass_until(self, wake: asyncio.Event, seconds: float | None, *, idle: bool) -> None:
        await self._let_others_act()
        while self._holding:
            await self._holding[0].wait()
            await self._let_others_act()
        if wake.is_set():
            return
        if not idle or (seconds is None and not self._happenings):
            await self._real_pass(wake, None, idle=idle)
            return
        until = self.passed_s + seconds if seconds is not None else float("inf")
        if self._happenings and self._happenings[0][0] <= until:
            until, _, happening = heapq.heappop(self._happenings)
            self._go_on(until)
            happening()
        else:
            self._go_on(until)

    @staticmethod
    async def _let_others_act() -> None:
        """Let whoever has something to do do it before time passes."""
        for _ in range(5):
            await asyncio.sleep(0)

    def _go_on(self, until: float) -> None:
        step = max(0.0, until - self.passed_s)
        self.passed_s += step
        for follower in self._followers:
            follower.advance(step)
        assert self.passed_s < self._most_s, "waits for ever"
