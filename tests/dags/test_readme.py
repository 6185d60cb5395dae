"""What the README shows: its first DAG, its connections and its test of a DAG are run."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_orders.hooks.orders import OrdersHook
from airflow_provider_orders.sandbox import Sandbox
from tests.dags.conftest import read_dags, returned

if TYPE_CHECKING:
    from tests.conftest import DagRunner

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
VENDORS = ("popsell", "dipli", "valomnia", "genuka")


def block(language: str, containing: str) -> str:
    """Give the one code block that contains a text."""
    found = [
        code for code in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if containing in code
    ]
    assert len(found) == 1, containing
    return str(found[0])


def command(start: str) -> list[str]:
    """Give the words of the one command that starts so."""
    (line,) = [line for line in README.splitlines() if line.startswith(start)]
    return shlex.split(line)


def with_sandbox(fields: dict[str, Any], real: dict[str, Any]) -> dict[str, Any]:
    """Put the sandbox's address, credentials and company into a connection of the README; keep all else."""
    extra = fields.get("extra", {})
    assert {"password", "login"} & fields.keys() <= real.keys()
    changed: dict[str, Any] = {name: real[name] for name in ("login", "password") if name in fields}
    changed["host"] = real["host"]
    changed["extra"] = extra | {name: real["extra"].get(name, value) for name, value in extra.items()}
    return fields | changed


def test_first_dag_has_less_than_twenty_lines() -> None:
    assert len(block("python", "@daily").splitlines()) < 20


def test_first_dag_exports_all_orders_and_then_those_that_change(
    dag_runner: DagRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = block("python", "@daily").replace("/data/orders", str(tmp_path / "orders"))
    (tmp_path / "first_dag.py").write_text(code, encoding="utf-8")
    bag = read_dags(tmp_path)
    assert bag.import_errors == {}
    an_hour_ago = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)

    with Sandbox(orders=300, base_date=an_hour_ago, step_s=float("inf")) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        first = dag_runner(bag.dags["changed_orders"])
        sandbox.clock.advance(60)
        sandbox.insert_orders("genuka", 5)
        second = dag_runner(bag.dags["changed_orders"])

    assert (first.state, second.state) == ("success", "success")
    assert [returned(run, "export")["rows"] for run in (first, second)] == [300, 5]


def test_event_driven_dag_is_scheduled_by_the_trigger(tmp_path: Path) -> None:
    (tmp_path / "event_driven.py").write_text(block("python", "AssetWatcher"), encoding="utf-8")
    bag = read_dags(tmp_path)
    assert bag.import_errors == {}

    (asset,) = bag.dags["pay_commissions"].timetable.asset_condition.objects
    (watcher,) = asset.watchers
    assert asset.name == "delivered_orders"
    path, arguments = watcher.trigger.serialize()
    assert path.endswith(".OrderEventTrigger")
    assert arguments["orders_conn_id"] == "genuka_default"


@pytest.mark.parametrize("vendor", VENDORS)
def test_connection_from_the_environment_works(
    vendor: str, orders_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"AIRFLOW_CONN_{vendor.upper()}_DEFAULT"
    (assignment,) = command(f"export {name}=")[1:]
    fields = json.loads(assignment.removeprefix(f"{name}="))

    monkeypatch.setenv(name, json.dumps(fields))
    assert (
        OrdersHook.for_connection(f"{vendor}_default").api.vendor == vendor
    )  # complete and valid as printed

    monkeypatch.setenv(
        name, json.dumps(with_sandbox(fields, orders_sandbox.connections[f"{vendor}_default"]))
    )
    with OrdersHook.for_connection(f"{vendor}_default") as hook:
        assert hook.test_connection()[0]


@pytest.mark.parametrize("vendor", VENDORS)
def test_command_line_and_environment_say_the_same(vendor: str) -> None:
    from airflow.cli.cli_parser import get_parser

    words = command(f"airflow connections add {vendor}_default")
    options = get_parser().parse_args(words[1:])
    (assignment,) = command(f"export AIRFLOW_CONN_{vendor.upper()}_DEFAULT=")[1:]
    fields = json.loads(assignment.partition("=")[2])

    added = {
        "conn_type": options.conn_type,
        "host": options.conn_host,
        "login": options.conn_login,
        "password": options.conn_password,
        "extra": json.loads(options.conn_extra) if options.conn_extra else None,
    }
    assert {name: value for name, value in added.items() if value is not None} == fields


@pytest.mark.parametrize("test", ["test_waits_out_a_rate_limit", "test_sees_the_delivery"])
def test_tests_with_the_sandbox_pass(test: str, orders_sandbox: Sandbox) -> None:
    names: dict[str, Any] = {}
    exec(block("python", "orders_sandbox"), names)  # noqa: S102 - the README's own code

    names[test](orders_sandbox)


def test_results_are_json() -> None:
    shown = re.findall(r"```json\n(.*?)```", README, re.DOTALL)

    assert [set(json.loads(code)) >= {"source"} or "axes" in json.loads(code) for code in shown] == [True] * 3


def test_links_are_absolute() -> None:
    links = re.findall(r"\]\(([^)]*)\)", README)

    assert links
    assert all(link.startswith("https://") for link in links)
