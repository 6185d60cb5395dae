from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_orders.sandbox import Clock, Sandbox
from airflow_provider_orders.sandbox.vendors import VENDORS as FAKES
from tests.unit.sandbox.clients import IDS, LISTS, VENDORS, Client

if TYPE_CHECKING:
    from collections.abc import Mapping

WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "popsell": {"order": ("last_status",)},
    "dipli": {"fulfillment": ("shipping_status",)},
    "valomnia": {"payment": ("status",), "fulfillment": ("deliveryStatus",)},
    "genuka": {"payment": ("billing", "status"), "fulfillment": ("shipping", "status")},
}
FAILURES = {"CANCELLED", "cancelled", "error_shipping", "REJECTED", "canceled"}


def statuses(vendor: str, order: Mapping[str, Any]) -> dict[str, str]:
    """Read the statuses of a payload."""
    found = {}
    for axis, path in WORDS[vendor].items():
        value: Any = order
        for name in path:
            value = value[name]
        found[axis] = value
    return found


@pytest.mark.parametrize("vendor", VENDORS)
def test_live_orders_go_their_way_one_stage_each_step(client: Client, sandbox: Sandbox, vendor: str) -> None:
    journeys = next(fake.journeys for fake in FAKES if fake.name == vendor)
    ids = sandbox.live_ids(vendor)
    assert len(ids) == len(journeys) == 5

    for stage in range(max(map(len, journeys)) + 1):
        for order_id, journey in zip(ids, journeys, strict=True):
            reached: dict[str, str] = {}
            for step in journey[: stage + 1]:
                reached |= step
            order = client.get(vendor, f"{LISTS[vendor]}/{order_id}").json()
            assert statuses(vendor, order) == reached
        sandbox.clock.advance(10)


@pytest.mark.parametrize("vendor", VENDORS)
def test_one_live_order_ends_badly_and_one_well(sandbox: Sandbox, vendor: str) -> None:
    sandbox.clock.advance(3600)
    ends = [set(statuses(vendor, order).values()) for order in sandbox.payloads(vendor)[:5]]

    assert any(end & FAILURES for end in ends)
    assert any(not end & FAILURES for end in ends)


@pytest.mark.parametrize("vendor", VENDORS)
def test_all_other_orders_stand_still(sandbox: Sandbox, vendor: str) -> None:
    before = sandbox.payloads(vendor)[5:]
    sandbox.clock.advance(86400)

    assert sandbox.payloads(vendor)[5:] == before


@pytest.mark.parametrize(
    ("vendor", "field", "text"),
    [
        ("popsell", "date_update", "2026-01-01 00:00:20"),
        ("valomnia", "lastUpdated", "2026-01-01T00:00:20Z"),
        ("genuka", "updated_at", "2026-01-01T00:00:20.000000Z"),
    ],
)
def test_a_change_is_dated_by_its_stage_and_not_by_who_looks(
    client: Client, sandbox: Sandbox, vendor: str, field: str, text: str
) -> None:
    order_id = sandbox.live_ids(vendor)[0]
    sandbox.clock.advance(27)

    assert client.get(vendor, f"{LISTS[vendor]}/{order_id}").json()[field] == text


def test_lists_show_a_change_at_once(client: Client, sandbox: Sandbox) -> None:
    waiting = client.ids("dipli", status="pending_confirmation")
    sandbox.clock.advance(10)

    assert set(waiting) - set(client.ids("dipli", status="pending_confirmation")) == set(
        sandbox.live_ids("dipli")[:3]
    )


def test_changed_orders_are_found_by_their_date(client: Client, sandbox: Sandbox) -> None:
    sandbox.clock.advance(10)

    moved = {"filter[updated_at][start]": "2026-01-01T00:00:05Z"}
    assert sorted(client.ids("genuka", **moved)) == sorted(sandbox.live_ids("genuka"))
    assert sorted(client.ids("valomnia", lastUpdated_gt="2026-01-01T00:00:05Z")) == sorted(
        sandbox.live_ids("valomnia")
    )


def test_popsell_history_grows_with_each_stage(client: Client, sandbox: Sandbox) -> None:
    sandbox.clock.advance(25)
    order = client.get("popsell", f"/api/v2/manager/orders/{sandbox.live_ids('popsell')[3]}").json()

    assert [row["status"] for row in order["status"]] == ["PENDING", "OK_DELAY", "CANCELLED"]
    assert len({row["id_order_status"] for row in order["status"]}) == 3


def test_time_runs_by_itself_unless_frozen() -> None:
    clock = Clock()
    first = clock.elapsed_s
    while clock.elapsed_s == first:
        pass
    clock.freeze()

    assert clock.elapsed_s == clock.elapsed_s > first
    clock.advance(30)
    assert clock.elapsed_s > 30
    assert clock.now() - clock.base_date == timedelta(seconds=clock.elapsed_s)
    clock.reset()
    assert clock.elapsed_s == 0


