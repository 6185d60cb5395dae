"""A task that the vendor turned away: what Airflow is told, and that no worker waits."""

from __future__ import annotations

import asyncio
import importlib
import json
import threading
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import airflow.sdk
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from airflow.sdk import DAG

from airflow_provider_orders.errors import (
    ApiUnavailableError,
    AuthenticationError,
    ConfigurationError,
    OrderFailedError,
    OrderNotFoundError,
    OrdersError,
    PaginationError,
    PermissionDeniedError,
    RateLimitedError,
    UnexpectedPayloadError,
    UnsafeRedirectError,
)
from airflow_provider_orders.http.messages import Request, Response
from airflow_provider_orders.http.sync import SyncClient
from airflow_provider_orders.operators.merge import MergeExportsOperator
from airflow_provider_orders.operators.orders import GetOrderOperator, ListOrdersOperator
from airflow_provider_orders.operators.reconcile import ReconcileOrdersOperator
from airflow_provider_orders.operators.retries import BaseRetryingOperator, OrdersRetryPolicy
from airflow_provider_orders.transfers.orders_to_object_storage import OrdersToObjectStorageOperator
from airflow_provider_orders.transfers.orders_to_sql import OrdersToSqlOperator
from airflow_provider_orders.triggers.pauses import PauseTrigger
from tests.unit.hooks.connect import LISTINGS, secrets_in, truth
from tests.unit.operators.dags import note_errors

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.sdk import Context

    from airflow_provider_orders.sandbox import Sandbox
    from tests.conftest import DagRunner
    from tests.unit.hooks.connect import Connect

HAS_POLICIES = hasattr(airflow.sdk, "RetryPolicy")
with_policies = pytest.mark.skipif(not HAS_POLICIES, reason="Airflow 3.3 brought retry policies")
without_policies = pytest.mark.skipif(HAS_POLICIES, reason="from Airflow 3.3 on, the retry policy does it")

FINAL = [
    AuthenticationError("x", status=401),
    PermissionDeniedError("x", status=403),
    ConfigurationError("x", field="host"),
]
OTHERS = [
    RateLimitedError("x", status=429),
    RateLimitedError("x", status=429, retry_after_s=0.0),
    ApiUnavailableError("x", status=503),
    OrderNotFoundError("x", status=404),
    UnexpectedPayloadError("x"),
    PaginationError("x"),
    UnsafeRedirectError("x"),
    OrderFailedError("x"),
    OrdersError("x"),
    ConfigurationError(
        "There is no connection, or a secrets backend did not answer.", field="orders_conn_id"
    ),
    ValueError("x"),
]
OPERATORS = (
    GetOrderOperator,
    ListOrdersOperator,
    MergeExportsOperator,
    OrdersToObjectStorageOperator,
    OrdersToSqlOperator,
    ReconcileOrdersOperator,
)


def error_id(error: BaseException) -> str:
    about = getattr(error, "retry_after_s", None) or getattr(error, "field", None)
    return f"{type(error).__name__}-{about}"


def running(*, try_number: int = 1, retries: int = 0) -> Context:
    """Give as much of the context of a running task as matters here."""
    return cast("Context", {"ti": SimpleNamespace(try_number=try_number, max_tries=retries)})


def raising(operator: BaseRetryingOperator, error: OrdersError, context: Context) -> BaseException | None:
    """Let an operator meet an error, and give what it raises in its place."""
    try:
        operator.give_slot_back(error, context)
    except (TaskDeferred, OrdersError) as raised:
        return raised
    return None


def over_the_wire(trigger: Any) -> PauseTrigger:
    """Store a trigger as Airflow does, and make it again."""
    path, kwargs = trigger.serialize()
    module, _, name = path.rpartition(".")
    made: PauseTrigger = getattr(importlib.import_module(module), name)(**json.loads(json.dumps(kwargs)))
    return made


def fire(trigger: PauseTrigger) -> Any:
    async def run() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    (payload,) = asyncio.run(run())
    return payload


