"""A DAG's page, its trigger form, and its runs, used as a person uses them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from playwright.sync_api import expect

from tests.browser.forms import Form

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Response

__all__ = ["DagPage", "Run", "TriggerForm"]

RUN_TIMEOUT_MS = 120_000


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a DAG, as the page shows it.

    :param page: the browser's page.
    :param dag_id: id of the DAG.
    :param run_id: id of the run.
    """

    page: Page
    dag_id: str
    run_id: str

    def open(self) -> None:
        """Show the run; after a trigger, Airflow does so by itself, but 3.1 does not."""
        path = f"/dags/{self.dag_id}/runs/{self.run_id}"
        if not unquote(self.page.url).endswith(path):
            self.page.goto(path)

    def state(self) -> Locator:
        """Find the state in the head of the page."""
        badges = self.page.locator('[data-testid="state-badge"], .chakra-badge')
        return badges.filter(has_text=re.compile(r"\w")).first

    def watch(self, *states: str) -> str:
        """Watch the run until it is in one of the states, without reloading, and give the state."""
        expect(self.state()).to_have_text(re.compile("|".join(states)), timeout=RUN_TIMEOUT_MS)
        return str(self.state().inner_text()).strip()

    def open_task(self, task_id: str) -> None:
        """Open a task of the run."""
        self.page.get_by_role("link", name=task_id, exact=True).last.click()
        expect(self.page.get_by_role("heading", name=task_id)).to_be_visible()


class TriggerForm(Form):
    """The dialog in which a DAG is triggered."""

    def trigger(self) -> str:
        """Trigger, wait until the form is gone, and give the run's id."""
        with self.page.expect_response(is_trigger) as answered:
            self.press("Trigger")
        answer: dict[str, Any] = answered.value.json()
        assert answered.value.ok, answer
        expect(self.dialog).to_be_hidden()
        return str(answer["dag_run_id"])


class DagPage:
    """The page of one DAG.

    :param page: the browser's page.
    :param dag_id: id of the DAG.
    """

    def __init__(self, page: Page, dag_id: str) -> None:
        self.page = page
        self.dag_id = dag_id
        page.goto(f"/dags/{dag_id}")
        expect(self.trigger_button()).to_be_visible()

    def trigger_button(self) -> Locator:
        """Find the button that opens the form."""
        return self.page.get_by_role("button", name="Trigger").first

    def unpause(self) -> None:
        """Let the DAG run, with the switch beside its name."""
        switch = self.page.locator('[data-scope="switch"][data-part="root"]').first
        expect(switch).to_have_attribute("data-state", "unchecked")
        switch.locator('[data-part="control"]').click()
        expect(switch).to_have_attribute("data-state", "checked")

    def open_form(self) -> TriggerForm:
        """Press Trigger."""
        self.trigger_button().click()
        return TriggerForm(self.page)


def is_trigger(response: Response) -> bool:
    """Tell the answer that brings the new run."""
    return response.request.method == "POST" and str(response.url).partition("?")[0].endswith("/dagRuns")
