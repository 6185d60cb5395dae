"""Bring in a whole year's orders, each month in a task of its own.

Airflow's executor spreads the months over its workers, by dynamic task mapping. The last task checks that no month is
missing, sums up, and sets the watermark: an export with `mode="incremental"` into the same folder goes on from there. A
month that failed is cleared and run again by itself; the last task then follows.

**How many parts?** Valomnia and Genuka filter by creation, so that twelve tasks read no more than one would. Dipli only
filters from a day on, and Popsell not at all: there each task also reads what came after its month, and one task for all,
as in `example_export_orders`, is kinder to the API.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from airflow.sdk import AssetAlias, Param, dag, get_current_context, task

from airflow_provider_orders.operators.merge import MergeExportsOperator
from airflow_provider_orders.operators.planning import plan_windows
from airflow_provider_orders.transfers.orders_to_object_storage import OrdersToObjectStorageOperator


@dag(
    dag_id="example_backfill_year",
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
            description="The orders that were created in it are exported.",
        ),
        "timezone": Param(
            "Europe/Paris",
            type="string",
            pattern=r"^[A-Za-z][A-Za-z0-9]*([/_+-][A-Za-z0-9]+)*$",
            title="Time zone",
            description="Where the year and its months begin at midnight, such as Europe/Paris or UTC.",
        ),
        "path": Param(
            None,
            type=["null", "string"],
            pattern=r"^(/|~|[a-z][a-z0-9+.-]*://.)",
            title="Folder",
            description="A local folder, or a URL such as s3://aws_default@bucket/orders. "
            "Left empty: the folder orders in Airflow's home.",
        ),
    },
)
def example_backfill_year() -> None:
    """Plan the months, export each, then merge."""

    @task
    def plan() -> list[dict[str, str]]:
        params = get_current_context()["params"]
        year = params["year"]
        return plan_windows(
            date(year, 1, 1), date(year + 1, 1, 1), every="month", timezone=params["timezone"]
        )

    months = plan()
    export = OrdersToObjectStorageOperator.partial(
        task_id="export",
        orders_conn_id="{{ params.orders_conn_id }}",
        path="{{ params.path or '' }}",
        map_index_template="{{ task.created_from[:7] }}",
    ).expand_kwargs(months)

    MergeExportsOperator(
        task_id="merge",
        manifests=export.output,
        parts=months,
        moves_watermark=True,
        outlets=[AssetAlias("exported_orders")],
    )


example_backfill_year()
