"""The connection forms: both renderings of the one declaration, and how Airflow reads them."""

from __future__ import annotations

import dataclasses
import importlib
import json
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from airflow_provider_orders import connections
from airflow_provider_orders.connections import FORMS, ConnectionForm, ExtraField

CONN_TYPES = sorted(FORMS)
COMMON = {
    "page_size",
    "concurrency",
    "timeout_s",
    "requests_per_minute",
    "assumed_timezone",
    "console_url",
    "allow_http",
}
OWN = {
    "popsell": {"auth", "domain", "brand_id"},
    "dipli": {"seller"},
    "valomnia": {"api_version"},
    "genuka": {"auth", "company_id", "api_version"},
}
ALL_FIELDS = [
    pytest.param(form, extra, id=f"{form.conn_type}-{extra.name}")
    for form in FORMS.values()
    for extra in form.extra_fields()
]


class StubField:
    """What WTForms keeps of a field: its class and arguments."""

    json_type = ""

    def __init__(self, label: str, *, validators: list[Any], description: str, default: Any) -> None:
        self.label = label
        self.description = description
        self.default = default
        self.choices = next((made for made in validators if isinstance(made, list)), None)
        self.optional = any(isinstance(made, StubOptional) for made in validators)


class StubString(StubField):
    json_type = "string"


class StubPassword(StubString):
    pass


class StubInteger(StubField):
    json_type = "integer"


class StubBoolean(StubField):
    json_type = "boolean"


class StubOptional:
    pass


@pytest.fixture
def wtforms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for WTForms, which Airflow no longer installs."""
    module = ModuleType("wtforms")
    validators = ModuleType("wtforms.validators")
    vars(module).update(
        StringField=StubString,
        PasswordField=StubPassword,
        IntegerField=StubInteger,
        BooleanField=StubBoolean,
        validators=validators,
    )
    vars(validators).update(Optional=StubOptional, any_of=list)
    monkeypatch.setitem(sys.modules, "wtforms", module)
    monkeypatch.setitem(sys.modules, "wtforms.validators", validators)


def api_settings(conn_type: str) -> Any:
    """Give the class that the hook of a type reads its connection into."""
    module, _, name = connections.hook_class_name(conn_type).rpartition(".")
    return getattr(importlib.import_module(module), name).api_class.settings_model


def test_the_types_are_the_promised_ones() -> None:
    assert CONN_TYPES == ["dipli", "genuka", "popsell", "valomnia"]
    assert all(conn_type == form.conn_type for conn_type, form in FORMS.items())


@pytest.mark.parametrize("conn_type", CONN_TYPES)
def test_each_type_has_the_promised_extras(conn_type: str) -> None:
    names = [extra.name for extra in FORMS[conn_type].extra_fields()]

    assert len(names) == len(set(names))
    assert set(names) == COMMON | OWN[conn_type]


@pytest.mark.parametrize("conn_type", CONN_TYPES)
def test_no_name_holds_the_double_underscore_that_airflow_splits_at(conn_type: str) -> None:
    names = [conn_type, *(extra.name for extra in FORMS[conn_type].extra_fields())]

    assert not [name for name in names if "__" in name or name != name.lower()]


@pytest.mark.parametrize("conn_type", CONN_TYPES)
@pytest.mark.usefixtures("wtforms")
def test_both_renderings_say_the_same_of_the_extras(conn_type: str) -> None:
    declared = connections.provider_info_entry(conn_type)["conn-fields"]
    widgets = connections.form_widgets(conn_type)

    assert list(widgets) == list(declared)
    for name, widget in widgets.items():
        schema = declared[name]["schema"]
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert widget.label == declared[name]["label"]
        assert widget.description == declared[name]["description"]
        assert widget.default == schema.get("default")
        assert widget.choices == schema.get("enum")
        assert widget.json_type == types[0]
        assert widget.optional == ("null" in types)
        assert isinstance(widget, StubPassword) == (schema.get("format") == "password")


@pytest.mark.parametrize("conn_type", CONN_TYPES)
def test_both_renderings_say_the_same_of_airflows_own_fields(conn_type: str) -> None:
    declared = connections.provider_info_entry(conn_type)["ui-field-behaviour"]

    # 3.1 writes these keys with an underscore, the provider info with a dash.
    assert connections.ui_field_behaviour(conn_type) == {
        key.replace("-", "_"): value for key, value in declared.items()
    }


@pytest.mark.parametrize("conn_type", CONN_TYPES)
def test_airflow_draws_the_form_as_declared(conn_type: str, drawn_forms: dict[str, Any]) -> None:
    drawn = drawn_forms[conn_type]
    form = FORMS[conn_type]

    assert drawn["hook_name"] == form.name
    assert drawn["hook_class_name"] == form.hook_class_name
    assert {
        ("schema" if name == "url_schema" else name)
        for name, standard in drawn["standard_fields"].items()
        if standard and standard["hidden"]
    } == set(form.hidden_fields())
    for name, label in form.relabeling().items():
        assert drawn["standard_fields"][name]["title"] == label
        assert drawn["standard_fields"][name]["placeholder"] == form.placeholders()[name]
    assert list(drawn["extra_fields"]) == [extra.name for extra in form.extra_fields()]
    for extra in form.extra_fields():
        field = drawn["extra_fields"][extra.name]
        assert field["schema"]["title"] == extra.label
        assert field["description"] == extra.help
        assert field["value"] == extra.default
        assert extra.type in field["schema"]["type"]
        assert field["schema"].get("enum") == (list(extra.choices) or None)


@pytest.fixture(scope="module")
def drawn_forms() -> dict[str, Any]:
    """Ask the installed Airflow for what its own page gets, in a process of its own: 3.1 leaves stubs behind."""
    script = """
