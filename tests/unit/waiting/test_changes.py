"""How a vendor is asked for what changed: by what its listing can do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from airflow_provider_orders.apis.capabilities import Granularity
from airflow_provider_orders.apis.listing import Row
from airflow_provider_orders.waiting.changes import LOOKBACK, needs_moment, searches
from airflow_provider_orders.waiting.lines import LineWriter
from airflow_provider_orders.waiting.waits import Wait, WaitRequest
from airflow_provider_orders.waiting.watchlist import Watchlist
from tests.unit.clients import make_api

if TYPE_CHECKING:
    from airflow_provider_orders.sandbox import Sandbox

SINCE = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("vendor", "begin"),
    [
        ("genuka", SINCE - LOOKBACK),
        ("valomnia", SINCE - LOOKBACK),
        ("dipli", SINCE - timedelta(days=1)),
    ],
)
def test_by_update_from_before_the_newest_change(many_orders: Sandbox, vendor: str, begin: datetime) -> None:
    api = make_api(many_orders, vendor)
    (search,) = searches(api, since=SINCE, oldest=7, words={"shipped"})
    assert needs_moment(api)
    assert search.query.updated_from == begin
    assert search.query.asked == {"updated_from"}
    assert search.is_past is None


def test_from_the_newest_order_back_or_by_status(many_orders: Sandbox) -> None:
    api = make_api(many_orders, "popsell")
    newest, status = searches(api, since=None, oldest=40, words={"OK", "CANCELLED"})
    assert not needs_moment(api)
    assert newest.query.asked == frozenset()
    assert status.query.statuses == ("CANCELLED", "OK")
    assert (newest.listings, status.listings) == (1, 2)
    for search in (newest, status):
        assert search.newest_first
        assert search.is_past is not None
        assert search.is_past([Row("39", b""), Row("7", b"")])
        assert not search.is_past([Row("40", b""), Row("7", b"")])
        assert not search.is_past([Row("?1f", b"")])


def test_no_status_is_asked_for_where_others_can_end_a_wait(many_orders: Sandbox) -> None:
    api = make_api(many_orders, "popsell")
    assert [search.kind for search in searches(api, since=None, oldest=40, words=None)] == ["newest"]


@pytest.mark.parametrize(
    ("axis", "words"),
    [("order", {"CANCELLED", "OK", "RETURNED"}), ("fulfillment", None), (None, None)],
)
async def test_the_words_are_those_of_the_axis_that_the_listing_can_be_filtered_by(
    many_orders: Sandbox, monkeypatch: pytest.MonkeyPatch, axis: str | None, words: set[str] | None
) -> None:
    api = make_api(many_orders, "popsell")
    monkeypatch.setattr(type(api), "status_axis", axis)
    watchlist = Watchlist(api)
    request = WaitRequest(order_id="7", wanted="OK", axis="order")
    await watchlist.admit(Wait(request, joined_at=0.0, writer=LineWriter()))
    found = watchlist.ending_words()
    assert found == words


def test_every_order_where_nothing_else_is_possible(
    many_orders: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = make_api(many_orders, "popsell")
    assert [search.kind for search in searches(api, since=None, oldest=None, words=None)] == ["all"]
    able = replace(api.capabilities, newest_first=False, update_filter=Granularity.NONE)
    monkeypatch.setattr(type(api), "capabilities", able)
    (search,) = searches(api, since=SINCE, oldest=40, words={"OK"})
    assert search.query.asked == frozenset()
    assert not search.newest_first
