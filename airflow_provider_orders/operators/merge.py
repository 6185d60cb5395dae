"""The last task of an export that was spread over workers."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_orders.assets.orders import check_outlets, note_export
from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.operators import targets
from airflow_provider_orders.operators.retries import BaseRetryingOperator, gives_slot_back, open_hook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import PurePath

    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.apis.query import OrderQuery
    from airflow_provider_orders.export.merge import MergedManifest

__all__ = ["MergeExportsOperator"]

log = logging.getLogger(__name__)


class MergeExportsOperator(BaseRetryingOperator):
    """Makes one manifest of those of a mapped export, and moves the watermark once.

    It checks that the parts are of one export, that none is missing and that their windows do not overlap::

        plan = task(plan_windows)("2025-01-01", "2026-01-01")
        export = OrdersToObjectStorageOperator.partial(task_id="export", orders_conn_id="genuka_default").expand_kwargs(plan)
        MergeExportsOperator(task_id="merge", manifests=export.output, parts=plan, moves_watermark=True)

    With ``moves_watermark`` an incremental export into the same folder or table goes on where the parts end. The watermark
    never moves backwards, and never beyond a change that no part has brought: then it stays, and the log says why.

    :param manifests: what the mapped task has returned. (templated)
    :param parts: what it was mapped over, or the number of parts: then a part that is missing is an error also where
        windows do not show it. (templated)
    :param moves_watermark: whether to move the watermark of the incremental exports; it needs ``parts`` that are windows.
    :param path: the folder that was exported to, if it is not to be found under the name that the manifests have.
        (templated)
    :param sql_conn_id: for a database: id of its connection. (templated)
    :param table: its table of orders. (templated)
    :param schema: where the table lies; the connection's own by default. (templated)
    :param statuses: the filter of the incremental exports that shall go on, and of the parts. (templated)
    :param ambassador_id: the same. (templated)
    :param vendor_params: the same. (templated)
    :param lookback: seconds, or a timedelta: that of the incremental exports; five minutes by default.
    :param retry_policy: Airflow 3.3: decides about retries in place of
        :class:`~airflow_provider_orders.operators.retries.OrdersRetryPolicy`.
    :return: the merged manifest, see :class:`airflow_provider_orders.export.merge.MergedManifest`.
    :raises ConfigurationError: the manifests are not of one export, one is missing, or windows overlap.
    """

    template_fields: Sequence[str] = (
        "manifests", "parts", "path", "sql_conn_id", "table", "schema", "statuses", "ambassador_id", "vendor_params",
    )  # fmt: skip
    ui_color: str = "#e4ecf0"

    def __init__(
        self,
        *,
        manifests: Any,
        parts: Any = None,
        moves_watermark: bool = False,
        path: ObjectStoragePath | PurePath | str | None = None,
        sql_conn_id: str | None = None,
        table: str = "orders",
        schema: str | None = None,
        statuses: str | Sequence[str] | None = None,
        ambassador_id: int | str | None = None,
        vendor_params: Mapping[str, Any] | None = None,
        lookback: timedelta | float = timedelta(minutes=5),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.manifests = manifests
        self.parts = parts
        self.moves_watermark = moves_watermark
        self.path = path
        self.sql_conn_id = sql_conn_id
        self.table = table
        self.schema = schema
        self.statuses = statuses
        self.ambassador_id = ambassador_id
        self.vendor_params = vendor_params
        self.lookback = lookback

    @gives_slot_back
    def execute(self, context: Context) -> dict[str, Any]:
        """Merge the manifests, and move the watermark if asked for."""
        from airflow_provider_orders.export.merge import kind_of, merge_manifests
        from airflow_provider_orders.lineage.datasets import LineageDataset

        manifests = targets.fetch_manifests(self.manifests)
        parts = _parts(self.parts)
        merged = merge_manifests(manifests, parts=parts)
        check_outlets(self.outlets, merged["orders_conn_id"])
        if self.moves_watermark:
            by = kind_of(parts)
            if by is None:
                raise ConfigurationError(
                    "moves_watermark needs parts, with the windows that were exported: only they tell how far the "
                    "orders reach.",
                    field="parts",
                )
            merged = self._move(manifests, merged, by, targets.run_key(context))
        log.info(
            "Merged %d exports of %s: %d orders, %d rejected, watermark %s",
            merged["parts"], merged["source"], merged["rows"], merged["rejected"], merged["watermark"] or "not moved",
        )  # fmt: skip
        note_export(merged, outlets=self.outlets, context=context)
        self.note_lineage(
            LineageDataset.of_orders(merged["account"]), outputs=(LineageDataset.of_manifest(merged),)
        )
        return dict(merged)

    def _move(
        self, manifests: list[Mapping[str, Any]], merged: MergedManifest, by: str, run_key: str
    ) -> MergedManifest:
        from airflow_provider_orders.apis.query import OrderQuery
        from airflow_provider_orders.export.merge import SeriesSink, look_into_files, move_watermark
        from airflow_provider_orders.export.plan import read_lookback

        query = OrderQuery.of(
            statuses=self.statuses, ambassador_id=self.ambassador_id, params=self.vendor_params
        )
        lookback = read_lookback(self.lookback)
        with open_hook(merged["orders_conn_id"]) as hook:
            if self.sql_conn_id:
                return self._move_in_table(merged, by, run_key, hook.api, query, lookback)
            folder = targets.folder(self.path or merged["uri"])
            sink = SeriesSink(folder, run_key=run_key)
            look = look_into_files(sink, folder, manifests, api=hook.api, by=by)
            return move_watermark(
                sink, merged, api=hook.api, query=query, by=by, lookback=lookback, look=look, run_key=run_key
            )

    def _move_in_table(
        self,
        merged: MergedManifest,
        by: str,
        run_key: str,
        api: OrderApi[Any],
        query: OrderQuery,
        lookback: timedelta,
    ) -> MergedManifest:
        from airflow_provider_orders.export.merge import move_watermark
        from airflow_provider_orders.export.sinks.sql import SqlSink
        from airflow_provider_orders.export.state import Scope
        from airflow_provider_orders.export.written_sql import SqlTarget

        database = targets.HookDatabase(self.sql_conn_id or "")
        sink = SqlSink(database, table=self.table, schema=self.schema or None, run_key=run_key)
        with SqlTarget(
            database, table=self.table, schema=self.schema or None, scope=Scope.of(api, query)
        ) as target:
            return move_watermark(
                sink,
                merged,
                api=api,
                query=query,
                by=by,
                lookback=lookback,
                look=lambda _limit, _overlap: target.seen(),
                run_key=run_key,
            )


def _parts(parts: Any) -> list[Mapping[str, Any]] | int | None:
    if parts is None or parts == "":
        return None
    if isinstance(parts, int | str) and str(parts).strip().isdigit():
        return int(parts)
    try:
        found = list(parts[:])
    except TypeError:
        found = [None]
    if not all(isinstance(part, dict) for part in found):
        raise ConfigurationError(
            "parts must be what the export was mapped over, as plan_windows gives it, or a number.",
            field="parts",
        )
    return found
