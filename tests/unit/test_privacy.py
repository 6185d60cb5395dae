"""No secret and nothing personal leaves the package, but in exported files and over the connection's own origin.

Everything that goes in is a canary, see ``tests.cluster.canaries``: credentials, tokens, customers, error pages.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import quote

import msgspec
import pytest

from airflow_provider_orders.apis.listing import Envelope, Page, Row
from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.apis.settings import ConnectionFields
from airflow_provider_orders.errors import (
    ApiUnavailableError,
    AuthenticationError,
    ConfigurationError,
    OrderNotFoundError,
    OrdersError,
    PaginationError,
    PermissionDeniedError,
    RateLimitedError,
    UnexpectedPayloadError,
    UnsafeRedirectError,
)
from airflow_provider_orders.hooks.orders import OrdersHook
from airflow_provider_orders.http.exchange import Mask, Send
from airflow_provider_orders.http.messages import Request, Response
from airflow_provider_orders.http.paging import RowPage
from airflow_provider_orders.http.policy import RetryPolicy
from airflow_provider_orders.operators.orders import GetOrderOperator, ListOrdersOperator
from airflow_provider_orders.sandbox import Sandbox
from airflow_provider_orders.sensors.orders import OrderStatusSensor
from airflow_provider_orders.transfers.orders_to_object_storage import OrdersToObjectStorageOperator
from airflow_provider_orders.triggers.orders import OrderStatusTrigger
from tests.cluster.canaries import (
    EMAIL,
    MARK,
    POSITION,
    CanaryProxy,
    LogCatcher,
    exception_texts,
    find_canaries,
    live_objects,
    live_reprs,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow.sdk import BaseOperator, Context

    from tests.conftest import DagRunner

VENDORS = ("popsell", "dipli", "valomnia", "genuka")
ID_FIELDS = {"popsell": "id_order", "dipli": "id", "valomnia": "id", "genuka": "id"}

# A connection of each way of signing in; the first of each vendor is the sandbox's own.
SIGN_INS: dict[str, tuple[str, dict[str, Any]]] = {
    "popsell api_key": ("popsell", {}),
    "popsell token": ("popsell", {"auth": "token", "password": f"{MARK}-popsell-token"}),
    "popsell login": (
        "popsell",
        {"auth": "login", "login": f"{MARK}.manager@example.com", "password": f"{MARK}-popsell-password"},
    ),
    "dipli": ("dipli", {}),
    "valomnia": ("valomnia", {}),
    "genuka api_key": ("genuka", {}),
    "genuka login": (
        "genuka",
        {"auth": "login", "login": f"{MARK}.owner@example.com", "password": f"{MARK}-genuka-password"},
    ),
}


@pytest.fixture(scope="module")
def small_sandbox() -> Iterator[Sandbox]:
    with Sandbox(orders=60) as sandbox:
        sandbox.clock.freeze()
        yield sandbox


@pytest.fixture
def proxy(small_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[CanaryProxy]:
    """The sandbox behind a proxy that plants canaries; connections lead to it, and retries do not wait."""
    small_sandbox.reset()
    monkeypatch.setattr(
        "airflow_provider_orders.http.exchange.RetryPolicy",
        lambda: RetryPolicy(attempts=3, base_s=0.001, max_backoff_s=0.01, max_retry_after_s=1),
    )
    with CanaryProxy(small_sandbox) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def logs() -> Iterator[LogCatcher]:
    """All that is logged in this process, from DEBUG on, before Airflow masks it."""
    with LogCatcher() as catcher:
        yield catcher


def an_order(sandbox: Sandbox, vendor: str) -> str:
    """Give the id of an order with much in it."""
    orders = sandbox.payloads(vendor)
    return str(max(orders, key=lambda order: len(json.dumps(order)))[ID_FIELDS[vendor]])


def is_clean(*texts: str | bytes) -> None:
    __tracebackhide__ = True
    found = find_canaries(*texts)
    assert not found, "\n---\n".join(found)


class TestTheLookout:
    """The checks of this file can fail."""

    @pytest.mark.parametrize(
        "text",
        [
            EMAIL,
            EMAIL.upper(),
            quote(EMAIL, safe=""),
            repr(EMAIL.encode()),
            json.dumps({"email": EMAIL}),
            base64.b64encode(f"user:{MARK}-secret".encode()).decode(),
            base64.b64encode(f"ab{MARK}-secret".encode()).decode(),
            f"x{base64.b64encode(f'{MARK}-secret'.encode()).decode()}",
            str(POSITION),
            f"\0binary{MARK}".encode(),
        ],
    )
    def test_finds_canary(self, text: str | bytes) -> None:
        assert find_canaries("harmless", text)

    def test_leaves_other_text_alone(self) -> None:
        assert not find_canaries("harmless", base64.b64encode(b"harmless" * 20).decode(), "43.73", b"\0\xff")

    def test_finds_canary_in_the_cause_and_the_context_of_an_exception(self) -> None:
        def fail(*, chained: bool) -> None:
            try:
                int(EMAIL)
            except ValueError as error:
                raise OrdersError("harmless") from (error if chained else None)

        with pytest.raises(OrdersError) as chained:
            fail(chained=True)
        with pytest.raises(OrdersError) as unchained:
            fail(chained=False)
        assert find_canaries(*exception_texts(chained.value))
        assert not find_canaries(*exception_texts(unchained.value))

    def test_finds_canary_in_the_attributes_of_an_exception(self) -> None:
        assert find_canaries(*exception_texts(OrdersError("harmless", path=f"/{MARK}")))

    def test_finds_canary_in_a_log_line_of_a_library_at_debug(self, logs: LogCatcher) -> None:
        logging.getLogger("urllib3.connectionpool").debug("%s", EMAIL)
        assert find_canaries(*logs.texts())

    def test_finds_canary_in_the_repr_of_what_is_alive(self) -> None:
        kept = OrderStatusTrigger(orders_conn_id="x", order_id=["1"], deadline=0.0)
        query = OrderQuery(statuses=(MARK,))
        assert find_canaries(*live_reprs())
        assert kept.order_id, query


class TestTasks:
    """Whole DAG runs: what they leave in the database, in XCom, in logs, and on the terminal."""

    @pytest.mark.parametrize("sign_in", ["popsell login", "dipli", "valomnia", "genuka login"])
    def test_leave_nothing_behind(
        self,
        sign_in: str,
        proxy: CanaryProxy,
        logs: LogCatcher,
        dag_runner: DagRunner,
        airflow_db: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        from airflow.sdk import DAG

        vendor, changes = SIGN_INS[sign_in]
        monkeypatch.setenv("AIRFLOW_CONN_ORDERS", proxy.connection(vendor, **changes))
        axis, _, wanted = MOVES[vendor]
        moving = _move_at_each_third_look(proxy, vendor)
        # Few tasks: each of them takes seconds on Airflow 3.1. TestExecution has all variants.
        with DAG(dag_id=f"privacy_{sign_in.replace(' ', '_')}", schedule=None) as dag:
            options: dict[str, Any] = {"orders_conn_id": "orders"}
            GetOrderOperator(
                task_id="get",
                order_id=an_order(proxy.sandbox, vendor),
                output="raw",
                with_lines=True,
                **options,
            )
            ListOrdersOperator(task_id="list", limit=60, **options)
            OrdersToObjectStorageOperator(task_id="export", path=str(tmp_path), output="vendor", **options)
            OrderStatusSensor(
                task_id="wait", order_id=moving, axis=axis, wanted=wanted, deferrable=True, poke_interval=0.1,
                timeout=60, **options,
            )  # fmt: skip

        run = dag_runner(dag)

        assert run.state == "success"
        results = {task.task_id: task.xcom_pull(task_ids=task.task_id) for task in run.get_task_instances()}
        assert results.keys() == {"get", "list", "export", "wait"}
        assert "***" in json.dumps(results["get"])
        assert "***" in json.dumps(results["list"])
        is_clean(json.dumps(results), *logs.texts(), *capfd.readouterr(), *_left_in(airflow_db))

    @pytest.mark.parametrize("vendor", ["dipli", "genuka"])
    def test_that_fail_leave_nothing_behind(
        self,
        vendor: str,
        proxy: CanaryProxy,
        logs: LogCatcher,
        dag_runner: DagRunner,
        airflow_db: Path,
        tmp_path: Path,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        from airflow.sdk import DAG

        proxy.sandbox.inject("bad_row", vendor=vendor, times=None, variant="text_amount")
        with DAG(dag_id=f"privacy_failing_{vendor}", schedule=None) as dag:
            options: dict[str, Any] = {"orders_conn_id": f"{vendor}_default"}
            OrdersToObjectStorageOperator(task_id="export", path=str(tmp_path), **options)
            OrderStatusSensor(
                task_id="wait", order_id=proxy.sandbox.live_ids(vendor)[0], deferrable=True, timeout=0.5,
                poke_interval=0.1, **options,
            )  # fmt: skip

        run = dag_runner(dag)

        states = {task.task_id: task.state for task in run.get_task_instances()}
        assert states == {"export": "failed", "wait": "failed"}
        printed = capfd.readouterr()
        assert "UnexpectedPayloadError" in printed.out + printed.err + "".join(logs.texts())
        is_clean(*logs.texts(), *printed, *_left_in(airflow_db))
        assert not list(tmp_path.glob("*"))


class TestExecution:
    """Every operator in every variant, as a worker executes it."""

    @pytest.mark.parametrize("sign_in", SIGN_INS)
    def test_gives_and_logs_nothing_personal_but_in_files(
        self,
        sign_in: str,
        proxy: CanaryProxy,
        logs: LogCatcher,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        vendor, changes = SIGN_INS[sign_in]
        monkeypatch.setenv("AIRFLOW_CONN_ORDERS", proxy.connection(vendor, **changes))
        axis, _, wanted = MOVES[vendor]
        order_id, moving = an_order(proxy.sandbox, vendor), _move_at_each_third_look(proxy, vendor)
        common: dict[str, Any] = {"task_id": "task", "orders_conn_id": "orders"}
        operators: list[BaseOperator] = [
            GetOrderOperator(order_id=order_id, output=output, with_lines=True, **common)
            for output in ("raw", "vendor", "canonical")
        ]
        operators += [
            ListOrdersOperator(output=output, limit=60, **common) for output in ("vendor", "canonical")
        ]
        operators += [
            OrdersToObjectStorageOperator(path=str(tmp_path / output), output=output, **common)
            for output in ("raw", "vendor", "canonical")
        ]
        operators += [
            OrderStatusSensor(
                order_id=moving, axis=axis, wanted=wanted, poke_interval=0.1, timeout=60, **common
            )
        ]
        ti = SimpleNamespace(dag_id="dag", task_id="task", run_id="run", map_index=-1)

        for operator in operators:
            result = operator.execute(cast("Context", {"ti": ti}))
            is_clean(json.dumps(result), repr(operator), *logs.texts())

        assert proxy.swapped, "the canaries did open the vendor's door"
        for output in ("raw", "vendor", "canonical"):
            (file,) = (tmp_path / output).glob("*.jsonl")
            assert find_canaries(file.read_bytes()), "the exported orders do hold canaries"


def _move_at_each_third_look(proxy: CanaryProxy, vendor: str) -> str:
    """Have one order reach the wanted status at each third request for it, so that each mode waits for it."""
    axis, waiting, wanted = MOVES[vendor]
    moving = proxy.sandbox.live_ids(vendor)[1]
    looks = itertools.count(1)

    def move(path: str) -> None:
        if path.partition("?")[0].endswith(f"/{moving}"):
            status = waiting if next(looks) % 3 else wanted
            proxy.sandbox.set_status(vendor, moving, status, axis=axis)

    proxy.on_request = move
    return moving


def _left_in(airflow_home: Path) -> list[bytes]:
    """Give the bytes of the database, XCom and rendered fields included, and of all log files."""
    database = sorted(airflow_home.glob("airflow.db*"))
    assert database
    return [file.read_bytes() for file in (*database, *airflow_home.glob("logs/**/*")) if file.is_file()]


class Case(NamedTuple):
    """Something that goes wrong.

    :param error: what it raises.
    :param fault: the sandbox's fault, with its options.
    :param changes: other fields of the connection.
    :param do: what is asked for: ``list``, or ``get`` an order.
    """

    error: type[OrdersError]
    fault: dict[str, Any] | None = None
    changes: dict[str, Any] | None = None
    do: str = "list"
    vendors: tuple[str, ...] = VENDORS


FOREIGN = f"http://attacker.example.org/?email={quote(EMAIL)}&token={MARK}"
CASES = {
    "401": Case(AuthenticationError, changes={"password": f"{MARK}-wrong"}),
    "401 later": Case(AuthenticationError, {"kind": "expire", "times": None}),
    "403": Case(PermissionDeniedError, changes={"forbidden": True}),
    "404": Case(OrderNotFoundError, do="get"),
    "429": Case(RateLimitedError, {"kind": "rate_limit", "times": None, "retry_after": "3600"}),
    "500": Case(ApiUnavailableError, {"kind": "server_error", "times": None, "status": 500}),
    "503": Case(ApiUnavailableError, {"kind": "server_error", "times": None, "status": 503}),
    "cut by length": Case(ApiUnavailableError, {"kind": "cut", "times": None, "variant": "length"}),
    "cut in a chunk": Case(ApiUnavailableError, {"kind": "cut", "times": None, "variant": "chunked"}),
    "html": Case(UnexpectedPayloadError, {"kind": "html", "times": None, "path": "orders"}),
    "row without id": Case(
        UnexpectedPayloadError, {"kind": "bad_row", "times": None, "variant": "missing_id"}
    ),
    "row with words": Case(
        UnexpectedPayloadError, {"kind": "bad_row", "times": None, "variant": "text_amount"}
    ),
    "redirect": Case(
        UnsafeRedirectError, {"kind": "redirect", "times": None, "path": "orders", "location": FOREIGN}
    ),
    "redirect that leads round": Case(
        UnexpectedPayloadError,
        {"kind": "redirect", "times": None, "path": "orders", "location": f"?email={quote(EMAIL)}"},
    ),
    "link": Case(
        UnsafeRedirectError,
        {"kind": "next_link", "times": None, "location": FOREIGN},
        vendors=("popsell", "valomnia"),
    ),
    "repeated page": Case(
        PaginationError,
        {"kind": "repeat_page", "times": None, "after": 1},
        {"concurrency": 1, "page_size": 10},
    ),
    "wrong total": Case(PaginationError, {"kind": "wrong_total", "times": None, "count": 7}),
}
WAITED_OUT = (ApiUnavailableError, RateLimitedError)
FORBIDDEN: dict[str, dict[str, Any]] = {
    "popsell": {"auth": "token", "password": f"{MARK}-popsell-forbidden"},
    "dipli": {"password": f"{MARK}-dipli-forbidden"},
    "valomnia": {"login": f"{MARK}.visitor@example.com"},
    "genuka": {"password": f"{MARK}-genuka-forbidden"},
}
# Axis, a word for waiting and one for being done.
MOVES = {
    "popsell": ("order", "PENDING", "FULFILLED"),
    "dipli": ("fulfillment", "pending_confirmation", "shipped"),
    "valomnia": ("fulfillment", "PENDING", "DELIVERED"),
    "genuka": ("fulfillment", "pending", "delivered"),
}


# Those that can happen to one order.
ONE_ORDER_CASES = [name for name in CASES if not name.startswith(("row", "link", "repeated", "wrong"))]


def _set_up(case: Case, proxy: CanaryProxy, vendor: str) -> str:
    """Have something go wrong, and give the connection to see it with."""
    changes = dict(case.changes or {})
    if changes.pop("forbidden", False):
        changes |= FORBIDDEN[vendor]
    if case.fault is not None:
        proxy.sandbox.inject(vendor=vendor, **case.fault)
    return proxy.connection(vendor, **changes)


def _own_and_serious(logs: LogCatcher) -> list[str]:
    """Give all lines, but for those of urllib3 at DEBUG, which hold the query of what it asks for, and so of a redirect."""
    return [
        line for name, level, line in logs.lines if (name, level) != ("urllib3.connectionpool", logging.DEBUG)
    ]


def _missing(vendor: str) -> str:
    return "0" * 26 if vendor == "genuka" else "999999999"


class TestErrors:
    @pytest.mark.parametrize(
        ("name", "vendor"), [(name, vendor) for name, case in CASES.items() for vendor in case.vendors]
    )
    @pytest.mark.parametrize("client", ["worker", "triggerer"])
    def test_tell_nothing(
        self,
        name: str,
        vendor: str,
        client: str,
        proxy: CanaryProxy,
        logs: LogCatcher,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        case = CASES[name]
        monkeypatch.setenv("AIRFLOW_CONN_ORDERS", _set_up(case, proxy, vendor))

        read = _read_on_the_worker if client == "worker" else _read_in_the_triggerer
        with pytest.raises(OrdersError) as caught:
            read(_missing(vendor) if case.do == "get" else None)

        assert type(caught.value) is case.error
        assert proxy.planted, "the vendor answered"
        is_clean(*exception_texts(caught.value), *_own_and_serious(logs))

    @pytest.mark.parametrize("vendor", VENDORS)
    @pytest.mark.parametrize("name", ONE_ORDER_CASES)
    def test_become_events_that_tell_nothing(
        self, name: str, vendor: str, proxy: CanaryProxy, logs: LogCatcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        case = CASES[name]
        monkeypatch.setenv("AIRFLOW_CONN_ORDERS", _set_up(case, proxy, vendor))
        order_id = _missing(vendor) if case.do == "get" else proxy.sandbox.live_ids(vendor)[0]
        trigger = OrderStatusTrigger(
            orders_conn_id="orders", order_id=[order_id], deadline=0.0, poke_interval=0.01
        )

        async def fire() -> list[Any]:
            return [event async for event in trigger.run()]

        (event,) = asyncio.run(fire(), debug=True)

        is_clean(
            json.dumps(event.payload),
            repr(event),
            repr(trigger),
            repr(trigger.serialize()),
            *_own_and_serious(logs),
        )
        assert event.payload["status"] == ("timeout" if case.error in WAITED_OUT else "error")
        assert event.payload.get("kind") in {None, case.error.__name__}

    def test_of_an_unreachable_host_keep_a_filter_by_e_mail_address_to_themselves(
        self, proxy: CanaryProxy, logs: LogCatcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_ORDERS", proxy.connection("genuka", host="http://127.0.0.1:9"))
        for read in (_read_on_the_worker, _read_in_the_triggerer):
            with pytest.raises(ApiUnavailableError) as caught:
                read(None, params={"filter[customer.email]": EMAIL})
            is_clean(*exception_texts(caught.value))
        is_clean(*logs.texts())

    def test_filter_by_e_mail_address_is_logged_by_nobody_but_urllib3_at_debug(
        self, proxy: CanaryProxy, logs: LogCatcher
    ) -> None:
        """The vendor wants it in the query, and urllib3 logs the query."""
        with OrdersHook.for_connection("genuka_default") as hook:
            assert list(hook.iter_orders(params={"filter[customer.email]": EMAIL})) == []
        told = {(name, level) for name, level, line in logs.lines if find_canaries(line)}
        assert told <= {("urllib3.connectionpool", logging.DEBUG)}

    @pytest.mark.parametrize(
        "changes",
        [
            {"password": ""},
            {"page_size": f"{MARK}-secret"},
            {"auth": f"{MARK}-secret"},
            {"api_version": f"{MARK}-secret"},
            {"assumed_timezone": f"{MARK}-secret"},
            {"company_id": f"{MARK}-secret"},
            {"host": f"https://{MARK}:{MARK}-secret@api.example.com"},
            {"host": f"https://api.example.com/?api_key={MARK}-secret"},
            {"host": f"http://api.example.com/{MARK}-secret"},
            {"allow_http": f"{MARK}-secret"},
        ],
        ids=lambda changes: next(iter(changes)),
    )
    def test_of_the_connection_do_not_repeat_what_was_typed(
        self, changes: dict[str, Any], proxy: CanaryProxy, logs: LogCatcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_ORDERS", proxy.connection("genuka", **changes))
        with pytest.raises(ConfigurationError) as caught:
            OrdersHook.for_connection("orders")
        is_clean(*exception_texts(caught.value), *logs.texts())

    @pytest.mark.parametrize("vendor", VENDORS)
    @pytest.mark.parametrize(
        "secret", [f"{MARK}\n", f" {MARK}", f"{MARK}\r\nX: y", f"{MARK}\u2019s", f"{MARK}\u00e9"]
    )
    def test_of_a_secret_that_no_header_can_carry_do_not_repeat_it(
        self, vendor: str, secret: str, proxy: CanaryProxy, logs: LogCatcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        changes = {"auth": "token"} if vendor in {"popsell", "genuka"} else {}
        monkeypatch.setenv("AIRFLOW_CONN_ORDERS", proxy.connection(vendor, password=secret, **changes))
        for read in (_read_on_the_worker, _read_in_the_triggerer):
            with pytest.raises(OrdersError) as caught:
                read(None)
            assert isinstance(caught.value, ConfigurationError | AuthenticationError)
            is_clean(*exception_texts(caught.value), *logs.texts())

    def test_of_a_cookie_whose_name_is_none_are_not_raised(
        self, proxy: CanaryProxy, logs: LogCatcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        proxy.odd_headers.append(("Set-Cookie", f"{EMAIL}=1"))
        monkeypatch.setenv("AIRFLOW_CONN_ORDERS", proxy.connection("genuka"))
        for read in (_read_on_the_worker, _read_in_the_triggerer):
            read(an_order(proxy.sandbox, "genuka"))
        is_clean(*(line for name, _, line in logs.lines if name.startswith("airflow_provider_orders")))


def _read_on_the_worker(order_id: str | None, **filters: Any) -> None:
    with OrdersHook.for_connection("orders") as hook:
        if order_id is not None:
            hook.get_order(order_id)
        else:
            assert list(hook.iter_orders(**filters))


def _read_in_the_triggerer(order_id: str | None, **filters: Any) -> None:
    async def read() -> None:
        hook = await OrdersHook.afor_connection("orders")
        async with hook.get_async_client() as client:
            if order_id is not None:
                await client.fetch_order(order_id)
                return
            async for page in client.iter_pages(OrderQuery.of(**filters)):
                for row in page.rows:
                    hook.api.order_model.parse(row.raw)

    asyncio.run(read(), debug=True)


class TestConnectionTest:
    @pytest.mark.parametrize("vendor", VENDORS)
    @pytest.mark.parametrize(
        "name", ["good", "401", "403", "429", "500", "503", "html", "redirect", "unreachable"]
    )
    def test_says_nothing_secret(
        self, name: str, vendor: str, proxy: CanaryProxy, logs: LogCatcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = {"good": {}, "unreachable": {"host": "http://127.0.0.1:9"}}.get(name)
        case = Case(OrdersError, changes=other) if other is not None else CASES[name]
        monkeypatch.setenv("AIRFLOW_CONN_ORDERS", _set_up(case, proxy, vendor))

        works, message = OrdersHook.for_connection("orders").test_connection()

        assert works is (name == "good"), message
        is_clean(message, *_own_and_serious(logs))


class TestReprs:
    @pytest.mark.parametrize("sign_in", SIGN_INS)
    def test_of_all_that_is_alive_while_orders_are_read_show_nothing(
        self, sign_in: str, proxy: CanaryProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        vendor, changes = SIGN_INS[sign_in]
        monkeypatch.setenv("AIRFLOW_CONN_ORDERS", proxy.connection(vendor, **changes))
        seen: set[str] = set()

        def look(_: str = "") -> None:
            reprs = live_reprs(but=earlier)
            seen.update(text.partition("(")[0] for text in reprs)
            found.extend(find_canaries(*reprs))

        earlier = live_objects()
        found: list[str] = []
        proxy.on_request = look
        params = {"filter[customer.email]": EMAIL} if vendor == "genuka" else None
        with OrdersHook.for_connection("orders") as hook:
            orders: list[Any] = []
            for order in hook.iter_orders():
                orders += [order, order.to_order()]
                if len(orders) == 2:
                    look()
            list(hook.iter_orders(params=params))
            look()
            order_id = orders[0].identity()
            _read_in_the_triggerer(order_id)
            is_clean(repr(orders), str(orders[0]), str(orders[1]), *map(repr, vars(hook.get_conn()).values()))
        assert not found, "\n---\n".join(sorted(set(found))[:5])
        # A row is not counted by the garbage collector, so not listed by it either; its page shows it.
        assert {"Request", "Send", "_Credential", "OrderQuery", "RowPage"} <= seen

    def test_of_what_passes_too_fast_to_be_seen_show_nothing(self) -> None:
        request = Request(
            "POST", "/login", params=(("email", EMAIL),), headers={"X-API-Key": MARK}, form={"password": MARK},
            json={"password": MARK},
        )  # fmt: skip
        row = Row("1", MARK.encode())
        for thing in (
            request,
            request.with_headers(Authorization=MARK),
            Response(request, 200, {"Set-Cookie": MARK}, MARK.encode(), {"JSESSIONID": MARK}),
            Send(f"https://api.example.com/orders?email={EMAIL}", request),
            Mask(MARK),
            row,
            RowPage((row,), 1),
            Page(1, (row,), 1, 1, 1, has_more=False, next_link=f"https://api.example.com/?email={EMAIL}"),
            Envelope([msgspec.Raw(MARK.encode())], 1, 1, next_link=f"https://api.example.com/?email={EMAIL}"),
            ConnectionFields("id", login=EMAIL, password=MARK, extra={"api_key": MARK}),
            OrderQuery(params={"filter[customer.email]": EMAIL}),
        ):
            is_clean(repr(thing), str(thing))
