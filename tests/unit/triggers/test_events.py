"""The triggers of changes: what they store, how they share a poll, when a position moves."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.triggers.base import BaseEventTrigger, BaseTrigger

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.sandbox import Sandbox
from airflow_provider_orders.triggers.orders import OrderEventTrigger, OrdersUpdatedTrigger
from tests.unit.hooks.connect import VENDORS, an_order, secrets_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

needs_shared_streams = pytest.mark.skipif(
    not hasattr(BaseEventTrigger, "create_shared_stream_producer"),
    reason="streams are shared from Airflow 3.3 on",
)

WORDS = {"popsell": "FULFILLED", "dipli": "shipped", "valomnia": "DELIVERED", "genuka": "delivered"}


@pytest.fixture
def orders_sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Give a sandbox whose clock is right: what cannot be asked for by the time of a change goes by ours."""
    with Sandbox(orders=12, live=0, base_date=datetime.now(UTC) - timedelta(days=10)) as sandbox:
        sandbox.clock.freeze()
        sandbox.clock.advance(10 * 86400)
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        yield sandbox


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def trigger(sandbox: Sandbox, vendor: str = "genuka", **arguments: Any) -> OrderEventTrigger:
    options = {
        "orders_conn_id": f"{vendor}_default",
        "since": sandbox.clock.now().replace(microsecond=0),  # vendors write no finer
        "poke_interval": 0.05,
        **arguments,
    }
    return OrderEventTrigger(**options)


def over_the_wire(made: BaseTrigger) -> Any:
    path, kwargs = made.serialize()
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)(**json.loads(json.dumps(kwargs, allow_nan=False)))


