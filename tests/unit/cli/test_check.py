from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_orders.diagnosis.examination import STEPS
from airflow_provider_orders.sandbox import FAULT_KINDS, credentials
from tests.unit.hooks.connect import FORBIDDEN, VENDORS, WAYS_TO_SIGN_IN, secrets_in, way_id

if TYPE_CHECKING:
    from airflow_provider_orders.sandbox import Sandbox
    from tests.unit.cli.shell import CommandLine, Done
    from tests.unit.hooks.connect import Connect


def steps(done: Done) -> dict[str, tuple[str, str]]:
    return {step["name"]: (step["outcome"], step["message"]) for step in done.json["steps"]}


def first_failure(done: Done) -> tuple[str, str]:
    return next((name, message) for name, (outcome, message) in steps(done).items() if outcome == "failed")


@pytest.mark.parametrize(("vendor", "changes"), WAYS_TO_SIGN_IN, ids=way_id)
def test_a_connection_that_works_passes_every_step(
    vendor: str, changes: dict[str, Any], cli: CommandLine, connect: Connect
) -> None:
    done = cli("check", connect(vendor, **changes), "--json")

    assert done.code == 0
    assert done.json["works"]
    assert list(steps(done)) == ["connection", *STEPS]
    assert {outcome for outcome, _ in steps(done).values()} == {"ok"}
    assert done.err == ""


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_plain_answer_has_a_line_for_each_step(vendor: str, cli: CommandLine) -> None:
    done = cli("check", f"{vendor}_default")

    assert done.code == 0
    assert len(done.out.splitlines()) == 1 + len(STEPS)
    assert "230 orders are visible" in done.out


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_check_takes_few_requests(vendor: str, cli: CommandLine, orders_sandbox: Sandbox) -> None:
    assert cli("check", f"{vendor}_default").code == 0

    assert len(orders_sandbox.requests) <= 7
    assert {request.method for request in orders_sandbox.requests if "auth" not in request.path} <= {
        "GET",
        "POST" if vendor == "valomnia" else "GET",
    }


@pytest.mark.parametrize(("vendor", "changes"), WAYS_TO_SIGN_IN, ids=way_id)
def test_wrong_credentials_end_with_4(
    vendor: str, changes: dict[str, Any], cli: CommandLine, connect: Connect
) -> None:
    done = cli("check", connect(vendor, **{**changes, "password": "wrong-credential"}), "--json")

    assert done.code == done.json["exit_code"] == 4
    assert first_failure(done)[0] == "login"
    assert steps(done)["permission"][0] == "skipped"
    assert "wrong-credential" not in done.out + done.err


@pytest.mark.parametrize(("vendor", "changes"), FORBIDDEN, ids=way_id)
def test_a_missing_permission_ends_with_5(
    vendor: str, changes: dict[str, Any], cli: CommandLine, connect: Connect
) -> None:
    done = cli("check", connect(vendor, **changes), "--json")

    assert done.code == 5
    assert first_failure(done)[0] == "permission"
    assert steps(done)["login"][0] == "ok"


