"""The triggers that watch what changes: one starts DAGs for ever, one ends a wait."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow.triggers.base import BaseEventTrigger, BaseTrigger, TriggerEvent

from airflow_provider_orders.hooks.uninterrupted import uninterrupted
from airflow_provider_orders.waiting.deadlines import moment_s
from airflow_provider_orders.waiting.kinds import KINDS, check_axis, check_kinds

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Awaitable,
        Callable,
        Hashable,
        Sequence,
    )

    from airflow_provider_orders.http.aio import AsyncClient
    from airflow_provider_orders.waiting.events import OrderWatch
    from airflow_provider_orders.waiting.stream import ChangeStream, Observation
    from airflow_provider_orders.waiting.updated import UpdatedOrders

__all__ = ["OrderEventTrigger", "OrdersUpdatedTrigger"]

log = logging.getLogger(__name__)

_SHARES_STREAMS: Final = hasattr(BaseEventTrigger, "create_shared_stream_producer")
"""Airflow 3.3 and later."""

_AHEAD: Final = 3
"""Parts of a poll that may wait for Airflow to accept their events; one part is a page of orders."""

_LOAD_AGAIN_S: Final = 10.0


class OrderEventTrigger(BaseEventTrigger):
    """Fires an event for each order that is created or changes; for an ``AssetWatcher``, so that each starts a DAG.

    ::

        trigger = OrderEventTrigger(orders_conn_id="genuka_default", events="order.status_changed", statuses="delivered")
        delivered = Asset("delivered_orders", watchers=[AssetWatcher(name="genuka", trigger=trigger)])

    The event lies in the asset event's ``extra["payload"]``: ``event_id``, ``kind``, ``source``, ``orders_conn_id``,
    ``order_id``, ``reference``, ``statuses`` (canonical and the vendor's own, on each axis), ``changed`` (axis, from, to),
    ``created_at``, ``updated_at``, ``seen_at``; no personal data and no amounts. A change is told once, as the most telling
    kind that is asked for: ``order.created``, else ``order.status_changed``, else ``order.updated``. Where the former status
    is not known, ``from`` is None.

    On Airflow 3.3 all watchers of a connection with the same filters of the vendor share one poll. The position lies in the
    asset's state store, and moves once Airflow has accepted the events: after a restart nothing is missing, and an event
    that comes twice has the same ``event_id``. That needs an asset of its own for each trigger. Before 3.3 there is no
    store: each start begins at ``since``, or ``lookback`` before now.

    It never ends: outages are waited out, rejected credentials too, and both are logged.

    :param orders_conn_id: id of the connection.
    :param events: ``order.created``, ``order.updated``, ``order.status_changed``, or a list of them; all by default.
    :param statuses: only orders that have one of these statuses now: canonical words or the vendor's own.
    :param axis: ``order``, ``payment`` or ``fulfillment``: the axis of ``statuses``, and the only one whose changes count;
        where None, the vendor's default if there are ``statuses``, else any.
    :param ambassador_id: Popsell: only this ambassador's orders.
    :param params: the vendor's own filters by their documented names, such as Genuka's ``filter[shop.id]``.
    :param since: where to begin when no position is stored: an aware datetime or ISO text; with another one it begins anew.
    :param poke_interval: seconds between two polls.
    :param lookback: seconds that each poll begins before the position, for changes that the vendor shows late.
    :param sweep_days: for how many days after its creation an order is looked at where the vendor cannot filter by update
        (Popsell).
    :raises ConfigurationError: an unknown kind of event or axis, or a ``since`` that is no moment.
    """

    def __init__(
        self,
        *,
        orders_conn_id: str,
        events: str | Sequence[str] = KINDS,
        statuses: str | Sequence[str] | None = None,
        axis: str | None = None,
        ambassador_id: int | str | None = None,
        params: Mapping[str, Any] | None = None,
        since: Any = None,
        poke_interval: float = 60.0,
        lookback: float = 300.0,
        sweep_days: int = 30,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.orders_conn_id = orders_conn_id
        self.events = list(check_kinds(events))
        self.statuses = statuses if statuses is None or isinstance(statuses, str) else list(statuses)
        self.axis = check_axis(axis)
        self.ambassador_id = ambassador_id
        self.params = dict(params) if params else None
        self.since = _moment_text(since)
        self.poke_interval = poke_interval
        self.lookback = lookback
        self.sweep_days = sweep_days

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give plain values: the connection's id and filters, no credential."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "orders_conn_id": self.orders_conn_id,
                "events": self.events,
                "statuses": self.statuses,
                "axis": self.axis,
                "ambassador_id": self.ambassador_id,
                "params": self.params,
                "since": self.since,
                "poke_interval": self.poke_interval,
                "lookback": self.lookback,
                "sweep_days": self.sweep_days,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Watch for ever, alone: as Airflow does before 3.3."""
        from airflow_provider_orders.waiting.events import order_events

        events = order_events(_stream(self.serialize()[1]), self._watch(None))
        async with contextlib.aclosing(events):
            async for event in events:
                yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    def shared_stream_key(self) -> Hashable | None:
        """Give what the poll depends on; watchers that agree in it share one."""
        if not _SHARES_STREAMS:
            return None
        polled = {name: self.serialize()[1][name] for name in _POLLED}
        return (f"{type(self).__module__}.{type(self).__qualname__}", json.dumps(polled, sort_keys=True))

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> Any:
        """Make the poll that all watchers with the same key share."""
        return _Producer(_stream(kwargs))

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[Observation]
    ) -> AsyncIterator[TriggerEvent]:
        """Make this watcher's events of what the poll shows, and keep the position once they were accepted."""
        store = self._store()
        watch = self._watch(await store.load())
        async for observation in shared_stream:
            for event in watch.take(observation):
                yield TriggerEvent(event)  # type: ignore[no-untyped-call]
            if watch.has_moved:
                observation.accepted[self] = store.saving(watch.position())

    def _watch(self, position: Mapping[str, Any] | None) -> OrderWatch:
        from airflow_provider_orders.waiting.events import OrderWatch

        return OrderWatch(
            orders_conn_id=self.orders_conn_id,
            events=self.events,
            statuses=self.statuses,
            axis=self.axis,
            position=position,
            since=None if self.since is None else datetime.fromisoformat(self.since),
        )

    def _store(self) -> _Store:
        arguments = {name: value for name, value in self.serialize()[1].items() if name not in _PACE}
        digest = hashlib.sha256(json.dumps(arguments, sort_keys=True).encode()).hexdigest()
        return _Store(getattr(self, "asset_state_store", None), f"orders-position-{digest[:12]}")


