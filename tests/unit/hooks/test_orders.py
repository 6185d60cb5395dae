"""The hooks: the right one for a connection, orders through it, and the sentence of the test button."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from airflow.sdk import BaseHook, Connection

from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.errors import (
    AuthenticationError,
    ConfigurationError,
    OrderNotFoundError,
    UnexpectedPayloadError,
)
from airflow_provider_orders.hooks.dipli import DipliHook
from airflow_provider_orders.hooks.genuka import GenukaHook
from airflow_provider_orders.hooks.orders import OrdersHook
from airflow_provider_orders.hooks.popsell import PopsellHook
from airflow_provider_orders.hooks.valomnia import ValomniaHook
from airflow_provider_orders.models.dipli import DipliOrder
from airflow_provider_orders.models.genuka import GenukaOrder
from airflow_provider_orders.models.popsell import PopsellOrder
from airflow_provider_orders.models.valomnia import ValomniaOrder
from tests.unit.hooks.connect import (
    AMOUNTS,
    FORBIDDEN,
    LISTINGS,
    VENDORS,
    WAYS_TO_SIGN_IN,
    an_order,
    secrets_in,
    truth,
    way_id,
)

if TYPE_CHECKING:
    from airflow_provider_orders.sandbox import Sandbox
    from tests.unit.hooks.connect import Connect

HOOKS: dict[str, tuple[type[OrdersHook], type[Any]]] = {
    "popsell": (PopsellHook, PopsellOrder),
    "dipli": (DipliHook, DipliOrder),
    "valomnia": (ValomniaHook, ValomniaOrder),
    "genuka": (GenukaHook, GenukaOrder),
}
UPDATED = {"valomnia": "lastUpdated", "genuka": "updated_at"}
CREATED = {"valomnia": "dateCreated", "genuka": "created_at"}


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def listing_requests(sandbox: Sandbox, vendor: str) -> list[Any]:
    return [request for request in sandbox.requests if LISTINGS[vendor] in request.path]


class TestTheRightHook:
    def test_for_connection_goes_by_the_type(self, orders_sandbox: Sandbox, vendor: str) -> None:
        hook = OrdersHook.for_connection(f"{vendor}_default")
        assert type(hook) is HOOKS[vendor][0]
        assert hook.orders_conn_id == f"{vendor}_default"
        assert hook.api.vendor == hook.conn_type == vendor
        assert orders_sandbox.requests == []

    def test_airflow_finds_it_too(self, orders_sandbox: Sandbox, vendor: str) -> None:
        hook = BaseHook.get_hook(f"{vendor}_default")
        assert type(hook) is HOOKS[vendor][0]
        order_id, _ = an_order(orders_sandbox, vendor)
        with hook:
            assert hook.get_order(order_id).identity() == order_id

    def test_each_has_its_own_default_connection(self, orders_sandbox: Sandbox, vendor: str) -> None:
        assert orders_sandbox.requests == []
        hook = HOOKS[vendor][0]()
        assert hook.orders_conn_id == f"{vendor}_default"
        assert hook.api.settings.conn_id == f"{vendor}_default"

    def test_a_connection_of_another_type_is_refused(self, connect: Connect, orders_sandbox: Sandbox) -> None:
        conn_id = connect("dipli", conn_type="postgres")
        with pytest.raises(
            ConfigurationError, match=r"'postgres'.*dipli, genuka, popsell, valomnia"
        ) as caught:
            OrdersHook.for_connection(conn_id)
        assert caught.value.field == "conn_type"
        assert orders_sandbox.requests == []

    def test_a_hook_of_another_vendor_names_what_is_missing(self, connect: Connect) -> None:
        with pytest.raises(ConfigurationError, match="company_id is missing"):
            _ = GenukaHook(connect("dipli")).api

    def test_a_missing_connection_is_named(self, orders_sandbox: Sandbox) -> None:
        for attempt in (
            lambda: OrdersHook.for_connection("nowhere"),
            lambda: DipliHook("nowhere").api,
            lambda: asyncio.run(OrdersHook.afor_connection("nowhere")),
        ):
            with pytest.raises(ConfigurationError, match="There is no connection 'nowhere'") as caught:
                attempt()
            assert caught.value.field == "orders_conn_id"
        assert DipliHook("nowhere").test_connection()[0] is False
        assert orders_sandbox.requests == []

    @pytest.mark.parametrize("extra", ["not json", "[1]", '"text"', "17"])
    def test_an_unreadable_extra_is_named_and_not_repeated(self, connect: Connect, extra: str) -> None:
        stored = Connection(conn_id="changed", conn_type="dipli", password="x", extra=extra)
        with pytest.raises(ConfigurationError, match="extra must be a JSON object") as caught:
            OrdersHook._from_connection(stored)
        assert caught.value.field == "extra"
        assert extra not in str(caught.value)
        # Airflow 3.1 itself does not read such a connection from a variable.
        with pytest.raises(ConfigurationError, match=r"extra must be a JSON object|There is no connection"):
            OrdersHook.for_connection(connect("dipli", extra=extra))

    def test_null_and_empty_extras_count_as_absent(self, connect: Connect, orders_sandbox: Sandbox) -> None:
        extra = json.dumps({"page_size": None, "assumed_timezone": "", "requests_per_minute": None})
        settings = OrdersHook.for_connection(connect("dipli", extra=extra)).api.settings
        assert (settings.page_size, settings.assumed_timezone, settings.requests_per_minute) == (
            100,
            None,
            None,
        )
        assert orders_sandbox.requests == []

    def test_its_repr_holds_no_secret(self, orders_sandbox: Sandbox, vendor: str) -> None:
        hook = OrdersHook.for_connection(f"{vendor}_default")
        assert orders_sandbox.requests == []
        assert secrets_in(f"{hook!r} {hook.api!r} {hook.api.settings!r} {vars(hook)!r}") == []


class TestOneOrder:
    def test_by_id_is_the_vendors_model(self, orders_sandbox: Sandbox, vendor: str) -> None:
        order_id, payload = an_order(orders_sandbox, vendor)
        with OrdersHook.for_connection(f"{vendor}_default") as hook:
            order: Any = hook.get_order(order_id)
        assert type(order) is HOOKS[vendor][1]
        assert order.identity() == order_id
        assert getattr(order, AMOUNTS[vendor]) == Decimal(str(payload[AMOUNTS[vendor]]))
        assert order.to_order().source == vendor

    def test_an_id_may_be_a_number(self, orders_sandbox: Sandbox) -> None:
        order_id, _ = an_order(orders_sandbox, "dipli")
        with DipliHook() as hook:
            assert hook.get_order(int(order_id)).identity() == order_id

    @pytest.mark.parametrize("vendor", ["valomnia", "genuka"])
    def test_by_reference(self, orders_sandbox: Sandbox, vendor: str) -> None:
        order_id, payload = an_order(orders_sandbox, vendor)
        with OrdersHook.for_connection(f"{vendor}_default") as hook:
            assert hook.get_order(payload["reference"], by="reference").identity() == order_id

    def test_valomnias_lines_come_when_asked_for(self, orders_sandbox: Sandbox) -> None:
        order_id = next(str(o["id"]) for o in orders_sandbox.payloads("valomnia") if o["orderLines"])
        with ValomniaHook() as hook:
            assert hook.get_order(order_id).to_order().lines is None
            lines = hook.get_order(order_id, with_lines=True).to_order().lines
        assert lines
        assert all(line.unit_price is not None for line in lines)

    def test_an_unknown_one(self, orders_sandbox: Sandbox, vendor: str) -> None:
        unknown = "01zzzzzzzzzzzzzzzzzzzzzzzz" if vendor == "genuka" else "987654321"
        with OrdersHook.for_connection(f"{vendor}_default") as hook, pytest.raises(OrderNotFoundError):
            hook.get_order(unknown)
        assert orders_sandbox.requests[-1].status == 404

    def test_one_hook_signs_in_once(self, orders_sandbox: Sandbox) -> None:
        order_id, _ = an_order(orders_sandbox, "popsell")
        with PopsellHook() as hook:
            for _ in range(3):
                hook.get_order(order_id)
        assert [request.method for request in orders_sandbox.requests] == ["POST", "GET", "GET", "GET"]


class TestManyOrders:
    def test_all_of_them_once(self, orders_sandbox: Sandbox, vendor: str) -> None:
        with OrdersHook.for_connection(f"{vendor}_default") as hook:
            orders = list(hook.iter_orders())
        assert {type(order) for order in orders} == {HOOKS[vendor][1]}
        ids = [order.identity() for order in orders]
        assert len(ids) == 230
        assert set(ids) == truth(orders_sandbox, vendor).keys()

    @pytest.mark.parametrize("vendor", ["valomnia", "genuka"])
    @pytest.mark.parametrize("kind", ["updated", "created"])
    @pytest.mark.parametrize("form", ["text", "aware", "elsewhere"])
    def test_windows_are_half_open_and_exact(
        self, orders_sandbox: Sandbox, vendor: str, kind: str, form: str
    ) -> None:
        field = (UPDATED if kind == "updated" else CREATED)[vendor]
        orders = truth(orders_sandbox, vendor)
        moments = {order_id: datetime.fromisoformat(order[field]) for order_id, order in orders.items()}
        start, end = (sorted(moments.values())[place] for place in (40, 180))
        values: dict[str, Any] = {f"{kind}_from": start, f"{kind}_to": end}
        if form == "text":
            values = {name: moment.isoformat() for name, moment in values.items()}
        elif form == "elsewhere":
            values = {name: moment.astimezone(ZoneInfo("Asia/Tokyo")) for name, moment in values.items()}
        with OrdersHook.for_connection(f"{vendor}_default") as hook:
            found = {order.identity() for order in hook.iter_orders(**values)}
        assert found == {order_id for order_id, moment in moments.items() if start <= moment < end}
        assert found

    @pytest.mark.parametrize("vendor", ["valomnia", "genuka"])
    def test_windows_side_by_side_lose_and_repeat_nothing(self, orders_sandbox: Sandbox, vendor: str) -> None:
        field = UPDATED[vendor]
        edges = sorted(datetime.fromisoformat(order[field]) for order in orders_sandbox.payloads(vendor))
        cut = edges[100] + timedelta(microseconds=1)
        found: list[str] = []
        with OrdersHook.for_connection(f"{vendor}_default") as hook:
            windows: list[dict[str, Any]] = [{"updated_to": cut}, {"updated_from": cut}]
            for window in windows:
                found += [order.identity() for order in hook.iter_orders(**window)]
        assert sorted(found) == sorted(truth(orders_sandbox, vendor))

    @pytest.mark.parametrize("vendor", ["valomnia", "genuka"])
    def test_a_window_of_no_length_is_empty(self, orders_sandbox: Sandbox, vendor: str) -> None:
        moment = orders_sandbox.payloads(vendor)[9][UPDATED[vendor]]
        with OrdersHook.for_connection(f"{vendor}_default") as hook:
            assert list(hook.iter_orders(updated_from=moment, updated_to=moment)) == []

    def test_dipli_gives_at_least_what_was_updated_since(self, orders_sandbox: Sandbox) -> None:
        start = datetime(2025, 12, 20, 15, 30, tzinfo=UTC)
        created = {
            order_id: order["created_at"] for order_id, order in truth(orders_sandbox, "dipli").items()
        }
        with DipliHook() as hook:
            found = {order.identity() for order in hook.iter_orders(updated_from=start)}
        later = {order_id for order_id, text in created.items() if text[:10] > "2025-12-20"}
        assert later < found < created.keys()

    def test_statuses_by_canonical_word_and_the_vendors_own(self, orders_sandbox: Sandbox) -> None:
        words = {
            order_id: order["last_status"] for order_id, order in truth(orders_sandbox, "popsell").items()
        }
        with PopsellHook() as hook:
            completed = {order.identity() for order in hook.iter_orders(statuses="completed")}
            own = {order.identity() for order in hook.iter_orders(statuses=["FULFILLED", "cancelled"])}
        assert completed == {order_id for order_id, word in words.items() if word in {"OK", "FULFILLED"}}
        assert own == {order_id for order_id, word in words.items() if word in {"FULFILLED", "CANCELLED"}}

    def test_one_ambassadors_orders(self, orders_sandbox: Sandbox) -> None:
        with PopsellHook() as hook:
            ambassadors = [ambassador.id_ambassador for ambassador in hook.iter_ambassadors()]
            per_ambassador = {
                number: [order.identity() for order in hook.iter_orders(ambassador_id=number)]
                for number in ambassadors
            }
        assert len(ambassadors) == len(set(ambassadors)) > 1
        credited: dict[int, set[str]] = {}
        for order_id, order in truth(orders_sandbox, "popsell").items():
            if order["ambassador"]:
                credited.setdefault(order["ambassador"]["id_ambassador"], set()).add(order_id)
        assert {number: set(ids) for number, ids in per_ambassador.items() if ids} == credited

    def test_the_vendors_own_filters(self, orders_sandbox: Sandbox) -> None:
        with ValomniaHook() as hook:
            kinds = {order.operationType for order in hook.iter_orders(params={"operationType": "INVOICE"})}  # type: ignore[attr-defined]
        assert kinds == {"INVOICE"}
        assert {
            request.query["operationType"] for request in listing_requests(orders_sandbox, "valomnia")
        } == {"INVOICE"}

    def test_lines_come_when_asked_for(self, orders_sandbox: Sandbox) -> None:
        with GenukaHook() as hook:
            bare = next(iter(hook.iter_orders()))
            full = [order.to_order().lines for order in hook.iter_orders(with_lines=True)]
        assert bare.to_order().lines is None
        assert all(lines is not None for lines in full)
        assert orders_sandbox.requests[-1].query["include"] == "products"

    def test_a_query_may_be_given_whole(self, orders_sandbox: Sandbox) -> None:
        query = OrderQuery(statuses=("delivered",))
        with GenukaHook() as hook:
            orders = list(hook.iter_orders(query))
            with pytest.raises(ConfigurationError, match="not both") as caught:
                list(hook.iter_orders(query, statuses="delivered"))
        assert caught.value.field == "query"
        assert 0 < len(orders) < 230
        assert {request.query["filter[shipping->status]"] for request in orders_sandbox.requests} == {
            "delivered"
        }

    def test_the_first_orders_come_before_the_last_page(
        self, orders_sandbox: Sandbox, connect: Connect
    ) -> None:
        with OrdersHook.for_connection(connect("dipli", page_size=10, concurrency=1)) as hook:
            orders = hook.iter_orders()
            next(orders)
            assert len(orders_sandbox.requests) == 1

    def test_a_bad_row_is_named(self, orders_sandbox: Sandbox, vendor: str) -> None:
        orders_sandbox.inject("bad_row", vendor=vendor, variant="text_amount")
        with (
            OrdersHook.for_connection(f"{vendor}_default") as hook,
            pytest.raises(UnexpectedPayloadError, match=AMOUNTS[vendor]) as caught,
        ):
            list(hook.iter_orders())
        assert "forty-two" not in str(caught.value)


class TestTestConnection:
    @pytest.mark.parametrize(("vendor", "way"), WAYS_TO_SIGN_IN, ids=way_id)
    def test_says_what_is_visible_after_one_small_read(
        self, connect: Connect, orders_sandbox: Sandbox, vendor: str, way: dict[str, Any]
    ) -> None:
        works, sentence = OrdersHook.for_connection(connect(vendor, **way)).test_connection()
        assert works
        assert sentence.startswith("Signed in to ")
        assert sentence.endswith("230 orders visible.")
        assert secrets_in(sentence) == []
        (read,) = listing_requests(orders_sandbox, vendor)
        assert (read.method, read.authenticated) == ("GET", True)
        assert "1" in {read.query.get(name) for name in ("per_page", "pageSize", "max")}
        logins = [request for request in orders_sandbox.requests if request is not read]
        assert all(
            "auth" in request.path or "login" in request.path or "j_spring" in request.path
            for request in logins
        )

    @pytest.mark.parametrize(("vendor", "way"), WAYS_TO_SIGN_IN, ids=way_id)
    def test_says_that_the_credentials_are_rejected(
        self, connect: Connect, orders_sandbox: Sandbox, vendor: str, way: dict[str, Any]
    ) -> None:
        works, sentence = OrdersHook.for_connection(
            connect(vendor, **(way | {"password": "wr0ng-canary"}))
        ).test_connection()
        assert not works
        assert "rejected" in sentence
        assert "check the connection" in sentence
        assert "wr0ng-canary" not in sentence
        assert secrets_in(sentence) == []
        assert len(orders_sandbox.requests) == 1

    @pytest.mark.parametrize(("vendor", "way"), FORBIDDEN, ids=way_id)
    def test_says_that_the_permission_is_missing(
        self, connect: Connect, orders_sandbox: Sandbox, vendor: str, way: dict[str, Any]
    ) -> None:
        works, sentence = OrdersHook.for_connection(connect(vendor, **way)).test_connection()
        assert not works
        assert "may not read" in sentence
        assert "403" in sentence
        assert secrets_in(sentence) == []
        assert {request.status for request in listing_requests(orders_sandbox, vendor)} == {403}

    @pytest.mark.parametrize(("vendor", "way"), WAYS_TO_SIGN_IN, ids=way_id)
    def test_says_that_nobody_answers(
        self, connect: Connect, orders_sandbox: Sandbox, vendor: str, way: dict[str, Any]
    ) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            host = f"http://127.0.0.1:{free.getsockname()[1]}"
        works, sentence = OrdersHook.for_connection(connect(vendor, **way, host=host)).test_connection()
        assert not works
        assert sentence.startswith(f"{host} cannot be reached (connection refused); check host and port")
        assert secrets_in(sentence) == []
        assert orders_sandbox.requests == []

    def test_says_which_field_is_wrong(self, connect: Connect, orders_sandbox: Sandbox) -> None:
        works, sentence = GenukaHook(connect("genuka", company_id="short")).test_connection()
        assert not works
        # As the form calls it; Airflow's button tests a copy of the connection, whose id means nothing to its user.
        assert sentence.startswith("Company ID: company_id must be ")
        assert "changed" not in sentence
        assert orders_sandbox.requests == []

    def test_says_that_the_name_of_the_host_is_unknown(
        self, connect: Connect, orders_sandbox: Sandbox
    ) -> None:
        hook = GenukaHook(connect("genuka", host="https://nowhere.invalid"))
        works, sentence = hook.test_connection()
        assert not works
        assert sentence.startswith("The name nowhere.invalid is not known here; check host of the connection")
        assert orders_sandbox.requests == []

    def test_an_outage_is_reported_soon(self, orders_sandbox: Sandbox, vendor: str) -> None:
        orders_sandbox.inject("server_error", vendor=vendor, path=LISTINGS[vendor], times=None)
        works, sentence = OrdersHook.for_connection(f"{vendor}_default").test_connection()
        assert not works
        assert "503" in sentence
        assert len(listing_requests(orders_sandbox, vendor)) == 2

    def test_a_long_wait_is_not_waited(self, orders_sandbox: Sandbox, vendor: str) -> None:
        orders_sandbox.inject("rate_limit", vendor=vendor, path=LISTINGS[vendor], retry_after="30")
        works, sentence = OrdersHook.for_connection(f"{vendor}_default").test_connection()
        assert not works
        assert "slow down" in sentence


class TestInAnEventLoop:
    async def test_nothing_blocks_the_loop(
        self,
        orders_sandbox: Sandbox,
        vendor: str,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        order_id, _ = an_order(orders_sandbox, vendor)

        async def fetch() -> tuple[OrdersHook, bytes]:
            hook = await OrdersHook.afor_connection(f"{vendor}_default")
            async with hook.get_async_client() as client:
                return hook, await client.fetch_order(order_id)

        await fetch()  # what is imported at first use is imported now

        def blocks(*_: object, **__: object) -> None:
            raise AssertionError("blocks the event loop")

        parse = vars(Connection)["extra_dejson"].fget

        def blocks_us(connection: Connection) -> Any:
            """Airflow 3.2 itself reads them where it looks a connection up."""
            caller: str = sys._getframe(1).f_globals["__name__"]
            return blocks() if caller.startswith("airflow_provider_orders") else parse(connection)

        for name in (
            "time.sleep",
            "requests.Session.request",
            "airflow_provider_orders.hooks.orders.OrdersHook.get_connection",
        ):
            monkeypatch.setattr(name, blocks)
        monkeypatch.setattr(Connection, "extra_dejson", property(blocks_us))
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        loop.slow_callback_duration = 0.5
        with caplog.at_level(logging.WARNING, logger="asyncio"):
            hook, raw = await fetch()
        assert type(hook) is HOOKS[vendor][0]
        assert hook.api.order_model.parse(raw).identity() == order_id
        assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []

    async def test_a_look_up_goes_to_its_end_though_nobody_waits_for_it(
        self, orders_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun, answered, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def ask(conn_id: str) -> Connection:
            begun.set()
            await answered.wait()
            ended.set()
            return Connection(conn_id=conn_id, conn_type="dipli")

        monkeypatch.setattr(BaseHook, "aget_connection", ask)
        waiting = asyncio.create_task(OrdersHook.afor_connection("dipli_default"))
        await begun.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        answered.set()
        await asyncio.wait_for(ended.wait(), timeout=10)
        assert orders_sandbox.requests == []

    async def test_errors_are_the_same(self, connect: Connect) -> None:
        with pytest.raises(ConfigurationError, match="company_id is missing"):
            await OrdersHook.afor_connection(connect("genuka", company_id=None))
        hook = await OrdersHook.afor_connection(connect("dipli", password="wrong"))
        async with hook.get_async_client() as client:
            with pytest.raises(AuthenticationError):
                await client.fetch_order("1")
