"""What can be asked of Genuka's order list: filters, sorts, includes and columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_orders.sandbox.genuka_company import SHOPS, USER_ID
from airflow_provider_orders.sandbox.genuka_payloads import buyer
from airflow_provider_orders.sandbox.laravel import filters, moment, not_allowed, ordered, sort_keys
from airflow_provider_orders.sandbox.messages import Refusal, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_orders.sandbox.genuka_payloads import GenukaOrder
    from airflow_provider_orders.sandbox.messages import Call

__all__ = ["INCLUDES", "OrderQuery"]

INCLUDES = (
    "company", "shop", "customer", "products", "products_count", "taxes", "discounts", "shipping_fee",
    "pickup_location", "delivery", "deliveries", "adjustments",
)  # fmt: skip

_TRUE = frozenset({"1", "true"})
_DUE = frozenset({"pending", "unpaid", "partially_paid"})


def _person(order: GenukaOrder, seed: int, field: str) -> str:
    """Read a field of the order's customer; nobody has an empty one."""
    who = buyer(order, seed)
    return "" if who is None else str(who[field] or "")


# Contained in the value, whatever the case.
_PARTIAL: dict[str, Callable[[GenukaOrder, int], str]] = {
    "reference": lambda order, _: order.reference,
    "shipping->status": lambda order, _: order.statuses["fulfillment"],
    "shop.id": lambda order, _: SHOPS[order.shop]["id"],
    "shop.name": lambda order, _: SHOPS[order.shop]["name"],
    "customer.first_name": lambda order, seed: _person(order, seed, "first_name"),
    "customer.last_name": lambda order, seed: _person(order, seed, "last_name"),
    "customer.email": lambda order, seed: _person(order, seed, "email"),
    "customer.phone": lambda order, seed: _person(order, seed, "phone"),
    "search": lambda order, seed: f"{order.reference} {_person(order, seed, 'last_name')}",
}
# Equal to one of the values, which commas separate.
_EXACT: dict[str, Callable[[GenukaOrder, int], str]] = {
    "state": lambda order, _: str(order.state),
    "customer_id": lambda order, seed: _person(order, seed, "id"),
    "billing_status": lambda order, _: order.statuses["payment"],
    "created_by": lambda order, _: "" if order.index % 10 == 9 else USER_ID,
    # No order of the sandbox has any of these.
    "supplier_id": lambda order, _: "",
    "tax_id": lambda order, _: "",
    "discount_id": lambda order, _: "",
    "shipping_fee_id": lambda order, _: "",
    "pickup_location_id": lambda order, _: "",
}
_SWITCHES: dict[str, Callable[[GenukaOrder], bool]] = {
    "active": lambda order: order.deleted_at is None,
    "unpaid": lambda order: order.statuses["payment"] in _DUE,
    "late": lambda order: False,
    "has_subscription": lambda order: False,
}
_MOMENTS: dict[str, Callable[[GenukaOrder], int | None]] = {
    "created_at": lambda order: order.created_at,
    "created_period": lambda order: order.created_at,
    "updated_at": lambda order: order.updated_at,
    "scheduled_at": lambda order: order.created_at + 6,
    "paid_at": lambda order: order.updated_at if order.paid else None,
}
_ALLOWED = (
    *_PARTIAL,
    *_EXACT,
    *_SWITCHES,
    *(f"{name}.{end}" for name in _MOMENTS for end in ("start", "end")),
)
_SORTS: dict[str, Callable[[GenukaOrder, int], Any]] = {
    "reference": lambda order, _: order.reference,
    "state": lambda order, _: order.state,
    "amount": lambda order, _: order.amount(order.total),
    "source": lambda order, _: order.source,
    "due_at": lambda order, _: 0,
    "created_at": lambda order, _: order.created_at,
    "updated_at": lambda order, _: order.updated_at,
    "products_count": lambda order, _: len(order.lines),
    "scheduled_at": lambda order, _: order.created_at,
    "shop_name": lambda order, _: SHOPS[order.shop]["name"],
    "customer_first_name": lambda order, seed: _person(order, seed, "first_name"),
    "customer_last_name": lambda order, seed: _person(order, seed, "last_name"),
}


