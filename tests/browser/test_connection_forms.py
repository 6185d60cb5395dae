"""Admin > Connections: each type's form reads as declared, keeps what is typed, and shows no secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from airflow_provider_orders.connections import FORMS, ConnectionForm, ExtraField
from tests.browser.conn_types import CONN_TYPES, drawn_as_declared, with_permission
from tests.browser.forms import ConnectionForm as FormOnPage
from tests.browser.forms import ConnectionsPage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from playwright.sync_api import Page

    from tests.browser.conftest import Screenshot
    from tests.browser.running_airflow import RunningAirflow

STANDARD_FIELDS, EXTRA_FIELDS = "Standard Fields", "Extra Fields"
AIRFLOWS_OWN = ["Connection ID", "Connection Type", "Description"]


@pytest.fixture(scope="module")
def as_declared(airflow: RunningAirflow) -> bool:
    return drawn_as_declared(airflow)


def sections_of(form: ConnectionForm, *, as_declared: bool) -> dict[str, list[ExtraField]]:
    """Group the fields as the form does."""
    sections: dict[str, list[ExtraField]] = {}
    for extra in form.extra_fields():
        name = (extra.section if as_declared else None) or EXTRA_FIELDS
        sections.setdefault(name, []).append(extra)
    return sections


@pytest.mark.parametrize("conn_type", CONN_TYPES)
def test_form_reads_as_declared(
    page: Page, screenshot: Screenshot, console_errors: list[str], conn_type: str, *, as_declared: bool
) -> None:
    declared = FORMS[conn_type]
    form = ConnectionsPage(page).add()
    form.choose_type(declared.name)
    screenshot("standard-fields")

    assert sorted(form.labels()) == sorted([*AIRFLOWS_OWN, *declared.relabeling().values()])
    for name, label in declared.relabeling().items():
        box = form.field(label).box
        assert box.get_attribute("placeholder") == declared.placeholders()[name]
        assert box.get_attribute("type") == {"password": "password", "port": "number"}.get(name, "text")
        assert fits(box), f"the placeholder of {label} is cut off"

    sections = sections_of(declared, as_declared=as_declared)
    assert form.sections() == [STANDARD_FIELDS, *sections, "Extra Fields JSON"]
    for section, extras in sections.items():
        form.unfold(section)
        screenshot(section)
        assert form.labels()[2:] == [extra.label for extra in extras]
        for extra in extras:
            reads_as_declared(form, extra, as_declared=as_declared)
    assert console_errors == []


def reads_as_declared(form: FormOnPage, extra: ExtraField, *, as_declared: bool) -> None:
    field = form.field(extra.label)
    assert field.help == extra.help
    assert field.is_required == (extra.required and as_declared)
    assert field.is_switch == (extra.type == "boolean")
    if field.is_switch:
        assert field.shown == ("on" if extra.default else "off")
        return
    assert field.is_drop_down == bool(extra.choices)
    if field.is_drop_down:
        reading = extra.choices if as_declared else {choice: choice for choice in extra.choices}
        assert field.shown == reading[str(extra.default)]
        assert field.choices() == list(reading.values())
        return
    assert field.shown == str(extra.default or "")
    assert (field.box.get_attribute("type") == "password") == extra.secret
    suggestions = field.root.locator("datalist option")
    examples = [suggestions.nth(number).get_attribute("value") for number in range(suggestions.count())]
    assert tuple(examples) == (extra.examples if as_declared else ())


def fits(box: Any) -> bool:
    """Tell whether a placeholder can be read to its end."""
    return bool(
        box.evaluate(
            """box => {
                const style = getComputedStyle(box), pen = document.createElement("canvas").getContext("2d");
                pen.font = `${style.fontSize} ${style.fontFamily}`;
                const room = box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
                return pen.measureText(box.placeholder).width <= room;
            }"""
        )
    )


@pytest.mark.parametrize("conn_type", CONN_TYPES)
def test_what_is_typed_is_kept_and_the_secret_stays_hidden(
    page: Page,
    airflow: RunningAirflow,
    screenshot: Screenshot,
    console_errors: list[str],
    conn_type: str,
    *,
    as_declared: bool,
) -> None:
    declared = FORMS[conn_type]
    given = with_permission(airflow.sandbox, conn_type)
    extras = given["extra"] | {"page_size": 50}
    conn_id, secret = f"typed_{conn_type}", given["password"]
    connections = ConnectionsPage(page)

    form = connections.add()
    form.field("Connection ID").fill(conn_id)
    form.choose_type(declared.name)
    form.field("Description").fill("Typed by a person")
    for name, label in declared.relabeling().items():
        form.field(label).fill(given.get(name, ""))
    screenshot("standard-fields-filled")
    for section, label, words in as_shown(declared, extras, as_declared=as_declared):
        form.unfold(section)
        form.field(label).fill(words)
        screenshot(f"{section}-filled")
    form.save()
    expect(connections.row(conn_id)).to_contain_text(given["host"])
    screenshot("saved")

    answer = stored(airflow, conn_id, secret)
    standard = {name: given.get(name) for name in ("conn_type", "host", "login", "port")}
    assert {name: answer[name] or None for name in standard} == standard
    assert kept_extras(answer) == {"allow_http": False} | extras

    form = connections.edit(conn_id)
    for name, label in declared.relabeling().items():
        if name == "password":
            assert form.field(label).box.get_attribute("type") == "password"
            assert form.field(label).shown == "***"
        else:
            assert form.field(label).shown == str(given.get(name, ""))
    for section, label, words in as_shown(declared, extras, as_declared=as_declared):
        form.unfold(section)
        assert form.field(label).shown == str(words)
        screenshot(f"{section}-opened-again")
    assert secret not in page.content()
    form.field(declared.labels()["page_size"]).fill(25)
    form.save()

    assert kept_extras(stored(airflow, conn_id, secret))["page_size"] == 25
    # The secret is the one that was typed, not the asterisks that were shown in its place.
    works, sentence = connections.test(conn_id)
    assert works, sentence
    screenshot("tested")
    assert console_errors == []
    airflow.ask("DELETE", f"/api/v2/connections/{conn_id}")


def as_shown(
    form: ConnectionForm, extras: Mapping[str, object], *, as_declared: bool
) -> Iterator[tuple[str, str, object]]:
    """Give the section, the label and the words of each extra, as the form shows them, from the top."""
    for section, fields in sections_of(form, as_declared=as_declared).items():
        for field in fields:
            if field.name in extras:
                value = extras[field.name]
                yield (
                    section,
                    field.label,
                    field.choices[str(value)] if field.choices and as_declared else value,
                )


def stored(airflow: RunningAirflow, conn_id: str, secret: str) -> dict[str, Any]:
    """Read a connection through Airflow's API, which keeps its secret to itself."""
    answer: dict[str, Any] = airflow.ask("GET", f"/api/v2/connections/{conn_id}")
    assert secret not in json.dumps(answer)
    assert answer["password"] == "***"
    return answer


def kept_extras(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Give the extras that hold something; an empty box is kept as null."""
    return {name: value for name, value in json.loads(answer["extra"]).items() if value is not None}
