"""Parts of an export, for dynamic task mapping: Airflow's own executors spread them over the workers."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import conf

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.export import windows

if TYPE_CHECKING:
    from datetime import date, datetime, timedelta

__all__ = ["plan_ambassadors", "plan_windows"]


def plan_windows(
    start: datetime | date | str,
    end: datetime | date | str,
    *,
    every: str | timedelta = "month",
    timezone: str = "UTC",
    by: str = "created",
) -> list[dict[str, str]]:
    """Split a span of time into windows, one mapped export each.

    It sends nothing, so that it may be called while the DAG is read, or in a task::

        @task
        def plan(year: int) -> list[dict[str, str]]:
            return plan_windows(f"{year}-01-01", f"{year + 1}-01-01", every="month", timezone="Europe/Paris")


        OrdersToObjectStorageOperator.partial(task_id="export", orders_conn_id="genuka_default").expand_kwargs(plan(2025))

    The windows join without an overlap. Months, weeks (from Monday) and days begin at midnight of the zone, also where
    the clocks change.

    :param start: where the span begins: an aware datetime, its ISO text, or a date, which means its midnight in the zone.
    :param end: where it ends, not included.
    :param every: ``month``, ``week``, ``day``, ``hour``, or a timedelta, which is counted from ``start``.
    :param timezone: the zone whose midnights and full hours count.
    :param by: ``created`` puts each order into one window, whatever happens to it meanwhile; ``updated`` is for what
        changed in the span: an order that changes while the windows are read leaves its window for a later one. Dipli's
        orders do not say when they changed, so that each window of updates would hold all later ones too.
    :return: one dict a window, such as ``{"created_from": "2025-01-01T00:00:00+01:00", "created_to": ...}``.
    :raises ConfigurationError: an argument cannot be meant, or there would be more windows than Airflow maps.
    """
    return windows.plan_windows(start, end, every=every, timezone=timezone, by=by, most=_most_parts())


def plan_ambassadors(orders_conn_id: str) -> list[dict[str, int]]:
    """List the ambassadors of a Popsell connection, one mapped export each. It asks Popsell: call it in a task.

    ::

        OrdersToObjectStorageOperator.partial(task_id="export", orders_conn_id="popsell_default").expand_kwargs(
            task(plan_ambassadors)("popsell_default")
        )

    Orders without an ambassador are in none of the parts.

    :param orders_conn_id: id of the connection.
    :return: one dict an ambassador: ``{"ambassador_id": 42}``.
    :raises ConfigurationError: the connection is to another vendor, or there are more ambassadors than Airflow maps.
    """
    from airflow_provider_orders.hooks.orders import OrdersHook
    from airflow_provider_orders.hooks.popsell import PopsellHook

    most = _most_parts()
    with OrdersHook.for_connection(orders_conn_id) as hook:
        if not isinstance(hook, PopsellHook):
            raise ConfigurationError(
                f"Connection {orders_conn_id!r} is to {hook.hook_name}; only Popsell has ambassadors.",
                field="orders_conn_id",
            )
        found = [person.id_ambassador for person in islice(hook.iter_ambassadors(), most + 1)]
    if len(found) > most:
        raise ConfigurationError(
            f"There are more than {most} ambassadors, and Airflow maps a task at most that often "
            "([core] max_map_length). Raise it, or export without ambassador_id: one task brings the orders of all.",
            field="orders_conn_id",
        )
    return [{"ambassador_id": ambassador} for ambassador in found if ambassador is not None]


def _most_parts() -> int:
    return int(conf.getint("core", "max_map_length", fallback=windows.MOST_PARTS))
