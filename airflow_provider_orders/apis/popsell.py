"""Popsell: social selling; orders credited to ambassadors. A Laravel API below ``/api/v2``.

There is no look-up by reference and no filter by update time (neither is documented).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import msgspec
from pydantic import Field

from airflow_provider_orders.apis.auth import Auth, HeaderAuth, login_error
from airflow_provider_orders.apis.base import OrderApi, one_filter_each
from airflow_provider_orders.apis.capabilities import Capabilities, Granularity
from airflow_provider_orders.apis.listing import Envelope, Listing, RowReader
from airflow_provider_orders.apis.query import OrderQuery, whole_second
from airflow_provider_orders.apis.settings import ApiSettings
from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.http.messages import Exchange, Request, Response
from airflow_provider_orders.models.popsell import PopsellOrder

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PopsellApi", "PopsellSettings"]

_API = "/api/v2"
_READ_ORDER = RowReader("id_order")
_READ_AMBASSADOR = RowReader("id_ambassador")
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_DAY = datetime(9999, 12, 30, tzinfo=UTC)


class PopsellSettings(ApiSettings):
    """A Popsell connection.

    :param auth: ``token``: the password is an access token; ``api_key``: it is an API key, exchanged for a
        token; ``login``: it is the password of the e-mail in login.
    :param domain: the shop's domain, sent as ``X-Popsell-Domain``; Popsell requires it to obtain a token.
    :param brand_id: number of the brand, sent as ``X-Popsell-Brand``.
    """

    vendor = "popsell"
    title = "Popsell"
    # The vendor documents no maximum; 100 is *assumed*, and the size that the answer names is obeyed.
    max_page_size = 100
    password_is = "the access token, API key or password"  # noqa: S105 - words for a message

    auth: Literal["token", "api_key", "login"] = "token"
    domain: Annotated[str, Field(pattern=r"^[!-~]+$")] | None = None  # it travels as a header
    brand_id: int | None = Field(default=None, ge=0)

    def check(self) -> None:
        """Refuse a way of signing in whose fields are not there."""
        if self.auth != "token" and not self.domain:
            raise self.refuse(
                self.conn_id, "domain", f"is missing; Popsell requires it with auth={self.auth}"
            )
        if self.auth == "login" and not self.login:
            raise self.refuse(self.conn_id, "login", "is missing; put the e-mail address there")

    @property
    def credentials(self) -> str:
        """What this connection signs in with, in words for an error."""
        return {
            "token": "the access token",
            "api_key": f"the API key for the domain {self.domain}",
            "login": f"the e-mail address and password for the domain {self.domain}",
        }[self.auth]

    @property
    def shop(self) -> str:
        """The shop's domain, else the host."""
        return self.domain or self.origin.host

    @property
    def account(self) -> str:
        """The shop, and of its brands the one that the connection names."""
        return self.shop if self.brand_id is None else f"{self.shop}-{self.brand_id}"


class _TokenAuth(Auth):
    """A token obtained with an API key or by e-mail and password (documented on the auth pages)."""

    def __init__(self, settings: PopsellSettings) -> None:
        self._settings = settings

    def obtain(self) -> Exchange[str]:
        settings = self._settings
        secret = settings.password.get_secret_value()
        by_key = settings.auth == "api_key"
        response: Response = yield Request(
            "POST",
            f"{_API}/auth/{'token' if by_key else 'login'}",
            headers={"Accept": "application/json", "X-Popsell-Domain": settings.domain or ""},
            json={"api_key": secret} if by_key else {"email": settings.login, "password": secret},
            repeatable=True,
        )
        # The login's key for the token is not documented; `token`, as with the API key, is *assumed*.
        token = response.json_object().get("token") if response.status == 200 else None
        if not isinstance(token, str) or not token:
            raise login_error(response, settings)
        return token

    def sign(self, request: Request, credential: str) -> Request:
        return request.with_headers(Authorization=f"Bearer {credential}")


class _LaravelPage(msgspec.Struct):
    """Laravel's length-aware envelope. Null ``from`` and ``to`` of an empty page are not needed and not read."""

    data: list[msgspec.Raw]
    current_page: int
    last_page: int
    per_page: int
    total: int
    next_page_url: str | None = None


_PAGE = msgspec.json.Decoder(_LaravelPage, strict=False)


def _read_envelope(body: bytes) -> Envelope:
    page = _PAGE.decode(body)
    return Envelope(
        rows=page.data,
        total=page.total,
        page_size=page.per_page,
        number=page.current_page,
        has_more=page.next_page_url is not None and page.current_page < page.last_page,
        next_link=page.next_page_url,
    )


