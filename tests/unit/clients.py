"""Both clients behind one face, so that one test holds for the workers' and for the triggers'."""

from __future__ import annotations

import asyncio
import importlib
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.apis.settings import ConnectionFields
from airflow_provider_orders.http.aio import AsyncClient
from airflow_provider_orders.http.policy import RetryPolicy
from airflow_provider_orders.http.sync import SyncClient

if TYPE_CHECKING:
    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.sandbox import Sandbox

VENDORS = ("popsell", "dipli", "valomnia", "genuka")

FAST = RetryPolicy(base_s=0.001, max_backoff_s=0.01)


def make_api(sandbox: Sandbox, vendor: str, **changes: Any) -> OrderApi[Any]:
    """Set up a vendor's API for the sandbox; ``login`` and ``password`` and extras may be changed."""
    module = importlib.import_module(f"airflow_provider_orders.apis.{vendor}")
    settings_model = getattr(module, f"{vendor.capitalize()}Settings")
    connection = sandbox.connections[f"{vendor}_default"]
    extra = {**(connection.get("extra") or {}), **changes}
    fields = ConnectionFields(
        conn_id=f"{vendor}_default",
        host=extra.pop("host", connection["host"]),
        login=extra.pop("login", connection.get("login")),
        password=extra.pop("password", connection.get("password")),
        extra=extra,
    )
    api: OrderApi[Any] = getattr(module, f"{vendor.capitalize()}Api")(settings_model.from_connection(fields))
    return api


class Reader:
    """One of the two clients, used for one thing at a time.

    :param kind: ``sync`` or ``async``.
    """

    def __init__(self, kind: str, api: OrderApi[Any], policy: RetryPolicy = FAST) -> None:
        self.kind = kind
        self.api = api
        self.policy = policy
        self.masked: list[str] = []
        self.requests_sent = 0

    def read(self, query: OrderQuery | None = None) -> list[tuple[str, bytes]]:
        """Read a whole selection: id and bytes of each order."""
        query = query or OrderQuery()
        return self._sync_read(query) if self.kind == "sync" else asyncio.run(self._async_read(query))

    def ids(self, query: OrderQuery | None = None) -> list[str]:
        """Read a whole selection and give the ids."""
        return [order_id for order_id, _ in self.read(query)]

    def fetch(self, order_id: str, **options: Any) -> bytes:
        """Fetch one order."""
        if self.kind == "async":
            return asyncio.run(self._async_fetch(order_id, **options))
        with self._sync() as client:
            return client.fetch_order(order_id, **options)

    def probe(self) -> str:
        """Ask what is visible."""
        with self._sync() as client:
            return client.run(self.api.probe())

    def _sync(self) -> SyncClient:
        return SyncClient(self.api, policy=self.policy, mask=self.masked.append)

    def _async(self) -> AsyncClient:
        async def mask(credential: str) -> None:
            self.masked.append(credential)

        return AsyncClient(self.api, policy=self.policy, mask=mask)

    def _sync_read(self, query: OrderQuery) -> list[tuple[str, bytes]]:
        with self._sync() as client:
            rows = [(row.id, row.raw) for page in client.iter_pages(query) for row in page.rows]
            self.requests_sent = client.requests_sent
            return rows

    async def _async_read(self, query: OrderQuery) -> list[tuple[str, bytes]]:
        async with self._async() as client, aclosing(client.iter_pages(query)) as pages:
            rows = [(row.id, row.raw) async for page in pages for row in page.rows]
            self.requests_sent = client.requests_sent
            return rows

    async def _async_fetch(self, order_id: str, **options: Any) -> bytes:
        async with self._async() as client:
            return await client.fetch_order(order_id, **options)
