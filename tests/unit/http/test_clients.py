"""The clients against the sandbox: every rule of sending, on requests and on aiohttp."""

from __future__ import annotations

import json
import socket
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.errors import (
    ApiUnavailableError,
    AuthenticationError,
    OrderNotFoundError,
    PaginationError,
    PermissionDeniedError,
    RateLimitedError,
    UnexpectedPayloadError,
    UnsafeRedirectError,
)
from airflow_provider_orders.http.policy import RetryPolicy
from airflow_provider_orders.sandbox import Sandbox, credentials
from tests.unit.clients import FAST, VENDORS, Reader, make_api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.http.conftest import MakeReader

LISTINGS = {
    "popsell": "/manager/orders",
    "dipli": "/api/v2/orders",
    "valomnia": "/api/v2.1/orders",
    "genuka": "/admin/orders",
}
REQUIRED_ID = {"popsell": "id_order", "dipli": "id", "valomnia": "id", "genuka": "id"}


def truth(sandbox: Sandbox, vendor: str) -> list[str]:
    return [str(order[REQUIRED_ID[vendor]]) for order in sandbox.payloads(vendor)]


def sent(sandbox: Sandbox, *, path: str = "", method: str = "GET") -> list[Any]:
    return [request for request in sandbox.requests if path in request.path and request.method == method]


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


class TestEachOrderOnce:
    def test_all_230(self, make_reader: MakeReader, orders_sandbox: Sandbox, vendor: str) -> None:
        ids = make_reader(vendor).ids()
        assert len(ids) == 230
        assert sorted(ids) == sorted(truth(orders_sandbox, vendor))

    @pytest.mark.parametrize("envelope", ["pagination", "meta"])
    @pytest.mark.parametrize("count", [0, 1, 200, 230])
    def test_any_number_in_any_envelope(self, vendor: str, count: int, envelope: str) -> None:
        if vendor != "genuka" and envelope == "meta":
            pytest.skip("only Genuka has two envelopes")
        with Sandbox(orders=count, genuka_envelope=envelope) as sandbox:
            for kind in ("sync", "async"):
                ids = Reader(kind, make_api(sandbox, vendor)).ids()
                assert len(ids) == count
                assert sorted(ids) == sorted(truth(sandbox, vendor))

    def test_genuka_without_totals(self, make_reader: MakeReader, orders_sandbox: Sandbox) -> None:
        query = OrderQuery(params={"simple_paginate": "1"})
        assert sorted(make_reader("genuka").ids(query)) == sorted(truth(orders_sandbox, "genuka"))

    def test_with_rows_inserted_while_paging(
        self, make_reader: MakeReader, orders_sandbox: Sandbox, vendor: str
    ) -> None:
        before = truth(orders_sandbox, vendor)
        orders_sandbox.inject("insert", vendor=vendor, times=3, path=LISTINGS[vendor], count=2)
        ids = make_reader(vendor, page_size=20).ids()
        assert len(ids) == len(set(ids))
        assert set(ids) >= set(before)

    def test_the_bytes_are_the_vendors(self, make_reader: MakeReader, orders_sandbox: Sandbox) -> None:
        payloads = {str(order["id"]): order for order in orders_sandbox.payloads("dipli")}
        for order_id, raw in make_reader("dipli").read():
            assert json.loads(raw) == payloads[order_id]

    def test_pages_are_asked_for_at_the_same_time(
        self, make_reader: MakeReader, orders_sandbox: Sandbox
    ) -> None:
        reader = make_reader("popsell", page_size=10, concurrency=4)
        assert len(reader.ids()) == 230
        assert reader.requests_sent == 23 + 1  # the login