class PopsellApi(OrderApi[PopsellSettings]):
    """Popsell's order routes: ``/manager/orders`` and ``/platform/ambassadors/{id}/orders``."""

    vendor = "popsell"
    title = "Popsell"
    settings_model = PopsellSettings
    order_model = PopsellOrder
    filters = frozenset({"statuses", "ambassador_id", "created_from", "created_to", "params"})
    status_axis = "order"
    capabilities = Capabilities(
        update_filter=Granularity.NONE,
        created_filter=Granularity.NONE,
        sort_keys=("id_order", "id_order_external", "total_paid", "date_order"),
        newest_first=True,
    )
    own_params: ClassVar[frozenset[str] | None] = frozenset(
        f"filter[{name}]"
        for name in ("id_ambassador", "attribution", "type", "id_ambassador_post", "id_chatroom", "id_buyer")
    )

    def make_auth(self) -> Auth:
        """A token from the connection, or one obtained with it."""
        if self.settings.auth == "token":
            return HeaderAuth("Authorization", self.settings.password.get_secret_value(), prefix="Bearer ")
        return _TokenAuth(self.settings)

    def headers(self) -> dict[str, str]:
        """Add whose shop is meant."""
        headers = super().headers()
        if self.settings.domain:
            headers["X-Popsell-Domain"] = self.settings.domain
        if self.settings.brand_id is not None:
            headers["X-Popsell-Brand"] = str(self.settings.brand_id)
        return headers

    def get(self, path: str, *params: tuple[str, str]) -> Request:
        """Build a GET below the API's path."""
        return super().get(_API + path, *params)

    def fetch_order(self, order_id: str, *, by: str = "id", with_lines: bool = False) -> Exchange[bytes]:
        """Ask for one order; Popsell's answer always holds its lines."""
        self.check_lookup(by)
        response = yield self.get(f"/manager/orders/{self.number(order_id)}")
        return response.body

    def listings(self, query: OrderQuery) -> Sequence[Listing]:
        """Give one listing per status word, or one; an ambassador's orders come from their own route."""
        self.check_query(query)
        if query.ambassador_id is not None:
            return [self._ambassador_orders(query.ambassador_id, query)]
        # Ascending ids: orders that arrive while the pages are read come last and shift nothing.
        return self._manager_orders(query, sort="id_order")

    def newest_first(self, query: OrderQuery) -> Sequence[Listing]:
        """Give the listings of all orders by falling ids, which grow with each order (*assumed*)."""
        self.check_query(query)
        if query.ambassador_id is not None:
            return super().newest_first(query)
        return self._manager_orders(query, sort="-id_order")

    def _manager_orders(self, query: OrderQuery, *, sort: str) -> Sequence[Listing]:
        if query.created_from or query.created_to:
            raise ConfigurationError(
                "Popsell filters by creation only within one ambassador's orders; give ambassador_id too.",
                field="ambassador_id",
                vendor=self.vendor,
            )
        words = self.status_words(query)
        own = tuple(query.params.items())
        return [
            self._listing(self.get("/manager/orders", ("sort", sort), *status, *own), _READ_ORDER)
            for status in one_filter_each("filter[last_status]", words)
        ]

    def capabilities_for(self, query: OrderQuery) -> Capabilities:
        """An ambassador's orders have a filter by creation, and no documented order."""
        if query.ambassador_id is None:
            return self.capabilities
        return Capabilities(
            update_filter=Granularity.NONE, created_filter=Granularity.SECOND, counts_windows=False
        )

    def ambassadors(self) -> Listing:
        """Give the listing of ambassadors, by which a DAG can fan out."""
        return self._listing(self.get("/platform/ambassadors"), _READ_AMBASSADOR)

    def _ambassador_orders(self, ambassador_id: int, query: OrderQuery) -> Listing:
        for name in ("statuses", "params"):
            if name in query.asked:
                raise ConfigurationError(
                    f"Popsell's listing of one ambassador's orders cannot filter by {name}.",
                    field=name,
                    vendor=self.vendor,
                )
        request = self.get(f"/platform/ambassadors/{ambassador_id}/orders", *_placed_between(query))
        return self._listing(request, _READ_ORDER)

    def _listing(self, request: Request, read_row: RowReader) -> Listing:
        return Listing(
            request=request,
            page_size=self.settings.page_size,
            page_params=_page_params,
            read_envelope=_read_envelope,
            read_row=read_row,
        )

    def probe(self) -> Exchange[str]:
        """Read one order of the manager's listing."""
        response = yield self.get("/manager/orders", ("per_page", "1"))
        total = self._listing(response.request, _READ_ORDER).read(response, 1).total
        return f"Signed in to Popsell at {self.settings.shop}; {total:,} orders visible."


def _page_params(number: int, size: int) -> tuple[tuple[str, str], ...]:
    # Neither is documented for an ambassador's orders, whose answer is paginated all the same; *assumed* to work,
    # and an answer for another page than was asked for is an error.
    return ("page", str(number)), ("per_page", str(size))


def _placed_between(query: OrderQuery) -> tuple[tuple[str, str], ...]:
    """Give ``filter[placed_between]``; two moments parted by a comma are *assumed*, the format is not documented.

    Nor is the zone in which they are read: it begins and ends a day beyond the window, to which the answer is cut.
    """
    if query.created_from is None and query.created_to is None:
        return ()
    start = max(query.created_from or _EPOCH, _EPOCH + _DAY) - _DAY
    end = min(query.created_to or datetime.now(UTC), _LAST_DAY) + _DAY
    return (("filter[placed_between]", f"{whole_second(start)},{whole_second(end, up=True)}"),)
