"""What changed in a connection's orders, told as events: once each, with a position from which to go on after a restart.

A :class:`~airflow_provider_orders.waiting.stream.ChangeStream` polls for ever and shows which orders may have changed; any
number of watches may share it. Each :class:`OrderWatch` has its own filter and its own
:class:`~airflow_provider_orders.waiting.positions.Position`, and makes events of what is new to it. How the vendor is asked
follows from the plan of an incremental export, overlap and all; what comes again although it did not change is known by its
content.

An event is a plain dict without personal data or amounts::

    {
        "event_id": "0b54c7f1...",  # the same change has the same id, whoever sees it and however often
        "kind": "order.status_changed",
        "source": "dipli",
        "orders_conn_id": "dipli_default",
        "order_id": "111111",
        "reference": "A-1001",
        "statuses": {"fulfillment": {"status": "delivered", "status_raw": "shipped"}},
        "changed": [{"axis": "fulfillment", "from": "in_transit", "from_raw": "ongoing_shipping",
                     "to": "delivered", "to_raw": "shipped"}],
        "created_at": "2026-01-01T09:00:00+00:00",
        "updated_at": None,
        "seen_at": "2026-01-02T10:00:00.123456+00:00",
    }

An order that is not remembered was created if it was entered since the position, less ``lookback``. Otherwise its former
status is not known: ``from`` is None then, and it may be the same as ``to``. Two changes between two polls are one event.
Where a vendor dates no change (Dipli), an order that gets the content of an earlier day again has that day's event id again.
"""

from __future__ import annotations

import hashlib
import logging
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.waiting.filters import EventFilter
from airflow_provider_orders.waiting.kinds import CREATED, STATUS_CHANGED, UPDATED
from airflow_provider_orders.waiting.positions import Position

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping

    from airflow_provider_orders.waiting.positions import Known, Statuses
    from airflow_provider_orders.waiting.stream import ChangeStream, Observation, Sighting

__all__ = ["OrderEvent", "OrderWatch", "order_events"]

log = logging.getLogger(__name__)

OrderEvent: TypeAlias = dict[str, Any]


