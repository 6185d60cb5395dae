"""The sensor for anything that changed, in its three modes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout, AirflowSkipException

from airflow_provider_orders import errors
from airflow_provider_orders.sensors.orders import OrdersUpdatedSensor
from tests.unit.hooks.connect import VENDORS, an_order
from tests.unit.sensors.modes import MODES, POKE_S, World, _wait_deferred, _wait_rescheduled, context, nothing

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_orders.sandbox import Sandbox
    from tests.unit.hooks.connect import Connect

WORDS = {"popsell": "FULFILLED", "dipli": "shipped", "valomnia": "DELIVERED", "genuka": "delivered"}


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def since(sandbox: Sandbox, days: int = 10) -> str:
    """Give a moment after all that the sandbox begins with: Dipli's filter goes by the day."""
    sandbox.clock.advance(days * 86400)
    return sandbox.clock.now().isoformat()


def wait(world: World, mode: str, **arguments: Any) -> Any:
    options = {
        "task_id": "wait",
        "poke_interval": POKE_S,
        "timeout": 3600,
        "deferrable": mode == "deferrable",
        "mode": "poke" if mode == "deferrable" else mode,
        **arguments,
    }

    def sensor() -> Any:
        return OrdersUpdatedSensor(**options)

    if mode == "deferrable":
        return _wait_deferred(cast("Any", sensor))
    if mode == "reschedule":
        return _wait_rescheduled(cast("Any", sensor), world)
    return sensor().execute(context())


def ship(sandbox: Sandbox, vendor: str, number: int = 11) -> Callable[[], None]:
    order_id, _ = an_order(sandbox, vendor, number)
    axis = "order" if vendor == "popsell" else "fulfillment"

    def happen() -> None:
        sandbox.clock.advance(5)
        sandbox.set_status(vendor, order_id, WORDS[vendor], axis=axis)

    return happen


