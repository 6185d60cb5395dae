"""Asks once for what changed, and matches the answer against all waits."""

from __future__ import annotations

import logging
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from airflow_provider_orders.errors import (
    ApiUnavailableError,
    ConfigurationError,
    OrderNotFoundError,
    PaginationError,
    PermissionDeniedError,
    UnexpectedPayloadError,
    UnsafeRedirectError,
)
from airflow_provider_orders.waiting.changes import every_order, needs_moment
from airflow_provider_orders.waiting.choice import FEW
from airflow_provider_orders.waiting.clock import CLOCK
from airflow_provider_orders.waiting.watchlist import in_slices

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Iterable

    from airflow_provider_orders.apis.listing import Row
    from airflow_provider_orders.http.aio import AsyncClient
    from airflow_provider_orders.models.base import OrderSummary
    from airflow_provider_orders.waiting.changes import Search
    from airflow_provider_orders.waiting.choice import Choice
    from airflow_provider_orders.waiting.rounds import Rounds
    from airflow_provider_orders.waiting.waits import WatchedOrder
    from airflow_provider_orders.waiting.watchlist import Watchlist

__all__ = ["OF_ONE_ORDER", "Searcher"]

log = logging.getLogger(__name__)

OF_ONE_ORDER: Final = (ConfigurationError, PaginationError, UnexpectedPayloadError, UnsafeRedirectError)
"""Answers that say nothing of other orders."""


class _ListingDownError(Exception):
    """A listing gives no answer, while orders can be had by themselves."""


_OF_A_SEARCH: Final = (*OF_ONE_ORDER, OrderNotFoundError, PermissionDeniedError, _ListingDownError)


class _TooMany(Exception):  # noqa: N818 - not an error: there is a cheaper way
    """An answer has more pages than asking for each order takes."""

    def __init__(self, pages: int) -> None:
        super().__init__(pages)
        self.pages = pages


