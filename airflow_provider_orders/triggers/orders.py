"""The trigger that watches orders from the triggerer, holding no worker slot."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any, Final

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_orders.errors import ConfigurationError, OrdersError
from airflow_provider_orders.hooks.orders import OrdersHook, is_not_found
from airflow_provider_orders.triggers.events import OrderEventTrigger, OrdersUpdatedTrigger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import jinja2
    from airflow.sdk import DAG

    from airflow_provider_orders.http.aio import AsyncClient
    from airflow_provider_orders.waiting.conditions import Words
    from airflow_provider_orders.waiting.waits import WaitRequest, WaitResult

__all__ = [
    "OrderEventTrigger", "OrderStatusTrigger", "OrdersUpdatedTrigger", "error_event", "is_first_start", "open_client",
]  # fmt: skip

log = logging.getLogger(__name__)

_LOOK_UP_AGAIN_S: Final = (5.0, 10.0, 15.0, 30.0, 60.0)
"""Pauses until a connection counts as missing: two minutes."""


class OrderStatusTrigger(BaseTrigger):
    """Watches orders until they reach a wanted status, a failed one, or the deadline.

    All triggers on the same connection share one client and one poll; see :mod:`airflow_provider_orders.waiting.poller`.

    It fires one event, a plain dict: ``status`` is ``met``, ``failed``, ``timeout`` or ``error``; ``orders`` holds a
    report per order, ``axes`` what it is about and ``account`` whose orders they are; an error comes with ``kind``,
    ``message`` and ``details``. Outages and rate limits are waited out for ``max_unavailable``; a restart of the triggerer
    begins that count anew. A connection that is not found is looked up again for two minutes.

    :param orders_conn_id: id of the connection.
    :param order_id: ids or references of the orders.
    :param deadline: when to give up: seconds since the epoch, or an ISO 8601 text with a time zone; a restart of the
        triggerer does not move it. None for when Airflow itself gives up.
    :param by: ``id`` or ``reference``.
    :param wanted: statuses that end the wait well; the vendor's default where None.
    :param failed: statuses that end it badly; the vendor's default where None.
    :param ignored: statuses that do neither, although the defaults say so.
    :param axis: ``order``, ``payment`` or ``fulfillment``; the vendor's default where None.
    :param require: ``all`` or ``any`` of the orders.
    :param at_least: how many of the orders, in place of ``require``.
    :param not_found: ``fail`` where an order is not there, or ``wait`` until it is.
    :param poke_interval: seconds between two polls.
    :param max_unavailable: seconds for which the API may be out of reach without a break.
    :param first_poll_at: when to look for the first time, in seconds since the epoch; None for soon.
    :param unavailable_since: since when the API has been out of reach, in seconds since the epoch, as the worker saw it;
        it counts before ``first_poll_at`` only.
    """

    def __init__(
        self,
        *,
        orders_conn_id: str,
        order_id: str | int | Sequence[str | int],
        deadline: float | str | None = None,
        by: str = "id",
        wanted: Words = None,
        failed: Words = None,
        ignored: Words = None,
        axis: str | None = None,
        require: str = "all",
        at_least: int | str | None = None,
        not_found: str = "fail",
        poke_interval: float = 60.0,
        max_unavailable: float = 3600.0,
        first_poll_at: float | None = None,
        unavailable_since: float | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.orders_conn_id = orders_conn_id
        self.order_id = order_id
        self.deadline = deadline
        self.by = by
        self.wanted = wanted
        self.failed = failed
        self.ignored = ignored
        self.axis = axis
        self.require = require
        self.at_least = at_least
        self.not_found = not_found
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
                "order_id": self.order_id,
                "deadline": self.deadline,
                "by": self.by,
                "wanted": self.wanted,
                "failed": self.failed,
                "ignored": self.ignored,
                "axis": self.axis,
                "require": self.require,
                "at_least": self.at_least,
                "not_found": self.not_found,
                "poke_interval": self.poke_interval,
                "max_unavailable": self.max_unavailable,
                "first_poll_at": self.first_poll_at,
                "unavailable_since": self.unavailable_since,
            },
        )

    @property
    def render_template_as_native_obj(self) -> bool:
        """Whether a template gives a value rather than text: as the task's DAG, or the task itself, wants it."""
        task: Any = self.task
        wanted = getattr(task, "render_template_as_native_obj", None)
        return bool(task and task.dag.render_template_as_native_obj) if wanted is None else wanted

    def get_template_env(self, dag: DAG | None = None) -> jinja2.Environment:
        """Give what a trigger that a task starts from is rendered with: Airflow's own knows of text only."""
        rendering = super().get_template_env(dag)
        if not self.render_template_as_native_obj:
            return rendering
        from jinja2.nativetypes import NativeEnvironment

        native = NativeEnvironment(cache_size=0)
        native.filters.update(rendering.filters)
        return native

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Watch until the wait is over."""
        from airflow_provider_orders.waiting.poller import watch

        try:
            request = self._request()
        except ConfigurationError as error:
            yield TriggerEvent(error_event(error))  # type: ignore[no-untyped-call]
            return
        opening = functools.partial(open_client, self.orders_conn_id)
        yield TriggerEvent(_event(await watch(self.orders_conn_id, opening, request)))  # type: ignore[no-untyped-call]

    def _request(self) -> WaitRequest:
        from airflow_provider_orders.waiting.deadlines import duration_s, moment_s
        from airflow_provider_orders.waiting.waits import WaitRequest

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
            deadline=None if self.deadline in (None, "") else moment_s(self.deadline),
            interval_s=duration_s(self.poke_interval, "poke_interval"),
            max_unavailable_s=duration_s(self.max_unavailable, "max_unavailable"),
            first_poll_at=self.first_poll_at,
            unavailable_since=self.unavailable_since if is_first_start(self.first_poll_at) else None,
        )


async def open_client(orders_conn_id: str) -> AsyncClient:
    """Look a connection up, for two minutes if need be, and open a client for it.

    A secrets backend, or an API server that restarts along with the triggerer, would end every wait otherwise.

    :raises ConfigurationError: it is not there, not one of this package's types, or incomplete.
    """
    from airflow_provider_orders.waiting.clock import CLOCK

    for pause_s in _LOOK_UP_AGAIN_S:
        try:
            return await _look_up_and_open(orders_conn_id)
        except ConfigurationError as error:
            if not is_not_found(error):
                raise
            log.warning("%s Looking it up again in %g s.", error, pause_s)
        await CLOCK.sleep(pause_s)
    return await _look_up_and_open(orders_conn_id)


async def _look_up_and_open(orders_conn_id: str) -> AsyncClient:
    hook = await OrdersHook.afor_connection(orders_conn_id)
    return hook.get_async_client()


def is_first_start(first_poll_at: float | None) -> bool:
    """Tell whether the worker of a trigger has looked just now, rather than before the triggerer was restarted.

    :param first_poll_at: when the worker wants the trigger to look for the first time.
    """
    from airflow_provider_orders.waiting.clock import CLOCK

    return first_poll_at is not None and first_poll_at > CLOCK.now()


def error_event(error: OrdersError) -> dict[str, Any]:
    """Give what is needed to raise the same error on the worker."""
    details = {name: value for name, value in vars(error).items() if value is not None}
    return {
        "status": "error",
        "orders": [],
        "kind": type(error).__name__,
        "message": details.pop("message"),
        "details": details,
    }


def _event(result: WaitResult) -> dict[str, Any]:
    if result.error is not None:
        return error_event(result.error)
    return {
        "status": result.status,
        "account": result.account,
        "axes": list(result.axes),
        "orders": result.reports,
    }
