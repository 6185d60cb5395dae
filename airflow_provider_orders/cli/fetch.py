"""``fetch``: export orders into a file."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from airflow_provider_orders.apis.query import whole_number
from airflow_provider_orders.cli.connect import find_hook, mask
from airflow_provider_orders.cli.exit_codes import ExitCode
from airflow_provider_orders.cli.selection import in_words, query_of
from airflow_provider_orders.cli.target import Target
from airflow_provider_orders.export.plan import check_plan
from airflow_provider_orders.export.run import export_orders
from airflow_provider_orders.http.sync import SyncClient

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Generator

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.apis.query import OrderQuery
    from airflow_provider_orders.cli.screen import Screen
    from airflow_provider_orders.export.manifest import Manifest
    from airflow_provider_orders.http.paging import RowPage

__all__ = ["run"]


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Export the orders, and say what came."""
    query = query_of(arguments)
    limit = None if arguments.limit is None else whole_number("limit", arguments.limit)
    target = Target.of(arguments.output, arguments.file_format, arguments.compression, arguments.content)
    api = find_hook(arguments.orders_conn_id).api
    check_plan(api, query, limit=limit)  # before the target is touched
    with (
        screen.progress(f"{api.title}: {in_words(query)}") as show,
        _CountingClient(api, show) as client,
        target.place(_name(arguments.orders_conn_id, query, target)) as place,
    ):
        with target.sink(place) as sink:
            manifest = export_orders(client, query, sink, on_reject=arguments.on_reject, limit=limit)
        manifest = place.publish(manifest)
    if arguments.json:
        screen.json(manifest)
    else:
        screen.pairs(f"Exported {manifest['rows']:,} orders of {arguments.orders_conn_id}", _rows(manifest))
    return ExitCode.DONE


def _name(orders_conn_id: str, query: OrderQuery, target: Target) -> str:
    """Name a file after what is in it: another selection, or another form of it, gets another name."""
    start = query.updated_from or query.created_from
    window = f"{start:%Y%m%dT%H%M%SZ}" if start else "all"
    content = query, sorted(query.params.items()), target.file_format, target.content
    digest = hashlib.sha256(repr(content).encode()).hexdigest()[:8]
    return "-".join((re.sub(r"[^A-Za-z0-9_]+", "-", orders_conn_id), window, digest))


class _CountingClient(SyncClient):
    """Tells how far the reading has come.

    :param show: called with the orders read, and how many the vendor counts.
    """

    def __init__(self, api: OrderApi[Any], show: Callable[[int, int | None], None]) -> None:
        super().__init__(api, mask=mask)
        self._show = show

    def iter_pages(self, *args: Any, **kwargs: Any) -> Generator[RowPage]:
        done = 0
        for page in super().iter_pages(*args, **kwargs):
            yield page
            done += len(page.rows)
            self._show(done, page.total)


def _rows(manifest: Manifest) -> list[tuple[str, str]]:
    rows = [
        ("read", manifest["plan"]),
        ("requests", f"{manifest['requests']:,} in {manifest['seconds']:,.1f} s"),
    ]
    rows += [
        ("file", f"{file['path']} ({file['rows']:,} orders, {file['bytes']:,} bytes)")
        for file in manifest["files"]
    ]
    if manifest["manifest_file"]:
        rows.append(("manifest", manifest["manifest_file"]))
    if manifest["rejected"]:
        rows.append(("rejected", f"{manifest['rejected']:,}, kept in {manifest['rejects_file']}"))
    rows += [("total", f"{total} {currency}") for currency, total in manifest["totals"].items()]
    return [*rows, *(("can miss", gap) for gap in manifest["can_miss"])]
