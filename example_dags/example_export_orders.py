"""Export all orders of one or several connections to files.

One task per connection, by dynamic task mapping. Each writes a JSON Lines file, one order a line, and returns a
manifest: how many orders, their statuses and totals, and where the file is. The file appears when it is whole; clearing
the task and running it again replaces it. DAGs that are scheduled on the asset `orders://<connection>/orders` then start.

**For your own nightly export**, give the DAG a schedule and `max_active_runs=1`, and the operator `mode="incremental"`: the
first run brings every order, each later one what is new or has changed.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import AssetAlias, Param, dag, get_current_context, task

from airflow_provider_orders.transfers.orders_to_object_storage import OrdersToObjectStorageOperator

log = logging.getLogger(__name__)

CONNECTIONS = ["popsell_default", "dipli_default", "valomnia_default", "genuka_default"]


@dag(
    dag_id="example_export_orders",
    schedule=None,
    tags=["orders", "example"],
    doc_md=__doc__,
    params={
        "connections": Param(
            CONNECTIONS,
            type="array",
            items={"type": "string", "pattern": r"^\S+$"},
            minItems=1,
            uniqueItems=True,
            title="Connections",
            description="Ids of the connections to export from, as listed under Admin > Connections; one a line.",
        ),
        "path": Param(
            None,
            type=["null", "string"],
            pattern=r"^(/|~|[a-z][a-z0-9+.-]*://.)",
            title="Folder",
            description="A local folder, or a URL such as s3://aws_default@bucket/orders. "
            "Left empty: the folder orders in Airflow's home.",
        ),
        "output": Param(
            "raw",
            type="string",
            enum=["raw", "vendor", "canonical"],
            values_display={
                "raw": "As the vendor sent them",
                "vendor": "The vendor's fields, validated",
                "canonical": "One shape for all vendors",
            },
            title="Orders are written",
        ),
        "compression": Param(
            "none",
            type="string",
            enum=["none", "gzip", "zstd"],
            values_display={"none": "None", "gzip": "gzip", "zstd": "zstd (needs the package zstandard)"},
            title="Compression",
        ),
    },
)
def example_export_orders() -> None:
    """Export from each connection that the form names, then sum up."""

    @task
    def choose() -> list[dict[str, Any]]:
        params = get_current_context()["params"]
        shared = {
            "path": params["path"],
            "output": params["output"],
            "compression": None if params["compression"] == "none" else params["compression"],
        }
        return [{"orders_conn_id": conn_id, **shared} for conn_id in params["connections"]]

    export = OrdersToObjectStorageOperator.partial(
        task_id="export",
        map_index_template="{{ task.orders_conn_id }}",
        # For a connection that is known when the DAG is written: orders_asset("genuka_default").
        outlets=[AssetAlias("exported_orders")],
    ).expand_kwargs(choose())

    @task
    def summarise(manifests: Any) -> dict[str, int]:
        rows = {}
        for manifest in manifests[:]:  # [:] fetches all in one request, a plain loop one by one
            log.info(
                "%s: %d orders, totals %s", manifest["orders_conn_id"], manifest["rows"], manifest["totals"]
            )
            rows[manifest["orders_conn_id"]] = manifest["rows"]
        return rows

    summarise(export.output)


example_export_orders()
