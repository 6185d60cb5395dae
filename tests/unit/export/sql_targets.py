"""Orders by hand or from the sandbox into a database, and what is in its tables afterwards."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy

from airflow_provider_orders import models
from airflow_provider_orders.export.record import RecordReader
from airflow_provider_orders.export.sinks.sql import SqlSink
from airflow_provider_orders.export.state import Scope, SyncState
from airflow_provider_orders.models.order import Order

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_orders.export.manifest import Manifest
    from airflow_provider_orders.export.record import Record
    from airflow_provider_orders.export.sinks.base import Written
    from airflow_provider_orders.models.base import VendorOrder

ACCOUNT = "main"
SCOPE = Scope("popsell", ACCOUNT, "{}")
MANIFEST = cast("Manifest", {"rows": 0})

_MODELS: dict[str, type[VendorOrder]] = {
    "popsell": models.PopsellOrder,
    "dipli": models.DipliOrder,
    "valomnia": models.ValomniaOrder,
    "genuka": models.GenukaOrder,
}


class UrlDatabase:
    """A database hook that knows nothing but a URL.

    :param url: the URL.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def get_sqlalchemy_engine(
        self, engine_kwargs: dict[str, Any] | None = None, /
    ) -> sqlalchemy.engine.Engine:
        return sqlalchemy.create_engine(self.url, **(engine_kwargs or {}))


def order(order_id: str = "1", *, raw: bytes | None = None, **fields: Any) -> Record:
    """Make a valid order out of canonical fields."""
    made = Order(**{"source": "popsell", "account": ACCOUNT, "id": order_id, "currency": "EUR", **fields})
    content = raw if raw is not None else json.dumps({"id_order": order_id}).encode()
    return cast("Record", SimpleNamespace(identity=order_id, raw=content, order=lambda: made))


def records(vendor: str, payloads: Iterable[dict[str, Any]]) -> list[Record]:
    """Read payloads of a vendor."""
    reader = RecordReader(_MODELS[vendor], account=ACCOUNT, assumed_timezone=None)
    return [reader.read(json.dumps(payload).encode()) for payload in payloads]


def export(
    url: str,
    orders: Sequence[Record],
    *,
    scope: Scope = SCOPE,
    state: SyncState | None = None,
    complete: bool = False,
    doubtful: bool = False,
    rejects: Sequence[tuple[bytes, str]] = (),
    page_size: int = 100,
    **options: Any,
) -> Written:
    """Write orders as an export does."""
    with SqlSink(UrlDatabase(url), **options) as sink:
        sink.open(scope, incremental=not complete, complete=complete)
        for start in range(0, len(orders), page_size):
            sink.write([sink.render(record) for record in orders[start : start + page_size]])
        for raw, reason in rejects:
            sink.reject(raw, reason)
        if doubtful:
            sink.doubt()
        written = sink.finish(state)
        sink.commit(MANIFEST, state)
    return written


def query(url: str, words: str, **values: Any) -> list[dict[str, Any]]:
    """Ask the database."""
    engine = sqlalchemy.create_engine(url)
    try:
        with engine.connect() as connection:
            found = connection.execute(sqlalchemy.text(words), values)
            return [dict(row._mapping) for row in found]
    finally:
        engine.dispose()


def do(url: str, *statements: str) -> None:
    """Change the database."""
    engine = sqlalchemy.create_engine(url)
    try:
        with engine.begin() as connection:
            for words in statements:
                connection.execute(sqlalchemy.text(words))
    finally:
        engine.dispose()


def only(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Give the one row that there is."""
    (row,) = rows
    return row


def moment_text(value: object) -> str:
    """Write a moment alike, whatever the driver makes of it."""
    return str(value).replace("T", " ").removesuffix("+00:00").removesuffix(".000000")


def tables(url: str) -> set[str]:
    """List the tables."""
    engine = sqlalchemy.create_engine(url)
    try:
        return set(sqlalchemy.inspect(engine).get_table_names())
    finally:
        engine.dispose()


def contents(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Give every row of every table, to compare."""
    return {
        table: sorted((tuple(row.values()) for row in query(url, f"SELECT * FROM {table}")), key=str)  # noqa: S608
        for table in sorted(tables(url))
    }