@with_policies
class TestThePolicy:
    def decide(self, error: BaseException) -> Any:
        return OrdersRetryPolicy().evaluate(error, 1, 3)

    @pytest.mark.parametrize("kind", [RateLimitedError, ApiUnavailableError])
    @pytest.mark.parametrize("asked_s", [0.5, 90.0, 3000.0])
    def test_retries_after_what_the_vendor_asks_for_and_a_little_more(
        self, kind: type[RateLimitedError], asked_s: float
    ) -> None:
        decision = self.decide(kind("x", retry_after_s=asked_s))

        assert decision.action.value == "retry"
        assert asked_s <= decision.retry_delay.total_seconds() <= asked_s * 1.1
        assert kind.__name__ in decision.reason

    def test_retries_within_an_hour_however_long_the_vendor_asks_for(self) -> None:
        assert self.decide(RateLimitedError("x", retry_after_s=86400.0)).retry_delay == timedelta(hours=1)

    @pytest.mark.parametrize("error", FINAL, ids=error_id)
    def test_fails_at_once_where_a_person_must_act(self, error: OrdersError) -> None:
        assert self.decide(error).action.value == "fail"

    @pytest.mark.parametrize("error", OTHERS, ids=error_id)
    def test_leaves_everything_else_to_airflow(self, error: Exception) -> None:
        assert self.decide(error).action.value == "default"

    def test_tells_no_secret(self) -> None:
        for error in [RateLimitedError("password=hidden", retry_after_s=9.0), AuthenticationError("hidden")]:
            assert "hidden" not in self.decide(error).reason


@with_policies
class TestWhoDecides:
    @pytest.mark.parametrize("operator", OPERATORS)
    def test_ours_by_default(self, operator: type[Any]) -> None:
        assert isinstance(make(operator).retry_policy, OrdersRetryPolicy)

    @pytest.mark.parametrize("operator", OPERATORS)
    def test_the_users_own_where_there_is_one(self, operator: type[Any]) -> None:
        own = airflow.sdk.ExceptionRetryPolicy([])

        assert make(operator, retry_policy=own).retry_policy is own

    def test_that_of_the_default_arguments(self) -> None:
        own = airflow.sdk.ExceptionRetryPolicy([])

        with DAG("whose_policy", schedule=None, default_args={"retry_policy": own}):
            operator = make(ListOrdersOperator)
            mapped = GetOrderOperator.partial(task_id="mapped", orders_conn_id="x").expand(order_id=["1"])

        assert operator.retry_policy is own
        assert mapped.retry_policy is own

    def test_ours_in_a_mapped_task(self) -> None:
        with DAG("mapped_policy", schedule=None):
            mapped = GetOrderOperator.partial(task_id="mapped", orders_conn_id="x").expand(order_id=["1"])

        unmapped: Any = mapped.unmap({"order_id": "1"})
        assert isinstance(unmapped.retry_policy, OrdersRetryPolicy)

    def test_the_users_own_also_when_no_retry_is_left(self) -> None:
        operator = make(ListOrdersOperator, retry_policy=airflow.sdk.ExceptionRetryPolicy([]))

        assert raising(operator, RateLimitedError("x", retry_after_s=90.0), running()) is None

    def test_the_policy_while_retries_are_left(self) -> None:
        error = RateLimitedError("x", retry_after_s=90.0)

        assert raising(make(ListOrdersOperator), error, running(retries=1)) is None
        assert isinstance(
            raising(make(ListOrdersOperator), error, running(try_number=2, retries=1)), TaskDeferred
        )

    @pytest.mark.parametrize("error", FINAL, ids=error_id)
    def test_the_policy_about_errors_that_are_final(self, error: OrdersError) -> None:
        assert raising(make(ListOrdersOperator), error, running()) is None


def make(operator: type[Any], **arguments: Any) -> Any:
    needed: dict[type, dict[str, Any]] = {
        GetOrderOperator: {"order_id": "1"},
        MergeExportsOperator: {"manifests": []},
        OrdersToSqlOperator: {"sql_conn_id": "x"},
    }
    if operator is not MergeExportsOperator:
        arguments["orders_conn_id"] = "x"
    return operator(task_id="task", **needed.get(operator, {}), **arguments)


