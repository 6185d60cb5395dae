"""Bad input: one clear error that names the field; nothing is sent, written or lost."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.hooks.orders import OrdersHook
from airflow_provider_orders.operators.orders import GetOrderOperator, ListOrdersOperator
from airflow_provider_orders.sandbox import credentials
from airflow_provider_orders.sensors.orders import OrderStatusSensor
from airflow_provider_orders.transfers.orders_to_object_storage import OrdersToObjectStorageOperator
from tests.unit.export.exports import context, names
from tests.unit.hooks.connect import VENDORS, connector, secrets_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_orders.sandbox import Sandbox
    from tests.unit.hooks.connect import Connect

NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001 - that is the point
JANUARY, FEBRUARY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)

NO_ID: tuple[Any, ...] = ("", " ", None, True, [])

# A password that could stand in a message by mistake.
CANARY = "c4nary-s3cret"

MISSING: list[tuple[str, dict[str, Any], str]] = [
    *((vendor, {"password": None}, "password") for vendor in VENDORS),
    *((vendor, {"password": ""}, "password") for vendor in VENDORS),
    ("popsell", {"host": None}, "host"),
    ("valomnia", {"host": None}, "host"),
    ("valomnia", {"host": "  "}, "host"),
    ("valomnia", {"login": None}, "login"),
    ("popsell", {"domain": None}, "domain"),
    ("popsell", {"domain": None, "auth": "login", "login": "x@example.com"}, "domain"),
    ("popsell", {"auth": "login"}, "login"),
    ("genuka", {"auth": "login"}, "login"),
    ("genuka", {"company_id": None}, "company_id"),
    ("genuka", {"company_id": ""}, "company_id"),
]
NO_URL = [
    "not a url",
    "https://",
    "https:///orders",
    "//shop.example.com",
    "ftp://shop.example.com",
    "file:///etc/passwd",
    "https://shop.example.com:port",
    "https://shop.example.com:99999",
    "https://[::1",
    "https://shop..example.com",
    "https://.example.com",
    "https://%zz.example.com",
    "https://" + "a" * 64 + ".example.com",
    "https://shop.example.com/?key=1",
    "https://shop.example.com/#orders",
    f"https://user:{CANARY}@shop.example.com",
    "https://shop.\texample.com",
    "javascript:alert(1)",
]
WRONG: list[tuple[str, dict[str, Any], str]] = [
    *(
        (vendor, {"page_size": value}, "page_size")
        for vendor in VENDORS
        for value in (0, -1, "many", 1.5, 100_000)
    ),
    ("popsell", {"page_size": 101}, "page_size"),
    ("dipli", {"page_size": "101"}, "page_size"),
    ("valomnia", {"page_size": 1001}, "page_size"),
    ("genuka", {"page_size": 101}, "page_size"),
    ("popsell", {"auth": "oauth"}, "auth"),
    ("genuka", {"auth": "basic"}, "auth"),
    ("genuka", {"auth": ["api_key"]}, "auth"),
    ("dipli", {"auth": "token"}, "auth"),
    ("popsell", {"brand_id": "seven"}, "brand_id"),
    ("popsell", {"domain": "shop.example.com\r\nX-Evil: 1"}, "domain"),
    ("genuka", {"company_id": "01HXXX"}, "company_id"),
    ("genuka", {"company_id": "../" + "a" * 23}, "company_id"),
    ("genuka", {"company_id": 17}, "company_id"),
    ("genuka", {"api_version": "latest"}, "api_version"),
    ("valomnia", {"api_version": "../v2"}, "api_version"),
    ("dipli", {"concurrency": 0}, "concurrency"),
    ("dipli", {"concurrency": 1000}, "concurrency"),
    ("dipli", {"timeout_s": 0}, "timeout_s"),
    ("dipli", {"timeout_s": "soon"}, "timeout_s"),
    ("dipli", {"timeout_s": float("nan")}, "timeout_s"),
    ("dipli", {"requests_per_minute": 0}, "requests_per_minute"),
    ("dipli", {"assumed_timezone": "Mars/Olympus"}, "assumed_timezone"),
    ("dipli", {"allow_http": "perhaps"}, "allow_http"),
    ("dipli", {"allow_http": ["yes"]}, "allow_http"),
    ("dipli", {"verify": False}, "verify"),
    ("dipli", {"headers": {"X-Evil": CANARY}}, "headers"),
    ("dipli", {"extra": json.dumps({"password": CANARY})}, "password"),
    ("dipli", {"extra": json.dumps({"base_url": "https://elsewhere.example.com"})}, "base_url"),
    ("dipli", {"extra": json.dumps({"conn_id": "other"})}, "conn_id"),
    ("genuka", {"company_ID": "01sandb0xc0mpany0000000001"}, "company_ID"),
    *((vendor, {"schema": "ftp"}, "schema") for vendor in VENDORS),
    *(
        (vendor, {**way, "password": secret}, "password")
        for vendor, way in (
            ("dipli", {}),
            ("genuka", {}),
            ("genuka", {"auth": "token"}),
            ("popsell", {"auth": "token"}),
        )
        for secret in (f"{CANARY}\n", f" {CANARY}", f"{CANARY}\r\nX-Evil: 1", f"{CANARY}…", f"{CANARY}\x00")
    ),
]


@pytest.fixture
def connect(orders_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Connect:
    return connector(orders_sandbox, monkeypatch)


@pytest.fixture(autouse=True)
def _nothing_happens(
    orders_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Check after each test that nothing was sent and nothing written."""
    home, here = tmp_path / "home", tmp_path / "here"
    for folder in (home, here):
        folder.mkdir()
    monkeypatch.setenv("AIRFLOW_HOME", str(home))
    monkeypatch.chdir(here)
    yield
    assert orders_sandbox.requests == []
    assert names(home) == names(here) == []


