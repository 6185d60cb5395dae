"""The tables: which there are, their columns, and what each kind of column is called in a database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, Index, MetaData, PrimaryKeyConstraint, Table

from airflow_provider_orders.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.types import TypeEngine

__all__ = ["LINE_COLUMNS", "ORDER_COLUMNS", "Kind", "Staging", "TableNames", "Tables"]


class Kind(Enum):
    """What a column holds."""

    KEY = auto()
    """Text that identifies."""
    WORD = auto()
    """Text of a closed set, or of a known length."""
    TEXT = auto()
    AMOUNT = auto()
    """A decimal number, exact."""
    MOMENT = auto()
    """A moment in UTC."""
    FLAG = auto()
    COUNT = auto()
    PAYLOAD = auto()
    """JSON as it came, byte for byte where the database can."""
    DOCUMENT = auto()
    """JSON that this package writes and reads."""


ORDER_COLUMNS: Final = (
    ("id", Kind.KEY),
    ("model_version", Kind.COUNT),
    ("reference", Kind.TEXT),
    ("external_id", Kind.TEXT),
    ("status", Kind.WORD),
    ("status_raw", Kind.TEXT),
    ("payment_status", Kind.WORD),
    ("payment_status_raw", Kind.TEXT),
    ("fulfillment_status", Kind.WORD),
    ("fulfillment_status_raw", Kind.TEXT),
    ("currency", Kind.TEXT),
    ("currency_assumed", Kind.FLAG),
    ("total", Kind.AMOUNT),
    ("subtotal", Kind.AMOUNT),
    ("tax", Kind.AMOUNT),
    ("shipping", Kind.AMOUNT),
    ("discount", Kind.AMOUNT),
    ("paid", Kind.AMOUNT),
    ("due", Kind.AMOUNT),
    ("customer_id", Kind.TEXT),
    ("customer_name", Kind.TEXT),
    ("customer_email", Kind.TEXT),
    ("customer_phone", Kind.TEXT),
    ("customer_company", Kind.TEXT),
    ("shipping_address_name", Kind.TEXT),
    ("shipping_address_company", Kind.TEXT),
    ("shipping_address_street", Kind.TEXT),
    ("shipping_address_postcode", Kind.TEXT),
    ("shipping_address_city", Kind.TEXT),
    ("shipping_address_country", Kind.TEXT),
    ("shipping_address_phone", Kind.TEXT),
    ("shipping_address_email", Kind.TEXT),
    ("tracking_carrier", Kind.TEXT),
    ("tracking_number", Kind.TEXT),
    ("tracking_url", Kind.TEXT),
    ("line_count", Kind.COUNT),
    ("created_at", Kind.MOMENT),
    ("updated_at", Kind.MOMENT),
    ("delivered_at", Kind.MOMENT),
    ("cancelled_at", Kind.MOMENT),
    ("deleted", Kind.FLAG),
    ("timezone_assumed", Kind.TEXT),
    ("content_hash", Kind.WORD),
)
"""The canonical order, its parts flattened. ``line_count`` is NULL where the answer did not include lines."""

LINE_COLUMNS: Final = (
    ("position", Kind.COUNT),
    ("id", Kind.TEXT),
    ("product_id", Kind.TEXT),
    ("sku", Kind.TEXT),
    ("name", Kind.TEXT),
    ("quantity", Kind.AMOUNT),
    ("unit_price", Kind.AMOUNT),
    ("total", Kind.AMOUNT),
    ("tax_class", Kind.TEXT),
)
"""The canonical order line; ``position`` counts from 1."""

_OWNER: Final = (("source", Kind.WORD), ("account", Kind.KEY))

# The longest name derived from it stays within the 63 bytes of PostgreSQL.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,47}")


@dataclass(frozen=True, kw_only=True, slots=True)
class TableNames:
    """What the tables of one target are called, all derived from the first.

    :param orders: one row for each order, the newest version.
    :param lines: its lines.
    :param raw: what the vendor sent.
    :param history: every version of every order.
    :param rejects: rows that are not what the vendor documents.
    :param state: how far the exports have come.
    :param journal: the pages of interrupted exports.
    """

    orders: str
    lines: str
    raw: str
    history: str
    rejects: str
    state: str
    journal: str

    @classmethod
    def of(cls, table: object) -> TableNames:
        """Derive them: ``orders``, ``order_lines``, ``orders_raw``; ``sales``, ``sales_lines``, ``sales_raw``.

        :raises ConfigurationError: it is no name of a table.
        """
        if not isinstance(table, str) or not _NAME.fullmatch(table):
            raise ConfigurationError(
                "table must be a name of letters, digits and underscores, 48 at the most and no digit first; "
                "a schema goes into the argument schema.",
                field="table",
            )
        one = table[:-1] if table.endswith("orders") else table
        return cls(
            orders=table,
            lines=f"{one}_lines",
            raw=f"{table}_raw",
            history=f"{table}_history",
            rejects=f"{table}_rejects",
            state=f"{table}_sync_state",
            journal=f"{table}_journal",
        )


class Tables:
    """The tables of one target, in the words of its database.

    :param names: what they are called.
    :param schema: where they lie, None for the connection's own.
    :param types: what each kind of column is called.
    :param options: what the database wants to know of a new table.
    :param with_raw: whether the raw orders are kept too.
    :param with_history: whether every version is kept too.
    """

    def __init__(
        self,
        names: TableNames,
        *,
        schema: str | None,
        types: Mapping[Kind, TypeEngine[Any]],
        options: Mapping[str, Any],
        with_raw: bool,
        with_history: bool,
    ) -> None:
        self._types = types
        self._options = options
        self._metadata = MetaData(schema=schema)
        self.kinds: dict[str, dict[str, Kind]] = {}
        times = (("deleted_at", Kind.MOMENT), ("exported_at", Kind.MOMENT))
        self.orders = self._table(
            names.orders,
            (*_OWNER, *ORDER_COLUMNS, *times, ("first_exported_at", Kind.MOMENT)),
            key=("source", "account", "id"),
        )
        self.lines = self._table(
            names.lines,
            (*_OWNER, ("order_id", Kind.KEY), *LINE_COLUMNS, ("exported_at", Kind.MOMENT)),
            key=("source", "account", "order_id", "position"),
        )
        self.rejects = self._table(
            names.rejects,
            (
                *_OWNER,
                ("run", Kind.WORD),
                ("run_key", Kind.TEXT),
                ("position", Kind.COUNT),
                ("reason", Kind.TEXT),
                ("payload", Kind.TEXT),
                ("rejected_at", Kind.MOMENT),
            ),
            key=("source", "account", "run", "position"),
        )
        self.state = self._table(
            names.state,
            (
                *_OWNER,
                ("scope", Kind.WORD),
                ("commits", Kind.COUNT),
                ("sequence", Kind.COUNT),
                ("watermark", Kind.MOMENT),
                ("run_key", Kind.TEXT),
                ("state", Kind.DOCUMENT),
                ("previous_state", Kind.DOCUMENT),
                ("manifest", Kind.DOCUMENT),
                ("shape", Kind.DOCUMENT),
                ("committed_at", Kind.MOMENT),
            ),
            key=("source", "account", "scope"),
        )
        self.journal = self._table(
            names.journal,
            (
                *_OWNER,
                ("run", Kind.WORD),
                ("number", Kind.COUNT),
                ("segment", Kind.TEXT),
                ("kept_at", Kind.MOMENT),
            ),
            key=("source", "account", "run", "number"),
        )
        self.raw: Table | None = None
        if with_raw:
            self.raw = self._table(
                names.raw,
                (*_OWNER, ("id", Kind.KEY), ("payload", Kind.PAYLOAD), ("exported_at", Kind.MOMENT)),
                key=("source", "account", "id"),
            )
        self.history: Table | None = None
        if with_history:
            self.history = self._table(
                names.history,
                (*_OWNER, *ORDER_COLUMNS, *times, ("lines_json", Kind.PAYLOAD), ("recorded_at", Kind.MOMENT)),
                key=("source", "account", "id", "recorded_at"),
            )

    def _table(self, name: str, columns: Sequence[tuple[str, Kind]], *, key: Sequence[str]) -> Table:
        self.kinds[name] = dict(columns)
        return Table(
            name,
            self._metadata,
            *(
                Column(column, self._types[kind], nullable=column not in key, autoincrement=False)
                for column, kind in columns
            ),
            PrimaryKeyConstraint(*key),
            **self._options,
        )

    @property
    def all(self) -> list[Table]:
        """Every table that this export uses."""
        tables = [self.orders, self.lines, self.rejects, self.state, self.journal, self.raw, self.history]
        return [table for table in tables if table is not None]


class Staging:
    """Tables of the session, where an export lies until it is committed; they go with the session.

    :param types: what each kind of column is called.
    :param options: what the database wants to know of a new table.
    :param with_raw: whether the raw orders are kept too.
    :param with_history: whether every version is kept too.
    :param indexed: whether it has its indexes from the start; some databases fill a table faster without.
    """

    def __init__(
        self,
        *,
        types: Mapping[Kind, TypeEngine[Any]],
        options: Mapping[str, Any],
        with_raw: bool,
        with_history: bool,
        indexed: bool,
    ) -> None:
        self._types = types
        self._options = options
        self._metadata = MetaData()
        self._indexed = indexed
        extra = [("exported_at", Kind.MOMENT)]
        if with_history:
            extra.append(("lines_json", Kind.PAYLOAD))
        if with_raw:
            extra.append(("payload", Kind.PAYLOAD))
        self.orders = self._table("staged_orders", (*ORDER_COLUMNS, *extra), key=("seq",))
        self.lines = self._table("staged_lines", LINE_COLUMNS, key=("seq", "position"))
        self.rejects = self._table(
            "staged_rejects", (("reason", Kind.TEXT), ("payload", Kind.TEXT)), key=("seq",)
        )
        self.verdicts = self._table(
            "staged_verdicts",
            (("id", Kind.KEY), ("has_lines", Kind.FLAG), ("verdict", Kind.COUNT)),
            key=("seq",),
        )
        if indexed:
            Index("airflow_staged_verdicts_id", self.verdicts.c.id)

    def _table(self, name: str, columns: Sequence[tuple[str, Kind]], *, key: Sequence[str]) -> Table:
        return Table(
            f"airflow_{name}",
            self._metadata,
            *(
                Column(column, self._types[kind], autoincrement=False)
                for column, kind in (("seq", Kind.COUNT), *columns)
            ),
            *([PrimaryKeyConstraint(*key)] if self._indexed else []),
            prefixes=["TEMPORARY"],
            **self._options,
        )

    @property
    def all(self) -> list[Table]:
        """Every table."""
        return [self.orders, self.lines, self.rejects, self.verdicts]