class OrderWatch:
    """Makes events of what a stream shows, each change once.

    :param orders_conn_id: id of the connection, for the events.
    :param events: kinds of events; all where None.
    :param statuses: statuses that the order has now; any where None.
    :param axis: the axis; see :meth:`EventFilter.of`.
    :param position: where an earlier watch stood, as :meth:`position` gave it.
    :param since: where to begin without one; ``lookback`` before now where None.
    """

    def __init__(
        self,
        *,
        orders_conn_id: str,
        events: str | Iterable[str] | None = None,
        statuses: str | Iterable[str] | None = None,
        axis: str | None = None,
        position: Mapping[str, Any] | None = None,
        since: datetime | None = None,
    ) -> None:
        self._orders_conn_id = orders_conn_id
        self._wanted: dict[str, Any] = {"events": events, "statuses": statuses, "axis": axis}
        self._stored = position
        self._since = since
        self._filter: EventFilter | None = None
        self._position: Position | None = None
        self._has_caught_up = False
        self._account = ""
        self._axes: tuple[str, ...] = ()
        self._refused = ""
        self.has_moved = False
        """Whether the position has changed since it was last asked for."""

    def position(self) -> dict[str, Any]:
        """Give the position behind the last event, as plain JSON."""
        if self._position is None:
            raise RuntimeError("nothing was observed yet")
        self.has_moved = False
        return self._position.as_dict()

    def take(self, observation: Observation) -> Iterator[OrderEvent]:
        """Give the events of one observation; the position moves with each."""
        stream = observation.stream
        if self._position is not None and self._position.scope != stream.scope.key:
            self._filter, self._stored = None, None
        wanted = self._filter or self._join(stream)
        position = self._position
        if wanted is None or position is None:
            return
        if observation.joining is not self and not (observation.joining is None and self._has_caught_up):
            return
        for sighting in observation.sightings:
            event = self._event(wanted, position, sighting, stream)
            if event is not None:
                yield event
        if observation.poll is not None:
            self._has_caught_up = True
            self.has_moved |= position.move_to(observation.poll.state)
            position.memory.retain(observation.poll.shown)

    def _join(self, stream: ChangeStream) -> EventFilter | None:
        """Begin at the stored position; nothing while the filter is not one for this vendor, which is logged."""
        try:
            wanted = EventFilter.of(stream.api.order_model, **self._wanted)
        except ConfigurationError as error:
            if str(error) != self._refused:
                self._refused = str(error)
                log.warning("Orders of %s are not watched: %s", stream.name, error)
            return None
        scope = stream.scope
        self._axes = tuple(sorted(stream.api.axes))
        self._account = scope.account
        position = (
            Position.from_dict(self._stored, scope=scope.key, axes=self._axes) if self._stored else None
        )
        if position is None:
            since = self._since or stream.now() - stream.lookback
            position = Position.start(scope.key, self._axes, since, settled=self._since is not None)
            log.info("Watches orders of %s from %s on", stream.name, since.isoformat(timespec="seconds"))
        self._position, self._filter, self._has_caught_up = position, wanted, False
        stream.join(self, position.state)
        return wanted

    def _event(
        self, wanted: EventFilter, position: Position, sighting: Sighting, stream: ChangeStream
    ) -> OrderEvent | None:
        known, is_changed = position.memory.swap(sighting.id, sighting.content_hash, sighting.statuses)
        if not is_changed:
            return None
        self.has_moved = True
        entered_at, lookback = sighting.entered_at, stream.lookback
        is_new = known is None and entered_at is not None and entered_at >= position.fresh_from(lookback)
        if known is None and not is_new and position.knows_without_memory(sighting.updated_at, lookback):
            return None
        changed = [
            change
            for change in _changes(self._axes, known, sighting.statuses)
            if wanted.watches(change["axis"])
        ]
        statuses = dict(zip(self._axes, sighting.statuses, strict=True))
        kind = _kind(wanted, is_new=is_new, has_moved=bool(changed))
        if kind is None or not wanted.has_status(statuses):
            return None
        return {
            "event_id": self._event_id(kind, sighting, stream),
            "kind": kind,
            "source": stream.api.vendor,
            "orders_conn_id": self._orders_conn_id,
            "order_id": sighting.id,
            "reference": sighting.reference,
            "statuses": {
                axis: {"status": canonical, "status_raw": raw} for axis, (canonical, raw) in statuses.items()
            },
            "changed": changed,
            "created_at": _iso(sighting.created_at),
            "updated_at": _iso(sighting.updated_at),
            "seen_at": _iso(stream.now()),
        }

    def _event_id(self, kind: str, sighting: Sighting, stream: ChangeStream) -> str:
        parts = (stream.api.vendor, self._account, sighting.id, kind, sighting.content_hash)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _kind(wanted: EventFilter, *, is_new: bool, has_moved: bool) -> str | None:
    """Give the most telling kind of those asked for that a change is."""
    applies = {CREATED: is_new, STATUS_CHANGED: has_moved, UPDATED: True}
    return next((kind for kind in wanted.kinds if applies[kind]), None)


def _changes(axes: Iterable[str], known: Known | None, statuses: Statuses) -> Iterator[dict[str, Any]]:
    """Give the axes on which the status moved, all that have one where the former is not known."""
    before: Iterable[tuple[str | None, str | None]] = (
        known.statuses if known is not None else [(None, None)] * len(statuses)
    )
    for axis, (former, former_raw), (status, raw) in zip(axes, before, statuses, strict=True):
        is_absent = former is None and raw is None and status == "unknown"
        if (former, former_raw) != (status, raw) and not is_absent:
            yield {"axis": axis, "from": former, "from_raw": former_raw, "to": status, "to_raw": raw}


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


async def order_events(stream: ChangeStream, watch: OrderWatch) -> AsyncGenerator[OrderEvent]:
    """Give one watch's events of a stream, for ever; ``watch.position()`` is the position behind the last one."""
    async with aclosing(stream.observations()) as observations:
        async for observation in observations:
            for event in watch.take(observation):
                yield event
