"""What the links of a task lead to: noted while it runs, stored by Airflow as it stops."""

from __future__ import annotations

import importlib
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from airflow.sdk import DAG

from airflow_provider_orders import get_provider_info
from airflow_provider_orders.links.orders import (
    BaseOrdersLink,
    ExportedFilesLink,
    ManifestLink,
    NotesLinksMixin,
    OrderDocumentLink,
    OrderLink,
)
from airflow_provider_orders.operators.orders import GetOrderOperator, ListOrdersOperator
from airflow_provider_orders.sensors.orders import OrderStatusSensor
from airflow_provider_orders.transfers.orders_to_object_storage import OrdersToObjectStorageOperator
from airflow_provider_orders.transfers.orders_to_sql import OrdersToSqlOperator
from tests.unit.hooks.connect import VENDORS, an_order, secrets_in
from tests.unit.sensors.modes import POKE_S, World, nothing

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.models.dagrun import DagRun

    from airflow_provider_orders.sandbox import Sandbox
    from tests.conftest import DagRunner
    from tests.unit.hooks.connect import Connect

PATTERN = "https://admin.example.com/#/orders/{order_id}?tab=lines"
LINKS = (ExportedFilesLink, ManifestLink, OrderDocumentLink, OrderLink)


def stored(run: DagRun, task_id: str, map_index: int = -1) -> dict[str, Any]:
    """Give what Airflow has stored of the links of a task, as its API gives it to the browser."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        rows = session.query(XComModel).filter_by(
            run_id=run.run_id, dag_id=run.dag_id, task_id=task_id, map_index=map_index
        )
        return {
            row.key.removeprefix("_link_"): row.value.strip('"')
            for row in rows
            if row.key.startswith("_link_")
        }


def address_of(link: BaseOrdersLink, task: Any) -> str:
    return link.get_link(task, ti_key=cast("Any", None))


@pytest.mark.parametrize("vendor", VENDORS)
def test_order_is_found_in_the_back_office_that_the_connection_names(
    orders_sandbox: Sandbox, connect: Connect, vendor: str
) -> None:
    connect(vendor, console_url=PATTERN)
    order_id, _ = an_order(orders_sandbox, vendor)
    task = GetOrderOperator(task_id="get", orders_conn_id="changed", order_id=order_id)

    task.execute(cast("Any", {}))

    assert address_of(OrderLink(), task) == f"https://admin.example.com/#/orders/{order_id}?tab=lines"


def test_order_that_was_found_by_its_reference_is_linked_by_its_id(
    orders_sandbox: Sandbox, connect: Connect
) -> None:
    connect("valomnia", console_url=PATTERN)
    order_id, order = an_order(orders_sandbox, "valomnia")
    task = GetOrderOperator(
        task_id="get", orders_conn_id="changed", order_id=order["reference"], by="reference"
    )

    task.execute(cast("Any", {}))

    assert f"/{order_id}?" in address_of(OrderLink(), task)


@pytest.mark.parametrize("vendor", VENDORS)
def test_there_is_no_link_to_a_back_office_that_nobody_has_named(
    orders_sandbox: Sandbox, vendor: str
) -> None:
    order_id, _ = an_order(orders_sandbox, vendor)
    task = GetOrderOperator(task_id="get", orders_conn_id=f"{vendor}_default", order_id=order_id)

    task.execute(cast("Any", {}))

    assert address_of(OrderLink(), task) == ""


def test_document_of_an_order_is_linked(orders_sandbox: Sandbox) -> None:
    order_id, order = an_order(orders_sandbox, "valomnia")
    task = GetOrderOperator(task_id="get", orders_conn_id="valomnia_default", order_id=order_id)

    task.execute(cast("Any", {}))

    assert address_of(OrderDocumentLink(), task) == order["pdfUrl"]


@pytest.mark.parametrize("kind", [str, int, lambda order_id: [order_id]])
def test_wait_for_one_order_links_to_it(orders_sandbox: Sandbox, connect: Connect, kind: Any) -> None:
    order_id, _ = an_order(orders_sandbox, "valomnia")
    connect("valomnia", console_url=PATTERN)
    task = OrderStatusSensor(
        task_id="wait", orders_conn_id="changed", order_id=kind(order_id), wanted="delivered", failed=[]
    )

    task.poke(cast("Any", {}))

    assert f"/{order_id}?" in address_of(OrderLink(), task)


@pytest.mark.parametrize("arguments", [{"order_id": ["7001", "7002"]}, {"order_id": "R", "by": "reference"}])
def test_wait_that_is_not_for_one_id_links_to_none(
    orders_sandbox: Sandbox, connect: Connect, arguments: dict[str, Any]
) -> None:
    assert orders_sandbox.vendors
    connect("valomnia", console_url=PATTERN)
    task = OrderStatusSensor(
        task_id="wait", orders_conn_id="changed", not_found="wait", failed=[], wanted="delivered", **arguments
    )

    task.poke(cast("Any", {}))

    assert task.noted_link(OrderLink) in {None, ""}


def test_export_into_a_folder_of_this_machine_has_no_links(orders_sandbox: Sandbox, tmp_path: Path) -> None:
    assert orders_sandbox.vendors
    task = OrdersToObjectStorageOperator(
        task_id="export", orders_conn_id="dipli_default", path=str(tmp_path), mode="full"
    )
    ti = SimpleNamespace(dag_id="d", task_id="export", run_id="r", map_index=-1)

    task.execute(cast("Any", {"ti": ti}))

    assert [task.noted_link(link) for link in (ExportedFilesLink, ManifestLink)] == ["", ""]


@pytest.fixture
def buckets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let folders on S3 be folders of this machine, which say that they are on S3."""
    from airflow_provider_orders.export.sinks.files import FileSink
    from airflow_provider_orders.operators import targets

    local = targets.folder(str(tmp_path))
    for module in ("operators.targets", "transfers.orders_to_object_storage"):
        monkeypatch.setattr(f"airflow_provider_orders.{module}.folder", lambda _path: local)
    monkeypatch.setattr(FileSink, "uri", property(lambda _sink: "s3://aws_default@lake/orders"))