class TestTheSameInEachMode:
    def test_a_change_that_comes(self, orders_sandbox: Sandbox, world: World, mode: str, vendor: str) -> None:
        moment = since(orders_sandbox)
        order_id, _ = an_order(orders_sandbox, vendor, 11)
        world.happenings = [nothing, ship(orders_sandbox, vendor)]
        result = wait(world, mode, orders_conn_id=f"{vendor}_default", updated_since=moment)
        assert result == {"updated_since": moment, "count": 1, "order_ids": [order_id]}
        assert len(world.slept) == 2

    def test_one_that_is_there_already(
        self, orders_sandbox: Sandbox, world: World, mode: str, vendor: str
    ) -> None:
        moment = since(orders_sandbox)
        ids = orders_sandbox.insert_orders(vendor, 2)
        result = wait(world, mode, orders_conn_id=f"{vendor}_default", updated_since=moment)
        assert (result["count"], sorted(result["order_ids"])) == (2, sorted(ids))
        assert world.slept == []

    def test_as_many_as_asked_for(self, orders_sandbox: Sandbox, world: World, mode: str) -> None:
        moment = since(orders_sandbox)
        world.happenings = [ship(orders_sandbox, "genuka", number) for number in (6, 7, 8)]
        result = wait(world, mode, orders_conn_id="genuka_default", updated_since=moment, at_least="3")
        assert result["count"] == 3
        assert len(world.slept) == 3

    def test_only_with_a_status(self, orders_sandbox: Sandbox, world: World, mode: str, vendor: str) -> None:
        moment = since(orders_sandbox)
        orders_sandbox.insert_orders(vendor)
        world.happenings = [ship(orders_sandbox, vendor)]
        result = wait(
            world, mode, orders_conn_id=f"{vendor}_default", updated_since=moment, statuses=[WORDS[vendor]]
        )
        assert result["order_ids"] == [an_order(orders_sandbox, vendor, 11)[0]]

    def test_the_deadline(self, orders_sandbox: Sandbox, world: World, mode: str) -> None:
        moment = since(orders_sandbox)
        deadline = datetime.now(UTC) + timedelta(seconds=2 * POKE_S - 0.5)
        with pytest.raises(AirflowSensorTimeout):
            wait(world, mode, orders_conn_id="genuka_default", updated_since=moment, deadline=deadline)
        assert sum(world.slept) == pytest.approx(2 * POKE_S, abs=3)

    def test_the_timeout(self, orders_sandbox: Sandbox, world: World, mode: str) -> None:
        moment = since(orders_sandbox)
        with pytest.raises(AirflowSensorTimeout):
            wait(world, mode, orders_conn_id="genuka_default", updated_since=moment, timeout=0)

    def test_an_outage_is_waited_out(self, orders_sandbox: Sandbox, world: World, mode: str) -> None:
        moment = since(orders_sandbox)
        orders_sandbox.insert_orders("dipli")
        orders_sandbox.inject("rate_limit", vendor="dipli", retry_after="600")
        assert wait(world, mode, orders_conn_id="dipli_default", updated_since=moment)["count"] == 1
        assert world.slept == pytest.approx([600], abs=2)

    def test_an_outage_that_lasts_too_long(self, orders_sandbox: Sandbox, world: World, mode: str) -> None:
        moment = since(orders_sandbox)
        orders_sandbox.inject("server_error", vendor="dipli", times=None)
        with pytest.raises(errors.ApiUnavailableError):
            wait(world, mode, orders_conn_id="dipli_default", updated_since=moment, max_unavailable=40)
        assert world.slept == pytest.approx([POKE_S] * 3, abs=2)

    def test_outages_with_an_answer_in_between(
        self, orders_sandbox: Sandbox, world: World, mode: str
    ) -> None:
        moment = since(orders_sandbox)

        def fail() -> None:
            orders_sandbox.inject("server_error", vendor="dipli", times=None)

        fail()
        answer = orders_sandbox._faults.script.clear
        world.happenings = [nothing, answer, fail, nothing, answer, ship(orders_sandbox, "dipli")]
        result = wait(world, mode, orders_conn_id="dipli_default", updated_since=moment, max_unavailable=40)
        assert result["count"] == 1

    def test_rejected_credentials(
        self, orders_sandbox: Sandbox, connect: Connect, world: World, mode: str
    ) -> None:
        with pytest.raises(errors.AuthenticationError):
            wait(
                world,
                mode,
                orders_conn_id=connect("dipli", password="wrong"),
                updated_since=since(orders_sandbox),
            )

    def test_credentials_that_are_withdrawn(self, orders_sandbox: Sandbox, world: World, mode: str) -> None:
        moment = since(orders_sandbox)
        world.happenings = [lambda: orders_sandbox.inject("expire", vendor="dipli", times=None)]
        with pytest.raises(errors.AuthenticationError) as caught:
            wait(world, mode, orders_conn_id="dipli_default", updated_since=moment)
        assert caught.value.status == 401

    @pytest.mark.parametrize(
        ("arguments", "field"),
        [
            ({"statuses": "nonsense"}, "statuses"),
            ({"axis": "payment"}, "axis"),
            ({"axis": ["fulfillment"]}, "axis"),
            ({"ambassador_id": 7}, "ambassador_id"),
            ({"vendor_params": {"colour": "red"}}, "params"),
            ({"at_least": 0}, "at_least"),
            ({"deadline": "tomorrow"}, "deadline"),
            ({"max_unavailable": -1}, "max_unavailable"),
            ({"updated_since": "yesterday"}, "updated_since"),
            ({"updated_since": ["2026-01-01T00:00:00Z"]}, "updated_since"),
            ({"updated_since": "2026-01-01T00:00:00"}, "updated_since"),
        ],
    )
    def test_bad_input(
        self, orders_sandbox: Sandbox, world: World, mode: str, arguments: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(errors.ConfigurationError) as caught:
            wait(
                world,
                mode,
                **{"orders_conn_id": "dipli_default", "updated_since": since(orders_sandbox), **arguments},
            )
        assert caught.value.field == field
        assert orders_sandbox.requests == []

    def test_a_deadline_in_the_past(self, orders_sandbox: Sandbox, world: World, mode: str) -> None:
        if mode == "reschedule":
            pytest.skip("played as a later look, for which a deadline is a time-out")
        with pytest.raises(errors.ConfigurationError) as caught:
            wait(
                world,
                mode,
                orders_conn_id="dipli_default",
                deadline="2020-01-01T00:00:00Z",
                updated_since=0.0,
            )
        assert caught.value.field == "deadline"
        assert orders_sandbox.requests == []

    def test_soft_fail(self, orders_sandbox: Sandbox, world: World, mode: str) -> None:
        with pytest.raises(AirflowSkipException):
            wait(
                world,
                mode,
                orders_conn_id="dipli_default",
                updated_since=since(orders_sandbox),
                statuses="nonsense",
                soft_fail=True,
            )


def test_ids_are_given_of_the_first_hundred(orders_sandbox: Sandbox, world: World) -> None:
    moment = since(orders_sandbox)
    orders_sandbox.insert_orders("genuka", 130)
    result = wait(world, "poke", orders_conn_id="genuka_default", updated_since=moment)
    assert (result["count"], len(result["order_ids"])) == (130, 100)
    json.dumps(result)


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        {"status": []},
        {"status": "met"},
        {"status": "met", "updated_since": "x", "count": 1, "order_ids": [{}]},
    ],
)
def test_an_event_that_is_none_of_ours_is_an_error(event: Any) -> None:
    sensor = OrdersUpdatedSensor(task_id="wait", orders_conn_id="x")
    with pytest.raises(errors.OrdersError, match="does not know"):
        sensor.execute_complete(context(), event)


def test_the_run_says_since_when(orders_sandbox: Sandbox) -> None:
    from types import SimpleNamespace

    moment = datetime.fromisoformat(since(orders_sandbox))
    orders_sandbox.insert_orders("genuka")
    run = SimpleNamespace(data_interval_start=None, logical_date=None, run_after=moment)
    sensor = OrdersUpdatedSensor(task_id="wait", orders_conn_id="genuka_default")
    result = sensor.poke(cast("Any", {**context(), "dag_run": run}))
    assert result.is_done
    with pytest.raises(errors.ConfigurationError, match="updated_since is missing"):
        sensor.poke(context())
