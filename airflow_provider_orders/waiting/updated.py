"""Whether anything changed since a moment: what a look asks for, and what it counts.

How to ask follows from the plan of an export. What a vendor does not date counts as changed if its filter gives it: Dipli
filters by the day, so that a change of the day before the moment counts, too.
"""

from __future__ import annotations

from contextlib import aclosing, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypedDict

from airflow_provider_orders.apis.query import OrderQuery, whole_number
from airflow_provider_orders.export.plan import Horizon, SyncPlan, make_plan, past_test
from airflow_provider_orders.export.record import RecordReader
from airflow_provider_orders.waiting.filters import EventFilter

if TYPE_CHECKING:
    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.export.record import Record
    from airflow_provider_orders.http.aio import AsyncClient
    from airflow_provider_orders.http.paging import RowPage
    from airflow_provider_orders.http.sync import SyncClient

__all__ = ["UpdatedOrders", "UpdatedRequest", "alook", "look"]

_MOST_IDS: Final = 100


class UpdatedOrders(TypedDict):
    """What a look has found; plain, so that it can travel as an event and as XCom.

    :param updated_since: the moment, ISO 8601 in UTC.
    :param count: how many orders changed since then and match.
    :param order_ids: the ids of the first hundred.
    """

    updated_since: str
    count: int
    order_ids: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdatedRequest:
    """What is waited for, as users say it.

    :param updated_since: seconds since the epoch.
    :param statuses: only orders that have one of these statuses now.
    :param axis: what ``statuses`` are about; the vendor's default where None.
    :param ambassador_id: Popsell: only this ambassador's orders.
    :param params: the vendor's own filters.
    :param at_least: how many orders have to match.
    :param sweep_days: for how many days after its creation an order is looked at, where the vendor cannot filter by
        update.
    """

    updated_since: float
    statuses: Any = None
    axis: str | None = None
    ambassador_id: Any = None
    params: Any = None
    at_least: Any = 1
    sweep_days: int = 30

    @property
    def wanted(self) -> int:
        """How many orders have to match.

        :raises ConfigurationError: ``at_least`` is no whole number from 1.
        """
        return whole_number("at_least", self.at_least)

    def is_met(self, found: UpdatedOrders) -> bool:
        """Tell whether enough orders match."""
        return found["count"] >= self.wanted


def look(client: SyncClient, request: UpdatedRequest) -> UpdatedOrders:
    """Look once.

    :raises ConfigurationError: an unknown status or axis, or a filter that the vendor lacks; nothing was sent.
    """
    count = _Count(client.api, request)
    with closing(client.iter_pages(count.plan.asked, is_past=count.is_past)) as pages:
        for page in pages:
            count.add(page)
    return count.found()


async def alook(client: AsyncClient, request: UpdatedRequest) -> UpdatedOrders:
    """Do the same in an event loop."""
    count = _Count(client.api, request)
    async with aclosing(client.iter_pages(count.plan.asked, is_past=count.is_past)) as pages:
        async for page in pages:
            count.add(page)
    return count.found()


class _Count:
    """Counts what matches, page by page."""

    def __init__(self, api: OrderApi[Any], request: UpdatedRequest) -> None:
        request.wanted  # noqa: B018 - refuses what is no number, before anything is sent
        self._filter = EventFilter.of(api.order_model, statuses=request.statuses, axis=request.axis)
        self._since = datetime.fromtimestamp(request.updated_since, UTC)
        self._reader = RecordReader(
            api.order_model,
            account=api.settings.account,
            assumed_timezone=api.settings.assumed_timezone,
        )
        self.plan = _plan(api, request, self._since)
        self.is_past = past_test(self.plan.horizon, self._reader)
        self._count = 0
        self._ids: list[str] = []

    def add(self, page: RowPage) -> None:
        for row in page.rows:
            record = self._reader.read(row.raw)
            if self._matches(record):
                self._count += 1
                if len(self._ids) < _MOST_IDS:
                    self._ids.append(record.identity)

    def _matches(self, record: Record) -> bool:
        horizon, changed_at = self.plan.horizon, record.times[1]
        if horizon is not None and horizon.is_past(record.identity, record.entered):
            return False
        if changed_at is None and self._reader.model.WINDOW_FIELDS[1] is not None:
            changed_at = record.entered  # nothing happened to it since
        words = record.summary.statuses
        return (changed_at is None or changed_at >= self._since) and self._filter.has_status(
            {axis: (word.canonical.value, word.raw) for axis, word in words.items()}
        )

    def found(self) -> UpdatedOrders:
        return UpdatedOrders(
            updated_since=self._since.isoformat(), count=self._count, order_ids=list(self._ids)
        )


def _plan(api: OrderApi[Any], request: UpdatedRequest, since: datetime) -> SyncPlan:
    query = OrderQuery.of(ambassador_id=request.ambassador_id, params=request.params)
    api.check_query(query)
    plan = make_plan(
        api, replace(query, updated_from=since), mode="window", state=None, now=datetime.now(UTC)
    )
    if "updated_from" in plan.asked.asked or not api.capabilities_for(query).newest_first:
        return plan
    return replace(plan, horizon=Horizon(entered=since - timedelta(days=request.sweep_days), newest_id=None))