@dataclass(frozen=True, slots=True)
class OrderQuery:
    """What one request asks of the list.

    :param filters: name and text of each filter.
    :param sorts: name and direction (descending or not) of each sort.
    :param include: what rows shall show in addition.
    :param fields: the only columns wanted; none means all.
    :param anonymous: whether orders without a customer are wanted.
    :param shop: the only shop wanted.
    :param seed: the sandbox's seed, which names the customers.
    """

    filters: tuple[tuple[str, str], ...]
    sorts: tuple[tuple[str, bool], ...]
    include: tuple[str, ...]
    fields: tuple[str, ...]
    anonymous: bool
    shop: str
    seed: int

    @classmethod
    def read(cls, call: Call, seed: int) -> OrderQuery:
        """Read a request, and refuse what the list does not know.

        :param call: the request.
        :param seed: the sandbox's seed.
        :raises Refusal: 400 for an unknown name, 422 for a date that cannot be read.
        """
        wanted, sorts = filters(call.query), sort_keys(call.query)
        include = tuple(name for name in call.query.get("include", "").split(",") if name)
        complaint = (
            not_allowed("filter", wanted, _ALLOWED)
            or not_allowed("sort", [name for name, _ in sorts], _SORTS)
            or not_allowed("include", include, INCLUDES)
        )
        if complaint:
            raise Refusal(Reply.json({"message": complaint, "code": 400}, 400))
        for name, text in wanted.items():
            if name.endswith((".start", ".end")) and moment(text) is None:
                message = f"The filter.{name} is not a valid date."
                raise Refusal(Reply.json({"message": message, "errors": {f"filter.{name}": [message]}}, 422))
        return cls(
            filters=tuple(wanted.items()),
            sorts=tuple(sorts),
            include=include,
            fields=tuple(name for name in call.query.get("fields", "").split(",") if name),
            anonymous=call.query.get("anonymous", "true").lower() in _TRUE,
            shop=call.headers.get("x-shop") or call.headers.get("x-shopid") or "",
            seed=seed,
        )

    @property
    def key(self) -> tuple[object, ...]:
        """Tell this query from others, as far as it chooses orders."""
        return self.filters, self.sorts, self.anonymous, self.shop

    def choose(self, orders: list[GenukaOrder]) -> list[GenukaOrder]:
        """Filter and sort; without a sort the newest comes first.

        :param orders: all orders, in order of creation.
        """
        kept: Sequence[GenukaOrder] = orders
        for name, text in self.filters:
            test = self._test(name, text)
            kept = [order for order in kept if test(order)]
        if not self.anonymous:
            kept = [order for order in kept if order.customer is not None]
        if self.shop:
            kept = [order for order in kept if SHOPS[order.shop]["id"] == self.shop]
        if not self.sorts:
            return list(reversed(kept))
        return ordered(kept, self.sorts, {name: self._fact(name) for name, _ in self.sorts})

    def _fact(self, name: str) -> Callable[[GenukaOrder], Any]:
        """Bind what a sort goes by to the seed."""
        fact = _SORTS[name]
        return lambda order: fact(order, self.seed)

    def _test(self, name: str, text: str) -> Callable[[GenukaOrder], bool]:
        """Turn a filter into a test of one order."""
        seed = self.seed
        if name in _PARTIAL:
            partial, needle = _PARTIAL[name], text.lower()
            return lambda order: needle in partial(order, seed).lower()
        if name in _EXACT:
            exact, values = _EXACT[name], frozenset(text.split(","))
            return lambda order: exact(order, seed) in values
        if name in _SWITCHES:
            switch, wanted = _SWITCHES[name], text.lower() in _TRUE
            return lambda order: switch(order) is wanted
        return _bound(name, moment(text) or 0.0)


def _bound(name: str, bound: float) -> Callable[[GenukaOrder], bool]:
    """Turn one end of a period into a test; both ends are included."""
    field, _, end = name.rpartition(".")
    fact, start = _MOMENTS[field], end == "start"

    def within(order: GenukaOrder) -> bool:
        at = fact(order)
        return at is not None and (at >= bound if start else at <= bound)

    return within