_PACE: Final = frozenset({"poke_interval", "lookback", "sweep_days"})
_POLLED: Final = ("orders_conn_id", "ambassador_id", "params", *sorted(_PACE))


class _Store:
    """Where the position of a watcher lies: its asset's state store, if there is one.

    :param accessors: Airflow's; None where there is none.
    :param key: the watcher's own.
    """

    def __init__(self, accessors: Any, key: str) -> None:
        self._accessors = accessors
        self._key = key

    async def load(self) -> Mapping[str, Any] | None:
        """Give the position, None where there is none yet."""
        while self._accessors is not None:
            try:
                stored = await uninterrupted(self._accessors.aget(self._key))
            except ValueError:  # how Airflow says that the trigger has several assets
                log.warning(
                    "This OrderEventTrigger watches for several assets, so that its position cannot be kept. Give each "
                    "asset a trigger of its own, that differs in an argument such as poke_interval."
                )
                self._accessors = None
            except Exception as error:  # noqa: BLE001 - without its position it would begin anew, and miss events
                log.warning("The position cannot be read yet: %s", type(error).__name__)
                await asyncio.sleep(_LOAD_AGAIN_S)
            else:
                return stored if isinstance(stored, Mapping) else None
        return None

    def saving(self, position: Mapping[str, Any]) -> Callable[[], Awaitable[None]]:
        """Give what stores a position."""

        async def save() -> None:
            if self._accessors is None:
                return
            try:
                await uninterrupted(self._accessors.aset(self._key, position))
            except Exception as error:  # noqa: BLE001 - the next one will do; an error would end every watcher
                log.warning("The position cannot be stored at the moment: %s", type(error).__name__)

        return save


