"""What both sensors have from their base."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import airflow.sdk
import pytest
from airflow.sdk import DAG, PokeReturnValue

from airflow_provider_orders import errors
from airflow_provider_orders.operators.retries import OrdersRetryPolicy
from airflow_provider_orders.sensors.orders import OrderStatusSensor, OrdersUpdatedSensor
from tests.unit.operators.dags import note_errors
from tests.unit.sensors.modes import POKE_S, World, context

if TYPE_CHECKING:
    from airflow_provider_orders.sandbox import Sandbox
    from tests.conftest import DagRunner
    from tests.unit.hooks.connect import Connect

HAS_POLICIES = hasattr(airflow.sdk, "RetryPolicy")
with_policies = pytest.mark.skipif(not HAS_POLICIES, reason="Airflow 3.3 brought retry policies")

SENSORS: dict[type[Any], dict[str, Any]] = {
    OrderStatusSensor: {"order_id": "1"},
    OrdersUpdatedSensor: {"updated_since": "2026-01-01T00:00:00Z"},
}


@pytest.fixture(params=SENSORS)
def sensor(request: pytest.FixtureRequest) -> type[Any]:
    kind: type[Any] = request.param
    return kind


def make(sensor: type[Any], orders_conn_id: str = "x", **arguments: Any) -> Any:
    return sensor(task_id="wait", orders_conn_id=orders_conn_id, **SENSORS[sensor], **arguments)


@with_policies
class TestTheRetryPolicy:
    def test_is_ours_by_default(self, sensor: type[Any]) -> None:
        assert isinstance(make(sensor).retry_policy, OrdersRetryPolicy)

    def test_is_the_users_own_where_there_is_one(self, sensor: type[Any]) -> None:
        own = airflow.sdk.ExceptionRetryPolicy([])
        assert make(sensor, retry_policy=own).retry_policy is own

    def test_is_that_of_the_default_arguments(self, sensor: type[Any]) -> None:
        own = airflow.sdk.ExceptionRetryPolicy([])
        with DAG("whose_policy", schedule=None, default_args={"retry_policy": own}):
            assert make(sensor).retry_policy is own


@pytest.mark.parametrize("deferrable", [False, True])
def test_rejected_credentials_are_tried_again_below_33_only(
    orders_sandbox: Sandbox,
    connect: Connect,
    dag_runner: DagRunner,
    monkeypatch: pytest.MonkeyPatch,
    sensor: type[Any],
    deferrable: bool,
) -> None:
    raised = note_errors(monkeypatch, sensor)
    with DAG(f"retries_{sensor.__name__}_{deferrable}", schedule=None) as dag:
        make(
            sensor,
            connect("dipli", password="wrong"),
            deferrable=deferrable,
            retries=1,
            retry_delay=timedelta(0),
        )
    assert dag_runner(dag).state == "failed"
    tries = 1 if HAS_POLICIES else 2
    assert [type(error) for error in raised] == [errors.AuthenticationError] * tries


@pytest.mark.parametrize("kind", [errors.RateLimitedError, errors.ApiUnavailableError])
def test_an_outage_that_tells_its_end_is_waited_for(
    orders_sandbox: Sandbox,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    sensor: type[Any],
    kind: type[errors.ApiUnavailableError],
) -> None:
    assert orders_sandbox.requests == []
    answers = iter([kind("closed", retry_after_s=600.0), {"count": 1}])

    def look(*_: Any) -> Any:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    made = make(sensor, "dipli_default", poke_interval=POKE_S)
    monkeypatch.setattr(made, "_look", look)
    monkeypatch.setattr(made, "_decide", lambda _, looked: PokeReturnValue(is_done=True, xcom_value=looked))
    assert made.execute(context()) == {"count": 1}
    assert world.slept == pytest.approx([600], abs=2)
