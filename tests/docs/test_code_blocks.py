"""Every code block of the documents is run, or read by what would run it."""

from __future__ import annotations

import importlib.util
import json
import re
from datetime import UTC, datetime, timedelta
from importlib.metadata import metadata
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_orders.hooks.orders import OrdersHook
from airflow_provider_orders.sandbox import Sandbox
from tests.dags.conftest import read_dags, returned
from tests.docs.blocks import PAGES, ROOT, Block, blocks, commands

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import DagRunner

DAGS = [block for block in blocks("python") if "@dag" in block.code]
# Those of the README are run by tests/dags/test_readme.py.
TESTS = [block for block in blocks("python") if "def test_" in block.code and block.page != "README.md"]
STEP = "CONTRIBUTING.md"  # its block is a step, which test_contributing.py takes
SCRIPTS = [
    block
    for block in blocks("python")
    if block not in [*DAGS, *TESTS] and block.page not in {"README.md", STEP}
]
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_language_of_each_block_is_named() -> None:
    known = {"bash", "json", "python", "shell", "sql", "text", "{eval-rst}", "{from-code}", "{toctree}"}

    assert {str(block) for block in blocks() if block.language not in known} == set()


@pytest.mark.parametrize("block", DAGS, ids=str)
def test_dag_is_read_without_errors(block: Block, airflow_db: Path, tmp_path: Path) -> None:
    (tmp_path / "block.py").write_text(block.code, encoding="utf-8")

    bag = read_dags(tmp_path)

    assert bag.import_errors == {}
    assert len(bag.dags) == block.code.count("@dag")


@pytest.mark.parametrize("block", TESTS, ids=str)
def test_tests_pass(block: Block, orders_sandbox: Sandbox) -> None:
    names: dict[str, Any] = {}
    exec(block.code, names)  # noqa: S102 - our own documents
    tests = [value for name, value in names.items() if name.startswith("test_")]

    assert tests
    for test in tests:
        orders_sandbox.reset()
        test(orders_sandbox)


@pytest.mark.parametrize("block", SCRIPTS, ids=str)
@pytest.mark.usefixtures("orders_sandbox")
def test_script_runs(block: Block) -> None:
    exec(block.code, {})  # noqa: S102


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_can_be_read(block: Block) -> None:
    assert json.loads(block.code)


def test_quick_start_waits_and_fetches(
    orders_sandbox: Sandbox, dag_runner: DagRunner, airflow_db: Path, tmp_path: Path
) -> None:
    (block,) = [
        block for block in DAGS if block.page == "docs/quickstart.md" and "after_delivery" in block.code
    ]
    order_id = orders_sandbox.payloads("genuka")[0]["id"]
    orders_sandbox.set_status("genuka", order_id, "delivered", axis="fulfillment")
    (tmp_path / "block.py").write_text(block.code, encoding="utf-8")

    run = dag_runner(read_dags(tmp_path).dags["after_delivery"], conf={"order_id": order_id})

    assert run.state == "success"


def dag_of_the_waits_page(dag_id: str, folder: Path) -> Any:
    (block,) = [block for block in DAGS if block.page == "docs/waiting.md" and f"def {dag_id}(" in block.code]
    (folder / "block.py").write_text(block.code, encoding="utf-8")
    return read_dags(folder).dags[dag_id]


def test_wait_for_several_orders_ends_when_all_are_delivered_and_paid(
    orders_sandbox: Sandbox, dag_runner: DagRunner, airflow_db: Path, tmp_path: Path
) -> None:
    order_ids = [order["id"] for order in orders_sandbox.payloads("genuka") if not order["deleted_at"]][:2]
    for order_id in order_ids:
        orders_sandbox.set_status("genuka", order_id, "delivered", axis="fulfillment")
        orders_sandbox.set_status("genuka", order_id, "paid", axis="payment")
    dag = dag_of_the_waits_page("after_delivery_and_payment", tmp_path)

    run = dag_runner(dag, conf={"order_ids": order_ids})

    assert run.state == "success"
    assert [order["order_id"] for order in returned(run, "wait")["orders"]] == order_ids


def test_alarm_is_quiet_while_orders_come_in(
    dag_runner: DagRunner, airflow_db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_hour_ago = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    with Sandbox(orders=20, base_date=an_hour_ago, step_s=float("inf")) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        sandbox.insert_orders("genuka", 1)

        run = dag_runner(dag_of_the_waits_page("orders_are_fresh", tmp_path))

    assert run.state == "success"
    assert returned(run, "fresh")["count"] >= 1


def check_make(words: list[str]) -> None:
    asked = [word for word in words[1:] if "=" not in word and not word.startswith("-")]
    assert set(asked) <= TARGETS


def check_pip(words: list[str]) -> None:
    assert words[1] == "install"
    known = set(metadata("airflow-provider-orders").get_all("Provides-Extra") or [])
    extras = [name for word in words for found in re.findall(r"\[(.*)\]", word) for name in found.split(",")]
    assert set(extras) <= known


def check_airflow(words: list[str]) -> None:
    from airflow.cli.cli_parser import get_parser

    get_parser().parse_args(words[1:])


def check_airflow_orders(words: list[str]) -> None:
    from airflow_provider_orders.cli.program import _parser

    _parse(_parser(), words[1:])


def check_python(words: list[str]) -> None:
    assert words[1] == "-m"
    assert importlib.util.find_spec(words[2])
    if words[2] == "airflow_provider_orders.sandbox":
        from airflow_provider_orders.sandbox.__main__ import _parser

        _parse(_parser(), words[3:])


def check_export(words: list[str]) -> None:
    for assignment in words[1:]:
        name, _, value = assignment.partition("=")
        assert re.fullmatch(r"[A-Z][A-Z0-9_]*", name)
        if name.startswith("AIRFLOW_CONN_"):
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv(name, value)
                assert OrdersHook.for_connection(name.removeprefix("AIRFLOW_CONN_").lower()).api.settings


def check_path(words: list[str]) -> None:
    """Check a command of this repository: the file is there, or an environment holds it."""
    first = words[0]
    assert first.startswith(".venv/bin/") or (ROOT / first).exists()


def check_nothing(words: list[str]) -> None:
    """Know a command of the system."""
    del words


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "airflow": check_airflow,
    "airflow-orders": check_airflow_orders,
    "cd": check_nothing,
    "export": check_export,
    "git": check_nothing,
    "make": check_make,
    "pip": check_pip,
    "pre-commit": check_nothing,
    "python": check_python,
    "python3.11": check_nothing,
    "uvicorn": check_nothing,
}


def _parse(parser: argparse.ArgumentParser, words: list[str]) -> None:
    try:
        parser.parse_args(words)
    except SystemExit as stopped:
        code = stopped.code
    else:
        code = 0
    assert not code, words


@pytest.mark.parametrize("block", blocks("bash", "shell"), ids=str)
def test_commands_exist(block: Block) -> None:
    found = commands(block)
    while found and re.fullmatch(r"[A-Z_]+=.*", found[0][0]):
        found[0].pop(0)

    assert found
    for words in found:
        CHECKS.get(words[0], check_path)(words)


@pytest.mark.parametrize("page", PAGES)
def test_targets_of_make_in_the_text_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    asked = [
        words for found in re.findall(r"`(?:[A-Z]+=\S+ )*(make [^`]+)`", text) for words in [found.split()]
    ]

    for words in asked:
        check_make([word.strip('"') for word in words if re.fullmatch(r"[a-z0-9-]+", word)])
