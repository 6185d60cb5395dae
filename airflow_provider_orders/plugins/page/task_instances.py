"""What the queries about task instances share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

__all__ = ["is_same", "rendered"]


def is_same(table: Any, other: Any) -> ColumnElement[bool]:
    """Give the condition that rows of two tables are of the same task instance."""
    return and_(
        *(
            getattr(table, column) == getattr(other, column)
            for column in ("dag_id", "task_id", "run_id", "map_index")
        )
    )


def rendered(row: Any, field: str) -> object:
    """Give what a row's ``rendered_fields`` hold under a name, None where they are gone."""
    return row.rendered_fields.get(field) if isinstance(row.rendered_fields, Mapping) else None
