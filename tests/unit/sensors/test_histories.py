"""What happens to orders and to the API while a sensor waits: every mode makes the same of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_orders.waiting.clock import CLOCK
from tests.unit.hooks.connect import ID_FIELDS
from tests.unit.sensors.modes import MODES, POKE_S, World, outcome_of, unseen, wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_orders.sandbox import Sandbox

MOST_STEPS = 7
BOTH = {"fulfillment": "delivered", "payment": "paid"}


class History(NamedTuple):
    """What happens, step by step: one step before the first poll, one before each later one.

    :param steps: words such as ``0=shipped`` (order 0 has that status), ``0$paid`` (on the payment axis), ``0-`` (it is
        deleted), ``0+`` (for good), ``down`` and ``up`` (of the API), ``limit`` (429, for as long as until the next poll),
        ``expire`` (the sessions).
    :param ends: how the wait ends.
    :param arguments: of the sensor.
    """

    vendor: str
    orders: int
    steps: str
    ends: str
    arguments: dict[str, Any] = {}  # noqa: RUF012 - of a tuple; never changed


TABLE = [
    History("dipli", 1, "0=shipped", "met"),
    History("dipli", 1, "0=pending_confirmation | 0=shipped", "met"),
    History("dipli", 1, "0=pending_confirmation | . | 0=ongoing_shipping | 0=shipped", "met"),
    History("dipli", 1, "0=cancelled", "failed"),
    History("dipli", 1, "0=pending_confirmation | 0=error_shipping", "failed"),
    History("dipli", 1, "0=pending_confirmation", "timeout"),
    History("dipli", 1, "0=pending_confirmation | 0+", "OrderNotFoundError"),
    History("dipli", 1, "0=pending_confirmation | 0+", "timeout", {"not_found": "wait"}),
    History("dipli", 1, "0=ongoing_shipping", "met", {"wanted": "in_transit"}),
    History("dipli", 1, "0=pending_confirmation | 0=cancelled", "met", {"wanted": "cancelled"}),
    History("dipli", 1, "0=pending_confirmation | 0=cancelled | 0=shipped", "met", {"failed": []}),
    History("dipli", 1, "0=pending_confirmation | 0=cancelled | 0=shipped", "met", {"ignored": "cancelled"}),
    History("dipli", 1, "0=pending_confirmation | 0=shipped", "failed", {"wanted": "cancelled", "failed": "shipped"}),
    History("dipli", 1, "0=shipped down | up", "met"),
    History("dipli", 1, "0=pending_confirmation | down | . | 0=shipped up", "met"),
    History("dipli", 1, "0=pending_confirmation | down", "ApiUnavailableError", {"max_unavailable": 40}),
    History("dipli", 1, "0=pending_confirmation down", "ApiUnavailableError", {"max_unavailable": 40}),
    History("dipli", 1, "0=shipped down", "ApiUnavailableError", {"max_unavailable": 0}),
    History("dipli", 1, "0=pending_confirmation | down | up | down | 0=shipped up", "met", {"max_unavailable": 30}),
    History("dipli", 1, "0=pending_confirmation down", "timeout"),
    History("dipli", 1, "0=pending_confirmation | limit | 0=shipped", "met"),
    History("dipli", 1, "0=pending_confirmation | limit | limit", "RateLimitedError", {"max_unavailable": 10}),
    History("dipli", 2, "0=shipped 1=pending_confirmation | 1=shipped", "met"),
    History("dipli", 2, "0=shipped 1=pending_confirmation | 1=cancelled", "failed"),
    History("dipli", 2, "0=shipped 1=pending_confirmation", "timeout"),
    History("dipli", 2, "0=pending_confirmation 1=cancelled | 0=shipped", "met", {"require": "any"}),
    History("dipli", 2, "0=cancelled 1=pending_confirmation | 1=cancelled", "failed", {"require": "any"}),
    History("dipli", 3, "0=shipped 1=cancelled 2=pending_confirmation | 2=shipped", "met", {"at_least": 2}),
    History("dipli", 3, "0=shipped 1=cancelled 2=pending_confirmation | 2=cancelled", "failed", {"at_least": 2}),
    History("dipli", 3, "0=cancelled 1=cancelled 2=shipped", "met", {"at_least": 1}),
    History("popsell", 1, "0=PENDING | 0=E-BOOKING | 0=FULFILLED", "met"),
    History("popsell", 1, "0=PENDING | 0=RETURNED", "failed"),
    History("popsell", 1, "0=PENDING | expire | 0=FULFILLED", "met", {"wanted": "FULFILLED"}),
    History("valomnia", 1, "0=PENDING | expire 0=DELIVERED", "met"),
    History("valomnia", 1, "0=PENDING 0$NOT_PAID | 0$PAID | 0=DELIVERED", "met", {"wanted": BOTH}),
    History("genuka", 1, "0=pending 0$unpaid | 0=delivered | 0$paid", "met", {"wanted": BOTH}),
    History("genuka", 1, "0=pending 0$unpaid | 0=delivered", "timeout", {"wanted": BOTH}),
    History("genuka", 1, "0=pending 0$paid | 0-", "failed", {"wanted": BOTH}),
    History("genuka", 1, "0=delivered 0$unpaid | 0$canceled", "failed", {"wanted": BOTH}),
    History("genuka", 1, "0=pending 0$unpaid | 0$canceled | 0=delivered 0$paid", "met",
            {"wanted": BOTH, "failed": {"payment": []}}),
    History("genuka", 1, "0=pending 0$unpaid | 0$canceled", "failed",
            {"wanted": "delivered", "failed": {"payment": "cancelled"}}),
    History("genuka", 2, "0=delivered 0$paid 1=pending 1$paid | 1=delivered", "met", {"wanted": BOTH}),
    History("genuka", 2, "0=delivered 0$paid 1=pending 1$unpaid | down | up 1-", "met",
            {"wanted": BOTH, "require": "any"}),
]  # fmt: skip


def ids_in(sandbox: Sandbox, vendor: str, count: int) -> list[str]:
    orders = [order for order in sandbox.payloads(vendor) if not order.get("deleted_at")]
    return [str(order[ID_FIELDS[vendor]]) for order in orders[6 : 6 + count]]


def play(sandbox: Sandbox, vendor: str, ids: list[str], step: str) -> None:
    """Let happen what a step says."""
    for word in step.replace(".", " ").split():
        if word == "down":
            sandbox.inject("server_error", vendor=vendor, times=None)
        elif word == "up":
            sandbox._faults.script.clear()
        elif word == "limit":
            sandbox.inject("rate_limit", vendor=vendor, retry_after="130")
        elif word == "expire":
            sandbox.expire_sessions(vendor)
        elif word[1] in "-+":
            sandbox.delete_order(vendor, ids[int(word[0])], force=word[1] == "+")
        else:
            axis = "payment" if word[1] == "$" else "order" if vendor == "popsell" else "fulfillment"
            sandbox.set_status(vendor, ids[int(word[0])], word[2:], axis=axis)


def live_through(history: History, mode: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Wait in one of the modes while a history happens, and give how that ends."""
    sandbox.reset()
    ids = ids_in(sandbox, history.vendor, history.orders)
    first, *later = history.steps.split("|")
    play(sandbox, history.vendor, ids, first)

    def happening(step: str) -> Callable[[], None]:
        return lambda: play(sandbox, history.vendor, ids, step)

    world = World([happening(step) for step in later])
    with monkeypatch.context() as patch:
        world.hold_the_clock(patch)
        # The last poll is the one at the deadline, which every mode makes.
        deadline = CLOCK.now() + POKE_S * (MOST_STEPS + 0.5)
        arguments = {"deadline": iso(deadline), "timeout": 86400, **history.arguments}
        ended = outcome_of(
            lambda: unseen(
                wait(world, mode, order_id=ids, orders_conn_id=f"{history.vendor}_default", **arguments)
            )
        )
    sandbox._faults.script.clear()
    if isinstance(ended, dict):
        return ended
    kind, about = ended
    return kind.__name__, {name: value for name, value in about.items() if name != "path"}


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def word_for(ended: Any) -> str:
    if isinstance(ended, dict):
        return "met"
    name: str = ended[0]
    return {"OrderFailedError": "failed", "AirflowSensorTimeout": "timeout"}.get(name, name)


