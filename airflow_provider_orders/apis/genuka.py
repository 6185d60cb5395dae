"""Genuka: commerce and ERP for many companies; the back office's API below ``/2023-11/admin``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import msgspec
from pydantic import Field

from airflow_provider_orders.apis.auth import Auth, HeaderAuth, login_error
from airflow_provider_orders.apis.base import OrderApi, one_filter_each
from airflow_provider_orders.apis.capabilities import Capabilities, Granularity
from airflow_provider_orders.apis.listing import Envelope, Listing, RowReader, TextReader
from airflow_provider_orders.apis.query import OrderQuery, whole_second
from airflow_provider_orders.apis.settings import ApiSettings
from airflow_provider_orders.errors import ConfigurationError, OrderNotFoundError, OrdersError
from airflow_provider_orders.http.messages import Exchange, Request, Response
from airflow_provider_orders.models.genuka import GenukaOrder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["GenukaApi", "GenukaSettings"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_READ_ROW = RowReader("id")
_REFERENCE = TextReader("reference")
_WRONG_PASSWORD = "Invalid email or password."  # noqa: S105 - the vendor's words


class GenukaSettings(ApiSettings):
    """A Genuka connection.

    :param company_id: the company's id (a ULID), sent as ``X-Company``.
    :param auth: ``api_key``: the password is an API key; ``token``: a bearer token; ``login``: the password of
        the e-mail in login.
    :param api_version: date in the path.
    """

    vendor = "genuka"
    title = "Genuka"
    default_host = "https://api.genuka.com"
    max_page_size = 100
    password_is = "the API key, token or password"  # noqa: S105 - words for a message

    company_id: Annotated[str, Field(min_length=1)]
    auth: Literal["api_key", "token", "login"] = "api_key"
    api_version: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}$")] = "2023-11"

    def check(self) -> None:
        """Refuse a company id of the wrong form, and a login without an e-mail address."""
        if not (len(self.company_id) == 26 and self.company_id.isascii() and self.company_id.isalnum()):
            raise self.refuse(
                self.conn_id,
                "company_id",
                "must be the company's 26 letters and digits, as the admin pages show it",
            )
        if self.auth == "login" and not self.login:
            raise self.refuse(self.conn_id, "login", "is missing; put the e-mail address there")

    @property
    def credentials(self) -> str:
        """What this connection signs in with, in words for an error."""
        words = {"api_key": "the API key", "token": "the token", "login": "the e-mail address and password"}
        return f"{words[self.auth]} for company {self.company_id}"

    @property
    def account(self) -> str:
        """The company."""
        return self.company_id


class _LoginAuth(Auth):
    """A bearer token obtained by e-mail and password (documented on the authentication page)."""

    def __init__(self, settings: GenukaSettings) -> None:
        self._settings = settings

    def obtain(self) -> Exchange[str]:
        response: Response = yield Request(
            "POST",
            f"/{self._settings.api_version}/auth/login",
            headers={"Accept": "application/json"},
            json={"email": self._settings.login, "password": self._settings.password.get_secret_value()},
            repeatable=True,
        )
        answer = response.json_object() if response.status == 200 else {}
        # The vendor's pages disagree on where the token is: accessToken as text, else plainTextToken.
        for token in (answer.get("accessToken"), answer.get("plainTextToken")):
            if isinstance(token, str) and token:
                return token
        raise login_error(response, self._settings)

    def sign(self, request: Request, credential: str) -> Request:
        return request.with_headers(Authorization=f"Bearer {credential}")


class _Pagination(msgspec.Struct):
    """The ``pagination`` of newer answers."""

    current_page: int
    per_page: int
    total: int | None = None


class _Page(msgspec.Struct):
    """Both documented envelopes: ``pagination``, or Laravel's ``meta`` and ``links``."""

    data: list[msgspec.Raw]
    pagination: _Pagination | None = None
    meta: _Pagination | None = None
    links: Any = None


_PAGE = msgspec.json.Decoder(_Page, strict=False)


def _read_envelope(body: bytes) -> Envelope:
    page = _PAGE.decode(body)
    counts = page.pagination or page.meta
    if counts is None:
        raise msgspec.ValidationError("Object missing required field `pagination` or `meta`")
    next_link = page.links.get("next") if isinstance(page.links, dict) else None
    return Envelope(
        rows=page.data,
        total=counts.total,
        page_size=counts.per_page,
        number=counts.current_page,
        # With simple_paginate there is no total, only a link: it tells that there is more and is not followed.
        has_more=None
        if counts.total is not None or page.links is None
        else next_link is not None and bool(page.data),
        next_link=next_link if isinstance(next_link, str) else None,
    )


