"""The sensor that waits for the status of orders."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSensorTimeout
from airflow.sdk import PokeReturnValue

from airflow_provider_orders import errors
from airflow_provider_orders.links.orders import OrderLink
from airflow_provider_orders.sensors.base import BaseOrdersSensor
from airflow_provider_orders.sensors.updated import OrdersUpdatedSensor

if TYPE_CHECKING:
    from airflow.sdk import BaseOperatorLink, Context
    from airflow.triggers.base import StartTriggerArgs

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.http.sync import SyncClient
    from airflow_provider_orders.triggers.orders import OrderStatusTrigger
    from airflow_provider_orders.waiting.conditions import OrderReport, StatusCondition, Words
    from airflow_provider_orders.waiting.waits import WaitRequest

__all__ = ["OrderStatusSensor", "OrdersUpdatedSensor"]

log = logging.getLogger(__name__)

_REPORT = {"order_id", "status", "status_raw", "outcome"}


class OrderStatusSensor(BaseOrdersSensor):
    """Waits until one order, or a number of them, reach a status.

    Works the same in the modes poke and reschedule and deferred to the triggerer, where it holds no worker slot and shares
    one client and one poll with all other waits on the connection. Outages, time-outs and rate limits of the API are
    waited out for ``max_unavailable``; rejected credentials (401), a missing permission (403) and an unknown order (404)
    fail at once.

    ::

        OrderStatusSensor(
            task_id="wait",
            orders_conn_id="genuka_default",
            order_id="{{ params.order_id }}",
            wanted={"fulfillment": "delivered", "payment": "paid"},
            deadline="{{ dag_run.run_after + macros.timedelta(days=14) }}",
            deferrable=True,
        )

    :param order_id: the order's id or reference, or a list of them. (templated)
    :param by: ``id``, or ``reference`` where the vendor has that look-up (Valomnia, Genuka). (templated)
    :param wanted: status, or statuses, that end the wait well: canonical words such as ``delivered`` and ``paid``, or
        the vendor's own; the vendor's usual success where None. A mapping asks for a status on each of several axes, all of
        which have to be met. (templated)
    :param failed: statuses that end it badly, with ``OrderFailedError``; the vendor's usual failures where None, an
        empty list for none. In a mapping, an axis that is not named keeps the usual ones. (templated)
    :param ignored: statuses that neither end the wait nor fail it, although they usually do. (templated)
    :param axis: what words without an axis are about: ``order``, ``payment`` or ``fulfillment``; ``fulfillment`` where
        None, for Popsell ``order``. (templated)
    :param require: ``all`` or ``any`` of the orders.
    :param at_least: how many of the orders have to be met, in place of ``require``. (templated)
    :param not_found: ``fail`` where an order is not there, or ``wait`` until it is.
    :param deadline: when the wait fails, beside ``timeout``; the earlier one counts. An aware datetime or its ISO 8601 text.
        It is the same for every try of the task. (templated)
    :param max_unavailable: seconds, or a timedelta, for which the API may be out of reach without a break, an hour by
        default; then the wait fails with the last cause. In the mode reschedule the count outlasts a poke on Airflow 3.3 and
        later only.
    :param poke_interval: seconds, or a timedelta, between two polls; a minute by default.
    :param timeout: seconds, or a timedelta, after which the wait fails; each try of the task has as much. Airflow's
        ``[sensors] default_timeout``, a week, where not given.
    :param deferrable: wait in the triggerer; Airflow's ``[operators] default_deferrable`` where not given.
    :param start_from_trigger: wait in the triggerer from the beginning, so that no worker slot is taken even once. What is
        wrong with an argument is then found there, and a missing connection after two minutes. Works on Airflow 3.3 and
        later; earlier ones begin on a worker.
    :param retry_policy: Airflow 3.3: decides about retries in place of
        :class:`~airflow_provider_orders.operators.retries.OrdersRetryPolicy`, with which what somebody has to correct fails
        at once, whatever ``retries`` says.
    :param orders_conn_id: id of the connection; its type chooses the API. (templated)
    :return: ``{"axes": [...], "orders": [{"order_id", "outcome", "status", "status_raw", "seen_at"}, ...]}``, where
        ``status`` and ``status_raw`` hold the canonical and the vendor's own word by axis.
    :raises ConfigurationError: an unknown status or axis, a status in two roles, no order id, ``at_least`` above the number
        of orders, a deadline in the past.
    :raises OrderFailedError: an order reached a failed status.
    :raises AirflowSensorTimeout: the time was up.
    """

    template_fields: Sequence[str] = (
        "order_id",
        "by",
        "wanted",
        "failed",
        "ignored",
        "axis",
        "at_least",
        "deadline",
        "orders_conn_id",
    )
    operator_extra_links: Sequence[BaseOperatorLink] = (OrderLink(),)
    ui_color: str = "#f0ece0"

    def __init__(
        self,
        *,
        order_id: str | int | Sequence[str | int],
        by: str = "id",
        wanted: Words = None,
        failed: Words = None,
        ignored: Words = None,
        axis: str | None = None,
        require: str = "all",
        at_least: int | str | None = None,
        not_found: str = "fail",
        start_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.order_id = order_id
        self.by = by
        self.wanted = wanted
        self.failed = failed
        self.ignored = ignored
        self.axis = axis
        self.require = require
        self.at_least = at_least
        self.not_found = not_found
        if start_from_trigger and _triggers_are_rendered():
            self.start_from_trigger = True
            self.start_trigger_args = self._start_trigger_args()

    def _start_trigger_args(self) -> StartTriggerArgs:
        from airflow.triggers.base import StartTriggerArgs

        from airflow_provider_orders.triggers.orders import OrderStatusTrigger

        return StartTriggerArgs(
            trigger_cls=f"{OrderStatusTrigger.__module__}.{OrderStatusTrigger.__qualname__}",
            trigger_kwargs={
                "orders_conn_id": self.orders_conn_id,
                "order_id": _plain(self.order_id, "order_id"),
                "deadline": self.deadline.isoformat()
                if isinstance(self.deadline, datetime)
                else self.deadline,
                "by": self.by,
                "wanted": _plain(self.wanted, "wanted"),
                "failed": _plain(self.failed, "failed"),
                "ignored": _plain(self.ignored, "ignored"),
                "axis": self.axis,
                "require": self.require,
                "at_least": self.at_least,
                "not_found": self.not_found,
                "poke_interval": self.poke_interval,
                "max_unavailable": _seconds(self.max_unavailable),
            },
            next_method="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )

    def _trigger(self, context: Context, **waiting: Any) -> OrderStatusTrigger:
        from airflow_provider_orders.triggers.orders import OrderStatusTrigger
        from airflow_provider_orders.waiting.conditions import order_ids

        del context
        return OrderStatusTrigger(
            order_id=order_ids(self.order_id),
            by=self.by,
            wanted=_plain(self.wanted, "wanted"),
            failed=_plain(self.failed, "failed"),
            ignored=_plain(self.ignored, "ignored"),
            axis=self.axis or None,
            require=self.require,
            at_least=self.at_least,
            not_found=self.not_found,
            **waiting,
        )

    def _request(self, context: Context) -> WaitRequest:
        from airflow_provider_orders.waiting.waits import WaitRequest

        del context
        return WaitRequest(
            order_id=self.order_id,
            by=self.by,
            wanted=self.wanted,
            failed=self.failed,
            ignored=self.ignored,
            axis=self.axis or None,
            require=self.require,
            at_least=self.at_least,
            not_found=self.not_found,
        )

    def _report(self, api: OrderApi[Any]) -> None:
        from airflow_provider_orders.waiting.conditions import order_ids

        super()._report(api)
        if self.by == "id" and len(ids := order_ids(self.order_id)) == 1:
            self.note_link(OrderLink, api.order_page(ids[0]))

    def _look(self, client: SyncClient, request: WaitRequest) -> tuple[StatusCondition, list[OrderReport]]:
        from airflow_provider_orders.waiting.looks import look

        return look(client, request)

    def _decide(
        self, request: WaitRequest, looked: tuple[StatusCondition, list[OrderReport]]
    ) -> PokeReturnValue:
        from airflow_provider_orders.waiting.conditions import Outcome, failure

        del request
        condition, reports = looked
        outcome = condition.decide(report["outcome"] for report in reports)
        if outcome is Outcome.FAILED:
            raise failure(reports)
        if outcome is Outcome.WAITING:
            log.info("Waiting for %s: %s", " and ".join(condition.axes), condition.describe(reports))
        return PokeReturnValue(
            is_done=outcome is Outcome.MET, xcom_value={"axes": list(condition.axes), "orders": reports}
        )

    def _too_late(self) -> AirflowSensorTimeout:
        return AirflowSensorTimeout("The orders did not reach the wanted status in time.")

    def _result(self, event: Mapping[str, Any]) -> dict[str, Any] | None:
        status = event.get("status")
        if status not in ("met", "failed") or not _has_reports(
            event
        ):  # a tuple: the status may be unhashable
            return None
        if status == "met":
            return {"axes": event["axes"], "orders": event["orders"]}
        from airflow_provider_orders.waiting.conditions import failure

        raise failure(event["orders"])


def _triggers_are_rendered() -> bool:
    """Tell whether Airflow renders a trigger's templates, as it does from 3.3 on."""
    from airflow.triggers.base import BaseTrigger

    return hasattr(BaseTrigger, "render_template_fields")


def _plain(value: Any, argument: str) -> Any:
    """Give words and ids as a trigger keeps them."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {name: _plain(words, argument) for name, words in value.items()}
    if isinstance(value, Sequence):
        return [_plain(word, argument) for word in value]
    raise errors.ConfigurationError(
        f"{argument} must be plain words or a template for start_from_trigger; the result of another task is none.",
        field=argument,
    )


def _seconds(value: float | timedelta) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _has_reports(event: Mapping[str, Any]) -> bool:
    """Tell whether an event holds the axes and a report of each order."""
    reports = event.get("orders")
    return (
        isinstance(event.get("axes"), list)
        and isinstance(reports, list)
        and bool(reports)
        and all(isinstance(report, dict) and report.keys() >= _REPORT for report in reports)
    )