class Searcher:
    """Searches a vendor's listing on behalf of a poller.

    :param key: the connection, for the log.
    :param client: its client.
    :param watchlist: all waits on it.
    :param choice: which searches there are, and what they took.
    :param rounds: when each order is asked for by itself.
    :param on_answer: called for each page.
    :param prove_reachable: called where a listing gives no answer; raises its error where nothing else does, either.
    """

    def __init__(
        self,
        key: Hashable,
        client: AsyncClient,
        watchlist: Watchlist,
        choice: Choice,
        rounds: Rounds,
        on_answer: Callable[[], None],
        prove_reachable: Callable[[ApiUnavailableError], Awaitable[None]],
    ) -> None:
        self._key = key
        self._client = client
        self._list = watchlist
        self._choice = choice
        self._rounds = rounds
        self._on_answer = on_answer
        self._prove_reachable = prove_reachable
        self._all_pages: int | None = None
        self._versions: dict[str, int] = {}
        self._needs_moment = needs_moment(client.api)

    @property
    def lacks_moment(self) -> bool:
        """Whether no order was seen yet that says since when to ask."""
        return self._needs_moment and self._choice.progress.newest is None

    def forget(self) -> None:
        """Forget what the last answer had."""
        self._versions = {}

    async def search(self, search: Search) -> bool:
        """Search once; where that proves too much, or no good, the search is refused for a while."""
        newest, begun = self._choice.progress.newest, CLOCK.monotonic()
        if self.lacks_moment:
            return self._refuse(search, "no order says when it changed")
        known, self._versions = self._versions, {}
        try:
            pages = await self._walk(search, most=len(self._list), known=known)
        except _TooMany as error:
            return self._refuse(search, f"it takes {error.pages} requests")
        except _OF_A_SEARCH as error:
            return self._refuse(search, str(error))
        if newest is not None and not self._versions and await self._is_there(newest[1]):
            return self._refuse(search, "it leaves out an order that has changed since")
        self._choice.note_pages(search.kind, pages)
        self._choice.progress.complete(begun)
        return True

    def _refuse(self, search: Search, reason: str) -> bool:
        self._choice.refuse(search.kind, reason)
        return False

    async def _is_there(self, order_id: str) -> bool:
        """Tell whether the newest order seen is still there, which an empty answer has left out."""
        try:
            await self._client.fetch_order(order_id)
        except (OrderNotFoundError, ApiUnavailableError, *OF_ONE_ORDER):
            self._choice.progress.newest = None
            return False
        return True

    async def learn(self) -> bool:
        """Read all orders where many have not been seen and that takes fewer requests than asking for each of them."""
        unseen = self._list.unseen
        if unseen <= FEW or (self._all_pages is not None and 2 * self._all_pages > unseen):
            return False
        able = [search for search in self._choice.searches() if search.kind == "newest"]
        search, begun = able[0] if able else every_order(), CLOCK.monotonic()
        if self._choice.is_refused(search.kind):
            return False
        try:
            self._all_pages = await self._walk(search, most=max(1, unseen // 2), known={})
        except _TooMany as error:
            self._all_pages = error.pages
            return False
        except _OF_A_SEARCH as error:
            return self._refuse(search, str(error))
        finally:
            self._versions = {}
        self._choice.progress.complete(begun)
        async for order in in_slices(self._list.orders):
            if not order.is_seen and order.waits:  # it is not there, or not under the id asked for
                self._rounds.put_soon(order)
        return True

    async def _walk(self, search: Search, *, most: int, known: dict[str, int]) -> int:
        """Read the pages of a search and match them against all waits.

        :param most: how many pages at the most.
        :param known: the versions of orders that the last answer had.
        :return: how many pages there were.
        :raises _TooMany: more than that.
        :raises _ListingDownError: there was no answer, or to the first pages only.
        """
        pages, size = 0, max(1, self._client.api.settings.page_size)
        walk = self._client.iter_pages(search.query, is_past=search.is_past, newest_first=search.newest_first)
        try:
            async with aclosing(walk) as found:
                async for page in found:
                    pages += 1
                    in_all = 0 if page.total is None or search.is_past else -(-page.total // size)
                    if max(pages, in_all) > most:
                        raise _TooMany(max(pages, in_all))
                    await self._match(page.rows, known)
                    self._on_answer()
        except ApiUnavailableError as error:
            await self._prove_reachable(error)
            raise _ListingDownError(str(error)) from error
        return max(pages, search.listings)

    async def _match(self, rows: Iterable[Row], known: dict[str, int]) -> None:
        async for row in in_slices(rows):
            version = hash(row.raw)
            if self._needs_moment:
                self._versions[row.id] = version
            changed = [order for order in self._list.of_row(row.id) if order.version != version]
            if not changed and (not self._needs_moment or known.get(row.id) == version):
                continue
            try:
                summary = self._client.api.order_model.summarise(row.raw)
            except UnexpectedPayloadError:
                for order in changed:  # asked for by itself, it says what is wrong with it
                    self._rounds.put_now(order)
                continue
            self._note_moment(summary)
            for order in changed:
                was_seen = order.is_seen
                await self._apply(order, summary, version)
                if not (was_seen and self._choice.is_searching):  # otherwise it has its turn, far away
                    self._rounds.put_back(order)

    async def take_in(self, order: WatchedOrder, raw: bytes) -> None:
        """Take in the answer for one order that was asked for by itself.

        :raises UnexpectedPayloadError: it is not what the vendor documents.
        """
        summary = self._client.api.order_model.summarise(raw)
        self._note_moment(summary)
        await self._apply(order, summary, hash(raw))

    async def _apply(self, order: WatchedOrder, summary: OrderSummary, version: int) -> None:
        await self._list.apply(
            order, summary.statuses, row_id=summary.identity, version=version, now=CLOCK.now()
        )

    def _note_moment(self, summary: OrderSummary) -> None:
        """Keep the newest change seen, by the vendor's own clock, however wrong that runs; but none in the future."""
        if not self._needs_moment:
            return
        api = self._client.api
        try:
            moment = api.order_model.last_change_of(summary, api.settings.assumed_timezone)
        except UnexpectedPayloadError:
            return  # its dates are nothing to a wait
        if moment is None:
            return
        moment = min(moment, datetime.fromtimestamp(CLOCK.now(), UTC))
        self._choice.progress.note(moment, summary.identity, now=CLOCK.monotonic())