class GenukaApi(OrderApi[GenukaSettings]):
    """Genuka's back-office routes for orders."""

    vendor = "genuka"
    title = "Genuka"
    settings_model = GenukaSettings
    order_model = GenukaOrder
    filters = frozenset({"updated_from", "updated_to", "created_from", "created_to", "statuses", "params"})
    status_axis = "fulfillment"
    statuses_beyond_filter: ClassVar[Mapping[str, str]] = {
        "cancelled": "orders that Genuka marks as deleted, which are cancelled whatever their status says"
    }
    capabilities = Capabilities(
        update_filter=Granularity.SECOND,
        update_filter_ends=True,
        created_filter=Granularity.SECOND,
        sort_keys=("created_at", "updated_at"),
        shows_deleted=True,
    )
    own_params: ClassVar[frozenset[str] | None] = frozenset(
        {"anonymous", "include", "fields", "simple_paginate", "whereColumn", "whereOperator", "whereValue"}
        | {
            f"filter[{name}]"
            for name in (
                "reference", "shipping->status", "customer.first_name", "customer.last_name", "customer.email",
                "customer.phone", "shop.id", "shop.name", "state", "customer_id", "billing_status", "active", "unpaid",
                "late", "has_subscription", "created_by", "supplier_id", "tax_id", "discount_id", "shipping_fee_id",
                "pickup_location_id", "search",
            )
        }
        | {f"filter[{name}][{end}]" for name in ("scheduled_at", "paid_at", "created_period") for end in ("start", "end")}
    )  # fmt: skip
    lookups = frozenset({"id", "reference"})

    def make_auth(self) -> Auth:
        """An API key, a bearer token, or a login."""
        secret = self.settings.password.get_secret_value()
        if self.settings.auth == "api_key":
            return HeaderAuth("X-API-Key", secret)
        if self.settings.auth == "token":
            return HeaderAuth("Authorization", secret, prefix="Bearer ")
        return _LoginAuth(self.settings)

    def headers(self) -> dict[str, str]:
        """Add the company, and the zone of date filters: they are shifted by one that is not documented (*assumed*)."""
        return super().headers() | {"X-Company": self.settings.company_id, "X-Timezone": "UTC"}

    def get(self, path: str, *params: tuple[str, str]) -> Request:
        """Build a GET of the company's back office."""
        return super().get(f"/{self.settings.api_version}/admin{path}", *params)

    def fetch_order(self, order_id: str, *, by: str = "id", with_lines: bool = False) -> Exchange[bytes]:
        """Ask for one order with all its details; by reference, after finding its id in the listing."""
        self.check_lookup(by)
        if by == "reference":
            order_id = yield from self._find(order_id)
        elif not (len(order_id) == 26 and order_id.isascii() and order_id.isalnum()):
            raise ConfigurationError(
                "Genuka's order ids have 26 letters and digits; for a reference such as #ORDER_1382 use by='reference'.",
                field="order_id",
                vendor=self.vendor,
            )
        response = yield self.get(f"/orders/{self.segment(order_id.lower())}")
        return response.body

    def _find(self, reference: str) -> Exchange[str]:
        """Find an order's id; the filter also matches parts of a reference, so that equality is checked here."""
        wanted = reference.strip().removeprefix("#")
        self.segment(wanted)
        listing = self._listing(("filter[reference]", wanted), ("sort", "created_at"))
        number = 1
        while True:
            page = listing.read((yield listing.page_request(number)), number)
            for row in page.rows:
                if (_REFERENCE(row.raw) or "").removeprefix("#") == wanted:
                    return row.id
            if not page.has_more:
                raise OrderNotFoundError(
                    f"Genuka has no order with the reference {reference!r}.",
                    vendor=self.vendor,
                    method="GET",
                    path=listing.request.path,
                )
            number += 1

    def listings(self, query: OrderQuery) -> Sequence[Listing]:
        """Give one listing per status word, or one."""
        self.check_query(query)
        windows = (
            ("filter[updated_at][start]", query.updated_from),
            ("filter[updated_at][end]", query.updated_to),
            ("filter[created_at][start]", query.created_from),
            ("filter[created_at][end]", query.created_to),
        )
        filters = [
            (name, whole_second(moment, up=True) if "end" in name else _second_before(moment))
            for name, moment in windows
            if moment is not None
        ]
        # The creation never changes: an order that changes while the pages are read stays where it is.
        sort = ("sort", "created_at")
        params = dict(query.params)
        if query.with_lines:
            params["include"] = ",".join(filter(None, [params.get("include"), "products"]))
        words = self.status_words(query)
        return [
            self._listing(sort, *filters, *status, *params.items())
            for status in one_filter_each("filter[shipping->status]", words)
        ]

    def _listing(self, *params: tuple[str, str]) -> Listing:
        return Listing(
            request=self.get("/orders", *params),
            page_size=self.settings.page_size,
            page_params=lambda number, size: (("page", str(number)), ("per_page", str(size))),
            read_envelope=_read_envelope,
            read_row=_READ_ROW,
        )

    def probe(self) -> Exchange[str]:
        """Read one order of the listing."""
        listing = self._listing()
        total = listing.read((yield listing.page_request(1, 1)), 1).total
        seen = "orders are visible" if total is None else f"{total:,} orders visible"
        return f"Signed in to Genuka as company {self.settings.company_id}; {seen}."

    def is_outage(self, response: Response) -> bool:
        """A 500 that names a business rule, or a wrong password, will not go away by itself."""
        return super().is_outage(response) and not self._is_refusal(response)

    @staticmethod
    def _is_refusal(response: Response) -> bool:
        if response.status != 500:
            return False
        answer = response.json_object()
        by_rule = (
            answer.get("status") == "error" and answer.get("code") == 500 and answer.get("data", 0) is None
        )
        return by_rule or answer.get("message") == _WRONG_PASSWORD

    def failure(self, response: Response) -> OrdersError:
        """Word the error; the vendor's own codes tell a missing company from a missing permission."""
        if response.status in {400, 422} and response.json_object().get("error") == "company_id_required":
            return self._configuration_error(
                "Genuka misses the company; check company_id of the connection.", response
            )
        if self._is_refusal(response):
            return self._configuration_error(
                "Genuka refused the request by one of its business rules.", response
            )
        return super().failure(response)

    def _configuration_error(self, words: str, response: Response) -> ConfigurationError:
        return ConfigurationError(
            words,
            vendor=self.vendor,
            method=response.request.method,
            path=response.request.path,
            status=response.status,
        )


def _second_before(moment: datetime) -> str:
    """Give the start of a window: whether that one is included is not documented."""
    return whole_second(max(moment, _EPOCH) - timedelta(seconds=1))
