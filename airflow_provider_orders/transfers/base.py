"""What the transfers share: which orders, read how, and as whose work."""

from __future__ import annotations

import logging
from abc import abstractmethod
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_orders.assets.orders import check_outlets, note_export
from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.operators.base import BaseOrdersOperator
from airflow_provider_orders.operators.retries import gives_slot_back, open_hook
from airflow_provider_orders.operators.targets import run_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from airflow.sdk import Context

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.apis.query import OrderQuery
    from airflow_provider_orders.export.columns import Column
    from airflow_provider_orders.export.manifest import Manifest
    from airflow_provider_orders.export.sinks.base import Sink

__all__ = ["BaseOrdersTransfer"]

log = logging.getLogger(__name__)

_WINDOW = frozenset({"updated_from", "updated_to", "created_from", "created_to"})


class BaseOrdersTransfer(BaseOrdersOperator):
    """Exports orders into a target, each once, none missing.

    :param mode: ``incremental``: from the watermark that the last export into this target left; ``window``: what
        was changed (or created) in a window, by default in the run's data interval; ``full``: every order. Without it,
        ``window`` where a window is given and ``full`` where none is. In a backfill, ``incremental`` means the window of the
        run, and leaves the watermark alone. (templated)
    :param lookback: seconds, or a timedelta: how far before the watermark an incremental export begins again, where the
        vendor filters to the second; five minutes by default. What comes again unchanged is not repeated.
    :param sweep_days: for how many days after it was placed an order is looked at again by incremental exports, where the
        vendor cannot filter by update (Popsell). (templated)
    :param on_reject: ``fail``: an order that is not what the vendor documents stops the export, and the target stays as it
        was; ``keep``: it is kept apart, with the reason.
    :param on_drift: ``log``: a field that is new, has vanished or has another type since the last export is logged and
        put into the manifest; ``fail``: it stops the export before it commits.
    :param limit: orders to write at the most, None for all; not with ``incremental``. (templated)
    """

    template_fields: Sequence[str] = (*BaseOrdersOperator.template_fields, "mode", "sweep_days", "limit")

    def __init__(
        self,
        *,
        mode: str | None = None,
        lookback: timedelta | float = timedelta(minutes=5),
        sweep_days: int | str = 30,
        on_reject: str = "fail",
        on_drift: str = "log",
        limit: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mode = mode
        self.lookback = lookback
        self.sweep_days = sweep_days
        self.on_reject = on_reject
        self.on_drift = on_drift
        self.limit = limit

    @abstractmethod
    def sink(self, vendor: str, context: Context) -> Sink[Any]:
        """Give the target, not opened yet.

        :param vendor: the connection's type.
        :raises ConfigurationError: an argument cannot be meant.
        """

    @abstractmethod
    def columns(self, api: OrderApi[Any]) -> Callable[[], tuple[Column, ...]]:
        """Give what reads the columns of what is written."""

    @gives_slot_back
    def execute(self, context: Context) -> dict[str, Any]:
        """Export the orders."""
        from airflow_provider_orders.apis.query import whole_number
        from airflow_provider_orders.export.manifest import without_long_lists
        from airflow_provider_orders.export.plan import check_plan, read_lookback
        from airflow_provider_orders.export.run import export_orders

        limit = None if self.limit is None or self.limit == "" else whole_number("limit", self.limit)
        mode, query = self.mode_and_query(context)
        lookback, sweep_days = read_lookback(self.lookback), _days("sweep_days", self.sweep_days)
        check_outlets(self.outlets, self.orders_conn_id)
        with open_hook(self.orders_conn_id) as hook:
            # Before the target is touched.
            check_plan(hook.api, query, mode=mode, limit=limit, lookback=lookback, sweep_days=sweep_days)
            with self.sink(hook.conn_type, context) as sink:
                manifest = export_orders(
                    hook.get_conn(),
                    query,
                    sink,
                    mode=mode,
                    on_reject=self.on_reject,
                    on_drift=self.on_drift,
                    limit=limit,
                    lookback=lookback,
                    sweep_days=sweep_days,
                    run_key=run_key(context),
                )
            self._report(manifest, hook.api, context)
        log.info(
            "Exported %d orders of %s to %s in %.1f s: %d unchanged, %d rejected",
            manifest["rows"], hook.hook_name, manifest["uri"], manifest["seconds"], manifest["unchanged"],
            manifest["rejected"],
        )  # fmt: skip
        for gap in manifest["can_miss"]:
            log.info("It can miss: %s", gap)
        return dict(without_long_lists(manifest))

    def _report(self, manifest: Manifest, api: OrderApi[Any], context: Context) -> None:
        """Tell Airflow of an export that was committed: its assets, and whoever asks for lineage."""
        from airflow_provider_orders.lineage.datasets import LineageDataset

        note_export(manifest, outlets=self.outlets, context=context)
        self.note_lineage(
            LineageDataset.of_orders(manifest["account"]),
            outputs=(LineageDataset.of_manifest(manifest, self.columns(api)),),
        )

    def mode_and_query(self, context: Context) -> tuple[str | None, OrderQuery]:
        """Give the mode and the filters, with the run's window where one is wanted and none is given.

        :raises ConfigurationError: one cannot be meant.
        """
        query = self.query()
        mode = self.mode or None
        if mode == "incremental" and _run_type(context) == "backfill":
            log.info("This is a backfill: it exports the window of its run, and leaves the watermark alone")
            mode = "window"
        if mode == "window" and not query.asked & _WINDOW:
            query = _in_window_of_run(query, context)
        return mode, query


def _in_window_of_run(query: OrderQuery, context: Context) -> OrderQuery:
    """Put the run's data interval into a query.

    A plain cron schedule of Airflow 3 and a manual run have an interval of no length, or none: then it is the time
    since the last run that succeeded, so that the windows of the runs join.
    """
    start: datetime | None = context.get("data_interval_start")
    end: datetime | None = context.get("data_interval_end")
    if start is None or end is None or start >= end:
        end = end or context["dag_run"].run_after
        last = context.get("prev_data_interval_end_success")
        start = min(last, end) if last else None
        log.info(
            "The run has no data interval of its own: the window begins %s",
            f"at the end of the last successful run's, {start.isoformat()}"
            if start
            else "with the first order, as no run has succeeded before",
        )
    return replace(query, updated_from=start, updated_to=end)


def _run_type(context: Context) -> str:
    dag_run = context.get("dag_run")
    return str(getattr(getattr(dag_run, "run_type", ""), "value", getattr(dag_run, "run_type", "")))


def _days(name: str, value: float | str) -> int:
    text = str(value).strip()
    if not (text.isascii() and text.isdigit()):
        raise ConfigurationError(f"{name} must be a whole number of days from 0.", field=name)
    return int(text)
