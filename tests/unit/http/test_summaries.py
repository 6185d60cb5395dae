"""Rows that are validated while their page is split are the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.http.sync import SyncClient
from tests.unit.clients import FAST, VENDORS, make_api

if TYPE_CHECKING:
    from airflow_provider_orders.apis.listing import Row
    from airflow_provider_orders.sandbox import Sandbox


def rows(sandbox: Sandbox, vendor: str, *, summarise: bool, with_lines: bool = False) -> list[Row]:
    with SyncClient(make_api(sandbox, vendor), policy=FAST) as client:
        pages = client.iter_pages(OrderQuery(with_lines=with_lines), summarise=summarise)
        return [row for page in pages for row in page.rows]


@pytest.mark.parametrize("vendor", VENDORS)
def test_they_have_the_same_ids_and_bytes(orders_sandbox: Sandbox, vendor: str) -> None:
    plain = rows(orders_sandbox, vendor, summarise=False)
    summarised = rows(orders_sandbox, vendor, summarise=True)

    assert [(row.id, row.raw) for row in summarised] == [(row.id, row.raw) for row in plain]
    assert {row.summary for row in plain} == {None}


@pytest.mark.parametrize("vendor", VENDORS)
def test_their_summary_is_that_of_the_model(orders_sandbox: Sandbox, vendor: str) -> None:
    model = make_api(orders_sandbox, vendor).order_model
    for row in rows(orders_sandbox, vendor, summarise=True):
        assert row.summary == model.parse(row.raw).summary()


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_row_that_is_not_valid_keeps_its_id_and_has_no_summary(
    orders_sandbox: Sandbox, vendor: str
) -> None:
    orders_sandbox.inject("bad_row", vendor=vendor, times=None, variant="text_amount")
    plain = rows(orders_sandbox, vendor, summarise=False)
    summarised = rows(orders_sandbox, vendor, summarise=True)

    assert [row.id for row in summarised] == [row.id for row in plain]
    assert [row for row in summarised if row.summary is None]


def test_rows_that_are_completed_afterwards_are_not_summarised_before(orders_sandbox: Sandbox) -> None:
    found = rows(orders_sandbox, "valomnia", summarise=True, with_lines=True)

    assert {row.summary for row in found} == {None}
