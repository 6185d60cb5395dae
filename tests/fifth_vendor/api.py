"""Mercato: a marketplace for the examples of this project; its API below ``/v1``."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from airflow_provider_orders.apis.auth import Auth, HeaderAuth
from airflow_provider_orders.apis.base import OrderApi
from airflow_provider_orders.apis.capabilities import Capabilities, Granularity
from airflow_provider_orders.apis.listing import Envelope, Listing, RowReader
from airflow_provider_orders.apis.query import OrderQuery, whole_second
from airflow_provider_orders.apis.settings import ApiSettings
from tests.fifth_vendor.model import MercatoOrder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_orders.http.messages import Exchange

__all__ = ["MercatoApi", "MercatoSettings"]

_READ_ROW = RowReader("id")


class MercatoSettings(ApiSettings):
    """A Mercato connection: the access token is its password."""

    vendor = "mercato"
    title = "Mercato"
    default_host = "https://api.mercato.example"
    max_page_size = 50
    default_page_size = 50
    password_is = "the access token"


class _Page(msgspec.Struct):
    orders: list[msgspec.Raw]
    total: int
    limit: int


_PAGE = msgspec.json.Decoder(_Page)


def _read_envelope(body: bytes) -> Envelope:
    page = _PAGE.decode(body)
    return Envelope(rows=page.orders, total=page.total, page_size=page.limit)


class MercatoApi(OrderApi[MercatoSettings]):
    """Mercato's routes for orders."""

    vendor = "mercato"
    title = "Mercato"
    settings_model = MercatoSettings
    order_model = MercatoOrder
    filters = frozenset({"updated_from", "updated_to"})
    capabilities = Capabilities(
        update_filter=Granularity.SECOND, update_filter_ends=True, created_filter=Granularity.NONE
    )
    own_params: ClassVar[frozenset[str] | None] = frozenset()

    def make_auth(self) -> Auth:
        """The access token, as a bearer."""
        return HeaderAuth("Authorization", self.settings.password.get_secret_value(), prefix="Bearer ")

    def fetch_order(self, order_id: str, *, by: str = "id", with_lines: bool = False) -> Exchange[bytes]:
        """Ask for one order."""
        self.check_lookup(by)
        return (yield self.get(f"/v1/orders/{self.number(order_id)}")).body

    def listings(self, query: OrderQuery) -> Sequence[Listing]:
        """Give the one listing that there is."""
        self.check_query(query)
        windows = (("changed_from", query.updated_from), ("changed_to", query.updated_to))
        return [
            self._listing(
                *(
                    (name, whole_second(moment, up=name == "changed_to"))
                    for name, moment in windows
                    if moment is not None
                )
            )
        ]

    def _listing(self, *filters: tuple[str, str]) -> Listing:
        return Listing(
            request=self.get("/v1/orders", *filters),
            page_size=self.settings.page_size,
            page_params=lambda number, size: (("page", str(number)), ("limit", str(size))),
            read_envelope=_read_envelope,
            read_row=_READ_ROW,
        )

    def probe(self) -> Exchange[str]:
        """Read one order of the listing."""
        listing = self._listing()
        total = listing.read((yield listing.page_request(1, 1)), 1).total
        return f"Signed in to Mercato at {self.settings.account}; {total:,} orders visible."
