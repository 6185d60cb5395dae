"""The example DAGs, triggered by hand: open, fill the form, trigger, watch, open the task, follow its links."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.browser.conn_types import add_connection, with_permission
from tests.browser.forms import AssetPage
from tests.browser.runs import DagPage, Run
from tests.cluster.airflow_cluster import wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playwright.sync_api import Page

    from tests.browser.conftest import Screenshot
    from tests.browser.running_airflow import RunningAirflow

EXAMPLES = Path(__file__).parents[2] / "example_dags"
FOLDER = "{an empty folder}"
THIS_YEAR = datetime.now(UTC).year


@dataclass(frozen=True, slots=True)
class Example:
    """What a person does with an example DAG.

    :param task_id: the task that is opened.
    :param typed: what is typed into the form, by label.
    :param after: a DAG that has exported to the same folder before.
    :param delivered: orders that arrive while the run waits for them, by vendor, with the vendor's word for it.
    """

    task_id: str
    typed: Mapping[str, Any] = field(default_factory=dict)
    after: str | None = None
    delivered: tuple[str, tuple[str, ...], str] | None = None


BY_HAND = {
    "example_get_order": Example("get_order", {"Order": "100002"}),
    "example_export_orders": Example("summarise", {"Folder": FOLDER, "Compression": "gzip"}),
    "example_backfill_year": Example("merge", {"Year": THIS_YEAR, "Folder": FOLDER}),
    "example_reconcile_orders": Example(
        "reconcile", {"Year": THIS_YEAR, "Folder": FOLDER}, after="example_export_orders"
    ),
    "example_popsell_ambassadors": Example("summarise", {"Folder": FOLDER, "Ambassadors, at most": 2}),
    "example_order_freshness": Example("fresh", {"Minutes": 14_400}),
    "example_pay_commissions": Example("pay"),
    "example_wait_for_delivery": Example(
        "wait",
        {"Orders": ["111111", "111112"]},
        delivered=("dipli", ("111111", "111112"), "shipped"),
    ),
}
BY_EVENTS = {"example_order_events", "example_genuka_webhook"}

WRONG = {
    "example_get_order": ("Connection", "two words"),
    "example_export_orders": ("Connections", ["two words"]),
    "example_backfill_year": ("Time zone", "Europe Paris"),
    "example_popsell_ambassadors": ("Folder", "not/from/the/root"),
}


def test_every_example_is_tried() -> None:
    assert set(BY_HAND) | BY_EVENTS == {path.stem for path in EXAMPLES.glob("example_*.py")}


@pytest.mark.parametrize("dag_id", BY_HAND)
def test_runs_from_its_form(
    page: Page,
    airflow: RunningAirflow,
    screenshot: Screenshot,
    console_errors: list[str],
    tmp_path: Path,
    dag_id: str,
) -> None:
    example = BY_HAND[dag_id]
    if example.after:
        run_before(airflow, example.after, tmp_path)
    form = DagPage(page, dag_id).open_form()
    for label, value in example.typed.items():
        form.field(label).fill(str(tmp_path) if value == FOLDER else value)
    screenshot("form")
    run = Run(page, dag_id, form.trigger())
    run.open()
    if example.delivered:
        vendor, order_ids, word = example.delivered
        task = f"/api/v2/dags/{dag_id}/dagRuns/{run.run_id}/taskInstances/{example.task_id}"
        wait_for("the deferral", lambda: airflow.ask("GET", task)["state"] == "deferred")
        screenshot("waiting")
        for order_id in order_ids:
            airflow.sandbox.set_status(vendor, order_id, word)

    state = run.watch("Success", "Failed")
    screenshot("run")
    assert state == "Success"
    run.open_task(example.task_id)
    screenshot("task")
    assert bool(list(tmp_path.iterdir())) == (FOLDER in example.typed.values())
    assert console_errors == []


@pytest.mark.parametrize("dag_id", WRONG)
def test_form_refuses_what_has_the_wrong_form(
    page: Page, airflow: RunningAirflow, screenshot: Screenshot, dag_id: str
) -> None:
    def count() -> int:
        return int(airflow.ask("GET", f"/api/v2/dags/{dag_id}/dagRuns?limit=1")["total_entries"])

    before = count()
    label, value = WRONG[dag_id]
    form = DagPage(page, dag_id).open_form()
    form.field(label).fill(value)
    form.press("Trigger")

    expect(form.dialog.get_by_text("Invalid input for param")).to_contain_text("does not match")
    screenshot("refused")
    assert count() == before


def test_links_of_a_task_lead_to_the_order(
    page: Page, airflow: RunningAirflow, screenshot: Screenshot
) -> None:
    conn_type = "valomnia"  # the one that has a document of each order
    order_id = airflow.sandbox.live_ids(conn_type)[-1]
    console = "https://console.example.com/orders/{order_id}"
    fields = with_permission(airflow.sandbox, conn_type)
    conn_id = add_connection(
        airflow, "with_console", fields | {"extra": fields["extra"] | {"console_url": console}}
    )
    form = DagPage(page, "example_get_order").open_form()
    form.field("Connection").fill(conn_id)
    form.field("Order").fill(order_id)
    run = Run(page, "example_get_order", form.trigger())
    run.open()
    assert run.watch("Success", "Failed") == "Success"
    run.open_task("get_order")
    page.get_by_role("link", name="Details", exact=True).click()
    page.context.route("https://console.example.com/**", lambda route: route.fulfill(body="The order's page"))

    expect(page.get_by_role("link", name="Order as a document")).to_be_visible()
    screenshot("links")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Order in the back office").click()

    with opened.value as back_office:
        expect(back_office.get_by_text("The order's page")).to_be_visible()
        assert back_office.url == console.format(order_id=order_id)
    airflow.ask("DELETE", f"/api/v2/connections/{conn_id}")


def test_delivered_order_starts_a_dag_that_is_unpaused(
    page: Page, airflow: RunningAirflow, screenshot: Screenshot
) -> None:
    dag_id, vendor = "example_order_events", "genuka"
    sandbox = airflow.sandbox
    dag = DagPage(page, dag_id)
    asked = len(sandbox.requests)
    dag.unpause()
    wait_for("the first poll", lambda: len(sandbox.requests) > asked)
    screenshot("unpaused")

    sandbox.set_status(vendor, sandbox.live_ids(vendor)[0], "delivered", axis="fulfillment")

    run = first_run(page, airflow, dag_id)
    state = run.watch("Success", "Failed")
    screenshot("run")
    airflow.ask("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": True})
    assert state == "Success"


def test_event_that_is_added_by_hand_starts_a_dag(
    page: Page, airflow: RunningAirflow, screenshot: Screenshot
) -> None:
    payload = {
        "order_id": "1",
        "kind": "order.updated",
        "statuses": {"fulfillment": {"status": "delivered"}},
    }
    form = AssetPage(page, "genuka_orders").open_form()
    form.type_json(json.dumps({"payload": payload}))
    screenshot("form")
    form.press("Create Event")
    expect(form.dialog).to_be_hidden()

    run = first_run(page, airflow, "example_genuka_webhook")
    state = run.watch("Success", "Failed")
    screenshot("run")
    assert state == "Success"


def run_before(airflow: RunningAirflow, dag_id: str, folder: Path) -> None:
    """Run a DAG that exports to a folder."""
    runs = f"/api/v2/dags/{dag_id}/dagRuns"
    body = {"logical_date": None, "conf": {"connections": ["genuka_default"], "path": str(folder)}}
    run_id = airflow.ask("POST", runs, body)["dag_run_id"]
    wait_for(f"a run of {dag_id}", lambda: airflow.ask("GET", f"{runs}/{run_id}")["state"] == "success")


def first_run(page: Page, airflow: RunningAirflow, dag_id: str) -> Run:
    """Wait until something has started the DAG, and show the run."""

    def look() -> str | None:
        runs = airflow.ask("GET", f"/api/v2/dags/{dag_id}/dagRuns?limit=1")["dag_runs"]
        return runs[0]["dag_run_id"] if runs else None

    run = Run(page, dag_id, wait_for(f"a run of {dag_id}", look))
    run.open()
    return run
