"""A series of incremental exports of the sandbox, into files or into SQLite, and what the target holds of each order."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.export.run import export_orders
from airflow_provider_orders.export.sinks.jsonl import JsonLinesSink
from airflow_provider_orders.export.sinks.sql import SqlSink
from airflow_provider_orders.http.sync import SyncClient
from tests.unit.clients import FAST, make_api
from tests.unit.export import sql_targets

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from airflow_provider_orders.export.manifest import Manifest
    from airflow_provider_orders.export.sinks.base import Sink
    from airflow_provider_orders.sandbox import Sandbox

__all__ = ["Series", "truth"]

Facts = tuple[Any, ...]
"""What is compared of a version: statuses, total, time of the change, and whether it is marked as deleted."""

_FACTS = ("status_raw", "payment_status_raw", "fulfillment_status_raw", "total", "updated_at", "deleted")


class Series:
    """Exports of one vendor's orders, one after the other.

    :param folder: where the files or the database lie.
    :param target: ``files`` or ``sql``.
    :param skew: how far our clock is ahead of the vendor's.
    :param options: of each export.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        vendor: str,
        folder: Path,
        *,
        target: str = "files",
        skew: timedelta | None = None,
        page_size: int = 20,
        **options: Any,
    ) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.url = f"sqlite:///{folder / 'orders.db'}"
        self.target_kind = target
        self.skew = skew
        self.options = options
        # One request after the other, so that what happens between two pages happens in every run of a test.
        self.api = make_api(sandbox, vendor, page_size=page_size, concurrency=1)
        self.runs = 0

    def export(self, key: str | None = None, query: OrderQuery | None = None, **options: Any) -> Manifest:
        """Export; incremental unless told otherwise."""
        self.runs += 1
        run_key = key or f"run {self.runs}"
        now = self.sandbox.clock.now()
        with SyncClient(self.api, policy=FAST) as client, self._sink(run_key) as sink:
            return export_orders(
                client,
                query or OrderQuery(),
                sink,
                run_key=run_key,
                now=now + self.skew if self.skew else now,
                **{"mode": "incremental", **self.options, **options},
            )

    def _sink(self, run_key: str) -> Sink[Any]:
        if self.target_kind == "sql":
            return SqlSink(sql_targets.UrlDatabase(self.url), run_key=run_key)
        return JsonLinesSink(self.folder, "full", run_key=run_key, output="canonical")

    def versions(self) -> dict[str, list[dict[str, Any]]]:
        """Read the versions of each order out of the files, in the order of the manifests."""
        found: dict[str, list[dict[str, Any]]] = {}
        for note in sorted(self.folder.glob("*-*.manifest.json")):
            for order in self._rows(json.loads(note.read_bytes())):
                found.setdefault(order["id"], []).append(order)
        return found

    def repeated(self) -> set[str]:
        """Give the orders of which a version was written that was the newest in the files."""
        return {
            order_id
            for order_id, versions in self.versions().items()
            if any(one["content_hash"] == other["content_hash"] for one, other in pairwise(versions))
        }

    def target(self) -> dict[str, Facts]:
        """Give the newest version of each order in the target."""
        if self.target_kind == "sql":
            columns = ", ".join(_FACTS)
            rows = sql_targets.query(self.url, f"SELECT id, {columns} FROM orders")  # noqa: S608 - our own names
            return {row["id"]: _facts(row) for row in rows}
        return {order_id: _facts(versions[-1]) for order_id, versions in self.versions().items()}

    def full(self) -> dict[str, Facts]:
        """Export everything, and give it: the files of that export, or the table."""
        manifest = self.export("full", mode="full")
        if self.target_kind == "sql":
            return self.target()
        return {order["id"]: _facts(order) for order in self._rows(manifest)}

    def _rows(self, manifest: Any) -> list[dict[str, Any]]:
        return [
            json.loads(line)
            for file in manifest["files"]
            for line in (self.folder / file["path"].rpartition("/")[2]).read_bytes().splitlines()
        ]

    def missing(self) -> set[str]:
        """Give the orders whose newest version the target does not have."""
        target = self.target()
        return {order_id for order_id, facts in self.truth().items() if target.get(order_id) != facts}

    def gone(self) -> set[str]:
        """Give the orders that the target holds as if they were there, and that the source has no more."""
        there = self.truth()
        return {
            order_id for order_id, facts in self.target().items() if order_id not in there and not facts[-1]
        }

    def truth(self) -> dict[str, Facts]:
        """Give every order of the source as it is now."""
        return truth(self.sandbox, self.api.vendor)


def truth(sandbox: Sandbox, vendor: str) -> dict[str, Facts]:
    """Give every order of a vendor as it is now, as the target should hold it."""
    api = make_api(sandbox, vendor)
    orders = [
        api.order_model.read_order(
            json.dumps(payload).encode(), assumed_timezone=api.settings.assumed_timezone
        )
        for payload in sandbox.payloads(vendor)
    ]
    return {order.id: _facts(order.model_dump(mode="json")) for order in orders}


def _facts(order: dict[str, Any]) -> Facts:
    *words, total, updated, deleted = (order[name] for name in _FACTS)
    return (
        *words,
        None if total is None else f"{float(total):.4f}",
        None if updated is None else str(updated).replace(" ", "T").replace("Z", "")[:19],
        bool(deleted),
    )
