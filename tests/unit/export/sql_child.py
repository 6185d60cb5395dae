"""Exports into a database in a process of its own, to be killed or to be measured.

``python -m tests.unit.export.sql_child '{"url": ..., "die": "finished"}'`` writes orders and dies at a step by SIGKILL;
with ``measure`` it prints how far memory went beyond what it was after the first page.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tracemalloc
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_orders.export.sinks.sql import SqlSink
from airflow_provider_orders.export.sinks.sql.merge import Merge
from airflow_provider_orders.export.state import SyncState
from airflow_provider_orders.models.order import OrderLine
from tests.unit.export.sql_targets import MANIFEST, SCOPE, UrlDatabase, order

if TYPE_CHECKING:
    from airflow_provider_orders.export.record import Record

STEPS = (
    "opened", "staged", "judged", "lines replaced", "orders written", "orders buried", "finished", "state written",
    "committed",
)  # fmt: skip

_METHODS = {
    "judged": "_judge",
    "lines replaced": "_replace_lines",
    "orders written": "_write_orders",
    "orders buried": "_bury",
}


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _dying(step: str) -> None:
    """Let the merge die behind one of its statements; the rehearsal does not count."""
    name = _METHODS[step]
    method = getattr(Merge, name)

    def run(merge: Merge, *arguments: Any) -> Any:
        method(merge, *arguments)
        _die()

    setattr(Merge, name, run)


def page(start: int, size: int = 100) -> list[Record]:
    """Make some orders, changed ones as well as new ones."""
    return [
        order(
            str(number), reference="new", total=Decimal("1.10"), lines=(OrderLine(sku="new"), OrderLine(sku="too")),
            raw=b'{"id": %d, "filler": "%s"}' % (number, b"x" * 2000),
        )
        for number in range(start, start + size)
    ]  # fmt: skip


def run(*, url: str, die: str) -> None:
    """Write orders, and die at a step."""
    state = SyncState(sequence=2, run_key="second")
    sink = SqlSink(UrlDatabase(url), run_key="second", with_raw=True, history=True)
    sink.open(SCOPE, incremental=False, complete=True)
    if die == "opened":
        _die()
    for start in range(2, 1202, 100):
        sink.write([sink.render(record) for record in page(start)])
    sink.reject(b"{", "unreadable") if die != "orders buried" else None
    if die == "staged":
        _die()
    if die in _METHODS:
        _dying(die)
    sink.finish(state)
    if die == "finished":
        _die()
    if die == "state written":
        sink._session.commit = _die  # type: ignore[method-assign]
    sink.commit(MANIFEST, state)
    _die()


def measure(*, url: str, orders: int) -> int:
    """Write orders, and give by how many bytes Python's memory grew beyond the first pages at the most."""
    with SqlSink(UrlDatabase(url), with_raw=True, history=True) as sink:
        sink.open(SCOPE, incremental=False, complete=True)
        for start in range(0, orders, 100):
            sink.write([sink.render(record) for record in page(start)])
            if start == 1000:
                tracemalloc.start()
        sink.finish(None)
        sink.commit(MANIFEST, None)
    return tracemalloc.get_traced_memory()[1]


if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    if "die" in options:
        run(**options)
    sys.stdout.write(json.dumps(measure(**options)))
