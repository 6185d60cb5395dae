"""The kinds of events about orders, and their check; light, because DAG files import it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow_provider_orders.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["AXES", "CREATED", "KINDS", "STATUS_CHANGED", "UPDATED", "check_axis", "check_kinds"]

CREATED: Final = "order.created"
STATUS_CHANGED: Final = "order.status_changed"
UPDATED: Final = "order.updated"

KINDS: Final = (CREATED, STATUS_CHANGED, UPDATED)
"""The most telling first: a change is told once, as the first of these kinds that it is and that is asked for."""

AXES: Final = ("order", "payment", "fulfillment")


def check_kinds(events: str | Iterable[str] | None) -> tuple[str, ...]:
    """Read kinds of events, one or many; all of them for None.

    :raises ConfigurationError: one is unknown, or there is none.
    """
    if events is None:
        return KINDS
    asked: list[Any] = [events] if isinstance(events, str) else list(events)
    for kind in asked:
        if kind not in KINDS:
            raise ConfigurationError(
                f"events: {kind!r} is no kind of event; there are {', '.join(KINDS)}.", field="events"
            )
    if not asked:
        raise ConfigurationError(f"events is empty; there are {', '.join(KINDS)}.", field="events")
    return tuple(kind for kind in KINDS if kind in asked)


def check_axis(axis: str | None) -> str | None:
    """Refuse what is an axis of no vendor; None is any axis.

    :raises ConfigurationError: it is unknown.
    """
    if axis is not None and axis not in AXES:
        raise ConfigurationError(f"axis must be one of {', '.join(AXES)}, not {axis!r}.", field="axis")
    return axis