class _Producer:
    """What Airflow polls on behalf of all watchers with the same key: a ``SharedStreamProducer``, which 3.3 knows.

    :param stream: the stream.
    """

    def __init__(self, stream: ChangeStream) -> None:
        self._observations: AsyncGenerator[Observation] = stream.observations()
        self._pending = 0
        self._advanced = asyncio.Event()
        self._has_begun = False

    async def open_stream(self) -> AsyncIterator[tuple[Observation, Observation]]:
        """Give the observations, no faster than Airflow accepts the events made of them."""
        async for observation in self._observations:
            self._pending += 1
            yield observation, observation
            # At first until each watcher that is there has joined.
            room = _AHEAD if self._has_begun else 0
            self._has_begun = True
            while self._pending > room:
                self._advanced.clear()
                await self._advanced.wait()

    async def advance(self, batch: Sequence[Any]) -> None:
        """Let positions move behind what every watcher has accepted."""
        self._pending -= len(batch)
        self._advanced.set()
        latest: dict[object, Callable[[], Awaitable[None]]] = {}
        for observation, outcome in batch:
            if outcome.is_clean:
                latest |= observation.accepted
        for save in latest.values():
            await save()

    def get_advance_lane(self, broker_payload: Observation) -> Hashable:
        """Keep all in order: a position stands for all that came before it."""
        del broker_payload
        return None

    async def aclose(self) -> None:
        """End the poll."""
        await self._observations.aclose()


def _stream(arguments: Mapping[str, Any]) -> ChangeStream:
    from airflow_provider_orders.triggers.orders import open_client
    from airflow_provider_orders.waiting.shared import shared_client
    from airflow_provider_orders.waiting.stream import ChangeStream

    orders_conn_id = arguments["orders_conn_id"]

    return ChangeStream(
        lambda: shared_client(orders_conn_id, functools.partial(open_client, orders_conn_id)),
        name=orders_conn_id,
        ambassador_id=arguments["ambassador_id"],
        params=arguments["params"],
        poke_interval=arguments["poke_interval"],
        lookback=timedelta(seconds=arguments["lookback"]),
        sweep_days=arguments["sweep_days"],
    )


def _moment_text(value: Any) -> str | None:
    """Read a moment, and give it as text.

    :raises ConfigurationError: it is none, or has no time zone.
    """
    return None if value is None else datetime.fromtimestamp(moment_s(value, "since"), UTC).isoformat()


