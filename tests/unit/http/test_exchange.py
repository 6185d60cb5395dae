"""The steps of an exchange, taken by hand: what is asked of a client, in which order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_orders.apis.dipli import DipliApi, DipliSettings
from airflow_provider_orders.apis.settings import ConnectionFields
from airflow_provider_orders.errors import AuthenticationError, OrdersError
from airflow_provider_orders.http.exchange import Exchanger, Exclusively, Mask, Send, Sleep
from airflow_provider_orders.http.messages import Request, Response
from airflow_provider_orders.http.policy import RetryPolicy
from airflow_provider_orders.http.sync import SyncClient
from tests.unit.clients import FAST, make_api

if TYPE_CHECKING:
    from airflow_provider_orders.sandbox import Sandbox

REQUEST = Request("GET", "/api/v2/orders")


def make_exchanger(**extra: Any) -> Exchanger:
    settings = DipliSettings.from_connection(
        ConnectionFields(conn_id="c", password="canary-key", extra=extra)
    )
    return Exchanger(DipliApi(settings), policy=RetryPolicy(base_s=1.0))


def up_to_send(steps: Any) -> Send:
    """Take the login's steps until the request is to be sent."""
    command = next(steps)
    while not isinstance(command, Send):
        command = steps.send(finish(command.steps) if isinstance(command, Exclusively) else None)
    return command


def finish(steps: Any) -> Any:
    """Take steps that send nothing."""
    try:
        while True:
            assert isinstance(next(steps), Mask)
    except StopIteration as stop:
        return stop.value


def test_a_credential_is_masked_before_it_is_used() -> None:
    steps = make_exchanger().authorized(REQUEST)
    login = next(steps)
    assert isinstance(login, Exclusively)
    masked = next(login.steps)
    assert isinstance(masked, Mask)
    assert masked.credential == "canary-key"
    assert "canary" not in repr(masked)


def test_the_wait_that_429_asks_for_holds_all_requests_of_the_connection() -> None:
    exchanger = make_exchanger()
    first, second = exchanger.authorized(REQUEST), exchanger.authorized(REQUEST)
    up_to_send(first)
    wait = first.send(Response(REQUEST, 429, {"retry-after": "30"}, b"{}"))
    assert isinstance(wait, Sleep)
    assert 30 <= wait.seconds <= 31
    held = next(second)
    assert isinstance(held, Sleep)
    assert 29 < held.seconds <= 30


def test_the_request_budget_holds_back_what_goes_beyond_it() -> None:
    exchanger = make_exchanger(requests_per_minute=60, concurrency=1)
    up_to_send(exchanger.authorized(REQUEST))
    held = next(exchanger.authorized(REQUEST))
    assert isinstance(held, Sleep)
    assert 0.9 < held.seconds <= 1


def test_the_address_is_the_connections_and_nothing_else() -> None:
    sent = up_to_send(make_exchanger().authorized(REQUEST))
    assert sent.url == "https://bi.agora.place/api/v2/orders"
    assert sent.request.headers["apikey"] == "canary-key"
    assert "canary" not in repr(sent)


@pytest.mark.parametrize("vendor", ["popsell", "valomnia"])
def test_many_threads_with_a_wrong_password_send_it_once(orders_sandbox: Sandbox, vendor: str) -> None:
    api = make_api(orders_sandbox, vendor, password="wrong", concurrency=8)
    with SyncClient(api, policy=FAST) as client, ThreadPoolExecutor(8) as pool:
        errors = list(pool.map(lambda number: _error(client, str(number)), range(1, 17)))
    assert all(isinstance(error, AuthenticationError) for error in errors)
    assert len([request for request in orders_sandbox.requests if request.method == "POST"]) == 1


def _error(client: SyncClient, order_id: str) -> OrdersError | None:
    try:
        client.fetch_order(order_id)
    except OrdersError as error:
        return error
    return None
