"""One wait: what it is for, how it ends, and the orders that it is about."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_orders.errors import ConfigurationError, OrdersError
from airflow_provider_orders.waiting.conditions import NOT_FOUND, Outcome, StatusCondition, order_ids
from airflow_provider_orders.waiting.deadlines import MAX_UNAVAILABLE_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.waiting.conditions import OrderReport, StatusWords, Words
    from airflow_provider_orders.waiting.lines import Line, LineWriter

__all__ = [
    "SHORTEST_S", "Wait", "WaitRequest", "WaitResult", "WatchedOrder", "check_id", "check_request", "check_rest",
    "condition_of",
]  # fmt: skip

log = logging.getLogger(__name__)

SHORTEST_S: Final = 0.1

_IN_SECONDS: Final = ("interval_s", "max_unavailable_s", "deadline", "first_poll_at", "unavailable_since")


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitRequest:
    """What one wait is for.

    :param order_id: ids or references of the orders.
    :param by: ``id`` or ``reference``.
    :param wanted: statuses that end the wait well; see :meth:`.StatusCondition.of`, as for the next five.
    :param failed: statuses that end it badly.
    :param ignored: statuses that do neither.
    :param axis: what words without an axis are about.
    :param require: ``all`` or ``any`` of the orders.
    :param at_least: how many of them.
    :param not_found: ``fail`` where an order is not there, or ``wait`` until it is.
    :param deadline: when to give up, in seconds since the epoch; None for never.
    :param interval_s: seconds between two polls.
    :param max_unavailable_s: how long the API may be out of reach without a break.
    :param first_poll_at: when to look for the first time, in seconds since the epoch; None or passed for soon.
    :param unavailable_since: since when the API has been out of reach, as the worker saw it.
    """

    order_id: Any
    by: str = "id"
    wanted: Words = None
    failed: Words = None
    ignored: Words = None
    axis: str | None = None
    require: str = "all"
    at_least: object = None
    not_found: str = "fail"
    deadline: float | None = None
    interval_s: float = 60.0
    max_unavailable_s: float = MAX_UNAVAILABLE_S
    first_poll_at: float | None = None
    unavailable_since: float | None = None


@dataclass(frozen=True, slots=True)
class WaitResult:
    """How a wait ended.

    :param status: ``met``, ``failed``, ``timeout`` or ``error``.
    :param axes: the axes looked at.
    :param reports: where each order stands.
    :param error: what went wrong.
    :param account: whose orders they are; None where it came to no look.
    """

    status: str
    axes: Sequence[str] = ()
    reports: list[OrderReport] = field(default_factory=list)
    error: OrdersError | None = None
    account: str | None = None


def check_request(api: OrderApi[Any], request: WaitRequest) -> tuple[list[str], StatusCondition]:
    """Check what a wait is for, before anything is sent.

    :return: the ids and the condition.
    :raises ConfigurationError: naming the argument that is wrong.
    """
    ids = order_ids(request.order_id)
    condition = condition_of(api, request, len(ids))
    check_rest(api, request)
    for order_id in ids:
        check_id(api, order_id, request.by)
    return ids, condition


def check_rest(api: OrderApi[Any], request: WaitRequest) -> None:
    """Refuse what is neither about the orders nor about their statuses.

    :raises ConfigurationError: naming the argument that is wrong.
    """
    if request.not_found not in NOT_FOUND:
        raise ConfigurationError(
            f"not_found must be fail or wait, not {request.not_found!r}.", field="not_found"
        )
    for name in _IN_SECONDS:
        value = getattr(request, name)
        if value is not None and not isinstance(value, int | float):
            raise ConfigurationError(f"{name} must be seconds, not {value!r}.", field=name)
    api.check_lookup(request.by)


def check_id(api: OrderApi[Any], order_id: str, by: str) -> None:
    """Refuse what cannot be an order's id or reference.

    :raises ConfigurationError: it is none.
    """
    # The first request is built, and with it the id is checked, but nobody sends it.
    exchange = api.fetch_order(order_id, by=by)
    next(exchange)
    exchange.close()


def condition_of(api: OrderApi[Any], request: WaitRequest, orders: int) -> StatusCondition:
    """Give the condition of a wait for so many orders.

    :raises ConfigurationError: an unknown status or axis, or one that contradicts another.
    """
    return StatusCondition.of(
        api.order_model,
        wanted=request.wanted,
        failed=request.failed,
        ignored=request.ignored,
        axis=request.axis,
        require=request.require,
        at_least=request.at_least,
        orders=orders,
    )


class Wait:
    """One wait, for one order or several.

    :param request: what it is for; None once it has been admitted.
    :param joined_at: when it began, in seconds since the epoch.
    :param writer: writes the lines of its log.
    """

    __slots__ = (
        "_context",
        "_lines",
        "_writer",
        "account",
        "condition",
        "deadline",
        "due",
        "failed",
        "future",
        "has_had_last_look",
        "interval_s",
        "joined_at",
        "max_unavailable_s",
        "met",
        "not_found",
        "orders",
        "outcomes",
        "request",
        "unavailable_since",
        "unseen",
    )

    def __init__(self, request: WaitRequest, *, joined_at: float, writer: LineWriter) -> None:
        self.request: WaitRequest | None = request
        self.joined_at = joined_at
        self.interval_s = request.interval_s
        self.deadline = request.deadline
        self.not_found = request.not_found
        self.max_unavailable_s = request.max_unavailable_s
        self.unavailable_since = request.unavailable_since
        self.future: asyncio.Future[WaitResult] = asyncio.get_running_loop().create_future()
        self.condition: StatusCondition | None = None
        self.account: str | None = None
        self.orders: tuple[WatchedOrder, ...] = ()
        self.outcomes: list[Outcome | None] = []
        self.met = self.failed = self.unseen = 0
        self.has_had_last_look = False
        self.due: float | None = None
        self._context = contextvars.copy_context()
        self._writer = writer
        self._lines: tuple[Line, ...] = ()

    def log(self, message: str, *arguments: object) -> None:
        """Log to this wait's own log, which Airflow tells from others by the context."""
        line = self._writer.add(functools.partial(self._context.run, log.info, message, *arguments))
        self._lines = (*(earlier for earlier in self._lines if not earlier.is_written), line)

    async def flush(self) -> None:
        """Have its lines written, and wait for that."""
        await self._writer.flush(self._lines)

    def end(self, status: str, error: OrdersError | None = None) -> None:
        """End it, if it has not ended."""
        if self.future.done():
            return
        condition = self.condition
        if condition is None or error is not None:
            self.future.set_result(WaitResult(status, error=error))
            return
        reports = [condition.report(order.asked, order.words, order.seen_at) for order in self.orders]
        self.future.set_result(WaitResult(status, condition.axes, reports, account=self.account))

    def outcome(self) -> Outcome:
        """Say where it stands."""
        if self.condition is None:
            return Outcome.WAITING
        return self.condition.decide_counts(self.met, self.failed, len(self.orders))

    def settle(self, now: float) -> None:
        """End it if it is decided, or its time is up."""
        outcome = self.outcome()
        if outcome is not Outcome.WAITING:
            self.end(outcome.value)
        elif self.is_over_by(now):
            self.end("timeout")

    def fail(self, error: OrdersError) -> None:
        """End it with an error."""
        self.end("error", error)

    def break_off(self, error: Exception) -> None:
        """End it with an error that nobody foresaw."""
        if not self.future.done():
            self.future.set_exception(error)

    def gives_up_at(self, since: float, answered_at: float | None) -> float:
        """Say until when it bears with an outage.

        :param since: since when the API has been out of reach.
        :param answered_at: when it last answered; all three in seconds since the epoch.
        """
        begun = max(since, self.joined_at)
        earlier = self.unavailable_since
        if earlier is not None and (answered_at is None or answered_at < earlier):
            begun = earlier
        return begun + self.max_unavailable_s

    def was_seen_since(self, moment: float) -> bool:
        """Tell whether the answers for all of its orders are no older than that."""
        return all(order.seen_at >= moment for order in self.orders)

    def is_over_by(self, now: float) -> bool:
        """Tell whether its time is up."""
        return self.deadline is not None and now >= self.deadline


class WatchedOrder:
    """One order that is awaited, by one wait or several.

    :param asked: the id or reference.
    :param by: which of them it is.
    """

    __slots__ = (
        "asked",
        "by",
        "due",
        "failing_since",
        "interval_s",
        "is_seen",
        "row_id",
        "seen_at",
        "version",
        "waits",
        "words",
    )

    def __init__(self, asked: str, by: str, *, interval_s: float) -> None:
        self.asked = asked
        self.by = by
        self.interval_s = interval_s
        self.row_id: str | None = asked if by == "id" else None
        self.waits: dict[Wait, int] = {}
        self.words: StatusWords | None = None
        self.seen_at = 0.0
        self.version: int | None = None
        self.is_seen = False
        self.failing_since: float | None = None
        self.due: float | None = None
