"""One client per connection and event loop: who opens it, who closes it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from airflow_provider_orders.errors import AuthenticationError, ConfigurationError
from airflow_provider_orders.waiting.shared import shared_client
from tests.unit.clients import make_api

if TYPE_CHECKING:
    from airflow_provider_orders.http.aio import AsyncClient
    from airflow_provider_orders.sandbox import Sandbox


class Opener:
    """Opens clients, and remembers them."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.opened: list[AsyncClient] = []
        self.closed: list[AsyncClient] = []
        self.may_open = asyncio.Event()
        self.may_open.set()

    async def __call__(self) -> AsyncClient:
        from airflow_provider_orders.http.aio import AsyncClient

        class Watched(AsyncClient):
            async def close(client) -> None:  # noqa: N805 - self is the opener
                self.closed.append(client)
                await super().close()

        await self.may_open.wait()
        client = Watched(make_api(self._sandbox, "dipli"))
        self.opened.append(client)
        return client


@pytest.fixture
async def opener(many_orders: Sandbox) -> Opener:
    return Opener(many_orders)


async def test_all_have_the_same_until_the_last_leaves(opener: Opener) -> None:
    async with shared_client("a", opener) as one:
        async with shared_client("a", opener) as other:
            assert other is one
        assert opener.closed == []
    assert opener.closed == opener.opened == [one]


async def test_another_connection_has_another(opener: Opener) -> None:
    async with shared_client("a", opener) as one, shared_client("b", opener) as other:
        assert other is not one


async def test_whoever_waits_for_it_may_be_cancelled(opener: Opener) -> None:
    opener.may_open.clear()

    async def have() -> AsyncClient:
        async with shared_client("a", opener) as client:
            return client

    first, second = asyncio.create_task(have()), asyncio.create_task(have())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    opener.may_open.set()
    assert await second is opener.opened[0]
    assert len(opener.opened) == len(opener.closed) == 1


async def test_one_that_nobody_waits_for_any_more_is_not_opened(opener: Opener) -> None:
    opener.may_open.clear()

    async def have() -> None:
        async with shared_client("a", opener):
            raise AssertionError("never")

    task = asyncio.create_task(have())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert opener.opened == []
    assert len(asyncio.all_tasks()) == 1


async def _be_rejected(opener: Opener) -> None:
    async with shared_client("a", opener):
        raise AuthenticationError("rejected")


async def test_rejected_credentials_are_given_to_nobody_else(opener: Opener) -> None:
    async with shared_client("a", opener) as one:
        with pytest.raises(AuthenticationError):
            await _be_rejected(opener)
        async with shared_client("a", opener) as other:
            assert other is not one
        assert opener.closed == [other]
    assert opener.closed == [other, one]


async def test_a_connection_that_is_wrong_is_wrong_for_all_and_looked_up_again_later(opener: Opener) -> None:
    looked_up = 0

    async def refuse() -> AsyncClient:
        nonlocal looked_up
        looked_up += 1
        raise ConfigurationError("No such connection.", field="orders_conn_id")

    async def have() -> None:
        async with shared_client("a", refuse):
            raise AssertionError("never")

    ended = await asyncio.gather(have(), have(), return_exceptions=True)
    assert [type(error) for error in ended] == [ConfigurationError] * 2
    assert looked_up == 1
    async with shared_client("a", opener):
        assert len(opener.opened) == 1
