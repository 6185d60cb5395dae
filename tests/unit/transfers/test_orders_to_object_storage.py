"""The transfer as a task: its folder, its files' names, its templates, and several of them in one run."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG, ObjectStoragePath, TaskGroup, task
from airflow.sdk.io import attach
from airflow.timetables.interval import CronDataIntervalTimetable
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from airflow_provider_orders.errors import ConfigurationError, UnexpectedPayloadError
from airflow_provider_orders.transfers.orders_to_object_storage import OrdersToObjectStorageOperator
from tests.unit.export.exports import check_files, context, lines, local, names, orders
from tests.unit.hooks.connect import VENDORS, secrets_in, truth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_orders.sandbox import Sandbox
    from tests.conftest import DagRunner


def run(path: Any, conn_id: str = "dipli_default", **arguments: Any) -> dict[str, Any]:
    operator = OrdersToObjectStorageOperator(
        **{"task_id": "export", "orders_conn_id": conn_id, "path": path, "limit": 3, **arguments}
    )
    return operator.execute(context())


class TestTheFolder:
    @pytest.mark.parametrize(
        "form", [str, Path, lambda path: f"file://{path}", lambda path: ObjectStoragePath(f"file://{path}")]
    )
    def test_may_be_written_in_each_form(self, orders_sandbox: Sandbox, tmp_path: Path, form: Any) -> None:
        manifest = run(form(tmp_path / "new" / "folder"))
        assert local(manifest["uri"]) == tmp_path / "new" / "folder"
        assert len(names(tmp_path / "new" / "folder")) == 2
        assert orders_sandbox.requests

    @pytest.mark.parametrize(
        "name", ["with space", "ha#sh", "per%41cent", "ques?tion", "ünï", "at@home", "co:lon"]
    )
    def test_may_have_any_name(self, orders_sandbox: Sandbox, tmp_path: Path, name: str) -> None:
        check_files(run(str(tmp_path / name)))
        assert len(names(tmp_path / name)) == 2
        assert orders_sandbox.requests

    def test_is_in_airflows_home_by_default(
        self, orders_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
        for path in (None, ""):
            assert local(run(path)["uri"]) == tmp_path / "orders"
        assert orders_sandbox.requests

    def test_may_start_at_the_users_home_or_here(
        self, orders_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("AIRFLOW_HOME", "~/airflow")
        monkeypatch.chdir(tmp_path)
        assert local(run("~/mine")["uri"]) == tmp_path / "mine"
        assert local(run("here")["uri"]) == tmp_path / "here"
        assert local(run(None)["uri"]) == tmp_path / "airflow" / "orders"
        assert orders_sandbox.requests


class TestAnotherStorage:
    @pytest.fixture(autouse=True)
    def _memory(self) -> Iterator[None]:
        attach("memory", fs=MemoryFileSystem())
        yield
        MemoryFileSystem.store.clear()

    @staticmethod
    def stored() -> dict[str, bytes]:
        return {
            path.rpartition("/")[2]: file.getvalue()
            for path, file in MemoryFileSystem.store.items()
            if not path.endswith(".shape.json")
        }

    def test_gets_the_same_files(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        run("memory://box/orders", limit=None)
        run(str(tmp_path), limit=None)
        found = self.stored()
        assert sorted(found) == names(tmp_path)
        for name, data in found.items():
            if not name.endswith(".manifest.json"):
                assert data == (tmp_path / name).read_bytes()
        assert orders_sandbox.requests

    def test_is_replaced_and_cleaned_as_well(self, orders_sandbox: Sandbox) -> None:
        orders_sandbox.inject("bad_row", vendor="dipli", variant="text_amount")
        run("memory://box/orders", limit=None, compression="gzip", on_reject="keep")
        assert len(self.stored()) == 3
        (stem,) = {name.partition(".")[0] for name in self.stored()}
        leftover = ObjectStoragePath("memory://box/orders") / f".{stem}.jsonl.0badcafe.part"
        with leftover.open("wb") as file:  # type: ignore[no-untyped-call]
            file.write(b"half")
        run("memory://box/orders")
        assert sorted(self.stored()) == [f"{stem}.jsonl", f"{stem}.manifest.json"]
        assert len(self.stored()[f"{stem}.jsonl"].splitlines()) == 3

    def test_is_left_as_it_was_when_the_export_fails(self, orders_sandbox: Sandbox) -> None:
        run("memory://box/orders")
        before = self.stored()
        orders_sandbox.inject("bad_row", vendor="dipli", variant="text_amount")
        with pytest.raises(UnexpectedPayloadError):
            run("memory://box/orders", limit=None)
        assert self.stored() == before

    def test_that_airflow_does_not_know_is_named(self, orders_sandbox: Sandbox) -> None:
        for url in ("ftpx://box/orders", "s3://bucket/orders"):
            with pytest.raises(ConfigurationError, match="path") as caught:
                run(url)
            assert caught.value.field == "path"
        assert orders_sandbox.requests == []


class TestTheNames:
    @staticmethod
    def stem(**about: Any) -> str:
        operator = OrdersToObjectStorageOperator(task_id="export", orders_conn_id="dipli_default", limit=1)
        manifest = operator.execute(context(**about))
        return local(manifest["files"][0]["path"]).name.removesuffix(".jsonl")

    @pytest.fixture(autouse=True)
    def _home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))

    def test_are_the_same_for_each_try_and_differ_for_every_other_task(self, orders_sandbox: Sandbox) -> None:
        tasks: list[dict[str, Any]] = [
            {},
            {"map_index": 0},
            {"map_index": 1},
            {"task_id": "a.b"},
            {"task_id": "a-b"},
            {"run_id": "scheduled__2026-01-02"},
            {"task_id": "x" * 250},
            {"task_id": "x" * 249 + "y"},
        ]
        stems = [self.stem(**about) for about in tasks]
        assert len(set(stems)) == len(tasks)
        assert [self.stem(**about) for about in tasks] == stems
        assert all(len(stem) < 150 for stem in stems)
        assert orders_sandbox.requests

    def test_tell_vendor_task_and_run(self, orders_sandbox: Sandbox) -> None:
        assert self.stem(task_id="load", run_id="scheduled__2026-01-02T00:00:00+00:00").startswith(
            "dipli-load-scheduled-2026-01-02T00-00-00-00-00-"
        )
        assert orders_sandbox.requests


class TestInADag:
    @pytest.mark.parametrize("vendor", VENDORS)
    def test_the_manifest_comes_through_xcom(
        self, orders_sandbox: Sandbox, dag_runner: DagRunner, tmp_path: Path, vendor: str
    ) -> None:
        seen: list[Any] = []
        with DAG(f"export_{vendor}", schedule=None) as dag:
            export = OrdersToObjectStorageOperator(
                task_id="export", orders_conn_id=f"{vendor}_default", path=str(tmp_path), compression="gzip"
            )

            @task
            def take(manifest: Any) -> None:
                seen.append(manifest)

            take(export.output)
        assert dag_runner(dag).state == "success"
        (manifest,) = seen
        check_files(manifest)
        assert {str(o["id_order" if vendor == "popsell" else "id"]) for o in orders(manifest)} == truth(
            orders_sandbox, vendor
        ).keys()
        assert secrets_in(json.dumps(manifest)) == []

    def test_every_templated_field_is_rendered(
        self, orders_sandbox: Sandbox, dag_runner: DagRunner, tmp_path: Path
    ) -> None:
        seen: list[Any] = []
        conf = {
            "folder": str(tmp_path),
            "conn": "genuka_default",
            "status": "delivered",
            "packed": "gzip",
            "most": 4,
            "state": "3",
        }
        with DAG(
            "export_templates",
            schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
            start_date=datetime(2025, 1, 1, tzinfo=UTC),
            params={"folder": "", "conn": "", "status": "", "packed": "", "most": 0, "state": ""},
        ) as dag:
            export = OrdersToObjectStorageOperator(
                task_id="export",
                orders_conn_id="{{ params.conn }}",
                path="{{ params.folder }}/{{ ds }}",
                compression="{{ params.packed }}",
                created_from="{{ data_interval_start - macros.timedelta(days=60) }}",
                created_to="{{ data_interval_end.isoformat() }}",
                statuses=["{{ params.status }}", "cancelled"],
                vendor_params={"filter[state]": "{{ params.state }}"},
                limit="{{ params.most }}",
            )

            @task
            def take(manifest: Any) -> None:
                seen.append(manifest)

            take(export.output)
        finished = dag_runner(dag, conf=conf, logical_date=datetime(2025, 12, 20, tzinfo=UTC))
        assert finished.state == "success"
        (manifest,) = seen
        assert manifest["orders_conn_id"] == "genuka_default"
        assert local(manifest["uri"]) == tmp_path / "2025-12-20"
        assert manifest["files"][0]["path"].endswith(".jsonl.gz")
        assert manifest["rows"] == 4
        start, end = (datetime.fromisoformat(text) for text in manifest["window"])
        assert end - start in {timedelta(days=60), timedelta(days=61)}
        (query, *_) = [request.query for request in orders_sandbox.requests]
        assert query["filter[shipping->status]"] in {"delivered", "cancelled"}
        assert query["filter[state]"] == "3"

    def test_a_days_interval_brings_that_days_orders(
        self, orders_sandbox: Sandbox, dag_runner: DagRunner, tmp_path: Path
    ) -> None:
        with DAG(
            "export_daily",
            schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
            start_date=datetime(2025, 1, 1, tzinfo=UTC),
        ) as dag:
            OrdersToObjectStorageOperator(
                task_id="export",
                orders_conn_id="valomnia_default",
                path=str(tmp_path),
                updated_from="{{ data_interval_start }}",
                updated_to="{{ data_interval_end }}",
            )
        assert dag_runner(dag, logical_date=datetime(2025, 12, 30, tzinfo=UTC)).state == "success"
        (beside,) = tmp_path.glob("*.manifest.json")
        manifest = json.loads(beside.read_bytes())
        start, end = (datetime.fromisoformat(text) for text in manifest["window"])
        assert end - start == timedelta(days=1)
        assert {str(order["id"]) for order in orders(manifest)} == {
            order_id
            for order_id, order in truth(orders_sandbox, "valomnia").items()
            if start <= datetime.fromisoformat(order["lastUpdated"]) < end
        }

    def test_a_run_without_an_interval_is_no_full_export(
        self, orders_sandbox: Sandbox, dag_runner: DagRunner, tmp_path: Path
    ) -> None:
        with DAG("export_manual", schedule=None) as dag:
            OrdersToObjectStorageOperator(
                task_id="export",
                orders_conn_id="valomnia_default",
                path=str(tmp_path),
                updated_from="{{ data_interval_start }}",
                updated_to="{{ data_interval_end }}",
            )
        finished = dag_runner(dag)
        manifests = [json.loads(path.read_bytes()) for path in tmp_path.glob("*.manifest.json")]
        # Depending on Airflow's version such a run has an interval of no length, or none at all.
        assert finished.state == "failed" or [manifest["mode"] for manifest in manifests] == ["window"]

    def test_a_zero_length_interval_is_an_empty_file(
        self, orders_sandbox: Sandbox, dag_runner: DagRunner, tmp_path: Path
    ) -> None:
        with DAG("export_cron", schedule="@daily", start_date=datetime(2025, 1, 1, tzinfo=UTC)) as dag:
            OrdersToObjectStorageOperator(
                task_id="export",
                orders_conn_id="genuka_default",
                path=str(tmp_path),
                updated_from="{{ data_interval_start }}",
                updated_to="{{ data_interval_start }}",
            )
        assert dag_runner(dag, logical_date=datetime(2025, 12, 30, tzinfo=UTC)).state == "success"
        (beside,) = tmp_path.glob("*.manifest.json")
        assert json.loads(beside.read_bytes())["rows"] == 0
        assert orders_sandbox.requests

    def test_tasks_of_one_run_do_not_collide(
        self, orders_sandbox: Sandbox, dag_runner: DagRunner, tmp_path: Path
    ) -> None:
        seen: list[Any] = []
        with DAG("export_many", schedule=None) as dag:
            shared: dict[str, Any] = {
                "orders_conn_id": "dipli_default",
                "path": ObjectStoragePath(f"file://{tmp_path}"),
            }
            one = OrdersToObjectStorageOperator(task_id="export-in", limit=1, **shared)
            with TaskGroup("export"):
                two = OrdersToObjectStorageOperator(task_id="in", limit=2, **shared)
            mapped = OrdersToObjectStorageOperator.partial(task_id="mapped", **shared).expand_kwargs(
                [{"limit": 3}, {"limit": 4, "compression": "gzip"}]
            )
            fanned = OrdersToObjectStorageOperator.partial(
                task_id="fanned", path=str(tmp_path), limit=5
            ).expand(orders_conn_id=["popsell_default", "genuka_default"])

            @task
            def take(*manifests: Any) -> None:
                for manifest in manifests:
                    seen.extend([manifest] if isinstance(manifest, dict) else manifest)

            take(one.output, two.output, mapped.output, fanned.output)
        assert dag_runner(dag).state == "success"
        assert [manifest["rows"] for manifest in seen] == [1, 2, 3, 4, 5, 5]
        assert [len(lines(manifest)) for manifest in seen] == [1, 2, 3, 4, 5, 5]
        assert len(names(tmp_path)) == 12
        assert orders_sandbox.requests

    def test_the_dags_own_params_are_no_filters(
        self, orders_sandbox: Sandbox, dag_runner: DagRunner, tmp_path: Path
    ) -> None:
        with DAG("export_params", schedule=None, params={"new": "true", "operationType": "x"}) as dag:
            OrdersToObjectStorageOperator(
                task_id="export", orders_conn_id="dipli_default", path=str(tmp_path), params={"mine": 1}
            )
        assert dag_runner(dag).state == "success"
        assert {frozenset(request.query) for request in orders_sandbox.requests} == {
            frozenset({"page", "pageSize"})
        }