def get(**arguments: Any) -> object:
    return GetOrderOperator(task_id="task", **{"order_id": "7", **arguments}).execute(context())


def listed(**arguments: Any) -> object:
    return ListOrdersOperator(task_id="task", **arguments).execute(context())


def export(**arguments: Any) -> object:
    return OrdersToObjectStorageOperator(task_id="task", **arguments).execute(context())


def wait(**arguments: Any) -> object:
    options = {"order_id": "7", "timeout": 0, **arguments}
    return OrderStatusSensor(task_id="task", **options).execute(context())


def deferred(**arguments: Any) -> object:
    return wait(**arguments, deferrable=True)


EVERYTHING = (get, listed, export, wait, deferred)


def refused(run: Callable[[], object], field: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        run()
    error = caught.value
    assert error.field == field
    assert error.status is None  # nothing was answered
    text = f"{error} {error!r} {error.__cause__!r}"
    assert CANARY not in text
    assert secrets_in(text) == []
    assert len(str(error)) < 1000
    return str(error)


class TestTheConnection:
    @pytest.mark.parametrize(("vendor", "changes", "field"), MISSING, ids=repr)
    def test_a_missing_field(
        self, connect: Connect, vendor: str, changes: dict[str, Any], field: str
    ) -> None:
        conn_id = connect(vendor, **changes)
        words = refused(lambda: OrdersHook.for_connection(conn_id), field)
        assert words.startswith("Connection 'changed' (")
        assert f"{field} is missing" in words

    @pytest.mark.parametrize("vendor", VENDORS)
    @pytest.mark.parametrize("host", NO_URL)
    def test_a_host_that_is_no_url(self, connect: Connect, vendor: str, host: str) -> None:
        conn_id = connect(vendor, host=host)
        refused(lambda: OrdersHook.for_connection(conn_id), "host")

    @pytest.mark.parametrize("vendor", VENDORS)
    @pytest.mark.parametrize(
        "host",
        [
            "http://shop.example.com",
            "http://10.0.0.7:8080",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "HTTP://shop.example.com",
            "http://[2001:db8::1]",
        ],
    )
    def test_plain_http_to_a_remote_host(self, connect: Connect, vendor: str, host: str) -> None:
        conn_id = connect(vendor, host=host)
        assert "plain http" in refused(lambda: OrdersHook.for_connection(conn_id), "host")
        by_schema = connect(vendor, "by_schema", host="shop.example.com", schema="http")
        refused(lambda: OrdersHook.for_connection(by_schema), "host")

    @pytest.mark.parametrize(("vendor", "changes", "field"), WRONG, ids=repr)
    def test_a_wrong_field(self, connect: Connect, vendor: str, changes: dict[str, Any], field: str) -> None:
        conn_id = connect(vendor, **changes)
        refused(lambda: OrdersHook.for_connection(conn_id), field)

    @pytest.mark.parametrize("run", EVERYTHING)
    @pytest.mark.parametrize(
        ("vendor", "changes", "field"),
        [
            ("valomnia", {"host": None}, "host"),
            ("genuka", {"company_id": None}, "company_id"),
            ("dipli", {"password": None}, "password"),
            ("dipli", {"page_size": 101}, "page_size"),
            ("dipli", {"conn_type": "http"}, "conn_type"),
            ("popsell", {"auth": "oauth"}, "auth"),
        ],
    )
    def test_stops_every_task(
        self, connect: Connect, run: Callable[..., object], vendor: str, changes: dict[str, Any], field: str
    ) -> None:
        conn_id = connect(vendor, **changes)
        refused(lambda: run(orders_conn_id=conn_id), field)

    @pytest.mark.parametrize("run", EVERYTHING)
    def test_one_that_is_not_there_stops_every_task(self, run: Callable[..., object]) -> None:
        refused(lambda: run(orders_conn_id="nowhere"), "orders_conn_id")

    def test_the_test_button_says_the_same(self, connect: Connect) -> None:
        from airflow_provider_orders.hooks.genuka import GenukaHook

        works, sentence = GenukaHook(connect("genuka", company_id=None)).test_connection()
        assert not works
        assert "company_id is missing" in sentence


class TestTheOrder:
    @pytest.mark.parametrize(
        ("vendor", "order_id"),
        [
            ("popsell", "A-7"),
            ("popsell", "7.0"),
            ("popsell", "-7"),
            ("popsell", "7/../8"),
            ("popsell", "\u0667"),  # a seven, in Arabic
            ("dipli", "A-111111"),
            ("dipli", "1e3"),
            ("valomnia", "ORD-1"),
            ("genuka", "1382"),
            ("genuka", "#ORDER_1382"),
            ("genuka", "01j8zzzzzzzzzzzzzzzzzzzz/x"),
            *((vendor, value) for vendor in VENDORS for value in NO_ID),
        ],
    )
    @pytest.mark.parametrize("run", [get, wait, deferred])
    def test_an_id_of_the_wrong_form(self, run: Callable[..., object], vendor: str, order_id: Any) -> None:
        refused(lambda: run(orders_conn_id=f"{vendor}_default", order_id=order_id), "order_id")

    @pytest.mark.parametrize("reference", ["", " ", ".", "..", None, "#"])
    @pytest.mark.parametrize("vendor", ["valomnia", "genuka"])
    @pytest.mark.parametrize("run", [get, wait])
    def test_an_empty_reference(self, run: Callable[..., object], vendor: str, reference: Any) -> None:
        if (vendor, reference) == ("valomnia", "#"):
            pytest.skip("a reference of Valomnia may begin with anything")
        refused(
            lambda: run(orders_conn_id=f"{vendor}_default", order_id=reference, by="reference"), "order_id"
        )

    @pytest.mark.parametrize(
        ("vendor", "by"),
        [
            ("popsell", "reference"),
            ("dipli", "reference"),
            *((vendor, "name") for vendor in VENDORS),
            ("genuka", ""),
        ],
    )
    @pytest.mark.parametrize("run", [get, wait])
    def test_a_look_up_that_the_vendor_lacks(self, run: Callable[..., object], vendor: str, by: str) -> None:
        words = refused(lambda: run(orders_conn_id=f"{vendor}_default", by=by), "by")
        assert "id" in words


LACKING: list[tuple[str, dict[str, Any], str]] = [
    ("popsell", {"updated_from": JANUARY}, "updated_from"),
    ("popsell", {"updated_to": JANUARY}, "updated_to"),
    ("popsell", {"created_from": JANUARY}, "ambassador_id"),
    ("popsell", {"ambassador_id": 1, "statuses": "OK"}, "statuses"),
    ("popsell", {"ambassador_id": 1, "vendor_params": {"filter[type]": "x"}}, "params"),
    ("popsell", {"vendor_params": {"filter[nothing]": "x"}}, "params"),
    ("dipli", {"updated_to": JANUARY}, "updated_to"),
    ("dipli", {"created_to": JANUARY}, "created_to"),
    ("dipli", {"ambassador_id": 1}, "ambassador_id"),
    ("dipli", {"vendor_params": {"page": "2"}}, "params"),
    ("valomnia", {"statuses": "delivered"}, "statuses"),
    ("valomnia", {"ambassador_id": 1}, "ambassador_id"),
    ("genuka", {"ambassador_id": 1}, "ambassador_id"),
    ("genuka", {"vendor_params": {"filter[updated_at][start]": "x"}}, "params"),
    ("genuka", {"vendor_params": {"per_page": "1"}}, "params"),
]
UNREADABLE = [
    ({"updated_from": NAIVE}, "updated_from"),
    ({"updated_to": "2026-01-01"}, "updated_to"),
    ({"updated_from": "2026-01-01T00:00:00"}, "updated_from"),
    ({"created_from": "yesterday"}, "created_from"),
    ({"created_to": "None"}, "created_to"),
    ({"created_to": 17}, "created_to"),
    ({"updated_from": "12:30"}, "updated_from"),
    ({"updated_from": "P1D"}, "updated_from"),
    ({"updated_from": [JANUARY]}, "updated_from"),
    ({"updated_from": FEBRUARY, "updated_to": JANUARY}, "updated_to"),
    ({"created_from": "2026-02-01T00:00:00Z", "created_to": "2026-02-01T00:00:00+02:00"}, "created_to"),
    ({"statuses": "delivred"}, "statuses"),
    ({"statuses": ["delivered", None]}, "statuses"),
    ({"statuses": [""]}, "statuses"),
    ({"statuses": 7}, "statuses"),
    ({"statuses": "returned"}, "statuses"),
    ({"ambassador_id": "all"}, "ambassador_id"),
    ({"ambassador_id": 0}, "ambassador_id"),
    ({"vendor_params": "filter[state]=3"}, "params"),
    ({"vendor_params": ["x"]}, "params"),
    ({"with_lines": "yes"}, "with_lines"),
]


WINDOW = {"updated_from", "updated_to", "created_from", "created_to"}
"""What an export does by itself where the vendor cannot."""


class TestTheSelection:
    @pytest.mark.parametrize(
        ("run", "vendor", "filters", "field"),
        [
            (run, *case)
            for run in (listed, export)
            for case in LACKING
            if run is listed or not case[1].keys() & WINDOW
        ],
        ids=lambda value: getattr(value, "__name__", repr(value)),
    )
    def test_a_filter_that_the_vendor_lacks(
        self, run: Callable[..., object], vendor: str, filters: dict[str, Any], field: str
    ) -> None:
        refused(lambda: run(orders_conn_id=f"{vendor}_default", **filters), field)

    @pytest.mark.parametrize("run", [listed, export])
    @pytest.mark.parametrize(("filters", "field"), UNREADABLE, ids=repr)
    def test_a_filter_that_cannot_be_read(
        self, run: Callable[..., object], filters: dict[str, Any], field: str
    ) -> None:
        refused(lambda: run(orders_conn_id="genuka_default", **filters), field)

    @pytest.mark.parametrize(("filters", "field"), UNREADABLE, ids=repr)
    def test_the_hook_says_the_same(self, filters: dict[str, Any], field: str) -> None:
        hook = OrdersHook.for_connection("genuka_default")
        renamed = {name.replace("vendor_params", "params"): value for name, value in filters.items()}
        refused(lambda: list(hook.iter_orders(**renamed)), field)
        hook.close()

    def test_a_filter_that_there_is_nowhere(self) -> None:
        with OrdersHook.for_connection("genuka_default") as hook:
            assert "updated_from" in refused(lambda: list(hook.iter_orders(since=JANUARY)), "since")


class TestTheWait:
    @pytest.mark.parametrize("run", [wait, deferred])
    @pytest.mark.parametrize("vendor", VENDORS)
    @pytest.mark.parametrize(
        ("arguments", "field"),
        [
            ({"wanted": "delivred"}, "wanted"),
            ({"wanted": ["completed", "gone"]}, "wanted"),
            ({"wanted": []}, "wanted"),
            ({"wanted": 7}, "wanted"),
            ({"failed": "lost"}, "failed"),
            ({"axis": "weather"}, "axis"),
            ({"axis": "Fulfillment"}, "axis"),
            ({"require": "most"}, "require"),
        ],
        ids=repr,
    )
    def test_an_unknown_word(
        self, run: Callable[..., object], vendor: str, arguments: dict[str, Any], field: str
    ) -> None:
        order_id = "01zzzzzzzzzzzzzzzzzzzzzzzz" if vendor == "genuka" else "7"
        refused(lambda: run(orders_conn_id=f"{vendor}_default", order_id=order_id, **arguments), field)

    def test_a_status_on_an_axis_that_never_has_it(self) -> None:
        words = refused(lambda: wait(orders_conn_id="dipli_default", wanted="returned"), "wanted")
        assert "shipped" in words


class TestTheTask:
    @pytest.mark.parametrize(
        ("run", "arguments", "field"),
        [
            (get, {"output": "table"}, "output"),
            (get, {"output": None}, "output"),
            (listed, {"output": "raw"}, "output"),
            (listed, {"limit": 0}, "limit"),
            (listed, {"limit": 1001}, "limit"),
            (export, {"output": "table"}, "output"),
            (export, {"output": ["raw"]}, "output"),
            (export, {"on_reject": "drop"}, "on_reject"),
            (export, {"file_format": "csv"}, "file_format"),
            (export, {"compression": "zip"}, "compression"),
            (export, {"compression": ["gzip"]}, "compression"),
            (export, {"limit": 0}, "limit"),
            (export, {"limit": "all"}, "limit"),
            (export, {"limit": []}, "limit"),
            (export, {"path": 7}, "path"),
            (export, {"path": ["x"]}, "path"),
            (export, {"path": "nowhere://box/orders"}, "path"),
            (export, {"path": "s3://bucket/orders"}, "path"),
            (export, {"path": "http://127.0.0.1/orders"}, "path"),
        ],
    )
    def test_a_wrong_argument(
        self, run: Callable[..., object], arguments: dict[str, Any], field: str
    ) -> None:
        refused(lambda: run(orders_conn_id="dipli_default", **arguments), field)

    def test_a_path_that_cannot_be_written(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_text("mine")
        for path in (file, file / "below", Path("/proc/orders"), Path("/dev/null/orders")):
            words = refused(lambda path=path: export(orders_conn_id="dipli_default", path=str(path)), "path")  # type: ignore[misc]
            assert f"path file://{path} cannot be written to" in words
        assert file.read_text() == "mine"

    def test_a_wrong_argument_leaves_the_files_as_they_are(self, tmp_path: Path) -> None:
        folder = tmp_path / "orders"
        folder.mkdir()
        (folder / "dipli.jsonl").write_text("of yesterday")
        refused(
            lambda: export(orders_conn_id="dipli_default", path=str(folder), vendor_params={"created": "x"}),
            "params",
        )
        assert names(folder) == ["dipli.jsonl"]


def test_credentials_that_are_good_pass(orders_sandbox: Sandbox, connect: Connect) -> None:
    assert orders_sandbox.requests == []
    ways: list[tuple[str, dict[str, Any]]] = [
        ("popsell", {"auth": "login", "login": credentials.POPSELL_EMAIL, "password": "pass wörd…"}),
        ("valomnia", {"password": " pass wörd… "}),
        ("genuka", {"company_id": credentials.GENUKA_COMPANY_ID.upper()}),
        ("valomnia", {"host": "https://exämple.example.com"}),
        ("valomnia", {"host": "organisation.valomnia.com:8443/prefix/"}),
        ("valomnia", {"host": "http://[::1]:8765"}),
        ("dipli", {"host": "http://intranet.example.com", "allow_http": True}),
    ]
    for vendor, changes in ways:
        assert OrdersHook.for_connection(connect(vendor, **changes)).api.vendor == vendor