class TestAPause:
    def deferred(self, asked_s: float, *, paused_s: float = 0.0) -> TaskDeferred:
        operator = make(ListOrdersOperator)
        operator._paused_s = paused_s
        raised = raising(operator, RateLimitedError("x", retry_after_s=asked_s), running())
        assert isinstance(raised, TaskDeferred)
        return raised

    @pytest.mark.parametrize(("asked_s", "most_s"), [(90.0, 99.0), (86400.0, 3600.0)])
    def test_lasts_as_long_as_the_vendor_asks_for_up_to_an_hour(self, asked_s: float, most_s: float) -> None:
        trigger = cast("PauseTrigger", self.deferred(asked_s).trigger)

        assert min(asked_s, 3600.0) - 5 <= trigger.until - time.time() <= most_s

    def test_is_shortened_to_what_is_left_of_the_hour(self) -> None:
        trigger = cast("PauseTrigger", self.deferred(900.0, paused_s=3500.0).trigger)

        assert trigger.until - time.time() <= 100.0
        assert trigger.paused_s == 3600.0

    def test_is_refused_when_the_hour_is_over(self) -> None:
        operator = make(ListOrdersOperator)
        operator._paused_s = 3600.0

        assert raising(operator, RateLimitedError("x", retry_after_s=90.0), running()) is None

    def test_ends_also_where_no_triggerer_runs(self) -> None:
        timeout = self.deferred(90.0).timeout

        assert timeout is not None
        assert timedelta(seconds=90) < timeout < timedelta(seconds=90 * 1.1 + 601)

    def test_is_remembered_by_its_event(self) -> None:
        deferred = self.deferred(90.0, paused_s=100.0)
        trigger = over_the_wire(deferred.trigger)
        assert deferred.kwargs in (None, {})
        trigger.until = 0.0
        event = fire(trigger)
        woken = make(ListOrdersOperator)
        found: list[float] = []
        woken.execute = lambda _: found.append(woken._paused_s)

        woken.resume_execution(deferred.method_name, {"event": json.loads(json.dumps(event))}, running())

        assert 190.0 <= found[0] <= 199.0

    @pytest.mark.parametrize("event", [None, {}, {"status": "over"}, {"paused_s": "9"}, []])
    def test_that_ends_with_another_event_is_an_error(self, event: Any) -> None:
        with pytest.raises(OrdersError, match="clear the task"):
            make(ListOrdersOperator).execute_again(running(), event)

    @pytest.mark.parametrize(
        "error", [error for error in OTHERS if isinstance(error, OrdersError)], ids=error_id
    )
    def test_is_not_made_where_the_vendor_does_not_ask_for_one(self, error: OrdersError) -> None:
        assert raising(make(ListOrdersOperator), error, running()) is None

    def test_is_not_made_for_who_calls_execute_by_hand(
        self, orders_sandbox: Sandbox, connect: Connect
    ) -> None:
        orders_sandbox.inject("rate_limit", vendor="genuka", path=LISTINGS["genuka"], retry_after="90")

        with pytest.raises(RateLimitedError) as caught:
            ListOrdersOperator(task_id="list", orders_conn_id="genuka_default").execute(cast("Context", {}))

        assert caught.value.retry_after_s == 90.0

    def test_carries_no_secret(self, orders_sandbox: Sandbox) -> None:
        orders_sandbox.inject("rate_limit", vendor="genuka", path=LISTINGS["genuka"], retry_after="90")

        with pytest.raises(TaskDeferred) as caught:
            ListOrdersOperator(task_id="list", orders_conn_id="genuka_default").execute(running())

        path, kwargs = caught.value.trigger.serialize()
        assert set(kwargs) == {"until", "paused_s"}
        assert not secrets_in(f"{path} {kwargs} {caught.value.kwargs}")


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_gives_its_slot_back(operator: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def turned_away(*_: Any, **__: Any) -> Any:
        raise RateLimitedError("x", retry_after_s=90.0)

    for place in ("operators.orders", "operators.reconcile", "operators.targets", "transfers.base"):
        name = "fetch_manifests" if place == "operators.targets" else "open_hook"
        monkeypatch.setattr(f"airflow_provider_orders.{place}.{name}", turned_away)

    with pytest.raises(TaskDeferred):
        make(operator).execute(running())


class TestTheWorker:
    @pytest.fixture
    def slept(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        noted: list[float] = []

        class Closing(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                if timeout is None:
                    return super().wait()  # a thread that starts
                noted.append(timeout)
                return False

        monkeypatch.setattr("airflow_provider_orders.http.sync.threading.Event", Closing)
        return noted

    def list_orders(self, sandbox: Sandbox, retry_after: str) -> Any:
        sandbox.inject("rate_limit", vendor="genuka", path=LISTINGS["genuka"], retry_after=retry_after)
        return ListOrdersOperator(task_id="list", orders_conn_id="genuka_default", limit=1).execute(running())

    def test_sleeps_through_a_minute(self, orders_sandbox: Sandbox, slept: list[float]) -> None:
        assert len(self.list_orders(orders_sandbox, "60")) == 1
        assert 60.0 <= slept[0] < 61.0

    def test_leaves_a_long_outage_that_tells_its_end_to_airflow(
        self, orders_sandbox: Sandbox, slept: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def answer(_client: SyncClient, _url: str, request: Request) -> Response:
            return Response(request=request, status=503, headers={"retry-after": "600"}, body=b"")

        assert orders_sandbox.vendors
        monkeypatch.setattr(SyncClient, "_send", answer)

        with pytest.raises(TaskDeferred) as caught:
            GetOrderOperator(task_id="get", orders_conn_id="dipli_default", order_id="1").execute(running())

        assert 590 < cast("PauseTrigger", caught.value.trigger).until - time.time() <= 660
        assert slept == []

    def test_sleeps_no_longer(self, orders_sandbox: Sandbox, slept: list[float]) -> None:
        with pytest.raises(TaskDeferred):
            self.list_orders(orders_sandbox, "61")
        assert slept == []


@without_policies
@pytest.mark.parametrize("error", FINAL, ids=error_id)
def test_an_error_that_a_person_must_act_on_keeps_its_class_and_is_final(error: OrdersError) -> None:
    raised = raising(make(ListOrdersOperator), error, running(retries=3))

    assert isinstance(raised, AirflowFailException)
    assert isinstance(raised, type(error))
    assert type(raised).__name__ == type(error).__name__
    assert vars(raised) == vars(error)
    assert str(raised) == str(error)


def export_dag(path: Path, **arguments: Any) -> DAG:
    with DAG("export_turned_away", schedule=None) as dag:
        OrdersToObjectStorageOperator(
            task_id="export", orders_conn_id="changed", path=str(path), with_lines=False, **arguments
        )
    return dag


def exported(path: Path) -> list[str]:
    """Give the ids in the one file that was exported."""
    (file,) = path.glob("*.jsonl")
    return [str(json.loads(line)["id"]) for line in file.read_text().splitlines()]


class TestATask:
    def test_without_retries_is_deferred_and_goes_on_where_it_was(
        self,
        dag_runner: DagRunner,
        orders_sandbox: Sandbox,
        connect: Connect,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        connect("genuka", page_size=10, concurrency=1)
        noted = note_errors(monkeypatch, OrdersToObjectStorageOperator)
        paused = note_pauses(monkeypatch)
        monkeypatch.setattr("airflow_provider_orders.export.journal._MOST_S", 0.0)  # keeps each page at once
        orders_sandbox.inject(
            "rate_limit", vendor="genuka", path=LISTINGS["genuka"], after=17, retry_after="600"
        )

        run = dag_runner(export_dag(tmp_path))

        assert run.state == "success"
        assert noted == []
        (pause,) = paused
        assert 595 < pause <= 660
        assert sorted(exported(tmp_path)) == sorted(truth(orders_sandbox, "genuka"))
        pages = [request for request in orders_sandbox.requests if request.path.endswith(LISTINGS["genuka"])]
        assert len(pages) < 2 * 23  # it did not begin again

    @with_policies
    def test_is_retried_when_the_vendor_wants_to_be_asked_again(
        self,
        dag_runner: DagRunner,
        orders_sandbox: Sandbox,
        connect: Connect,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        connect("genuka")
        found = note_retries(monkeypatch)
        orders_sandbox.inject("rate_limit", vendor="genuka", path=LISTINGS["genuka"], retry_after="600")

        run = dag_runner(export_dag(tmp_path, retries=1, retry_delay=timedelta(days=1)))

        assert run.state == "success"
        ((state, delay_s),) = found
        assert state == "up_for_retry"
        assert 600 <= delay_s <= 660
        assert sorted(exported(tmp_path)) == sorted(truth(orders_sandbox, "genuka"))

    def test_with_bad_credentials_is_not_retried(
        self,
        dag_runner: DagRunner,
        orders_sandbox: Sandbox,
        connect: Connect,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        connect("genuka", password="no-such-key")
        noted = note_errors(monkeypatch, OrdersToObjectStorageOperator)

        run = dag_runner(export_dag(tmp_path, retries=3))

        assert run.state == "failed"
        ti: Any = run.get_task_instance("export")
        assert (ti.state, ti.try_number) == ("failed", 1)
        assert [type(error).__name__ for error in noted] == ["AuthenticationError"]
        assert isinstance(noted[0], AuthenticationError)
        assert orders_sandbox.requests


def note_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let pauses end at once, and give the list that their seconds will be added to."""
    noted: list[float] = []

    async def run(self: PauseTrigger) -> Any:
        noted.append(self.until - time.time())
        self.until = 0.0
        async for event in original(self):
            yield event

    original = PauseTrigger.run
    monkeypatch.setattr(PauseTrigger, "run", run)
    return noted


def note_retries(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """Let retries be due at once, and give the list that the state and delay of their tasks will be added to."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    noted: list[tuple[str, float]] = []
    really_sleep = time.sleep

    def sleep(seconds: float) -> None:
        if seconds != 1:  # how `dag.test()` waits for a retry
            really_sleep(seconds)
            return
        with create_session() as session:
            (ti,) = session.query(TaskInstance).filter_by(dag_id="export_turned_away", state="up_for_retry")
            noted.append((str(ti.state), ti.retry_delay_override or 0.0))
            ti.retry_delay_override = 0

    monkeypatch.setattr(time, "sleep", sleep)
    return noted
