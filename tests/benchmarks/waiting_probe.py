"""How an event loop and its process fare: how late timers fire, and what memory and processor time they take."""

from __future__ import annotations

import asyncio
import math
import os
import time
from array import array
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["LoopProbe", "memory_kb", "quantile", "reset_peak", "without_omission"]

STEP_S = 0.05


class LoopProbe:
    """Sleeps in steps of fifty milliseconds, and writes down how much longer each took.

    Shorter steps would need more processor time than ten thousand waits.
    """

    def __init__(self) -> None:
        self.lags_s = array("d")

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            before = time.perf_counter()
            await asyncio.sleep(STEP_S)
            self.lags_s.append(time.perf_counter() - before - STEP_S)

    async def idle_share(self, seconds: float) -> float:
        """Give the processor time, per second, of a loop that runs nothing but the probe."""
        started = time.process_time()
        probing = asyncio.create_task(self.run())
        await asyncio.sleep(seconds)
        probing.cancel()
        self.lags_s = array("d")
        return (time.process_time() - started) / seconds


def without_omission(lags_s: Iterable[float]) -> list[float]:
    """Add the steps that a blocked loop left out.

    While the loop is blocked for a second, the probe measures once where it would have measured twenty times: each
    of these timers would have been late too, the last ones less.
    """
    found = []
    for lag_s in lags_s:
        found.append(lag_s)
        found += [lag_s - number * STEP_S for number in range(1, math.floor(lag_s / STEP_S) + 1)]
    return found


def quantile(values: Sequence[float], share: float) -> float:
    """Give the value that a share of the values does not exceed; not a number where there are none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def memory_kb(name: str = "VmRSS") -> int:
    """Read this process's memory: ``VmRSS`` now, ``VmHWM`` at most."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise RuntimeError(f"Linux does not tell {name}")


def reset_peak() -> None:
    """Forget the most memory that this process has had."""
    Path(f"/proc/{os.getpid()}/clear_refs").write_text("5")
