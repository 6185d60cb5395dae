"""``watch``: one order, each time that it changes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_orders.cli.connect import find_hook
from airflow_provider_orders.cli.exit_codes import ExitCode
from airflow_provider_orders.cli.show import values_of
from airflow_provider_orders.errors import (
    ApiUnavailableError,
    ConfigurationError,
    OrderFailedError,
    RateLimitedError,
)
from airflow_provider_orders.http.policy import RetryPolicy
from airflow_provider_orders.models.personal import redact
from airflow_provider_orders.waiting.conditions import Outcome, StatusCondition, failure, order_ids

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from airflow_provider_orders.cli.screen import Screen
    from airflow_provider_orders.hooks.orders import OrdersHook
    from airflow_provider_orders.models.base import VendorOrder

__all__ = ["run"]

_LONGEST_S: Final = 366 * 86400


@dataclass(frozen=True, slots=True)
class _Sight:
    """An order as it was seen.

    :param values: its canonical values without personal data, by path.
    :param content_hash: digest of all of it.
    """

    values: dict[str, str]
    content_hash: str

    @classmethod
    def of(cls, payload: VendorOrder, hook: OrdersHook) -> _Sight:
        settings = hook.api.settings
        order = payload.to_order(account=settings.account, assumed_timezone=settings.assumed_timezone)
        values = dict(values_of(redact(order)))
        return cls(values, values.pop("content_hash"))

    def changes_from(self, before: _Sight) -> Iterator[tuple[str, str | None, str | None]]:
        """Give what is different: the path, what it was, and what it is."""
        if self.content_hash == before.content_hash:
            return
        names = dict.fromkeys([*before.values, *self.values])
        found = [
            (name, before.values.get(name), self.values.get(name))
            for name in names
            if before.values.get(name) != self.values.get(name)
        ]
        yield from found or [("personal data", None, None)]


def run(
    arguments: argparse.Namespace,
    screen: Screen,
    *,
    wait: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Watch an order until it has a wanted status, or a failed one.

    :param wait: how to wait, in seconds, for tests.
    :param clock: seconds, for the time-out, for tests.
    """
    for name, seconds in (("every", arguments.every), ("timeout", arguments.timeout)):
        if seconds is not None and not 0 < seconds <= _LONGEST_S:
            raise ConfigurationError(
                f"--{name} must be a number of seconds above 0, and a year at the most.", field=name
            )
    (order_id,) = order_ids([arguments.order_id])
    with find_hook(arguments.orders_conn_id) as hook:
        hook.policy = RetryPolicy(attempts=3)
        condition = StatusCondition.of(
            hook.api.order_model, wanted=arguments.wanted, failed=arguments.failed, axis=arguments.axis
        )
        payload = hook.get_order(order_id, by=arguments.by)
        sight = _Sight.of(payload, hook)
        teller = _Teller(screen, order_id, as_json=arguments.json)
        teller.first(payload)
        ends_at = None if arguments.timeout is None else clock() + arguments.timeout
        while True:
            words = payload.status_words()
            outcome = condition.outcome(words)
            if outcome is Outcome.MET:
                return ExitCode.DONE
            if outcome is Outcome.FAILED:
                raise failure([condition.report(order_id, words, time.time())])
            if ends_at is not None and clock() + arguments.every > ends_at:
                raise OrderFailedError(
                    f"Order {order_id} did not reach a wanted status within {arguments.timeout:g} s."
                )
            wait(arguments.every)
            try:
                payload = hook.get_order(order_id, by=arguments.by)
            except (ApiUnavailableError, RateLimitedError) as error:
                screen.note(f"{error} Looking again in {arguments.every:g} s.")
                continue
            seen = _Sight.of(payload, hook)
            for change in seen.changes_from(sight):
                teller.change(*change)
            sight = seen


class _Teller:
    """Tells of an order, one line for each thing.

    :param as_json: whether a line is a JSON object.
    """

    def __init__(self, screen: Screen, order_id: str, *, as_json: bool) -> None:
        self._screen = screen
        self._order_id = order_id
        self._as_json = as_json

    def first(self, payload: VendorOrder) -> None:
        """Tell where the order stands."""
        statuses = payload.status_words()
        if self._as_json:
            self._tell(status={axis: word.canonical.value for axis, word in statuses.items()})
        else:
            words = ", ".join(f"{axis} {word.canonical.value}" for axis, word in statuses.items())
            self._tell(f"order {self._order_id}: {words}")

    def change(self, name: str, before: str | None, after: str | None) -> None:
        """Tell what is different."""
        if self._as_json:
            self._tell(field=name, before=before, after=after)
        elif before is None and after is None:
            self._tell(f"{name} changed")
        else:
            self._tell(f"{name}: {before or 'nothing'} -> {after or 'nothing'}")

    def _tell(self, words: str = "", **values: Any) -> None:
        now = datetime.now(UTC)
        if self._as_json:
            self._screen.json_line({"at": now.isoformat(), "order_id": self._order_id, **values})
        else:
            self._screen.line(f"{now:%Y-%m-%d %H:%M:%S}Z  {words}")
