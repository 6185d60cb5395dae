"""How far an export has come: what is committed with the data, and read by the next run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.apis.query import OrderQuery

__all__ = ["KeptShape", "Scope", "SyncState"]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which orders a state is about: those of one account that match the same filters.

    :param source: the vendor.
    :param account: whose orders.
    :param filters: the filters but for the window, as JSON with sorted keys.
    """

    source: str
    account: str
    filters: str

    @classmethod
    def of(cls, api: OrderApi[Any], query: OrderQuery) -> Self:
        """Give the scope of a selection."""
        filters = {
            "statuses": sorted(query.statuses),
            "ambassador_id": query.ambassador_id,
            "params": dict(sorted(query.params.items())),
        }
        text = json.dumps({name: value for name, value in filters.items() if value}, sort_keys=True)
        return cls(api.vendor, api.settings.account, text)

    @property
    def key(self) -> str:
        """A short name for it, made of hexadecimal digits: filters may hold an e-mail address."""
        text = "\n".join((self.source, self.account, self.filters))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptShape:
    """The shape of the payloads that the exports of one scope without a state know of.

    It is not the state's own: a window may be of years ago, when orders looked otherwise.

    :param shape: as the last of them left it, see :mod:`airflow_provider_orders.export.drift`.
    :param run_key: the task instance that left it.
    :param previous: as that one found it, so that it can repeat its own work.
    """

    shape: Mapping[str, Any] = field(repr=False)
    run_key: str = ""
    previous: Mapping[str, Any] | None = field(default=None, repr=False)

    def before(self, run_key: str) -> Mapping[str, Any] | None:
        """Give the shape that a task instance starts from: not its own."""
        return self.previous if run_key and self.run_key == run_key else self.shape

    def as_dict(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        return {"shape": self.shape, "run_key": self.run_key, "previous": self.previous}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Read it from plain JSON."""
        return cls(shape=content["shape"], run_key=content["run_key"], previous=content["previous"])


@dataclass(frozen=True, kw_only=True, slots=True)
class SyncState:
    """How far the exports of one scope into one target have come.

    :param sequence: number of the commit, from 1.
    :param watermark: up to when changes are in the target; None while none was seen.
    :param newest_id: the highest order id seen, where ids grow with each order.
    :param swept_from: since when orders were entered that the last sweep looked at; None where it is not known.
    :param lowest_id: the lowest id of these orders; no lower one needs to be looked at by a sweep that begins no earlier.
    :param shape: the known shape of the vendor's payloads, see :mod:`airflow_provider_orders.export.drift`.
    :param run_key: the task instance that committed it, so that it can repeat its own work.
    """

    sequence: int = 0
    watermark: datetime | None = None
    newest_id: int | None = None
    swept_from: datetime | None = None
    lowest_id: int | None = None
    shape: Mapping[str, Any] | None = field(default=None, repr=False)
    run_key: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        return {
            "sequence": self.sequence,
            "watermark": self.watermark.isoformat() if self.watermark else None,
            "newest_id": self.newest_id,
            "swept_from": self.swept_from.isoformat() if self.swept_from else None,
            "lowest_id": self.lowest_id,
            "shape": self.shape,
            "run_key": self.run_key,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Read it from plain JSON; one that an earlier version of this package wrote does not know of sweeps."""
        watermark, swept_from = content["watermark"], content.get("swept_from")
        return cls(
            sequence=content["sequence"],
            watermark=datetime.fromisoformat(watermark) if watermark else None,
            newest_id=content["newest_id"],
            swept_from=datetime.fromisoformat(swept_from) if swept_from else None,
            lowest_id=content.get("lowest_id"),
            shape=content["shape"],
            run_key=content["run_key"],
        )
