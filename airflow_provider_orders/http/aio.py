"""The client of the triggers, on aiohttp. What a vendor is, and every rule, is shared with the workers' client."""

from __future__ import annotations

import asyncio
import os
import ssl
import urllib.request
from collections import deque
from contextlib import aclosing, closing
from functools import cache
from typing import TYPE_CHECKING, Any, Self, TypeVar

import aiohttp
from yarl import URL

from airflow_provider_orders.apis.listing import Listing, Page, Row
from airflow_provider_orders.http.agent import USER_AGENT
from airflow_provider_orders.http.exchange import Exchanger, Exclusively, Send, Sleep, Steps
from airflow_provider_orders.http.messages import Exchange, Request, Response
from airflow_provider_orders.http.paging import Merge, PageStep, PageWalk, RowPage, SeenIds
from airflow_provider_orders.http.policy import SLOWEST_ANSWER, FailedAttempt, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
    from types import TracebackType

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.apis.query import OrderQuery
    from airflow_provider_orders.apis.settings import ApiSettings
    from airflow_provider_orders.http.paging import PastTest

__all__ = ["AsyncClient"]

_T = TypeVar("_T")

_CHUNK_BYTES = 256 * 1024


class AsyncClient:
    """Reads orders of one connection in an event loop, never blocking it.

    Use it as an asynchronous context manager.

    :param api: the vendor, for one connection.
    :param policy: what is repeated, and how patiently.
    :param mask: called with each credential before its first use, to have it masked in logs.
    """

    def __init__(
        self,
        api: OrderApi[Any],
        *,
        policy: RetryPolicy | None = None,
        mask: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self.api = api
        self._exchanger = Exchanger(api, policy=policy)
        self._mask = mask
        self._settings: ApiSettings = api.settings
        self._login_lock = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._proxy: str | None = None

    @property
    def requests_sent(self) -> int:
        """How many requests this client has sent, repeats and logins included."""
        return self._exchanger.requests_sent

    async def run(self, exchange: Exchange[_T]) -> _T:
        """Carry out a vendor's exchange."""
        return await self._take(self._exchanger.follow(exchange))

    async def fetch_order(self, order_id: str, *, by: str = "id", with_lines: bool = False) -> bytes:
        """Fetch one order's bytes.

        :raises OrderNotFoundError: there is no such order.
        """
        return await self.run(self.api.fetch_order(order_id, by=by, with_lines=with_lines))

    async def fetch_orders(self, order_ids: Sequence[str], *, by: str = "id") -> list[bytes]:
        """Fetch several orders at once, in the order of their ids.

        :raises OrderNotFoundError: one of them does not exist.
        """
        # A request that waits for a free connection would use up its own time-out.
        places = asyncio.Semaphore(self._settings.concurrency)

        async def fetch(order_id: str) -> bytes:
            async with places:
                return await self.fetch_order(order_id, by=by)

        tasks = [asyncio.create_task(fetch(order_id)) for order_id in order_ids]
        try:
            return await asyncio.gather(*tasks)
        finally:  # after an error the others would go on, and open what the caller has closed
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def iter_pages(
        self, query: OrderQuery, *, is_past: PastTest | None = None, newest_first: bool = False
    ) -> AsyncGenerator[RowPage]:
        """Read all orders of a selection, each exactly once, page by page.

        :param query: which orders.
        :param is_past: to read from the newest order back, until it says that a page's rows are past.
        :param newest_first: to read from the newest order back, to the end.
        :raises ConfigurationError: the vendor lacks a filter; nothing was sent.
        :raises PaginationError: the pages repeat, or do not add up.
        """
        complete = query.with_lines and self.api.completes_rows
        backwards = newest_first or is_past is not None
        listings = self.api.newest_first(query) if backwards else self.api.listings(query)
        with closing(Merge(len(listings))) as merge:
            for listing in listings:
                merge.next_listing()
                async with aclosing(self.iter_listing(listing, complete=complete, is_past=is_past)) as pages:
                    async for page in pages:
                        yield merge.add(page)

    async def iter_listing(
        self, listing: Listing, *, complete: bool = False, is_past: PastTest | None = None
    ) -> AsyncGenerator[RowPage]:
        """Walk over one listing, a few pages ahead.

        :param listing: the listing.
        :param complete: also fill the lines of each row.
        :param is_past: tells of a page's rows whether the rest of the listing is not wanted.
        """
        pending: deque[tuple[PageStep, asyncio.Task[Page]]] = deque()
        with closing(SeenIds()) as seen:
            walk = PageWalk(
                listing, seen, origin=self._exchanger.origin, vendor=self.api.vendor, is_past=is_past
            )
            try:
                while True:
                    while (
                        len(pending) < self._settings.concurrency and (step := walk.next_step()) is not None
                    ):
                        pending.append((step, asyncio.create_task(self._read_page(listing, step, complete))))
                    if not pending:
                        return
                    step, task = pending.popleft()
                    if walk.wants(step):
                        yield walk.accept(await task)
                    else:
                        task.cancel()
            finally:
                for _, task in pending:
                    task.cancel()
                await asyncio.gather(*(task for _, task in pending), return_exceptions=True)

    async def _read_page(self, listing: Listing, step: PageStep, complete: bool) -> Page:
        page = listing.read(await self._take(self._exchanger.authorized(step.request)), step.number)
        if not complete:
            return page
        return page.with_rows([Row(row.id, await self.run(self.api.complete(row.raw))) for row in page.rows])

    async def _take(self, steps: Steps[_T]) -> _T:
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
                    answer = await self._send(command.url, command.request)
                except FailedAttempt as error:
                    failed = error
            elif isinstance(command, Sleep):
                await asyncio.sleep(command.seconds)
            elif isinstance(command, Exclusively):
                async with self._login_lock:
                    answer = await self._take(command.steps)
            elif self._mask is not None:
                await self._mask(command.credential)

    async def _send(self, url: str, request: Request) -> Response:
        body, content_type = request.body()
        headers = dict(request.headers)
        if content_type:
            headers["Content-Type"] = content_type
        session = self._open_session()
        try:
            async with session.request(
                request.method,
                URL(url, encoded=True),
                data=body,
                headers=headers,
                allow_redirects=False,
                proxy=self._proxy,
            ) as answer:
                return Response(
                    request=request,
                    status=answer.status,
                    headers={name.lower(): value for name, value in answer.headers.items()},
                    body=await self._read_body(answer, request),
                    cookies={name: morsel.value for name, morsel in answer.cookies.items()},
                )
        except aiohttp.ClientSSLError:
            raise FailedAttempt("the TLS certificate or handshake was not accepted") from None
        except TimeoutError:
            raise FailedAttempt(f"no answer within {self._settings.timeout_s:g} s") from None
        except aiohttp.ClientPayloadError:
            raise FailedAttempt("the body was cut short") from None
        except aiohttp.ClientError:
            raise FailedAttempt("the connection failed or was cut") from None

    async def _read_body(self, answer: aiohttp.ClientResponse, request: Request) -> bytes:
        limit = self._exchanger.policy.max_body_bytes
        chunks: list[bytes] = []
        size = 0
        async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                raise self._exchanger.too_large(request, answer.status)
        return b"".join(chunks)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._proxy = _proxy(self._settings)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._settings.concurrency, ssl=_tls_context()),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": USER_AGENT},
                timeout=aiohttp.ClientTimeout(
                    total=self._settings.timeout_s * SLOWEST_ANSWER,
                    sock_connect=self._settings.timeout_s,
                    sock_read=self._settings.timeout_s,
                ),
            )
        return self._session

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _proxy(settings: ApiSettings) -> str | None:
    """Read the proxy variables once, as requests does, without the .netrc that aiohttp's trust_env adds."""
    origin = settings.origin
    if urllib.request.proxy_bypass(f"{origin.host}:{origin.port}"):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(origin.scheme) or proxies.get("all")


def _tls_context() -> ssl.SSLContext:
    return _load_certificates(os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE"))


@cache
def _load_certificates(bundle: str | None) -> ssl.SSLContext:
    # A tenth of a second, in which a triggerer could run no other trigger.
    return ssl.create_default_context(cafile=bundle)