class TestRetries:
    @pytest.mark.parametrize("form", ["seconds", "date", "absent"])
    def test_429_is_waited_out(
        self, make_reader: MakeReader, orders_sandbox: Sandbox, vendor: str, form: str
    ) -> None:
        past = format_datetime(datetime.now(UTC) - timedelta(seconds=5), usegmt=True)
        header = {"seconds": "0", "date": past, "absent": None}[form]
        orders_sandbox.inject(
            "rate_limit", vendor=vendor, path=LISTINGS[vendor], times=2, after=1, retry_after=header
        )
        assert sorted(make_reader(vendor).ids()) == sorted(truth(orders_sandbox, vendor))
        statuses = [request.status for request in sent(orders_sandbox, path=LISTINGS[vendor])]
        assert statuses.count(429) == 2

    def test_a_wait_beyond_the_cap_is_given_back(
        self, make_reader: MakeReader, orders_sandbox: Sandbox, vendor: str
    ) -> None:
        orders_sandbox.inject("rate_limit", vendor=vendor, path=LISTINGS[vendor], retry_after="3600")
        with pytest.raises(RateLimitedError) as caught:
            make_reader(vendor).ids()
        assert caught.value.retry_after_s == 3600
        assert caught.value.status == 429
        assert len(sent(orders_sandbox, path=LISTINGS[vendor])) == 1

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    def test_two_outages_are_survived(
        self, make_reader: MakeReader, orders_sandbox: Sandbox, vendor: str, status: int
    ) -> None:
        orders_sandbox.inject(
            "server_error", vendor=vendor, path=LISTINGS[vendor], times=2, after=1, status=status
        )
        assert sorted(make_reader(vendor).ids()) == sorted(truth(orders_sandbox, vendor))

    def test_an_outage_that_stays_is_reported_with_its_attempts(
        self, make_reader: MakeReader, orders_sandbox: Sandbox, vendor: str
    ) -> None:
        orders_sandbox.inject("server_error", vendor=vendor, path=LISTINGS[vendor], times=None)
        with pytest.raises(ApiUnavailableError, match="503, 5 attempts") as caught:
            make_reader(vendor).ids()
        assert (caught.value.vendor, caught.value.method, caught.value.attempts) == (vendor, "GET", 5)
        assert len(sent(orders_sandbox, path=LISTINGS[vendor])) == FAST.attempts

    @pytest.mark.parametrize("variant", ["length", "chunked"])
    def test_a_cut_body_is_a_failed_attempt(
        self, make_reader: MakeReader, orders_sandbox: Sandbox, vendor: str, variant: str
    ) -> None:
        orders_sandbox.inject("cut", vendor=vendor, path=LISTINGS[vendor], times=2, after=1, variant=variant)
        assert sorted(make_reader(vendor).ids()) == sorted(truth(orders_sandbox, vendor))

    def test_a_body_that_stays_cut_is_named(
        self, make_reader: MakeReader, orders_sandbox: Sandbox, vendor: str
    ) -> None:
        orders_sandbox.inject("cut", vendor=vendor, path=LISTINGS[vendor], times=None)
        with pytest.raises(ApiUnavailableError, match="cut"):
            make_reader(vendor).ids()

    def test_an_html_page_is_a_failed_attempt(
        self, make_reader: MakeReader, orders_sandbox: Sandbox, vendor: str
    ) -> None:
        orders_sandbox.inject("html", vendor=vendor, path=LISTINGS[vendor], times=2, after=1)
        assert sorted(make_reader(vendor).ids()) == sorted(truth(orders_sandbox, vendor))

    def test_an_html_page_that_stays_is_named(
        self, make_reader: MakeReader, orders_sandbox: Sandbox, vendor: str
    ) -> None:
        orders_sandbox.inject("html", vendor=vendor, path=LISTINGS[vendor], times=None)
        with pytest.raises(UnexpectedPayloadError, match="an HTML page"):
            make_reader(vendor).ids()

    def test_a_slow_answer_is_a_failed_attempt(
        self, make_reader: MakeReader, orders_sandbox: Sandbox
    ) -> None:
        orders_sandbox.inject("slow", vendor="dipli", delay_s=5)
        reader = make_reader("dipli", timeout_s=0.3)
        assert len(reader.ids()) == 230
        assert reader.requests_sent == 4

    def test_nobody_there(self, make_reader: MakeReader) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with pytest.raises(ApiUnavailableError, match="connection failed"):
            make_reader("dipli", host=f"http://127.0.0.1:{port}").ids()

    def test_an_answer_beyond_the_cap_is_refused(self, make_reader: MakeReader) -> None:
        policy = RetryPolicy(max_body_bytes=1024 * 1024 // 16)
        with pytest.raises(UnexpectedPayloadError, match="lower page_size"):
            make_reader("popsell", policy=policy).ids()


class TestLogin:
    @pytest.mark.parametrize(
        ("vendor", "extra"),
        [
            ("popsell", {}),
            (
                "popsell",
                {
                    "auth": "login",
                    "login": credentials.POPSELL_EMAIL,
                    "password": credentials.POPSELL_PASSWORD,
                },
            ),
            ("valomnia", {}),
            (
                "genuka",
                {"auth": "login", "login": credentials.GENUKA_EMAIL, "password": credentials.GENUKA_PASSWORD},
            ),
        ],
    )
    def test_many_requests_need_one_login(
        self, make_reader: MakeReader, orders_sandbox: Sandbox, vendor: str, extra: dict[str, str]
    ) -> None:
        reader = make_reader(vendor, page_size=20, concurrency=8, **extra)
        assert len(reader.ids()) == 230
        assert len(sent(orders_sandbox, method="POST")) == 1
        assert len(reader.masked) == 1

    @pytest.mark.parametrize(
        ("vendor", "variants"),
        [("popsell", [None]), ("valomnia", ["redirect", "unauthorized", "no_credentials"])],
    )
    def test_a_session_that_expires_in_the_middle_is_renewed_once(
        self, make_reader: MakeReader, orders_sandbox: Sandbox, vendor: str, variants: list[str | None]
    ) -> None:
        for variant in variants:
            orders_sandbox.reset()
            options = {"variant": variant} if variant else {}
            orders_sandbox.inject("expire", vendor=vendor, path=LISTINGS[vendor], after=1, **options)  # type: ignore[arg-type]
            ids = make_reader(vendor, page_size=20, concurrency=8).ids()
            assert sorted(ids) == sorted(truth(orders_sandbox, vendor))
            assert len(sent(orders_sandbox, method="POST")) == 2

    @pytest.mark.parametrize("vendor", ["popsell", "valomnia"])
    def test_two_rejections_in_a_row_end_it_after_two_attempts(
        self, make_reader: MakeReader, orders_sandbox: Sandbox, vendor: str
    ) -> None:
        orders_sandbox.inject("expire", vendor=vendor, path=LISTINGS[vendor], times=None)
        with pytest.raises(AuthenticationError):
            make_reader(vendor, concurrency=1).ids()
        assert len(sent(orders_sandbox, path=LISTINGS[vendor])) == 2
        assert len(sent(orders_sandbox, method="POST")) == 2

    @pytest.mark.parametrize(
        ("vendor", "extra"),
        [
            ("popsell", {"password": "wrong"}),
            ("popsell", {"auth": "login", "login": "nobody@example.com", "password": "wrong"}),
            ("popsell", {"domain": "other.example.com"}),
            ("valomnia", {"password": "wrong"}),
            ("genuka", {"auth": "login", "login": "nobody@example.com", "password": "wrong"}),
        ],
    )
    def test_a_wrong_password_is_sent_once(
        self, make_reader: MakeReader, orders_sandbox: Sandbox, vendor: str, extra: dict[str, str]
    ) -> None:
        with pytest.raises(AuthenticationError, match="rejected") as caught:
            make_reader(vendor, **extra).ids()
        assert len(sent(orders_sandbox, method="POST")) == 1
        assert not sent(orders_sandbox, path=LISTINGS[vendor])
        assert "wrong" not in str(caught.value)
        assert "nobody" not in str(caught.value)

    def test_genukas_500_for_a_wrong_password_is_no_outage(
        self, make_reader: MakeReader, orders_sandbox: Sandbox
    ) -> None:
        orders_sandbox.inject("server_error", vendor="genuka", path="/auth/login", status=500)
        with pytest.raises(AuthenticationError):
            make_reader("genuka", auth="login", login="nobody@example.com", password="wrong").ids()
        assert len(sent(orders_sandbox, method="POST")) == 1

    @pytest.mark.parametrize(
        ("vendor", "extra"),
        [
            ("popsell", {"auth": "token", "password": "wrong"}),
            ("dipli", {"password": "wrong"}),
            ("genuka", {"password": "wrong"}),
            ("genuka", {"auth": "token", "password": "wrong"}),
            (
                "genuka",
                {
                    "company_id": credentials.GENUKA_OTHER_COMPANY_ID,
                    "auth": "token",
                    "password": credentials.GENUKA_TOKEN,
                },
            ),
        ],
    )
    def test_a_rejected_key_is_sent_once(
        self, make_reader: MakeReader, orders_sandbox: Sandbox, vendor: str, extra: dict[str, str]
    ) -> None:
        with pytest.raises(AuthenticationError, match="401"):
            make_reader(vendor, **extra).ids()
        assert len(orders_sandbox.requests) == 1

    @pytest.mark.parametrize(
        ("vendor", "extra"),
        [
            ("popsell", {"auth": "token", "password": credentials.POPSELL_FORBIDDEN_TOKEN}),
            ("dipli", {"password": credentials.DIPLI_FORBIDDEN_API_KEY}),
            ("valomnia", {"login": credentials.VALOMNIA_FORBIDDEN_EMAIL}),
            ("genuka", {"password": credentials.GENUKA_FORBIDDEN_API_KEY}),
        ],
    )
    def test_a_missing_permission_is_no_empty_result(
        self, make_reader: MakeReader, vendor: str, extra: dict[str, str]
    ) -> None:
        with pytest.raises(PermissionDeniedError, match="permission"):
            make_reader(vendor, **extra).ids()

    def test_a_login_that_meets_an_outage_is_repeated(
        self, make_reader: MakeReader, orders_sandbox: Sandbox
    ) -> None:
        orders_sandbox.inject("server_error", vendor="popsell", path="/auth/token", times=2)
        assert len(make_reader("popsell").ids()) == 230


class _Elsewhere(BaseHTTPRequestHandler):
    """Another server; it notes the headers of whatever reaches it."""

    seen: ClassVar[list[dict[str, str]]]

    def do_GET(self) -> None:
        type(self).seen.append({name.lower(): value for name, value in self.headers.items()})
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_GET  # noqa: N815 - the base class's naming

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[dict[str, str]]]]:
    class Handler(_Elsewhere):
        seen: ClassVar[list[dict[str, str]]] = []

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", Handler.seen
        server.shutdown()
        thread.join()


