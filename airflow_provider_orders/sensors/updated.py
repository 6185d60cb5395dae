"""The sensor that waits until anything changed."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSensorTimeout
from airflow.sdk import PokeReturnValue

from airflow_provider_orders import errors
from airflow_provider_orders.sensors.base import BaseOrdersSensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_orders.http.sync import SyncClient
    from airflow_provider_orders.triggers.events import OrdersUpdatedTrigger
    from airflow_provider_orders.waiting.updated import UpdatedOrders, UpdatedRequest

__all__ = ["OrdersUpdatedSensor"]

log = logging.getLogger(__name__)


class OrdersUpdatedSensor(BaseOrdersSensor):
    """Waits until orders that match a filter were created or changed since a moment.

    Works the same in the modes poke and reschedule and deferred to the triggerer, where it holds no worker slot. Outages,
    time-outs and rate limits of the API are waited out for ``max_unavailable``; rejected credentials (401) and a missing
    permission (403) fail at once. With a ``deadline`` it tells that a source has dried up::

        OrdersUpdatedSensor(
            task_id="fresh",
            orders_conn_id="genuka_default",
            updated_since="{{ dag_run.run_after - macros.timedelta(hours=2) }}",
            deadline="{{ dag_run.run_after + macros.timedelta(minutes=30) }}",
            deferrable=True,
        )

    Dipli dates no change, and filters by the day: there, a change of the day before ``updated_since`` counts, too.

    :param updated_since: an aware datetime or its ISO 8601 text; where None, the start of the run's data interval, or the
        moment that the run is for. (templated)
    :param statuses: only orders that have one of these statuses now: canonical words or the vendor's own. (templated)
    :param axis: what ``statuses`` are about: ``order``, ``payment`` or ``fulfillment``; the vendor's default where None.
        (templated)
    :param ambassador_id: Popsell: only this ambassador's orders. (templated)
    :param vendor_params: the vendor's own filters by their documented names. (templated)
    :param at_least: how many orders have to match; one by default. (templated)
    :param deadline: when the wait fails, beside ``timeout``; the earlier one counts. An aware datetime or its ISO 8601
        text. (templated)
    :param max_unavailable: seconds, or a timedelta, for which the API may be out of reach without a break, an hour by
        default; then the wait fails with the last cause. In the mode reschedule the count outlasts a poke on Airflow 3.3 and
        later only.
    :param poke_interval: seconds, or a timedelta, between two polls; a minute by default.
    :param timeout: seconds, or a timedelta, after which the wait fails; Airflow's ``[sensors] default_timeout``, a week,
        where not given.
    :param deferrable: wait in the triggerer; Airflow's ``[operators] default_deferrable`` where not given.
    :param retry_policy: Airflow 3.3: decides about retries in place of
        :class:`~airflow_provider_orders.operators.retries.OrdersRetryPolicy`, with which what somebody has to correct fails
        at once, whatever ``retries`` says.
    :param orders_conn_id: id of the connection; its type chooses the API. (templated)
    :return: ``{"updated_since": ..., "count": ..., "order_ids": [...]}``, with the ids of the first hundred.
    :raises ConfigurationError: an unknown status or axis, a filter that the vendor lacks, ``at_least`` below 1, a deadline
        in the past.
    :raises AirflowSensorTimeout: the time was up.
    """

    template_fields: Sequence[str] = (
        "updated_since",
        "statuses",
        "axis",
        "ambassador_id",
        "vendor_params",
        "at_least",
        "deadline",
        "orders_conn_id",
    )
    ui_color: str = "#f0ece0"

    def __init__(
        self,
        *,
        updated_since: datetime | str | None = None,
        statuses: str | Sequence[str] | None = None,
        axis: str | None = None,
        ambassador_id: int | str | None = None,
        vendor_params: Mapping[str, Any] | None = None,
        at_least: int | str = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.updated_since = updated_since
        self.statuses = statuses
        self.axis = axis
        self.ambassador_id = ambassador_id
        self.vendor_params = vendor_params
        self.at_least = at_least

    def _trigger(self, context: Context, **waiting: Any) -> OrdersUpdatedTrigger:
        from airflow_provider_orders.triggers.events import OrdersUpdatedTrigger

        request = self._request(context)
        return OrdersUpdatedTrigger(
            updated_since=request.updated_since,
            statuses=request.statuses,
            axis=request.axis,
            ambassador_id=request.ambassador_id,
            params=request.params,
            at_least=request.at_least,
            **waiting,
        )

    def _request(self, context: Context) -> UpdatedRequest:
        from airflow_provider_orders.waiting.deadlines import moment_s
        from airflow_provider_orders.waiting.updated import UpdatedRequest

        # A template may have made nothing of it.
        since = _start_of(context) if self.updated_since in (None, "") else self.updated_since
        statuses = self.statuses or None
        return UpdatedRequest(
            updated_since=moment_s(since, "updated_since"),
            statuses=statuses if statuses is None or isinstance(statuses, str) else list(statuses),
            axis=self.axis or None,
            ambassador_id=self.ambassador_id or None,
            params=dict(self.vendor_params) if self.vendor_params else None,
            at_least=self.at_least,
        )

    def _look(self, client: SyncClient, request: UpdatedRequest) -> UpdatedOrders:
        from airflow_provider_orders.waiting.updated import look

        return look(client, request)

    def _decide(self, request: UpdatedRequest, looked: UpdatedOrders) -> PokeReturnValue:
        log.info("%d orders changed since %s", looked["count"], looked["updated_since"])
        if not request.is_met(looked):
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=looked)

    def _too_late(self) -> AirflowSensorTimeout:
        return AirflowSensorTimeout("Too few orders changed in time.")

    def _result(self, event: Mapping[str, Any]) -> UpdatedOrders | None:
        from airflow_provider_orders.waiting.updated import UpdatedOrders

        if event.get("status") != "met" or not _holds_orders(event):
            return None
        return UpdatedOrders(
            updated_since=event["updated_since"], count=event["count"], order_ids=event["order_ids"]
        )


def _start_of(context: Context) -> datetime:
    """Give the moment that a run begins with, as far as it has one."""
    run: Any = context.get("dag_run")
    for name in ("data_interval_start", "logical_date", "run_after", "start_date"):
        moment = getattr(run, name, None)
        if isinstance(moment, datetime):
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    raise errors.ConfigurationError(
        "updated_since is missing, and the run has no date to begin with.", field="updated_since"
    )


def _holds_orders(event: Mapping[str, Any]) -> bool:
    """Tell whether an event holds what a look found."""
    ids = event.get("order_ids")
    return (
        isinstance(event.get("updated_since"), str)
        and isinstance(event.get("count"), int)
        and isinstance(ids, list)
        and all(isinstance(order_id, str) for order_id in ids)
    )
