"""What Airflow sees of the package: discovery, provider info, import cost, public names."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
from importlib.metadata import distribution, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import airflow_provider_orders
from airflow_provider_orders.connections import FORMS

if TYPE_CHECKING:
    from types import ModuleType

DISTRIBUTION = "airflow-provider-orders"
HEAVY = [
    "aiohttp",
    "airflow",
    "msgspec",
    "pendulum",
    "pyarrow",
    "pydantic",
    "requests",
    "sqlalchemy",
    "starlette",
]
"""Modules that cost a process milliseconds and that not every Airflow process needs."""

LIGHT_MODULES = [
    "hooks.orders",
    "operators.merge",
    "operators.orders",
    "operators.planning",
    "operators.reconcile",
    "sensors.orders",
    "transfers.orders_to_object_storage",
    "transfers.orders_to_sql",
    "triggers.orders",
]
"""Modules that DAG files import, or that Airflow imports to read a DAG."""


def run_python(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_by(script: str, watched: list[str]) -> set[str]:
    """Run a script in a new interpreter and tell which of the watched modules it has loaded."""
    found = run_python(
        f"{script}\nimport sys\nprint('LOADED', *(name for name in {watched!r} if name in sys.modules))"
    )
    return set(found.splitlines()[-1].split()[1:])


def airflow_json(*command: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *command, "--output", "json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    # 3.1 writes log lines before it.
    rows: list[dict[str, Any]] = json.loads(done.stdout[done.stdout.index("[{") :])
    return rows


def public_modules() -> list[str]:
    """Name every module of the package that users may import."""
    return [airflow_provider_orders.__name__] + [
        found.name
        for found in pkgutil.walk_packages(airflow_provider_orders.__path__, "airflow_provider_orders.")
        if not any(part.startswith("_") for part in found.name.split("."))
        and ".example_dags" not in found.name
    ]


def test_the_version_is_the_distributions_own() -> None:
    assert airflow_provider_orders.__version__ == distribution(DISTRIBUTION).version


def test_another_missing_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        _ = airflow_provider_orders.no_such_name


def test_the_entry_point_gives_the_provider_info() -> None:
    found = [
        point
        for point in entry_points(group="apache_airflow_provider")
        if point.dist and point.dist.name == DISTRIBUTION
    ]

    assert len(found) == 1
    assert found[0].load()() == airflow_provider_orders.get_provider_info()


def test_the_package_name_is_the_distributions_canonical_name() -> None:
    """A wrong one crashes every airflow command."""
    from packaging.utils import canonicalize_name

    name = airflow_provider_orders.get_provider_info()["package-name"]

    assert name == canonicalize_name(name) == DISTRIBUTION


@pytest.mark.parametrize("schema_file", ["provider_info.schema.json", "provider.yaml.schema.json"])
def test_the_provider_info_is_valid_for_the_installed_airflow(schema_file: str) -> None:
    import airflow
    import jsonschema

    schema = json.loads((Path(airflow.__path__[0]) / schema_file).read_text(encoding="utf-8"))
    if schema_file == "provider.yaml.schema.json":
        schema.pop("required")  # release management of Airflow's own providers
    info = airflow_provider_orders.get_provider_info()
    if "cli" not in schema["properties"]:
        info.pop("cli")  # Airflow 3.1 ignores it

    jsonschema.validate(info, schema)


def test_every_entry_names_an_integration_that_exists() -> None:
    info = airflow_provider_orders.get_provider_info()
    names = {form.name for form in FORMS.values()}

    assert {entry["integration-name"] for entry in info["integrations"]} == names
    for kind in ("hooks", "operators", "sensors", "triggers"):
        assert {entry["integration-name"] for entry in info[kind]} == names
    assert {entry["source-integration-name"] for entry in info["transfers"]} == names


def test_every_module_that_the_info_names_is_there() -> None:
    info = airflow_provider_orders.get_provider_info()
    modules = {
        module
        for kind in ("hooks", "operators", "sensors", "triggers")
        for entry in info[kind]
        for module in entry["python-modules"]
    }
    modules |= {entry["python-module"] for entry in info["transfers"]}

    for module in sorted(modules):
        importlib.import_module(module)


@pytest.mark.filterwarnings("ignore:ProvidersManager.hooks is deprecated")  # its successor is not in 3.1
def test_airflow_discovers_the_provider_and_its_hooks() -> None:
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()  # type: ignore[no-untyped-call]

    assert manager.providers[DISTRIBUTION].version == airflow_provider_orders.__version__
    for conn_type, form in FORMS.items():
        hook = manager.hooks[conn_type]
        assert hook is not None
        assert hook.hook_class_name == form.hook_class_name
        assert hook.hook_name == form.name
        assert hook.connection_id_attribute_name == "orders_conn_id"
        assert hook.connection_testable


def test_the_command_line_lists_the_provider() -> None:
    rows = {row["package_name"]: row for row in airflow_json("providers", "list")}

    assert rows[DISTRIBUTION]["version"] == airflow_provider_orders.__version__


def test_the_command_line_shows_the_provider() -> None:
    (row,) = airflow_json("providers", "get", DISTRIBUTION)

    assert row["Provider"] == DISTRIBUTION


def test_the_command_line_lists_the_hooks() -> None:
    rows = {row["connection_type"]: row for row in airflow_json("providers", "hooks")}

    for conn_type, form in FORMS.items():
        assert rows[conn_type]["class"] == form.hook_class_name
        assert rows[conn_type]["hook_name"] == form.name


@pytest.mark.parametrize("module", ["airflow_provider_orders", "airflow_provider_orders.connections"])
def test_importing_the_package_root_loads_nothing_heavy(module: str) -> None:
    assert loaded_by(f"import {module}", HEAVY) == set()


def test_asking_for_the_provider_info_loads_nothing_heavy() -> None:
    script = "import airflow_provider_orders as package; package.get_provider_info(); package.__version__"

    assert loaded_by(script, HEAVY) == set()


@pytest.fixture(scope="module")
def loaded_by_light_modules() -> dict[str, list[str]]:
    """Import each module in a process of its own, forked from one that has Airflow's base classes."""
    script = f"""
import json, os, sys
from airflow.sdk import BaseHook, BaseOperator, BaseSensorOperator, ObjectStoragePath
from airflow.triggers.base import BaseTrigger
already = set(sys.modules)
for name in {LIGHT_MODULES!r}:
    if os.fork() == 0:
        __import__("airflow_provider_orders." + name)
        print("LOADED", json.dumps([name, sorted(set(sys.modules) - already)]), flush=True)
        os._exit(0)
    os.wait()
"""
    lines = [
        line.removeprefix("LOADED") for line in run_python(script).splitlines() if line.startswith("LOADED")
    ]
    return dict(json.loads(line) for line in lines)


@pytest.mark.parametrize("module", LIGHT_MODULES)
def test_importing_for_a_dag_file_loads_no_client_and_no_database(
    module: str, loaded_by_light_modules: dict[str, list[str]]
) -> None:
    """Parse time is free: to what Airflow's own base classes load, nothing heavy is added."""
    roots = {name.partition(".")[0] for name in loaded_by_light_modules[module]}

    assert "airflow_provider_orders" in roots
    assert not roots & {"aiohttp", "pyarrow", "requests", "sqlalchemy", "starlette", "uvicorn"}


@pytest.mark.parametrize("name", public_modules())
def test_all_is_what_a_module_offers(name: str) -> None:
    module = importlib.import_module(name)
    offered = list(getattr(module, "__all__", []))

    assert len(offered) == len(set(offered))
    for public in offered:
        getattr(module, public)
    assert defined_in(module) <= set(offered)


def defined_in(module: ModuleType) -> set[str]:
    """Name the public classes and functions that a module defines itself."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    }