import json
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
forms = {meta.connection_type: meta.model_dump(mode="json") for meta in HookMetaService.hook_meta_data()}
print("FORMS" + json.dumps(forms, default=lambda value: value.dump()))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("FORMS"))
    forms: dict[str, Any] = json.loads(line.removeprefix("FORMS"))
    return forms


@pytest.mark.parametrize("conn_type", CONN_TYPES)
def test_airflow_shows_every_harmless_extra_and_masks_every_secret_one(conn_type: str) -> None:
    from airflow.api_fastapi.core_api.datamodels.connections import ConnectionResponse

    extras = FORMS[conn_type].extra_fields()
    shown = ConnectionResponse.model_validate(
        {
            "connection_id": "orders",
            "conn_type": conn_type,
            "description": None,
            "host": None,
            "login": None,
            "schema": None,
            "port": None,
            "password": "canary-secret",
            "team_name": None,
            "extra": json.dumps({extra.name: "canary-value" for extra in extras}),
        }
    )

    assert shown.password == "***"
    assert json.loads(shown.extra or "") == {
        extra.name: "***" if extra.secret else "canary-value" for extra in extras
    }


@pytest.mark.parametrize(
    ("conn_type", "hidden"),
    [
        ("popsell", ["schema"]),
        ("dipli", ["schema", "login"]),
        ("valomnia", ["schema"]),
        ("genuka", ["schema"]),
    ],
)
def test_only_fields_without_meaning_are_hidden(conn_type: str, hidden: list[str]) -> None:
    form = FORMS[conn_type]

    assert form.hidden_fields() == hidden
    assert not set(form.relabeling()) & set(hidden)
    assert set(form.relabeling()) | set(hidden) == {"host", "login", "password", "schema", "port"}


def test_the_company_is_all_that_a_form_insists_on() -> None:
    required = {
        (form.conn_type, extra.name)
        for form in FORMS.values()
        for extra in form.extra_fields()
        if extra.required
    }

    assert required == {("genuka", "company_id")}


def test_a_form_starts_with_the_promised_values() -> None:
    defaults = {
        (form.conn_type, extra.name): extra.default
        for form in FORMS.values()
        for extra in form.extra_fields()
        if extra.default is not None
    }

    assert defaults == {
        ("popsell", "auth"): "token",
        ("genuka", "auth"): "api_key",
        **{(conn_type, "allow_http"): False for conn_type in FORMS},
    }


