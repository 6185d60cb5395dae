"""One real Airflow and one real browser for all tests of this folder.

Fixtures: ``airflow`` (a :class:`~tests.browser.running_airflow.RunningAirflow`), ``page`` (Playwright's page, signed in),
``screenshot(name)``, ``console_errors``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest
from playwright.sync_api import expect, sync_playwright

from airflow_provider_orders.sandbox import Sandbox
from tests.browser.chromium import launched
from tests.browser.running_airflow import RunningAirflow, running_airflow

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

Screenshot: TypeAlias = Callable[[str], Path]
"""``screenshot(name)`` keeps what the page shows, in ``.screenshots``, and gives the file."""

SCREENSHOTS = Path(__file__).parents[2] / ".screenshots"
WIDTH, HEIGHT = 1280, 1100
TIMEOUT_MS = 60_000
"""How long an element may take to come; the machine may be small, and busy with a scheduler."""

_SHOWN_TEXT = 3000

expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture(scope="session")
def airflow() -> Iterator[RunningAirflow]:
    """Give a running Airflow with the example DAGs and the connections to a sandbox, ``airflow.sandbox``.

    Its clock is right, as a watcher begins shortly before now; orders move only when a test moves them.
    """
    with (
        Sandbox(orders=60, step_s=math.inf, base_date=datetime.now(UTC)) as sandbox,
        running_airflow(sandbox) as site,
    ):
        yield site


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Run the browser."""
    with sync_playwright() as playwright, launched(playwright, tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture(scope="session")
def signed_in(airflow: RunningAirflow, browser: Browser) -> Iterator[BrowserContext]:
    """Give the session of a person who has signed in; one for all tests, because Airflow's scripts weigh seven megabytes."""
    with browser.new_context(
        base_url=airflow.url,
        viewport={"width": WIDTH, "height": HEIGHT},
        locale="en-GB",
        timezone_id="UTC",
        color_scheme="light",
    ) as context:
        context.set_default_timeout(TIMEOUT_MS)
        with context.new_page() as page:
            page.goto("/")
            page.get_by_role("link", name="Dags").first.wait_for()
        yield context


@pytest.fixture
def page(signed_in: BrowserContext) -> Iterator[Page]:
    """Give an empty page of the person who has signed in."""
    with signed_in.new_page() as page:
        yield page


@pytest.fixture
def console_errors(page: Page) -> list[str]:
    """Collect what the page complains about, from now on; a test compares it with an empty list at its end."""
    errors: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(f"{message.text} ({message.location.get('url')})")

    page.on("console", hear)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return errors


@pytest.fixture
def screenshot(page: Page, request: pytest.FixtureRequest) -> Screenshot:
    """Give the function that keeps what the page shows: ``screenshot("form filled")``, numbered within the test."""
    taken: list[Path] = []

    def take(name: str) -> Path:
        taken.append(_keep(page, request.node.name, f"{len(taken) + 1:02d}-{name}"))
        return taken[-1]

    return take


def _keep(page: Page, test: str, name: str) -> Path:
    words = (re.sub(r"[^\w.-]+", "-", text).strip("-") for text in (test.removeprefix("test_"), name))
    path = SCREENSHOTS.joinpath(*words).with_suffix(".png")
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, animations="disabled")
    return path


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the page showed, and Airflow's last words, beside a failure."""
    report = yield
    page = getattr(item, "funcargs", {}).get("page")
    if report.failed and page is not None and not page.is_closed():
        path = _keep(page, item.name, "failure")
        text = page.locator("body").inner_text()
        report.sections.append((f"The page, {page.url}, kept in {path}", text[:_SHOWN_TEXT]))
    site = getattr(item, "funcargs", {}).get("airflow")
    if report.failed and isinstance(site, RunningAirflow) and site.log.exists():
        lines = site.log.read_text(encoding="utf-8", errors="replace").splitlines()
        complaints = [line for line in lines if re.search(r"\[(warning|error|critical) *\]|Error:", line)]
        report.sections.append(("What Airflow complained about last", "\n".join(complaints[-20:])))
    return report