class TestOriginGuard:
    def test_a_redirect_to_another_port_is_not_followed(
        self, make_reader: MakeReader, orders_sandbox: Sandbox, vendor: str, elsewhere: tuple[str, list[Any]]
    ) -> None:
        url, seen = elsewhere
        orders_sandbox.inject(
            "redirect", vendor=vendor, path=LISTINGS[vendor], after=1, location=f"{url}/orders"
        )
        with pytest.raises(UnsafeRedirectError, match="away from the connection's"):
            make_reader(vendor).ids()
        assert seen == []

    @pytest.mark.parametrize("vendor", ["popsell", "genuka", "valomnia"])
    def test_a_next_link_to_another_port_is_not_followed(
        self, make_reader: MakeReader, vendor: str, elsewhere: tuple[str, list[Any]]
    ) -> None:
        url, seen = elsewhere
        with Sandbox(orders=230, genuka_envelope="meta") as sandbox:
            sandbox.inject("next_link", vendor=vendor, path=LISTINGS[vendor], location=f"{url}/orders?page=2")
            with pytest.raises(UnsafeRedirectError, match="The link to the page after 1"):
                Reader("sync", make_api(sandbox, vendor)).ids()
        assert seen == []

    @pytest.mark.parametrize("vendor", ["popsell", "valomnia"])
    def test_a_login_is_not_redirected_to_another_port(
        self, make_reader: MakeReader, orders_sandbox: Sandbox, vendor: str, elsewhere: tuple[str, list[Any]]
    ) -> None:
        url, seen = elsewhere
        login = {"popsell": "/auth/token", "valomnia": "/j_spring_security_check"}[vendor]
        orders_sandbox.inject("redirect", vendor=vendor, path=login, location=f"{url}/login/ajaxSuccess")
        with pytest.raises(UnsafeRedirectError):
            make_reader(vendor).ids()
        assert seen == []

    def test_a_redirect_within_the_origin_is_followed_and_signed(
        self, make_reader: MakeReader, orders_sandbox: Sandbox
    ) -> None:
        wanted = orders_sandbox.payloads("dipli")[0]["id"]
        orders_sandbox.inject(
            "redirect", vendor="dipli", path="/orders/", location=f"/dipli/api/v2/orders/{wanted}"
        )
        assert json.loads(make_reader("dipli").fetch("999999"))["id"] == wanted
        first, second = orders_sandbox.requests
        assert (first.status, second.status, second.authenticated) == (302, 200, True)

    def test_redirects_without_end_are_named(self, make_reader: MakeReader, orders_sandbox: Sandbox) -> None:
        orders_sandbox.inject("redirect", vendor="dipli", times=None, location="/dipli/api/v2/orders")
        with pytest.raises(UnexpectedPayloadError, match="More than 5 redirects"):
            make_reader("dipli").ids()


