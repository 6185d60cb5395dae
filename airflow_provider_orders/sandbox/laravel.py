"""What Popsell and Genuka share because both are Laravel: page numbers, page links, and Spatie's query builder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from airflow_provider_orders.sandbox.messages import Call

__all__ = ["Pager", "filters", "moment", "not_allowed", "ordered", "sort_keys"]

T = TypeVar("T")

_ON_EACH_SIDE = 3
_ELLIPSIS = 0
_FILTER = re.compile(r"filter\[(?P<name>[^\]]+)\](?:\[(?P<part>[^\]]+)\])?")


def _positive(text: str, default: int) -> int:
    """Read a number as PHP does: what is not a positive integer is the default."""
    return int(text) or default if text.isascii() and text.isdigit() and len(text) < 10 else default


@dataclass(frozen=True)
class Pager:
    """One page of a Laravel paginator.

    :param call: the request, whose address and query the links repeat.
    :param total: how many rows there are in all.
    :param page: which page, from 1.
    :param per_page: rows on a page.
    """

    call: Call
    total: int
    page: int
    per_page: int

    @staticmethod
    def wanted(call: Call, *, default: int, maximum: int) -> tuple[int, int]:
        """Read ``page`` and ``per_page``; a page larger than allowed is cut down, not refused.

        :param call: the request.
        :param default: rows on a page when the request does not say.
        :param maximum: the most rows on a page.
        """
        per_page = _positive(call.query.get("per_page", ""), default)
        return _positive(call.query.get("page", ""), 1), min(per_page, maximum)

    @property
    def last_page(self) -> int:
        """The number of the last page; an empty list has one, too."""
        return max(1, -(-self.total // self.per_page))

    @property
    def skipped(self) -> int:
        """How many rows are on earlier pages."""
        return (self.page - 1) * self.per_page

    def url(self, page: int) -> str:
        """Give the address of a page, with the query of the request."""
        return f"{self._address}{page}"

    @cached_property
    def _address(self) -> str:
        """The address of any page, without its number."""
        kept = {name: value for name, value in self.call.query.items() if name != "page"}
        return f"{self.call.url}?{urlencode(kept)}{'&' if kept else ''}page="

    @property
    def next_url(self) -> str | None:
        """The address of the next page, if there is one."""
        return self.url(self.page + 1) if self.page < self.last_page else None

    @property
    def previous_url(self) -> str | None:
        """The address of the page before, if there is one."""
        return self.url(self.page - 1) if self.page > 1 else None

    def bounds(self, rows: int) -> tuple[int | None, int | None]:
        """Number the first and last row of the page; an empty page has neither.

        :param rows: how many rows the page has.
        """
        return (self.skipped + 1, self.skipped + rows) if rows else (None, None)

    def _numbers(self) -> list[int]:
        """Choose the page numbers to link, as Laravel's ``UrlWindow`` does; 0 stands for the dots."""
        last, side = self.last_page, _ON_EACH_SIDE
        if last < side * 2 + 8:
            return list(range(1, last + 1))
        edge = side + 4
        if self.page <= edge:
            return [*range(1, edge + side + 1), _ELLIPSIS, last - 1, last]
        if self.page > last - edge:
            return [1, 2, _ELLIPSIS, *range(last - (edge + side - 1), last + 1)]
        return [1, 2, _ELLIPSIS, *range(self.page - side, self.page + side + 1), _ELLIPSIS, last - 1, last]

    def links(self, next_link: str | None = None) -> list[dict[str, Any]]:
        """List the links that a page bar shows.

        :param next_link: stands in for the address of the next page.
        """
        numbered = [
            {"url": None, "label": "...", "active": False}
            if number == _ELLIPSIS
            else {"url": self.url(number), "label": str(number), "active": number == self.page}
            for number in self._numbers()
        ]
        return [
            {"url": self.previous_url, "label": "&laquo; Previous", "active": False},
            *numbered,
            {"url": next_link or self.next_url, "label": "Next &raquo;", "active": False},
        ]


def filters(query: Mapping[str, str]) -> dict[str, str]:
    """Collect ``filter[name]`` and ``filter[name][part]``; the latter is called ``name.part``.

    :param query: the query of a request.
    """
    found = {}
    for name, value in query.items():
        match = _FILTER.fullmatch(name)
        if match:
            part = match["part"]
            found[f"{match['name']}.{part}" if part else match["name"]] = value
    return found


def not_allowed(kind: str, given: Collection[str], allowed: Collection[str]) -> str | None:
    """Word Spatie's complaint about filters, sorts or includes that a route does not know.

    :param kind: ``filter``, ``sort`` or ``include``.
    :param given: what the request asks for.
    :param allowed: what the route knows.
    :return: the complaint, or nothing.
    """
    unknown = sorted(set(given) - set(allowed))
    if not unknown:
        return None
    return (
        f"Requested {kind}(s) `{', '.join(unknown)}` are not allowed. "
        f"Allowed {kind}(s) are `{', '.join(sorted(allowed))}`."
    )


def sort_keys(query: Mapping[str, str]) -> list[tuple[str, bool]]:
    """Read ``sort=-name,other`` into the names and whether each is descending.

    :param query: the query of a request.
    """
    names = [name for name in query.get("sort", "").split(",") if name]
    return [(name.removeprefix("-"), name.startswith("-")) for name in names]


def ordered(
    rows: Iterable[T], sorts: Sequence[tuple[str, bool]], facts: Mapping[str, Callable[[T], Any]]
) -> list[T]:
    """Sort rows by several facts, the first one first; rows that are equal keep their order.

    :param rows: what to sort.
    :param sorts: names and directions.
    :param facts: what each name goes by.
    """
    result = list(rows)
    for name, descending in reversed(sorts):
        result.sort(key=facts[name], reverse=descending)
    return result


def moment(text: str) -> float | None:
    """Read a date or a date with time, UTC unless it says otherwise, as seconds of the epoch.

    :param text: ``Y-m-d``, ``Y-m-d H:i:s`` or ISO 8601.
    """
    try:
        parsed = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
