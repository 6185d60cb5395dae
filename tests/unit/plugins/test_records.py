"""What the Orders page finds in the metadata database, and what it leaves there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_orders.operators.merge import MergeExportsOperator
from airflow_provider_orders.plugins.page import records
from airflow_provider_orders.plugins.page.access import Access
from airflow_provider_orders.plugins.page.exports import TaskKey
from airflow_provider_orders.plugins.page.records import Records, read_records
from airflow_provider_orders.sensors.orders import OrderStatusSensor
from airflow_provider_orders.sensors.updated import OrdersUpdatedSensor
from airflow_provider_orders.transfers.orders_to_object_storage import OrdersToObjectStorageOperator
from airflow_provider_orders.transfers.orders_to_sql import OrdersToSqlOperator
from airflow_provider_orders.triggers.events import OrdersUpdatedTrigger
from airflow_provider_orders.triggers.orders import OrderStatusTrigger
from airflow_provider_orders.triggers.pauses import PauseTrigger
from tests.unit.plugins.metadata import NOW, Metadata, manifest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services import Database
    from tests.unit.plugins.conftest import Keeper


def read(metadata: Metadata, keeper: Keeper) -> Records:
    with metadata.session() as session:
        return read_records(session, Access(keeper, "ada", session), now=NOW)  # type: ignore[arg-type]


def test_finds_exports_and_waits_in_each_kind_of_database(
    airflow_home: Path, any_database: Database, keeper: Keeper, request: pytest.FixtureRequest
) -> None:
    metadata = Metadata.create(any_database.url)
    request.addfinalizer(metadata.engine.dispose)
    returned = metadata.export()
    declared = metadata.task()
    metadata.event(manifest(ended=NOW - timedelta(hours=2), drift=3), task=declared)
    metadata.event({"rows": 1}, key="something_else")
    metadata.export(operator="BashOperator", returned={"rows": 3})
    waiting = metadata.wait(
        OrderStatusTrigger(orders_conn_id="shop", order_id=["1", "2"]), since=NOW - timedelta(hours=5)
    )

    found = read(metadata, keeper)

    assert [export.task for export in found.exports] == [returned, declared]
    assert [export.drift for export in found.exports] == [0, 3]
    assert [(wait.task, wait.orders_conn_id, wait.orders) for wait in found.waits] == [(waiting, "shop", 2)]
    assert found.waits[0].since == NOW - timedelta(hours=5)
    assert found.more_waits == 0
    assert found.complete_since is None


def test_an_export_that_left_an_event_and_a_manifest_is_there_once(
    metadata: Metadata, keeper: Keeper
) -> None:
    task = metadata.export(returned=manifest(drift=[{"path": "a"}, {"path": "b"}]))
    for asset_id in (1, 2):
        metadata.event(manifest(drift=2), task=task, asset_id=asset_id)

    (export,) = read(metadata, keeper).exports

    assert (export.task, export.drift) == (task, 2)


def test_each_run_of_a_task_that_was_cleared_is_there(metadata: Metadata, keeper: Keeper) -> None:
    """Its XCom is gone, its event stays."""
    earlier = NOW - timedelta(hours=3)
    task = metadata.export()
    metadata.event(manifest(ended=earlier), task=task, at=earlier)

    found = read(metadata, keeper).exports

    assert [export.finished_at for export in found] == [NOW - timedelta(hours=1), earlier]


def test_an_event_of_no_task_counts(metadata: Metadata, keeper: Keeper) -> None:
    metadata.event(manifest())

    (export,) = read(metadata, keeper).exports

    assert export.task is None


@pytest.mark.parametrize(
    "returned",
    [
        "text",
        ["a", "list"],
        {"rows": 3},
        manifest(orders_conn_id=7),
        manifest(rows="many"),
        manifest(rows=True),
        manifest(started_at="yesterday"),
        manifest(finished_at=None),
        {"__classname__": "some.Model", "__version__": 1, "__data__": {"rows": 3}},
    ],
)
def test_what_is_no_manifest_is_passed_over(metadata: Metadata, keeper: Keeper, returned: Any) -> None:
    metadata.export(returned=returned)
    metadata.event(returned)

    assert read(metadata, keeper).exports == []


def test_odd_fields_of_a_manifest_are_as_good_as_missing(metadata: Metadata, keeper: Keeper) -> None:
    metadata.export(
        returned=manifest(
            window="all",
            watermark=5,
            rejected=-1,
            drift=None,
            statuses={"order": 3, "payment": {"paid": "x"}},
        )
    )

    (export,) = read(metadata, keeper).exports

    assert export.window == (None, None)
    assert export.data_until == export.started_at
    assert (export.rejected, export.drift) == (0, 0)
    assert export.statuses == {"payment": {}}


def test_a_failed_export_is_there_without_numbers(metadata: Metadata, keeper: Keeper) -> None:
    metadata.export(state="failed", rendered={"orders_conn_id": "shop", "path": "/secret"})
    metadata.export(state="failed")

    (export,) = read(metadata, keeper).exports

    assert (export.orders_conn_id, export.succeeded, export.rows) == ("shop", False, 0)
    assert export.seconds == 30


def test_exports_of_thirty_days_are_there(metadata: Metadata, keeper: Keeper) -> None:
    metadata.export(ended=NOW - timedelta(days=29))
    metadata.export(ended=NOW - timedelta(days=31))
    metadata.event(manifest(), at=NOW - timedelta(days=31))

    assert len(read(metadata, keeper).exports) == 1


def test_a_busy_task_does_not_crowd_out_a_rare_one(
    metadata: Metadata, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MOST_EXPORTS", 3)
    rare = metadata.export(TaskKey("waiting", "rare", "export"), ended=NOW - timedelta(days=20))
    for hours in range(5, 0, -1):
        metadata.export(ended=NOW - timedelta(hours=hours))

    found = read(metadata, keeper)

    assert len(found.exports) == 3
    assert found.exports[-1].task == rare
    assert found.complete_since == NOW - timedelta(hours=2)


def test_a_month_of_exports_every_half_hour_is_there(metadata: Metadata, keeper: Keeper) -> None:
    for run in range(30 * 48):
        metadata.event(manifest(ended=NOW - timedelta(minutes=30 * run)), task=metadata.task())

    found = read(metadata, keeper)

    assert len(found.exports) == 30 * 48
    assert found.complete_since is None


def test_says_from_when_on_the_summaries_in_events_are_complete(
    metadata: Metadata, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MOST_EXPORTS", 2)
    for hours in (3, 2, 1):
        ended = NOW - timedelta(hours=hours)
        metadata.event(manifest(ended=ended), task=metadata.task(), at=ended)

    assert read(metadata, keeper).complete_since == NOW - timedelta(hours=2)


def test_parts_of_a_mapped_export_are_one(metadata: Metadata, keeper: Keeper) -> None:
    task = metadata.task()
    for index in range(3):
        ended = NOW - timedelta(hours=3 - index)
        metadata.export(
            replace(task, map_index=index), ended=ended, returned=manifest(ended=ended, rejected=1)
        )
    metadata.export(
        replace(task, map_index=3),
        ended=NOW - timedelta(hours=4),
        state="failed",
        rendered={"orders_conn_id": "shop"},
    )

    found = read(metadata, keeper).exports

    assert [(export.succeeded, export.parts, export.rows) for export in found] == [
        (True, 3, 36),
        (False, 1, 0),
    ]
    assert found[0].window == (NOW - timedelta(hours=5), NOW - timedelta(hours=1, minutes=5))
    assert found[0].seconds == 2 * 3600 + 30
    assert found[0].rejected == 3
    assert found[0].statuses["order"] == {"completed": 27, "cancelled": 9}


def test_parts_that_a_task_has_merged_count_once(metadata: Metadata, keeper: Keeper) -> None:
    task = metadata.task()
    for index in range(2):
        metadata.export(replace(task, map_index=index))
    merged = metadata.export(
        replace(task, task_id="merge"),
        operator=records.MERGE,
        returned=manifest(rows=24, parts=2),
    )
    metadata.event(manifest(rows=24), task=merged)
    metadata.export(
        replace(task, task_id="merge_too", run_id="failed"), operator=records.MERGE, state="failed"
    )

    (export,) = read(metadata, keeper).exports

    assert (export.task, export.rows) == (merged, 24)


def test_only_the_newest_task_instances_are_searched_and_that_is_told(
    metadata: Metadata, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "NEWEST_TASK_INSTANCES", 2)
    for days in (5, 4, 3):
        metadata.export(ended=NOW - timedelta(days=days))

    found = read(metadata, keeper)

    assert len(found.exports) == 2
    assert found.complete_since is not None
    assert abs(found.complete_since - (NOW - timedelta(days=5, seconds=30))) < timedelta(seconds=1)


def test_only_the_newest_asset_events_are_searched_and_that_is_told(
    metadata: Metadata, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "NEWEST_ASSET_EVENTS", 2)
    searched_since = NOW - timedelta(days=2)
    metadata.event(manifest(), task=metadata.task(), at=searched_since)
    for _ in range(2):
        metadata.event({}, key="something_else")

    found = read(metadata, keeper)

    assert found.exports == []
    assert found.complete_since == searched_since


def test_waits_of_all_kinds_are_there_the_longest_first(metadata: Metadata, keeper: Keeper) -> None:
    hours = [NOW - timedelta(hours=number) for number in range(6)]
    paused = metadata.wait(PauseTrigger(until=2e9, paused_s=1.0), since=hours[2])
    metadata.rendered(paused, {"orders_conn_id": "shop"})
    metadata.wait(
        OrdersUpdatedTrigger(orders_conn_id="shop", updated_since=0.0, deadline=2e9), since=hours[3]
    )
    for state, operator, since in (
        ("running", "OrderStatusSensor", hours[4]),
        ("up_for_reschedule", "OrdersUpdatedSensor", hours[5]),
        ("success", "OrderStatusSensor", hours[1]),
        ("running", "OrdersToSqlOperator", hours[1]),
    ):
        task = metadata.task("waiting")
        metadata.task_instance(task, operator=operator, state=state, start=since)
        metadata.rendered(task, {"orders_conn_id": "shop", "order_id": "17"})

    waits = read(metadata, keeper).waits

    assert [(wait.kind, wait.orders, wait.since) for wait in waits] == [
        ("updated", 1, hours[5]),
        ("status", 1, hours[4]),
        ("updated", None, hours[3]),
        ("pause", None, hours[2]),
    ]
    assert {wait.orders_conn_id for wait in waits} == {"shop"}


def test_waits_beyond_the_limit_are_counted(
    metadata: Metadata, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MOST_WAITS", 2)
    tasks = [
        metadata.wait(
            OrderStatusTrigger(orders_conn_id="shop", order_id=["1"]), since=NOW - timedelta(hours=hours)
        )
        for hours in (1, 2, 3)
    ]

    found = read(metadata, keeper)

    assert [wait.task for wait in found.waits] == [tasks[2], tasks[1]]
    assert found.more_waits == 1


def test_a_wait_whose_trigger_cannot_be_decrypted_is_counted_without_its_connection(
    metadata: Metadata, keeper: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow.models.trigger import Trigger
    from sqlalchemy import update

    metadata.wait(OrderStatusTrigger(orders_conn_id="shop", order_id=["1"]), since=NOW)
    with metadata.session.begin() as session:
        session.execute(update(Trigger).values(encrypted_kwargs="gAAAAABnonsense"))

    (wait,) = read(metadata, keeper).waits

    assert (wait.orders_conn_id, wait.orders, wait.kind) == (None, None, "status")
    assert "cannot be read" in caplog.text


@pytest.mark.parametrize("forbidden", ["nightly", "nightly/XCOM"])
def test_manifests_of_dags_that_the_user_may_not_read_stay_hidden(
    metadata: Metadata, keeper: Keeper, forbidden: str
) -> None:
    metadata.export()
    readable = metadata.export(metadata.task("waiting"))
    keeper.forbidden.add(forbidden)

    assert [export.task for export in read(metadata, keeper).exports] == [readable]


@pytest.mark.parametrize("forbidden", ["nightly", "nightly/TASK_INSTANCE"])
def test_failures_of_dags_that_the_user_may_not_read_stay_hidden(
    metadata: Metadata, keeper: Keeper, forbidden: str
) -> None:
    metadata.export(state="failed", rendered={"orders_conn_id": "shop"})
    keeper.forbidden.add(forbidden)

    assert read(metadata, keeper).exports == []


@pytest.mark.parametrize("forbidden", ["waiting", "waiting/TASK_INSTANCE"])
def test_waits_of_dags_that_the_user_may_not_read_stay_hidden(
    metadata: Metadata, keeper: Keeper, forbidden: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MOST_WAITS", 1)
    for _ in range(2):
        metadata.wait(OrderStatusTrigger(orders_conn_id="shop", order_id=["1"]), since=NOW)
    task = metadata.task("waiting")
    metadata.task_instance(task, operator="OrderStatusSensor", state="running", start=NOW)
    keeper.forbidden.add(forbidden)

    found = read(metadata, keeper)

    assert (found.waits, found.more_waits) == ([], 0)


def test_events_of_assets_that_the_user_may_not_read_stay_hidden(metadata: Metadata, keeper: Keeper) -> None:
    metadata.event(manifest(conn_id="hidden"), asset_id=1)
    metadata.event(manifest(conn_id="shown"), asset_id=2)
    keeper.forbidden.add("1")

    assert [export.orders_conn_id for export in read(metadata, keeper).exports] == ["shown"]


def test_events_of_dags_that_the_user_may_not_read_stay_hidden(metadata: Metadata, keeper: Keeper) -> None:
    """As in Airflow's own list of asset events."""
    metadata.event(manifest(), task=metadata.task())
    keeper.forbidden.add("nightly")

    assert read(metadata, keeper).exports == []


def test_the_auth_manager_is_asked_once_for_each_thing(metadata: Metadata, keeper: Keeper) -> None:
    for _ in range(3):
        metadata.export()
        metadata.event(manifest(), task=metadata.task())

    read(metadata, keeper)

    assert sorted(keeper.asked) == ["1", "nightly/XCOM"]


def test_the_names_that_are_looked_for_are_those_of_the_classes() -> None:
    assert {
        OrdersToObjectStorageOperator.__name__,
        OrdersToSqlOperator.__name__,
    } == set(records.TRANSFERS)
    assert MergeExportsOperator.__name__ == records.MERGE
    assert {OrderStatusSensor.__name__, OrdersUpdatedSensor.__name__} == set(records.SENSORS)
    for trigger in (OrderStatusTrigger, OrdersUpdatedTrigger, PauseTrigger):
        assert f"{trigger.__module__}.{trigger.__qualname__}".startswith(records.TRIGGERS)
