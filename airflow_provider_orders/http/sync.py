"""The client of the workers, on requests: pages are read in a few threads and delivered in order."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any, Self, TypeVar

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from airflow_provider_orders.apis.listing import Listing, Page, Row
from airflow_provider_orders.errors import ApiUnavailableError
from airflow_provider_orders.http.agent import USER_AGENT
from airflow_provider_orders.http.exchange import Exchanger, Exclusively, Send, Sleep, Steps
from airflow_provider_orders.http.messages import Exchange, Request, Response
from airflow_provider_orders.http.paging import Merge, PageStep, PageWalk, RowPage, SeenIds
from airflow_provider_orders.http.policy import SLOWEST_ANSWER, FailedAttempt, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from types import TracebackType

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.apis.query import OrderQuery
    from airflow_provider_orders.apis.settings import ApiSettings
    from airflow_provider_orders.http.paging import PastTest, WalkPosition

__all__ = ["SyncClient"]

_T = TypeVar("_T")

_CHUNK_BYTES = 256 * 1024

_READ_AT_ONCE_BYTES = 1024 * 1024

_AHEAD = 2
"""Pages held for each thread, so that none idles while the first page of them is still awaited."""


class SyncClient:
    """Reads orders of one connection, blocking.

    Use it as a context manager. It may be used from several threads.

    :param api: the vendor, for one connection.
    :param policy: what is repeated, and how patiently.
    :param mask: called with each credential before its first use, to have it masked in logs.
    """

    def __init__(
        self,
        api: OrderApi[Any],
        *,
        policy: RetryPolicy | None = None,
        mask: Callable[[str], None] | None = None,
    ) -> None:
        self.api = api
        self._exchanger = Exchanger(api, policy=policy)
        self._mask = mask
        self._settings: ApiSettings = api.settings
        self._login_lock = threading.Lock()
        self._closing = threading.Event()
        self._session = _session(self._settings)

    @property
    def requests_sent(self) -> int:
        """How many requests this client has sent, repeats and logins included."""
        return self._exchanger.requests_sent

    def run(self, exchange: Exchange[_T]) -> _T:
        """Carry out a vendor's exchange."""
        return self._take(self._exchanger.follow(exchange))

    def fetch_order(self, order_id: str, *, by: str = "id", with_lines: bool = False) -> bytes:
        """Fetch one order's bytes.

        :raises OrderNotFoundError: there is no such order.
        """
        return self.run(self.api.fetch_order(order_id, by=by, with_lines=with_lines))

    def fetch_orders(self, order_ids: Sequence[str], *, by: str = "id") -> list[bytes]:
        """Fetch several orders at once, in the order of their ids.

        :raises OrderNotFoundError: one of them does not exist.
        """
        with ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix="orders-get") as pool:
            return list(pool.map(lambda order_id: self.fetch_order(order_id, by=by), order_ids))

    def iter_pages(
        self,
        query: OrderQuery,
        *,
        is_past: PastTest | None = None,
        start: WalkPosition | None = None,
        seen: Iterable[Sequence[str]] = (),
        summarise: bool = False,
    ) -> Generator[RowPage]:
        """Read all orders of a selection, each exactly once, page by page.

        Memory holds a few pages, however many there are.

        :param query: which orders.
        :param is_past: to read from the newest order back, until it says that a page's rows are past.
        :param start: where an earlier walk over the one listing of this query stood; see :meth:`find_again`.
        :param seen: the ids that it saw, page by page.
        :param summarise: also validate the rows, and give each its summary where that takes no model.
        :raises ConfigurationError: the vendor lacks a filter; nothing was sent.
        :raises PaginationError: the pages repeat, or do not add up.
        """
        complete = query.with_lines and self.api.completes_rows
        listings = self.api.listings(query) if is_past is None else self.api.newest_first(query)
        with closing(Merge(len(listings))) as merge:
            for listing in listings:
                merge.next_listing()
                for page in self.iter_listing(
                    listing, complete=complete, is_past=is_past, start=start, seen=seen, summarise=summarise
                ):
                    yield merge.add(page)

    def find_again(
        self, query: OrderQuery, position: WalkPosition, *, newest_first: bool = False
    ) -> WalkPosition | None:
        """Find the place again where an earlier walk over a query's listing stood, None if orders have moved.

        It reads the last page of that one again, with one request: an order that was added or removed before it has
        moved the rows.
        """
        listings = self.api.newest_first(query) if newest_first else self.api.listings(query)
        if len(listings) != 1:
            return None
        request = listings[0].page_request(position.number, position.page_size)
        page = listings[0].read(self._take(self._exchanger.authorized(request)), position.number)
        return position.found_on(page)

    def iter_listing(
        self,
        listing: Listing,
        *,
        complete: bool = False,
        is_past: PastTest | None = None,
        start: WalkPosition | None = None,
        seen: Iterable[Sequence[str]] = (),
        summarise: bool = False,
    ) -> Generator[RowPage]:
        """Walk over one listing, a few pages ahead.

        :param listing: the listing.
        :param complete: also fill the lines of each row.
        :param is_past: tells of a page's rows whether the rest of the listing is not wanted.
        :param start: where an earlier walk stood.
        :param seen: the ids that it saw.
        :param summarise: also validate the rows.
        """
        read_page = partial(self._read_page, listing, complete=complete, summarise=summarise)
        concurrency = self._settings.concurrency
        with closing(SeenIds()) as seen_ids:
            for ids in seen:
                seen_ids.add(ids)
            walk = PageWalk(
                listing,
                seen_ids,
                origin=self._exchanger.origin,
                vendor=self.api.vendor,
                is_past=is_past,
                start=start,
            )
            pending: deque[tuple[PageStep, Future[Page]]] = deque()
            pool = ThreadPoolExecutor(concurrency, thread_name_prefix="orders-page")
            try:
                while True:
                    while len(pending) < _AHEAD * concurrency and (step := walk.next_step()) is not None:
                        pending.append((step, pool.submit(read_page, step)))
                    if not pending:
                        return
                    step, future = pending.popleft()
                    if walk.wants(step):
                        yield walk.accept(future.result())
                    else:
                        future.cancel()
            finally:
                for _, future in pending:
                    future.cancel()
                # Not waited for: a page under way may sit in a long back-off, which close() ends.
                pool.shutdown(wait=False, cancel_futures=True)

    def _read_page(self, listing: Listing, step: PageStep, *, complete: bool, summarise: bool) -> Page:
        page = listing.read(
            self._take(self._exchanger.authorized(step.request)),
            step.number,
            summarise=self.api.order_model.summarise_quickly if summarise and not complete else None,
        )
        if not complete:
            return page
        return page.with_rows([Row(row.id, self.run(self.api.complete(row.raw))) for row in page.rows])

    def _take(self, steps: Steps[_T]) -> _T:
        """Do what the steps ask for, until they give their result."""
        answer: Any = None
        failed: FailedAttempt | None = None
        while True:
            try:
                command = steps.send(answer) if failed is None else steps.throw(failed)
            except StopIteration as stop:
                result: _T = stop.value
                return result
            answer, failed = None, None
            if isinstance(command, Send):
                try:
                    answer = self._send(command.url, command.request)
                except FailedAttempt as error:
                    failed = error
            elif isinstance(command, Sleep):
                if self._closing.wait(command.seconds):
                    raise ApiUnavailableError(
                        "The client was closed while it waited.", vendor=self.api.vendor
                    )
            elif isinstance(command, Exclusively):
                with self._login_lock:
                    answer = self._take(command.steps)
            elif self._mask is not None:
                self._mask(command.credential)

    def _send(self, url: str, request: Request) -> Response:
        body, content_type = request.body()
        headers = dict(request.headers)
        if content_type:
            headers["Content-Type"] = content_type
        try:
            with self._session.request(
                request.method,
                url,
                data=body,
                headers=headers,
                timeout=(self._settings.timeout_s, self._settings.timeout_s),
                allow_redirects=False,
                stream=True,
            ) as answer:
                return Response(
                    request=request,
                    status=answer.status_code,
                    headers={name.lower(): value for name, value in answer.headers.items()},
                    body=self._read_body(answer, request),
                    cookies=_cookies(answer),
                )
        except (requests.exceptions.SSLError, urllib3.exceptions.SSLError):
            raise FailedAttempt("the TLS certificate or handshake was not accepted") from None
        except (requests.exceptions.Timeout, urllib3.exceptions.ReadTimeoutError):
            raise FailedAttempt(f"no answer within {self._settings.timeout_s:g} s") from None
        except urllib3.exceptions.ProtocolError:
            raise FailedAttempt("the body was cut short") from None
        except urllib3.exceptions.DecodeError:
            raise FailedAttempt("the body's compression is damaged") from None
        except requests.exceptions.ConnectionError:
            raise FailedAttempt("the connection failed or was cut") from None
        except (requests.exceptions.RequestException, ValueError):
            # Their texts repeat addresses, and an address may hold a filter by e-mail address.
            raise FailedAttempt("the address, or that of a redirect, cannot be read") from None

    def _read_body(self, answer: requests.Response, request: Request) -> bytes:
        limit = self._exchanger.policy.max_body_bytes
        deadline = time.monotonic() + self._settings.timeout_s * SLOWEST_ANSWER
        if 0 < _plain_length(answer) <= min(limit, _READ_AT_ONCE_BYTES):
            body: bytes = answer.raw.read()  # at half the cost of reading it in pieces
            return body
        chunks: list[bytes] = []
        size = 0
        for chunk in answer.raw.stream(_CHUNK_BYTES, decode_content=True):
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                raise self._exchanger.too_large(request, answer.status_code)
            if time.monotonic() > deadline:
                raise FailedAttempt(
                    f"the answer was not complete within {self._settings.timeout_s * SLOWEST_ANSWER:g} s"
                )
        return b"".join(chunks)

    def close(self) -> None:
        """Wake what waits and close the connections."""
        self._closing.set()
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _session(settings: ApiSettings) -> requests.Session:
    session = requests.Session()
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=settings.concurrency)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    # Proxy and certificate variables are read once here: requests would read them anew for every request,
    # and a matching .netrc entry would replace our Authorization header.
    session.trust_env = False
    session.proxies = get_environ_proxies(settings.base_url)
    session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
    # Credentials are put on each request by the vendor's auth; nothing may travel by itself.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"User-Agent": USER_AGENT})
    return session


def _plain_length(answer: requests.Response) -> int:
    """Give the length of a body that is neither compressed nor without a length; 0 for any other."""
    headers = answer.headers
    length = headers.get("Content-Length", "")
    return int(length) if length.isdecimal() and "Content-Encoding" not in headers else 0


def _cookies(answer: requests.Response) -> dict[str, str]:
    """Read the cookies that an answer sets; the session itself keeps none."""
    cookies: SimpleCookie = SimpleCookie()
    for header in answer.raw.headers.getlist("Set-Cookie"):
        with contextlib.suppress(CookieError):  # a cookie under a name that is none is no session
            cookies.load(header)
    return {name: morsel.value for name, morsel in cookies.items()}
