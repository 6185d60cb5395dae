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

__all__ = ["Scope", "SyncState"]


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
class SyncState:
    """How far the exports of one scope into one target have come.

    :param sequence: number of the commit, from 1.
    :param watermark: up to when changes are in the target; None while none was seen.
    :param newest_id: the highest order id seen, where ids grow with each order.
    :param shape: the known shape of the vendor's payloads, see :mod:`airflow_provider_orders.export.drift`.
    :param run_key: the task instance that committed it, so that it can repeat its own work.
    """

    sequence: int = 0
    watermark: datetime | None = None
    newest_id: int | None = None
    shape: Mapping[str, Any] | None = field(default=None, repr=False)
    run_key: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        return {
            "sequence": self.sequence,
            "watermark": self.watermark.isoformat() if self.watermark else None,
            "newest_id": self.newest_id,
            "shape": self.shape,
            "run_key": self.run_key,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Read it from plain JSON."""
        watermark = content["watermark"]
        return cls(
            sequence=content["sequence"],
            watermark=datetime.fromisoformat(watermark) if watermark else None,
            newest_id=content["newest_id"],
            shape=content["shape"],
            run_key=content["run_key"],
        )
