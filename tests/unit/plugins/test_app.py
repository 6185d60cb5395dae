"""The Orders page as a browser gets it: who may see it, what it says, and that nothing in it runs or leaks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from airflow_provider_orders.plugins.orders import OrdersPlugin
from airflow_provider_orders.plugins.page import app as page
from airflow_provider_orders.plugins.page.exports import TaskKey
from airflow_provider_orders.triggers.orders import OrderStatusTrigger
from tests.unit.plugins.metadata import Metadata, manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

ROLES = ["VIEWER", "USER", "OP", "ADMIN"]


class Tags(HTMLParser):
    """Collects what a page consists of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.extend(data.split())

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture
def recent() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=90)


@pytest.fixture
def manager(airflow_db: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleAuthManager:
    from airflow.api_fastapi.app import init_auth_manager, purge_cached_app

    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "x" * 64)
    purge_cached_app()
    return init_auth_manager()  # type: ignore[return-value]


@pytest.fixture
def client(
    metadata: Metadata, manager: SimpleAuthManager, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    """Give a browser in front of the API server, as far as plugins are concerned."""
    monkeypatch.setattr("airflow.settings.NonScopedSession", metadata.session)
    server = FastAPI()
    (mounted,) = OrdersPlugin.fastapi_apps
    server.mount(mounted["url_prefix"], mounted["app"])
    with TestClient(server, base_url="http://airflow") as client:
        yield client


def log_in(client: TestClient, manager: SimpleAuthManager, role: str | None = "VIEWER") -> None:
    token = manager.generate_jwt(SimpleAuthManagerUser(username="ada", role=role))
    client.headers["Authorization"] = f"Bearer {token}"


def look(client: TestClient) -> Tags:
    answer = client.get("/orders/")
    assert answer.status_code == 200, answer.text
    return Tags(answer.text)


def test_nobody_sees_anything_without_logging_in(client: TestClient, metadata: Metadata) -> None:
    metadata.export()

    answer = client.get("/orders/")

    assert answer.status_code == 401
    assert "Log in to see the orders" in answer.text
    assert "shop" not in answer.text
    assert {"href": "../api/v2/auth/login", "class": "button", "data-leaves": None} in Tags(answer.text).all(
        "a"
    )


@pytest.mark.parametrize("token", ["", "nonsense", "e30.e30.e30"])
def test_a_forged_login_is_refused(client: TestClient, metadata: Metadata, token: str) -> None:
    metadata.export()
    client.cookies.set("_token", token)

    answer = client.get("/orders/")

    assert answer.status_code in {401, 403}
    assert "shop" not in answer.text


def test_an_ended_session_is_told(client: TestClient, manager: SimpleAuthManager) -> None:
    user = SimpleAuthManagerUser(username="ada", role="ADMIN")
    client.cookies.set("_token", manager.generate_jwt(user, expiration_time_in_seconds=-60))

    answer = client.get("/orders/")

    assert answer.status_code == 401
    assert "your session has ended" in answer.text


@pytest.mark.parametrize("role", ROLES)
def test_each_role_sees_exports_and_waits(
    client: TestClient, manager: SimpleAuthManager, metadata: Metadata, recent: datetime, role: str
) -> None:
    metadata.export(ended=recent, returned=manifest(ended=recent, rows=1234, rejected=3, drift=[{}, {}]))
    metadata.wait(OrderStatusTrigger(orders_conn_id="shop", order_id=["1", "2"]), since=recent)
    log_in(client, manager, role)

    text = look(client).text

    assert "Data up to 1 h ago" in text
    assert "1 234 3 2 fields 30 s" in text  # the parser splits at the thin space, too
    assert "2 fields" in text
    assert "Orders to reach a status" in text


def test_a_user_without_a_role_sees_nothing(
    client: TestClient, manager: SimpleAuthManager, metadata: Metadata, recent: datetime
) -> None:
    metadata.export(ended=recent)
    metadata.event(manifest(ended=recent), at=recent)
    metadata.wait(OrderStatusTrigger(orders_conn_id="shop", order_id=["1"]), since=recent)
    log_in(client, manager, role=None)

    text = look(client).text

    assert "No exports yet" in text
    assert "shop" not in text


def test_the_cookie_of_airflows_ui_is_enough(client: TestClient, manager: SimpleAuthManager) -> None:
    token = manager.generate_jwt(SimpleAuthManagerUser(username="ada", role="VIEWER"))
    client.cookies.set("_token", token)

    assert client.get("/orders/").status_code == 200


def test_an_empty_page_says_when_it_will_fill(client: TestClient, manager: SimpleAuthManager) -> None:
    log_in(client, manager)

    text = look(client).text

    assert "No exports yet" in text
    assert "OrdersToObjectStorageOperator" in text
    assert "you may read" in text


def test_a_connection_whose_exports_fail_says_so(
    client: TestClient, manager: SimpleAuthManager, metadata: Metadata, recent: datetime
) -> None:
    metadata.export(ended=recent, state="failed", rendered={"orders_conn_id": "shop"})
    log_in(client, manager)

    text = look(client).text

    assert "No export has succeeded in the last 30 days." in text
    assert "1 more failed" in text


def test_what_airflow_no_longer_tells_the_connection_of_is_told(
    client: TestClient, manager: SimpleAuthManager, metadata: Metadata, recent: datetime
) -> None:
    metadata.export(ended=recent)
    failed = metadata.export(metadata.task("waiting"), ended=recent, state="failed")
    waiting = metadata.task("waiting")
    metadata.task_instance(waiting, operator="OrderStatusSensor", state="running", start=recent)
    log_in(client, manager)

    found = look(client)

    assert found.text.count("Not known") == 3  # the wait, what that means, and the failed export
    assert "1 more failed" in found.text
    assert "on 1 connection" in found.text
    assert "do not tell which connection it was" in found.text
    links = [link["href"] for link in found.all("a")]
    for task in (failed, waiting):
        assert f"../dags/waiting/runs/{task.run_id}/tasks/export" in links


def test_what_comes_from_outside_is_escaped(
    client: TestClient, manager: SimpleAuthManager, metadata: Metadata, recent: datetime
) -> None:
    evil = "<script>alert(1)</script>\"'"
    task = metadata.task(f"nightly{evil}")
    metadata.export(
        task,
        ended=recent,
        returned=manifest(ended=recent, conn_id=evil, source=evil, mode=evil, statuses={evil: {evil: 1}}),
    )
    metadata.wait(OrderStatusTrigger(orders_conn_id=evil, order_id=["1"]), since=recent)
    log_in(client, manager)

    found = look(client)

    assert [list(script) for script in found.all("script")] == [["src"]]
    assert not any(name.startswith("on") or name == "style" for _, tag in found.tags for name in tag)
    assert "alert(1)" in found.text


def test_nothing_of_a_manifest_or_a_trigger_shows_but_what_is_listed(
    client: TestClient, manager: SimpleAuthManager, metadata: Metadata, recent: datetime
) -> None:
    canary = "canary-7f3a"
    metadata.export(
        ended=recent,
        returned=manifest(ended=recent, uri=canary, account=canary, customer=canary, totals={canary: "1"}),
    )
    metadata.wait(OrderStatusTrigger(orders_conn_id="shop", order_id=[canary]), since=recent)
    failed = metadata.export(
        ended=recent, state="failed", rendered={"orders_conn_id": "shop", "path": canary}
    )
    log_in(client, manager)

    answer = client.get("/orders/")

    assert failed.dag_id in answer.text
    assert canary not in answer.text


def test_links_are_relative_so_that_a_path_prefix_works(
    client: TestClient, manager: SimpleAuthManager, metadata: Metadata, recent: datetime
) -> None:
    task = metadata.export(ended=recent)
    log_in(client, manager)

    found = look(client)

    targets = [
        tag.get("href") or tag.get("src") for name, tag in found.tags if name in {"a", "link", "script"}
    ]
    assert f"../dags/nightly/runs/{task.run_id}/tasks/export" in targets
    assert all(target and not target.startswith(("/", "http")) for target in targets)


def test_a_mapped_task_links_to_its_instances(
    client: TestClient, manager: SimpleAuthManager, metadata: Metadata, recent: datetime
) -> None:
    one = TaskKey("nightly", "manual__2026-11-22T00:00:00+00:00", "export", 3)
    metadata.export(one, ended=recent)
    for index in range(2):
        metadata.export(TaskKey("nightly", "whole", "export", index), ended=recent)
    log_in(client, manager)

    links = [link["href"] for link in look(client).all("a")]

    assert "../dags/nightly/runs/manual__2026-11-22T00%3A00%3A00%2B00%3A00/tasks/export/mapped/3" in links
    assert "../dags/nightly/runs/whole/tasks/export/mapped" in links


def test_the_browser_is_told_to_run_nothing_from_elsewhere(
    client: TestClient, manager: SimpleAuthManager
) -> None:
    log_in(client, manager)

    headers = client.get("/orders/").headers

    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'self'"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("orders.css", "text/css"),
        ("orders.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
        ("icon-dark.svg", "image/svg+xml"),
    ],
)
def test_the_page_brings_its_own_files(client: TestClient, name: str, kind: str) -> None:
    answer = client.get(f"/orders/static/{name}")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].partition(";")[0] == kind
    assert "http" not in answer.text.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize(
    "path", ["nothing", "static/nothing.css", "static/../app.py", "docs", "openapi.json"]
)
def test_there_is_nothing_else(client: TestClient, path: str) -> None:
    answer = client.get(f"/orders/{path}")

    assert answer.status_code == 404
    assert "There is no such page" in answer.text


