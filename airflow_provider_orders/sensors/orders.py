"""The sensor that waits for the status of orders."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowSensorTimeout, AirflowSkipException, conf
from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_orders import errors
from airflow_provider_orders.hooks.orders import OrdersHook
from airflow_provider_orders.triggers.orders import OrderStatusTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_orders.waiting.conditions import OrderReport, StatusCondition

__all__ = ["OrderStatusSensor"]

log = logging.getLogger(__name__)

_REPORT = {"order_id", "status", "status_raw", "outcome"}


class OrderStatusSensor(BaseSensorOperator):
    """Waits until one order, or a number of them, reach a status.

    Works the same in the modes poke and reschedule and deferred to the triggerer, where it holds no worker slot.
    Outages, time-outs and rate limits of the API are waited out; rejected credentials (401), a missing permission
    (403) and an unknown order (404) fail at once.

    :param order_id: the order's id or reference, or a list of them. (templated)
    :param by: ``id``, or ``reference`` where the vendor has that look-up (Valomnia, Genuka). (templated)
    :param wanted: status, or statuses, that end the wait well: canonical words such as ``delivered`` and ``paid``, or
        the vendor's own; the vendor's usual success where None. (templated)
    :param failed: statuses that end it badly, with ``OrderFailedError``; the vendor's usual failures where None, an
        empty list for none. (templated)
    :param axis: what to look at: ``order``, ``payment`` or ``fulfillment``; ``fulfillment`` where None, for Popsell
        ``order``. (templated)
    :param require: ``all`` or ``any`` of the orders.
    :param poke_interval: seconds, or a timedelta, between two polls.
    :param timeout: seconds, or a timedelta, after which the wait fails.
    :param deferrable: wait in the triggerer; Airflow's ``[operators] default_deferrable`` where not given.
    :param orders_conn_id: id of the connection; its type chooses the API. (templated)
    :return: ``{"axis": ..., "orders": [{"order_id", "status", "status_raw", "outcome"}, ...]}``.
    :raises ConfigurationError: an unknown status or axis, a status that is both wanted and failed, no order id.
    :raises OrderFailedError: an order reached a failed status.
    """

    template_fields: Sequence[str] = (
        "order_id",
        "by",
        "wanted",
        "failed",
        "axis",
        "orders_conn_id",
    )
    ui_color: str = "#f0ece0"

    def __init__(
        self,
        *,
        order_id: str | int | Sequence[str | int],
        orders_conn_id: str,
        by: str = "id",
        wanted: str | Sequence[str] | None = None,
        failed: str | Sequence[str] | None = None,
        axis: str | None = None,
        require: str = "all",
        deferrable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.order_id = order_id
        self.orders_conn_id = orders_conn_id
        self.by = by
        self.wanted = wanted
        self.failed = failed
        self.axis = axis
        self.require = require
        self.deferrable = deferrable
        self._hook: OrdersHook | None = None
        self._asked_to_wait_s = 0.0

    def execute(self, context: Context) -> Any:
        """Check once; then poll, be rescheduled, or defer."""
        deferrable = self.deferrable
        if deferrable is None:
            deferrable = conf.getboolean("operators", "default_deferrable", fallback=False)
        try:
            if not deferrable:
                return super().execute(context)
            deadline = time.time() + self.timeout
            checked = self.poke(context)
            if checked.is_done:
                return checked.xcom_value
        finally:
            if self._hook is not None:
                self._hook.close()
                self._hook = None
        return self.defer(
            trigger=self._trigger(deadline),
            method_name="execute_complete",
            # The trigger gives up by itself at the deadline; this catches one that no longer runs.
            timeout=timedelta(seconds=self.timeout + 600),
        )

    def _trigger(self, deadline: float) -> OrderStatusTrigger:
        from airflow_provider_orders.waiting.conditions import order_ids

        return OrderStatusTrigger(
            orders_conn_id=self.orders_conn_id,
            order_id=order_ids(self.order_id),
            by=self.by,
            wanted=_plain(self.wanted),
            failed=_plain(self.failed),
            axis=self.axis or None,
            require=self.require,
            poke_interval=self.poke_interval,
            deadline=deadline,
        )

    def poke(self, context: Context) -> PokeReturnValue:
        """Ask for all orders once and decide."""
        from airflow_provider_orders.waiting.conditions import Outcome, StatusCondition, failure, order_ids

        try:
            if self._hook is None:
                self._hook = OrdersHook.for_connection(self.orders_conn_id)
            condition = StatusCondition.of(
                self._hook.api.order_model,
                wanted=self.wanted,
                failed=self.failed,
                axis=self.axis or None,
                require=self.require,
            )
            reports = self._ask(self._hook, condition, order_ids(self.order_id))
            if reports and condition.decide(reports) is Outcome.FAILED:
                raise failure(condition.axis, reports)
        except errors.OrdersError as error:
            self._fail(error)
        if not reports:
            return PokeReturnValue(is_done=False)
        log.info("Waiting for %s: %s", condition.axis, condition.describe(reports))
        return PokeReturnValue(
            is_done=condition.decide(reports) is Outcome.MET,
            xcom_value={"axis": condition.axis, "orders": reports},
        )

    def _ask(self, hook: OrdersHook, condition: StatusCondition, asked: list[str]) -> list[OrderReport]:
        """Ask for all orders; nothing in the case of an outage, which is waited out."""
        self._asked_to_wait_s = 0.0
        try:
            raws = hook.get_conn().fetch_orders(asked, by=self.by)
        except errors.RateLimitedError as error:
            self._asked_to_wait_s = error.retry_after_s or 0.0
            log.warning("%s Asking again in %g s.", error, max(self.poke_interval, self._asked_to_wait_s))
            return []
        except errors.ApiUnavailableError as error:
            log.warning("%s Asking again in %g s.", error, self.poke_interval)
            return []
        model = hook.api.order_model
        return [
            condition.report(order_id, model.parse(raw)) for order_id, raw in zip(asked, raws, strict=True)
        ]

    def _get_next_poke_interval(
        self, started_at: Any, run_duration: Callable[[], float], poke_count: int
    ) -> float:
        """Wait for as long as the API asks for, within the time that is left; Airflow's own interval otherwise."""
        usual: float = super()._get_next_poke_interval(started_at, run_duration, poke_count)
        return max(usual, min(self._asked_to_wait_s, self.timeout - run_duration()))

    def execute_complete(self, context: Context, event: Any) -> dict[str, Any]:
        """Take the trigger's event: give the result, or raise what a poke would have raised.

        :raises OrdersError: as from a poke; an event that cannot be understood is one as well.
        """
        status = event.get("status") if isinstance(event, Mapping) else None
        if status == "timeout":
            raise AirflowSensorTimeout(
                f"The orders did not reach the wanted status within {self.timeout:g} s."
            )
        if status == "error":
            raise _error(event)
        if status not in ("met", "failed") or not _has_reports(
            event
        ):  # a tuple: the status may be unhashable
            raise errors.OrdersError("The trigger ended with an event that this sensor does not know.")
        if status == "met":
            return {"axis": event["axis"], "orders": event["orders"]}
        from airflow_provider_orders.waiting.conditions import failure

        raise failure(event["axis"], event["orders"])

    def _fail(self, error: errors.OrdersError) -> NoReturn:
        # A deferred sensor honours soft_fail for every error, a poking one for time-outs only; the check before it
        # defers knows neither option. Here all modes agree.
        for option in ("soft_fail", "never_fail"):
            if getattr(self, option):
                raise AirflowSkipException(f"Skipping due to {option} is set to True.") from error
        raise error


def _plain(words: str | Sequence[str] | None) -> str | list[str] | None:
    return words if words is None or isinstance(words, str) else list(words)


def _error(event: Mapping[str, Any]) -> errors.OrdersError:
    """Make the error that the trigger met."""
    kind: Any = getattr(errors, str(event.get("kind")), None)
    message = str(event.get("message") or "The trigger met an error that it did not describe.")
    try:
        error = kind(message, **event["details"])
    except (KeyError, TypeError):  # from another version of this package
        return errors.OrdersError(message)
    return error if isinstance(error, errors.OrdersError) else errors.OrdersError(message)


def _has_reports(event: Mapping[str, Any]) -> bool:
    """Tell whether an event holds the axis and a report of each order."""
    reports = event.get("orders")
    return (
        isinstance(event.get("axis"), str)
        and isinstance(reports, list)
        and bool(reports)
        and all(isinstance(report, dict) and report.keys() >= _REPORT for report in reports)
    )