async def until(happened: Callable[[], object], *, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not happened():  # noqa: ASYNC110 - what happens in the sandbox's thread sets no event
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def collecting(events: AsyncIterator[Any]) -> AsyncIterator[list[dict[str, Any]]]:
    """Collect the payloads of a trigger's events for as long as the block runs."""
    collected: list[dict[str, Any]] = []

    async def collect() -> None:
        async for event in events:
            collected.append(json.loads(json.dumps(event.payload, allow_nan=False)))  # noqa: PERF401 - they are seen at once

    task = asyncio.create_task(collect())
    try:
        yield collected
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class TestWhatIsStored:
    def test_holds_the_connection_and_filters_only_and_makes_an_equal_trigger(
        self, orders_sandbox: Sandbox
    ) -> None:
        made = trigger(
            orders_sandbox, statuses=("delivered",), axis="fulfillment", params={"filter[shop.id]": "7"}
        )
        path, kwargs = made.serialize()
        assert set(kwargs) == {
            "orders_conn_id", "events", "statuses", "axis", "ambassador_id", "params", "since", "poke_interval",
            "lookback", "sweep_days",
        }  # fmt: skip
        assert secrets_in(json.dumps(kwargs)) == []
        again = over_the_wire(made)
        assert isinstance(again, BaseEventTrigger)
        assert again.serialize() == (path, kwargs)
        assert BaseEventTrigger.hash(path, kwargs) == BaseEventTrigger.hash(*again.serialize())
        assert orders_sandbox.requests == []

    @pytest.mark.parametrize(
        ("arguments", "field"),
        [
            ({"events": "order.lost"}, "events"),
            ({"axis": "colour"}, "axis"),
            ({"since": "yesterday"}, "since"),
        ],
    )
    def test_bad_input_is_refused_where_the_dag_is_read(self, arguments: dict[str, Any], field: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            OrderEventTrigger(orders_conn_id="x", **arguments)
        assert caught.value.field == field

    def test_the_trigger_of_the_sensor_is_plain_too(self) -> None:
        made = OrdersUpdatedTrigger(orders_conn_id="x", updated_since=1.0, deadline=2.0, statuses=["paid"])
        assert over_the_wire(made).serialize() == made.serialize()


class TestAlone:
    async def test_tells_each_change(self, orders_sandbox: Sandbox, vendor: str) -> None:
        made = trigger(orders_sandbox, vendor)
        order_id, _ = an_order(orders_sandbox, vendor, 11)
        async with collecting(made.run()) as events:
            await until(lambda: len(orders_sandbox.requests) > 3)
            before = len(events)
            orders_sandbox.clock.advance(5)
            axis = "order" if vendor == "popsell" else "fulfillment"
            orders_sandbox.set_status(vendor, order_id, WORDS[vendor], axis=axis)
            (new,) = orders_sandbox.insert_orders(vendor)
            await until(lambda: {order_id, new} <= {event["order_id"] for event in events[before:]})
        told = [(event["order_id"], event["event_id"]) for event in events]
        assert len(set(told)) == len(told)
        assert secrets_in(json.dumps(events)) == []

    async def test_ends_without_a_trace_when_it_is_cancelled(self, orders_sandbox: Sandbox) -> None:
        async with collecting(trigger(orders_sandbox).run()):
            await until(lambda: len(orders_sandbox.requests) > 2)
        await until(lambda: len(asyncio.all_tasks()) == 1)
        gc.collect()  # an open session would warn


class _Store:
    """An asset's state store."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    async def aget(self, key: str) -> Any:
        return self.values.get(key)

    async def aset(self, key: str, value: Any) -> None:
        self.values[key] = json.loads(json.dumps(value, allow_nan=False))


class Triggerer:
    """As much of Airflow's triggerer as shared streams need: watchers of one manager, and what was accepted."""

    def __init__(self) -> None:
        from airflow.triggers.shared_stream import SharedStreamManager

        self.manager = SharedStreamManager()
        self.events: dict[int, list[dict[str, Any]]] = {}
        self.accepts = True
        self._unconfirmed: list[int] = []
        self._tasks: list[asyncio.Task[None]] = []

    def watch(self, made: OrderEventTrigger, store: Any) -> list[dict[str, Any]]:
        number = len(self.events)
        made.asset_state_store = store
        collected = self.events[number] = []
        self._tasks.append(asyncio.create_task(self._run(number, made, collected)))
        return collected

    async def _run(self, number: int, made: OrderEventTrigger, collected: list[dict[str, Any]]) -> None:
        key = made.shared_stream_key()
        assert key is not None
        shared = self.manager.subscribe(trigger_id=number, trigger=made, key=key)
        try:
            async for event in made.filter_shared_stream(shared):
                collected.append(json.loads(json.dumps(event.payload)))
                seq = self.manager.bind_pending_event(trigger_id=number, key=key)
                if seq is not None:
                    self._unconfirmed.append(seq)
                if self.accepts:
                    self.accept()
        finally:
            await self.manager.unsubscribe(number, key)

    def accept(self) -> None:
        self.manager.confirm_persisted(self._unconfirmed)
        self._unconfirmed.clear()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.manager.stop_all()


@needs_shared_streams
class TestShared:
    async def test_one_poll_serves_all_watchers_of_a_connection(self, orders_sandbox: Sandbox) -> None:
        triggerer = Triggerer()
        everything = triggerer.watch(trigger(orders_sandbox), _Store())
        delivered = triggerer.watch(trigger(orders_sandbox, statuses="delivered"), _Store())
        await until(lambda: len(orders_sandbox.requests) > 4)
        orders_sandbox.clock.advance(5)
        new = orders_sandbox.insert_orders("genuka", 2)
        orders_sandbox.set_status("genuka", new[0], "delivered", axis="fulfillment")
        await until(lambda: len(everything) == 2 and len(delivered) == 1)
        assert len(triggerer.manager._groups) == 1
        await triggerer.stop()

    def test_another_filter_of_the_vendor_is_another_poll(self, orders_sandbox: Sandbox) -> None:
        keys = {
            made.shared_stream_key()
            for made in (
                trigger(orders_sandbox),
                trigger(orders_sandbox, events="order.created"),
                trigger(orders_sandbox, params={"filter[shop.id]": "7"}),
                trigger(orders_sandbox, "dipli"),
            )
        }
        assert len(keys) == 3

    async def test_the_position_moves_once_the_events_were_accepted(self, orders_sandbox: Sandbox) -> None:
        store, triggerer = _Store(), Triggerer()
        triggerer.accepts = False
        events = triggerer.watch(trigger(orders_sandbox), store)
        await until(lambda: len(orders_sandbox.requests) > 4)
        orders_sandbox.clock.advance(5)
        (new,) = orders_sandbox.insert_orders("genuka")
        await until(lambda: events)
        await asyncio.sleep(0.3)  # as many polls as may be
        assert all(new not in position["orders"] for position in store.values.values())
        triggerer.accept()
        await until(lambda: any(new in position["orders"] for position in store.values.values()))
        await triggerer.stop()

    async def test_a_restart_goes_on_where_it_was(self, orders_sandbox: Sandbox, vendor: str) -> None:
        store, triggerer, made = _Store(), Triggerer(), trigger(orders_sandbox, vendor)
        events = triggerer.watch(made, store)
        old = orders_sandbox.insert_orders(vendor, 3)
        await until(lambda: len(events) >= 3)
        await until(lambda: any(position["orders"].keys() >= {*old} for position in store.values.values()))
        await triggerer.stop()
        orders_sandbox.clock.advance(60)
        new = orders_sandbox.insert_orders(vendor, 120)
        again = Triggerer()
        more = again.watch(over_the_wire(made), store)
        await until(lambda: len(more) >= len(new))
        await asyncio.sleep(0.2)
        assert sorted(event["order_id"] for event in more) == sorted(new)
        await again.stop()

    async def test_killed_before_the_events_were_accepted_it_tells_them_again(
        self, orders_sandbox: Sandbox
    ) -> None:
        store, triggerer = _Store(), Triggerer()
        triggerer.accepts = False
        first = triggerer.watch(trigger(orders_sandbox), store)
        orders_sandbox.insert_orders("genuka", 3)
        await until(lambda: len(first) == 3)
        again = Triggerer()
        second = again.watch(trigger(orders_sandbox), store)
        await until(lambda: len(second) == 3)
        assert {event["event_id"] for event in first} == {event["event_id"] for event in second}
        await triggerer.stop()
        await again.stop()

    async def test_a_store_that_fails_does_not_end_the_watch(
        self, orders_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Broken(_Store):
            async def aset(self, key: str, value: Any) -> None:
                raise RuntimeError(f"{key} {value}")

        triggerer = Triggerer()
        events = triggerer.watch(trigger(orders_sandbox), Broken())
        orders_sandbox.insert_orders("genuka")
        await until(lambda: len(events) == 1)
        orders_sandbox.clock.advance(5)
        orders_sandbox.insert_orders("genuka")
        await until(lambda: len(events) == 2)
        await until(lambda: "cannot be stored" in caplog.text)
        await triggerer.stop()

    async def test_several_assets_are_said_to_keep_no_position(
        self, orders_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Ambiguous(_Store):
            async def aget(self, key: str) -> Any:
                raise ValueError(key)

        triggerer = Triggerer()
        events = triggerer.watch(trigger(orders_sandbox), Ambiguous())
        orders_sandbox.insert_orders("genuka")
        await until(lambda: events)
        assert "a trigger of its own" in caplog.text.replace("\n", " ")
        await triggerer.stop()
