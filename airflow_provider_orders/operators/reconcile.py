"""The operator that compares what a vendor has with what was written."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_orders.errors import ConfigurationError, OrdersError
from airflow_provider_orders.operators import planning, targets
from airflow_provider_orders.operators.base import BaseOrdersOperator
from airflow_provider_orders.operators.retries import gives_slot_back, open_hook

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta
    from pathlib import PurePath

    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.apis.query import OrderQuery
    from airflow_provider_orders.export.reconcile import Reconciliation
    from airflow_provider_orders.export.windows import Window
    from airflow_provider_orders.http.sync import SyncClient

__all__ = ["ReconcileOrdersOperator"]

log = logging.getLogger(__name__)

_ON_DIFFERENCE = ("report", "fail")


class ReconcileOrdersOperator(BaseOrdersOperator):
    """Compares a vendor's own totals, or its orders, with what was written, and says what to export again.

    ``depth="totals"`` compares counts: one small request a window where the vendor filters exactly. ``depth="orders"`` reads
    the orders and compares ids, amounts and content. What was written is read from the files of a folder, of which the
    newest version of each order counts, from the table of a database, or, for counts, from manifests alone.

    The windows to repair are arguments for a mapped export into the same target::

        reconcile = ReconcileOrdersOperator(
            task_id="reconcile", orders_conn_id="genuka_default", path="s3://lake@bucket/orders", depth="orders",
            created_from="2025-01-01T00:00:00Z", created_to="2026-01-01T00:00:00Z", split_every="month",
        )

        @task
        def to_repair(report: Any) -> list[dict[str, str]]:
            return report["windows_to_repair"]

        OrdersToObjectStorageOperator.partial(
            task_id="repair", orders_conn_id="genuka_default", path="s3://lake@bucket/orders"
        ).expand_kwargs(to_repair(reconcile.output))

    Orders that were placed or changed after the exports are no difference; they are counted as ``changed_since``. An order
    that the vendor no longer has counts as extra unless it is marked as deleted; exporting again does not remove it.

    :param path: the folder that was exported to; ``orders`` in Airflow's home folder by default. (templated)
    :param sql_conn_id: instead: id of the connection of the database. (templated)
    :param table: its table of orders. (templated)
    :param schema: where the table lies; the connection's own by default. (templated)
    :param manifests: instead: what exports have returned; only their counts are compared, window by window. (templated)
    :param depth: ``totals`` or ``orders``. (templated)
    :param by: with ``manifests``: what their windows are about, ``created`` or ``updated``.
    :param split_every: also tell apart the windows in this one: ``month``, ``week``, ``day``, ``hour`` or a timedelta. It
        needs both ends of the window. (templated)
    :param timezone: the zone whose midnights cut it. (templated)
    :param on_difference: ``report``: return the report and go on; ``fail``: fail where anything is missing, extra or
        changed.
    :param updated_from: earliest update compared, an aware datetime or ISO text. (templated)
    :param updated_to: end of the updates compared, not included. (templated)
    :param created_from: earliest creation compared. (templated)
    :param created_to: end of the creations compared, not included. (templated)
    :param statuses: the filter with which the orders were exported. (templated)
    :param ambassador_id: the same. (templated)
    :param vendor_params: the same. (templated)
    :param with_lines: whether they were exported with their lines; lines are part of what is compared.
    :param retry_policy: Airflow 3.3: decides about retries in place of
        :class:`~airflow_provider_orders.operators.retries.OrdersRetryPolicy`.
    :param orders_conn_id: id of the connection; its type chooses the API. (templated)
    :return: the report, see :class:`airflow_provider_orders.export.reconcile.Reconciliation`.
    :raises ConfigurationError: arguments contradict each other, or there is nothing to compare with; nothing was sent.
    :raises OrdersError: there are differences (with ``on_difference="fail"``), or a file is damaged.
    """

    template_fields: Sequence[str] = (
        *BaseOrdersOperator.template_fields,
        "path", "sql_conn_id", "table", "schema", "manifests", "depth", "split_every", "timezone",
    )  # fmt: skip
    ui_color: str = "#f0ece4"

    def __init__(
        self,
        *,
        path: ObjectStoragePath | PurePath | str | None = None,
        sql_conn_id: str | None = None,
        table: str = "orders",
        schema: str | None = None,
        manifests: Any = None,
        depth: str = "totals",
        by: str = "created",
        split_every: str | timedelta | None = None,
        timezone: str = "UTC",
        on_difference: str = "report",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.sql_conn_id = sql_conn_id
        self.table = table
        self.schema = schema
        self.manifests = manifests
        self.depth = depth
        self.by = by
        self.split_every = split_every
        self.timezone = timezone
        self.on_difference = on_difference

    @gives_slot_back
    def execute(self, context: Context) -> dict[str, Any]:
        """Compare, and give the report."""
        from airflow_provider_orders.export.reconcile import DEPTHS
        from airflow_provider_orders.export.run import check_choice
        from airflow_provider_orders.export.windows import KINDS

        del context
        check_choice("depth", self.depth, DEPTHS)
        check_choice("by", self.by, KINDS)
        check_choice("on_difference", self.on_difference, _ON_DIFFERENCE)
        given = [name for name in ("path", "sql_conn_id", "manifests") if _is_given(getattr(self, name))]
        if len(given) > 1:
            raise ConfigurationError(
                f"Give one of path, sql_conn_id and manifests to compare with, not {' and '.join(given)}.",
                field=given[0],
            )
        query = self.query()
        with open_hook(self.orders_conn_id) as hook:
            client = hook.get_conn()
            report = (
                self._with_manifests(client, query)
                if given == ["manifests"]
                else self._with_target(client, query)
            )
        self._tell(report)
        return dict(report)

    def _with_manifests(self, client: SyncClient, query: OrderQuery) -> Reconciliation:
        from airflow_provider_orders.export.reconcile import check_windows, compare_totals, count_manifests

        if self.depth != "totals":
            raise ConfigurationError(
                "manifests hold counts only; for depth='orders' give path or sql_conn_id.", field="depth"
            )
        if query.asked & {"created_from", "created_to", "updated_from", "updated_to"} or self.split_every:
            raise ConfigurationError(
                "manifests have windows of their own; leave out the window and split_every.",
                field="manifests",
            )
        manifests = targets.fetch_manifests(self.manifests)
        if not manifests:
            raise ConfigurationError(
                "manifests is empty: there is nothing to compare with.", field="manifests"
            )
        counted, covers = count_manifests(manifests, self.orders_conn_id)
        check_windows(client.api, query, [each.window for each in counted], by=self.by)
        uris = sorted({manifest["uri"] for manifest in manifests})
        self._note_read(client, *uris)
        return compare_totals(client, query, counted, by=self.by, uri=" and ".join(uris), covers=covers)

    def _with_target(self, client: SyncClient, query: OrderQuery) -> Reconciliation:
        from airflow_provider_orders.export.reconcile import (
            check_windows,
            compare_orders,
            compare_totals,
            count_target,
        )

        by, windows, query = self._windows(query)
        check_windows(client.api, query, windows, by=by)
        with self._target(client.api, query) as target:
            self._note_read(client, target.uri)
            if self.depth == "orders":
                return compare_orders(client, query, target, windows, by=by)
            counted = count_target(target, windows, by=by, api=client.api)
            return compare_totals(client, query, counted, by=by, uri=target.uri, covers=target.covers)

    def _note_read(self, client: SyncClient, *uris: str) -> None:
        from airflow_provider_orders.lineage.datasets import LineageDataset

        self.note_lineage(
            LineageDataset.of_orders(client.api.settings.account), *(LineageDataset.at(uri) for uri in uris)
        )

    def _windows(self, query: OrderQuery) -> tuple[str, list[Window], OrderQuery]:
        """Give what the windows are about, the windows, and the filters without them."""
        from airflow_provider_orders.apis.query import OrderQuery as Query

        by = "updated" if query.asked & {"updated_from", "updated_to"} else "created"
        if by == "updated" and query.asked & {"created_from", "created_to"}:
            raise ConfigurationError(
                "Give a window of creation or one of updates, not both.", field="updated_from"
            )
        start, end = getattr(query, f"{by}_from"), getattr(query, f"{by}_to")
        rest = replace(query, **{f"{by}_from": None, f"{by}_to": None})  # type: ignore[arg-type]
        if not self.split_every:
            return by, [(start, end)], rest
        if start is None or end is None:
            raise ConfigurationError(
                "split_every needs both ends of the window, such as created_from and created_to.",
                field="split_every",
            )
        parts = planning.plan_windows(start, end, every=self.split_every, timezone=self.timezone, by=by)
        cut = [Query.of(**part) for part in parts]
        return by, [(getattr(each, f"{by}_from"), getattr(each, f"{by}_to")) for each in cut], rest

    def _target(self, api: OrderApi[Any], query: OrderQuery) -> Any:
        """Give what to compare with, as a context manager."""
        from contextlib import nullcontext

        from airflow_provider_orders.export.record import RecordReader
        from airflow_provider_orders.export.state import Scope
        from airflow_provider_orders.export.written import FolderTarget

        if not self.sql_conn_id:
            settings = api.settings
            reader = RecordReader(
                api.order_model, account=settings.account, assumed_timezone=settings.assumed_timezone
            )
            folder = targets.folder(self.path)
            return nullcontext(FolderTarget(folder, reader, orders_conn_id=self.orders_conn_id))
        from airflow_provider_orders.export.written_sql import SqlTarget

        return SqlTarget(
            targets.HookDatabase(self.sql_conn_id),
            table=self.table,
            schema=self.schema or None,
            scope=Scope.of(api, query),
        )

    def _tell(self, report: Reconciliation) -> None:
        found = ", ".join(
            f"{report[name]['count']} {name.replace('_', ' ')}"
            for name in ("missing", "extra", "changed", "changed_since")
        )
        log.info(
            "%s has %d orders, %s has %d: %s", report["source"], report["checked"]["source"], report["uri"],
            report["checked"]["written"], found,
        )  # fmt: skip
        if report["is_equal"]:
            return
        for name in ("missing", "extra", "changed"):
            if report[name]["ids"]:
                log.warning("%s, the first ones: %s", name.capitalize(), ", ".join(report[name]["ids"][:10]))
        if self.on_difference == "fail":
            raise OrdersError(
                f"What was written differs from the source: {found}. The log names the first of them; export the "
                f"{len(report['windows_to_repair'])} windows again that on_difference='report' returns as "
                "windows_to_repair.",
                vendor=report["source"],
            )


def _is_given(argument: Any) -> bool:
    return argument is not None and not (isinstance(argument, str) and not argument)
