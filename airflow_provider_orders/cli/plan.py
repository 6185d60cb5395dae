"""``plan``: what an export will cost, and what it can miss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_orders.cli.connect import find_hook, mask
from airflow_provider_orders.cli.exit_codes import ExitCode
from airflow_provider_orders.cli.selection import in_words, incremental_query_of, query_of
from airflow_provider_orders.diagnosis.estimate import Estimate, estimate_export
from airflow_provider_orders.http.policy import RetryPolicy
from airflow_provider_orders.http.sync import SyncClient

if TYPE_CHECKING:
    import argparse
    from datetime import datetime

    from airflow_provider_orders.apis.settings import ApiSettings
    from airflow_provider_orders.cli.screen import Screen

__all__ = ["run"]


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Estimate an export."""
    mode = watermark = None
    if arguments.incremental:
        mode = "incremental"
        query, watermark = incremental_query_of(arguments)
    else:
        query = query_of(arguments)
    api = find_hook(arguments.orders_conn_id).api
    with SyncClient(api, policy=RetryPolicy(attempts=3), mask=mask) as client:
        estimate = estimate_export(client, query, mode=mode, watermark=watermark)
    if arguments.json:
        screen.json(_as_dict(arguments.orders_conn_id, estimate))
    else:
        kind = "an export" if mode is None else _incremental(watermark)
        which = f": {in_words(query)}" if query.asked or watermark is None else ""
        screen.pairs(f"Plan of {kind} of {arguments.orders_conn_id}{which}", _rows(estimate, api.settings))
    return ExitCode.DONE


def _incremental(watermark: datetime | None) -> str:
    if watermark is None:
        return "the first incremental export"
    return f"the incremental export after that of {watermark:%Y-%m-%d %H:%M:%S} UTC"


def _rows(estimate: Estimate, settings: ApiSettings) -> list[tuple[str, str]]:
    parts = [
        f"{count:,} {what}"
        for count, what in (
            (estimate.logins, "to sign in"),
            (estimate.pages, f"for pages of {settings.page_size}"),
            (estimate.further, "for order lines"),
        )
        if count
    ]
    why = {
        "api": f"{estimate.request_s:.2f} s a request, {settings.concurrency} at a time",
        "requests_per_minute": f"the connection keeps to {settings.requests_per_minute} requests a minute",
        "this machine": "what this machine can read",
    }[estimate.limited_by]
    counted = "counted by the vendor" if estimate.is_exact else "judging by the pages looked at"
    return [
        ("reads", estimate.plan.words),
        ("orders", f"{estimate.orders:,} to read, {counted}"),
        ("requests", f"{estimate.requests:,}: {', '.join(parts)}"),
        ("time", f"{_duration(estimate.seconds)}: {why}"),
        *(("can miss", gap) for gap in estimate.plan.can_miss),
    ]


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "less than a second"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    minutes = seconds / 60
    return f"about {minutes:.0f} minutes" if minutes < 90 else f"about {minutes / 60:.1f} hours"


def _as_dict(orders_conn_id: str, estimate: Estimate) -> dict[str, Any]:
    plan = estimate.plan
    return {
        "orders_conn_id": orders_conn_id,
        "mode": plan.mode,
        "window": [moment.isoformat() if moment else None for moment in plan.window],
        "by": plan.by,
        "plan": plan.words,
        "orders": estimate.orders,
        "orders_are_exact": estimate.is_exact,
        "requests": estimate.requests,
        "requests_of": {
            "logins": estimate.logins,
            "pages": estimate.pages,
            "further": estimate.further,
        },
        "seconds": round(estimate.seconds, 3),
        "limited_by": estimate.limited_by,
        "request_s": round(estimate.request_s, 3),
        "can_miss": list(plan.can_miss),
        "requests_made": estimate.requests_made,
    }
