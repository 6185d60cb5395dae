"""Exports in a process of its own, to be killed, to run out of room, or to be measured.

``python -m tests.unit.export.child '[{"host": ..., "folder": ..., "most_bytes": ...}, ...]'`` runs one after the other
and prints what came of each as JSON, on the last line. Only the engine: no task, no Airflow database.
"""

from __future__ import annotations

import json
import resource
import sys
import tracemalloc
from pathlib import Path
from typing import Any

from airflow_provider_orders.apis.dipli import DipliApi, DipliSettings
from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.apis.settings import ConnectionFields
from airflow_provider_orders.errors import OrdersError
from airflow_provider_orders.export.run import export_orders
from airflow_provider_orders.export.sinks.jsonl import JsonLinesSink
from airflow_provider_orders.http.sync import SyncClient
from airflow_provider_orders.sandbox import credentials


def _api(host: str, page_size: int) -> DipliApi:
    fields = ConnectionFields(
        conn_id="dipli_default",
        host=host,
        password=credentials.DIPLI_API_KEY,
        extra={"page_size": page_size, "concurrency": 2},
    )
    return DipliApi(DipliSettings.from_connection(fields))


def run(*, host: str, folder: str, **options: Any) -> dict[str, Any]:
    """Export once: into the files ``orders.*`` of a folder."""
    try:
        with (
            SyncClient(_api(host, options.get("page_size", 100))) as client,
            JsonLinesSink(
                Path(folder),
                "orders",
                compression=options.get("compression"),
                output=options.get("output", "raw"),
            ) as sink,
        ):
            manifest = export_orders(client, OrderQuery(), sink)
    except OrdersError as error:
        return {"error": type(error).__name__, "message": str(error)}
    return {"rows": manifest["rows"]}


def _limited(*, most_bytes: int | None = None, measure: bool = False, **options: Any) -> dict[str, Any]:
    if most_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))
    if not measure:
        return run(**options)
    if not tracemalloc.is_tracing():
        tracemalloc.start()
    tracemalloc.reset_peak()
    return {**run(**options), "peak_bytes": tracemalloc.get_traced_memory()[1]}


if __name__ == "__main__":
    results = [_limited(**options) for options in json.loads(sys.argv[1])]
    sys.stdout.write(json.dumps(results))
