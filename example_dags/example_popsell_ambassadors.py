"""Export the orders of each Popsell ambassador to a file of its own.

Walks over the ambassadors of a Popsell account and fans out, by dynamic task mapping: one task, and one file, per
ambassador.

**Mind the cap.** Airflow maps a task at most 1024 times (`[core] max_map_length`), so that one run takes at most 1024
ambassadors; the first task warns in its log when there are more. Trigger the DAG again with *Skip* for the next ones.
Each mapped task costs Airflow a second or so: without the need for one file per ambassador, `example_export_orders`
brings the same orders in a single task.
"""

from __future__ import annotations

import logging
from itertools import islice
from typing import Any

from airflow.sdk import Param, dag, get_current_context, task

from airflow_provider_orders.transfers.orders_to_object_storage import OrdersToObjectStorageOperator

log = logging.getLogger(__name__)


@dag(
    dag_id="example_popsell_ambassadors",
    schedule=None,
    tags=["orders", "example"],
    doc_md=__doc__,
    params={
        "orders_conn_id": Param(
            "popsell_default",
            type="string",
            pattern=r"^\S+$",
            title="Connection",
            description="Id of a Popsell connection, as listed under Admin > Connections.",
        ),
        "limit": Param(
            20,
            type="integer",
            minimum=1,
            maximum=1024,
            title="Ambassadors, at most",
            description="Airflow maps a task at most 1024 times.",
        ),
        "skip": Param(0, type="integer", minimum=0, title="Skip", description="Ambassadors to pass over."),
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
def example_popsell_ambassadors() -> None:
    """List the ambassadors, export the orders of each, then sum up."""

    @task
    def list_ambassadors() -> list[int | None]:
        from airflow_provider_orders.hooks.popsell import PopsellHook

        params = get_current_context()["params"]
        end = params["skip"] + params["limit"]
        with PopsellHook(params["orders_conn_id"]) as hook:
            people = list(islice(hook.iter_ambassadors(), params["skip"], end + 1))
        if len(people) > params["limit"]:
            log.warning("There are more ambassadors; trigger the DAG again with skip=%d", end)
        return [person.id_ambassador for person in people[: params["limit"]]]

    export = OrdersToObjectStorageOperator.partial(
        task_id="export",
        orders_conn_id="{{ params.orders_conn_id }}",
        path="{{ params.path or '' }}",
        map_index_template="{{ task.ambassador_id }}",
    ).expand(ambassador_id=list_ambassadors())

    @task
    def summarise(manifests: Any) -> dict[str, int]:
        # [:] fetches all manifests in one request, a plain loop one by one.
        rows = [manifest["rows"] for manifest in manifests[:]]
        return {"ambassadors": len(rows), "with_orders": sum(map(bool, rows)), "orders": sum(rows)}

    summarise(export.output)


example_popsell_ambassadors()
