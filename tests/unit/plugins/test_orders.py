"""The plugin as Airflow finds it."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import airflow_provider_orders.plugins
from airflow_provider_orders.plugins.orders import OrdersPlugin

SCRIPT = """
import json, sys
import airflow.sdk
from airflow.providers.common.compat.sdk import AirflowPlugin
already = set(sys.modules)
from airflow_provider_orders.plugins.orders import OrdersPlugin
OrdersPlugin().on_load()
print("LOADED", json.dumps(sorted(set(sys.modules) - already)))
"""


def test_airflow_loads_the_plugin(airflow_home: Path) -> None:
    manager: Any = importlib.import_module("airflow.plugins_manager")

    found = [
        plugin
        for plugin in manager.get_plugin_info(["name", "source", "fastapi_apps", "external_views"])
        if plugin["name"] == OrdersPlugin.name
    ]

    assert len(found) == 1
    assert [app["url_prefix"] for app in found[0]["fastapi_apps"]] == ["/orders"]
    assert [view["url_route"] for view in found[0]["external_views"]] == ["orders"]
    errors = manager.import_errors if hasattr(manager, "import_errors") else manager.get_import_errors()
    assert errors == {}


def test_there_is_one_way_to_the_plugin() -> None:
    """Airflow would report a second one as an error."""
    (point,) = entry_points(group="airflow.plugins", name="airflow_provider_orders")

    assert point.load() is OrdersPlugin
    assert "plugins" not in airflow_provider_orders.get_provider_info()


def test_processes_that_show_no_page_load_none_of_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=120
    )

    (line,) = [line for line in done.stdout.splitlines() if line.startswith("LOADED")]
    loaded = set(json.loads(line.removeprefix("LOADED")))
    assert loaded - {"airflow_provider_orders"} == {
        "airflow_provider_orders.plugins",
        "airflow_provider_orders.plugins.orders",
    }


def test_the_view_and_its_icons_lie_below_the_application() -> None:
    """They name no host and no root, so that Airflow may be served under a path."""
    (app,), (view,) = OrdersPlugin.fastapi_apps, OrdersPlugin.external_views
    folder = Path(next(iter(airflow_provider_orders.plugins.__path__))) / "page"

    assert view["href"] == f"{app['url_prefix']}/".lstrip("/")
    for name in ("icon", "icon_dark_mode"):
        assert view[name].startswith(view["href"])
        assert (folder / view[name].removeprefix(view["href"])).is_file()
