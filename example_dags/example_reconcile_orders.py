"""Compare a year's orders at the vendor with the exported files, and export again the months that differ.

The report counts what is missing, changed, or in the files but no longer at the vendor, and names the first ids. What was
placed or changed after the export is counted apart. Run it after `example_export_orders` or `example_backfill_year`; a
second run shows that the repair has worked.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Param, dag, get_current_context, task

from airflow_provider_orders.operators.reconcile import ReconcileOrdersOperator
from airflow_provider_orders.transfers.orders_to_object_storage import OrdersToObjectStorageOperator


@dag(
    dag_id="example_reconcile_orders",
    schedule=None,
    tags=["orders", "example"],
    doc_md=__doc__,
    params={
        "orders_conn_id": Param(
            "genuka_default",
            type="string",
            pattern=r"^\S+$",
            title="Connection",
            description="Id of the connection, as listed under Admin > Connections. Its type chooses the API.",
            examples=["popsell_default", "dipli_default", "valomnia_default", "genuka_default"],
        ),
        "year": Param(
            datetime.now(UTC).year,
            type="integer",
            minimum=1970,
            maximum=9998,
            title="Year",
            description="The orders that were created in it (UTC) are compared.",
        ),
        "depth": Param(
            "orders",
            type="string",
            enum=["totals", "orders"],
            values_display={"totals": "How many there are", "orders": "Each order, its amount and content"},
            title="What is compared",
        ),
        "repair": Param(
            True,
            type="boolean",
            title="Repair",
            description="Export the months again in which orders are missing or have changed.",
        ),
        "path": Param(
            None,
            type=["null", "string"],
            pattern=r"^(/|~|[a-z][a-z0-9+.-]*://.)",
            title="Folder",
            description="The folder that was exported to, or its URL. Left empty: the folder orders in Airflow's home.",
        ),
    },
)
def example_reconcile_orders() -> None:
    """Compare, then export again what has to be."""
    shared = {"orders_conn_id": "{{ params.orders_conn_id }}", "path": "{{ params.path or '' }}"}
    reconcile = ReconcileOrdersOperator(
        task_id="reconcile",
        created_from="{{ params.year }}-01-01T00:00:00Z",
        created_to="{{ params.year + 1 }}-01-01T00:00:00Z",
        split_every="month",
        depth="{{ params.depth }}",
        **shared,
    )

    @task
    def to_repair(report: Any) -> Any:
        return report["windows_to_repair"] if get_current_context()["params"]["repair"] else []

    OrdersToObjectStorageOperator.partial(
        task_id="repair", map_index_template="{{ task.created_from[:7] }}", **shared
    ).expand_kwargs(to_repair(reconcile.output))


example_reconcile_orders()
