from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_orders.sandbox import FAULT_KINDS, Sandbox, credentials
from airflow_provider_orders.sandbox.faults import FLAKY, parse_faults
from tests.unit.sandbox.clients import IDS, LISTS, ROWS, VENDORS, Client

if TYPE_CHECKING:
    from airflow_provider_orders.sandbox.faults import FaultKind


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    "retry_after", ["2", format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True), None]
)
def test_rate_limit_says_when_to_come_back(client: Client, vendor: str, retry_after: str | None) -> None:
    client.get(vendor)
    client.sandbox.inject("rate_limit", vendor=vendor, retry_after=retry_after)

    answer = client.get(vendor)

    assert answer.status_code == 429
    assert answer.headers.get("Retry-After") == retry_after
    assert client.get(vendor).status_code == 200


def test_rate_limit_of_genuka_has_its_documented_form(client: Client) -> None:
    client.sandbox.inject("rate_limit", vendor="genuka")

    answer = client.get("genuka")

    assert answer.json() == {"message": "Too Many Attempts.", "error": "too_many_requests", "code": 429}
    assert (answer.headers["X-RateLimit-Remaining"], answer.headers["Retry-After"]) == ("0", "1")


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_error_speaks_the_vendor_s_format_or_html(client: Client, vendor: str, status: int) -> None:
    client.get(vendor)
    client.sandbox.inject("server_error", vendor=vendor, status=status)

    answer = client.get(vendor)

    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("application/json" if status == 500 else "text/html")


def test_slow_waits(client: Client) -> None:
    client.sandbox.inject("slow", vendor="dipli", delay_s=0.3)
    started = time.monotonic()

    assert client.get("dipli").status_code == 200
    assert time.monotonic() - started >= 0.3


def test_latency_delays_every_answer() -> None:
    with Sandbox(orders=1, latency_ms=120) as sandbox, Client(sandbox) as client:
        started = time.monotonic()
        client.get("dipli")
        client.get("dipli")

    assert time.monotonic() - started >= 0.24


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("variant", ["length", "chunked"])
def test_cut_closes_the_connection_in_the_middle(client: Client, vendor: str, variant: str) -> None:
    client.get(vendor)
    client.sandbox.inject("cut", vendor=vendor, variant=variant)

    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        client.get(vendor)
    assert client.sandbox.requests[-1].fault == "cut"
    assert client.get(vendor).status_code == 200


def test_html_comes_with_200(client: Client) -> None:
    client.sandbox.inject("html", vendor="popsell")

    answer = client.get("popsell")

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=UTF-8")
    assert answer.text.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("location", ["/elsewhere", "http://attacker.example.org/orders"])
def test_redirect_leads_anywhere(client: Client, location: str) -> None:
    client.sandbox.inject("redirect", vendor="genuka", location=location)

    answer = client.get("genuka")

    assert (answer.status_code, answer.headers["Location"]) == (302, location)


def test_another_sandbox_sees_which_credentials_a_redirect_carries_over(client: Client) -> None:
    with Sandbox(orders=1) as stranger:
        client.sandbox.inject("redirect", vendor="dipli", location=f"{stranger.url}/steal")
        url = f"{client.sandbox.url}/dipli/api/v2/orders"
        client.http.get(url, headers={"apikey": credentials.DIPLI_API_KEY})

        [leak] = stranger.requests
    assert (leak.path, leak.vendor, leak.status, leak.authenticated) == ("/steal", "", 404, False)
    assert leak.credential_headers == ("apikey",)
    assert credentials.DIPLI_API_KEY not in repr(leak)


@pytest.mark.parametrize(
    ("variant", "status", "body"),
    [
        ("redirect", 302, b""),
        ("unauthorized", 401, b'{"error":"no_credentials"}'),
        ("no_credentials", 200, b'{"error":"no_credentials"}'),
    ],
)
def test_expire_ends_a_session_in_the_way_asked_for(
    client: Client, variant: str, status: int, body: bytes
) -> None:
    client.get("valomnia")
    client.sandbox.inject("expire", vendor="valomnia", variant=variant)

    answer = client.get("valomnia")

    assert (answer.status_code, answer.content) == (status, body)
    client.sandbox.inject("expire", vendor="popsell")
    assert client.get("valomnia").status_code != 200 or client.get("valomnia").json() == {
        "error": "no_credentials"
    }
    client.log_in()
    assert "data" in client.get("valomnia").json()


@pytest.mark.parametrize("vendor", ["popsell", "dipli", "genuka"])
def test_expire_refuses_a_fixed_key_once(client: Client, vendor: str) -> None:
    client.sandbox.inject("expire", vendor=vendor)

    assert [client.get(vendor).status_code for _ in range(2)] == [401, 200]