@pytest.mark.parametrize(("form", "extra"), ALL_FIELDS)
def test_every_field_is_explained(form: ConnectionForm, extra: ExtraField) -> None:
    assert extra.label
    assert extra.label[0].isupper()
    assert extra.help.endswith(".")
    assert extra.help.startswith("Required: ") == extra.required  # 3.1 marks no field
    if extra.choices:
        assert extra.default in extra.choices
        assert all(f"({choice})" in extra.help for choice in extra.choices)  # 3.1 has no labels of choices
    elif not extra.required and extra.type != "boolean":
        assert "Leave empty" in extra.help or "optional" in extra.help
    assert form.documentation_url.startswith("https://")


@pytest.mark.parametrize("conn_type", CONN_TYPES)
def test_the_hook_reads_what_the_form_asks(conn_type: str) -> None:
    settings = api_settings(conn_type)
    own_fields = {"conn_id", "base_url", "login", "password"}

    assert {extra.name for extra in FORMS[conn_type].extra_fields()} == set(
        settings.model_fields
    ) - own_fields | {"allow_http"}


@pytest.mark.parametrize(("form", "extra"), ALL_FIELDS)
def test_the_form_and_the_hook_agree_on_ranges_and_choices(form: ConnectionForm, extra: ExtraField) -> None:
    settings = api_settings(form.conn_type)
    if extra.name == "allow_http":
        return
    schema = settings.model_json_schema()["properties"][extra.name]
    schema = next((part for part in schema.get("anyOf", []) if part.get("type") != "null"), {}) | schema

    assert schema.get("enum") == (list(extra.choices) or None)
    if extra.type == "integer":
        assert schema.get("minimum", extra.minimum) == extra.minimum
    if extra.name == "page_size":
        assert (form.page_size, form.max_page_size) == (settings.default_page_size, settings.max_page_size)
        assert extra.maximum == form.max_page_size
    else:
        assert schema.get("maximum") == extra.maximum
    if schema.get("default") is not None and extra.name != "page_size":
        words = f"{schema['default']:g}" if isinstance(schema["default"], float) else str(schema["default"])
        assert extra.default == schema["default"] or f"Leave empty for {words}." in extra.help


@pytest.mark.parametrize("conn_type", CONN_TYPES)
def test_the_form_names_the_time_zone_that_the_hook_assumes(conn_type: str) -> None:
    module, _, name = connections.hook_class_name(conn_type).rpartition(".")
    order_model = getattr(importlib.import_module(module), name).api_class.order_model

    assert FORMS[conn_type].assumed_timezone == order_model.ASSUMED_TIMEZONE


@pytest.mark.parametrize("conn_type", CONN_TYPES)
def test_the_hook_has_the_type_and_name_of_the_form(conn_type: str) -> None:
    module, _, name = connections.hook_class_name(conn_type).rpartition(".")
    hook = getattr(importlib.import_module(module), name)

    assert hook.conn_type == conn_type
    assert hook.hook_name == FORMS[conn_type].name
    assert hook.conn_name_attr == "orders_conn_id"
    assert hook.default_conn_name == f"{conn_type}_default"
    # Airflow 3.1 looks for them on the class itself, not on its bases.
    assert {"get_connection_form_widgets", "get_ui_field_behaviour"} <= set(vars(hook))


@pytest.mark.parametrize(
    "ask",
    [
        connections.hook_class_name,
        connections.provider_info_entry,
        connections.ui_field_behaviour,
    ],
)
def test_an_unknown_type_is_refused_by_name(ask: Any) -> None:
    with pytest.raises(LookupError, match=r"'http'.*dipli, genuka, popsell, valomnia"):
        ask("http")


@pytest.mark.usefixtures("wtforms")
def test_a_fifth_vendor_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    form = dataclasses.replace(
        FORMS["dipli"],
        conn_type="fifth",
        hook_class_name="example.FifthHook",
        fields=(ExtraField(name="api_key", label="Key", help="The key.", required=True, secret=True),),
    )
    monkeypatch.setattr(connections, "FORMS", {**FORMS, "fifth": form})

    entry = connections.provider_info_entry("fifth")

    assert connections.hook_class_name("fifth") == "example.FifthHook"
    assert entry["conn-fields"]["api_key"]["schema"] == {"type": "string", "format": "password"}
    assert isinstance(connections.form_widgets("fifth")["api_key"], StubPassword)
    assert set(entry["conn-fields"]) == COMMON | {"api_key"}