class OrdersUpdatedTrigger(BaseTrigger):
    """Watches until enough orders that match a filter changed since a moment, or until the deadline.

    It fires one event, a plain dict: ``status`` is ``met``, with ``account``, ``updated_since``, ``count`` and
    ``order_ids``, or ``timeout``, or ``error`` with ``kind``, ``message`` and ``details``. Outages and rate limits are
    waited out for ``max_unavailable``; a restart of the triggerer begins that count anew.

    :param orders_conn_id: id of the connection.
    :param updated_since: the moment, in seconds since the epoch.
    :param deadline: when to give up, in seconds since the epoch; a restart of the triggerer does not move it.
    :param statuses: only orders that have one of these statuses now.
    :param axis: what ``statuses`` are about; the vendor's default where None.
    :param ambassador_id: Popsell: only this ambassador's orders.
    :param params: the vendor's own filters.
    :param at_least: how many orders have to match.
    :param poke_interval: seconds between two polls.
    :param max_unavailable: seconds for which the API may be out of reach without a break.
    :param first_poll_at: when to look for the first time, in seconds since the epoch; None for at once. A trigger that
        starts later, as after a restart, looks within an interval.
    :param unavailable_since: since when the API has been out of reach, in seconds since the epoch, as the worker saw it;
        it counts before ``first_poll_at`` only.
    """

    def __init__(
        self,
        *,
        orders_conn_id: str,
        updated_since: float,
        deadline: float,
        statuses: str | Sequence[str] | None = None,
        axis: str | None = None,
        ambassador_id: int | str | None = None,
        params: Mapping[str, Any] | None = None,
        at_least: int | str = 1,
        poke_interval: float = 60.0,
        max_unavailable: float = 3600.0,
        first_poll_at: float | None = None,
        unavailable_since: float | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.orders_conn_id = orders_conn_id
        self.updated_since = updated_since
        self.deadline = deadline
        self.statuses = statuses
        self.axis = axis
        self.ambassador_id = ambassador_id
        self.params = params
        self.at_least = at_least
        self.poke_interval = poke_interval
        self.max_unavailable = max_unavailable
        self.first_poll_at = first_poll_at
        self.unavailable_since = unavailable_since

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give plain values: ids and words, no credential."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "orders_conn_id": self.orders_conn_id,
                "updated_since": self.updated_since,
                "deadline": self.deadline,
                "statuses": self.statuses,
                "axis": self.axis,
                "ambassador_id": self.ambassador_id,
                "params": self.params,
                "at_least": self.at_least,
                "poke_interval": self.poke_interval,
                "max_unavailable": self.max_unavailable,
                "first_poll_at": self.first_poll_at,
                "unavailable_since": self.unavailable_since,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Watch until the wait is over."""
        from airflow_provider_orders.errors import OrdersError
        from airflow_provider_orders.triggers.orders import error_event

        try:
            event = await self._watch()
        except OrdersError as error:
            event = error_event(error)
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _watch(self) -> dict[str, Any]:
        from airflow_provider_orders.errors import ApiUnavailableError, RateLimitedError
        from airflow_provider_orders.triggers.orders import is_first_start, open_client
        from airflow_provider_orders.waiting.clock import CLOCK
        from airflow_provider_orders.waiting.deadlines import duration_s
        from airflow_provider_orders.waiting.shared import shared_client

        interval_s = duration_s(self.poke_interval, "poke_interval")
        max_unavailable_s = duration_s(self.max_unavailable, "max_unavailable")
        is_first = is_first_start(self.first_poll_at)
        unavailable_since = self.unavailable_since if is_first else None
        first_look_at = self._first_look_at(interval_s, is_first=is_first)
        await CLOCK.sleep(min(first_look_at, self.deadline) - CLOCK.now())
        async with shared_client(
            self.orders_conn_id, functools.partial(open_client, self.orders_conn_id)
        ) as client:
            while True:
                found, pause_s = None, interval_s
                try:
                    found = await self._look(client)
                    unavailable_since = None
                except TimeoutError:
                    log.warning("No answer until the deadline")
                except (ApiUnavailableError, RateLimitedError) as error:
                    now = CLOCK.now()
                    unavailable_since = now if unavailable_since is None else unavailable_since
                    if now - unavailable_since >= max_unavailable_s:
                        raise
                    pause_s = max(pause_s, error.retry_after_s or 0.0)
                    log.warning("%s Asking again in %g s.", error, pause_s)
                if found is not None:
                    return {"status": "met", "account": client.api.settings.account, **found}
                remaining = self.deadline - CLOCK.now()
                if remaining <= 0:
                    return {"status": "timeout"}
                await CLOCK.sleep(min(pause_s, remaining))

    def _first_look_at(self, interval_s: float, *, is_first: bool) -> float:
        from airflow_provider_orders.waiting.choice import spread
        from airflow_provider_orders.waiting.clock import CLOCK

        if self.first_poll_at is None:
            return CLOCK.now()
        if is_first:
            return self.first_poll_at
        # A restart begins all waits at once, and each polls by itself.
        return CLOCK.now() + spread(interval_s)

    async def _look(self, client: AsyncClient) -> UpdatedOrders | None:
        """Look once; None where too few orders changed.

        :raises TimeoutError: the deadline came before the answer.
        """
        from airflow_provider_orders.waiting.clock import CLOCK
        from airflow_provider_orders.waiting.updated import UpdatedRequest, alook

        request = UpdatedRequest(
            updated_since=self.updated_since,
            statuses=self.statuses,
            axis=self.axis,
            ambassador_id=self.ambassador_id,
            params=self.params,
            at_least=self.at_least,
        )
        async with asyncio.timeout(max(1.0, self.deadline - CLOCK.now())):
            found = await alook(client, request)
        log.info("%d orders changed", found["count"])
        return found if request.is_met(found) else None
