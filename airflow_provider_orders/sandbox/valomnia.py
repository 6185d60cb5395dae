"""Valomnia: a session cookie from a login in two steps, operations with stubs for their lines and payments.

*Assumed*, because the vendor does not say: a wrong password is answered as the Spring Security plug-in does; pages have
1000 rows at most; lists start with the newest operation; ``next`` and ``previous`` are relative to the server, as
``href`` is; a parameter that cannot be read is answered 400 ``invalid_param_type``; a user without the right, 403.
A dead session is answered in each of the three ways that clients report, in turn.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

import msgspec

from airflow_provider_orders.sandbox import credentials
from airflow_provider_orders.sandbox.messages import Call, Refusal, Reply
from airflow_provider_orders.sandbox.valomnia_payloads import (
    DELIVERY_STATUSES,
    PAYMENT_STATUSES,
    ValomniaOrder,
    draw_order,
    line_payload,
    operation_payload,
    payment_payload,
    user_payload,
)
from airflow_provider_orders.sandbox.vendor import FakeVendor, Page, Spot, Tokens, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_orders.sandbox.clock import Clock
    from airflow_provider_orders.sandbox.drawing import Draw
    from airflow_provider_orders.sandbox.store import Stage
    from airflow_provider_orders.sandbox.vendor import Settings

__all__ = ["FakeValomnia"]

_MAX = 100
_MAX_MAX = 1000
_VERSIONS = ("v1.0", "v2.0", "v2.1")
_USERS = {credentials.VALOMNIA_EMAIL: "sales", credentials.VALOMNIA_FORBIDDEN_EMAIL: "visitor"}
_DEAD_SESSION = ("redirect", "unauthorized", "no_credentials")
_SESSION_COOKIE = re.compile(r"(?:^|;)\s*JSESSIONID=\"?([^;\"]*)")
_MOMENT = re.compile(r"(lastUpdated|dateCreated)_(gte?|lte?)")
_KEPT: dict[str, Callable[[int, float], bool]] = {
    "gt": lambda at, bound: at > bound,
    "gte": lambda at, bound: at >= bound,
    "lt": lambda at, bound: at < bound,
    "lte": lambda at, bound: at <= bound,
}
_MOMENTS: dict[str, Callable[[ValomniaOrder], int]] = {
    "lastUpdated": lambda order: order.updated_at,
    "dateCreated": lambda order: order.created_at,
}
_WILDCARDS: dict[str, Callable[[ValomniaOrder], str]] = {
    "reference": lambda order: order.reference,
    "employeeReference": lambda order: order.employee,
    "customerReference": lambda order: order.customer,
    "deliveredByReference": lambda order: order.driver,
}
_SORTS: dict[str, Callable[[ValomniaOrder], Any]] = {
    "id": lambda order: order.index,
    "reference": lambda order: order.reference,
    "total": lambda order: (order.amount(order.total), order.index),
    "status": lambda order: (order.statuses["payment"], order.index),
    "deliveryStatus": lambda order: (order.statuses["fulfillment"], order.index),
    "operationType": lambda order: (order.operation_type, order.index),
    "dateCreated": lambda order: (order.created_at, order.index),
    "lastUpdated": lambda order: (order.updated_at, order.index),
}


class FakeValomnia(FakeVendor[ValomniaOrder]):
    """The Valomnia of the sandbox.

    :param settings: what the user chose.
    :param clock: the sandbox's time.
    """

    name: ClassVar[str] = "valomnia"
    axes: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "payment": PAYMENT_STATUSES,
        "fulfillment": DELIVERY_STATUSES,
    }
    new_order: ClassVar[Stage] = {"payment": "NOT_PAID", "fulfillment": "PENDING"}
    journeys: ClassVar[Sequence[Sequence[Stage]]] = (
        (new_order, {"payment": "IN_PROCESS"}, {"payment": "PAID"}, {"fulfillment": "DELIVERED"}),
        (new_order, {"fulfillment": "DELIVERED"}, {"payment": "ADVANCE"}, {"payment": "PAID"}),
        (new_order, {"payment": "IN_PROCESS"}, {"fulfillment": "REJECTED"}),
        (new_order, {"payment": "PAID", "fulfillment": "DELIVERED"}),
        (new_order, {"payment": "ADVANCE"}, {"payment": "PAID", "fulfillment": "DELIVERED"}),
    )
    amount_field: ClassVar[str] = "total"

    def __init__(self, settings: Settings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._sessions = Tokens(
            lambda number: f"{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128):032X}"
        )
        self._refused = 0

    def spots(self) -> Sequence[Spot]:
        """List the addresses that Valomnia answers."""
        api = "/api/{version}"
        return (
            Spot(("POST",), "/j_spring_security_check", self._login),
            Spot(("GET", "POST"), "/login/ajaxSuccess", self._logged_in),
            Spot(("GET",), "/login/authfail", self._login_failed),
            Spot(("GET",), "/login/auth", lambda _: Reply.html("Please log in")),
            Spot(("GET",), "/", lambda _: Reply.html("Welcome")),
            Spot(("GET",), f"{api}/orders", self._list_orders),
            Spot(("GET",), f"{api}/orders/reference/{{reference:path}}", self._show_by_reference),
            Spot(("GET",), f"{api}/orders/{{id}}", self._show_order),
            Spot(("GET",), f"{api}/orderDetails", self._list_lines),
            Spot(("GET",), f"{api}/orderDetails/{{id}}", self._show_line),
            Spot(("GET",), f"{api}/orderPayments/{{id}}", self._show_payment),
        )

    def make(self, draw: Draw, index: int, created_at: int) -> ValomniaOrder:
        """Build one operation from its draws."""
        return draw_order(draw, index, created_at)

    def payload(self, order: ValomniaOrder) -> dict[str, Any]:
        """Render an operation as the current version does."""
        return operation_payload(order, _VERSIONS[-1])

    def connection(self, url: str) -> dict[str, Any]:
        """Describe a connection that logs in."""
        return {
            "conn_type": "valomnia",
            "host": url,
            "login": credentials.VALOMNIA_EMAIL,
            "password": credentials.VALOMNIA_PASSWORD,
            "extra": {},
        }

    def credentials(self) -> dict[str, str]:
        """Name every credential that Valomnia knows."""
        return {
            "login": credentials.VALOMNIA_EMAIL,
            "password": credentials.VALOMNIA_PASSWORD,
            "login_without_permission": credentials.VALOMNIA_FORBIDDEN_EMAIL,
        }

    def error(self, status: int, message: str) -> Reply:
        """Answer an error in the documented format."""
        words = {400: "invalid_param_type", 403: "forbidden", 404: "not_found", 405: "method_not_allowed"}
        word = words.get(status, "too_many_requests" if status == 429 else "server_error")
        return Reply.json({"error": word, "error_description": message}, status)

    def expire_sessions(self) -> None:
        """End every session."""
        self._sessions.clear()

    def reset(self) -> None:
        """Go back to the seed, with nobody signed in."""
        super().reset()
        self._refused = 0

    # Signing in.

    def _login(self, call: Call) -> Reply:
        """Check a login, and redirect to where its outcome is told."""
        form = call.form()
        role = _USERS.get(form.get("j_username", ""))
        ajax = "?ajax=true" if form.get("ajax") == "true" else ""
        if role is None or form.get("j_password") != credentials.VALOMNIA_PASSWORD:
            return Reply.redirect(f"{call.base_url}/login/authfail{ajax}")
        call.authenticated = True
        cookie = ("Set-Cookie", f"JSESSIONID={self._sessions.issue(role)}; Path=/; HttpOnly")
        # Without ajax=true the browser is sent to the start page.
        return Reply.redirect(
            f"{call.base_url}/login/ajaxSuccess" if ajax else f"{call.base_url}/", (cookie,)
        )

    @staticmethod
    def _login_failed(call: Call) -> Reply:
        """Tell that the login failed."""
        del call
        return Reply.json(
            {"error": "Sorry, we were not able to find a user with that username and password."}
        )

    def _logged_in(self, call: Call) -> Reply:
        """Tell who has logged in."""
        session = _session(call)
        if self._sessions.role(session) is None:
            return self._no_session(call, None)
        call.authenticated = True
        return Reply.json({"success": True, "token": session, "user": user_payload()})

    def _no_session(self, call: Call, variant: str | None) -> Reply:
        """Answer a call whose session is missing or dead."""
        if variant is None:
            variant = _DEAD_SESSION[self._refused % len(_DEAD_SESSION)]
            self._refused += 1
        if variant == "redirect":
            return Reply.redirect(f"{call.base_url}/login/auth")
        return Reply.json({"error": "no_credentials"}, 401 if variant == "unauthorized" else 200)

    def _admit(self, call: Call) -> str:
        """Let a call pass if its session may read operations, and say which version it speaks."""
        version = call.params["version"]
        if version not in _VERSIONS:
            raise Refusal(self.not_found(call))
        session = _session(call)
        role = self._sessions.role(session)
        if role is None:
            raise Refusal(self._no_session(call, None))
        fault = self.expired(call, session, self._sessions)
        if fault is not None:
            raise Refusal(self._no_session(call, fault.variant))
        call.authenticated = True
        if role != "sales":
            raise self.refuse(403, "You are not allowed to access this resource.")
        return version

    # Operations, lines, payments.

    def _one(self, call: Call) -> int:
        """Read the number in the path."""
        text = call.params["id"]
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise self._wrong_type("id")
        return int(text)

    def _wrong_type(self, name: str) -> Refusal:
        """Refuse a parameter that cannot be read."""
        return self.refuse(400, f"The type of parameter {name} you provided is not valid for this request.")

    def _show_order(self, call: Call) -> Reply:
        """Show one operation."""
        version = self._admit(call)
        number = self._one(call)
        order = self.store.get(str(number))
        if order is None:
            return self.error(404, f"The order with the id {number} doesn't exist.")
        return Reply(200, self._row(order, version))

    def _show_by_reference(self, call: Call) -> Reply:
        """Show the operation with an external reference."""
        version = self._admit(call)
        reference = call.params["reference"]
        found = self.store.select(
            ("reference", reference), lambda orders: [o for o in orders if o.reference == reference]
        )
        if not found:
            return self.error(404, f"The order with the reference {reference} doesn't exist.")
        return Reply(200, self._row(found[0], version))

    def _row(self, order: ValomniaOrder, version: str) -> bytes:
        """Give an operation in a version's form, rendered once."""
        kept = order.rendered.get(version)
        if kept is None:
            kept = order.rendered[version] = msgspec.json.encode(operation_payload(order, version))
        return kept

    def _list_orders(self, call: Call) -> Reply:
        """List operations."""
        version = self._admit(call)
        self.before_page(call)
        wanted = self._wanted(call, (*_WILDCARDS, "operationType"))
        sort, descending = self._sort(call)

        def choose(orders: list[ValomniaOrder]) -> list[ValomniaOrder]:
            return sorted(_kept(orders, wanted), key=_SORTS[sort], reverse=descending)

        found = self.store.select(("orders", sort, descending, tuple(wanted.items())), choose)
        return self._paginated(call, found, lambda order: self._row(order, version))

    def _list_lines(self, call: Call) -> Reply:
        """List the lines of operations."""
        version = self._admit(call)
        self.before_page(call)
        wanted = self._wanted(call, ("orderReference", "itemReference"))
        _, descending = self._sort(call)
        key = ("lines", descending, tuple(wanted.items()))
        reference, item = (_pattern(wanted.pop(name, "*")) for name in ("orderReference", "itemReference"))

        def choose(orders: list[ValomniaOrder]) -> list[tuple[ValomniaOrder, int]]:
            lines = [
                (order, place)
                for order in _kept(orders, wanted)
                if reference.fullmatch(order.reference)
                for place in range(len(order.lines))
                if item.fullmatch(order.item_reference(place))
            ]
            return lines[::-1] if descending else lines

        found = self.store.select(key, choose)
        return self._paginated(
            call, found, lambda line: msgspec.json.encode(line_payload(line[0], line[1], version))
        )

    def _show_line(self, call: Call) -> Reply:
        """Show one line."""
        version = self._admit(call)
        order, place = self._part(call)
        if order is None or place >= len(order.lines):
            return self.error(404, f"The orderDetail with the id {call.params['id']} doesn't exist.")
        return Reply.json({**line_payload(order, place, version), "customerDiscount": None})

    def _show_payment(self, call: Call) -> Reply:
        """Show one payment."""
        version = self._admit(call)
        order, place = self._part(call)
        if order is None or place >= order.payments:
            return self.error(404, f"The orderPayment with the id {call.params['id']} doesn't exist.")
        return Reply.json(payment_payload(order, place, version))

    def _part(self, call: Call) -> tuple[ValomniaOrder | None, int]:
        """Find the operation that a line or payment belongs to: their ids are ten times its own, and a digit."""
        number, place = divmod(self._one(call), 10)
        return self.store.get(str(number)), place

    def _wanted(self, call: Call, names: Sequence[str]) -> dict[str, str]:
        """Collect the filters of a list; what Grails does not know, it ignores."""
        wanted = {}
        for name, text in call.query.items():
            if _MOMENT.fullmatch(name):
                if _second(text) is None:
                    raise self._wrong_type(name)
                wanted[name] = text
            elif name in names:
                wanted[name] = text
        return wanted

    def _sort(self, call: Call) -> tuple[str, bool]:
        """Read ``sort`` and ``order``; unsorted lists start with the newest."""
        sort, order = call.query.get("sort"), call.query.get("order", "asc")
        if sort is not None and sort not in _SORTS:
            raise self._wrong_type("sort")
        if order not in {"asc", "desc"}:
            raise self._wrong_type("order")
        return (sort, order == "desc") if sort is not None else ("id", True)

    def _count(self, call: Call, name: str, usual: int) -> int:
        """Read ``max`` or ``offset``."""
        text = call.query.get(name)
        if text is None:
            return usual
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise self._wrong_type(name)
        return int(text)

    def _paginated(self, call: Call, found: Sequence[Any], render: Callable[[Any], bytes]) -> Reply:
        """Answer one page."""
        size = max(1, min(self._count(call, "max", _MAX), _MAX_MAX))
        offset = self._count(call, "offset", 0)
        page: Page = self.page(call, found, offset, size, render)

        def link(start: int) -> str:
            return f"{call.path}?{urlencode({**call.query, 'max': str(size), 'offset': str(start)})}"

        paging = {
            "total": page.total,
            "max": size,
            "offset": offset,
            "previous": link(max(0, offset - size)) if offset else None,
            "next": page.next_link or (link(offset + size) if offset + size < page.total else None),
        }
        return Reply.json({"paging": paging, "data": joined(page.rows)})


