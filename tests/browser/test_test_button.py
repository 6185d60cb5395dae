"""The Test button of Admin > Connections: the hook's sentence, for what can be right or wrong with a connection."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from airflow_provider_orders.connections import FORMS
from tests.browser.conn_types import CONN_TYPES, add_connection, with_permission, without_permission
from tests.browser.forms import ConnectionsPage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from airflow_provider_orders.sandbox import Sandbox
    from tests.browser.conftest import Screenshot
    from tests.browser.running_airflow import RunningAirflow

WRONG_SECRET = "not-the-right-one-0123456789"


@pytest.fixture
def closed_port() -> Iterator[str]:
    """Give the address of a port that nobody listens at, and keep others from doing so."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def signed_in(conn_type: str, sandbox: Sandbox) -> str:
    return f"{len(sandbox.payloads(conn_type))} orders visible."


@pytest.mark.parametrize("conn_type", CONN_TYPES)
def test_says_what_a_connection_is_good_for(
    page: Page,
    airflow: RunningAirflow,
    screenshot: Screenshot,
    console_errors: list[str],
    closed_port: str,
    conn_type: str,
) -> None:
    right = with_permission(airflow.sandbox, conn_type)
    name = FORMS[conn_type].name
    cases: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
        "right_key": (right, (f"Signed in to {name}", signed_in(conn_type, airflow.sandbox))),
        "wrong_key": (
            {**right, "password": WRONG_SECRET},
            (f"{name} rejected the", "check the connection"),
        ),
        "no_permission": (
            without_permission(airflow.sandbox, conn_type),
            (f"Signed in to {name}, but", "ask for the permission to read orders"),
        ),
        "nobody_answers": (
            {**right, "host": closed_port},
            (f"{closed_port} cannot be reached (connection refused)", "check host and port"),
        ),
        "unknown_name": (
            {**right, "host": "https://nowhere.invalid"},
            ("The name nowhere.invalid is not known here", "check host"),
        ),
    }
    secrets = {right["password"], WRONG_SECRET, cases["no_permission"][0]["password"]}
    for case, (fields, _) in cases.items():
        add_connection(airflow, f"{conn_type}_{case}", fields)
    connections = ConnectionsPage(page)
    for case, (_, parts) in cases.items():
        conn_id = f"{conn_type}_{case}"
        works, sentence = connections.test(conn_id)
        screenshot(case)
        airflow.ask("DELETE", f"/api/v2/connections/{conn_id}")
        assert works == (case == "right_key"), sentence
        assert all(part in sentence for part in parts), sentence
        assert not any(secret in sentence for secret in secrets)
    assert console_errors == []


def wrong_values() -> Iterator[Any]:
    for conn_type, form in FORMS.items():
        labels = form.labels()
        yield pytest.param(
            conn_type,
            {"extra": {"page_size": 9999}},
            f"{labels['page_size']}: page_size is above {form.name}'s maximum of {form.max_page_size}",
            id=f"{conn_type}-page_size",
        )
        yield pytest.param(
            conn_type,
            {"host": "http://orders.example.com"},
            f"{labels['host']}: host is plain http, which would send the credentials in clear; use https",
            id=f"{conn_type}-http",
        )
        if "auth" in labels:
            yield pytest.param(
                conn_type,
                {"extra": {"auth": "magic"}},
                f"{labels['auth']}: auth should be ",
                id=f"{conn_type}-auth",
            )


@pytest.mark.parametrize(("conn_type", "changes", "said"), list(wrong_values()))
def test_names_the_field_that_is_wrong_and_the_fix(
    page: Page,
    airflow: RunningAirflow,
    screenshot: Screenshot,
    conn_type: str,
    changes: dict[str, Any],
    said: str,
) -> None:
    right = with_permission(airflow.sandbox, conn_type)
    conn_id = f"wrong_{conn_type}"
    connections = ConnectionsPage(page)
    form = connections.add()
    form.field("Connection ID").fill(conn_id)
    form.choose_type(FORMS[conn_type].name)
    fields = right | changes
    for name, label in FORMS[conn_type].relabeling().items():
        form.field(label).fill(fields.get(name, ""))
    # The fields keep to their ranges and choices; the JSON below them takes anything.
    form.unfold("Extra Fields JSON")
    form.type_json(json.dumps(right["extra"] | changes.get("extra", {})))
    screenshot("form")
    form.save()

    works, sentence = connections.test(conn_id)
    screenshot("tested")
    airflow.ask("DELETE", f"/api/v2/connections/{conn_id}")

    assert not works
    assert sentence.startswith(said)


def test_an_extra_that_is_no_object_is_refused_by_the_form(
    page: Page, airflow: RunningAirflow, screenshot: Screenshot
) -> None:
    conn_type = CONN_TYPES[0]
    form = ConnectionsPage(page).add()
    form.field("Connection ID").fill("no_object")
    form.choose_type(FORMS[conn_type].name)
    form.unfold("Extra Fields JSON")
    form.type_json("[17]")
    # Airflow 3.1 refuses before the button can be pressed, later ones after.
    form.dialog.get_by_role("button", name="Save", exact=True).click(force=True)

    expect(form.dialog.get_by_text("must be a valid JSON object")).to_be_visible()
    screenshot("refused")
    known = airflow.ask("GET", "/api/v2/connections?connection_id_pattern=no_object")
    assert known["total_entries"] == 0
