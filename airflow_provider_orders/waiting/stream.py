"""What changed in a connection's orders, seen by a poll that never ends; :mod:`.events` makes events of it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.errors import OrdersError, UnexpectedPayloadError
from airflow_provider_orders.export.plan import LOOKBACK, SWEEP_DAYS, make_plan, past_test
from airflow_provider_orders.export.reach import Reach
from airflow_provider_orders.export.record import RecordReader
from airflow_provider_orders.export.state import Scope, SyncState
from airflow_provider_orders.waiting.trouble import TRANSIENT, Trouble

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.apis.listing import Row
    from airflow_provider_orders.export.plan import SyncPlan
    from airflow_provider_orders.export.record import Record
    from airflow_provider_orders.http.aio import AsyncClient
    from airflow_provider_orders.waiting.events import OrderWatch
    from airflow_provider_orders.waiting.positions import Statuses

__all__ = ["ChangeStream", "Observation", "Sighting"]

log = logging.getLogger(__name__)


# As a row, one of very many: not counted by the garbage collector.
class Sighting(msgspec.Struct, frozen=True, gc=False):
    """An order as a poll shows it.

    :param id: the canonical id.
    :param reference: its number for people.
    :param content_hash: of the canonical order.
    :param statuses: on each axis, by the axis's name.
    :param created_at: when it was created.
    :param entered_at: the same, or when the vendor got to know it if that was later.
    :param updated_at: when it last changed, None where the vendor does not say.
    """

    id: str
    reference: str | None
    content_hash: str
    statuses: Statuses
    created_at: datetime | None
    entered_at: datetime | None
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Poll:
    """A poll that was completed.

    :param state: how far it has come.
    :param shown: the ids of all orders that it showed, changed or not.
    """

    state: SyncState
    shown: Mapping[str, bytes] = field(repr=False)


@dataclass(slots=True, eq=False)
class Observation:
    """A part of what a stream shows: some orders, or the end of a poll, or nothing but that the stream has begun.

    :param stream: the stream.
    :param sightings: orders that may have changed.
    :param poll: the poll that is over with this.
    :param joining: the watch that this is for alone, as it has to catch up with the others; None for all others.
    :param accepted: what to call, by watcher, once its events were accepted.
    """

    stream: ChangeStream
    sightings: tuple[Sighting, ...] = ()
    poll: _Poll | None = None
    joining: OrderWatch | None = None
    accepted: dict[object, Callable[[], Awaitable[None]]] = field(default_factory=dict)


class ChangeStream:
    """Polls one selection of a connection's orders for ever, and shows what may have changed.

    It never ends and never raises what the vendor or the network does: that is logged and waited out.

    :param open_client: gives the connection's client for as long as the block runs; called again after an error that a
        person may have mended in the connection.
    :param name: what to call the connection in the log.
    :param ambassador_id: Popsell: only this ambassador's orders.
    :param params: the vendor's own filters.
    :param poke_interval: seconds between two polls.
    :param lookback: how far before the position each poll begins again.
    :param sweep_days: for how many days after its creation an order is looked at, where the vendor cannot filter by
        update.
    :param now: gives the time.
    :param sleep: waits.
    """

    def __init__(
        self,
        open_client: Callable[[], AbstractAsyncContextManager[AsyncClient]],
        *,
        name: str,
        ambassador_id: int | str | None = None,
        params: Mapping[str, Any] | None = None,
        poke_interval: float = 60.0,
        lookback: timedelta = LOOKBACK,
        sweep_days: int = SWEEP_DAYS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[object]] | None = None,
    ) -> None:
        self.name = name
        self.lookback = lookback
        self.now = now
        self._open_client = open_client
        self._filters = {"ambassador_id": ambassador_id, "params": params}
        self._poke_interval = poke_interval
        self._sweep_days = sweep_days
        self._sleep = sleep or asyncio.sleep
        self._api: OrderApi[Any] | None = None
        self._query = OrderQuery()
        self._joining: dict[OrderWatch, SyncState] = {}
        self._state: SyncState | None = None
        self._shown: dict[str, bytes] = {}
        self._trouble = Trouble(name, poke_interval, now)

    @property
    def api(self) -> OrderApi[Any]:
        """The vendor; known once something was observed."""
        if self._api is None:
            raise RuntimeError("the stream has not begun")
        return self._api

    @property
    def scope(self) -> Scope:
        """Which orders it is about; known once something was observed."""
        return Scope.of(self.api, self._query)

    def join(self, watch: OrderWatch, state: SyncState) -> None:
        """Have a watch join: the next poll shows it all that changed since its position."""
        self._joining[watch] = state

    async def observations(self) -> AsyncGenerator[Observation]:
        """Show what there is, for ever. Polls begin once a watch has joined."""
        while True:
            try:
                async with self._open_client() as client:
                    self._begin(client.api)
                    yield Observation(self)
                    while True:
                        async with aclosing(self._polls(client)) as observations:
                            async for observation in observations:
                                yield observation
                        await self._sleep(self._trouble.pause_s())
            except OrdersError as error:
                self._trouble.note(error)
            except Exception as error:  # noqa: BLE001 - Airflow would start a watch that fails again at once, for ever
                self._trouble.note(error)
            await self._sleep(self._trouble.pause_s())

    def _begin(self, api: OrderApi[Any]) -> None:
        before = self._api and self.scope
        self._query = OrderQuery.of(**self._filters)
        api.check_query(self._query)
        self._api = api
        if before and before != self.scope:  # the connection was changed, and leads elsewhere now
            self._joining.clear()
            self._state, self._shown = None, {}

    async def _polls(self, client: AsyncClient) -> AsyncGenerator[Observation]:
        """Poll once for each watch that joins, then once for all; an outage leaves the client open."""
        has_begun = self._state is not None
        if not has_begun and not self._joining:
            yield Observation(self)
            return
        try:
            for watch, state in list(self._joining.items()):
                async with aclosing(self._poll(client, state, {}, watch)) as observations:
                    async for observation in observations:
                        yield observation
                if self._joining.get(watch) is state:
                    del self._joining[watch]
            if has_begun and self._state is not None:
                async with aclosing(self._poll(client, self._state, self._shown)) as observations:
                    async for observation in observations:
                        yield observation
        except TRANSIENT as error:
            self._trouble.note(error)
        else:
            self._trouble.forget()

    async def _poll(
        self,
        client: AsyncClient,
        begun_at: SyncState,
        shown_before: Mapping[str, bytes],
        joining: OrderWatch | None = None,
    ) -> AsyncGenerator[Observation]:
        plan = make_plan(
            client.api,
            self._query,
            mode="incremental",
            state=begun_at,
            now=self.now(),
            lookback=self.lookback,
            sweep_days=self._sweep_days,
        )
        log.debug("%s: %s", self.name, plan.words)
        reading = _Reading(client.api, plan, shown_before, name=self.name)
        pages = client.iter_pages(plan.asked, is_past=reading.is_past)
        async with aclosing(pages):
            async for page in pages:
                sightings = reading.take(page.rows)
                if sightings:
                    yield Observation(self, sightings, joining=joining)
                await asyncio.sleep(0)  # pages that were asked for ahead come without a pause
        state = reading.reach.next_state(begun_at, run_key="")
        if joining is None or self._state is None:
            self._state, self._shown = state, reading.shown
        yield Observation(self, poll=_Poll(state, reading.shown), joining=joining)


class _Reading:
    """What one poll shows.

    :param api: the vendor.
    :param plan: how the orders are read.
    :param shown_before: what the poll before it has shown, by id.
    :param name: what to call the connection in the log.
    """

    def __init__(
        self, api: OrderApi[Any], plan: SyncPlan, shown_before: Mapping[str, bytes], *, name: str
    ) -> None:
        self._reader = RecordReader(
            api.order_model, account=api.settings.account, assumed_timezone=api.settings.assumed_timezone
        )
        self._horizon = plan.horizon
        self._shown_before = shown_before
        self._name = name
        self.is_past = past_test(plan.horizon, self._reader)
        self.reach = Reach(plan)
        self.shown: dict[str, bytes] = {}

    def take(self, rows: Iterable[Row]) -> tuple[Sighting, ...]:
        """Give the orders of a page that are not as they were; one that cannot be read is logged and passed over."""
        sightings = []
        for row in rows:
            digest = hashlib.blake2b(row.raw, digest_size=8).digest()
            is_unchanged = self._shown_before.get(row.id) == digest
            try:
                record = self._reader.read(row.raw)
                if self._is_behind(record):
                    continue
                self.reach.note(record)
                if not is_unchanged:
                    sightings.append(_sighting(record))
            except UnexpectedPayloadError as error:
                if not is_unchanged:
                    log.warning("%s: an order is passed over, as it cannot be read. %s", self._name, error)
            self.shown[row.id] = digest
        return tuple(sightings)

    def _is_behind(self, record: Record) -> bool:
        return self._horizon is not None and self._horizon.is_past(record.identity, record.entered)


def _sighting(record: Record) -> Sighting:
    order, words = record.order(), record.summary.statuses
    return Sighting(
        id=record.identity,
        reference=order.reference,
        content_hash=order.content_hash,
        statuses=tuple((words[axis].canonical.value, words[axis].raw) for axis in sorted(words)),
        created_at=order.created_at,
        entered_at=record.entered,
        updated_at=order.updated_at,
    )
