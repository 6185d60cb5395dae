"""The sensor in its three modes: the same results, the same errors, the same requests."""

from __future__ import annotations

import importlib
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow.sdk import DAG, task
from airflow.triggers.base import BaseTrigger

from airflow_provider_orders import errors
from airflow_provider_orders.sensors.orders import OrderStatusSensor
from airflow_provider_orders.triggers.orders import OrderStatusTrigger
from airflow_provider_orders.waiting.clock import CLOCK
from tests.unit.hooks.connect import FORBIDDEN, VENDORS, an_order, way_id
from tests.unit.operators.dags import note_errors
from tests.unit.sensors.modes import (
    MODES,
    POKE_S,
    World,
    context,
    fire,
    nothing,
    outcome_of,
    unseen,
    until,
    wait,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_orders.sandbox import Sandbox
    from tests.conftest import DagRunner
    from tests.unit.hooks.connect import Connect


class Words(NamedTuple):
    """A vendor's words on the axis that it waits on by default."""

    pending: str
    met: str
    failed: str
    axis: str
    canonical: str


WORDS = {
    "popsell": Words("PENDING", "FULFILLED", "CANCELLED", "order", "completed"),
    "dipli": Words("pending_confirmation", "shipped", "cancelled", "fulfillment", "delivered"),
    "valomnia": Words("PENDING", "DELIVERED", "REJECTED", "fulfillment", "delivered"),
    "genuka": Words("pending", "delivered", "cancelled", "fulfillment", "delivered"),
}
UNKNOWN = dict.fromkeys(VENDORS, "987654321") | {"genuka": "01zzzzzzzzzzzzzzzzzzzzzzzz"}


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def pending_orders(sandbox: Sandbox, vendor: str, count: int = 1) -> list[str]:
    ids = [an_order(sandbox, vendor, number)[0] for number in range(6, 6 + count)]
    for order_id in ids:
        become(sandbox, vendor, order_id, WORDS[vendor].pending)()
    return ids


def become(sandbox: Sandbox, vendor: str, order_id: str, word: str) -> Callable[[], None]:
    if (vendor, word) == ("genuka", "cancelled"):  # it has no word for it
        return lambda: sandbox.delete_order(vendor, order_id)
    return lambda: sandbox.set_status(vendor, order_id, word, axis=WORDS[vendor].axis)


def reads(sandbox: Sandbox, order_id: str) -> int:
    return len([request for request in sandbox.requests if request.path.endswith(f"/{order_id}")])


class TestTheSameInEachMode:
    def test_a_status_that_comes(self, orders_sandbox: Sandbox, world: World, mode: str, vendor: str) -> None:
        words = WORDS[vendor]
        (order_id,) = pending_orders(orders_sandbox, vendor)
        world.happenings = [nothing, become(orders_sandbox, vendor, order_id, words.met)]
        result = wait(world, mode, order_id=order_id, orders_conn_id=f"{vendor}_default")
        assert unseen(result) == {
            "axes": [words.axis],
            "orders": [
                {
                    "order_id": order_id,
                    "outcome": "met",
                    "status": {words.axis: words.canonical},
                    "status_raw": {words.axis: words.met},
                }
            ],
        }
        assert world.slept == pytest.approx([POKE_S] * 2, abs=1)
        assert reads(orders_sandbox, order_id) == 3

    def test_a_status_that_is_there_already(
        self, orders_sandbox: Sandbox, world: World, mode: str, vendor: str
    ) -> None:
        (order_id,) = pending_orders(orders_sandbox, vendor)
        become(orders_sandbox, vendor, order_id, WORDS[vendor].met)()
        result = wait(world, mode, order_id=order_id, orders_conn_id=f"{vendor}_default")
        assert result["orders"][0]["status"] == {WORDS[vendor].axis: WORDS[vendor].canonical}
        assert world.slept == []
        assert reads(orders_sandbox, order_id) == 1

    def test_a_failed_status(self, orders_sandbox: Sandbox, world: World, mode: str, vendor: str) -> None:
        (order_id,) = pending_orders(orders_sandbox, vendor)
        world.happenings = [become(orders_sandbox, vendor, order_id, WORDS[vendor].failed)]
        with pytest.raises(errors.OrderFailedError, match=f"order {order_id} is "):
            wait(world, mode, order_id=order_id, orders_conn_id=f"{vendor}_default")
        assert len(world.slept) == 1

    def test_an_unknown_order(self, orders_sandbox: Sandbox, world: World, mode: str, vendor: str) -> None:
        with pytest.raises(errors.OrderNotFoundError) as caught:
            wait(world, mode, order_id=UNKNOWN[vendor], orders_conn_id=f"{vendor}_default")
        assert (caught.value.vendor, caught.value.status) == (vendor, 404)
        assert world.slept == []
        assert orders_sandbox.requests[-1].status == 404

    def test_an_order_that_goes_away(
        self, orders_sandbox: Sandbox, world: World, mode: str, vendor: str
    ) -> None:
        (order_id,) = pending_orders(orders_sandbox, vendor)
        world.happenings = [lambda: orders_sandbox.delete_order(vendor, order_id)]
        gone = errors.OrderFailedError if vendor == "genuka" else errors.OrderNotFoundError
        with pytest.raises(gone):
            wait(world, mode, order_id=order_id, orders_conn_id=f"{vendor}_default")

    def test_rejected_credentials(
        self, orders_sandbox: Sandbox, connect: Connect, world: World, mode: str, vendor: str
    ) -> None:
        (order_id,) = pending_orders(orders_sandbox, vendor)
        with pytest.raises(errors.AuthenticationError):
            wait(world, mode, order_id=order_id, orders_conn_id=connect(vendor, password="wrong"))
        assert world.slept == []
        assert len(orders_sandbox.requests) == 1

    @pytest.mark.parametrize(("vendor", "way"), FORBIDDEN, ids=way_id)
    def test_a_missing_permission(
        self,
        orders_sandbox: Sandbox,
        connect: Connect,
        world: World,
        mode: str,
        vendor: str,
        way: dict[str, Any],
    ) -> None:
        (order_id,) = pending_orders(orders_sandbox, vendor)
        with pytest.raises(errors.PermissionDeniedError, match="permission"):
            wait(world, mode, order_id=order_id, orders_conn_id=connect(vendor, **way))
        assert world.slept == []

    def test_credentials_that_are_withdrawn_while_it_waits(
        self, orders_sandbox: Sandbox, world: World, mode: str
    ) -> None:
        (order_id,) = pending_orders(orders_sandbox, "dipli")
        world.happenings = [lambda: orders_sandbox.inject("expire", vendor="dipli", times=None)]
        with pytest.raises(errors.AuthenticationError) as caught:
            wait(world, mode, order_id=order_id, orders_conn_id="dipli_default")
        assert (caught.value.vendor, caught.value.method, caught.value.status) == ("dipli", "GET", 401)
        assert len(world.slept) == 1

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    def test_an_outage_is_waited_out(
        self, orders_sandbox: Sandbox, world: World, mode: str, vendor: str, status: int
    ) -> None:
        (order_id,) = pending_orders(orders_sandbox, vendor)
        become(orders_sandbox, vendor, order_id, WORDS[vendor].met)()
        orders_sandbox.inject("server_error", vendor=vendor, path=f"/{order_id}", times=12, status=status)
        result = wait(world, mode, order_id=order_id, orders_conn_id=f"{vendor}_default")
        assert result["orders"][0]["outcome"] == "met"
        assert len(world.slept) == 2  # 5 attempts a poll
        assert reads(orders_sandbox, order_id) == 13

    @pytest.mark.parametrize("kind", ["cut", "slow"])
    def test_a_network_that_fails_is_waited_out(
        self, orders_sandbox: Sandbox, connect: Connect, world: World, mode: str, kind: Any
    ) -> None:
        (order_id,) = pending_orders(orders_sandbox, "dipli")
        become(orders_sandbox, "dipli", order_id, "shipped")()
        options: dict[str, Any] = {"delay_s": 0.3} if kind == "slow" else {}
        orders_sandbox.inject(kind, vendor="dipli", times=5, **options)
        conn_id = connect("dipli", timeout_s=0.05)
        assert wait(world, mode, order_id=order_id, orders_conn_id=conn_id)["orders"][0]["outcome"] == "met"
        until(lambda: len(orders_sandbox.requests) == 6)  # the late answers are not for the next test

    def test_a_rate_limit_is_waited_out_for_as_long_as_asked(
        self, orders_sandbox: Sandbox, world: World, mode: str, vendor: str
    ) -> None:
        (order_id,) = pending_orders(orders_sandbox, vendor)
        world.happenings = [
            lambda: orders_sandbox.inject(
                "rate_limit", vendor=vendor, path=f"/{order_id}", retry_after="600"
            ),
            become(orders_sandbox, vendor, order_id, WORDS[vendor].met),
        ]
        result = wait(world, mode, order_id=order_id, orders_conn_id=f"{vendor}_default")
        assert result["orders"][0]["outcome"] == "met"
        assert world.slept == pytest.approx([POKE_S, 600], abs=1)

    def test_a_rate_limit_does_not_outlast_the_timeout(
        self, orders_sandbox: Sandbox, world: World, mode: str
    ) -> None:
        (order_id,) = pending_orders(orders_sandbox, "dipli")
        world.happenings = [
            lambda: orders_sandbox.inject("rate_limit", vendor="dipli", retry_after="86400"),
            become(orders_sandbox, "dipli", order_id, "shipped"),
        ]
        wait(world, mode, order_id=order_id, orders_conn_id="dipli_default", timeout=900)
        assert len(world.slept) == 2
        assert world.slept[1] <= 900

    def test_the_end_of_its_time(self, orders_sandbox: Sandbox, world: World, mode: str, vendor: str) -> None:
        (order_id,) = pending_orders(orders_sandbox, vendor)
        with pytest.raises(AirflowSensorTimeout):
            wait(world, mode, order_id=order_id, orders_conn_id=f"{vendor}_default", timeout=0)
        assert reads(orders_sandbox, order_id) == 1

    def test_the_end_of_its_time_in_an_outage(self, orders_sandbox: Sandbox, world: World, mode: str) -> None:
        (order_id,) = pending_orders(orders_sandbox, "dipli")
        orders_sandbox.inject("server_error", vendor="dipli", times=None)
        with pytest.raises(AirflowSensorTimeout):
            wait(world, mode, order_id=order_id, orders_conn_id="dipli_default", timeout=0)

    @pytest.mark.parametrize(
        ("require", "moves", "expected"),
        [
            ("all", ("met", None), "waiting"),
            ("all", ("met", "met"), "met"),
            ("all", ("met", "failed"), "failed"),
            ("any", ("met", None), "met"),
            ("any", ("failed", "met"), "met"),
            ("any", ("failed", None), "waiting"),
            ("any", ("failed", "failed"), "failed"),
        ],
    )
    def test_several_orders(
        self,
        orders_sandbox: Sandbox,
        world: World,
        mode: str,
        require: str,
        moves: Sequence[str | None],
        expected: str,
    ) -> None:
        ids = pending_orders(orders_sandbox, "genuka", 2)
        for order_id, move in zip(ids, moves, strict=True):
            if move:
                become(orders_sandbox, "genuka", order_id, getattr(WORDS["genuka"], move))()
        arguments = {
            "order_id": ids,
            "orders_conn_id": "genuka_default",
            "require": require,
            "timeout": 0,
        }
        result = outcome_of(lambda: wait(world, mode, **arguments))
        if expected == "met":
            assert [report["order_id"] for report in result["orders"]] == ids
        else:
            assert result[0] is {"waiting": AirflowSensorTimeout, "failed": errors.OrderFailedError}[expected]

    @pytest.mark.parametrize("vendor", ["valomnia", "genuka"])
    def test_by_reference(self, orders_sandbox: Sandbox, world: World, mode: str, vendor: str) -> None:
        order_id, payload = an_order(orders_sandbox, vendor, 8)
        become(orders_sandbox, vendor, order_id, WORDS[vendor].met)()
        result = wait(
            world, mode, order_id=payload["reference"], by="reference", orders_conn_id=f"{vendor}_default"
        )
        assert result["orders"][0]["order_id"] == payload["reference"]

    @pytest.mark.parametrize("wanted", ["in_transit", "ongoing_shipping", ["ONGOING_SHIPPING", "failed"]])
    def test_the_vendors_word_or_the_canonical_one(
        self, orders_sandbox: Sandbox, world: World, mode: str, wanted: Any
    ) -> None:
        (order_id,) = pending_orders(orders_sandbox, "dipli")
        world.happenings = [become(orders_sandbox, "dipli", order_id, "ongoing_shipping")]
        result = wait(world, mode, order_id=order_id, orders_conn_id="dipli_default", wanted=wanted)
        assert result["orders"][0]["status"] == {"fulfillment": "in_transit"}
        assert len(world.slept) == 1

    @pytest.mark.parametrize(("vendor", "word"), [("genuka", "paid"), ("valomnia", "PAID")])
    def test_the_payment_axis(
        self, orders_sandbox: Sandbox, world: World, mode: str, vendor: str, word: str
    ) -> None:
        order_id, _ = an_order(orders_sandbox, vendor, 8)
        before = {"genuka": "unpaid", "valomnia": "NOT_PAID"}[vendor]
        orders_sandbox.set_status(vendor, order_id, before, axis="payment")
        world.happenings = [lambda: orders_sandbox.set_status(vendor, order_id, word, axis="payment")]
        result = wait(
            world, mode, order_id=order_id, orders_conn_id=f"{vendor}_default", axis="payment", wanted="paid"
        )
        assert result["axes"] == ["payment"]
        assert result["orders"][0]["status_raw"] == {"payment": word}

    def test_a_session_that_expires_between_two_polls(
        self, orders_sandbox: Sandbox, world: World, mode: str
    ) -> None:
        (order_id,) = pending_orders(orders_sandbox, "valomnia")

        def expire_and_deliver() -> None:
            orders_sandbox.expire_sessions("valomnia")
            become(orders_sandbox, "valomnia", order_id, "DELIVERED")()

        world.happenings = [expire_and_deliver]
        result = wait(world, mode, order_id=order_id, orders_conn_id="valomnia_default")
        assert result["orders"][0]["status"] == {"fulfillment": "delivered"}

    @pytest.mark.parametrize(
        ("arguments", "field"),
        [
            ({"order_id": []}, "order_id"),
            ({"order_id": "A-7"}, "order_id"),
            ({"by": "reference"}, "by"),
            ({"by": ["id"]}, "by"),
            ({"wanted": "delivred"}, "wanted"),
            ({"failed": "lost"}, "failed"),
            ({"axis": "payment"}, "axis"),
            ({"axis": ["fulfillment"]}, "axis"),
            ({"require": "most"}, "require"),
            ({"at_least": 2}, "at_least"),
            ({"not_found": "shrug"}, "not_found"),
            ({"deadline": "2020-01-01T00:00:00Z"}, "deadline"),
            ({"deadline": "2099-01-01T00:00:00"}, "deadline"),
            ({"deadline": "soon"}, "deadline"),
            ({"deadline": ["2099-01-01T00:00:00Z"]}, "deadline"),
            ({"max_unavailable": -1}, "max_unavailable"),
            ({"max_unavailable": "1h"}, "max_unavailable"),
            ({"wanted": {"weather": "rain"}}, "wanted"),
            ({"wanted": "shipped", "failed": ["shipped"]}, "failed"),
            ({"orders_conn_id": "nowhere"}, "orders_conn_id"),
        ],
    )
    def test_a_wrong_argument_sends_nothing(
        self, orders_sandbox: Sandbox, world: World, mode: str, arguments: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(errors.ConfigurationError) as caught:
            wait(world, mode, **{"order_id": "7", "orders_conn_id": "dipli_default", **arguments})
        assert caught.value.field == field
        assert orders_sandbox.requests == []
        assert world.slept == []


class TestSoftFail:
    @pytest.mark.parametrize("end", ["401", "404", "failed", "failed later", "timeout", "bad argument"])
    @pytest.mark.parametrize("option", ["soft_fail", "never_fail"])
    def test_every_end_skips(
        self, orders_sandbox: Sandbox, connect: Connect, world: World, mode: str, end: str, option: str
    ) -> None:
        if option == "never_fail" and end == "timeout":
            pytest.skip("Airflow's own: a sensor that pokes fails at its timeout all the same")
        (order_id,) = pending_orders(orders_sandbox, "dipli")
        arguments: dict[str, Any] = {"order_id": order_id, "orders_conn_id": "dipli_default", option: True}
        if end == "401":
            arguments["orders_conn_id"] = connect("dipli", password="wrong")
        elif end == "404":
            arguments["order_id"] = UNKNOWN["dipli"]
        elif end == "failed":
            become(orders_sandbox, "dipli", order_id, "cancelled")()
        elif end == "failed later":
            world.happenings = [become(orders_sandbox, "dipli", order_id, "cancelled")]
        elif end == "timeout":
            arguments["timeout"] = 0
        else:
            arguments["wanted"] = "delivred"
        with pytest.raises(AirflowSkipException):
            wait(world, mode, **arguments)


class TestTheDeadline:
    def test_the_earlier_one_counts(self, orders_sandbox: Sandbox, world: World, mode: str) -> None:
        (order_id,) = pending_orders(orders_sandbox, "dipli")
        deadline = datetime.fromtimestamp(CLOCK.now() + 2.5 * POKE_S, UTC)
        with pytest.raises(AirflowSensorTimeout):
            wait(world, mode, order_id=order_id, orders_conn_id="dipli_default", deadline=deadline)
        assert sum(world.slept) == pytest.approx(2.5 * POKE_S, abs=1)
        assert reads(orders_sandbox, order_id) == 4  # the last one at the deadline

    def test_it_gives_a_last_look(self, orders_sandbox: Sandbox, world: World, mode: str) -> None:
        (order_id,) = pending_orders(orders_sandbox, "dipli")
        world.happenings = [nothing, become(orders_sandbox, "dipli", order_id, "shipped")]
        deadline = datetime.fromtimestamp(CLOCK.now() + 1.5 * POKE_S, UTC).isoformat()
        result = wait(world, mode, order_id=order_id, orders_conn_id="dipli_default", deadline=deadline)
        assert result["orders"][0]["outcome"] == "met"

    @pytest.mark.parametrize("option", ["soft_fail", "never_fail"])
    def test_it_may_skip(self, orders_sandbox: Sandbox, world: World, mode: str, option: str) -> None:
        (order_id,) = pending_orders(orders_sandbox, "dipli")
        deadline = datetime.fromtimestamp(CLOCK.now() + 1.5 * POKE_S, UTC)
        arguments = {"deadline": deadline, option: True}
        with pytest.raises(AirflowSkipException):
            wait(world, mode, order_id=order_id, orders_conn_id="dipli_default", **arguments)

    def test_one_that_a_retry_comes_too_late_for_is_no_mistake(self, orders_sandbox: Sandbox) -> None:
        (order_id,) = pending_orders(orders_sandbox, "dipli")
        sensor = OrderStatusSensor(
            task_id="wait",
            order_id=order_id,
            orders_conn_id="dipli_default",
            deadline="2020-01-01T00:00:00Z",
            deferrable=True,
        )
        second_try = context()
        second_try["ti"].try_number = 2
        with pytest.raises(AirflowSensorTimeout):
            sensor.execute(second_try)
        orders_sandbox.set_status("dipli", order_id, "shipped")
        assert sensor.execute(second_try)["orders"][0]["outcome"] == "met"


class TestStartingInTheTriggerer:
    def sensor(self, **arguments: Any) -> OrderStatusSensor:
        options: dict[str, Any] = {"order_id": "7", "orders_conn_id": "dipli_default", **arguments}
        return OrderStatusSensor(task_id="wait", start_from_trigger=True, **options)

    @pytest.fixture(autouse=True)
    def _renders_templates(self) -> None:
        if not hasattr(BaseTrigger, "render_template_fields"):
            assert not self.sensor().start_from_trigger
            pytest.skip("this Airflow begins on a worker")

    async def test_the_trigger_has_what_it_takes(self, orders_sandbox: Sandbox) -> None:
        (order_id,) = pending_orders(orders_sandbox, "dipli")
        orders_sandbox.set_status("dipli", order_id, "shipped")
        sensor = self.sensor(
            order_id=[order_id], deadline=datetime(2099, 1, 1, tzinfo=UTC), timeout=timedelta(hours=2)
        )
        arguments = sensor.start_trigger_args
        assert sensor.start_from_trigger
        assert arguments is not None
        assert arguments.timeout == timedelta(hours=2)
        module, _, name = arguments.trigger_cls.rpartition(".")
        kwargs = json.loads(json.dumps(arguments.trigger_kwargs))
        event = await fire(getattr(importlib.import_module(module), name)(**kwargs))
        resumed = self.sensor().resume_execution(arguments.next_method, {"event": event}, context())
        assert resumed["orders"][0]["outcome"] == "met"

    def test_what_is_templated_is_an_attribute_of_the_trigger(self) -> None:
        arguments = self.sensor().start_trigger_args
        assert arguments is not None
        assert arguments.trigger_kwargs is not None
        assert set(OrderStatusSensor.template_fields) <= arguments.trigger_kwargs.keys()
        made = OrderStatusTrigger(**arguments.trigger_kwargs)
        assert all(hasattr(made, name) for name in OrderStatusSensor.template_fields)

    @pytest.mark.parametrize(
        ("arguments", "field"),
        [
            ({"order_id": ""}, "order_id"),
            ({"order_id": "A-7"}, "order_id"),
            ({"wanted": "delivred"}, "wanted"),
            ({"axis": "payment"}, "axis"),
            ({"at_least": 2}, "at_least"),
            ({"deadline": "soon"}, "deadline"),
            ({"deadline": ["2099-01-01T00:00:00Z"]}, "deadline"),
            ({"max_unavailable": "1h"}, "max_unavailable"),
        ],
    )
    async def test_what_is_wrong_is_found_there(
        self, orders_sandbox: Sandbox, arguments: dict[str, Any], field: str
    ) -> None:
        started = self.sensor(**arguments).start_trigger_args
        assert started is not None
        event = await fire(OrderStatusTrigger(**(started.trigger_kwargs or {})))
        assert (event["status"], event["kind"]) == ("error", "ConfigurationError")
        assert event["details"]["field"] == field
        assert orders_sandbox.requests == []

    @pytest.mark.parametrize("native", [False, True])
    @pytest.mark.parametrize(
        ("arguments", "name"),
        [
            ({"order_id": "{{ params.ids }}"}, "order_id"),
            ({"order_id": "{{ params.ids[0] }}"}, "order_id"),
            ({"order_id": "A-{{ ds | default('7') }}"}, "order_id"),
            ({"wanted": "{{ params.wanted }}"}, "wanted"),
            ({"wanted": {"fulfillment": "{{ params.wanted.fulfillment }}"}}, "wanted"),
            ({"axis": "{{ params.nothing }}"}, "axis"),
            ({"at_least": "{{ params.nothing }}"}, "at_least"),
            ({"deadline": "{{ params.at + macros.timedelta(days=1) }}"}, "deadline"),
            ({"order_id": "{{ params.at | ts }}"}, "order_id"),
        ],
    )
    def test_templates_give_what_they_give_on_a_worker(
        self, arguments: dict[str, Any], name: str, native: bool
    ) -> None:
        values = {
            "params": {
                "ids": ["101", "102"],
                "wanted": {"fulfillment": "shipped"},
                "nothing": "",
                "at": datetime(2026, 1, 2, tzinfo=UTC),
            },
            "macros": SimpleNamespace(timedelta=timedelta),
        }
        with DAG(f"rendered_{native}", schedule=None, render_template_as_native_obj=native) as dag:
            on_worker = self.sensor(**arguments)
        in_triggerer = trigger_of(dag, "wait")

        on_worker.render_template_fields(cast("Any", values))
        in_triggerer.render_template_fields(cast("Any", values))

        assert getattr(in_triggerer, name) == getattr(on_worker, name)
        assert type(getattr(in_triggerer, name)) is type(getattr(on_worker, name))

    @pytest.mark.parametrize("at_least", ["", None, "1"])
    async def test_a_number_that_a_template_made_nothing_of_is_none(
        self, orders_sandbox: Sandbox, at_least: str | None
    ) -> None:
        (order_id,) = pending_orders(orders_sandbox, "dipli")
        orders_sandbox.set_status("dipli", order_id, "shipped")
        made = OrderStatusTrigger(orders_conn_id="dipli_default", order_id=order_id, at_least=at_least)
        assert (await fire(made))["status"] == "met"

    def test_the_result_of_another_task_is_not_possible(self) -> None:
        with DAG("from_task", schedule=None):

            @task
            def choose() -> list[str]:
                return ["7"]

            with pytest.raises(errors.ConfigurationError) as caught:
                self.sensor(order_id=choose())
        assert caught.value.field == "order_id"


def trigger_of(dag: DAG, task_id: str) -> OrderStatusTrigger:
    """Make the trigger that a task starts from as the triggerer does, from what is stored of the DAG."""
    from airflow.serialization import decoders
    from airflow.serialization.serialized_objects import DagSerialization

    decode: Any = decoders.smart_decode_trigger_kwargs
    stored: Any = DagSerialization.from_dict(DagSerialization.to_dict(dag)).get_task(task_id)
    kwargs = stored.start_trigger_args.trigger_kwargs
    decoded = {name: decode(value) for name, value in kwargs.get("__var", kwargs).items()}
    made = OrderStatusTrigger(**decoded)
    made.task_instance = cast("Any", SimpleNamespace(task=stored, task_id=task_id))
    return made


class TestDeferring:
    def defer(self, **arguments: Any) -> TaskDeferred:
        sensor = OrderStatusSensor(
            **{"task_id": "wait", "deferrable": True, "poke_interval": POKE_S, "timeout": 60, **arguments}
        )
        with pytest.raises(TaskDeferred) as caught:
            sensor.execute(context())
        return caught.value

    def test_the_trigger_holds_plain_values_and_no_secret(
        self, orders_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = pending_orders(orders_sandbox, "dipli", 2)
        monkeypatch.setattr(CLOCK, "now", lambda: 1_000_000.0)
        deferred = self.defer(
            order_id=[ids[0], int(ids[1]), ids[0]],
            orders_conn_id="dipli_default",
            wanted=("shipped",),
            failed=[],
            poke_interval=timedelta(minutes=2),
            timeout=timedelta(hours=1),
        )
        trigger: Any = deferred.trigger
        assert trigger.serialize() == (
            "airflow_provider_orders.triggers.orders.OrderStatusTrigger",
            {
                "orders_conn_id": "dipli_default",
                "order_id": ids,
                "deadline": 1_003_600.0,
                "by": "id",
                "wanted": ["shipped"],
                "failed": [],
                "ignored": None,
                "axis": None,
                "require": "all",
                "at_least": None,
                "not_found": "fail",
                "poke_interval": 120.0,
                "max_unavailable": 3600.0,
                "first_poll_at": 1_000_120.0,
                "unavailable_since": None,
            },
        )
        assert deferred.timeout is not None
        assert deferred.timeout > timedelta(hours=1)

    def test_the_connection_is_closed_before(self, orders_sandbox: Sandbox) -> None:
        (order_id,) = pending_orders(orders_sandbox, "dipli")
        sensor = OrderStatusSensor(
            task_id="wait", deferrable=True, order_id=order_id, orders_conn_id="dipli_default"
        )
        with pytest.raises(TaskDeferred):
            sensor.execute(context())
        assert sensor._hook is None

    @pytest.mark.parametrize(("default", "defers"), [("True", True), ("False", False)])
    def test_airflows_own_default_is_followed(
        self, orders_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, default: str, defers: bool
    ) -> None:
        monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", default)
        (order_id,) = pending_orders(orders_sandbox, "dipli")
        sensor = OrderStatusSensor(
            task_id="wait", order_id=order_id, orders_conn_id="dipli_default", timeout=0
        )
        with pytest.raises(TaskDeferred if defers else AirflowSensorTimeout):
            sensor.execute(context())


class TestTheEvent:
    @staticmethod
    def resume(event: Any, **arguments: Any) -> Any:
        sensor = OrderStatusSensor(task_id="wait", order_id="7", orders_conn_id="dipli_default", **arguments)
        return sensor.resume_execution("execute_complete", {"event": event}, context())

    def test_met_is_the_result(self) -> None:
        report = {"order_id": "7", "outcome": "met", "seen_at": "2026-01-01T00:00:00.000+00:00"}
        reports = [
            {**report, "status": {"fulfillment": "delivered"}, "status_raw": {"fulfillment": "shipped"}}
        ]
        event = {"status": "met", "axes": ["fulfillment"], "orders": reports}
        assert self.resume(event) == {"axes": ["fulfillment"], "orders": reports}

    @pytest.mark.parametrize(
        "event",
        [
            None,
            "met",
            {},
            [],
            {"status": "success"},
            {"status": None},
            {"status": ["met"]},
            {"status": "met"},
            {"status": "met", "axes": ["fulfillment"]},
            {"status": "met", "axes": ["fulfillment"], "orders": None},
            {"status": "met", "axes": ["fulfillment"], "orders": []},
            {"status": "met", "axes": None, "orders": [{}]},
            {"status": "failed"},
            {"status": "failed", "axes": ["fulfillment"], "orders": [{"order_id": "7"}]},
        ],
    )
    def test_one_that_cannot_be_understood_fails(self, event: Any) -> None:
        with pytest.raises(errors.OrdersError, match="does not know"):
            self.resume(event)

    def test_one_that_cannot_be_understood_skips_when_soft(self) -> None:
        with pytest.raises(AirflowSkipException):
            self.resume(None, soft_fail=True)

    @pytest.mark.parametrize(
        ("kind", "details"),
        [
            ("AuthenticationError", {"vendor": "dipli", "status": 401, "method": "GET", "path": "/x"}),
            ("RateLimitedError", {"vendor": "dipli", "retry_after_s": 7.5}),
            ("ConfigurationError", {"field": "host"}),
            ("OrderNotFoundError", {"attempts": 3, "status": 404}),
            ("UnexpectedPayloadError", {}),
            ("UnsafeRedirectError", {}),
        ],
    )
    def test_errors_come_back_with_what_they_carry(self, kind: str, details: dict[str, Any]) -> None:
        event = {"status": "error", "kind": kind, "message": "So it is.", "details": details}
        with pytest.raises(errors.OrdersError) as caught:
            self.resume(event)
        assert type(caught.value).__name__ == kind
        assert caught.value.message == "So it is."
        assert {name: getattr(caught.value, name) for name in details} == details

    @pytest.mark.parametrize(
        "event",
        [
            {"status": "error"},
            {"status": "error", "kind": "SystemExit", "message": "x"},
            {"status": "error", "kind": "annotations", "message": "x"},
            {"status": "error", "kind": "OrdersError", "message": "x", "details": {"surprise": 1}},
            {"status": "error", "kind": "OrdersError", "message": "x", "details": [1]},
            {"status": "error", "kind": ["OrdersError"], "message": None, "details": {"message": "y"}},
        ],
    )
    def test_an_error_of_another_version_is_an_orders_error(self, event: Any) -> None:
        with pytest.raises(errors.OrdersError) as caught:
            self.resume(event)
        assert type(caught.value) is errors.OrdersError


class TestInADag:
    @pytest.mark.parametrize("deferrable", [False, True])
    def test_a_status_that_comes_lets_the_next_task_run(
        self,
        orders_sandbox: Sandbox,
        dag_runner: DagRunner,
        monkeypatch: pytest.MonkeyPatch,
        deferrable: bool,
        vendor: str,
    ) -> None:
        (order_id,) = pending_orders(orders_sandbox, vendor)
        world = World([nothing, become(orders_sandbox, vendor, order_id, WORDS[vendor].met)])
        world.hold_the_clock(monkeypatch)
        seen: list[Any] = []
        with DAG(f"wait_{vendor}_{deferrable}", schedule=None, params={"order": order_id, "axis": ""}) as dag:
            waiting = OrderStatusSensor(
                task_id="wait",
                orders_conn_id=f"{vendor}_default",
                order_id="{{ params.order }}",
                wanted=["{{ 'completed' if params.axis else '" + WORDS[vendor].canonical + "' }}"],
                axis="{{ params.axis }}",
                poke_interval=POKE_S,
                timeout=600,
                deferrable=deferrable,
            )

            @task
            def take(result: Any) -> None:
                seen.append(result)

            take(waiting.output)
        assert dag_runner(dag).state == "success"
        words = WORDS[vendor]
        assert [unseen(result) for result in seen] == [
            {
                "axes": [words.axis],
                "orders": [
                    {
                        "order_id": order_id,
                        "outcome": "met",
                        "status": {words.axis: words.canonical},
                        "status_raw": {words.axis: words.met},
                    }
                ],
            }
        ]
        assert json.dumps(seen)

    @pytest.mark.parametrize("deferrable", [False, True])
    def test_a_failed_status_fails_the_task_with_its_error(
        self,
        orders_sandbox: Sandbox,
        dag_runner: DagRunner,
        monkeypatch: pytest.MonkeyPatch,
        deferrable: bool,
    ) -> None:
        (order_id,) = pending_orders(orders_sandbox, "genuka")
        world = World([become(orders_sandbox, "genuka", order_id, "cancelled")])
        world.hold_the_clock(monkeypatch)
        failures = note_errors(monkeypatch, OrderStatusSensor)
        with DAG(f"wait_in_vain_{deferrable}", schedule=None) as dag:
            OrderStatusSensor(
                task_id="wait",
                orders_conn_id="genuka_default",
                order_id=[order_id],
                poke_interval=POKE_S,
                timeout=600,
                deferrable=deferrable,
            )
        assert dag_runner(dag).state == "failed"
        assert [type(failure) for failure in failures] == [errors.OrderFailedError]
        assert order_id in str(failures[0])

    def test_one_sensor_for_each_order(self, orders_sandbox: Sandbox, dag_runner: DagRunner) -> None:
        ids = pending_orders(orders_sandbox, "dipli", 3)
        for order_id in ids:
            become(orders_sandbox, "dipli", order_id, "shipped")()
        seen: list[Any] = []
        with DAG("wait_mapped", schedule=None) as dag:
            waiting = OrderStatusSensor.partial(
                task_id="wait", orders_conn_id="dipli_default", poke_interval=POKE_S, deferrable=True
            ).expand(order_id=ids)

            @task
            def take(results: Any) -> None:
                seen.extend(result["orders"][0]["order_id"] for result in results)

            take(waiting.output)
        assert dag_runner(dag).state == "success"
        assert sorted(seen) == sorted(ids)


def test_its_errors_are_airflows() -> None:
    assert issubclass(errors.OrdersError, AirflowException)
    assert OrderStatusTrigger.__module__.endswith("triggers.orders")
