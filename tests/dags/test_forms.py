"""The forms of the example DAGs: what they take, and that Airflow refuses the rest before a task runs."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from airflow.api.common.trigger_dag import trigger_dag
from airflow.providers.common.compat.sdk import ParamValidationError
from airflow.utils.types import DagRunTriggeredByType

from tests.recording import record_dag

CONNECTION = ["", "two words", 7, None]
FOLDER = ["orders", " /data/orders", "s3://", 7, []]
YEAR = [1969, 9999, "2025", 2025.5, None]

WRONG: dict[str, dict[str, list[Any]]] = {
    "example_backfill_year": {
        "orders_conn_id": CONNECTION,
        "year": YEAR,
        "timezone": ["", "Europe Paris", "+01:00", None],
        "path": FOLDER,
    },
    "example_export_orders": {
        "connections": [[], [""], ["two words"], ["a", "a"], "popsell_default", None],
        "path": FOLDER,
        "output": ["xml", "", None],
        "compression": ["zip", "", None],
    },
    "example_get_order": {
        "orders_conn_id": CONNECTION,
        "order_id": ["", " ", 7, None],
        "by": ["e-mail", "", None],
    },
    "example_order_freshness": {
        "orders_conn_id": CONNECTION,
        "minutes": [0, -5, 5256001, "120", 1.5, None],
    },
    "example_pay_commissions": {
        "orders_conn_id": CONNECTION,
        "order_ids": [[""], ["a b"], ["a", "a"], [7], "a", None],
        "at_least": [0, -1, "2", 1.5],
        "rate_percent": [-1, 100.5, "5", None],
        "days": [0, 366, "14", None],
    },
    "example_popsell_ambassadors": {
        "orders_conn_id": CONNECTION,
        "limit": [0, 1025, "20", None],
        "skip": [-1, "0", None],
        "path": FOLDER,
    },
    "example_reconcile_orders": {
        "orders_conn_id": CONNECTION,
        "year": YEAR,
        "depth": ["ids", "", None],
        "repair": ["yes", 1, None],
        "path": FOLDER,
    },
    "example_wait_for_delivery": {
        "orders_conn_id": CONNECTION,
        "order_ids": [[], [""], ["a b"], ["a", "a"], "111111", None],
        "timeout_minutes": [0, 10081, "30", None],
    },
}

RIGHT: dict[str, list[Any]] = {
    "orders_conn_id": ["genuka_default", "shop.eu-1"],
    "path": [None, "/data/orders", "~/orders", "s3://aws_default@bucket/orders", "file:///data/my orders"],
    "order_id": ["100001", "#ORDER 1382"],
    "timezone": ["UTC", "Europe/Paris", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "EST5EDT"],
    "at_least": [None, 1],
}


def test_every_field_of_every_form_is_tried(examples: Any) -> None:
    forms = {dag_id: set(dag.params) for dag_id, dag in examples.dags.items() if dag.params}

    assert {dag_id: set(wrong) for dag_id, wrong in WRONG.items()} == forms


@pytest.mark.parametrize("dag_id", WRONG)
def test_a_run_with_a_wrong_value_is_refused(examples: Any, dag_id: str) -> None:
    record_dag(examples.dags[dag_id])

    for name, values in WRONG[dag_id].items():
        for value in values:
            with pytest.raises(ParamValidationError, match=name):
                trigger_dag(
                    dag_id,
                    triggered_by=DagRunTriggeredByType.TEST,
                    run_id=f"wrong-{uuid.uuid4()}",
                    conf={name: value},
                )


@pytest.mark.parametrize("dag_id", WRONG)
def test_a_right_value_is_taken(examples: Any, dag_id: str) -> None:
    params = examples.dags[dag_id].params

    for name in RIGHT.keys() & WRONG[dag_id].keys():
        for value in RIGHT[name]:
            assert params.get_param(name).resolve(value) == value