def test_live_orders_move_without_help() -> None:
    with Sandbox(orders=5, step_s=0.01) as sandbox, Client(sandbox) as client:
        path = f"{LISTS['dipli']}/{sandbox.live_ids('dipli')[0]}"
        while client.get("dipli", path).json()["shipping_status"] != "shipped":
            pass


@pytest.mark.parametrize("live", [0, 2, 12])
def test_the_number_of_live_orders_can_be_chosen(live: int) -> None:
    sandbox = Sandbox(orders=10, live=live)
    before = sandbox.payloads("valomnia")
    sandbox.clock.advance(1000)

    after = sandbox.payloads("valomnia")
    assert len(sandbox.live_ids("valomnia")) == min(live, 10)
    assert sum(old != new for old, new in zip(before, after, strict=True)) == min(live, 10)


def test_live_orders_can_start_over() -> None:
    sandbox = Sandbox(orders=10, live=1, cycle=4)
    order_id = sandbox.live_ids("dipli")[0]

    def order() -> dict[str, Any]:
        return next(order for order in sandbox.payloads("dipli") if str(order["id"]) == order_id)

    words = []
    for _ in range(9):
        words.append(order()["shipping_status"])
        sandbox.clock.advance(10)

    assert words[:4] == words[4:8]
    assert words[0] == words[8] != words[3] == "shipped"


def test_live_orders_that_start_over_change_at_that_time() -> None:
    sandbox = Sandbox(orders=10, live=1, cycle=4)
    sandbox.clock.advance(40)
    (changed,) = [
        order["updated_at"]
        for order in sandbox.payloads("genuka")
        if order["id"] in sandbox.live_ids("genuka")
    ]

    assert changed.startswith("2026-01-01T00:00:40")


def test_live_orders_that_start_over_have_no_former_life() -> None:
    sandbox = Sandbox(orders=10, live=1, cycle=4)
    (order_id,) = sandbox.live_ids("popsell")
    histories = []
    for _ in range(2):
        sandbox.clock.advance(30)
        (history,) = [
            [row["status"] for row in order["status"]]
            for order in sandbox.payloads("popsell")
            if str(order["id_order"]) == order_id
        ]
        histories.append(history)
        sandbox.clock.advance(10)

    assert len(histories[0]) > 1
    assert histories[0] == histories[1]


def test_an_infinite_step_keeps_live_orders_still() -> None:
    sandbox = Sandbox(orders=10, step_s=float("inf"))
    before = sandbox.payloads("genuka")
    sandbox.clock.advance(1e9)

    assert sandbox.payloads("genuka") == before


# By hand.


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_status_can_be_set_by_hand(client: Client, sandbox: Sandbox, vendor: str) -> None:
    axes = next(fake.axes for fake in FAKES if fake.name == vendor)
    order_id = sandbox.payloads(vendor)[20][IDS[vendor]]
    sandbox.clock.advance(60)

    for axis, words in axes.items():
        for word in words:
            sandbox.set_status(vendor, order_id, word, axis=axis)
            order = client.get(vendor, f"{LISTS[vendor]}/{order_id}").json()
            assert statuses(vendor, order)[axis] == word
    row = next(row for row in client.walk(vendor) if row[IDS[vendor]] == order_id)
    assert statuses(vendor, row) == {axis: words[-1] for axis, words in axes.items()}


def test_a_live_order_that_was_set_by_hand_moves_no_further(sandbox: Sandbox) -> None:
    order_id = sandbox.live_ids("dipli")[0]
    sandbox.set_status("dipli", order_id, "cancelled")
    sandbox.clock.advance(100)

    assert sandbox.payloads("dipli")[0]["shipping_status"] == "cancelled"


@pytest.mark.parametrize("vendor", VENDORS)
def test_new_orders_come_first_and_are_new(client: Client, sandbox: Sandbox, vendor: str) -> None:
    client.walk(vendor)
    sandbox.clock.advance(60)
    ids = sandbox.insert_orders(vendor, 3)

    assert client.ids(vendor)[:4] == [*ids[::-1], str(sandbox.payloads(vendor)[229][IDS[vendor]])]
    fake = next(fake for fake in FAKES if fake.name == vendor)
    assert [statuses(vendor, order) for order in sandbox.payloads(vendor)[-3:]] == [fake.new_order] * 3


@pytest.mark.parametrize("vendor", ["popsell", "dipli", "valomnia"])
def test_a_deleted_order_is_gone(client: Client, sandbox: Sandbox, vendor: str) -> None:
    for order_id in (sandbox.live_ids(vendor)[0], str(sandbox.payloads(vendor)[100][IDS[vendor]])):
        sandbox.delete_order(vendor, order_id)
        sandbox.clock.advance(10)

        assert client.get(vendor, f"{LISTS[vendor]}/{order_id}").status_code == 404
        assert order_id not in client.ids(vendor)


