"""What every sensor shares: the three modes with the same results, the deadline, outages, and the errors of a trigger."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSensorTimeout, AirflowSkipException, conf
from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_orders import errors
from airflow_provider_orders.hooks.orders import OrdersHook
from airflow_provider_orders.lineage.mixin import ReportsLineageMixin
from airflow_provider_orders.links.orders import NotesLinksMixin
from airflow_provider_orders.operators.retries import retry_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context, RetryPolicy
    from airflow.triggers.base import BaseTrigger

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.http.sync import SyncClient

__all__ = ["BaseOrdersSensor"]

log = logging.getLogger(__name__)

_UNAVAILABLE_SINCE = "orders_unavailable_since"


class BaseOrdersSensor(NotesLinksMixin, ReportsLineageMixin, BaseSensorOperator):
    """Polls, is rescheduled, or defers to a trigger after a first look.

    :param orders_conn_id: id of the connection; its type chooses the API. (templated)
    :param deadline: when the wait fails, beside ``timeout``; the earlier one counts. An aware datetime or its ISO 8601
        text. (templated)
    :param max_unavailable: seconds, or a timedelta, for which the API may be out of reach without a break, an hour by
        default; then the wait fails with the last cause. In the mode reschedule the count outlasts a poke on Airflow 3.3 and
        later only.
    :param deferrable: wait in the triggerer; Airflow's ``[operators] default_deferrable`` where not given.
    :param retry_policy: Airflow 3.3: decides about retries in place of
        :class:`~airflow_provider_orders.operators.retries.OrdersRetryPolicy`.
    """

    def __init__(
        self,
        *,
        orders_conn_id: str,
        deadline: datetime | str | None = None,
        max_unavailable: float | timedelta = timedelta(hours=1),
        deferrable: bool | None = None,
        retry_policy: RetryPolicy | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**retry_options(retry_policy), **kwargs)
        self.orders_conn_id = orders_conn_id
        self.deadline = deadline
        self.max_unavailable = max_unavailable
        self.deferrable = deferrable
        self._hook: OrdersHook | None = None
        self._asked_to_wait_s = 0.0
        self._unavailable_since: float | None = None
        self._is_waiting = False

    @abstractmethod
    def _request(self, context: Context) -> Any:
        """Say what is waited for.

        :raises ConfigurationError: an argument cannot be meant.
        """

    @abstractmethod
    def _look(self, client: SyncClient, request: Any) -> Any:
        """Ask the API once."""

    @abstractmethod
    def _decide(self, request: Any, looked: Any) -> PokeReturnValue:
        """Tell whether what a look has brought ends the wait.

        :raises OrdersError: it ends badly.
        """

    @abstractmethod
    def _too_late(self) -> AirflowSensorTimeout:
        """Word the error for a wait whose time is up."""

    @abstractmethod
    def _trigger(self, context: Context, **waiting: Any) -> BaseTrigger:
        """Make the trigger that goes on looking.

        :param waiting: what all triggers take: the connection, when to look and when to give up.
        """

    @abstractmethod
    def _result(self, event: Mapping[str, Any]) -> Any:
        """Give the result that a trigger's event holds, None where it is not one of its events.

        :raises OrdersError: the wait has ended badly.
        """

    def execute(self, context: Context) -> Any:
        """Look once; then poll, be rescheduled, or defer."""
        from airflow_provider_orders.waiting.clock import CLOCK

        deferrable = self.deferrable
        if deferrable is None:
            deferrable = conf.getboolean("operators", "default_deferrable", fallback=False)
        try:
            if not deferrable:
                return super().execute(context)
            gives_up_at = CLOCK.now() + self.timeout
            checked = self._poke_before_deferral(context)
            if checked.is_done:
                return checked.xcom_value
        finally:
            if self._hook is not None:
                self._hook.close()
                self._hook = None
        deadline = self._deadline()
        trigger = self._trigger(
            context,
            orders_conn_id=self.orders_conn_id,
            deadline=gives_up_at if deadline is None else min(gives_up_at, deadline),
            poke_interval=self.poke_interval,
            max_unavailable=self._max_unavailable_s(),
            first_poll_at=CLOCK.now() + max(self.poke_interval, self._asked_to_wait_s),
            unavailable_since=self._unavailable_since,
        )
        return self.defer(
            trigger=trigger,
            method_name="execute_complete",
            # The trigger gives up by itself at the deadline; this catches one that no longer runs.
            timeout=timedelta(seconds=self.timeout + 600),
        )

    def _poke_before_deferral(self, context: Context) -> PokeReturnValue:
        try:
            return self.poke(context)
        except AirflowSensorTimeout as error:
            self._skip_if_soft(error)
            raise

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once and decide."""
        try:
            request, deadline = self._request(context), self._deadline()
            looked = self._look_through_outages(request, deadline, context)
            decided = PokeReturnValue(is_done=False) if looked is None else self._decide(request, looked)
        except errors.OrdersError as error:
            self._skip_if_soft(error)
            raise
        if not decided.is_done and self._is_late(deadline):
            raise self._too_late()
        return decided

    def _look_through_outages(self, request: Any, deadline: float | None, context: Context) -> Any:
        """Look once; None in the case of an outage, which is waited out."""
        max_unavailable_s = self._max_unavailable_s()
        if self._is_late(deadline):
            self._refuse_first_look_after_deadline(context)
        if self._hook is None:
            self._hook = OrdersHook.for_connection(self.orders_conn_id)
            self._report(self._hook.api)
        self._asked_to_wait_s = 0.0
        self._is_waiting = True
        try:
            looked = self._look(self._hook.get_conn(), request)
        except (errors.RateLimitedError, errors.ApiUnavailableError) as error:
            self._note_outage(error, max_unavailable_s, context)
            return None
        self._forget_outage(context)
        return looked

    def _report(self, api: OrderApi[Any]) -> None:
        """Tell whoever asks for lineage what is looked at."""
        self._note_account(api.settings.account)

    def _note_account(self, account: str) -> None:
        from airflow_provider_orders.lineage.datasets import LineageDataset

        self.note_lineage(LineageDataset.of_orders(account))

    def _note_outage(
        self,
        error: errors.RateLimitedError | errors.ApiUnavailableError,
        max_unavailable_s: float,
        context: Context,
    ) -> None:
        from airflow_provider_orders.waiting.clock import CLOCK

        now, store = CLOCK.now(), context.get("task_state_store")
        since = self._unavailable_since
        if since is None and store is not None and self.reschedule:
            noted = store.get(_UNAVAILABLE_SINCE)
            since = noted if isinstance(noted, float) else None
        if since is None:
            since = now
            if store is not None and self.reschedule:
                store.set(_UNAVAILABLE_SINCE, now)
        self._unavailable_since = since
        if now - since >= max_unavailable_s:
            self._forget_outage(context)
            raise error
        self._asked_to_wait_s = error.retry_after_s or 0.0
        log.warning("%s Asking again in %g s.", error, max(self.poke_interval, self._asked_to_wait_s))

    def _forget_outage(self, context: Context) -> None:
        store = context.get("task_state_store")
        if store is not None and self.reschedule and store.get(_UNAVAILABLE_SINCE) is not None:
            store.delete(_UNAVAILABLE_SINCE)
        self._unavailable_since = None

    def _max_unavailable_s(self) -> float:
        from airflow_provider_orders.waiting.deadlines import duration_s

        return duration_s(self.max_unavailable, "max_unavailable")

    def _deadline(self) -> float | None:
        from airflow_provider_orders.waiting.deadlines import moment_s

        # A template may have made nothing of it.
        return None if self.deadline is None or self.deadline == "" else moment_s(self.deadline)

    def _is_late(self, deadline: float | None) -> bool:
        from airflow_provider_orders.waiting.clock import CLOCK

        return deadline is not None and CLOCK.now() >= deadline

    def _refuse_first_look_after_deadline(self, context: Context) -> None:
        ti: Any = context.get("ti")
        has_begun = self._is_waiting or getattr(ti, "try_number", 1) > 1
        if not has_begun and self.reschedule:
            has_begun = ti.get_first_reschedule_date(context) is not None
        if not has_begun:
            raise errors.ConfigurationError(
                "deadline lies in the past, so that the wait would be over before it begins.",
                field="deadline",
            )

    def _get_next_poke_interval(
        self, started_at: Any, run_duration: Callable[[], float], poke_count: int
    ) -> float:
        """Wait for as long as the API asks for, within the time that is left; Airflow's own interval otherwise."""
        from airflow_provider_orders.waiting.clock import CLOCK

        usual: float = super()._get_next_poke_interval(started_at, run_duration, poke_count)
        interval = max(usual, min(self._asked_to_wait_s, self.timeout - run_duration()))
        deadline = self._deadline()
        return interval if deadline is None else max(0.0, min(interval, deadline - CLOCK.now()))

    def execute_complete(self, context: Context, event: Any) -> Any:
        """Take the trigger's event: give the result, or raise what a poke would have raised.

        :raises OrdersError: as from a poke; an event that cannot be understood is one as well.
        """
        status = event.get("status") if isinstance(event, Mapping) else None
        if status == "timeout":
            raise self._too_late()
        if status == "error":
            raise _error_of(event)
        result = self._result(event) if isinstance(event, Mapping) else None
        if result is None:
            raise errors.OrdersError("The trigger ended with an event that this sensor does not know.")
        if isinstance(account := event.get("account"), str):
            self._note_account(account)
        return result

    def _skip_if_soft(self, error: Exception) -> None:
        # A deferred sensor honours soft_fail for every error, a poking one for time-outs only; the check before it
        # defers knows neither option. Here all modes agree.
        for option in ("soft_fail", "never_fail"):
            if getattr(self, option):
                raise AirflowSkipException(f"Skipping due to {option} is set to True.") from error


def _error_of(event: Mapping[str, Any]) -> errors.OrdersError:
    """Make the error that the trigger met."""
    kind: Any = getattr(errors, str(event.get("kind")), None)
    message = str(event.get("message") or "The trigger met an error that it did not describe.")
    try:
        error = kind(message, **event["details"])
    except (KeyError, TypeError):  # from another version of this package
        return errors.OrdersError(message)
    return error if isinstance(error, errors.OrdersError) else errors.OrdersError(message)
