"""Valomnia: mobile field sales; an order is one kind of operation. A session cookie opens ``/api/<version>``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from urllib.parse import urlsplit

import msgspec
from pydantic import Field

from airflow_provider_orders.apis.auth import Auth, login_error
from airflow_provider_orders.apis.base import OrderApi
from airflow_provider_orders.apis.capabilities import Capabilities, Granularity
from airflow_provider_orders.apis.listing import Envelope, Listing, RowReader, TextReader
from airflow_provider_orders.apis.query import OrderQuery, whole_second
from airflow_provider_orders.apis.settings import ApiSettings
from airflow_provider_orders.http.messages import Exchange, Request, Response
from airflow_provider_orders.models.valomnia import ValomniaOrder

if TYPE_CHECKING:
    from collections.abc import Sequence


__all__ = ["ValomniaApi", "ValomniaSettings"]

_SESSION_COOKIE = "JSESSIONID"
_LOGIN_PATH = "/j_spring_security_check"
_LOGIN_SUCCESS = "/login/ajaxSuccess"
_READ_ROW = RowReader("id")
# Ids never change: what arrives while the pages are read comes last and shifts nothing.
_BY_ID = (("sort", "id"), ("order", "asc"))


class ValomniaSettings(ApiSettings):
    """A Valomnia connection: e-mail address and password of a user of the organisation.

    :param api_version: version in the path, with its letter.
    """

    vendor = "valomnia"
    title = "Valomnia"
    # Not documented; 1000 is in use in the wild and *assumed*.
    max_page_size = 1000
    password_is = "the user's password"  # noqa: S105 - words for a message

    api_version: Annotated[str, Field(pattern=r"^v[0-9]+(\.[0-9]+)*$")] = "v2.1"

    def check(self) -> None:
        """Refuse a connection without a user."""
        if not self.login:
            raise self.refuse(self.conn_id, "login", "is missing; put the user's e-mail address there")

    @property
    def credentials(self) -> str:
        """What this connection signs in with, in words for an error."""
        return "the e-mail address and password"


class _SessionAuth(Auth):
    """A session cookie: a form login answered by a redirect (documented on the authentication page)."""

    def __init__(self, settings: ValomniaSettings) -> None:
        self._settings = settings

    def obtain(self) -> Exchange[str]:
        response: Response = yield Request(
            "POST",
            _LOGIN_PATH,
            form={
                "j_username": self._settings.login or "",
                "j_password": self._settings.password.get_secret_value(),
                "ajax": "true",
            },
            repeatable=True,
            follow_redirects=False,
            expects_json=False,
        )
        session = response.cookies.get(_SESSION_COOKIE)
        # How a wrong password is answered is not documented: whatever does not lead to the success page is one.
        if response.location is None or _LOGIN_SUCCESS not in urlsplit(response.location).path or not session:
            raise login_error(response, self._settings)
        confirmed: Response = yield self.sign(
            Request(
                "GET",
                _LOGIN_SUCCESS,
                headers={"Accept": "application/json"},
                follow_redirects=False,
                expects_json=False,
            ),
            session,
        )
        if confirmed.status != 200 or confirmed.json_object().get("success") is not True:
            raise login_error(confirmed, self._settings)
        return session

    def sign(self, request: Request, credential: str) -> Request:
        return request.with_headers(Cookie=f"{_SESSION_COOKIE}={credential}")

    def rejects(self, response: Response) -> bool:
        """An expired session is answered with 401, 403, a redirect to the login page, or a body that says so."""
        if response.request.path in {_LOGIN_PATH, _LOGIN_SUCCESS}:
            return False
        if response.status in {401, 403}:
            return True
        if response.location is not None:
            return "/login" in urlsplit(response.location).path
        return len(response.body) < 1024 and response.json_object().get("error") == "no_credentials"


class _Paging(msgspec.Struct):
    total: int
    max: int
    offset: int
    next: Any = None


class _Page(msgspec.Struct):
    paging: _Paging
    data: list[msgspec.Raw]


_PAGE = msgspec.json.Decoder(_Page, strict=False)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_REFERENCE = TextReader("reference")
_ORDER_REFERENCE = TextReader("orderReference")


def _read_envelope(body: bytes) -> Envelope:
    page = _PAGE.decode(body)
    size = max(1, page.paging.max)
    next_link = page.paging.next if isinstance(page.paging.next, str) else None
    return Envelope(
        rows=page.data,
        total=page.paging.total,
        page_size=size,
        number=page.paging.offset // size + 1,
        # A server-relative href, perhaps under another context path: never followed, the next page is built from its offset.
        next_link=next_link,
    )


def _page_params(number: int, size: int) -> tuple[tuple[str, str], ...]:
    return ("max", str(size)), ("offset", str((number - 1) * size))


class ValomniaApi(OrderApi[ValomniaSettings]):
    """Valomnia's operations: orders, pre-orders, invoices, delivery notes and deliveries."""

    vendor = "valomnia"
    title = "Valomnia"
    settings_model = ValomniaSettings
    order_model = ValomniaOrder
    filters = frozenset({"updated_from", "updated_to", "created_from", "created_to", "params"})
    capabilities = Capabilities(
        update_filter=Granularity.SECOND,
        update_filter_ends=True,
        created_filter=Granularity.SECOND,
        sort_keys=("id", "lastUpdated", "dateCreated"),
    )
    # The vendor's list of filters is cut off in its documentation, so that others than operationType, reference,
    # employeeReference, customerReference and deliveredByReference are passed on.
    own_params: ClassVar[frozenset[str] | None] = None
    lookups = frozenset({"id", "reference"})
    completes_rows = True
    document_field = "pdfUrl"

    def make_auth(self) -> Auth:
        """A session, opened with e-mail address and password."""
        return _SessionAuth(self.settings)

    def get(self, path: str, *params: tuple[str, str]) -> Request:
        """Build a GET below the API's version."""
        return super().get(f"/api/{self.settings.api_version}{path}", *params)

    def fetch_order(self, order_id: str, *, by: str = "id", with_lines: bool = False) -> Exchange[bytes]:
        """Ask for one operation, which holds stubs of its lines; the lines too if asked for."""
        self.check_lookup(by)
        path = (
            f"/orders/{self.number(order_id)}"
            if by == "id"
            else f"/orders/reference/{self.segment(order_id)}"
        )
        response = yield self.get(path)
        return (yield from self.complete(response.body)) if with_lines else response.body

    def complete(self, raw: bytes) -> Exchange[bytes]:
        """Put the full lines in the place of their stubs, by one listing of ``/orderDetails``; all else stays as sent."""
        reference = _REFERENCE(raw)
        if reference is None:
            return raw  # validating it will say what is wrong with it
        order = _FIELDS.decode(raw)
        lines = yield from self._lines(reference)
        return msgspec.json.encode({**order, "orderLines": msgspec.Raw(b"[" + b",".join(lines) + b"]")})

    def _lines(self, reference: str) -> Exchange[list[bytes]]:
        # The filter takes wildcards, so that a reference with a star may also find other orders' lines.
        listing = self._listing(self.get("/orderDetails", *_BY_ID, ("orderReference", reference)))
        lines: list[bytes] = []
        number = 1
        while True:
            page = listing.read((yield listing.page_request(number)), number)
            lines += [row.raw for row in page.rows if _ORDER_REFERENCE(row.raw) == reference]
            if not page.has_more:
                return lines
            number += 1

    def listings(self, query: OrderQuery) -> Sequence[Listing]:
        """Give the one listing."""
        self.check_query(query)
        windows = (
            ("lastUpdated_gte", query.updated_from),
            ("lastUpdated_lt", query.updated_to),
            ("dateCreated_gte", query.created_from),
            ("dateCreated_lt", query.created_to),
        )
        filters = [
            (name, whole_second(moment, up=name.endswith("_lt")))
            for name, moment in windows
            if moment is not None
        ]
        return [self._listing(self.get("/orders", *_BY_ID, *filters, *query.params.items()))]

    def _listing(self, request: Request) -> Listing:
        return Listing(
            request=request,
            page_size=self.settings.page_size,
            page_params=_page_params,
            read_envelope=_read_envelope,
            read_row=_READ_ROW,
        )

    def probe(self) -> Exchange[str]:
        """Read one operation of the listing."""
        response = yield self.get("/orders", ("max", "1"))
        total = self._listing(response.request).read(response, 1).total
        return f"Signed in to Valomnia at {self.settings.account}; {total:,} orders visible."
