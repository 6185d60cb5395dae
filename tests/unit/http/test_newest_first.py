"""Reading from the newest order back, with either client."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.http.aio import AsyncClient
from airflow_provider_orders.http.sync import SyncClient
from tests.unit.clients import FAST, make_api

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_orders.apis.listing import Row
    from airflow_provider_orders.http.paging import PastTest
    from airflow_provider_orders.sandbox import Sandbox


async def read(sandbox: Sandbox, vendor: str, is_past: PastTest | None) -> list[str]:
    async with AsyncClient(make_api(sandbox, vendor, page_size=10), policy=FAST) as client:
        walk = client.iter_pages(OrderQuery(), is_past=is_past, newest_first=True)
        async with aclosing(walk) as pages:
            return [row.id async for page in pages for row in page.rows]


async def test_the_triggers_client_reads_what_the_workers_does(orders_sandbox: Sandbox) -> None:
    newest = [str(order["id_order"]) for order in reversed(orders_sandbox.payloads("popsell"))]

    def is_past(rows: Sequence[Row]) -> bool:
        return all(int(row.id) < int(newest[24]) for row in rows)

    found = await read(orders_sandbox, "popsell", is_past)
    with SyncClient(make_api(orders_sandbox, "popsell", page_size=10), policy=FAST) as client:
        expected = [row.id for page in client.iter_pages(OrderQuery(), is_past=is_past) for row in page.rows]
    assert found == expected == newest[:40]


async def test_to_the_end_without_a_horizon(orders_sandbox: Sandbox) -> None:
    newest = [str(order["id_order"]) for order in reversed(orders_sandbox.payloads("popsell"))]
    assert await read(orders_sandbox, "popsell", None) == newest


async def test_not_where_the_vendor_cannot_sort_that_way(orders_sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError, match="newest back"):
        await read(orders_sandbox, "genuka", None)
