"""Forms and pages, used as a person uses them: by the words that can be read on them."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Final

from playwright.sync_api import TimeoutError as BrowserTimeoutError
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

__all__ = ["AssetPage", "ConnectionForm", "ConnectionsPage", "Field", "Form"]

_CLICKS: Final = 3
_OPENS_WITHIN_MS: Final = 5000


class Field:
    """One box of a form, with the label beside it and the text below it.

    :param root: what holds all three.
    """

    def __init__(self, root: Locator) -> None:
        self.root = root
        self.box = root.locator("input:visible, textarea:visible").first

    @property
    def help(self) -> str:
        """The text below the box."""
        return str(self.root.locator('[data-part="helper-text"]').inner_text())

    @property
    def is_switch(self) -> bool:
        """Whether it is turned on and off."""
        return bool(self._switch.count())

    @property
    def is_drop_down(self) -> bool:
        """Whether a value is chosen from a list."""
        return bool(self._list.count())

    @property
    def is_required(self) -> bool:
        """Whether the label bears a star."""
        return "*" in self.root.locator("label").first.inner_text()

    @property
    def shown(self) -> str:
        """What the box shows: a text, the chosen words, or ``on`` and ``off``."""
        if self.is_switch:
            return "on" if self._switch.get_attribute("data-state") == "checked" else "off"
        if self.is_drop_down:
            return str(self._chosen.inner_text())
        return str(self.box.input_value())

    def choices(self) -> list[str]:
        """Open the list, read it, and choose again what is chosen; Escape would close the dialog."""
        chosen = self.shown
        self._open_list()
        found = self._options.all_inner_texts()
        self._options.filter(has_text=whole(chosen)).click()
        expect(self._options).to_have_count(0)
        return [text.strip() for text in found]

    def fill(self, value: object) -> None:
        """Type or choose a value; a drop-down takes the words that it shows, a list has a line for each entry."""
        if self.is_switch:
            if (self.shown == "on") is not bool(value):
                self._switch.locator('[data-part="control"]').click()
            expect(self._switch).to_have_attribute("data-state", "checked" if value else "unchecked")
        elif self.is_drop_down:
            self._open_list()
            self._options.filter(has_text=whole(str(value))).click()
            expect(self._chosen).to_have_text(str(value))
        else:
            lines = value if isinstance(value, list) else [value]
            self.box.fill("\n".join(map(str, lines)))
            self.box.blur()

    @property
    def _switch(self) -> Locator:
        return self.root.locator('[data-scope="switch"][data-part="root"]')

    # Airflow 3.1 has a button that opens its drop-downs, later ones have a box to search in.

    @property
    def _list(self) -> Locator:
        return self.root.locator('[data-scope="select"][data-part="trigger"], input[role="combobox"]')

    @property
    def _chosen(self) -> Locator:
        later = self.root.locator('input[role="combobox"]').locator("xpath=../preceding-sibling::div")
        return self.root.locator('[data-scope="select"][data-part="value-text"]').or_(later)

    @property
    def _options(self) -> Locator:
        return self.root.page.get_by_role("option")

    def _open_list(self) -> None:
        self._list.click()
        expect(self._options.first).to_be_visible()


def whole(text: str) -> re.Pattern[str]:
    """Match a text from its start to its end, with a star after it where an answer is required."""
    return re.compile(rf"^\s*{re.escape(text)}\s*\*?\s*$")


class Form:
    """A form in a dialog.

    :param page: the page that shows it.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.dialog = page.get_by_role("dialog").filter(visible=True)
        expect(self.dialog).to_be_visible()

    def field(self, label: str) -> Field:
        """Find a field by its label."""
        labels = self.page.locator("label").filter(has_text=whole(label))
        root = self.dialog.locator('[data-scope="field"][data-part="root"]').filter(has=labels)
        expect(root).to_be_visible()
        return Field(root)

    def labels(self) -> list[str]:
        """Read the labels of the fields that can be seen, from the top."""
        texts = self.dialog.locator('[data-scope="field"][data-part="label"]:visible').all_inner_texts()
        return [" ".join(text.replace("*", " ").split()) for text in texts]

    def sections(self) -> list[str]:
        """Read the headings that fold the form, from the top."""
        headings = self.dialog.locator('[data-scope="accordion"][data-part="item-trigger"]')
        return [text.strip() for text in headings.all_inner_texts()]

    def unfold(self, section: str) -> None:
        """Open a section; the others close."""
        heading = self.dialog.get_by_role("button", name=section, exact=True)
        if heading.get_attribute("aria-expanded") != "true":
            heading.click()
        expect(heading).to_have_attribute("aria-expanded", "true")
        expect(heading.locator("xpath=following-sibling::*[@role='region']")).to_be_visible()

    def type_json(self, text: str) -> None:
        """Replace what stands in the form's JSON editor."""
        editor = self.dialog.locator(".monaco-editor:visible, .cm-content:visible").first
        editor.click()
        self.page.keyboard.press("ControlOrMeta+A")
        self.page.keyboard.press("Delete")
        # As a paste: an editor of code adds brackets to what is typed.
        self.page.keyboard.insert_text(text)
        self.page.keyboard.press("ControlOrMeta+Home")
        self.dialog.get_by_role("heading").first.click()

    def press(self, name: str) -> None:
        """Press a button of the dialog, once it can be pressed."""
        button = self.dialog.get_by_role("button", name=name, exact=True)
        expect(button).to_be_enabled()
        button.click()