def test_expire_ends_a_token_for_good(client: Client) -> None:
    domain: dict[str, str | None] = {"X-Popsell-Domain": credentials.POPSELL_DOMAIN}
    answer = client.send(
        "POST", "/popsell/api/v2/auth/token", domain, json={"api_key": credentials.POPSELL_API_KEY}
    )
    headers: dict[str, str | None] = {"Authorization": f"Bearer {answer.json()['token']}"}
    client.sandbox.inject("expire", vendor="popsell")

    assert [client.get("popsell", headers=headers).status_code for _ in range(3)] == [401, 401, 401]


@pytest.mark.parametrize("vendor", VENDORS)
def test_insert_shifts_the_rows_under_a_reader(client: Client, vendor: str) -> None:
    first, _ = client.page(vendor, 1, 100)
    client.sandbox.inject("insert", vendor=vendor, count=3)
    second, total = client.page(vendor, 2, 100)

    assert total == 233
    assert [row[IDS[vendor]] for row in second[:3]] == [row[IDS[vendor]] for row in first[-3:]]


@pytest.mark.parametrize("vendor", ["popsell", "valomnia"])
def test_next_link_points_elsewhere(client: Client, vendor: str) -> None:
    client.sandbox.inject("next_link", vendor=vendor, location="http://attacker.example.org/page")

    page = client.get(vendor).json()

    assert page.get("next_page_url", page.get("paging", {}).get("next")) == "http://attacker.example.org/page"


def test_next_link_points_elsewhere_in_genuka_s_recorded_envelope() -> None:
    with Sandbox(orders=30, genuka_envelope="meta") as sandbox, Client(sandbox) as client:
        sandbox.inject("next_link", location="/other")

        assert client.get("genuka").json()["links"]["next"] == "/other"


@pytest.mark.parametrize("vendor", VENDORS)
def test_repeat_page_shows_the_page_before_again(client: Client, vendor: str) -> None:
    first, _ = client.page(vendor, 1, 100)
    client.sandbox.inject("repeat_page", vendor=vendor)

    assert client.page(vendor, 2, 100) == (first, 230)


@pytest.mark.parametrize("vendor", VENDORS)
def test_wrong_total_promises_more_than_there_is(client: Client, vendor: str) -> None:
    client.sandbox.inject("wrong_total", vendor=vendor, count=7)

    rows, total = client.page(vendor, 3, 100)

    assert (len(rows), total) == (30, 237)


@pytest.mark.parametrize("vendor", VENDORS)
def test_bad_row_lacks_its_id_or_has_a_word_for_an_amount(client: Client, vendor: str) -> None:
    amount = {"popsell": "total_amount", "dipli": "price_t_t_c", "valomnia": "total", "genuka": "amount"}[
        vendor
    ]
    client.sandbox.inject("bad_row", vendor=vendor, variant="missing_id")
    client.sandbox.inject("bad_row", vendor=vendor, variant="text_amount")

    without_id, with_word, healthy = (client.page(vendor, 1, 100)[0] for _ in range(3))

    assert [row for row in without_id if IDS[vendor] not in row] == [
        {name: value for name, value in healthy[50].items() if name != IDS[vendor]}
    ]
    assert [row[amount] for row in with_word if isinstance(row[amount], str)] == ["forty-two"]
    assert all(isinstance(row[amount], int | float) for row in healthy)


# The script.


def test_a_fault_waits_for_its_vendor_and_path_and_turn(client: Client) -> None:
    client.sandbox.inject("server_error", vendor="popsell", path="/ambassadors", after=1, times=2)

    orders, other = [client.get("popsell").status_code], [client.get("dipli").status_code]
    ambassadors = [client.get("popsell", "/api/v2/manager/ambassadors").status_code for _ in range(4)]

    assert (orders, other) == ([200], [200])
    assert ambassadors == [200, 503, 503, 200]


def test_a_fault_without_end_lasts_until_reset(client: Client) -> None:
    client.sandbox.inject("html", times=None)

    assert {client.get("dipli").headers["Content-Type"] for _ in range(5)} == {"text/html; charset=UTF-8"}
    client.sandbox.reset()
    assert client.get("dipli").headers["Content-Type"] == "application/json"


def test_faults_of_pages_wait_for_a_list(client: Client) -> None:
    client.sandbox.inject("repeat_page", vendor="dipli")

    assert client.get("dipli", "/api/v2/orders/111111").json()["id"] == 111111
    client.page("dipli", 2, 100)
    assert [request.fault for request in client.sandbox.requests] == [None, "repeat_page"]


