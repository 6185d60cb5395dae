"""Which orders are wanted: the filters that all vendors share, checked before anything is sent."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import pendulum

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.models.moments import in_utc

__all__ = ["OrderQuery", "whole_number", "whole_second"]

_MOMENTS = ("updated_from", "updated_to", "created_from", "created_to")


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderQuery:
    """A selection of orders. Windows are half-open: from is included, to is not.

    :param updated_from: earliest update wanted, an aware datetime.
    :param updated_to: end of the updates wanted, not included.
    :param created_from: earliest creation wanted.
    :param created_to: end of the creations wanted, not included.
    :param statuses: statuses wanted, canonical words or the vendor's own; empty for all.
    :param ambassador_id: Popsell: only this ambassador's orders.
    :param params: the vendor's own filters, by their documented names.
    :param with_lines: also fetch the order lines where the vendor's listing leaves them out.
    """

    updated_from: datetime | None = None
    updated_to: datetime | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    statuses: tuple[str, ...] = ()
    ambassador_id: int | None = None
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    with_lines: bool = False

    def __post_init__(self) -> None:
        for name in _MOMENTS:
            moment = getattr(self, name)
            if moment is None:
                continue
            if moment.tzinfo is None:
                raise ConfigurationError(
                    f"{name} has no time zone; write it as 2026-01-31T00:00:00Z or pass an aware datetime.",
                    field=name,
                )
            object.__setattr__(self, name, in_utc(name, moment))
        for kind in ("updated", "created"):
            start, end = getattr(self, f"{kind}_from"), getattr(self, f"{kind}_to")
            if start is not None and end is not None and end < start:
                raise ConfigurationError(f"{kind}_to lies before {kind}_from.", field=f"{kind}_to")

    @classmethod
    def of(cls, **filters: Any) -> Self:
        """Read filters as people and templates write them: ISO texts, one status or many, ids as text.

        :raises ConfigurationError: a filter is unknown or its value cannot be read.
        """
        known = {item.name for item in fields(cls)}
        values: dict[str, Any] = {}
        for name, value in filters.items():
            if name not in known:
                raise ConfigurationError(
                    f"There is no filter {name!r}; there are {', '.join(sorted(known))}.", field=name
                )
            if value is None or value == "":
                continue
            values[name] = _READERS.get(name, _moment)(name, value)
        return cls(**values)

    @property
    def asked(self) -> frozenset[str]:
        """Names of the filters in use."""
        return frozenset(
            item.name
            for item in fields(self)
            if item.name != "with_lines" and getattr(self, item.name) not in (None, (), {})
        )

    def is_empty(self) -> bool:
        """Tell whether a window begins and ends at the same moment, so that no order can lie in it."""
        windows = ((self.updated_from, self.updated_to), (self.created_from, self.created_to))
        return any(start is not None and start == end for start, end in windows)

    def in_window(self, created_at: datetime | None, updated_at: datetime | None) -> bool:
        """Tell whether an order lies in the windows asked for; an unknown time counts as inside."""
        return _inside(self.created_from, self.created_to, created_at) and _inside(
            self.updated_from, self.updated_to, updated_at
        )


def whole_number(name: str, value: object, *, most: int | None = None) -> int:
    """Read a positive whole number as people and templates write it.

    :param name: the argument, for the error.
    :param most: the largest number accepted.
    :raises ConfigurationError: it is none, or too large.
    """
    text = str(value).strip()
    number = int(text) if text.isascii() and text.isdigit() and not isinstance(value, bool) else 0
    if number < 1 or (most is not None and number > most):
        raise ConfigurationError(
            f"{name} must be a whole number from 1{f' to {most}' if most else ''}.", field=name
        )
    return number


def whole_second(moment: datetime, *, up: bool = False) -> str:
    """Write a moment in UTC for a vendor that reads whole seconds.

    :param up: round up, for the end of a window; otherwise down. What that adds is dropped after reading.
    """
    moment = moment.astimezone(UTC).replace(tzinfo=None)
    if up and moment.microsecond:
        with contextlib.suppress(OverflowError):  # the calendar ends with the year 9999
            moment += timedelta(seconds=1)
    return f"{moment.isoformat(timespec='seconds')}Z"


def _inside(start: datetime | None, end: datetime | None, moment: datetime | None) -> bool:
    if moment is None:
        return True
    return (start is None or moment >= start) and (end is None or moment < end)


def _moment(name: str, value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    moment: object = None
    with contextlib.suppress(ValueError):
        moment = pendulum.parse(str(value), exact=True, tz=None)
    if not isinstance(moment, datetime):
        raise ConfigurationError(f"{name} is no moment; write it as 2026-01-31T00:00:00Z.", field=name)
    return moment


def _statuses(name: str, value: object) -> tuple[str, ...]:
    words = [value] if isinstance(value, str) else list(value) if isinstance(value, Iterable) else [None]
    if not all(isinstance(word, str) and word for word in words):
        raise ConfigurationError(f"{name} must be a status or a list of statuses.", field=name)
    return tuple(words)


def _params(name: str, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(
            f"{name} must be a mapping of the vendor's own filters to values.", field=name
        )
    return {str(key): _param_text(item) for key, item in value.items()}


def _param_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be true or false.", field=name)
    return value


_READERS: Mapping[str, Any] = {
    "statuses": _statuses,
    "ambassador_id": whole_number,
    "params": _params,
    "with_lines": _flag,
}
