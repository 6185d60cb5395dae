"""Which events about orders, or which orders, are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.waiting.kinds import check_axis, check_kinds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_orders.models.base import VendorOrder
    from airflow_provider_orders.models.statuses import StatusAxis

__all__ = ["EventFilter"]


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted. Build it with :meth:`of`, which checks the words.

    :param kinds: kinds of events.
    :param axis: the axis that must have changed, and that ``statuses`` are about; None for any.
    :param statuses: statuses wanted, folded: canonical words or the vendor's own; empty for all.
    """

    kinds: tuple[str, ...]
    axis: StatusAxis | None
    statuses: frozenset[str]

    @classmethod
    def of(
        cls,
        model: type[VendorOrder],
        *,
        events: str | Iterable[str] | None = None,
        statuses: str | Iterable[str] | None = None,
        axis: str | None = None,
    ) -> EventFilter:
        """Check what a user asks for against what the vendor has.

        :param model: the vendor's order.
        :param events: kinds of events; all where None.
        :param statuses: statuses that the order has now; any where None.
        :param axis: on which axis; where None, the vendor's default if there are ``statuses``, else any.
        :raises ConfigurationError: an unknown kind, axis or status.
        """
        kinds = check_kinds(events)
        words = OrderQuery.of(statuses=statuses).statuses
        name = check_axis(axis) or (model.DEFAULT_AXIS if words else None)
        if name is not None and name not in model.AXES:
            raise ConfigurationError(
                f"{model.VENDOR} orders have no axis {name!r}; they have {', '.join(sorted(model.AXES))}.",
                field="axis",
            )
        chosen = None if name is None else model.AXES[name]
        for word in words:
            model.AXES[name or model.DEFAULT_AXIS].words_for(word, argument="statuses")
        return cls(kinds, chosen, frozenset(word.strip().casefold() for word in words))

    def has_status(self, statuses: Mapping[str, tuple[str, str | None]]) -> bool:
        """Tell whether an order has one of the statuses."""
        if not self.statuses or self.axis is None:
            return True
        canonical, raw = statuses[self.axis.name]
        if canonical in self.statuses:
            return True
        # The vendor may say more in another field, such as a deletion: its word is out of date then.
        says_so = raw is not None and self.axis.read(raw).canonical.value == canonical
        return says_so and (raw or "").strip().casefold() in self.statuses

    def watches(self, axis: str) -> bool:
        """Tell whether a change on an axis is wanted."""
        return self.axis is None or self.axis.name == axis
