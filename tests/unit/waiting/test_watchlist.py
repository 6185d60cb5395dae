"""What the answers for its orders mean for a wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_orders.waiting.lines import LineWriter
from airflow_provider_orders.waiting.waits import Wait, WaitRequest
from airflow_provider_orders.waiting.watchlist import Watchlist
from tests.unit.clients import make_api

if TYPE_CHECKING:
    from airflow_provider_orders.sandbox import Sandbox

ORDERS = 200


@pytest.mark.parametrize(
    ("said", "require"), [("delivered", "any"), ("cancelled", "all")], ids=["met", "failed"]
)
async def test_a_decided_wait_asks_for_each_of_its_other_orders_once(
    many_orders: Sandbox, said: str, require: str
) -> None:
    api = make_api(many_orders, "genuka")
    watchlist = Watchlist(api)
    words = {name: axis.read(said) for name, axis in api.order_model.AXES.items()}
    request = WaitRequest(
        order_id=[f"{number:026}" for number in range(ORDERS)],
        wanted="delivered",
        failed="cancelled",
        axis="fulfillment",
        require=require,
    )
    await watchlist.admit(Wait(request, joined_at=0.0, writer=LineWriter()))
    for order in list(watchlist.orders):
        await watchlist.apply(order, words, row_id=order.asked, version=1, now=1.0)
    assert len(watchlist.urgent) == ORDERS - 1
