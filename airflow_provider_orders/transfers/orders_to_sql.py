"""The transfer of orders into tables of a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_orders.operators.targets import HookDatabase, run_key
from airflow_provider_orders.transfers.base import BaseOrdersTransfer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow.sdk import Context

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.export.columns import Column
    from airflow_provider_orders.export.sinks.base import Sink

__all__ = ["OrdersToSqlOperator"]


class OrdersToSqlOperator(BaseOrdersTransfer):
    """Exports orders into tables of PostgreSQL, MySQL, MariaDB or SQLite: the newest version of each order, once.

    Orders, lines, watermark and manifest are written in one transaction: at any moment, and whatever ends the task, the
    tables are as before or as after. Running the same task again changes nothing that is there already. Memory does not
    grow with the number of orders.

    The tables are made where they are missing, and get the columns that they lack:

    - ``orders``: one row for each order, by ``source``, ``account`` and ``id``; ``deleted`` marks those that the vendor
      deleted, or that a full export no longer found.
    - ``order_lines``: their lines.
    - ``orders_raw``, with ``with_raw``: what the vendor sent.
    - ``orders_history``, with ``history``: every version.
    - ``orders_rejects``: rows that are not what the vendor documents (``on_reject="keep"``).
    - ``orders_sync_state``: the watermark and the last manifest.
    - ``orders_journal``: the pages of an interrupted export, until a retry has taken them up.

    Times are in UTC. Amounts are exact decimals; SQLite, which has none, holds them as 64-bit floats, so round the sums:
    ``ROUND(SUM(total), 2)``.

    :param sql_conn_id: id of the connection to the database. (templated)
    :param table: table of the orders; the others are named after it: ``shop_orders`` comes with ``shop_order_lines``,
        ``sales`` with ``sales_lines``. (templated)
    :param schema: where the tables lie; the connection's own by default. (templated)
    :param with_raw: also keep what the vendor sent.
    :param history: also keep every version from now on, with its lines.
    :param lock_timeout_s: how long to wait while another task writes orders of the same account to the same table.
    :param mode: ``incremental``: from the watermark that the last export into this table left; ``window``: what was
        changed or created in a window, by default the run's data interval; ``full``: every order, after which those
        that were not found are marked as deleted. Left out: ``window`` where a window is given, else ``full``. In a
        backfill, ``incremental`` means the window of the run. (templated)
    :param lookback: seconds, or a timedelta: how far before the watermark an incremental export begins again, where the
        vendor filters to the second; five minutes by default.
    :param sweep_days: Popsell: for how many days after it was placed an order is looked at again by incremental exports;
        30 by default. (templated)
    :param on_reject: ``fail`` (default): an order that is not what the vendor documents stops the export, and the tables
        stay as they were; ``keep``: it goes to ``orders_rejects``, with the reason.
    :param on_drift: ``log`` (default) or ``fail`` when the payloads' shape has changed since the last export of the same
        orders.
    :param updated_from: earliest update wanted, an aware datetime or ISO text. (templated)
    :param updated_to: end of the updates wanted, not included. (templated)
    :param created_from: earliest creation wanted. (templated)
    :param created_to: end of the creations wanted, not included. (templated)
    :param statuses: statuses wanted, canonical words or the vendor's own. (templated)
    :param ambassador_id: Popsell: only this ambassador's orders. (templated)
    :param vendor_params: the vendor's own filters by their documented names. (templated)
    :param with_lines: also fetch the order lines where the vendor's listing leaves them out; Valomnia needs one
        request an order for it. Without, lines that are in the table stay.
    :param limit: orders to write at the most, None for all; not with ``incremental``. (templated)
    :param retry_policy: Airflow 3.3: decides about retries in place of
        :class:`~airflow_provider_orders.operators.retries.OrdersRetryPolicy`.
    :param orders_conn_id: id of the connection to the order API; its type chooses the API. (templated)
    :return: the manifest, see :class:`airflow_provider_orders.export.manifest.Manifest`.
    :raises ConfigurationError: a connection or an argument is wrong, or a table has another shape; nothing was sent.
    :raises UnexpectedPayloadError: an order is not what the vendor documents (with ``on_reject="fail"``), or the payloads'
        shape has changed (with ``on_drift="fail"``).
    :raises PaginationError: pages repeat, or do not add up to the vendor's own total.
    :raises OrdersError: another task writes the same orders, or the database fails; the tables are as before.
    """

    template_fields: Sequence[str] = (*BaseOrdersTransfer.template_fields, "sql_conn_id", "table", "schema")
    ui_color: str = "#e4f0e6"

    def __init__(
        self,
        *,
        sql_conn_id: str,
        table: str = "orders",
        schema: str | None = None,
        with_raw: bool = False,
        history: bool = False,
        lock_timeout_s: float = 300.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sql_conn_id = sql_conn_id
        self.table = table
        self.schema = schema
        self.with_raw = with_raw
        self.history = history
        self.lock_timeout_s = lock_timeout_s

    def sink(self, vendor: str, context: Context) -> Sink[Any]:
        """Give the tables to write."""
        del vendor
        from airflow_provider_orders.export.sinks.sql import SqlSink

        return SqlSink(
            HookDatabase(self.sql_conn_id),
            table=self.table,
            schema=self.schema,
            with_raw=self.with_raw,
            history=self.history,
            run_key=run_key(context),
            lock_timeout_s=self.lock_timeout_s,
        )

    def columns(self, api: OrderApi[Any]) -> Callable[[], tuple[Column, ...]]:
        """Give what reads the columns of the table of orders."""
        del api
        from airflow_provider_orders.export.columns import table_columns

        return table_columns
