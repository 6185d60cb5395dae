"""Dipli, formerly Agora Place: marketplace for refurbished devices; the seller's API below ``/api/v2``.

Filters have the granularity of a day, and the order has no update time.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, ClassVar
from zoneinfo import ZoneInfo

import msgspec
from pydantic import Field

from airflow_provider_orders.apis.auth import Auth, HeaderAuth
from airflow_provider_orders.apis.base import OrderApi, one_filter_each
from airflow_provider_orders.apis.capabilities import Capabilities, Granularity
from airflow_provider_orders.apis.listing import Envelope, Listing, RowReader
from airflow_provider_orders.apis.settings import ApiSettings
from airflow_provider_orders.models.dipli import DipliOrder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_orders.apis.query import OrderQuery
    from airflow_provider_orders.http.messages import Exchange, Response

__all__ = ["DipliApi", "DipliSettings"]

_ORDERS = "/api/v2/orders"
_READ_ROW = RowReader("id")


class DipliSettings(ApiSettings):
    """A Dipli connection: the API key is its password.

    :param seller: a name for the seller that the key belongs to; connections with the same name count as one account.
        The id of the connection by default.
    """

    vendor = "dipli"
    title = "Dipli"
    default_host = "https://bi.agora.place"
    # The vendor documents no maximum; 100 is in use in the wild and *assumed*.
    max_page_size = 100

    # It becomes a part of the names of tables' rows, files' states and datasets.
    seller: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] | None = None

    @property
    def account(self) -> str:
        """The seller: all of them share the host, and nothing that the API answers tells whose key it was."""
        return self.seller or self.conn_id


class _Page(msgspec.Struct):
    result: list[msgspec.Raw]
    count: int
    page: int
    page_size: int = msgspec.field(name="pageSize")


_PAGE = msgspec.json.Decoder(_Page, strict=False)


def _read_envelope(body: bytes) -> Envelope:
    """Read the envelope; the listing ends with an empty or short page, whatever ``count`` means.

    ``count`` is the total of the listing in the wild, but the vendor does not say so: where it equals the
    rows of a full page it may be the page's own count, so that the next page is asked for.
    """
    page = _PAGE.decode(body)
    rows = len(page.result)
    ambiguous = page.count <= rows and rows >= page.page_size > 0
    return Envelope(
        rows=page.result,
        total=None if ambiguous else page.count,
        page_size=page.page_size,
        number=page.page,
        has_more=True if ambiguous else None,
    )


class DipliApi(OrderApi[DipliSettings]):
    """Dipli's seller routes for orders."""

    vendor = "dipli"
    title = "Dipli"
    settings_model = DipliSettings
    order_model = DipliOrder
    filters = frozenset({"updated_from", "created_from", "statuses", "params"})
    status_axis = "fulfillment"
    statuses_beyond_filter: ClassVar[Mapping[str, str]] = {
        "delivered": "orders with a date of delivery, which are delivered whatever their status says"
    }
    capabilities = Capabilities(update_filter=Granularity.DAY, created_filter=Granularity.DAY)
    own_params: ClassVar[frozenset[str] | None] = frozenset({"new"})

    def make_auth(self) -> Auth:
        """The API key, in the header ``apikey``."""
        return HeaderAuth("apikey", self.settings.password.get_secret_value())

    def fetch_order(self, order_id: str, *, by: str = "id", with_lines: bool = False) -> Exchange[bytes]:
        """Ask for one order; Dipli's answer always holds its lines."""
        self.check_lookup(by)
        response = yield self.get(f"{_ORDERS}/{self.number(order_id)}")
        return response.body

    def listings(self, query: OrderQuery) -> Sequence[Listing]:
        """Give one listing per status word, or one."""
        self.check_query(query)
        filters = [
            (name, self._day(moment))
            for name, moment in (("updatedAt", query.updated_from), ("createdAt", query.created_from))
            if moment is not None
        ]
        words = self.status_words(query)
        return [
            self._listing(*filters, *status, *query.params.items())
            for status in one_filter_each("status", words)
        ]

    def _day(self, moment: datetime) -> str:
        """Give the day to ask from: the earlier one of UTC and the assumed zone, as the vendor's is not documented."""
        zone = ZoneInfo(self.settings.assumed_timezone or DipliOrder.ASSUMED_TIMEZONE)
        return min(moment.astimezone(UTC).date(), moment.astimezone(zone).date()).isoformat()

    def _listing(self, *filters: tuple[str, str]) -> Listing:
        return Listing(
            request=self.get(_ORDERS, *filters),
            page_size=self.settings.page_size,
            page_params=lambda number, size: (("page", str(number)), ("pageSize", str(size))),
            read_envelope=_read_envelope,
            read_row=_READ_ROW,
        )

    def probe(self) -> Exchange[str]:
        """Read one order of the listing."""
        listing = self._listing()
        response: Response = yield listing.page_request(1, 1)
        total = listing.read(response, 1).total
        seen = "orders are visible" if total is None else f"{total:,} orders visible"
        return f"Signed in to Dipli at {self.settings.origin.host}; {seen}."
