"""The contract of a vendor: what to ask, how to read the answer. Nothing here does I/O.

A vendor is one subclass of :class:`OrderApi` and its settings. The clients in ``http`` and everything
above them know no vendor by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar
from urllib.parse import quote

from airflow_provider_orders.apis.settings import ORDER_ID, ApiSettings, page_problem
from airflow_provider_orders.errors import (
    ApiUnavailableError,
    AuthenticationError,
    ConfigurationError,
    OrderNotFoundError,
    OrdersError,
    PermissionDeniedError,
    RateLimitedError,
    UnexpectedPayloadError,
)
from airflow_provider_orders.http.messages import Exchange, Request, Response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_orders.apis.auth import Auth
    from airflow_provider_orders.apis.capabilities import Capabilities
    from airflow_provider_orders.apis.listing import Listing
    from airflow_provider_orders.apis.query import OrderQuery
    from airflow_provider_orders.models.base import VendorOrder
    from airflow_provider_orders.models.statuses import StatusAxis

__all__ = ["Failure", "OrderApi", "one_filter_each"]

_S = TypeVar("_S", bound=ApiSettings)

Failure = tuple[type[OrdersError], str]
"""The class of an error and its words."""


def one_filter_each(name: str, words: Sequence[str]) -> list[tuple[tuple[str, str], ...]]:
    """Give the query parameters of one listing per word, for a vendor that filters by one; no filter for no word."""
    return [((name, word),) for word in words] or [()]


FAILURES: Mapping[int, Failure] = {
    400: (ConfigurationError, "{title} refused the request as malformed; check the id and the filters"),
    401: (AuthenticationError, "{title} rejected {credentials}; check the connection"),
    403: (
        PermissionDeniedError,
        "Signed in to {title}, but these credentials may not read this; ask for the permission to read orders",
    ),
    404: (
        OrderNotFoundError,
        "{title} knows no such order or address; check the id, and the host of the connection",
    ),
    422: (
        ConfigurationError,
        "{title} refused the request as invalid; check the id, the filters and the extras of the connection",
    ),
    429: (
        RateLimitedError,
        "{title} asks to slow down; lower requests_per_minute or concurrency of the connection",
    ),
}
"""What each status means for the reader, unless a vendor says otherwise."""


class OrderApi(ABC, Generic[_S]):
    """One vendor's order API for one connection.

    :param settings: the checked connection.
    """

    vendor: ClassVar[str]
    title: ClassVar[str]
    settings_model: ClassVar[type[ApiSettings]]
    order_model: ClassVar[type[VendorOrder]]
    filters: ClassVar[frozenset[str]]
    """Names of the shared filters that the vendor's listing has."""
    status_axis: ClassVar[str | None] = None
    """The axis that the filter ``statuses`` is about; None where the vendor lacks that filter."""
    statuses_beyond_filter: ClassVar[Mapping[str, str]] = {}
    """Canonical words that an order can also have by another field than that filter looks at, and which orders those are."""
    own_params: ClassVar[frozenset[str] | None]
    """Names that ``params`` may use; None where the vendor's list is not fully documented."""
    lookups: ClassVar[frozenset[str]] = frozenset({"id"})
    """By what one order can be asked for."""
    failures: ClassVar[Mapping[int, Failure]] = FAILURES
    capabilities: ClassVar[Capabilities]
    """What the vendor's listing of all orders can do."""
    completes_rows: ClassVar[bool] = False
    """Whether ``with_lines`` needs further requests for each row of a listing."""
    console_url: ClassVar[str | None] = None
    """Address of an order's page in the vendor's back office, with ``{order_id}``; None where it is not documented."""
    document_field: ClassVar[str | None] = None
    """Field of the payload with the address of the order as a document to print; None where there is none."""

    def __init__(self, settings: _S) -> None:
        self.settings = settings
        self.auth = self.make_auth()
        self._headers = self.headers()

    @property
    def axes(self) -> Mapping[str, StatusAxis]:
        """What about an order can be waited on: ``order``, ``payment``, ``fulfillment``."""
        return self.order_model.AXES

    def order_page(self, order_id: str) -> str | None:
        """Give the address of an order's page in the back office, None where nobody has said where that is."""
        pattern = self.settings.console_url or self.console_url
        return None if pattern is None else pattern.replace(ORDER_ID, quote(order_id, safe=""))

    def document_page(self, order: VendorOrder) -> str | None:
        """Give the address of an order as a document to print, None where it has none that may be shown to everybody."""
        address = self.document_field and getattr(order, self.document_field)
        # What follows the path may be a signature, with which whoever sees the link could read the document.
        if not address or {"?", "#"} & set(address) or page_problem(address) is not None:
            return None
        return str(address)

    @abstractmethod
    def make_auth(self) -> Auth:
        """Choose the way of signing in that the connection asks for."""

    def headers(self) -> dict[str, str]:
        """Give what every GET says about itself, beside who sends it."""
        return {"Accept": "application/json"}

    @abstractmethod
    def fetch_order(self, order_id: str, *, by: str = "id", with_lines: bool = False) -> Exchange[bytes]:
        """Ask for one order and give its bytes.

        :raises ConfigurationError: the id has the wrong form, or the vendor lacks this look-up.
        :raises OrderNotFoundError: there is no such order.
        """

    @abstractmethod
    def listings(self, query: OrderQuery) -> Sequence[Listing]:
        """Give the listings that together hold the orders asked for.

        :raises ConfigurationError: the vendor lacks a filter.
        """

    def capabilities_for(self, query: OrderQuery) -> Capabilities:
        """Give what the listing that answers a query can do; of all orders, unless a filter leads to another listing."""
        del query
        return self.capabilities

    def newest_first(self, query: OrderQuery) -> Sequence[Listing]:
        """Give the listings of :meth:`listings`, each from the newest order back.

        :raises ConfigurationError: the vendor cannot sort that way.
        """
        del query
        raise ConfigurationError(f"{self.title} cannot list orders from the newest back.", vendor=self.vendor)

    @abstractmethod
    def probe(self) -> Exchange[str]:
        """Read as little as possible that proves login and permission, and say in words what is visible."""

    def complete(self, raw: bytes) -> Exchange[bytes]:
        """Fill an order's lines where the vendor's answer leaves them out."""
        yield from ()
        return raw

    def is_outage(self, response: Response) -> bool:
        """Tell whether the same request may succeed a little later."""
        return response.status in {429, 500, 502, 503, 504}

    def failure(self, response: Response) -> OrdersError:
        """Word the error for an answer that is no success."""
        default: Failure = (
            (ApiUnavailableError, "{title} failed; try again later")
            if response.status >= 500
            else (UnexpectedPayloadError, "{title} answered with a status that it does not document")
        )
        error, words = self.failures.get(response.status, default)
        return error(
            f"{words.format(title=self.title, credentials=self.settings.credentials)}.",
            vendor=self.vendor,
            method=response.request.method,
            path=response.request.path,
            status=response.status,
            attempts=response.attempts,
        )

    def check_query(self, query: OrderQuery) -> None:
        """Refuse filters that the vendor lacks.

        :raises ConfigurationError: naming the filter and those that there are.
        """
        for name in sorted(query.asked - self.filters):
            raise ConfigurationError(
                f"{self.title} cannot filter orders by {name}; it has {', '.join(sorted(self.filters))}.",
                field=name,
                vendor=self.vendor,
            )
        if self.own_params is None:
            return
        for name in sorted(query.params.keys() - self.own_params):
            raise ConfigurationError(
                f"{self.title} documents no filter {name!r} for params; it has {', '.join(sorted(self.own_params))}.",
                field="params",
                vendor=self.vendor,
            )

    def check_lookup(self, by: object) -> None:
        """Refuse a look-up that the vendor lacks.

        :raises ConfigurationError: naming the look-ups that there are.
        """
        if not isinstance(by, str) or by not in self.lookups:
            known = " or ".join(sorted(self.lookups))
            raise ConfigurationError(
                f"{self.title} finds an order by {known}, not by {by!r}.", field="by", vendor=self.vendor
            )

    def status_words(self, query: OrderQuery) -> tuple[str, ...]:
        """Give the vendor's words, on its ``status_axis``, for the statuses asked for.

        A canonical word stands for all that mean it.

        :raises ConfigurationError: a word is unknown, or the vendor has none for it.
        """
        if not query.statuses:
            return ()
        if self.status_axis is None:
            raise ConfigurationError(
                f"{self.title} cannot filter orders by statuses.", field="statuses", vendor=self.vendor
            )
        axis, words = self.axes[self.status_axis], dict[str, None]()
        for wanted in query.statuses:
            own = axis.words_for(wanted, argument="statuses")
            if not own:
                raise ConfigurationError(
                    f"{self.title} has no status that means {wanted!r}; it has {', '.join(axis.words)}.",
                    field="statuses",
                    vendor=self.vendor,
                )
            words.update(dict.fromkeys(own))
        return tuple(words)

    def number(self, order_id: str) -> str:
        """Check an id that must be a whole number.

        :raises ConfigurationError: it is none.
        """
        text = str(order_id).strip()
        if not (text.isascii() and text.isdigit()):
            raise ConfigurationError(
                f"{self.title}'s order ids are whole numbers.", field="order_id", vendor=self.vendor
            )
        return text

    def segment(self, text: str) -> str:
        """Check and encode a text as one segment of a path.

        :raises ConfigurationError: it is empty, or would climb to another path.
        """
        if not text.strip() or text in {".", ".."}:
            raise ConfigurationError(
                f"{self.title} needs the order's id or reference; it is empty.",
                field="order_id",
                vendor=self.vendor,
            )
        return quote(text, safe="")

    def get(self, path: str, *params: tuple[str, str]) -> Request:
        """Build a GET that wants JSON."""
        return Request("GET", path, params=params, headers=self._headers)