def test_genuka_keeps_a_deleted_order_and_marks_it(client: Client, sandbox: Sandbox) -> None:
    order_id = sandbox.live_ids("genuka")[0]
    sandbox.clock.advance(15)
    sandbox.delete_order("genuka", order_id)
    sandbox.clock.advance(100)

    order = client.get("genuka", f"{LISTS['genuka']}/{order_id}").json()
    assert order["deleted_at"] == order["updated_at"] == "2026-01-01T00:00:15.000000Z"
    assert order["shipping"]["status"] == "taken_in_charge"
    assert order_id in client.ids("genuka")
    assert order_id not in client.ids("genuka", **{"filter[active]": "true"})


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_order_that_is_deleted_for_good_is_gone(client: Client, sandbox: Sandbox, vendor: str) -> None:
    order_id = str(sandbox.payloads(vendor)[100][IDS[vendor]])
    sandbox.delete_order(vendor, order_id, force=True)
    assert client.get(vendor, f"{LISTS[vendor]}/{order_id}").status_code == 404
    assert order_id not in client.ids(vendor)


def test_an_order_that_is_entered_late_bears_the_date_it_was_placed(client: Client, sandbox: Sandbox) -> None:
    placed = sandbox.clock.base_date - timedelta(days=400)
    (order_id,) = sandbox.insert_orders("popsell", placed_at=placed)
    assert client.ids("popsell")[0] == order_id
    order = sandbox.payloads("popsell")[-1]
    assert order["date_order"] == f"{placed:%Y-%m-%d %H:%M:%S}"
    assert order["date_insert"] == order["date_update"] == "2026-01-01 00:00:00"


def test_a_change_that_is_committed_late_bears_an_earlier_time(sandbox: Sandbox) -> None:
    order_id = sandbox.insert_orders("valomnia")[0]
    sandbox.clock.advance(3600)
    at = sandbox.clock.base_date + timedelta(minutes=7)
    sandbox.set_status("valomnia", order_id, "PAID", axis="payment", at=at)
    order = sandbox.payloads("valomnia")[-1]
    assert (order["status"], order["lastUpdated"]) == ("PAID", "2026-01-01T00:07:00Z")


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_happens_on_a_page_shows_on_that_page_and_not_before(
    client: Client, sandbox: Sandbox, vendor: str
) -> None:
    placed: list[str] = []
    sandbox.on_page(vendor, lambda: placed.extend(sandbox.insert_orders(vendor)))
    for number in range(2):
        rows, total = client.page(vendor, 1, 1)
        assert [str(row[IDS[vendor]]) for row in rows] == [placed[number]]
        assert (len(placed), total) == (number + 1, 231 + number)
    sandbox.on_page(vendor, None)
    client.page(vendor, 1, 1)
    assert len(placed) == 2


def test_reset_goes_back_to_the_seed(client: Client, sandbox: Sandbox) -> None:
    before = {vendor: sandbox.payloads(vendor) for vendor in VENDORS}
    called: list[int] = []
    for vendor in VENDORS:
        client.get(vendor)
        sandbox.insert_orders(vendor, 2)
        sandbox.delete_order(vendor, before[vendor][7][IDS[vendor]])
        sandbox.on_page(vendor, lambda: called.append(1))
    sandbox.inject("html", times=None)
    sandbox.clock.advance(1000)

    sandbox.reset()

    assert {vendor: sandbox.payloads(vendor) for vendor in VENDORS} == before
    assert sandbox.requests == []
    assert client.get("dipli").headers["Content-Type"] == "application/json"
    assert called == []


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda sandbox: sandbox.payloads("amazon"), "unknown vendor 'amazon'; the sandbox plays popsell"),
        (lambda sandbox: sandbox.set_status("dipli", 9, "shipped"), "dipli has no order 9"),
        (lambda sandbox: sandbox.set_status("dipli", 111111, "gone"), "dipli does not know 'gone'"),
        (lambda sandbox: sandbox.set_status("dipli", 111111, "shipped", axis="order"), "no axis 'order'"),
        (lambda sandbox: sandbox.clock.advance(-1), "backwards"),
        (lambda sandbox: Clock(datetime(2026, 1, 1)), "time zone"),  # noqa: DTZ001
        (lambda sandbox: Sandbox(orders=-1), "cannot be negative"),
        (lambda sandbox: Sandbox(step_s=0), "step_s must be positive"),
        (lambda sandbox: Sandbox(port=70000), "from 0 to 65535"),
        (lambda sandbox: Sandbox(genuka_envelope="cursor"), "pagination or meta"),
    ],
)
def test_mistakes_are_named(sandbox: Sandbox, call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call(sandbox)


def test_readers_and_writers_do_not_disturb_each_other(sandbox: Sandbox) -> None:
    errors: list[BaseException] = []

    def read() -> None:
        try:
            with Client(sandbox) as client:
                for _ in range(3):
                    rows = client.walk("genuka", sort="created_at")
                    assert len({row["id"] for row in rows}) >= 230
        except (AssertionError, requests.exceptions.RequestException) as error:
            errors.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        sandbox.insert_orders("genuka")
        sandbox.clock.advance(1)
    for thread in threads:
        thread.join()
    assert errors == []


def test_the_clock_starts_at_the_base_date() -> None:
    assert Clock(datetime(2026, 5, 1, tzinfo=UTC)).now() >= datetime(2026, 5, 1, tzinfo=UTC)
