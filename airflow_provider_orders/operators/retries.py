"""What becomes of a task that the vendor turned away: it comes back later, and holds no worker meanwhile.

====================  ===============================================  ===============================================
Error                 Airflow 3.3 and later                            Airflow 3.1 and 3.2
====================  ===============================================  ===============================================
``Retry-After``       a retry after that long; deferred for that long  deferred for that long
                      where no retry is left
other outage          a retry after the task's ``retry_delay``         the same
credentials,          failed at once                                   failed at once
arguments
a connection that     a retry after the task's ``retry_delay``         the same
is not found
anything else         as for every task                                as for every task
====================  ===============================================  ===============================================

A task with a ``retry_policy`` of its own follows that alone.
"""

from __future__ import annotations

import functools
import logging
import random
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

import airflow.sdk
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import BaseOperator

from airflow_provider_orders.errors import (
    ApiUnavailableError,
    AuthenticationError,
    ConfigurationError,
    OrdersError,
    PermissionDeniedError,
    RateLimitedError,
)
from airflow_provider_orders.hooks.orders import OrdersHook, is_not_found
from airflow_provider_orders.lineage.mixin import ReportsLineageMixin
from airflow_provider_orders.links.orders import NotesLinksMixin

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context, RetryDecision, RetryPolicy
else:
    RetryPolicy = getattr(airflow.sdk, "RetryPolicy", object)

__all__ = ["BaseRetryingOperator", "OrdersRetryPolicy", "gives_slot_back", "open_hook", "retry_options"]

log = logging.getLogger(__name__)

_Execute = TypeVar("_Execute", bound="Callable[..., Any]")

_HAS_RETRY_POLICIES = hasattr(airflow.sdk, "RetryPolicy")

# Limits are counted by the minute as a rule. Within one, sleeping costs less than starting the task again, and keeps what
# it has read so far; beyond it, the slot is worth more.
_LONGEST_SLEEP_S = 60.0

_LONGEST_PAUSE_S = 3600.0
"""The cap of a Retry-After, and of all pauses of one try together."""

_TRIGGERER_MARGIN_S = 600.0

_FINAL = (AuthenticationError, PermissionDeniedError, ConfigurationError)
"""Errors that stay until somebody corrects the connection or the arguments."""


class OrdersRetryPolicy(RetryPolicy):
    """Retries when the vendor wants to be asked again, and not at all where the credentials or arguments are wrong.

    The operators carry it by themselves. Give it to a task of your own that uses a hook::

        @task(retries=3, retry_policy=OrdersRetryPolicy())
        def count_orders() -> int: ...

    It decides about the retries that a task has, and gives it no more. It needs Airflow 3.3.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide about one failure."""
        from airflow.sdk import RetryDecision

        del try_number, max_tries, context
        if _is_final(exception):
            return RetryDecision.fail(f"{type(exception).__name__}: trying again changes nothing.")
        pause_s = _pause_s(exception)
        if pause_s is None:
            return RetryDecision.default()
        return RetryDecision.retry(
            timedelta(seconds=pause_s), f"{type(exception).__name__}: the vendor asks to come back later."
        )


def retry_options(retry_policy: RetryPolicy | None) -> dict[str, Any]:
    """Give the argument with which a task gets its retry policy, ours where it has none; nothing before Airflow 3.3."""
    if retry_policy is None and not _HAS_RETRY_POLICIES:
        return {}
    return {"retry_policy": OrdersRetryPolicy() if retry_policy is None else retry_policy}


def open_hook(orders_conn_id: str) -> OrdersHook:
    """Give the hook of a connection, whose client leaves waits beyond a minute to Airflow.

    :raises ConfigurationError: the connection is not one of this package's types, or is incomplete.
    """
    from airflow_provider_orders.http.policy import RetryPolicy as RequestPolicy

    hook = OrdersHook.for_connection(orders_conn_id)
    hook.policy = RequestPolicy(max_retry_after_s=_LONGEST_SLEEP_S)
    return hook


class BaseRetryingOperator(NotesLinksMixin, ReportsLineageMixin, BaseOperator):
    """Comes back later when the vendor asks for it; its ``execute`` is marked with :func:`gives_slot_back`.

    :param retry_policy: Airflow 3.3: decides about retries in place of :class:`OrdersRetryPolicy`.
    """

    def __init__(self, *, retry_policy: RetryPolicy | None = None, **kwargs: Any) -> None:
        super().__init__(**retry_options(retry_policy), **kwargs)
        self._paused_s = 0.0

    def execute_again(self, context: Context, event: Any = None) -> Any:
        """Execute after a pause."""
        paused_s = event.get("paused_s") if isinstance(event, dict) else None
        if not isinstance(paused_s, int | float):
            raise OrdersError("The pause ended with an event that is none of its trigger's; clear the task.")
        self._paused_s = float(paused_s)
        return self.execute(context)

    def give_slot_back(self, error: OrdersError, context: Context) -> None:
        """Defer until the vendor will answer, or fail for good; return where the error itself is the better way."""
        from airflow_provider_orders.triggers.pauses import PauseTrigger

        ti = context.get("ti")
        if ti is None:
            return  # called by hand
        policy = getattr(self, "retry_policy", None)
        if policy is None and _is_final(error):
            raise _without_retries(error) from None
        asked_s, rest_s = _pause_s(error), _LONGEST_PAUSE_S - self._paused_s
        if asked_s is None or rest_s <= 0:
            return
        if policy is not None and (
            not isinstance(policy, OrdersRetryPolicy) or ti.try_number <= ti.max_tries
        ):
            return
        pause_s = min(asked_s, rest_s)
        log.warning("%s The task gives its slot back and goes on in %.0f s.", error, pause_s)
        self.defer(
            trigger=PauseTrigger(until=time.time() + pause_s, paused_s=self._paused_s + pause_s),
            method_name="execute_again",
            # Without a triggerer the task fails then, and does not wait for ever.
            timeout=timedelta(seconds=pause_s + _TRIGGERER_MARGIN_S),
        )


def gives_slot_back(execute: _Execute) -> _Execute:
    """Mark the ``execute`` of an operator that comes back later."""

    @functools.wraps(execute)
    def execute_or_give_slot_back(operator: BaseRetryingOperator, context: Context) -> Any:
        try:
            return execute(operator, context)
        except OrdersError as error:
            operator.give_slot_back(error, context)
            raise

    return cast("_Execute", execute_or_give_slot_back)


def _is_final(error: BaseException) -> bool:
    return isinstance(error, _FINAL) and not is_not_found(error)


def _pause_s(error: BaseException) -> float | None:
    """Give the seconds after which the vendor wants to be asked again, None where it does not say."""
    if not isinstance(error, RateLimitedError | ApiUnavailableError) or not error.retry_after_s:
        return None
    # Not all at the same moment: the tasks of a mapped export are turned away together.
    return min(error.retry_after_s * random.uniform(1.0, 1.1), _LONGEST_PAUSE_S)  # noqa: S311 - no cryptography


def _without_retries(error: OrdersError) -> OrdersError:
    """Give the same error, of the same class, as one after which Airflow does not try again."""
    kind = type(error)
    final: type[OrdersError] = type(
        kind.__name__, (kind, AirflowFailException), {"__module__": kind.__module__, "__doc__": kind.__doc__}
    )
    copy = final.__new__(final, *error.args)
    vars(copy).update(vars(error))
    return copy.with_traceback(error.__traceback__)
