"""Genuka: an API key or a bearer token with ``X-Company``, Laravel pages in two envelopes, slim rows and large details.

*Assumed*, where the vendor is silent or contradicts itself: a missing ``X-Company`` is answered 422 (one of two
documented ways); date filters include both ends and mean UTC, a day alone means its first moment; lists start with the
newest order and show deleted ones, since ``filter[active]=true`` exists to leave them out; errors are HTML unless the
request accepts JSON; the rate limit is announced and not enforced, so that benchmarks can run.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from airflow_provider_orders.sandbox import credentials
from airflow_provider_orders.sandbox.genuka_company import COMPANY, SHOPS, USER
from airflow_provider_orders.sandbox.genuka_lines import order_lines
from airflow_provider_orders.sandbox.genuka_payloads import (
    BILLING_STATUSES,
    SHIPPING_STATUSES,
    GenukaOrder,
    activities_payload,
    draw_order,
    row_payload,
)
from airflow_provider_orders.sandbox.genuka_query import INCLUDES, OrderQuery
from airflow_provider_orders.sandbox.laravel import Pager
from airflow_provider_orders.sandbox.messages import Call, Refusal, Reply
from airflow_provider_orders.sandbox.vendor import FakeVendor, Page, Spot, Tokens, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_orders.sandbox.clock import Clock
    from airflow_provider_orders.sandbox.drawing import Draw
    from airflow_provider_orders.sandbox.store import Stage
    from airflow_provider_orders.sandbox.vendor import Settings

__all__ = ["ENVELOPES", "FakeGenuka"]

ENVELOPES = ("pagination", "meta")

_PER_PAGE = 15
_ACTIVITIES_PER_PAGE = 6
_MAX_PER_PAGE = 100
_RATE_LIMIT = 6000
_OWNER, _CLERK = "owner", "clerk"
_STATIC_TOKENS = {credentials.GENUKA_TOKEN: _OWNER, credentials.GENUKA_FORBIDDEN_TOKEN: _CLERK}
_API_KEYS = {
    credentials.GENUKA_API_KEY: _OWNER,
    credentials.GENUKA_FORBIDDEN_API_KEY: _CLERK,
    credentials.GENUKA_SANDBOX_API_KEY: "test mode",
}


class FakeGenuka(FakeVendor[GenukaOrder]):
    """The Genuka of the sandbox.

    :param settings: what the user chose.
    :param clock: the sandbox's time.
    """

    name: ClassVar[str] = "genuka"
    axes: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "payment": BILLING_STATUSES,
        "fulfillment": SHIPPING_STATUSES,
    }
    new_order: ClassVar[Stage] = {"payment": "pending", "fulfillment": "pending"}
    journeys: ClassVar[Sequence[Sequence[Stage]]] = (
        (new_order, {"fulfillment": "taken_in_charge"}, {"fulfillment": "delivered", "payment": "paid"}),
        (new_order, {"payment": "partially_paid"}, {"payment": "paid"}, {"fulfillment": "delivered"}),
        (new_order, {"fulfillment": "taken_in_charge"}, {"payment": "canceled"}),
        (new_order, {"fulfillment": "partial_delivery"}, {"fulfillment": "delivered"}, {"payment": "paid"}),
        (new_order, {"fulfillment": "delivered", "payment": "paid"}),
    )
    amount_field: ClassVar[str] = "amount"

    def __init__(self, settings: Settings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._tokens = Tokens(_jwt)
        self._served = 0

    def spots(self) -> Sequence[Spot]:
        """List the addresses that Genuka answers."""
        orders = "/2023-11/admin/orders"
        return (
            Spot(("POST",), "/2023-11/auth/login", self._login),
            Spot(("POST",), "/2023-11/auth/logout", self._logout),
            Spot(("POST",), "/2023-11/user/refresh-token", self._refresh),
            Spot(("GET",), orders, self._list_orders),
            Spot(("GET",), f"{orders}/{{id}}", self._show_order),
            Spot(("GET",), f"{orders}/{{id}}/products", self._list_lines),
            Spot(("GET",), f"{orders}/{{id}}/activities", self._list_activities),
        )

    def make(self, draw: Draw, index: int, created_at: int) -> GenukaOrder:
        """Build one order from its draws."""
        return draw_order(draw, index, created_at)

    def row(self, order: GenukaOrder) -> dict[str, Any]:
        """Render an order as a row of the list."""
        return row_payload(order, self.settings.seed)

    def payload(self, order: GenukaOrder) -> dict[str, Any]:
        """Render an order in full: its lines, and the company, shop and user it drags along."""
        lines, products = order_lines(order)
        more = {
            "company": COMPANY,
            "order_products": lines,
            "products": products,
            "shop": SHOPS[order.shop],
            "user": USER,
        }
        # "Key order is alphabetical", at least in the documentation.
        return dict(sorted({**self.row(order), **more}.items()))

    def connection(self, url: str) -> dict[str, Any]:
        """Describe a connection that sends the API key."""
        return {
            "conn_type": "genuka",
            "host": url,
            "password": credentials.GENUKA_API_KEY,
            "extra": {"company_id": credentials.GENUKA_COMPANY_ID, "auth": "api_key"},
        }

    def credentials(self) -> dict[str, str]:
        """Name every credential that Genuka knows."""
        return {
            "company_id": credentials.GENUKA_COMPANY_ID,
            "api_key": credentials.GENUKA_API_KEY,
            "token": credentials.GENUKA_TOKEN,
            "login": credentials.GENUKA_EMAIL,
            "password": credentials.GENUKA_PASSWORD,
            "other_company_id": credentials.GENUKA_OTHER_COMPANY_ID,
            "api_key_of_test_mode": credentials.GENUKA_SANDBOX_API_KEY,
            "api_key_without_permission": credentials.GENUKA_FORBIDDEN_API_KEY,
            "token_without_permission": credentials.GENUKA_FORBIDDEN_TOKEN,
        }

    def error(self, status: int, message: str) -> Reply:
        """Answer an error in the shape that goes with its status."""
        if status == 404:
            return Reply.json({"status": "error", "code": 404, "data": None, "message": message}, status)
        words = {429: "too_many_requests", 500: "internal_server_error"}
        extra = {"error": words[status]} if status in words else {}
        return Reply.json({"message": message, **extra, "code": status}, status)

    def crash(self, call: Call) -> Reply:
        """Answer 500 with the dump that Laravel shows; at the login it was seen to mean a wrong password."""
        login = call.path.endswith("/auth/login")
        dump: dict[str, Any] = {
            "message": "Invalid email or password." if login else "Server Error",
            "exception": "Symfony\\Component\\HttpKernel\\Exception\\HttpException",
            "file": "/var/www/html/app/Http/Controllers/Sandbox.php",
            "line": 42,
            "trace": [],
        }
        return Reply.json(dump, 500)

    def localise(self, call: Call, reply: Reply) -> Reply:
        """Announce the rate limit, and speak HTML to those who do not ask for JSON."""
        self._served += 1
        remaining = 0 if reply.status == 429 else _RATE_LIMIT - 1 - self._served % (_RATE_LIMIT - 1)
        limits = (("X-RateLimit-Limit", str(_RATE_LIMIT)), ("X-RateLimit-Remaining", str(remaining)))
        if reply.status >= 400 and "json" not in call.headers.get("accept", ""):
            message = msgspec.json.decode(reply.body).get("message", "Error")
            return Reply(
                reply.status, Reply.html(message).body, (*reply.headers, *limits), "text/html; charset=UTF-8"
            )
        return Reply(reply.status, reply.body, (*reply.headers, *limits), reply.media_type)

    def expire_sessions(self) -> None:
        """End every token that a login gave out."""
        self._tokens.clear()

    def forget(self, order: GenukaOrder) -> None:
        """Delete an order as Genuka does: it stays, and ``deleted_at`` is set."""
        self.store.mark_deleted(order)

    # Signing in.

    def _login(self, call: Call) -> Reply:
        """Give a token for an e-mail address and a password."""
        body = call.json_object()
        missing = [
            name for name in ("email", "password") if not isinstance(body.get(name), str) or not body[name]
        ]
        if missing:
            errors = {name: [f"The {name} field is required."] for name in missing}
            return Reply.json({"message": errors[missing[0]][0], "errors": errors}, 422)
        if (body["email"], body["password"]) != (credentials.GENUKA_EMAIL, credentials.GENUKA_PASSWORD):
            return self.error(401, "Invalid email or password.")
        call.authenticated = True
        answer = {
            "accessToken": self._tokens.issue(_OWNER),
            "token": {"id": "sandbox", "name": "auth_token", "scopes": ["*"], "expires_at": None},
            "companyId": credentials.GENUKA_COMPANY_ID,
            "company_code": None,
            "companies": [{"id": credentials.GENUKA_COMPANY_ID, "name": COMPANY["name"]}],
        }
        return Reply.json(answer)

    def _logout(self, call: Call) -> Reply:
        """End the token that the call came with."""
        self._token_role(call)
        self._tokens.revoke(_bearer(call))
        return Reply.json({"message": "Successfully logged out"})

    def _refresh(self, call: Call) -> Reply:
        """Give a new token and end all older ones of the user."""
        role = self._token_role(call)
        self._tokens.clear()
        return Reply.json({"accessToken": self._tokens.issue(role)})

    def _token_role(self, call: Call) -> str:
        """Say what the call's bearer token opens."""
        token = _bearer(call)
        role = self._tokens.role(token) or _STATIC_TOKENS.get(token)
        if role is None or self.expired(call, token, self._tokens) is not None:
            raise Refusal(Reply.json({"message": "Unauthenticated."}, 401))
        call.authenticated = True
        return role

    def _key_role(self, call: Call) -> str:
        """Say what the call's API key opens."""
        key = call.headers["x-api-key"]
        if not key:
            raise Refusal(Reply.json({"code": 401, "message": "API key is missing"}, 401))
        role = _API_KEYS.get(key)
        if role is None or self.expired(call, key, self._tokens) is not None:
            raise Refusal(Reply.json({"code": 401, "message": "Invalid API key"}, 401))
        if role not in {_OWNER, _CLERK}:
            refusal = {"code": 403, "message": "Sandbox key not allowed for live operation"}
            raise Refusal(Reply.json(refusal, 403))
        call.authenticated = True
        return role

    def _admit(self, call: Call) -> None:
        """Let a call pass if its credentials are good for the company it names."""
        role = self._key_role(call) if "x-api-key" in call.headers else self._token_role(call)
        company = call.headers.get("x-company", "")
        if not company:
            refusal = {"message": "Please provide a Company Id", "error": "company_id_required", "code": 400}
            raise Refusal(Reply.json(refusal, 422))
        if company != credentials.GENUKA_COMPANY_ID:
            message = f"You don't have the permission to manage this company. Company ID: {company}"
            raise Refusal(Reply.json({"message": message, "error": "unauthenticated", "code": 401}, 401))
        if role != _OWNER:
            refusal = {"message": "You don't have access to this.", "error": "invalid_scope", "code": 403}
            raise Refusal(Reply.json(refusal, 403))

    # Orders.

    def _one(self, call: Call) -> GenukaOrder:
        """Find the order in the path, deleted or not."""
        self._admit(call)
        order = self.store.get(call.params["id"])
        if order is None:
            raise self.refuse(404, "The order does not exist")
        return order

    def _show_order(self, call: Call) -> Reply:
        """Show one order in full."""
        return Reply.json(self.payload(self._one(call)))

    def _list_lines(self, call: Call) -> Reply:
        """List the lines of one order, each with its product."""
        lines, products = order_lines(self._one(call))
        return Reply.json(
            [{**line, "product": product} for line, product in zip(lines, products, strict=True)]
        )

    def _list_activities(self, call: Call) -> Reply:
        """List what happened to one order."""
        entries = activities_payload(self._one(call))
        return self._paginated(call, entries, msgspec.json.encode, _ACTIVITIES_PER_PAGE)

    def _list_orders(self, call: Call) -> Reply:
        """List orders."""
        self._admit(call)
        self.before_page(call)
        query = OrderQuery.read(call, self.settings.seed)
        found = self.store.select(query.key, query.choose)
        return self._paginated(call, found, self._renderer(query), _PER_PAGE)

    def _renderer(self, query: OrderQuery) -> Callable[[GenukaOrder], bytes]:
        """Choose how rows are rendered: plain ones, or with what was asked for."""
        if not query.include and not query.fields:
            return self.row_bytes
        form = f"row {query.include} {query.fields}"

        def render(order: GenukaOrder) -> bytes:
            kept = order.rendered.get(form)
            if kept is None:
                row = {**self.row(order), **self._included(order, query.include)}
                wanted = {name: row[name] for name in query.fields if name in row} if query.fields else row
                kept = order.rendered[form] = msgspec.json.encode(wanted)
            return kept

        return render

    def _included(self, order: GenukaOrder, include: Sequence[str]) -> dict[str, Any]:
        """Render what ``include`` adds to a row; the rest of what it may name is there anyway."""
        added: dict[str, Any] = {"company": COMPANY, "shop": SHOPS[order.shop], "adjustments": []}
        if "products" in include:
            added["order_products"], added["products"] = order_lines(order)
        names = {*include, "order_products"} if "products" in include else set(include)
        if "products_count" in include:
            added["products_count"] = len(order.lines)
        return {name: value for name, value in added.items() if name in names & {*INCLUDES, "order_products"}}

    def _paginated(
        self, call: Call, found: Sequence[Any], render: Callable[[Any], bytes], per_page: int
    ) -> Reply:
        """Answer one page in the envelope that the sandbox was told to use."""
        number, size = Pager.wanted(call, default=per_page, maximum=_MAX_PER_PAGE)
        page: Page = self.page(call, found, (number - 1) * size, size, render)
        pager = Pager(call, page.total, number, size)
        if call.query.get("simple_paginate", "") not in {"", "0", "false"}:
            return Reply.json(_simple_envelope(pager, page))
        if self.settings.genuka_envelope == "meta":
            return Reply.json(_meta_envelope(pager, page))
        pagination: dict[str, Any] = {
            "total": page.total,
            "count": len(page.rows),
            "per_page": size,
            "current_page": number,
            "total_pages": pager.last_page,
        }
        if page.next_link:
            pagination["links"] = {"next": page.next_link}
        return Reply.json({"data": joined(page.rows), "pagination": pagination})


