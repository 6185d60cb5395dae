"""The ways to export orders that the benchmark compares; each is one class, run once in a process of its own.

``prepare`` imports everything, so that neither the time nor the memory of imports is counted; ``export`` is what is
measured; ``count`` looks afterwards how many orders have arrived.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import json
import os
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tests.benchmarks.replay import HEADERS, PAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CONTESTANTS", "Contestant"]

_PARAMS = {"sort": "id_order", "page": "1", "per_page": str(PAGE_SIZE)}


class Contestant(ABC):
    """One way to export.

    :param url: where the orders are.
    :param folder: an empty folder for everything that is written.
    :param database: URL of an empty PostgreSQL database, where one is asked for.
    """

    title: ClassVar[str]
    target: ClassVar[str]
    needs_database: ClassVar[bool] = False

    def __init__(self, url: str, folder: Path, database: str | None) -> None:
        self.url = url
        self.folder = folder
        self.database = database

    @abstractmethod
    def prepare(self) -> None:
        """Import and set up."""

    @abstractmethod
    def export(self) -> None:
        """Export all orders."""

    @abstractmethod
    def count(self) -> int:
        """Count the orders in the target."""

    def _count_lines(self, pattern: str) -> int:
        lines = 0
        for file in self.folder.glob(pattern):
            with gzip.open(file) if _is_gzip(file) else file.open("rb") as opened:
                lines += sum(1 for _ in opened)
        return lines

    def _count_parquet(self, pattern: str) -> int:
        from pyarrow import parquet

        return sum(parquet.read_metadata(file).num_rows for file in self.folder.glob(pattern))

    def _count_rows(self, table: str) -> int:
        import psycopg

        assert self.database is not None
        with psycopg.connect(self.database) as connection:
            found = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - from below
        assert found is not None
        rows: int = found[0]
        return rows


class _Ours(Contestant):
    """This package, every order validated, with the settings that a new connection has."""

    title = "this provider"
    extra: ClassVar[Mapping[str, int]] = {}

    def prepare(self) -> None:
        from airflow.sdk import ObjectStoragePath

        from airflow_provider_orders.apis.popsell import PopsellApi, PopsellSettings
        from airflow_provider_orders.apis.query import OrderQuery
        from airflow_provider_orders.apis.settings import ConnectionFields
        from airflow_provider_orders.export.run import export_orders
        from airflow_provider_orders.http.sync import SyncClient

        fields = ConnectionFields(
            conn_id="benchmark",
            host=self.url,
            password=HEADERS["Authorization"].removeprefix("Bearer "),
            extra={"domain": HEADERS["X-Popsell-Domain"], **self.extra},
        )
        self._api = PopsellApi(PopsellSettings.from_connection(fields))
        self._client, self._query, self._export = SyncClient, OrderQuery(), export_orders
        self._target = ObjectStoragePath(f"file://{self.folder / 'orders'}")
        (self._target.parent / "first").write_bytes(b"")  # at the first file, Airflow loads its plugins
        self._new_sink = self._sink()

    @abstractmethod
    def _sink(self) -> Any:
        """Import the sink and all that it will import; gives what makes one."""

    def export(self) -> None:
        with self._client(self._api) as client, self._new_sink() as sink:
            self._export(client, self._query, sink)


class OursJsonLines(_Ours):
    target = "JSON Lines"

    def _sink(self) -> Any:
        from airflow_provider_orders.export.sinks.jsonl import JsonLinesSink

        return lambda: JsonLinesSink(self._target, "orders")

    def count(self) -> int:
        return self._count_lines("orders/orders.jsonl")


class OursEightAtOnceJsonLines(OursJsonLines):
    """With twice as many requests at once as a new connection has."""

    title = "this provider, concurrency 8"
    extra: ClassVar[Mapping[str, int]] = {"concurrency": 8}


class PlainLoopJsonLines(Contestant):
    """What people write first: one session, one page after the other. It checks nothing."""

    title = "plain requests loop"
    target = "JSON Lines"

    def prepare(self) -> None:
        import requests

        self._session = requests.Session()
        self._session.headers.update(HEADERS)

    def export(self) -> None:
        params = dict(_PARAMS)
        with self._session, (self.folder / "orders.jsonl").open("w") as file:
            while True:
                answer = self._session.get(f"{self.url}/api/v2/manager/orders", params=params, timeout=30)
                answer.raise_for_status()
                content = answer.json()
                for order in content["data"]:
                    file.write(json.dumps(order) + "\n")
                if not content["next_page_url"]:
                    return
                params["page"] = str(content["current_page"] + 1)

    def count(self) -> int:
        return self._count_lines("orders.jsonl")


class OursParquet(_Ours):
    target = "Parquet"

    def _sink(self) -> Any:
        from airflow_provider_orders.export.sinks import row_groups  # noqa: F401
        from airflow_provider_orders.export.sinks.parquet import ParquetSink

        return lambda: ParquetSink(self._target, "orders")

    def count(self) -> int:
        return self._count_parquet("orders/orders.parquet")


class OursPostgres(_Ours):
    target = "Postgres"
    needs_database = True

    def _sink(self) -> Any:
        from airflow.providers.postgres.hooks.postgres import PostgresHook

        from airflow_provider_orders.export.sinks.sql import SqlSink

        os.environ["AIRFLOW_CONN_WAREHOUSE"] = str(self.database)
        hook = PostgresHook("warehouse")
        hook.get_sqlalchemy_engine().connect().close()  # imports the driver
        return lambda: SqlSink(hook, table="orders")

    def count(self) -> int:
        return self._count_rows("orders")


class HttpOperatorJsonLines(Contestant):
    """Airflow's own operator with a function for the next page, and one that writes what came."""

    title = "HttpOperator"
    target = "JSON Lines"

    def prepare(self) -> None:
        from airflow.providers.http.operators.http import HttpOperator

        os.environ["AIRFLOW_CONN_ORDERS_API"] = json.dumps({"conn_type": "http", "host": self.url})

        def next_page(response: Any) -> dict[str, Any] | None:
            content = response.json()
            if not content["next_page_url"]:
                return None
            return {"data": {**_PARAMS, "page": str(content["current_page"] + 1)}}

        def write(responses: list[Any]) -> int:
            orders = 0
            with (self.folder / "orders.jsonl").open("w") as file:
                for response in responses:
                    for order in response.json()["data"]:
                        file.write(json.dumps(order) + "\n")
                        orders += 1
            return orders

        self._operator = HttpOperator(
            task_id="export",
            http_conn_id="orders_api",
            method="GET",
            endpoint="api/v2/manager/orders",
            data=_PARAMS,
            headers=HEADERS,
            pagination_function=next_page,
            response_filter=write,
        )

    def export(self) -> None:
        self._operator.execute({})

    def count(self) -> int:
        return self._count_lines("orders.jsonl")


