"""The example DAGs: each imports, shows its form, and runs against the sandbox."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.dags.conftest import EXAMPLES, returned

if TYPE_CHECKING:
    from airflow.sdk import Asset

    from airflow_provider_orders.sandbox import Sandbox
    from tests.conftest import DagRunner

FORMS = {
    "example_genuka_webhook": set(),
    "example_get_order": {"orders_conn_id", "order_id", "by"},
    "example_order_events": set(),
    "example_order_freshness": {"orders_conn_id", "minutes"},
    "example_export_orders": {"connections", "path", "output", "compression"},
    "example_popsell_ambassadors": {"orders_conn_id", "limit", "skip", "path"},
    "example_pay_commissions": {"orders_conn_id", "order_ids", "at_least", "rate_percent", "days"},
    "example_wait_for_delivery": {"orders_conn_id", "order_ids", "timeout_minutes"},
    "example_backfill_year": {"orders_conn_id", "year", "timezone", "path"},
    "example_reconcile_orders": {"orders_conn_id", "year", "depth", "repair", "path"},
}


def lines(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    (file,) = manifest["files"]
    content = Path(file["path"].removeprefix("file://")).read_text(encoding="utf-8")
    return [json.loads(line) for line in content.splitlines()]


def test_every_file_gives_one_dag_without_an_error(examples: Any) -> None:
    assert examples.import_errors == {}
    assert set(examples.dags) == set(FORMS) == {path.stem for path in EXAMPLES.glob("example_*.py")}


@pytest.mark.parametrize("dag_id", FORMS)
def test_runs_by_hand_from_a_form_that_explains_itself(examples: Any, dag_id: str) -> None:
    dag = examples.dags[dag_id]
    assert bool(dag.schedule) is not bool(FORMS[dag_id])  # events start what has no form
    assert dag.tags == {"orders", "example"}
    assert dag.doc_md
    assert set(dag.params) == FORMS[dag_id]
    for name in FORMS[dag_id]:
        param = dag.params.get_param(name)
        assert {"title", "type"} <= param.schema.keys(), name
        assert param.description or param.schema.get("enum"), name
        param.resolve()  # the default is valid


def test_get_order(examples: Any, dag_runner: DagRunner, orders_sandbox: Sandbox) -> None:
    order_id = orders_sandbox.live_ids("genuka")[0]

    run = dag_runner(
        examples.dags["example_get_order"], conf={"orders_conn_id": "genuka_default", "order_id": order_id}
    )

    assert run.state == "success"
    assert returned(run, "describe").startswith("genuka order #ORDER_1001: ")


def test_export_orders(examples: Any, dag_runner: DagRunner, orders_sandbox: Sandbox, tmp_path: Path) -> None:
    run = dag_runner(
        examples.dags["example_export_orders"], conf={"path": str(tmp_path), "output": "canonical"}
    )

    assert run.state == "success"
    assert returned(run, "summarise") == {f"{vendor}_default": 230 for vendor in orders_sandbox.vendors}
    for index, vendor in enumerate(orders_sandbox.vendors):
        orders = lines(returned(run, "export", index))
        assert {order["source"] for order in orders} == {vendor}
        assert len({order["id"] for order in orders}) == 230


def test_popsell_ambassadors(
    examples: Any,
    dag_runner: DagRunner,
    orders_sandbox: Sandbox,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = dag_runner(
        examples.dags["example_popsell_ambassadors"], conf={"limit": 2, "skip": 1, "path": str(tmp_path)}
    )

    assert run.state == "success"
    chosen = returned(run, "list_ambassadors")
    credited = [payload["ambassador"] for payload in orders_sandbox.payloads("popsell")]
    counts = [
        sum(1 for person in credited if person and person["id_ambassador"] == ambassador)
        for ambassador in chosen
    ]
    assert [returned(run, "export", index)["rows"] for index in range(2)] == counts
    assert returned(run, "summarise")["orders"] == sum(counts)
    assert "There are more ambassadors; trigger the DAG again with skip=3" in caplog.text


def test_wait_for_delivery(examples: Any, dag_runner: DagRunner, orders_sandbox: Sandbox) -> None:
    orders_sandbox.set_status("dipli", "111111", "shipped")
    orders_sandbox.set_status("dipli", "111112", "shipped")

    run = dag_runner(examples.dags["example_wait_for_delivery"], conf={"order_ids": ["111111", "111112"]})

    assert run.state == "success"
    assert returned(run, "go_on") == ["111111", "111112"]


def test_wait_for_a_cancelled_order_fails_by_its_name(
    examples: Any, dag_runner: DagRunner, orders_sandbox: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    orders_sandbox.set_status("dipli", "111111", "cancelled")

    run = dag_runner(examples.dags["example_wait_for_delivery"])

    assert run.state == "failed"
    output = capfd.readouterr()
    assert "order 111111 is cancelled" in output.out + output.err


def test_genuka_webhook(examples: Any, dag_runner: DagRunner) -> None:
    class Triggering:
        def __getitem__(self, asset: Asset) -> list[SimpleNamespace]:
            return [SimpleNamespace(extra=extra) for extra in ({"payload": event}, {"from_rest_api": True})]

    event = {
        "order_id": "1",
        "statuses": {"fulfillment": {"status": "delivered", "status_raw": "delivered"}},
    }
    tasks = examples.dags["example_genuka_webhook"].task_dict

    assert tasks["read_events"].python_callable(triggering_asset_events=Triggering()) == [event]
    assert tasks["find_delivered"].python_callable([event]) == ["1"]
    by_hand = dag_runner(examples.dags["example_genuka_webhook"])
    assert returned(by_hand, "find_delivered") == []


def test_order_events(examples: Any) -> None:
    class Triggering:
        def __getitem__(self, asset: Asset) -> list[SimpleNamespace]:
            return [SimpleNamespace(extra={"from_trigger": True, "payload": event})]

    event = {"order_id": "1", "event_id": "0b54"}
    tasks = examples.dags["example_order_events"].task_dict

    assert tasks["read_events"].python_callable(triggering_asset_events=Triggering()) == [event]
    assert tasks["pay_commission"].python_callable(event) == "1"


def test_order_freshness(examples: Any, dag_runner: DagRunner, orders_sandbox: Sandbox) -> None:
    minutes = int((datetime.now(UTC) - orders_sandbox.clock.now()).total_seconds() / 60) + 60 * 24 * 30

    run = dag_runner(examples.dags["example_order_freshness"], conf={"minutes": minutes})

    assert run.state == "success"
    assert returned(run, "report") > 0


def test_pay_commissions(examples: Any, dag_runner: DagRunner, orders_sandbox: Sandbox) -> None:
    orders = [order for order in orders_sandbox.payloads("genuka") if not order["deleted_at"]][10:13]
    for order in orders[:2]:
        orders_sandbox.set_status("genuka", order["id"], "delivered", axis="fulfillment")
        orders_sandbox.set_status("genuka", order["id"], "paid", axis="payment")
    orders_sandbox.set_status("genuka", orders[2]["id"], "pending", axis="fulfillment")
    ids = [order["id"] for order in orders]

    run = dag_runner(
        examples.dags["example_pay_commissions"],
        conf={"order_ids": ids, "at_least": 2, "rate_percent": 10},
    )

    assert run.state == "success"
    assert returned(run, "pay") == {
        order["id"]: f"{Decimal(str(order['amount'])) / 10:.2f} {order['currency']}" for order in orders[:2]
    }


def test_pay_commissions_of_the_sandbox(
    examples: Any, dag_runner: DagRunner, orders_sandbox: Sandbox
) -> None:
    run = dag_runner(examples.dags["example_pay_commissions"], conf={"order_ids": [], "at_least": None})

    assert run.state == "success"
    assert len(returned(run, "pay")) == 2
    assert orders_sandbox.requests


def test_backfill_year(examples: Any, dag_runner: DagRunner, orders_sandbox: Sandbox, tmp_path: Path) -> None:
    run = dag_runner(
        examples.dags["example_backfill_year"],
        conf={"orders_conn_id": "dipli_default", "year": 2025, "path": str(tmp_path)},
    )

    assert run.state == "success"
    merged = returned(run, "merge")
    assert (merged["parts"], merged["rows"]) == (12, len(orders_sandbox.payloads("dipli")))
    assert merged["window"] == ["2024-12-31T23:00:00+00:00", "2025-12-31T23:00:00+00:00"]
    assert merged["watermark"] == merged["window"][1]


def test_reconcile_and_repair(
    examples: Any, dag_runner: DagRunner, orders_sandbox: Sandbox, tmp_path: Path
) -> None:
    conf = {"orders_conn_id": "genuka_default", "year": 2025, "path": str(tmp_path)}
    dag = examples.dags["example_reconcile_orders"]
    dag_runner(
        examples.dags["example_export_orders"],
        conf={"connections": ["genuka_default"], "path": str(tmp_path)},
    )
    (file,) = tmp_path.glob("*.jsonl")
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[2:]))

    first = returned(dag_runner(dag, conf=conf), "reconcile")
    second = dag_runner(dag, conf={**conf, "repair": False})

    assert first["missing"]["count"] == 2
    assert len(first["windows_to_repair"]) == 1
    assert second.state == "success"
    assert returned(second, "reconcile")["is_equal"]
    assert returned(second, "reconcile")["checked"]["source"] == len(orders_sandbox.payloads("genuka"))


def test_missing_connection_is_named(
    examples: Any, dag_runner: DagRunner, orders_sandbox: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    assert orders_sandbox.vendors

    run = dag_runner(examples.dags["example_get_order"], conf={"orders_conn_id": "no_such"})

    assert run.state == "failed"
    output = capfd.readouterr()
    assert "There is no connection 'no_such'. Add it under Admin > Connections" in output.out + output.err
