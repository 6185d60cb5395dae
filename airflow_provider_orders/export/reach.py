"""How far a reading has come, from the orders that it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_orders.errors import UnexpectedPayloadError

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_orders.export.plan import SyncPlan
    from airflow_provider_orders.export.record import Record
    from airflow_provider_orders.export.state import SyncState

__all__ = ["Reach"]


class Reach:
    """What the next reading begins at. It reads a date of an order only where the plan needs it.

    :param plan: how the orders are read.
    """

    __slots__ = ("_lowest_id", "_newest_change", "_newest_id", "_plan")

    def __init__(self, plan: SyncPlan) -> None:
        self._plan = plan
        self._newest_change: datetime | None = None
        self._newest_id: int | None = None
        self._lowest_id: int | None = None

    def note(self, record: Record) -> None:
        """Take note of an order that is part of what is read.

        :raises UnexpectedPayloadError: the date of its last change cannot be read.
        """
        plan = self._plan
        if plan.by_update:
            changed = record.times[1]
            if changed is not None and (self._newest_change is None or changed > self._newest_change):
                self._newest_change = changed
            return
        number = int(record.identity) if record.identity.isdigit() else 0
        self._newest_id = max(number, self._newest_id or 0) or None
        is_lowest = self._lowest_id is None or number < self._lowest_id
        if plan.swept_from is not None and is_lowest and _is_since(plan.swept_from, record):
            self._lowest_id = number

    def next_state(self, state: SyncState | None, *, run_key: str) -> SyncState:
        """Give the state after the reading.

        :param state: the state before it.
        :param run_key: the task instance.
        """
        return self._plan.next_state(
            state,
            newest_change=self._newest_change,
            newest_id=self._newest_id,
            lowest_id=self._lowest_id,
            run_key=run_key,
        )


def _is_since(moment: datetime, record: Record) -> bool:
    """Tell whether an order was entered since then, or may have been."""
    try:
        entered = record.entered
    except UnexpectedPayloadError:  # a date that the target may not need
        return True
    return entered is None or entered >= moment
