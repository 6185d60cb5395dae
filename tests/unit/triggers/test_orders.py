"""The trigger by itself: what it stores, how often it asks, when it stops."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from airflow.triggers.base import BaseTrigger

from airflow_provider_orders.hooks.orders import OrdersHook
from airflow_provider_orders.http.aio import AsyncClient
from airflow_provider_orders.triggers.orders import OrderStatusTrigger
from airflow_provider_orders.waiting.clock import CLOCK
from tests.unit.hooks.connect import VENDORS, an_order, secrets_in
from tests.unit.sensors.modes import POKE_S, World, fire, nothing, over_the_wire, until

if TYPE_CHECKING:
    from airflow_provider_orders.sandbox import Sandbox
    from tests.unit.hooks.connect import Connect

UNSHIPPED = {
    "popsell": "PENDING",
    "dipli": "pending_confirmation",
    "valomnia": "PENDING",
    "genuka": "pending",
}


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def trigger(order_id: list[str], conn_id: str = "dipli_default", **arguments: Any) -> OrderStatusTrigger:
    options = {"deadline": time.time() + 3600, "poke_interval": POKE_S, **arguments}
    return OrderStatusTrigger(orders_conn_id=conn_id, order_id=order_id, **options)


def unshipped(sandbox: Sandbox, vendor: str = "dipli", count: int = 1) -> list[str]:
    ids = [an_order(sandbox, vendor, number)[0] for number in range(6, 6 + count)]
    for order_id in ids:
        axis = "order" if vendor == "popsell" else "fulfillment"
        sandbox.set_status(vendor, order_id, UNSHIPPED[vendor], axis=axis)
    return ids


class TestWhatIsStored:
    def test_is_json_without_a_secret_and_makes_an_equal_trigger(
        self, orders_sandbox: Sandbox, vendor: str
    ) -> None:
        assert orders_sandbox.requests == []
        made = trigger(
            ["1", "2"], f"{vendor}_default", wanted=["a"], failed="b", axis="payment", require="any"
        )
        path, kwargs = made.serialize()
        assert path == "airflow_provider_orders.triggers.orders.OrderStatusTrigger"
        assert secrets_in(json.dumps(kwargs, allow_nan=False)) == []
        again = over_the_wire(made)
        assert isinstance(again, BaseTrigger)
        assert again.serialize() == (path, kwargs)

    async def test_what_is_stored_does_not_change_while_it_runs(
        self, orders_sandbox: Sandbox, world: World
    ) -> None:
        (order_id,) = unshipped(orders_sandbox)
        made = trigger([order_id])
        before = json.dumps(made.serialize())
        world.happenings = [lambda: orders_sandbox.set_status("dipli", order_id, "shipped")]
        await fire(made)
        assert json.dumps(made.serialize()) == before

    def test_its_defaults_are_the_sensors(self) -> None:
        stored = OrderStatusTrigger(orders_conn_id="x", order_id=["1"], deadline=0.0).serialize()[1]
        assert {
            "by": "id",
            "require": "all",
            "wanted": None,
            "failed": None,
            "axis": None,
        }.items() <= stored.items()


class TestPolling:
    @pytest.mark.parametrize("polls", [1, 2, 5])
    async def test_asks_once_a_poll_for_each_order(
        self, orders_sandbox: Sandbox, world: World, vendor: str, polls: int
    ) -> None:
        ids = unshipped(orders_sandbox, vendor, 3)
        deadline = 0.0 if polls == 1 else CLOCK.now() + POKE_S * (polls - 1.5)
        event = await fire(trigger(ids, f"{vendor}_default", deadline=deadline))
        assert event["status"] == "timeout"
        reads = [r for r in orders_sandbox.requests if r.path.rpartition("/")[2] in ids]
        assert len(reads) == polls * len(ids)
        assert len(orders_sandbox.requests) - len(reads) <= 2  # one login
        expected = [*[POKE_S] * (polls - 2), POKE_S / 2][: polls - 1]  # the last look is at the deadline
        assert world.slept == pytest.approx(expected, abs=1)

    async def test_has_one_client_and_closes_it(
        self, orders_sandbox: Sandbox, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[AsyncClient] = []
        closed: list[AsyncClient] = []
        get_client, close = OrdersHook.get_async_client, AsyncClient.close

        def remember(hook: OrdersHook) -> AsyncClient:
            made.append(get_client(hook))
            return made[-1]

        async def remember_closing(client: AsyncClient) -> None:
            closed.append(client)
            await close(client)

        monkeypatch.setattr(OrdersHook, "get_async_client", remember)
        monkeypatch.setattr(AsyncClient, "close", remember_closing)
        ids = unshipped(orders_sandbox, "popsell", 2)
        world.happenings = [*[nothing] * 3, lambda: orders_sandbox.delete_order("popsell", ids[0])]
        event = await fire(trigger(ids, "popsell_default"))
        assert event["kind"] == "OrderNotFoundError"
        assert len(made) == 1
        assert closed == made

    async def test_a_cancelled_one_leaves_nothing_open(self, orders_sandbox: Sandbox) -> None:
        ids = unshipped(orders_sandbox, "dipli", 2)
        orders_sandbox.inject("slow", vendor="dipli", times=None, delay_s=0.3)
        running = asyncio.create_task(fire(trigger(ids)))
        await asyncio.sleep(0.1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        gc.collect()  # an open session would warn
        assert len(asyncio.all_tasks()) == 1
        until(lambda: len(orders_sandbox.requests) == len(ids))

    async def test_after_an_error_no_further_order_is_asked_for(
        self, orders_sandbox: Sandbox, connect: Connect
    ) -> None:
        ids = [*unshipped(orders_sandbox, "dipli", 1), "987654321", *map(str, range(111111, 111117))]
        event = await fire(trigger(ids, connect("dipli", concurrency=1)))
        assert event["kind"] == "OrderNotFoundError"
        assert len(asyncio.all_tasks()) == 1
        asked = len(orders_sandbox.requests)
        await asyncio.sleep(0.05)
        assert len(orders_sandbox.requests) <= asked + 1 < len(ids)  # one may have been under way
        gc.collect()

    async def test_many_orders_do_not_time_out_in_their_own_queue(
        self,
        orders_sandbox: Sandbox,
        connect: Connect,
        world: World,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr("airflow_provider_orders.http.aio.SLOWEST_ANSWER", 1)
        orders_sandbox.inject("slow", vendor="dipli", times=None, delay_s=0.1)
        ids = [an_order(orders_sandbox, "dipli", number)[0] for number in range(12)]
        conn_id = connect("dipli", concurrency=1, timeout_s=0.8)
        event = await fire(trigger(ids, conn_id, wanted="shipped", require="any"))
        assert event["status"] == "met"
        assert len(orders_sandbox.requests) == len(ids)
        assert not [record for record in caplog.records if "attempt" in record.getMessage()]


class TestTheDeadline:
    async def test_a_trigger_made_again_keeps_it(self, orders_sandbox: Sandbox, world: World) -> None:
        deadline = CLOCK.now() + 60
        made = trigger(unshipped(orders_sandbox), deadline=deadline)
        world.passed_s += 50.0  # the triggerer was killed, and starts again
        again = over_the_wire(made)
        assert again.deadline == deadline
        event = await fire(again)
        assert event["status"] == "timeout"
        assert world.slept == pytest.approx([10.0], abs=1)  # what was left, which is less than the interval

    async def test_one_that_has_passed_still_gives_a_last_look(
        self, orders_sandbox: Sandbox, world: World
    ) -> None:
        ids = unshipped(orders_sandbox)
        assert (await fire(trigger(ids, deadline=1.0)))["status"] == "timeout"
        orders_sandbox.set_status("dipli", ids[0], "shipped")
        assert (await fire(trigger(ids, deadline=1.0)))["status"] == "met"
        assert world.slept == []

    async def test_a_timeout_says_where_the_orders_stood(self, orders_sandbox: Sandbox) -> None:
        ids = unshipped(orders_sandbox)
        event = await fire(trigger(ids, deadline=1.0))
        (report,) = event["orders"]
        assert datetime.fromisoformat(report.pop("seen_at")).tzinfo == UTC
        assert event == {
            "status": "timeout",
            "account": "dipli_default",
            "axes": ["fulfillment"],
            "orders": [
                {
                    "order_id": ids[0],
                    "outcome": "waiting",
                    "status": {"fulfillment": "pending"},
                    "status_raw": {"fulfillment": "pending_confirmation"},
                }
            ],
        }

    async def test_an_answer_that_hangs_does_not_outlast_it(self, orders_sandbox: Sandbox) -> None:
        ids = unshipped(orders_sandbox)
        orders_sandbox.inject("slow", vendor="dipli", delay_s=2)
        started = time.monotonic()
        event = await fire(trigger(ids, deadline=time.time() + 0.1))
        assert event["status"] == "timeout"
        assert time.monotonic() - started < 2
        until(lambda: len(orders_sandbox.requests) == 1)


class TestTheEvent:
    @pytest.mark.parametrize(
        ("changes", "kind", "details"),
        [
            (
                {"password": "wrong"},
                "AuthenticationError",
                {"status": 401, "vendor": "dipli", "method": "GET"},
            ),
            ({"conn_type": "http"}, "ConfigurationError", {"field": "conn_type"}),
            ({"page_size": 1000}, "ConfigurationError", {"field": "page_size", "vendor": "dipli"}),
        ],
    )
    async def test_an_error_is_an_event_with_its_kind(
        self,
        orders_sandbox: Sandbox,
        connect: Connect,
        changes: dict[str, Any],
        kind: str,
        details: dict[str, Any],
    ) -> None:
        event = await fire(trigger(unshipped(orders_sandbox), connect("dipli", **changes)))
        assert (event["status"], event["kind"], event["orders"]) == ("error", kind, [])
        assert details.items() <= event["details"].items()
        assert secrets_in(json.dumps(event)) == []

    async def test_a_connection_that_is_gone_is_an_event_too(
        self, orders_sandbox: Sandbox, world: World
    ) -> None:
        event = await fire(trigger(["1"], "nowhere"))
        assert (event["status"], event["kind"]) == ("error", "ConfigurationError")
        assert orders_sandbox.requests == []
        assert world.slept

    async def test_an_order_that_is_not_as_documented_is_an_event(
        self, orders_sandbox: Sandbox, world: World
    ) -> None:
        ids = unshipped(orders_sandbox)
        orders_sandbox.inject("redirect", vendor="dipli", location="/dipli/api/v2/orders")
        event = await fire(trigger(ids))
        assert event["kind"] == "UnexpectedPayloadError"
        assert world.slept == []

    async def test_a_redirect_elsewhere_is_an_event(self, orders_sandbox: Sandbox) -> None:
        ids = unshipped(orders_sandbox)
        orders_sandbox.inject("redirect", vendor="dipli", location="http://127.0.0.1:1/orders")
        assert (await fire(trigger(ids)))["kind"] == "UnsafeRedirectError"
