"""One sensor in its three modes, in a world whose clock the test holds.

Sleeping is the only thing that is played: a sleep of a second or longer lets the next thing happen in the sandbox
instead of taking time.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.common.compat.sdk import AirflowException, TaskDeferred
from airflow.sdk.bases import sensor as airflow_sensor

from airflow_provider_orders.sensors.orders import OrderStatusSensor
from airflow_provider_orders.waiting.clock import CLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest
    from airflow.sdk import Context

    from airflow_provider_orders.triggers.orders import OrderStatusTrigger, OrdersUpdatedTrigger

# Its home moved between 3.1 and 3.3.
Rescheduled: type[Any] = vars(airflow_sensor)["AirflowRescheduleException"]

POKE_S = 17.0

MODES = ("poke", "reschedule", "deferrable")

_MOST_SLEEPS = 50
_SHORTEST_S = 1.0


class World:
    """What happens while a sensor waits.

    :param happenings: called one after the other, one at each sleep of a sensor or trigger.
    """

    def __init__(self, happenings: Sequence[Callable[[], object]] = ()) -> None:
        self.happenings = list(happenings)
        self.slept: list[float] = []
        self.passed_s = 0.0

    def hold_the_clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take the place of long sleeps, of threads and of pollers; what was slept through counts as passed."""
        real_sleep, real_pass = time.sleep, CLOCK.pass_until

        def sleep(seconds: float) -> None:
            if not self.slept_through(seconds):
                real_sleep(seconds)

        async def pass_until(wake: asyncio.Event, seconds: float | None, *, idle: bool) -> None:
            for _ in range(5):  # whoever has something to do does it before time passes
                await asyncio.sleep(0)
            if idle and seconds is not None and seconds > 0.5 and not wake.is_set():
                self._sleep(seconds)
            else:
                await real_pass(wake, seconds, idle=idle)

        monkeypatch.setattr(time, "sleep", sleep)
        monkeypatch.setattr(CLOCK, "now", lambda: time.time() + self.passed_s)
        monkeypatch.setattr(CLOCK, "monotonic", lambda: time.monotonic() + self.passed_s)
        monkeypatch.setattr(CLOCK, "pass_until", pass_until)

    def slept_through(self, seconds: float) -> bool:
        """Let the next thing happen if this is a wait of a sensor."""
        if seconds < _SHORTEST_S:
            return False
        self._sleep(seconds)
        return True

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) > _MOST_SLEEPS:
            raise AssertionError("waits for ever")
        if self.happenings:
            self.happenings.pop(0)()
        self.passed_s += seconds


def nothing() -> None:
    """Let time pass: a happening."""


def until(happened: Callable[[], bool], *, at_most_s: float = 60.0) -> None:
    """Wait in real time for something outside of the test's hands."""
    deadline = time.monotonic() + at_most_s
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


class StateStore:
    """What Airflow 3.3 keeps for a task from poke to poke."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self._kept.get(key)

    def set(self, key: str, value: Any) -> None:
        self._kept[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        del self._kept[key]


def context(started_at: datetime | None = None, store: StateStore | None = None) -> Context:
    """Give as much of a task's context as a sensor reads."""
    ti = SimpleNamespace(
        dag_id="dag",
        task_id="wait",
        run_id="run",
        map_index=-1,
        get_first_reschedule_date=lambda _: started_at,
    )
    return cast("Context", {"ti": ti} | ({"task_state_store": store} if store else {}))


def over_the_wire(trigger: OrderStatusTrigger) -> OrderStatusTrigger:
    """Store a trigger as Airflow does, and make it again."""
    path, kwargs = trigger.serialize()
    module, _, name = path.rpartition(".")
    made: OrderStatusTrigger = getattr(importlib.import_module(module), name)(
        **json.loads(json.dumps(kwargs, allow_nan=False))
    )
    return made


async def fire(trigger: OrderStatusTrigger | OrdersUpdatedTrigger) -> Any:
    """Run a trigger until its one event."""
    events = [event async for event in trigger.run()]
    (event,) = events
    return json.loads(json.dumps(event.payload, allow_nan=False))


def wait(world: World, mode: str, **arguments: Any) -> Any:
    """Run a sensor to its end in one of the modes; raise what it raises."""
    options = {
        "task_id": "wait",
        "poke_interval": POKE_S,
        "timeout": 3600,
        "deferrable": mode == "deferrable",
        "mode": "poke" if mode == "deferrable" else mode,
        **arguments,
    }

    def sensor() -> OrderStatusSensor:
        return OrderStatusSensor(**options)

    if mode == "deferrable":
        return _wait_deferred(sensor)
    if mode == "reschedule":
        return _wait_rescheduled(sensor, world)
    return sensor().execute(context())


def _wait_rescheduled(sensor: Callable[[], OrderStatusSensor], world: World) -> Any:
    now, started_at = datetime.now(UTC), None
    store = StateStore()
    while True:
        try:
            return sensor().execute(context(started_at, store))
        except Rescheduled as later:
            seconds = (later.reschedule_date - now).total_seconds()
            assert world.slept_through(seconds)
            started_at = (started_at or now) - timedelta(seconds=seconds)  # as if that time had passed


def _wait_deferred(sensor: Callable[[], OrderStatusSensor]) -> Any:
    try:
        return sensor().execute(context())
    except TaskDeferred as deferred:
        trigger, method = cast("OrderStatusTrigger", deferred.trigger), deferred.method_name
    event = asyncio.run(fire(over_the_wire(trigger)))
    return sensor().resume_execution(method, {"event": event}, context())


def unseen(result: Any) -> Any:
    """Give a result, or an event, without the times at which the orders were seen."""
    reports = [{**report} for report in result["orders"]]
    for report in reports:
        assert datetime.fromisoformat(report.pop("seen_at")).tzinfo == UTC
    return {**result, "orders": reports}


def outcome_of(run: Callable[[], Any]) -> Any:
    """Give the result, or the class of the error and what it carries."""
    try:
        return run()
    except AirflowException as error:
        about = {name: value for name, value in vars(error).items() if name != "attempts"}
        return type(error), about
