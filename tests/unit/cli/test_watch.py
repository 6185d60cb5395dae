from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from tests.unit.hooks.connect import VENDORS, secrets_in

if TYPE_CHECKING:
    from airflow_provider_orders.sandbox import Sandbox
    from tests.unit.cli.shell import CommandLine

Waits: TypeAlias = list[float]

WhenWaiting: TypeAlias = Callable[[Sequence[Callable[[], object]]], Waits]


@pytest.fixture
def when_waiting(monkeypatch: pytest.MonkeyPatch) -> WhenWaiting:
    """Do one thing after the other each time that the command waits, in place of waiting; gives how long it would have."""

    def script(things: Sequence[Callable[[], object]]) -> Waits:
        left, waits = list(things), []
        now = [0.0]

        def wait(seconds: float) -> None:
            waits.append(seconds)
            now[0] += seconds
            left.pop(0)()

        from airflow_provider_orders.cli import watch

        original = watch.run
        monkeypatch.setattr(
            watch,
            "run",
            lambda arguments, screen: original(arguments, screen, wait=wait, clock=lambda: now[0]),
        )
        return waits

    return script


@pytest.mark.parametrize("vendor", VENDORS)
def test_each_change_is_printed_until_the_order_has_arrived(
    vendor: str, cli: CommandLine, orders_sandbox: Sandbox, when_waiting: WhenWaiting
) -> None:
    order_id = orders_sandbox.live_ids(vendor)[0]
    when_waiting([lambda: orders_sandbox.clock.advance(10)] * 30)

    done = cli("watch", f"{vendor}_default", order_id)

    assert done.code == 0, done.err
    first, *changes = done.out.splitlines()
    assert f"order {order_id}: " in first
    assert any("status: " in line and " -> " in line for line in changes)
    assert secrets_in(done.out) == []


def test_nothing_is_printed_while_nothing_changes(
    cli: CommandLine, orders_sandbox: Sandbox, when_waiting: WhenWaiting
) -> None:
    order_id = orders_sandbox.live_ids("dipli")[0]
    waits = when_waiting(
        [*[lambda: None] * 3, lambda: orders_sandbox.set_status("dipli", order_id, "shipped")]
    )

    done = cli("watch", "dipli_default", order_id, "--every", 5)

    assert done.code == 0
    assert waits == [5.0] * 4
    assert sum("fulfillment_status: " in line for line in done.out.splitlines()) == 1


def test_a_failed_status_ends_with_8(
    cli: CommandLine, orders_sandbox: Sandbox, when_waiting: WhenWaiting
) -> None:
    order_id = orders_sandbox.live_ids("dipli")[0]
    when_waiting([lambda: orders_sandbox.set_status("dipli", order_id, "cancelled")])

    done = cli("watch", "dipli_default", order_id)

    assert done.code == 8
    assert "in vain" in done.err


def test_a_time_out_ends_with_8(cli: CommandLine, orders_sandbox: Sandbox, when_waiting: WhenWaiting) -> None:
    order_id = orders_sandbox.live_ids("dipli")[0]
    waits = when_waiting([lambda: None] * 9)

    done = cli("watch", "dipli_default", order_id, "--every", 10, "--timeout", 45)

    assert done.code == 8
    assert "within 45 s" in done.err
    assert len(waits) == 4


def test_an_outage_is_told_and_outlived(
    cli: CommandLine, orders_sandbox: Sandbox, when_waiting: WhenWaiting
) -> None:
    order_id = orders_sandbox.live_ids("dipli")[0]

    def break_once() -> None:
        orders_sandbox.inject("server_error", vendor="dipli", times=3)

    when_waiting([break_once, lambda: orders_sandbox.set_status("dipli", order_id, "shipped")])

    done = cli("watch", "dipli_default", order_id)

    assert done.code == 0
    assert "Looking again in 30 s." in done.err


def test_wanted_words_end_the_watch(
    cli: CommandLine, orders_sandbox: Sandbox, when_waiting: WhenWaiting
) -> None:
    order_id = orders_sandbox.live_ids("dipli")[0]
    when_waiting([lambda: orders_sandbox.set_status("dipli", order_id, "cancelled")])

    assert cli("watch", "dipli_default", order_id, "--wanted", "cancelled").code == 0


def test_json_is_one_object_a_line(
    cli: CommandLine, orders_sandbox: Sandbox, when_waiting: WhenWaiting
) -> None:
    order_id = orders_sandbox.live_ids("dipli")[0]
    when_waiting([lambda: orders_sandbox.set_status("dipli", order_id, "shipped")])

    done = cli("watch", "dipli_default", order_id, "--json")

    rows: list[dict[str, Any]] = [json.loads(line) for line in done.out.splitlines()]
    assert rows[0]["status"].keys() == {"fulfillment"}
    assert {row["order_id"] for row in rows} == {order_id}
    assert {"field", "before", "after"} <= rows[1].keys()


def test_ctrl_c_ends_with_130(cli: CommandLine, orders_sandbox: Sandbox, when_waiting: WhenWaiting) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    when_waiting([interrupt])

    assert cli("watch", "dipli_default", orders_sandbox.live_ids("dipli")[0]).code == 130


@pytest.mark.parametrize(
    "options",
    [
        ("--every", 0),
        ("--every", "inf"),
        ("--timeout", "nan"),
        ("--timeout", -1),
        ("--wanted", "no_such_status"),
        ("--axis", "weather"),
    ],
    ids=lambda words: words[0],
)
def test_options_that_cannot_be_meant_end_with_2(
    options: tuple[object, ...], cli: CommandLine, orders_sandbox: Sandbox
) -> None:
    done = cli("watch", "dipli_default", orders_sandbox.live_ids("dipli")[0], *options)

    assert done.code == 2
    assert orders_sandbox.requests == []
