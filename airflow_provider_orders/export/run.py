"""One export: pages from a client, validated and counted, into a sink; the manifest at the end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from airflow_provider_orders.errors import ConfigurationError, UnexpectedPayloadError
from airflow_provider_orders.export.manifest import Manifest, Tally
from airflow_provider_orders.export.sinks.jsonl import one_line

if TYPE_CHECKING:
    from airflow_provider_orders.apis.query import OrderQuery
    from airflow_provider_orders.export.sinks.jsonl import JsonLinesSink
    from airflow_provider_orders.http.sync import SyncClient

__all__ = ["ON_REJECT", "OUTPUTS", "check_choice", "export_orders"]

log = logging.getLogger(__name__)

OUTPUTS: Final = ("raw", "vendor", "canonical")
ON_REJECT: Final = ("fail", "keep")

_PROGRESS_EVERY_S = 5.0

_Render: TypeAlias = Callable[[bytes], bytes | None]
"""Validates and counts one row; gives its line, or None for an order outside of the window."""


def check_choice(argument: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is not among the choices.

    :raises ConfigurationError: naming the argument and the choices.
    """
    if value not in choices:
        raise ConfigurationError(
            f"{argument} must be one of {', '.join(choices)}, not {value!r}.", field=argument
        )


def export_orders(
    client: SyncClient,
    query: OrderQuery,
    sink: JsonLinesSink,
    *,
    output: str = "raw",
    on_reject: str = "fail",
    limit: int | None = None,
) -> Manifest:
    """Read all orders of a selection into a sink.

    Every order is validated against the vendor's model, whatever the output. Memory holds a few pages.

    :param client: the client.
    :param query: which orders.
    :param sink: where to; it is committed at the end, and left as it was if anything fails.
    :param output: ``raw``: the vendor's bytes; ``vendor``: the validated payload; ``canonical``.
    :param on_reject: ``fail``: a row that is not what the vendor documents stops the export before it
        commits; ``keep``: it goes to the rejects file, with the reason.
    :param limit: orders to write at the most, None for all.
    :raises UnexpectedPayloadError: such a row, with ``fail``.
    :raises PaginationError: the pages do not add up.
    """
    tally = Tally(client.api.vendor)
    render = _renderer(client, query, tally, output)
    progress = _Progress(client.api.title)
    for page in client.iter_pages(query):
        tally.source_total = page.total
        lines: list[bytes] = []
        for row in page.rows:
            if limit is not None and tally.rows >= limit:
                break
            try:
                line = render(row.raw)
            except UnexpectedPayloadError as error:
                if on_reject == "fail":
                    raise
                tally.rejected += 1
                sink.reject(row.raw, error.message)
            else:
                if line is not None:
                    lines.append(line)
        sink.write(lines)
        progress.report(tally)
        if limit is not None and tally.rows >= limit:
            log.info("Stopped at the limit of %d orders", limit)
            break
    files, rejects_file = sink.finish()
    manifest = tally.manifest(
        orders_conn_id=client.api.settings.conn_id,
        query=query,
        uri=sink.uri,
        files=files,
        rejects_file=rejects_file,
        can_miss=_can_miss(query, limit),
        requests=client.requests_sent,
    )
    sink.commit(manifest)
    return manifest


def _can_miss(query: OrderQuery, limit: int | None) -> list[str]:
    missed = []
    if limit is not None:
        missed.append(f"orders beyond the limit of {limit}")
    if query.statuses:
        missed.append("orders whose status changed while the listing was read")
    return missed


def _renderer(client: SyncClient, query: OrderQuery, tally: Tally, output: str) -> _Render:
    model = client.api.order_model
    account = client.api.settings.account
    zone = client.api.settings.assumed_timezone
    has_window = bool(query.asked & {"updated_from", "updated_to", "created_from", "created_to"})

    def render(raw: bytes) -> bytes | None:
        order = None if output == "raw" else model.parse(raw)
        summary = model.summarise(raw) if order is None else order.summary()
        if has_window and not query.in_window(*model.window_of(summary, zone)):
            return None
        if order is None:
            line = one_line(raw)
        elif output == "vendor":
            line = order.model_dump_json().encode()
        else:
            line = order.to_order(account=account, assumed_timezone=zone).model_dump_json().encode()
        tally.add(summary.statuses, summary.currency, summary.total)
        return line

    return render


class _Progress:
    """Logs one line every few seconds, however many pages there are."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._started = self._last = time.monotonic()

    def report(self, tally: Tally) -> None:
        now = time.monotonic()
        if now - self._last < _PROGRESS_EVERY_S:
            return
        self._last = now
        of = f" of {tally.source_total:,}" if tally.source_total is not None else ""
        log.info(
            "%s: %s%s orders, %d a second",
            self._title,
            f"{tally.rows:,}",
            of,
            tally.rows / (now - self._started),
        )
