"""What a vendor's listing of orders can do, declared by each vendor; sync plans are made from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["Capabilities", "Granularity"]


class Granularity(Enum):
    """How finely a listing can be filtered by time."""

    SECOND = "second"
    DAY = "day"
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class Capabilities:
    """What one listing of orders can do.

    :param update_filter: how finely it filters by the time of the last change.
    :param update_filter_ends: whether that filter has an end as well as a beginning.
    :param created_filter: how finely it filters by the time of creation.
    :param sort_keys: what it can be sorted by, in the vendor's words; empty where that is not documented.
    :param newest_first: whether it can be read from the newest order back, by ids that grow with each order.
    :param totals: whether it says how many orders there are.
    :param counts_windows: whether that is the number of those in a window; else a wider one is asked for.
    :param shows_deleted: whether an order that was deleted stays in it, marked as deleted.
    """

    update_filter: Granularity
    update_filter_ends: bool = False
    created_filter: Granularity
    sort_keys: tuple[str, ...] = ()
    newest_first: bool = False
    totals: bool = True
    counts_windows: bool = True
    shows_deleted: bool = False