class _Dlt(Contestant):
    """dlt's source for REST APIs, as its documentation shows it."""

    title = "dlt"
    settings: ClassVar[Mapping[str, str]] = {}
    loader_file_format: ClassVar[str | None] = None
    nesting: ClassVar[int | None] = None

    def prepare(self) -> None:
        os.environ.update({"DLT_DATA_DIR": str(self.folder / "dlt"), "RUNTIME__DLTHUB_TELEMETRY": "false"})
        os.environ.update(self.settings)

        import dlt
        from dlt.sources.rest_api import rest_api_source

        self._source = rest_api_source(
            {
                "client": {
                    "base_url": f"{self.url}/api/v2/",
                    "headers": HEADERS,
                    "paginator": {"type": "json_link", "next_url_path": "next_page_url"},
                },
                "resources": [
                    {
                        "name": "orders",
                        "endpoint": {"path": "manager/orders", "params": _PARAMS, "data_selector": "data"},
                    }
                ],
            }
        )
        if self.nesting is not None:
            self._source.max_table_nesting = self.nesting
        self._pipeline = dlt.pipeline(
            pipeline_name="orders",
            destination=self._destination(dlt),
            dataset_name="benchmark",
            pipelines_dir=str(self.folder / "pipelines"),
        )

    def _destination(self, dlt: Any) -> Any:
        return dlt.destinations.filesystem(bucket_url=f"file://{self.folder / 'target'}")

    def export(self) -> None:
        self._pipeline.run(self._source, loader_file_format=self.loader_file_format).raise_on_failed_jobs()

    def count(self) -> int:
        return self._count_lines("target/benchmark/orders/*")


class DltJsonLines(_Dlt):
    title = "dlt, default"
    target = "JSON Lines"


class DltFlatJsonLines(_Dlt):
    """One table without children, files without compression."""

    title = "dlt, flat"
    target = "JSON Lines"
    settings: ClassVar[Mapping[str, str]] = {"NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true"}
    nesting = 0


class DltParquet(_Dlt):
    target = "Parquet"
    loader_file_format = "parquet"

    def prepare(self) -> None:
        super().prepare()
        from pyarrow import parquet  # noqa: F401

    def count(self) -> int:
        return self._count_parquet("target/benchmark/orders/*")


class DltPostgres(_Dlt):
    target = "Postgres"
    needs_database = True

    def prepare(self) -> None:
        super().prepare()
        import psycopg2  # noqa: F401

    def _destination(self, dlt: Any) -> Any:
        return dlt.destinations.postgres(credentials=self.database)

    def count(self) -> int:
        return self._count_rows("benchmark.orders")


CONTESTANTS: Mapping[str, type[Contestant]] = {
    kind.__name__: kind
    for kind in (
        OursJsonLines,
        OursEightAtOnceJsonLines,
        PlainLoopJsonLines,
        HttpOperatorJsonLines,
        DltJsonLines,
        DltFlatJsonLines,
        OursParquet,
        DltParquet,
        OursPostgres,
        DltPostgres,
    )
}


def _is_gzip(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(2) == b"\x1f\x8b"


def _memory_mb(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"Linux does not tell {name}")


def run(name: str, url: str, database: str | None) -> dict[str, float]:
    """Export once; gives what it took and how many orders arrived."""
    with tempfile.TemporaryDirectory(prefix="orders-benchmark-") as folder:
        contestant = CONTESTANTS[name](url, Path(folder), database)
        contestant.prepare()
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of the imports
        before_mb = _memory_mb("VmRSS")
        started, cpu_started = time.perf_counter(), time.process_time()
        contestant.export()
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
        peak_mb = _memory_mb("VmHWM")
        return {
            "orders": contestant.count(),
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "peak_mb": peak_mb,
            "grown_mb": peak_mb - before_mb,
        }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=CONTESTANTS)
    parser.add_argument("url")
    parser.add_argument("--database")
    options = parser.parse_args()
    result = run(options.name, options.url, options.database)
    sys.stdout.write(f"\n{json.dumps(result)}\n")