def _session(call: Call) -> str:
    """Read the session cookie."""
    match = _SESSION_COOKIE.search(call.headers.get("cookie", ""))
    return match[1] if match else ""


def _second(text: str) -> float | None:
    """Read ``2016-08-15T14:52:48Z``, and nothing else."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp() if text.endswith("Z") else None
    except ValueError:
        return None


def _pattern(text: str) -> re.Pattern[str]:
    """Turn a reference with ``*`` at its start or end into a pattern."""
    start, end = ".*" if text.startswith("*") else "", ".*" if text.endswith("*") else ""
    return re.compile(f"{start}{re.escape(text.strip('*'))}{end}", re.IGNORECASE | re.DOTALL)


def _kept(orders: Sequence[ValomniaOrder], wanted: Mapping[str, str]) -> list[ValomniaOrder]:
    """Keep the operations that every filter lets pass."""
    kept = list(orders)
    for name, text in wanted.items():
        match = _MOMENT.fullmatch(name)
        if match:
            moment, compare, bound = _MOMENTS[match[1]], _KEPT[match[2]], _second(text) or 0.0
            kept = [order for order in kept if compare(moment(order), bound)]
        elif name == "operationType":
            kept = [order for order in kept if order.operation_type == text]
        else:
            fact, pattern = _WILDCARDS[name], _pattern(text)
            kept = [order for order in kept if pattern.fullmatch(fact(order))]
    return kept