def _meta_envelope(pager: Pager, page: Page) -> dict[str, Any]:
    """Wrap a page as Laravel's resources do."""
    first, last = pager.bounds(len(page.rows))
    links = {
        "first": pager.url(1),
        "last": pager.url(pager.last_page),
        "prev": pager.previous_url,
        "next": page.next_link or pager.next_url,
    }
    meta = {
        "current_page": pager.page,
        "from": first,
        "last_page": pager.last_page,
        "links": pager.links(page.next_link),
        "path": pager.call.url,
        "per_page": pager.per_page,
        "to": last,
        "total": pager.total,
    }
    return {"data": joined(page.rows), "links": links, "meta": meta}


def _simple_envelope(pager: Pager, page: Page) -> dict[str, Any]:
    """Wrap a page without totals; ``per_page`` comes as a string."""
    first, last = pager.bounds(len(page.rows))
    links = {
        "first": pager.url(1),
        "last": None,
        "prev": pager.previous_url,
        "next": page.next_link or pager.next_url,
    }
    meta = {
        "current_page": pager.page,
        "current_page_url": pager.url(pager.page),
        "from": first,
        "path": pager.call.url,
        "per_page": str(pager.per_page),
        "to": last,
    }
    return {"data": joined(page.rows), "links": links, "meta": meta}


def _bearer(call: Call) -> str:
    """Read the call's token."""
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _jwt(number: int) -> str:
    """Form a token that looks like a JWT and says that it is none."""
    parts = ({"typ": "JWT", "alg": "none"}, {"jti": f"sandbox-genuka-{number:06d}"}, "not a signature")
    return ".".join(urlsafe_b64encode(msgspec.json.encode(part)).decode().rstrip("=") for part in parts)