@pytest.mark.usefixtures("buckets")
def test_export_into_a_bucket_links_to_its_console(orders_sandbox: Sandbox) -> None:
    assert orders_sandbox.vendors
    task = OrdersToObjectStorageOperator(
        task_id="export", orders_conn_id="dipli_default", path="s3://aws_default@lake/orders", mode="full"
    )
    ti = SimpleNamespace(dag_id="d", task_id="export", run_id="r", map_index=-1)

    task.execute(cast("Any", {"ti": ti}))

    assert (
        task.noted_link(ExportedFilesLink)
        == "https://s3.console.aws.amazon.com/s3/buckets/lake?prefix=orders/"
    )


class TestInADag:
    def test_links_are_stored_as_the_task_ends(
        self, orders_sandbox: Sandbox, connect: Connect, dag_runner: DagRunner
    ) -> None:
        connect("valomnia", console_url=PATTERN)
        order_id, order = an_order(orders_sandbox, "valomnia")
        with DAG("get_linked", schedule=None) as dag:
            GetOrderOperator(task_id="get", orders_conn_id="changed", order_id=order_id)

        run = dag_runner(dag)

        assert run.state == "success"
        found = stored(run, "get")
        assert found == {
            "OrderLink": PATTERN.replace("{order_id}", order_id),
            "OrderDocumentLink": order["pdfUrl"],
        }
        assert secrets_in(str(found)) == []

    def test_link_outlives_a_deferral(
        self,
        orders_sandbox: Sandbox,
        connect: Connect,
        dag_runner: DagRunner,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        connect("dipli", console_url=PATTERN)
        order_id, _ = an_order(orders_sandbox, "dipli")
        set_status = partial(orders_sandbox.set_status, "dipli", order_id, axis="fulfillment")
        set_status("pending_confirmation")
        World([nothing, partial(set_status, "shipped")]).hold_the_clock(monkeypatch)
        with DAG("wait_linked", schedule=None) as dag:
            OrderStatusSensor(
                task_id="wait",
                orders_conn_id="changed",
                order_id=order_id,
                poke_interval=POKE_S,
                timeout=600,
                deferrable=True,
            )

        run = dag_runner(dag)

        assert run.state == "success"
        assert stored(run, "wait") == {"OrderLink": PATTERN.replace("{order_id}", order_id)}

    def test_each_mapped_task_has_its_own(
        self, orders_sandbox: Sandbox, connect: Connect, dag_runner: DagRunner
    ) -> None:
        connect("dipli", console_url=PATTERN)
        ids = [an_order(orders_sandbox, "dipli", number)[0] for number in (1, 2)]
        with DAG("link_mapped", schedule=None) as dag:
            GetOrderOperator.partial(task_id="get", orders_conn_id="changed").expand(order_id=ids)

        run = dag_runner(dag)

        assert run.state == "success"
        assert [stored(run, "get", index)["OrderLink"] for index in (0, 1)] == [
            PATTERN.replace("{order_id}", order_id) for order_id in ids
        ]

    def test_task_that_failed_has_none(
        self,
        orders_sandbox: Sandbox,
        connect: Connect,
        dag_runner: DagRunner,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        assert orders_sandbox.vendors
        connect("dipli", console_url=PATTERN, password="wrong")
        with DAG("get_failed", schedule=None) as dag:
            GetOrderOperator(task_id="get", orders_conn_id="changed", order_id="1")

        run = dag_runner(dag)

        assert run.state == "failed"
        assert set(stored(run, "get").values()) <= {""}
        assert "operator extra link" not in caplog.text


def test_airflow_is_told_of_every_link() -> None:
    from airflow.providers_manager import ProvidersManager

    declared = {f"{link.__module__}.{link.__qualname__}" for link in LINKS}

    assert set(get_provider_info()["extra-links"]) == declared
    assert declared <= set(ProvidersManager().extra_links_class_names)  # type: ignore[no-untyped-call]
    for path in declared:
        module, _, name = path.rpartition(".")
        assert issubclass(getattr(importlib.import_module(module), name), BaseOrdersLink)


@pytest.mark.parametrize(
    ("operator", "links"),
    [
        (GetOrderOperator, {"OrderLink", "OrderDocumentLink"}),
        (ListOrdersOperator, set()),
        (OrderStatusSensor, {"OrderLink"}),
        (OrdersToObjectStorageOperator, {"ExportedFilesLink", "ManifestLink"}),
        (OrdersToSqlOperator, set()),
    ],
)
def test_operators_show_the_links_that_they_may_have(operator: Any, links: set[str]) -> None:
    assert {type(link).__name__ for link in operator.operator_extra_links} == links


def test_names_of_links_are_told_apart() -> None:
    assert len({link.name for link in LINKS} | {link().xcom_key for link in LINKS}) == 2 * len(LINKS)


def test_link_on_another_operator_is_none() -> None:
    assert address_of(OrderLink(), SimpleNamespace()) == ""


def test_what_was_noted_counts() -> None:
    task = NotesLinksMixin()
    assert task.noted_link(OrderLink) is None

    task.note_link(OrderLink, None)

    assert (task.noted_link(OrderLink), task.noted_link(OrderDocumentLink)) == ("", "")