FAULTS: list[tuple[str, dict[str, Any], str, int, str]] = [
    ("rate_limit", {"retry_after": "3600"}, "answer", 3, "asks to slow down"),
    ("server_error", {"status": 503}, "answer", 3, "failed; try again later"),
    ("cut", {"variant": "length"}, "answer", 3, "the body was cut short"),
    ("cut", {"variant": "chunked"}, "answer", 3, "the body was cut short"),
    ("html", {}, "answer", 7, "an HTML page where it documents JSON"),
    ("redirect", {"location": "/elsewhere"}, "answer", 2, "check the id, and the host of the connection"),
    ("redirect", {"location": "https://attacker.example.org/"}, "answer", 7, "away from the connection's"),
    ("repeat_page", {"after": 1}, "pages", 7, ""),
    ("wrong_total", {"count": 7}, "pages", 7, ""),
    ("bad_row", {"variant": "missing_id"}, "orders", 7, "are not what"),
    ("bad_row", {"variant": "text_amount"}, "orders", 7, "are not what"),
]


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    ("kind", "options", "step", "code", "words"),
    FAULTS,
    ids=[f"{kind}-{'-'.join(str(value) for value in options.values())}" for kind, options, *_ in FAULTS],
)
def test_each_fault_gets_its_diagnosis(
    vendor: str,
    kind: Any,
    options: dict[str, Any],
    step: str,
    code: int,
    words: str,
    cli: CommandLine,
    orders_sandbox: Sandbox,
) -> None:
    path = {"popsell": "/manager/orders", "valomnia": "/api/v2.1/orders"}.get(vendor, "/orders")
    orders_sandbox.inject(kind, vendor=vendor, times=None, path=path, **options)

    done = cli("check", f"{vendor}_default", "--json")

    assert first_failure(done)[0] == step
    assert words in first_failure(done)[1]
    assert done.code == code
    assert secrets_in(done.out + done.err) == []


def test_every_kind_of_fault_is_examined() -> None:
    with_a_test_of_its_own = {"next_link", "expire", "insert", "slow"}

    assert {kind for kind, *_ in FAULTS} | with_a_test_of_its_own == set(FAULT_KINDS)


@pytest.mark.parametrize("vendor", ["popsell", "valomnia"])
def test_a_link_that_leads_elsewhere_is_found(vendor: str, cli: CommandLine, orders_sandbox: Sandbox) -> None:
    orders_sandbox.inject(
        "next_link", vendor=vendor, times=None, location="https://attacker.example.org/?page=2"
    )

    done = cli("check", f"{vendor}_default", "--json")

    assert first_failure(done)[0] == "pages"
    assert "attacker.example.org" in first_failure(done)[1]
    assert done.code == 7


@pytest.mark.parametrize(
    ("vendor", "variant"),
    [
        ("popsell", None),
        ("valomnia", "redirect"),
        ("valomnia", "unauthorized"),
        ("valomnia", "no_credentials"),
        ("dipli", None),
        ("genuka", None),
    ],
)
def test_credentials_that_expire_at_once_fail_the_login(
    vendor: str, variant: str | None, cli: CommandLine, orders_sandbox: Sandbox
) -> None:
    options: dict[str, Any] = {"variant": variant} if variant else {}
    orders_sandbox.inject("expire", vendor=vendor, times=None, **options)

    done = cli("check", f"{vendor}_default", "--json")

    assert first_failure(done)[0] == "login"
    assert done.code == 4


@pytest.mark.parametrize("vendor", ["popsell", "valomnia"])
def test_a_session_that_expires_once_is_no_failure(
    vendor: str, cli: CommandLine, orders_sandbox: Sandbox
) -> None:
    orders_sandbox.inject("expire", vendor=vendor, after=1)

    assert cli("check", f"{vendor}_default").code == 0


@pytest.mark.parametrize("vendor", VENDORS)
def test_orders_that_come_meanwhile_are_no_failure(
    vendor: str, cli: CommandLine, orders_sandbox: Sandbox
) -> None:
    orders_sandbox.inject("insert", vendor=vendor, times=None, count=3)

    assert cli("check", f"{vendor}_default").code == 0


