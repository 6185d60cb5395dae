"""The statements that bring what was staged into the tables."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, case, exists, false, func, insert, literal, null, or_, select, true, update

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Select, Table
    from sqlalchemy.sql.elements import ColumnElement
    from sqlalchemy.sql.selectable import FromClause

    from airflow_provider_orders.export.sinks.sql.dialect import Dialect
    from airflow_provider_orders.export.sinks.sql.tables import Staging, Tables
    from airflow_provider_orders.export.state import Scope

__all__ = ["Merge", "Merged"]

_OLDER: Final = -1
_SAME: Final = 0
_CHANGED: Final = 1
_NEW: Final = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Merged:
    """What a merge did.

    :param written: orders that are new or changed.
    :param deleted: orders that are marked as deleted now.
    """

    written: int
    deleted: int


class Merge:
    """Brings staged orders into the tables, within the transaction of the caller.

    :param dialect: the connection.
    :param tables: the target.
    :param staging: what was staged.
    :param scope: whose orders.
    """

    def __init__(self, dialect: Dialect, tables: Tables, staging: Staging, scope: Scope) -> None:
        self._dialect = dialect
        self._connection = dialect.connection
        self._tables = tables
        self._staged = staging.orders
        self._staged_lines = staging.lines
        self._staged_rejects = staging.rejects
        self._verdicts = staging.verdicts
        self._scope = scope

    def run(self, *, run_key: str, now: datetime, complete: bool) -> Merged:
        """Merge.

        :param run_key: the task instance, whose rejects of an earlier try are replaced.
        :param now: when.
        :param complete: whether every order was staged, so that the others were deleted.
        """
        moment = self._dialect.moment(now)
        self._judge()
        self._replace_lines()
        self._write_orders()
        self._write_raw()
        self._write_history(moment)
        deleted = self._bury(moment) if complete else 0
        self._write_rejects(run_key, moment)
        return Merged(written=self._written(), deleted=deleted)

    def _owner(self) -> list[ColumnElement[Any]]:
        return [literal(self._scope.source).label("source"), literal(self._scope.account).label("account")]

    def _owned(self, table: Table) -> ColumnElement[bool]:
        return and_(table.c.source == self._scope.source, table.c.account == self._scope.account)

    def _winners(self, least: int) -> FromClause:
        """Give the staged orders that have at least this verdict."""
        staged, verdicts = self._staged, self._verdicts
        return staged.join(verdicts, and_(verdicts.c.seq == staged.c.seq, verdicts.c.verdict >= least))

    def _judge(self) -> None:
        """Say of each staged order how it stands to the one in the table; the last of two versions counts."""
        staged, orders = self._staged, self._tables.orders
        dated = select(
            staged.c.seq,
            staged.c.id,
            staged.c.updated_at,
            staged.c.timezone_assumed,
            staged.c.exported_at,
            staged.c.content_hash,
            staged.c.deleted,
            staged.c.line_count,
            func.max(staged.c.updated_at).over(partition_by=staged.c.id).label("newest"),
        ).subquery("dated")
        may_be_newest = case(
            (self._latest(dated) >= dated.c.newest, dated.c.newest), else_=dated.c.updated_at
        )
        ranked = select(
            dated,
            func.row_number()
            .over(
                partition_by=dated.c.id,
                order_by=[
                    case((dated.c.updated_at.is_(None), 1), else_=0),
                    may_be_newest.desc(),
                    dated.c.seq.desc(),
                ],
            )
            .label("rank"),
        ).subquery("ranked")
        # Asked for each order by its key, so that no planner takes it into its head to read the whole table for each.
        verdict = (
            select(
                case(
                    (self._stays(orders, ranked), _OLDER),
                    (
                        and_(
                            orders.c.content_hash == ranked.c.content_hash,
                            func.coalesce(orders.c.deleted, false()) == ranked.c.deleted,
                        ),
                        _SAME,
                    ),
                    else_=_CHANGED,
                )
            )
            .where(self._owned(orders), orders.c.id == ranked.c.id)
            .scalar_subquery()
        )
        rows = select(
            ranked.c.seq, ranked.c.id, ranked.c.line_count.isnot(None), func.coalesce(verdict, _NEW)
        ).where(ranked.c.rank == 1)
        names = ["seq", "id", "has_lines", "verdict"]
        self._connection.execute(insert(self._verdicts).from_select(names, rows))
        self._dialect.settle(self._verdicts)

    def _stays(self, orders: FromClause, ranked: FromClause) -> ColumnElement[bool]:
        """Tell whether the version in the table is the newer one."""
        read_earlier = orders.c.exported_at > ranked.c.exported_at
        # Where a time is missing the comparison is neither true nor false, and when they were read decides.
        is_newer = func.coalesce(ranked.c.updated_at > self._latest(orders), false())
        return or_(orders.c.updated_at > self._latest(ranked), and_(~is_newer, read_earlier))

    def _latest(self, version: FromClause) -> ColumnElement[Any]:
        """Give the latest moment that the last change of a version can stand for.

        Without a zone, the hour that clocks show twice is read as the first of the two.
        """
        updated = version.c.updated_at
        return case(
            (version.c.timezone_assumed.isnot(None), self._dialect.hour_later(updated)), else_=updated
        )

    def _replace_lines(self) -> None:
        """Replace the lines of what is written; an answer without lines leaves those that were known."""
        staged, lines = self._staged, self._tables.lines
        judged = self._verdicts.c
        with_lines = select(judged.id).where(judged.verdict >= _CHANGED, judged.has_lines == true())
        self._connection.execute(
            self._dialect.delete_matching(lines, lines.c.order_id, with_lines).where(self._owned(lines))
        )
        source = self._staged_lines
        own = [column.name for column in source.c if column.name != "seq"]
        rows = select(
            *self._owner(), staged.c.id, *(source.c[name] for name in own), staged.c.exported_at
        ).select_from(self._winners(_CHANGED).join(source, source.c.seq == staged.c.seq))
        names = ["source", "account", "order_id", *own, "exported_at"]
        self._connection.execute(insert(lines).from_select(names, rows))

    def _write_orders(self) -> None:
        staged, orders = self._staged, self._tables.orders
        own = self._order_names()
        deleted_at = case((staged.c.deleted == true(), staged.c.exported_at), else_=null())
        rows = select(
            *self._owner(),
            *(staged.c[name] for name in own),
            deleted_at.label("deleted_at"),
            staged.c.exported_at,
            staged.c.exported_at.label("first_exported_at"),
        ).select_from(self._winners(_CHANGED))
        replace: dict[str, Callable[[Any], Any]] = {
            name: _taken(name) for name in (*own, "exported_at") if name != "id"
        }
        # An order that stays deleted keeps the moment at which that was found.
        replace["deleted_at"] = lambda new: case(
            (new.deleted_at.isnot(None), func.coalesce(orders.c.deleted_at, new.deleted_at)), else_=null()
        )
        names = ["source", "account", *own, "deleted_at", "exported_at", "first_exported_at"]
        self._connection.execute(self._dialect.upsert(orders, names, rows.where(literal(1) == 1), replace))

    def _write_raw(self) -> None:
        raw, staged = self._tables.raw, self._staged
        if raw is None:
            return
        rows = select(*self._owner(), staged.c.id, staged.c.payload, staged.c.exported_at).select_from(
            self._winners(_SAME)
        )
        names = ["source", "account", "id", "payload", "exported_at"]
        replace = {name: _taken(name) for name in ("payload", "exported_at")}
        self._connection.execute(self._dialect.upsert(raw, names, rows.where(literal(1) == 1), replace))

    def _write_history(self, moment: datetime) -> None:
        history, staged = self._tables.history, self._staged
        if history is None:
            return
        own = self._order_names()
        deleted_at = case((staged.c.deleted == true(), staged.c.exported_at), else_=null())
        rows = select(
            *self._owner(),
            *(staged.c[name] for name in own),
            staged.c.lines_json,
            deleted_at,
            staged.c.exported_at,
            literal(moment, history.c.recorded_at.type),
        ).select_from(self._winners(_CHANGED))
        names = ["source", "account", *own, "lines_json", "deleted_at", "exported_at", "recorded_at"]
        self._connection.execute(insert(history).from_select(names, rows))

    def _bury(self, moment: datetime) -> int:
        """Mark what was not staged as deleted; where nothing at all was staged, something else is wrong."""
        orders, history, judged = self._tables.orders, self._tables.history, self._verdicts.c
        when = literal(moment, orders.c.deleted_at.type)
        gone = and_(
            self._owned(orders),
            func.coalesce(orders.c.deleted, false()) == false(),
            ~exists().where(judged.id == orders.c.id),
        )
        if history is not None:
            kept = [name for name in self._order_names() if name != "deleted"]
            rows = select(
                orders.c.source, orders.c.account, *(orders.c[name] for name in kept), orders.c.exported_at,
                true(), when, when,
            ).where(gone)  # fmt: skip
            names = ["source", "account", *kept, "exported_at", "deleted", "deleted_at", "recorded_at"]
            self._connection.execute(insert(history).from_select(names, rows))
        done = self._connection.execute(update(orders).where(gone).values(deleted=true(), deleted_at=when))
        return done.rowcount

    def _write_rejects(self, run_key: str, moment: datetime) -> None:
        rejects, staged = self._tables.rejects, self._staged_rejects
        run = hashlib.sha256(run_key.encode()).hexdigest()  # the key itself is too long for an index
        self._connection.execute(rejects.delete().where(self._owned(rejects), rejects.c.run == run))
        rows = select(
            *self._owner(),
            literal(run),
            literal(run_key, rejects.c.run_key.type),
            staged.c.seq,
            staged.c.reason,
            staged.c.payload,
            literal(moment, rejects.c.rejected_at.type),
        )
        names = ["source", "account", "run", "run_key", "position", "reason", "payload", "rejected_at"]
        self._connection.execute(insert(rejects).from_select(names, rows))

    def _written(self) -> int:
        verdicts = self._verdicts
        return int(
            self._connection.execute(_count(verdicts).where(verdicts.c.verdict >= _CHANGED)).scalar() or 0
        )

    def _order_names(self) -> list[str]:
        """Give the columns that a staged order and one in the table have in common, but for the times."""
        known = self._tables.orders.c
        return [
            column.name for column in self._staged.c if column.name in known and column.name != "exported_at"
        ]


def _taken(name: str) -> Callable[[Any], Any]:
    return lambda new: new[name]


def _count(table: Table) -> Select[Any]:
    return select(func.count()).select_from(table)