def test_a_database_that_fails_is_told_in_a_sentence_and_in_the_log(
    client: TestClient,
    manager: SimpleAuthManager,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("SELECT secret", {}, Exception("no such table"))

    monkeypatch.setattr(page, "read_records", fail)
    log_in(client, manager)

    answer = client.get("/orders/")

    assert answer.status_code == 503
    assert "The orders cannot be read at the moment" in answer.text
    assert "secret" not in answer.text
    assert "could not read Airflow's metadata database" in caplog.text


def test_each_chart_has_a_text_and_a_table(
    client: TestClient, manager: SimpleAuthManager, metadata: Metadata, recent: datetime
) -> None:
    for conn_id in ("a", "b"):
        for ended in (recent - timedelta(hours=3), recent):
            metadata.export(ended=ended, returned=manifest(ended=ended, conn_id=conn_id))
    log_in(client, manager)

    found = look(client)

    ids = [tag["id"] for _, tag in found.tags if "id" in tag]
    assert len(ids) == len(set(ids))
    charts = [svg for svg in found.all("svg") if svg.get("role") == "img"]
    assert len(charts) == len(found.all("details")) == 2
    for svg in charts:
        assert set((svg["aria-labelledby"] or "").split()) <= set(ids)
    assert "Age of the data over time, with 2 exports since" in found.text


def test_after_one_export_there_is_a_sentence_in_place_of_the_chart(
    client: TestClient, manager: SimpleAuthManager, metadata: Metadata, recent: datetime
) -> None:
    metadata.export(ended=recent)
    log_in(client, manager)

    assert "One export so far." in look(client).text
