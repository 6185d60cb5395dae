"""The Orders page in Airflow's own UI: how a person comes to it, what it shows, and how it looks in both themes."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import FrameLocator, Page

    from tests.browser.conftest import Screenshot
    from tests.browser.running_airflow import RunningAirflow

CONNECTIONS = ["dipli_default", "genuka_default", "popsell_default", "valomnia_default"]
EXPORTS, WAITS = "example_export_orders", "example_wait_for_delivery"
ORDER = "111113"
TIMEOUT_S = 180


@pytest.fixture(scope="module")
def run_ids(
    airflow: RunningAirflow, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[tuple[str, str]]]:
    """Run two exports from each connection, and start a wait that goes on; dag id and run id of each."""
    path = str(tmp_path_factory.mktemp("orders"))
    runs = []
    for dag_id, conf in (
        (EXPORTS, {"path": f"{path}/1"}),
        (EXPORTS, {"path": f"{path}/2"}),
        (WAITS, {"order_ids": [ORDER]}),
    ):
        body = {"logical_date": None, "conf": conf}
        run_id = airflow.ask("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)["dag_run_id"]
        runs.append((dag_id, run_id))
        if dag_id == EXPORTS:
            # One after the other: of two that give an asset its first event, Airflow fails one.
            wait_for(airflow, f"{dag_id}/dagRuns/{quote(run_id)}", "success")
    yield runs
    airflow.sandbox.set_status("dipli", ORDER, "shipped")


def wait_for(airflow: RunningAirflow, path: str, *states: str) -> None:
    """Wait until a run, or a task of it, is in one of the states."""
    deadline = time.monotonic() + TIMEOUT_S
    while (state := airflow.ask("GET", f"/api/v2/dags/{path}")["state"]) not in states:
        assert state != "failed", path
        assert time.monotonic() < deadline, f"{path} is {state}"
        time.sleep(0.5)


@pytest.fixture
def orders(page: Page, airflow: RunningAirflow, run_ids: list[tuple[str, str]]) -> FrameLocator:
    """Open the page as a person does, when there is something to see."""
    dag_id, run_id = run_ids[-1]
    wait_for(airflow, f"{dag_id}/dagRuns/{quote(run_id)}/taskInstances/wait", "deferred")
    page.goto("/")
    page.get_by_role("button", name="Browse").click()
    page.get_by_role("menuitem", name="Orders").click()
    frame = page.frame_locator("iframe[title='Orders']")
    expect(frame.get_by_role("heading", name="Orders", exact=True)).to_be_visible()
    return frame


def test_shows_exports_and_waits(
    orders: FrameLocator, screenshot: Screenshot, console_errors: list[str]
) -> None:
    screenshot("light")

    for conn_id in CONNECTIONS:
        card = orders.get_by_role("region", name=conn_id, exact=True)
        expect(card.get_by_role("img", name=re.compile(f"Age of the data of {conn_id}"))).to_be_visible()
        expect(
            card.get_by_role("row", name=re.compile("Everything full .* example_export_orders")).first
        ).to_be_visible()
        expect(card.get_by_role("heading", name=re.compile("Orders per status"))).to_be_visible()
    waits = orders.get_by_role("region", name="Waits under way", exact=True).first
    expect(
        waits.get_by_role("row", name=re.compile("dipli_default Orders to reach a status"))
    ).to_be_visible()
    assert console_errors == []


def test_follows_airflows_theme(page: Page, orders: FrameLocator, screenshot: Screenshot) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    root = orders.locator("html")

    page.emulate_media(color_scheme="dark")
    expect(root).to_have_attribute("data-theme", "dark")
    dark = orders.locator("body").evaluate(f"() => {background}")
    screenshot("dark")
    page.emulate_media(color_scheme="light")
    expect(root).to_have_attribute("data-theme", "light")
    light = orders.locator("body").evaluate(f"() => {background}")

    around = page.locator("html").evaluate("root => getComputedStyle(root).backgroundColor")
    assert light == around
    assert dark != light


@pytest.mark.parametrize("width", [1280, 800])
def test_fits(page: Page, orders: FrameLocator, screenshot: Screenshot, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    screenshot(f"{width} pixels")

    assert orders.locator("html").evaluate("root => root.scrollWidth <= root.clientWidth")


def test_a_task_opens_in_airflow_itself(
    page: Page, orders: FrameLocator, run_ids: list[tuple[str, str]]
) -> None:
    dag_id, _ = run_ids[-1]
    orders.get_by_role("link", name=f"{dag_id}.wait", exact=True).last.click()

    expect(page).to_have_url(re.compile(f"/dags/{dag_id}/runs/.*/tasks/wait"))
    expect(page.get_by_role("heading", name="wait").first).to_be_visible()
    expect(page.locator("iframe")).to_have_count(0)


def test_refreshes_in_its_frame(page: Page, orders: FrameLocator) -> None:
    orders.get_by_role("link", name="Refresh").click()

    expect(orders.get_by_role("heading", name="Orders", exact=True)).to_be_visible()
    expect(page.locator("iframe")).to_have_count(1)


def test_the_table_behind_a_chart_opens_with_the_keyboard(page: Page, orders: FrameLocator) -> None:
    card = orders.get_by_role("region", name=CONNECTIONS[0], exact=True)

    card.get_by_text("As a table").focus()
    page.keyboard.press("Enter")

    expect(card.get_by_role("columnheader", name="Age of the data then")).to_be_visible()
