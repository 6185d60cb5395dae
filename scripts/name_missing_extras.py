# ruff: noqa: INP001 - scripts are run one by one, they are no package
"""Ask for what needs an extra, in an environment without extras, and see that the error names the extra.

``scripts/test_wheel.sh`` runs it. What Airflow has brought along needs no extra, and is left out.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from importlib.metadata import metadata
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.sandbox import Sandbox
from airflow_provider_orders.transfers.orders_to_object_storage import OrdersToObjectStorageOperator
from airflow_provider_orders.transfers.orders_to_sql import OrdersToSqlOperator

FILES: dict[str, tuple[str, dict[str, Any]]] = {
    "parquet": ("pyarrow", {"file_format": "parquet"}),
    "zstd": ("zstandard", {"compression": "zstd"}),
}
DATABASES = {name: f"airflow.providers.{name}" for name in ("mysql", "postgres", "sqlite")}
NEVER_MISSED = {"openlineage", "sandbox"}
"""Only what the first brings along asks for lineage; every Airflow brings the second along, on which this script runs."""


def main() -> int:
    """Try each extra and say what came of it."""
    failures = 0
    with Sandbox(orders=3) as sandbox, tempfile.TemporaryDirectory() as folder:
        os.environ.update(sandbox.environment())
        exports: dict[str, tuple[str, Any]] = {
            extra: (
                module,
                OrdersToObjectStorageOperator(
                    task_id=extra, orders_conn_id="dipli_default", path=folder, mode="full", **options
                ),
            )
            for extra, (module, options) in FILES.items()
        }
        for extra, module in DATABASES.items():
            os.environ[f"AIRFLOW_CONN_{extra.upper()}"] = json.dumps(
                {"conn_type": extra, "host": "localhost"}
            )
            exports[extra] = (
                module,
                OrdersToSqlOperator(
                    task_id=extra, orders_conn_id="dipli_default", sql_conn_id=extra, mode="full"
                ),
            )
        for extra, (module, export) in exports.items():
            wrong = None if _is_there(module) else _wrong(export, extra)
            failures += wrong is not None
            print(f"{extra}: {wrong or ('there already' if _is_there(module) else 'named')}")  # noqa: T201
    declared = metadata("airflow-provider-orders").get_all("Provides-Extra") or []
    for extra in set(declared) - exports.keys() - NEVER_MISSED:
        failures += 1
        print(f"{extra}: is not tried by this script")  # noqa: T201
    return 1 if failures else 0


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _wrong(export: Any, extra: str) -> str | None:
    ti = SimpleNamespace(dag_id="extras", task_id=extra, run_id="run", map_index=-1)
    try:
        export.execute({"run_id": "run", "ti": ti})
    except ConfigurationError as error:
        named = f"airflow-provider-orders[{extra}]" in str(error)
        return None if named else f"not named in: {error}"
    except Exception as error:  # noqa: BLE001 - any other is what is looked for
        return f"not named, but {type(error).__name__}: {error}"
    return "was not missed"


if __name__ == "__main__":
    sys.exit(main())