@pytest.mark.parametrize(
    "history", TABLE, ids=lambda history: f"{history.vendor}-{history.steps}-{history.ends}"
)
def test_every_mode_ends_alike(
    history: History, orders_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = {mode: live_through(history, mode, orders_sandbox, monkeypatch) for mode in MODES}
    assert word_for(ended["poke"]) == history.ends
    assert ended["reschedule"] == ended["poke"]
    assert ended["deferrable"] == ended["poke"]


def test_the_table_is_long() -> None:
    assert len(TABLE) >= 40
    assert {history.ends for history in TABLE} >= {"met", "failed", "timeout"}


WORDS = ("=pending", "=taken_in_charge", "=delivered", "$unpaid", "$paid", "$canceled", "-")
MOVES = [f"{order}{word}" for order in range(2) for word in WORDS]
STEPS = st.lists(st.sampled_from([*MOVES, "down", "up", "."]), max_size=3).map(" ".join)


@given(
    steps=st.lists(STEPS, max_size=MOST_STEPS).map(" | ".join),
    wanted=st.sampled_from([None, "delivered", BOTH, {"payment": "paid"}]),
    failed=st.sampled_from([None, [], {"payment": "cancelled"}]),
    require=st.sampled_from(["all", "any"]),
    max_unavailable=st.sampled_from([0, 40, 3600]),
)
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_happens_every_mode_ends_alike(
    orders_sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    steps: str,
    max_unavailable: float,
    **arguments: Any,
) -> None:
    begin = "0=pending 0$unpaid 1=pending 1$unpaid"
    history = History(
        "genuka", 2, f"{begin} | {steps}", "", {**arguments, "max_unavailable": max_unavailable}
    )
    poked = live_through(history, "poke", orders_sandbox, monkeypatch)
    assert live_through(history, "reschedule", orders_sandbox, monkeypatch) == poked
    assert live_through(history, "deferrable", orders_sandbox, monkeypatch) == poked
