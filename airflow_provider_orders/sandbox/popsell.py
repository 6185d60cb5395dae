"""Popsell: ambassadors, Laravel pages, tokens from an API key or a login.

*Assumed*, because the vendor does not say: pages have 15 rows unless asked, 100 at most; lists start with the newest
order; dates without a zone are UTC; 403 and 404 carry ``{"message": ...}``; unknown filters and sorts are refused with
400, as Spatie's query builder does; a wrong domain is a wrong credential.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from airflow_provider_orders.sandbox import credentials
from airflow_provider_orders.sandbox.laravel import Pager, filters, moment, not_allowed, ordered, sort_keys
from airflow_provider_orders.sandbox.messages import Call, Refusal, Reply
from airflow_provider_orders.sandbox.popsell_payloads import (
    AMBASSADORS,
    LAST_STATUSES,
    PopsellOrder,
    ambassador_payload,
    draw_order,
    manager_payload,
    person,
)
from airflow_provider_orders.sandbox.vendor import FakeVendor, Page, Spot, Tokens, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_orders.sandbox.clock import Clock
    from airflow_provider_orders.sandbox.drawing import Draw
    from airflow_provider_orders.sandbox.store import Stage
    from airflow_provider_orders.sandbox.vendor import Settings

__all__ = ["FakePopsell"]

_PER_PAGE = 15
_MAX_PER_PAGE = 100

_FILTERS: dict[str, Callable[[PopsellOrder], object]] = {
    "id_ambassador": lambda order: order.ambassador,
    "attribution": lambda order: order.assignment,
    "last_status": lambda order: order.statuses["order"],
    "type": lambda order: order.kind,
    "id_ambassador_post": lambda order: order.post,
    "id_chatroom": lambda order: order.chatroom,
    "id_buyer": lambda order: order.buyer,
}
_SORTS: dict[str, Callable[[PopsellOrder], Any]] = {
    "id_order": lambda order: order.index,
    "id_order_external": lambda order: order.external_id or "",
    "total_paid": lambda order: order.paid,
    "date_order": lambda order: order.created_at,
}
# A token may call the routes of its role; a guest signs in and may call none of these.
_STATIC_TOKENS = {
    credentials.POPSELL_TOKEN: "manager",
    credentials.POPSELL_PLATFORM_TOKEN: "platform",
    credentials.POPSELL_FORBIDDEN_TOKEN: "guest",
}
_API_KEYS = {credentials.POPSELL_API_KEY: "manager", credentials.POPSELL_FORBIDDEN_API_KEY: "guest"}
_OPENED = {"manager": ("manager", "platform"), "platform": ("platform",), "guest": ()}


class FakePopsell(FakeVendor[PopsellOrder]):
    """The Popsell of the sandbox.

    :param settings: what the user chose.
    :param clock: the sandbox's time.
    """

    name: ClassVar[str] = "popsell"
    axes: ClassVar[Mapping[str, tuple[str, ...]]] = {"order": LAST_STATUSES}
    new_order: ClassVar[Stage] = {"order": "PENDING"}
    journeys: ClassVar[Sequence[Sequence[Stage]]] = (
        ({"order": "PENDING"}, {"order": "OK"}, {"order": "FULFILLED"}),
        ({"order": "PENDING"}, {"order": "OK_DELAY"}, {"order": "OK"}, {"order": "FULFILLED"}),
        ({"order": "E-BOOKING"}, {"order": "PENDING"}, {"order": "OK"}, {"order": "FULFILLED"}),
        ({"order": "PENDING"}, {"order": "OK_DELAY"}, {"order": "CANCELLED"}),
        ({"order": "E-BOOKING"}, {"order": "FULFILLED"}),
    )
    id_field: ClassVar[str] = "id_order"
    amount_field: ClassVar[str] = "total_amount"

    def __init__(self, settings: Settings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._tokens = Tokens(lambda number: f"sandbox-popsell-session-{number:06d}")

    def spots(self) -> Sequence[Spot]:
        """List the addresses that Popsell answers."""
        api = "/api/v2"
        return (
            Spot(("POST",), f"{api}/auth/token", self._exchange_key),
            Spot(("POST",), f"{api}/auth/login", self._login),
            Spot(("POST",), f"{api}/auth/guest", self._guest),
            Spot(("POST",), f"{api}/auth/logout", self._logout),
            Spot(("GET",), f"{api}/manager/orders", self._list_orders),
            Spot(("GET",), f"{api}/manager/orders/{{id}}", self._show_order),
            Spot(("GET",), f"{api}/manager/ambassadors", self._list_ambassadors),
            Spot(("GET",), f"{api}/platform/ambassadors", self._list_ambassadors),
            Spot(("GET",), f"{api}/platform/ambassadors/{{id}}/orders", self._list_ambassador_orders),
        )

    def make(self, draw: Draw, index: int, created_at: int) -> PopsellOrder:
        """Build one order from its draws."""
        return draw_order(draw, index, created_at)

    def payload(self, order: PopsellOrder) -> dict[str, Any]:
        """Render an order in full."""
        return manager_payload(order, self.settings.seed)

    def connection(self, url: str) -> dict[str, Any]:
        """Describe a connection that exchanges the API key for a token."""
        return {
            "conn_type": "popsell",
            "host": url,
            "password": credentials.POPSELL_API_KEY,
            "extra": {"auth": "api_key", "domain": credentials.POPSELL_DOMAIN, "assumed_timezone": "Etc/UTC"},
        }

    def credentials(self) -> dict[str, str]:
        """Name every credential that Popsell knows."""
        return {
            "domain": credentials.POPSELL_DOMAIN,
            "token": credentials.POPSELL_TOKEN,
            "api_key": credentials.POPSELL_API_KEY,
            "login": credentials.POPSELL_EMAIL,
            "password": credentials.POPSELL_PASSWORD,
            "token_for_platform_only": credentials.POPSELL_PLATFORM_TOKEN,
            "token_without_permission": credentials.POPSELL_FORBIDDEN_TOKEN,
            "api_key_without_permission": credentials.POPSELL_FORBIDDEN_API_KEY,
        }

    def error(self, status: int, message: str) -> Reply:
        """Answer an error the way Laravel does."""
        return Reply.json({"message": message}, status)

    def expire_sessions(self) -> None:
        """End every token that a key, a login or a guest was given."""
        self._tokens.clear()

    # Signing in.

    def _require(self, call: Call, *names: str) -> dict[str, str]:
        """Read the named fields of a sign-in, and check the domain it is for."""
        body = call.json_object()
        fields = {name: value for name in names if isinstance(value := body.get(name), str) and value}
        missing = [name for name in names if name not in fields]
        if not call.headers.get("x-popsell-domain"):
            missing.append("X-Popsell-Domain")
        if missing:
            more = f" (and {len(missing) - 1} more error)" if len(missing) > 1 else ""
            message = f"{missing[0]} is required!{more}"
            errors = {name: [f"{name} is required!"] for name in missing}
            raise Refusal(Reply.json({"message": message, "errors": errors}, 422))
        if call.headers["x-popsell-domain"] != credentials.POPSELL_DOMAIN:
            raise self.refuse(401, "Unauthorized.")
        return fields

    def _exchange_key(self, call: Call) -> Reply:
        """Give a token for an API key."""
        role = _API_KEYS.get(self._require(call, "api_key")["api_key"])
        if role is None:
            return self.error(401, "Unauthorized.")
        call.authenticated = True
        return Reply.json({"token": self._tokens.issue(role)})

    def _login(self, call: Call) -> Reply:
        """Give a token for an e-mail address and a password."""
        fields = self._require(call, "email", "password")
        if (fields["email"], fields["password"]) != (credentials.POPSELL_EMAIL, credentials.POPSELL_PASSWORD):
            return self.error(401, "Invalid email or password")
        call.authenticated = True
        user = {**person(AMBASSADORS[0], self.settings.seed), "email": credentials.POPSELL_EMAIL, "status": 5}
        return Reply.json({"user": user, "token": self._tokens.issue("manager")})

    def _guest(self, call: Call) -> Reply:
        """Give a token that opens nothing here."""
        self._require(call)
        return Reply.json({"token": self._tokens.issue("guest")})

    def _logout(self, call: Call) -> Reply:
        """End the token that the call came with."""
        self._require(call)
        self._role(call)
        self._tokens.revoke(_bearer(call))
        return Reply.json({"message": "Successfully logged out"})

    def _role(self, call: Call) -> str:
        """Say what the call's token opens."""
        token = _bearer(call)
        role = self._tokens.role(token) or _STATIC_TOKENS.get(token)
        if role is None or self.expired(call, token, self._tokens) is not None:
            raise self.refuse(401, "Unauthorized.")
        call.authenticated = True
        return role

    def _admit(self, call: Call) -> None:
        """Let a call pass if its token opens this family of routes."""
        family = call.path.removeprefix("/api/v2/").partition("/")[0]
        if family not in _OPENED[self._role(call)]:
            raise self.refuse(403, "You don't have permission to access this route")

    # Orders and ambassadors.

    def _show_order(self, call: Call) -> Reply:
        """Show one order."""
        self._admit(call)
        order = self.store.get(call.params["id"])
        if order is None:
            return self.error(404, "The Order does not exist")
        return Reply(200, self.row_bytes(order))

    def _list_orders(self, call: Call) -> Reply:
        """List all orders."""
        self._admit(call)
        self.before_page(call)
        wanted = filters(call.query)
        sorts = sort_keys(call.query)
        complaint = not_allowed("filter", wanted, _FILTERS) or not_allowed("sort", dict(sorts), _SORTS)
        if complaint:
            return self.error(400, complaint)

        def choose(orders: list[PopsellOrder]) -> list[PopsellOrder]:
            for name, text in wanted.items():
                orders = _matching(orders, name, text)
            return ordered(orders, sorts or [("id_order", True)], _SORTS)

        found = self.store.select(("orders", tuple(sorts), tuple(wanted.items())), choose)
        return self._paginated(call, found, self.row_bytes)

    def _list_ambassador_orders(self, call: Call) -> Reply:
        """List the orders credited to one ambassador, the newest first."""
        self._admit(call)
        self.before_page(call)
        number = call.params["id"]
        if number not in map(str, AMBASSADORS):
            return self.error(404, "The Ambassador does not exist")
        wanted = filters(call.query)
        complaint = not_allowed("filter", wanted, ("placed_between",))
        if complaint:
            return self.error(400, complaint)
        start, end = _between(wanted.get("placed_between"))

        def choose(orders: list[PopsellOrder]) -> list[PopsellOrder]:
            return [
                order
                for order in reversed(orders)
                if order.ambassador == int(number) and start <= order.created_at <= end
            ]

        found = self.store.select(("ambassador", number, start, end), choose)
        return self._paginated(call, found, self._ambassador_row)

    def _ambassador_row(self, order: PopsellOrder) -> bytes:
        """Give a row of an ambassador's orders, rendered once."""
        kept = order.rendered.get("ambassador")
        if kept is None:
            payload = ambassador_payload(order, self.settings.seed)
            kept = order.rendered["ambassador"] = msgspec.json.encode(payload)
        return kept

    def _list_ambassadors(self, call: Call) -> Reply:
        """List the ambassadors."""
        self._admit(call)
        wanted = filters(call.query)
        complaint = not_allowed("filter", wanted, ("active", "status"))
        if complaint:
            return self.error(400, complaint)
        people = [person(number, self.settings.seed) for number in AMBASSADORS]
        for name, text in wanted.items():
            people = [someone for someone in people if str(someone[name]) in text.split(",")]
        return self._paginated(call, people, msgspec.json.encode)

    def _paginated(self, call: Call, found: Sequence[Any], render: Callable[[Any], bytes]) -> Reply:
        """Answer one page in Laravel's length-aware envelope."""
        number, per_page = Pager.wanted(call, default=_PER_PAGE, maximum=_MAX_PER_PAGE)
        page: Page = self.page(call, found, (number - 1) * per_page, per_page, render)
        pager = Pager(call, page.total, number, per_page)
        first, last = pager.bounds(len(page.rows))
        envelope = {
            "current_page": number,
            "data": joined(page.rows),
            "first_page_url": pager.url(1),
            "from": first,
            "last_page": pager.last_page,
            "last_page_url": pager.url(pager.last_page),
            "links": pager.links(page.next_link),
            "next_page_url": page.next_link or pager.next_url,
            "path": call.url,
            "per_page": per_page,
            "prev_page_url": pager.previous_url,
            "to": last,
            "total": page.total,
        }
        return Reply.json(envelope)


def _bearer(call: Call) -> str:
    """Read the call's token."""
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _matching(orders: list[PopsellOrder], name: str, text: str) -> list[PopsellOrder]:
    """Keep the orders that a filter asks for; several values are separated by commas."""
    if name == "attribution" and text == "assigned":
        return [order for order in orders if order.assignment != "unassigned"]
    values, fact = set(text.split(",")), _FILTERS[name]
    return [order for order in orders if (value := fact(order)) is not None and str(value) in values]


def _between(text: str | None) -> tuple[float, float]:
    """Read ``placed_between``: two moments separated by a comma, both included."""
    if text is None:
        return float("-inf"), float("inf")
    start, _, end = text.partition(",")
    moments = moment(start), moment(end)
    if moments[0] is None or moments[1] is None:
        message = "The filter.placed_between must be two dates separated by a comma."
        raise Refusal(Reply.json({"message": message, "errors": {"filter.placed_between": [message]}}, 422))
    return moments[0], moments[1]
