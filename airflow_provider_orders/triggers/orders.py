"""The trigger that watches orders from the triggerer, holding no worker slot."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_orders.hooks.orders import OrdersHook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from airflow_provider_orders.errors import OrdersError
    from airflow_provider_orders.http.aio import AsyncClient
    from airflow_provider_orders.waiting.conditions import OrderReport

__all__ = ["OrderStatusTrigger"]

log = logging.getLogger(__name__)


class OrderStatusTrigger(BaseTrigger):
    """Polls orders until they reach a wanted status, a failed one, or the deadline.

    It fires one event, a plain dict: ``status`` is ``met``, ``failed``, ``timeout`` or ``error``; ``orders`` holds a
    report per order; an error comes with ``kind`` and ``message``. Outages and rate limits are waited out.

    :param orders_conn_id: id of the connection.
    :param order_id: ids or references of the orders.
    :param by: ``id`` or ``reference``.
    :param wanted: statuses that end the wait well; the vendor's default where None.
    :param failed: statuses that end it badly; the vendor's default where None.
    :param axis: ``order``, ``payment`` or ``fulfillment``; the vendor's default where None.
    :param require: ``all`` or ``any`` of the orders.
    :param poke_interval: seconds between two polls.
    :param deadline: when to give up, in seconds since the epoch; a restart of the triggerer does not move it.
    """

    def __init__(
        self,
        *,
        orders_conn_id: str,
        order_id: Sequence[str],
        deadline: float,
        by: str = "id",
        wanted: str | Sequence[str] | None = None,
        failed: str | Sequence[str] | None = None,
        axis: str | None = None,
        require: str = "all",
        poke_interval: float = 60.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.orders_conn_id = orders_conn_id
        self.order_id = list(order_id)
        self.deadline = deadline
        self.by = by
        self.wanted = wanted
        self.failed = failed
        self.axis = axis
        self.require = require
        self.poke_interval = poke_interval
        self._asked_to_wait_s = 0.0

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
                "axis": self.axis,
                "require": self.require,
                "poke_interval": self.poke_interval,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Watch until the wait is over."""
        from airflow_provider_orders.errors import OrdersError

        try:
            event = await self._watch()
        except OrdersError as error:
            event = {"status": "error", "orders": [], **_error_fields(error)}
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _watch(self) -> dict[str, Any]:
        from airflow_provider_orders.waiting.conditions import Outcome, StatusCondition

        hook = await OrdersHook.afor_connection(self.orders_conn_id)
        condition = StatusCondition.of(
            hook.api.order_model, wanted=self.wanted, failed=self.failed, axis=self.axis, require=self.require
        )
        reports: list[OrderReport] = []
        async with hook.get_async_client() as client:
            while True:
                polled = await self._poll(client, condition)
                reports = polled or reports
                outcome = condition.decide(reports) if polled else Outcome.WAITING
                if outcome is not Outcome.WAITING:
                    return {"status": outcome.value, "orders": reports, "axis": condition.axis}
                remaining = self.deadline - time.time()
                if remaining <= 0:
                    return {"status": "timeout", "orders": reports, "axis": condition.axis}
                if reports:
                    log.info("Waiting for %s: %s", condition.axis, condition.describe(reports))
                await asyncio.sleep(min(max(self.poke_interval, self._asked_to_wait_s), remaining))

    async def _poll(self, client: AsyncClient, condition: Any) -> list[OrderReport]:
        """Ask for all orders; nothing in the case of an outage, which is waited out."""
        from airflow_provider_orders.errors import ApiUnavailableError, RateLimitedError

        self._asked_to_wait_s = 0.0
        patience = max(1.0, self.deadline - time.time())
        try:
            async with asyncio.timeout(patience):
                raws = await client.fetch_orders(self.order_id, by=self.by)
        except TimeoutError:
            log.warning("No answer until the deadline")
            return []
        except RateLimitedError as error:
            self._asked_to_wait_s = error.retry_after_s or 0.0
            log.warning("%s Asking again in %g s.", error, max(self.poke_interval, self._asked_to_wait_s))
            return []
        except ApiUnavailableError as error:
            log.warning("%s Asking again in %g s.", error, self.poke_interval)
            return []
        model = client.api.order_model
        return [
            condition.report(asked, model.parse(raw)) for asked, raw in zip(self.order_id, raws, strict=True)
        ]


def _error_fields(error: OrdersError) -> dict[str, Any]:
    """Give what is needed to raise the same error on the worker."""
    details = {name: value for name, value in vars(error).items() if value is not None}
    return {"kind": type(error).__name__, "message": details.pop("message"), "details": details}
