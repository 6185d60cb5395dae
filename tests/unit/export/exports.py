"""What an export should have brought, computed from the sandbox's own orders, and how its files are read."""

from __future__ import annotations

import gzip
import hashlib
import json
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import zstandard

from airflow_provider_orders.transfers.orders_to_object_storage import OrdersToObjectStorageOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_orders.sandbox import Sandbox

SUFFIXES = {None: "", "gzip": ".gz", "zstd": ".zst"}

_MEANINGS = {
    "popsell": {
        "order": {
            "OK": "completed",
            "FULFILLED": "completed",
            "PENDING": "pending",
            "OK_DELAY": "processing",
            "E-BOOKING": "processing",
            "CANCELLED": "cancelled",
            "RETURNED": "returned",
        }
    },
    "dipli": {
        "fulfillment": {
            "pending_confirmation": "pending",
            "ongoing_shipping": "in_transit",
            "shipped": "delivered",
            "error_shipping": "failed",
            "cancelled": "cancelled",
        }
    },
    "valomnia": {
        "payment": {
            "NOT_PAID": "unpaid",
            "ADVANCE": "partially_paid",
            "PAID": "paid",
            "IN_PROCESS": "pending",
        },
        "fulfillment": {"PENDING": "pending", "DELIVERED": "delivered", "REJECTED": "failed"},
    },
    "genuka": {
        "payment": {
            "pending": "pending",
            "unpaid": "unpaid",
            "partially_paid": "partially_paid",
            "paid": "paid",
            "canceled": "cancelled",
        },
        "fulfillment": {
            "pending": "pending",
            "taken_in_charge": "in_transit",
            "partial_delivery": "partially_delivered",
            "delivered": "delivered",
        },
    },
}


def context(task_id: str = "export", map_index: int = -1, run_id: str = "manual__2026-01-01") -> Context:
    """Give as much of a task's context as an export reads."""
    ti = SimpleNamespace(
        dag_id="dag", task_id=task_id, run_id=run_id, map_index=map_index, try_number=1, max_tries=1
    )
    return cast("Context", {"ti": ti})


def export(conn_id: str, path: Any, **arguments: Any) -> dict[str, Any]:
    """Run an export as a task would."""
    operator = OrdersToObjectStorageOperator(
        task_id="export", orders_conn_id=conn_id, path=path if path is None else str(path), **arguments
    )
    manifest = operator.execute(context())
    assert json.loads(json.dumps(manifest, allow_nan=False)) == manifest
    return manifest


def local(url: str) -> Path:
    """Give the local path of a file URL."""
    return Path(url.removeprefix("file://"))


def content(path: str | Path) -> bytes:
    """Read a file, whatever its compression."""
    file = local(str(path))
    data = file.read_bytes()
    if file.suffix == ".gz":
        return gzip.decompress(data)
    if file.suffix == ".zst":
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return data


def lines(manifest: dict[str, Any]) -> list[bytes]:
    """Read the orders of an export."""
    return [line for file in manifest["files"] for line in content(file["path"]).splitlines()]


def orders(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Read the orders of an export, amounts exactly."""
    return [json.loads(line, parse_float=Decimal) for line in lines(manifest)]


def check_files(manifest: dict[str, Any]) -> None:
    """Check what the manifest says about the files, and that it lies beside them itself."""
    for file in manifest["files"]:
        data = local(file["path"]).read_bytes()
        assert file["bytes"] == len(data)
        assert file["sha256"] == hashlib.sha256(data).hexdigest()
        assert file["rows"] == len(content(file["path"]).splitlines())
    assert manifest["rows"] == sum(file["rows"] for file in manifest["files"])
    assert manifest["bytes"] == sum(file["bytes"] for file in manifest["files"])
    (beside,) = local(manifest["uri"]).glob("*.manifest.json")
    assert json.loads(beside.read_bytes()) == manifest


def names(folder: Path) -> list[str]:
    """List what is in a folder, hidden files included, but for the shape that the next export compares with."""
    found = folder.iterdir() if folder.exists() else ()
    return sorted(path.name for path in found if not path.name.endswith(".shape.json"))


def expected_totals(sandbox: Sandbox, vendor: str) -> dict[str, str]:
    """Add up the orders' totals by currency."""
    sums: dict[str, Decimal] = {}
    for order in sandbox.payloads(vendor):
        currency, amount = _money(vendor, order)
        if amount is not None:
            sums[currency or "unknown"] = sums.get(currency or "unknown", Decimal(0)) + amount
    return {currency: f"{total:f}" for currency, total in sums.items()}


def _money(vendor: str, order: dict[str, Any]) -> tuple[str | None, Decimal | None]:
    field = {"popsell": "total_amount", "dipli": "price_t_t_c", "valomnia": "total", "genuka": "amount"}[
        vendor
    ]
    amount = None if order[field] is None else Decimal(str(order[field]))
    if vendor == "dipli":
        return "EUR", None if amount is None else amount / 100
    return order["currency"], amount


def same_totals(found: dict[str, str], expected: dict[str, str]) -> bool:
    """Compare amounts, not how they are written."""
    return {name: Decimal(total) for name, total in found.items()} == {
        name: Decimal(total) for name, total in expected.items()
    }


def expected_statuses(sandbox: Sandbox, vendor: str) -> dict[str, dict[str, int]]:
    """Count the orders by the meaning of their status."""
    counts: dict[str, dict[str, int]] = {}
    for order in sandbox.payloads(vendor):
        for axis, word in status_words(vendor, order).items():
            meaning = _MEANINGS[vendor][axis].get(word or "", "unknown")
            if vendor == "genuka" and order["deleted_at"]:
                meaning = "cancelled"
            per_axis = counts.setdefault(axis, {})
            per_axis[meaning] = per_axis.get(meaning, 0) + 1
    return counts


def status_words(vendor: str, order: dict[str, Any]) -> dict[str, str | None]:
    """Give an order's own word on each axis."""
    if vendor == "popsell":
        return {"order": order["last_status"]}
    if vendor == "dipli":
        return {"fulfillment": order["shipping_status"]}
    if vendor == "valomnia":
        return {"payment": order["status"], "fulfillment": order["deliveryStatus"]}
    billing, shipping = order["billing"] or {}, order["shipping"] or {}
    return {"payment": billing.get("status"), "fulfillment": shipping.get("status")}
