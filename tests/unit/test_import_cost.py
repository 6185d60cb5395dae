"""Parse time is free: what a DAG file's imports load above Airflow's own base classes; a benchmark shows what that costs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.benchmarks.parse import HEAVY, OURS

OTHERS = {
    "airflow.providers.common",
    "airflow.providers.common.compat",
    "airflow.providers.common.compat._compat_utils",
    "airflow.providers.common.compat.sdk",
    "airflow.providers.common.compat.version_compat",
    "airflow.sdk.bases.operatorlink",
    "airflow.sdk.definitions.retry_policy",
    "airflow.sdk.exceptions",
    "airflow.exceptions",
}
"""All that is loaded beside this package, in any of the versions that we support."""

PACKAGES = {"apis", "export", "http", "models", "sandbox", "triggers"}
"""Rooms that are none of a DAG file's business: they load when a task runs."""

PLANNING = {
    "airflow_provider_orders.export",
    "airflow_provider_orders.export.windows",
    "airflow_provider_orders.models",
    "airflow_provider_orders.models.moments",
}
"""A DAG file may plan windows: that needs the calendar alone."""


@pytest.fixture(scope="module")
def costs() -> dict[str, dict[str, object]]:
    """Import each module, and all, in processes of their own; from one without what the tests have loaded."""
    script = """
import json
from tests.benchmarks.parse import OURS, measure

found = {name: measure([name], rounds=1) for name in OURS} | {"all": measure(OURS, rounds=1)}
print("COSTS" + json.dumps({name: vars(cost) for name, cost in found.items()}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("COSTS")]
    read: dict[str, dict[str, object]] = json.loads(line.removeprefix("COSTS"))
    return read


def modules_of(cost: dict[str, object]) -> set[str]:
    modules = cost["modules"]
    assert isinstance(modules, list)
    return set(modules)


@pytest.mark.parametrize("name", [*OURS, "all"])
def test_nothing_is_loaded_beside_the_package(name: str, costs: dict[str, dict[str, object]]) -> None:
    others = {
        module for module in modules_of(costs[name]) if not module.startswith("airflow_provider_orders")
    }

    assert others <= OTHERS


@pytest.mark.parametrize("name", [*OURS, "all"])
def test_rooms_that_only_run_are_not_loaded(name: str, costs: dict[str, dict[str, object]]) -> None:
    rooms = {
        module.split(".")[1]
        for module in modules_of(costs[name]) - PLANNING
        if module.startswith("airflow_provider_orders.")
    }

    assert not rooms & PACKAGES


@pytest.mark.parametrize("name", [*OURS, "all"])
def test_no_heavy_library_is_loaded(name: str, costs: dict[str, dict[str, object]]) -> None:
    roots = {module.partition(".")[0] for module in modules_of(costs[name])}

    assert not roots & set(HEAVY)
