"""The triggers of waits when they start: for the first time, again after a restart, and with what cannot be meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.sdk import BaseHook, Connection

from airflow_provider_orders.triggers.orders import OrderStatusTrigger, OrdersUpdatedTrigger
from airflow_provider_orders.waiting.clock import CLOCK
from tests.unit.hooks.connect import an_order
from tests.unit.sensors.modes import POKE_S, World, fire

if TYPE_CHECKING:
    from airflow_provider_orders.sandbox import Sandbox

DAY_S = 86400.0

WaitTrigger: TypeAlias = OrderStatusTrigger | OrdersUpdatedTrigger


@pytest.fixture(params=[OrderStatusTrigger, OrdersUpdatedTrigger])
def kind(request: pytest.FixtureRequest) -> type[WaitTrigger]:
    """Give the trigger of one of the sensors."""
    trigger: type[WaitTrigger] = request.param
    return trigger


@pytest.fixture
def make(kind: type[WaitTrigger], orders_sandbox: Sandbox) -> Any:
    """Give the maker of triggers for something that does not happen within two hours."""
    order_id, _ = an_order(orders_sandbox, "dipli", 6)
    orders_sandbox.set_status("dipli", order_id, "pending_confirmation")
    awaited: dict[type[WaitTrigger], dict[str, Any]] = {
        OrderStatusTrigger: {"order_id": [order_id]},
        OrdersUpdatedTrigger: {"updated_since": orders_sandbox.clock.now().timestamp(), "at_least": 1000},
    }

    def make(**arguments: Any) -> Any:
        options = {
            "orders_conn_id": "dipli_default",
            "deadline": CLOCK.now() + 4 * POKE_S,
            "poke_interval": POKE_S,
            **awaited[kind],
            **arguments,
        }
        return kind(**options)

    return make


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"max_unavailable": "1h"}, "max_unavailable"),
        ({"max_unavailable": None}, "max_unavailable"),
        ({"poke_interval": "often"}, "poke_interval"),
        ({"poke_interval": -1}, "poke_interval"),
        ({"axis": ["fulfillment"]}, "axis"),
    ],
)
async def test_what_cannot_be_meant_is_an_event_that_names_it(
    make: Any, orders_sandbox: Sandbox, arguments: dict[str, Any], field: str
) -> None:
    event = await fire(make(**arguments))
    assert (event["status"], event["kind"]) == ("error", "ConfigurationError")
    assert event["details"]["field"] == field
    assert orders_sandbox.requests == []


class TestAnOutageThatTheWorkerSaw:
    async def test_counts_when_the_trigger_starts_for_the_first_time(
        self, make: Any, orders_sandbox: Sandbox, world: World
    ) -> None:
        orders_sandbox.inject("server_error", vendor="dipli", times=None)
        now = CLOCK.now()
        event = await fire(
            make(first_poll_at=now + POKE_S, unavailable_since=now - 60, max_unavailable=60 + POKE_S / 2)
        )
        assert event["kind"] == "ApiUnavailableError"
        assert world.slept == pytest.approx([POKE_S], abs=1)

    async def test_is_over_when_the_trigger_starts_again_days_later(
        self, make: Any, orders_sandbox: Sandbox, world: World
    ) -> None:
        orders_sandbox.inject("server_error", vendor="dipli", times=5)  # one look with all its attempts
        now = CLOCK.now()
        event = await fire(
            make(first_poll_at=now - 5 * DAY_S, unavailable_since=now - 5 * DAY_S - 60, max_unavailable=3600)
        )
        assert event["status"] == "timeout"


class TestAConnectionThatIsNotFound:
    """Airflow says so of a secrets backend that does not answer, too."""

    @pytest.fixture
    def missing(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Give the list of ids that are not found, one for each look-up, until it is empty."""
        ids: list[str] = []
        look_up = BaseHook.aget_connection

        async def aget_connection(conn_id: str) -> Connection:
            if ids:
                raise AirflowNotFoundException(ids.pop())
            found: Connection = await look_up(conn_id)
            return found

        monkeypatch.setattr(BaseHook, "aget_connection", aget_connection)
        return ids

    async def test_is_looked_up_again(self, make: Any, world: World, missing: list[str]) -> None:
        missing += ["dipli_default"] * 3
        event = await fire(make(deadline=CLOCK.now() + 600))
        assert event["status"] == "timeout"
        assert missing == []

    async def test_counts_as_missing_after_two_minutes(
        self, make: Any, world: World, missing: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        missing += ["dipli_default"] * 1000
        event = await fire(make(deadline=CLOCK.now() + 600))
        assert (event["kind"], event["details"]) == ("ConfigurationError", {"field": "orders_conn_id"})
        assert sum(world.slept) == 120
        assert 3 < len(caplog.messages) < 10

    async def test_one_that_is_wrong_is_not_looked_up_again(
        self, make: Any, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_CHANGED", '{"conn_type": "http"}')
        event = await fire(make(orders_conn_id="changed"))
        assert event["details"]["field"] == "conn_type"
        assert world.slept == []


class TestTheFirstLookOfAWaitForChanges:
    """Each wait polls by itself."""

    @staticmethod
    async def first_pause(sandbox: Sandbox, world: World, **arguments: Any) -> float:
        world.slept.clear()
        trigger = OrdersUpdatedTrigger(
            orders_conn_id="dipli_default",
            updated_since=sandbox.clock.now().timestamp(),
            deadline=CLOCK.now() + POKE_S,
            at_least=1000,
            poke_interval=POKE_S,
            **arguments,
        )
        assert (await fire(trigger))["status"] == "timeout"
        return world.slept[0]

    async def test_is_an_interval_after_the_workers(self, orders_sandbox: Sandbox, world: World) -> None:
        pause = await self.first_pause(orders_sandbox, world, first_poll_at=CLOCK.now() + POKE_S / 2)
        assert pause == pytest.approx(POKE_S / 2, abs=1)

    async def test_is_anywhere_in_the_interval_after_a_restart(
        self, orders_sandbox: Sandbox, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drawn: list[tuple[float, float]] = []

        def draw(least: float, most: float) -> float:
            drawn.append((least, most))
            return most / 3

        monkeypatch.setattr("airflow_provider_orders.waiting.choice.random.uniform", draw)
        pause = await self.first_pause(orders_sandbox, world, first_poll_at=CLOCK.now() - DAY_S)
        assert drawn == [(0.0, POKE_S)]
        assert pause == pytest.approx(POKE_S / 3, abs=1)

    async def test_is_not_put_off_beyond_the_deadline(self, orders_sandbox: Sandbox, world: World) -> None:
        trigger = OrdersUpdatedTrigger(
            orders_conn_id="dipli_default",
            updated_since=0.0,
            deadline=1.0,
            poke_interval=3600.0,
            first_poll_at=1.0,
        )
        assert (await fire(trigger))["status"] == "met"
        assert world.slept in ([], [0.0])