class TestWhole:
    def test_a_repeated_page_is_named(
        self, make_reader: MakeReader, orders_sandbox: Sandbox, vendor: str
    ) -> None:
        orders_sandbox.inject("repeat_page", vendor=vendor, path=LISTINGS[vendor], after=1, times=None)
        with pytest.raises(PaginationError):
            make_reader(vendor).ids()

    def test_a_total_that_does_not_add_up_is_named(
        self, make_reader: MakeReader, orders_sandbox: Sandbox, vendor: str
    ) -> None:
        orders_sandbox.inject("wrong_total", vendor=vendor, path=LISTINGS[vendor], times=None, count=7)
        with pytest.raises(PaginationError, match="counts 237 orders, but its pages hold 230"):
            make_reader(vendor).ids()

    def test_an_envelope_that_is_not_documented_is_named(
        self, make_reader: MakeReader, orders_sandbox: Sandbox
    ) -> None:
        first = orders_sandbox.payloads("dipli")[0]["id"]
        orders_sandbox.inject("redirect", vendor="dipli", location=f"/dipli/api/v2/orders/{first}")
        with pytest.raises(UnexpectedPayloadError, match="Page 1 has not the documented envelope"):
            make_reader("dipli").ids()


class TestOneOrder:
    def test_by_id(self, make_reader: MakeReader, orders_sandbox: Sandbox, vendor: str) -> None:
        wanted = orders_sandbox.payloads(vendor)[17]
        assert json.loads(make_reader(vendor).fetch(str(wanted[REQUIRED_ID[vendor]]))) == wanted

    @pytest.mark.parametrize("vendor", ["valomnia", "genuka"])
    def test_by_reference(self, make_reader: MakeReader, orders_sandbox: Sandbox, vendor: str) -> None:
        wanted = orders_sandbox.payloads(vendor)[17]
        found = json.loads(make_reader(vendor).fetch(wanted["reference"], by="reference"))
        assert found["id"] == wanted["id"]

    def test_genukas_reference_is_not_taken_for_a_part_of_another(
        self, make_reader: MakeReader, orders_sandbox: Sandbox
    ) -> None:
        reference = orders_sandbox.payloads("genuka")[0]["reference"]
        with pytest.raises(OrderNotFoundError, match="no order with the reference"):
            make_reader("genuka").fetch(reference[:-1], by="reference")

    def test_an_unknown_one(self, make_reader: MakeReader, vendor: str) -> None:
        unknown = "01zzzzzzzzzzzzzzzzzzzzzzzz" if vendor == "genuka" else "987654321"
        with pytest.raises(OrderNotFoundError):
            make_reader(vendor).fetch(unknown)

    def test_valomnias_lines_are_filled_when_asked_for(
        self, make_reader: MakeReader, orders_sandbox: Sandbox
    ) -> None:
        wanted = next(order for order in orders_sandbox.payloads("valomnia") if order["orderLines"])
        reader = make_reader("valomnia")
        stubs = json.loads(reader.fetch(str(wanted["id"])))
        full = json.loads(reader.fetch(str(wanted["id"]), with_lines=True))
        assert [line["id"] for line in full["orderLines"]] == [line["id"] for line in stubs["orderLines"]]
        assert all("unitPrice" in line for line in full["orderLines"])
        assert {**full, "orderLines": None} == {**stubs, "orderLines": None}