def test_a_slow_vendor_is_a_warning(
    cli: CommandLine, orders_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_orders.diagnosis.examination._SLOW_S", 0.2)
    orders_sandbox.inject("slow", vendor="dipli", times=None, delay_s=0.25)

    done = cli("check", "dipli_default", "--json")

    assert steps(done)["speed"][0] == "warning"
    assert done.code == 0


def test_a_vendor_slower_than_the_time_out_ends_with_3(
    cli: CommandLine, orders_sandbox: Sandbox, connect: Connect
) -> None:
    orders_sandbox.inject("slow", vendor="dipli", times=None, delay_s=1.0)

    done = cli("check", connect("dipli", timeout_s=0.1), "--json")

    step, message = first_failure(done)
    assert step == "answer"
    assert "no answer within 0.1 s" in message
    assert done.code == 3


def test_a_page_size_that_the_vendor_cuts_is_a_warning(
    cli: CommandLine, orders_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_orders.sandbox.dipli._MAX_PAGE_SIZE", 40)

    done = cli("check", "dipli_default", "--json")

    outcome, message = steps(done)["page size"]
    assert outcome == "warning"
    assert "gives 40 orders a page where 100 were asked for" in message
    assert done.code == 0


def test_a_host_that_nobody_knows_ends_with_3(cli: CommandLine, connect: Connect) -> None:
    done = cli("check", connect("dipli", host="https://no-such-host.invalid"))

    assert done.code == 3
    assert done.out.splitlines()[-1].split()[:2] == ["dns", "failed"]
    assert "no-such-host.invalid is not known here" in done.out


def test_a_port_that_nobody_listens_on_ends_with_3(cli: CommandLine, connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    done = cli("check", connect("dipli", host=f"http://127.0.0.1:{port}"))

    assert done.code == 3
    assert done.out.splitlines()[-1].split()[:2] == ["tls", "failed"]
    assert "connection refused" in done.out


@pytest.mark.parametrize(
    ("vendor", "changes", "field"),
    [
        ("dipli", {"page_size": 9999}, "page_size"),
        ("popsell", {"auth": "magic"}, "auth"),
        ("dipli", {"host": "http://shop.example.com"}, "host"),
        ("dipli", {"extra": "[1, 2]"}, "extra"),
        ("dipli", {"no_such_extra": 1}, "no_such_extra"),
        ("dipli", {"password": None}, "password"),
        ("genuka", {"company_id": "short"}, "company_id"),
        ("dipli", {"conn_type": "http"}, "'http'"),
    ],
)
def test_a_wrong_field_ends_with_2_and_is_named(
    vendor: str, changes: dict[str, Any], field: str, cli: CommandLine, connect: Connect
) -> None:
    done = cli("check", connect(vendor, **changes))

    assert done.code == 2
    (line,) = done.out.splitlines()
    assert line.split()[:2] == ["connection", "failed"]
    assert field in line


def test_a_connection_that_is_not_there_ends_with_2_and_one_line(cli: CommandLine) -> None:
    done = cli("check", "no_such_connection")

    assert done.code == 2
    assert len(done.out.splitlines()) == 1
    assert "There is no connection 'no_such_connection'" in done.out


def test_json_of_a_failure_lists_the_steps_not_taken(cli: CommandLine) -> None:
    done = cli("check", "no_such_connection", "--json")

    assert done.code == 2
    assert not done.json["works"]
    assert steps(done)["speed"][0] == "skipped"


def test_the_zone_of_dates_without_one_is_told(cli: CommandLine, connect: Connect) -> None:
    by_default = cli("check", connect("dipli"), "--json")
    as_set = cli("check", connect("dipli", assumed_timezone="Europe/Berlin"), "--json")

    assert "Europe/Paris, by default" in steps(by_default)["time zone"][1]
    assert "Europe/Berlin, as the connection says" in steps(as_set)["time zone"][1]


def test_no_orders_at_all_is_no_failure(cli: CommandLine, orders_sandbox: Sandbox) -> None:
    for order in orders_sandbox.payloads("dipli"):
        orders_sandbox.delete_order("dipli", order["id"], force=True)

    done = cli("check", "dipli_default", "--json")

    assert done.code == 0
    assert steps(done)["one order"][0] == "skipped"


def test_nothing_personal_and_no_secret_is_told(cli: CommandLine) -> None:
    for vendor in VENDORS:
        done = cli("check", f"{vendor}_default", "--json")

        assert secrets_in(done.out + done.err) == []
    assert credentials.DIPLI_API_KEY not in json.dumps(done.json)
