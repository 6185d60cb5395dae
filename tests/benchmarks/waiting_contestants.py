"""The ways to wait for an order that the benchmark compares, and the process in which many waits of one way run.

As a program it talks with the driver in lines of JSON: told what to run, it imports everything and lets one wait come
to its end, so that neither the time nor the memory of imports is counted; told to go, it starts all waits in one event
loop, as a triggerer does, and measures from there on.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from abc import ABC, abstractmethod
from array import array
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

from tests.benchmarks.waiting_probe import LoopProbe, memory_kb, reset_peak

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.triggers.base import BaseTrigger

__all__ = ["CONN_ID", "CONTESTANTS", "MARK", "OURS", "Contestant"]

CONN_ID = "orders_api"
MARK = "@waiting "
"""Begins the lines that are meant for the driver; Airflow may print others."""
IDLE_S = 5.0


class Contestant(ABC):
    """One way to wait until an order is delivered."""

    title: ClassVar[str]

    @abstractmethod
    def connection(self, orders: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give the Airflow connection of this way.

        :param orders: the fields of a connection of this provider.
        """

    @abstractmethod
    def trigger(self, order_id: str, interval_s: float, deadline: float) -> BaseTrigger:
        """Make the trigger that waits for one order.

        :param order_id: the order.
        :param interval_s: seconds between two polls.
        :param deadline: when to give up, in seconds of the epoch.
        """

    @abstractmethod
    def is_met(self, payload: Any) -> bool:
        """Say whether an event's payload means that the order was delivered."""


class _Ours(Contestant):
    title = "this provider"

    def connection(self, orders: Mapping[str, Any]) -> Mapping[str, Any]:
        return orders

    def trigger(self, order_id: str, interval_s: float, deadline: float) -> BaseTrigger:
        from airflow_provider_orders.triggers.orders import OrderStatusTrigger

        return OrderStatusTrigger(
            orders_conn_id=CONN_ID,
            order_id=[order_id],
            deadline=deadline,
            wanted="delivered",
            poke_interval=interval_s,
        )

    def is_met(self, payload: Any) -> bool:
        statuses = [report["status"] for report in payload["orders"]]
        return bool(payload["status"] == "met" and statuses == [{"fulfillment": "delivered"}])


class _Http(Contestant):
    title = "HTTP provider"
    conn_type: ClassVar[str] = "http"

    def connection(self, orders: Mapping[str, Any]) -> Mapping[str, Any]:
        extra = {
            "X-API-Key": orders["password"],
            "X-Company": orders["extra"]["company_id"],
            "Accept": "application/json",
        }
        return {"conn_type": self.conn_type, "host": orders["host"], "extra": extra}

    def trigger(self, order_id: str, interval_s: float, deadline: float) -> BaseTrigger:
        from tests.benchmarks.waiting_triggers import StatusHttpTrigger

        del deadline  # its sensor leaves that to the timeout of the deferral
        trigger: BaseTrigger = StatusHttpTrigger(
            endpoint=self.endpoint(order_id), http_conn_id=CONN_ID, poke_interval=interval_s
        )
        return trigger

    @staticmethod
    def endpoint(order_id: str) -> str:
        return f"2023-11/admin/orders/{order_id}"

    def is_met(self, payload: Any) -> bool:
        return payload is True


class _DbtStyle(_Http):
    title = "dbt-cloud style"
    conn_type = "generic"

    def trigger(self, order_id: str, interval_s: float, deadline: float) -> BaseTrigger:
        from tests.benchmarks.waiting_triggers import DbtStyleTrigger

        return DbtStyleTrigger(CONN_ID, self.endpoint(order_id), interval_s, deadline)

    def is_met(self, payload: Any) -> bool:
        return bool(payload["status"] == "success")


OURS = "ours"
CONTESTANTS: Mapping[str, Contestant] = {OURS: _Ours(), "http": _Http(), "dbt-style": _DbtStyle()}


class _Waits:
    """Many waits of one way in one event loop."""

    def __init__(
        self, contestant: Contestant, ids: Sequence[str], interval_s: float, timeout_s: float
    ) -> None:
        self._contestant = contestant
        self._ids = ids
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        # All made before memory is measured.
        self._begun_at = array("d", [0.0]) * len(ids)
        self._met_at = array("d", [0.0]) * len(ids)
        self._events = array("B", [0]) * len(ids)
        self._problems: Counter[str] = Counter()

    async def measure(self, warm_up_id: str) -> None:
        """Warm up, wait for the driver, run all waits, and tell what came of it."""
        probe = LoopProbe()
        await self._warm_up(warm_up_id)
        idle_before = await probe.idle_share(IDLE_S)
        gc.collect()
        reset_peak()
        before_kb = memory_kb()
        _tell({"phase": "prepared"})
        await asyncio.to_thread(sys.stdin.readline)

        probing = asyncio.create_task(probe.run())
        started, cpu_started = time.perf_counter(), time.process_time()
        deadline = time.time() + self._timeout_s
        tasks = []
        for number, order_id in enumerate(self._ids):
            trigger = self._contestant.trigger(order_id, self._interval_s, deadline)
            tasks.append(asyncio.create_task(self._wait(number, trigger)))
            await asyncio.sleep(0)  # as the triggerer does
        await asyncio.sleep(self._interval_s)
        running_kb = memory_kb() - before_kb
        lags_at_start = len(probe.lags_s)
        _tell({"phase": "running"})
        ended, waiting = await asyncio.wait(tasks, timeout=deadline - time.time())
        cpu_s, seconds = time.process_time() - cpu_started, time.perf_counter() - started
        probing.cancel()
        lags_s = probe.lags_s
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        idle_share = (idle_before + await probe.idle_share(IDLE_S)) / 2
        for task in ended:
            if error := task.exception():
                self._problems[f"{type(error).__name__}: {error}"[:200]] += 1
        _tell(
            {
                "phase": "ended",
                "begun_at": list(self._begun_at),
                "met_at": list(self._met_at),
                "events": list(self._events),
                "problems": dict(self._problems),
                "seconds": seconds,
                "cpu_s": cpu_s - idle_share * seconds,
                "memory_kb": running_kb,
                "peak_kb": memory_kb("VmHWM") - before_kb,
                "lags_at_start": lags_at_start,
                "lags_s": [round(lag_s, 5) for lag_s in lags_s],
            }
        )

    async def _warm_up(self, order_id: str) -> None:
        trigger = self._contestant.trigger(order_id, self._interval_s, time.time() + 60)
        async for event in trigger.run():
            assert self._contestant.is_met(event.payload), event.payload

    async def _wait(self, number: int, trigger: BaseTrigger) -> None:
        self._begun_at[number] = time.time()
        async for event in trigger.run():
            self._events[number] += 1
            if not self._contestant.is_met(event.payload):
                self._problems[f"ended with {event.payload}"[:200]] += 1
            elif not self._met_at[number]:
                self._met_at[number] = time.time()


def _tell(answer: Mapping[str, Any]) -> None:
    sys.stdout.write(f"{MARK}{json.dumps(answer)}\n")
    sys.stdout.flush()


def main() -> None:
    """Read what to run, and run it."""
    setup = json.loads(sys.stdin.readline())
    waits = _Waits(CONTESTANTS[setup["name"]], setup["ids"], setup["interval_s"], setup["timeout_s"])
    asyncio.run(waits.measure(setup["warm_up_id"]))


if __name__ == "__main__":
    main()