class ConnectionForm(Form):
    """Admin > Connections > Add Connection, or Edit Connection."""

    def choose_type(self, name: str) -> None:
        """Pick the connection type by its name, as a person does: type it, and press Enter."""
        box = self.dialog.get_by_role("combobox").first
        expect(box).to_be_enabled()
        box.click()
        box.fill(name)
        self.page.get_by_role("option", name=name, exact=True).click()
        expect(self.dialog.get_by_role("button", name="Standard Fields")).to_be_visible()

    def save(self) -> None:
        """Save, and wait until the form is gone."""
        self.press("Save")
        expect(self.dialog).to_be_hidden()


class ConnectionsPage:
    """Admin > Connections.

    :param page: the browser's page.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        page.goto("/connections")
        expect(page.get_by_role("button", name="Add Connection")).to_be_visible()

    def row(self, conn_id: str) -> Locator:
        """Find the row of a connection, which the list may have on another page."""
        self.page.get_by_placeholder("Search Connections").fill(conn_id)
        cell = self.page.get_by_role("cell", name=conn_id, exact=True)
        row = self.page.locator("tbody tr").filter(has=cell)
        expect(row).to_be_visible()
        return row

    def add(self) -> ConnectionForm:
        """Open the empty form."""
        self.page.get_by_role("button", name="Add Connection").click()
        return ConnectionForm(self.page)

    def edit(self, conn_id: str) -> ConnectionForm:
        """Open the form of a connection; again, where the list was drawn anew just then and the click was lost."""
        for _ in range(_CLICKS):
            self.row(conn_id).get_by_role("button", name="Edit Connection").click()
            with contextlib.suppress(BrowserTimeoutError):
                self.page.get_by_role("dialog").filter(visible=True).wait_for(timeout=_OPENS_WITHIN_MS)
                break
        return ConnectionForm(self.page)

    def test(self, conn_id: str) -> tuple[bool, str]:
        """Press Test, and give whether it succeeded and the sentence; the page shows both for a few seconds."""
        with self.page.expect_response(lambda answer: answer.url.endswith("/connections/test")) as answered:
            self.row(conn_id).get_by_role("button", name="Test Connection").click()
        answer = answered.value.json()
        assert answered.value.ok, answer
        toast = self.page.locator('[data-scope="toast"][data-part="root"]').filter(has_text=answer["message"])
        expect(toast.first).to_contain_text(
            f"Test Connection {'Successful' if answer['status'] else 'Failed'}"
        )
        return answer["status"], answer["message"]


class AssetPage:
    """The page of one asset.

    :param page: the browser's page.
    :param name: the asset's name.
    """

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        page.goto("/assets")
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", name=name)).to_be_visible()

    def open_form(self) -> Form:
        """Press the button that adds an event."""
        self.page.get_by_role("button", name="Create Event").first.click()
        return Form(self.page)
