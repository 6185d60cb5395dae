"""What reaches OpenLineage when tasks end in a real Airflow, with and without a deferral in between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from airflow_provider_orders.export.columns import columns_of, table_columns
from airflow_provider_orders.models.order import Order
from airflow_provider_orders.sandbox import credentials
from tests.unit.hooks.connect import secrets_in

ROOT = Path(__file__).resolve().parents[3]
ORDERS = 30
ACCOUNTS = {
    "dipli": "orders://dipli_default",
    "genuka": f"orders://{credentials.GENUKA_COMPANY_ID.lower()}",
    "popsell": f"orders://{credentials.POPSELL_DOMAIN}",
    "valomnia": "orders://127.0.0.1",
}


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Run DAGs in an Airflow with OpenLineage, whose events go to a file, and give the events."""
    openlineage = pytest.importorskip("airflow.providers.openlineage")
    # 2.7.1 recurses for ever when it is to tell all of a task.
    tells_all = Version(openlineage.__version__) > Version("2.7.1")
    folder = tmp_path_factory.mktemp("lineage")
    home = folder / "home"
    (home / "dags").mkdir(parents=True)
    log = folder / "events.jsonl"
    environment = {
        name: value for name, value in os.environ.items() if not name.upper().startswith("AIRFLOW")
    } | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API_AUTH__JWT_SECRET": "x" * 64,
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
            {"type": "file", "log_file_path": str(log), "append": True}
        ),
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "tests",
        "AIRFLOW__OPENLINEAGE__INCLUDE_FULL_TASK_INFO": str(tells_all),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.lineage.runs", str(folder)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def completed(events: list[dict[str, Any]], job: str) -> dict[str, Any]:
    """Give the event of a task's end."""
    (event,) = (event for event in events if event["job"]["name"] == job and event["eventType"] == "COMPLETE")
    return event


def names(datasets: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(dataset["namespace"], dataset["name"]) for dataset in datasets]


@pytest.mark.slow
@pytest.mark.timeout(300)
class TestEvents:
    @pytest.mark.parametrize(
        ("job", "vendor"),
        [
            ("plain.get", "valomnia"),
            ("plain.list", "popsell"),
            ("plain.changed", "valomnia"),
            ("waiting.wait", "dipli"),  # after it was deferred
        ],
    )
    def test_of_a_task_that_reads(self, events: list[dict[str, Any]], job: str, vendor: str) -> None:
        event = completed(events, job)

        assert names(event["inputs"]) == [(ACCOUNTS[vendor], "orders")]
        assert event["outputs"] == []
        fields = {field["name"] for field in event["inputs"][0]["facets"]["schema"]["fields"]}
        assert fields == {column.name for column in columns_of(Order)}

    @pytest.mark.parametrize(
        ("job", "folder"), [("plain.to_files", "plain"), ("turned_away.export", "deferred")]
    )
    def test_of_an_export_into_files(self, events: list[dict[str, Any]], job: str, folder: str) -> None:
        event = completed(events, job)

        assert names(event["inputs"]) == [(ACCOUNTS["genuka"], "orders")]
        (written,) = event["outputs"]
        assert written["namespace"] == "file"
        assert Path(written["name"]).name == folder
        statistics = written["outputFacets"]["outputStatistics"]
        files = list(Path(written["name"]).glob("*.jsonl"))
        assert (statistics["rowCount"], statistics["fileCount"]) == (ORDERS, len(files)) == (ORDERS, 1)
        assert statistics["size"] == files[0].stat().st_size
        # The one is canonical, the other one as the vendor sent it.
        fields = {field["name"] for field in written["facets"]["schema"]["fields"]}
        (order, *_) = map(json.loads, files[0].read_text(encoding="utf-8").splitlines())
        assert ("amount" in fields, "total" in fields) == ("amount" in order, "total" in order)

    @pytest.mark.parametrize("job", ["turned_away.export", "waiting.wait"])
    def test_of_a_task_that_was_deferred_come_when_it_ends(
        self, events: list[dict[str, Any]], job: str
    ) -> None:
        kinds = [event["eventType"] for event in events if event["job"]["name"] == job]

        assert kinds == ["START", "START", "COMPLETE"]

    def test_of_an_export_into_a_database(self, events: list[dict[str, Any]]) -> None:
        event = completed(events, "plain.to_sql")

        assert names(event["inputs"]) == [(ACCOUNTS["dipli"], "orders")]
        (written,) = event["outputs"]
        assert written["namespace"].endswith("/orders.db")
        assert (written["namespace"].partition("://")[0], written["name"]) == ("sqlite", "orders")
        statistics = written["outputFacets"]["outputStatistics"]
        assert {name: statistics.get(name) for name in ("rowCount", "size", "fileCount")} == {
            "rowCount": ORDERS,
            "size": None,
            "fileCount": None,
        }
        fields = {field["name"]: field["type"] for field in written["facets"]["schema"]["fields"]}
        assert fields == {column.name: column.type for column in table_columns()}

    def test_of_a_merge(self, events: list[dict[str, Any]]) -> None:
        export, merge = completed(events, "plain.to_files"), completed(events, "plain.merge")

        assert names(merge["inputs"]) == names(export["inputs"])
        assert names(merge["outputs"]) == names(export["outputs"])
        assert merge["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == ORDERS

    @pytest.mark.parametrize(
        ("job", "export"), [("plain.with_files", "plain.to_files"), ("plain.with_table", "plain.to_sql")]
    )
    def test_of_a_comparison(self, events: list[dict[str, Any]], job: str, export: str) -> None:
        compared, exported = completed(events, job), completed(events, export)

        assert names(compared["inputs"]) == names(exported["inputs"]) + names(exported["outputs"])
        assert compared["outputs"] == []

    def test_hold_no_secret_and_nobody(self, events: list[dict[str, Any]]) -> None:
        assert secrets_in(json.dumps(events)) == []
