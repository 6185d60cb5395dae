"""Which orders a command line means."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse

__all__ = ["in_words", "incremental_query_of", "query_of"]

_AGO: Final = re.compile(r"(\d{1,6})([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


def query_of(arguments: argparse.Namespace, *, now: datetime | None = None) -> OrderQuery:
    """Read the options that choose orders.

    :param now: from when to count back, for tests.
    :raises ConfigurationError: one of them cannot be meant.
    """
    now = now or datetime.now(UTC)
    if arguments.all == bool(arguments.since):
        raise ConfigurationError("Give --since with a moment, or --all for every order.", field="since")
    if arguments.all and arguments.until:
        raise ConfigurationError("--until goes with --since, not with --all.", field="until")
    return OrderQuery.of(
        **{
            f"{arguments.window}_from": _moment("since", arguments.since, now),
            f"{arguments.window}_to": _moment("until", arguments.until, now),
        },
        statuses=arguments.statuses,
        ambassador_id=arguments.ambassador_id,
        params=_params(arguments.params or []),
        with_lines=arguments.with_lines,
    )


def incremental_query_of(
    arguments: argparse.Namespace, *, now: datetime | None = None
) -> tuple[OrderQuery, datetime | None]:
    """Read the options of an incremental export: which orders, and when the export before it was; None for the first.

    :param now: from when to count back, for tests.
    :raises ConfigurationError: one of them cannot be meant.
    """
    for name, given in (("until", arguments.until), ("window", arguments.window == "created")):
        if given:
            raise ConfigurationError(
                f"--{name} does not go with --incremental, which reads all that changed since --since.",
                field=name,
            )
    query = query_of(arguments, now=now)
    return replace(query, updated_from=None), query.updated_from


def in_words(query: OrderQuery) -> str:
    """Say which orders are meant, without the values of the vendor's own filters: they may be personal."""
    words = []
    for kind in ("updated", "created"):
        start, end = getattr(query, f"{kind}_from"), getattr(query, f"{kind}_to")
        if start is not None:
            words.append(f"{kind} since {start:%Y-%m-%d %H:%M:%S} UTC")
        if end is not None:
            words.append(f"until {end:%Y-%m-%d %H:%M:%S} UTC")
    if query.statuses:
        words.append(f"status {' or '.join(query.statuses)}")
    if query.ambassador_id is not None:
        words.append(f"ambassador {query.ambassador_id}")
    if query.params:
        words.append(f"filtered by {', '.join(query.params)}")
    return ", ".join(words) or "every order"


def _moment(name: str, text: str | None, now: datetime) -> datetime | None:
    if not text:
        return None
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        moment = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"--{name} is no moment; write 2026-01-31, 2026-01-31T08:00:00+01:00, or how long ago, such as 24h or 7d.",
            field=name,
        ) from None
    if _DAY.fullmatch(text.strip()):
        moment = moment.replace(tzinfo=UTC)
    if moment.tzinfo is None:
        raise ConfigurationError(
            f"--{name} has no time zone; write {text.strip()}Z for UTC, or an offset such as +01:00.",
            field=name,
        )
    return moment.astimezone(UTC)


def _params(words: list[str]) -> dict[str, str]:
    params = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise ConfigurationError("--param is written NAME=VALUE.", field="params")
        params[name] = value
    return params
