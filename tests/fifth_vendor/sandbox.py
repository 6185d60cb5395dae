"""The Mercato of the sandbox: a bearer token, pages of fifty orders at most, the one that was placed first comes first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_orders.sandbox.messages import Call, Reply
from airflow_provider_orders.sandbox.store import Order
from airflow_provider_orders.sandbox.vendor import FakeVendor, Spot, Tokens, joined

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_orders.sandbox.drawing import Draw
    from airflow_provider_orders.sandbox.store import Stage

__all__ = ["FakeMercato"]

_TOKEN = "mercato-sandbox-token"
_STATES = ("new", "on_the_road", "handed_over", "called_off")
_MAX_PAGE_SIZE = 50


class FakeMercato(FakeVendor[Order]):
    """The Mercato of the sandbox."""

    name: ClassVar[str] = "mercato"
    axes: ClassVar[Mapping[str, tuple[str, ...]]] = {"fulfillment": _STATES}
    new_order: ClassVar[Stage] = {"fulfillment": "new"}
    journeys: ClassVar[Sequence[Sequence[Stage]]] = (
        tuple({"fulfillment": state} for state in ("new", "on_the_road", "handed_over")),
        tuple({"fulfillment": state} for state in ("new", "called_off")),
    )
    amount_field: ClassVar[str] = "amount"
    pages_have_links: ClassVar[bool] = False

    def spots(self) -> Sequence[Spot]:
        """List the addresses that Mercato answers."""
        return (
            Spot(("GET",), "/v1/orders", self._list_orders),
            Spot(("GET",), "/v1/orders/{id}", self._show_order),
        )

    def make(self, draw: Draw, index: int, created_at: int) -> Order:
        """Build one order from its draws."""
        return Order(
            index=index,
            id=str(1001 + index),
            created_at=created_at,
            updated_at=created_at + draw.below(86400),
            statuses={"fulfillment": draw.pick(_STATES)},
        )

    def payload(self, order: Order) -> dict[str, Any]:
        """Render an order; rows of lists are the same."""
        price, quantity = 5 + order.index % 40, 1 + order.index % 3
        return {
            "id": int(order.id),
            "state": order.statuses["fulfillment"],
            "amount": price * quantity,
            "currency": "EUR",
            "buyer": f"Buyer {order.index}",
            "placed_at": _utc(order.created_at),
            "changed_at": _utc(order.updated_at),
            "items": [{"sku": f"SKU-{price}", "quantity": quantity, "price": price}],
        }

    def connection(self, url: str) -> dict[str, Any]:
        """Describe a connection that sends the token."""
        return {"conn_type": "mercato", "host": url, "password": _TOKEN, "extra": {}}

    def credentials(self) -> dict[str, str]:
        """Name the one token."""
        return {"token": _TOKEN}

    def error(self, status: int, message: str) -> Reply:
        """Answer an error."""
        return Reply.json({"error": message}, status)

    def _admit(self, call: Call) -> None:
        expired = self.expired(call, _TOKEN, _NO_TOKENS) is not None
        if call.headers.get("authorization") != f"Bearer {_TOKEN}" or expired:
            raise self.refuse(401, "unauthorized")
        call.authenticated = True

    def _show_order(self, call: Call) -> Reply:
        self._admit(call)
        order = self.store.get(call.params["id"])
        return self.error(404, "unknown order") if order is None else Reply(200, self.row_bytes(order))

    def _list_orders(self, call: Call) -> Reply:
        self._admit(call)
        self.before_page(call)
        start, end = call.query.get("changed_from", ""), call.query.get("changed_to", "9999")

        def choose(orders: list[Order]) -> list[Order]:
            return [order for order in orders if start <= _utc(order.updated_at) < end]

        found = self.store.select((start, end), choose)
        number = int(call.query.get("page", 1))
        size = min(int(call.query.get("limit", 20)), _MAX_PAGE_SIZE)
        page = self.page(call, found, (number - 1) * size, size, self.row_bytes)
        return Reply.json({"orders": joined(page.rows), "total": page.total, "limit": size})


_NO_TOKENS = Tokens(str)


def _utc(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