def test_the_index_is_never_spoiled(client: Client) -> None:
    for kind in FAULT_KINDS:
        client.sandbox.inject(kind)

    assert client.send("GET", "/").json()["sandbox"] == "airflow_provider_orders"


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("nonsense", {}, "unknown fault 'nonsense'; known are rate_limit"),
        ("slow", {"vendor": "amazon"}, "unknown vendor 'amazon'"),
        ("slow", {"status": 500}, "'slow' does not take status; it takes delay_s"),
        ("html", {"count": 2}, "it takes no option"),
        ("cut", {"variant": "sideways"}, "no variant 'sideways'; it has length, chunked"),
        ("server_error", {"status": 404}, "from 500 to 599"),
        ("slow", {"times": 0}, "once or more"),
        ("next_link", {"vendor": "dipli"}, "the pages of dipli carry no next link"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(
    sandbox: Sandbox, kind: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        sandbox.inject(kind, **options)


# Chance.


@pytest.mark.parametrize("spec", ["", "none", " none "])
def test_no_faults_by_default(spec: str) -> None:
    assert parse_faults(spec) == {}


def test_a_spec_gives_each_kind_its_chance() -> None:
    assert parse_faults("rate_limit:0.05, slow:0.1") == {"rate_limit": 0.05, "slow": 0.1}
    assert parse_faults("flaky") == parse_faults(FLAKY)


@pytest.mark.parametrize(
    "spec", ["rate", "slow", "slow:often", "slow:2", "slow:-1", "slow:nan", "slow:0.6,cut:0.6", "slow:0.1,,"]
)
def test_a_malformed_spec_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match=r"fault"):
        Sandbox(faults=spec)


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_chance_plays_every_kind(kind: FaultKind) -> None:
    with Sandbox(orders=30, faults=f"{kind}:1", genuka_envelope="meta") as sandbox, Client(sandbox) as client:
        for _ in range(4):
            for vendor in ("popsell", "genuka"):
                try:
                    client.get(vendor, per_page=5, page=2)
                except requests.exceptions.RequestException:
                    assert kind == "cut"

    played = {request.fault for request in sandbox.requests}
    # By chance only tokens expire that a new login replaces; these requests carry fixed ones.
    assert played == ({None} if kind == "expire" else {kind})


def test_chance_ends_sessions() -> None:
    with Sandbox(orders=3, faults="expire:1") as sandbox, Client(sandbox) as client:
        answers = [client.get("valomnia").status_code for _ in range(1)]
        assert sandbox.requests[-1].fault == "expire"

    assert answers[0] in {200, 302, 401}


def test_what_chance_does_depends_on_the_request_and_not_on_the_order_of_arrival() -> None:
    def outcomes(pages: list[int]) -> dict[tuple[int, int], int]:
        found = {}
        with (
            Sandbox(orders=200, faults="server_error:0.3,rate_limit:0.2") as sandbox,
            Client(sandbox) as client,
        ):
            for attempt in range(3):
                for page in pages:
                    found[page, attempt] = client.get("dipli", page=page, pageSize=10).status_code
        return found

    forwards, backwards = outcomes(list(range(1, 20))), outcomes(list(range(19, 0, -1)))

    assert forwards == backwards
    assert {200, 429} < set(forwards.values())


def test_a_drawn_rate_limit_has_all_forms() -> None:
    seen = set()
    with Sandbox(orders=1, faults="rate_limit:1") as sandbox, Client(sandbox) as client:
        for _ in range(30):
            text = client.get("dipli").headers.get("Retry-After")
            seen.add(text if text in {None, "1"} else "date")
            if text not in {None, "1"}:
                assert parsedate_to_datetime(str(text)).tzinfo is not None

    assert seen == {None, "1", "date"}


def test_a_patient_client_reads_everything_from_a_flaky_sandbox() -> None:
    with Sandbox(orders=230, faults="flaky") as sandbox, Client(sandbox) as client:
        seen: set[str] = set()
        for number in range(1, 5):
            seen |= _patiently(client, "popsell", number)
        truth = {str(order["id_order"]) for order in sandbox.payloads("popsell")}

    assert seen >= {str(number) for number in range(100_001, 100_231)}
    assert seen <= truth


def _patiently(client: Client, vendor: str, number: int) -> set[str]:
    for _ in range(20):
        try:
            answer = client.get(vendor, page=number, per_page=100)
            return {str(row[IDS[vendor]]) for row in answer.json()[ROWS[vendor]]}
        except (requests.exceptions.RequestException, KeyError):
            continue
    raise AssertionError(f"{LISTS[vendor]} never answered page {number}")
