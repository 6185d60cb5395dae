"""What the Orders page finds in the metadata database, and what it leaves there."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.models.taskinstance import TaskInstance

from airflow_provider_orders.operators.merge import MergeExportsOperator
from airflow_provider_orders.plugins.page import records, waits
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


def _poking(metadata: Metadata, *, start: datetime, state: str = "up_for_reschedule") -> TaskKey:
    task = metadata.task("waiting")
    metadata.task_instance(task, operator="OrderStatusSensor", state=state, start=start)
    metadata.rendered(task, {"orders_conn_id": "shop", "order_id": "17"})
    return task


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
    poking = _poking(metadata, start=NOW - timedelta(minutes=1))
    metadata.rescheduled(poking, [NOW - timedelta(hours=hours) for hours in (6, 4)])

    found = read(metadata, keeper)

    assert [export.task for export in found.exports] == [returned, declared]
    assert [export.drift for export in found.exports] == [0, 3]
    assert [(wait.task, wait.orders_conn_id, wait.orders) for wait in found.waits] == [
        (poking, "shop", 1),
        (waiting, "shop", 2),
    ]
    assert [wait.since for wait in found.waits] == [NOW - timedelta(hours=hours) for hours in (6, 5)]
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


@pytest.mark.parametrize("operator", ["OrdersToSqlOperator", records.MERGE])
def test_data_are_fresh_although_the_watermark_stays_at_the_newest_change(
    metadata: Metadata, keeper: Keeper, operator: str
) -> None:
    """As after exports that find nothing new, where the vendor filters by update."""
    metadata.export(
        operator=operator, returned=manifest(rows=0, watermark=(NOW - timedelta(days=3)).isoformat())
    )

    (export,) = read(metadata, keeper).exports

    assert export.data_until == NOW - timedelta(hours=1, minutes=5)  # the end of its window


@pytest.mark.parametrize(("seconds", "shown"), [(20.5, 20.5), (None, 7200), (-1, 7200), (1e300, 7200)])
def test_of_an_export_with_an_interrupted_try_the_last_try_is_timed(
    metadata: Metadata, keeper: Keeper, seconds: float | None, shown: float
) -> None:
    ended = NOW - timedelta(hours=1)
    started_at = (ended - timedelta(hours=2)).isoformat()
    metadata.export(returned=manifest(ended=ended, started_at=started_at, seconds=seconds))

    (export,) = read(metadata, keeper).exports

    assert export.seconds == shown


def test_a_failed_export_is_there_without_numbers(metadata: Metadata, keeper: Keeper) -> None:
    metadata.export(state="failed", rendered={"orders_conn_id": "shop", "path": "/secret"})

    (export,) = read(metadata, keeper).exports

    assert (export.orders_conn_id, export.succeeded, export.rows) == ("shop", False, 0)
    assert export.seconds == 30


def _failures(metadata: Metadata, keeper: Keeper) -> dict[TaskKey | None, str | None]:
    return {
        export.task: export.orders_conn_id
        for export in read(metadata, keeper).exports
        if not export.succeeded
    }


def test_a_failed_export_whose_rendered_fields_are_gone_has_the_connection_of_its_task(
    metadata: Metadata, keeper: Keeper
) -> None:
    """Airflow keeps rendered fields of the newest runs of a DAG only."""
    by_manifest = metadata.export(state="failed")
    metadata.export()
    by_event = replace(by_manifest, task_id="to_files")
    metadata.export(by_event, state="failed")
    metadata.event(manifest(conn_id="files"), task=replace(by_event, run_id="earlier"))
    by_failure = replace(by_manifest, task_id="to_table")
    metadata.export(by_failure, state="failed")
    metadata.export(replace(by_failure, run_id="later"), state="failed", rendered={"orders_conn_id": "table"})

    failures = _failures(metadata, keeper)

    assert failures[by_manifest] == "shop"
    assert failures[by_event] == "files"
    assert failures[by_failure] == "table"


def test_a_failed_part_has_the_connection_of_its_map_index(metadata: Metadata, keeper: Keeper) -> None:
    earlier, task = (TaskKey("nightly", run_id, "export") for run_id in ("earlier", "later"))
    for index, conn_id in enumerate(("a", "b")):
        metadata.export(replace(earlier, map_index=index), returned=manifest(conn_id=conn_id))
        metadata.export(replace(task, map_index=index), state="failed")

    assert _failures(metadata, keeper) == {replace(task, map_index=0): "a", replace(task, map_index=1): "b"}


def test_a_failed_export_that_nothing_tells_the_connection_of_is_there(
    metadata: Metadata, keeper: Keeper
) -> None:
    alone = metadata.export(metadata.task("waiting"), state="failed")
    either = metadata.export(state="failed")
    for conn_id in ("a", "b"):
        metadata.export(returned=manifest(conn_id=conn_id))

    assert _failures(metadata, keeper) == {alone: None, either: None}


def test_a_connection_that_the_user_may_not_read_of_is_not_told_by_a_failure(
    metadata: Metadata, keeper: Keeper
) -> None:
    failed = metadata.export(state="failed")
    metadata.export()
    keeper.forbidden.add("nightly/XCOM")

    assert _failures(metadata, keeper) == {failed: None}


def test_an_export_that_failed_before_it_started_is_there(metadata: Metadata, keeper: Keeper) -> None:
    from sqlalchemy import update

    failed = metadata.export(state="failed", rendered={"orders_conn_id": "shop"})
    with metadata.session.begin() as session:
        session.execute(update(TaskInstance).values(start_date=None))

    (export,) = read(metadata, keeper).exports

    assert (export.task, export.seconds, export.finished_at) == (failed, 0, NOW - timedelta(hours=1))


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


def test_parts_of_a_mapped_export_that_was_cleared_are_not_added_to_the_new_ones(
    metadata: Metadata, keeper: Keeper
) -> None:
    """Their XComs are gone, their events stay."""
    task, earlier = metadata.task(), NOW - timedelta(hours=5)
    for index in range(3):
        part = replace(task, map_index=index)
        metadata.export(part, returned=manifest(rows=10))
        metadata.event(manifest(ended=earlier, rows=7), task=part, at=earlier)

    found = read(metadata, keeper).exports

    assert [(export.parts, export.rows, export.seconds) for export in found] == [(3, 30, 30), (3, 21, 30)]
    assert [export.finished_at for export in found] == [NOW - timedelta(hours=1), earlier]


def test_of_a_part_that_was_cleared_the_new_run_counts(metadata: Metadata, keeper: Keeper) -> None:
    task, earlier = metadata.task(), NOW - timedelta(hours=5)
    for index in range(2):
        part = replace(task, map_index=index)
        metadata.event(manifest(ended=earlier, rows=7), task=part, at=earlier)
    metadata.export(part, returned=manifest(rows=10))

    found = read(metadata, keeper).exports

    assert [(export.parts, export.rows) for export in found] == [(2, 17), (1, 7)]


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


def test_a_failed_part_is_there_although_a_task_has_merged_the_others(
    metadata: Metadata, keeper: Keeper
) -> None:
    task = metadata.task()
    metadata.export(replace(task, map_index=0))
    failed = metadata.export(replace(task, map_index=1), state="failed")
    metadata.export(replace(task, task_id="merge"), operator=records.MERGE)

    assert _failures(metadata, keeper) == {failed: "shop"}


def test_what_a_mapped_task_has_merged_is_there(metadata: Metadata, keeper: Keeper) -> None:
    task = metadata.task()
    merges = [replace(task, task_id="merge", map_index=index) for index in range(2)]
    for merge in merges:
        metadata.export(
            replace(merge, task_id="export"), returned=manifest(conn_id=f"shop_{merge.map_index}")
        )
        metadata.export(merge, operator=records.MERGE, returned=manifest(conn_id=f"shop_{merge.map_index}"))

    assert {export.task for export in read(metadata, keeper).exports} == set(merges)


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
    monkeypatch.setattr(waits, "MOST_WAITS", 2)
    tasks = [
        metadata.wait(
            OrderStatusTrigger(orders_conn_id="shop", order_id=["1"]), since=NOW - timedelta(hours=hours)
        )
        for hours in (1, 2, 3)
    ]

    found = read(metadata, keeper)

    assert [wait.task for wait in found.waits] == [tasks[2], tasks[1]]
    assert found.more_waits == 1


@pytest.mark.parametrize("state", ["running", "up_for_reschedule"])
def test_a_rescheduled_wait_began_with_its_first_poke(
    metadata: Metadata, keeper: Keeper, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow writes the start of each poke over that of the one before."""
    monkeypatch.setattr(waits, "MOST_WAITS", 1)
    _poking(metadata, start=NOW - timedelta(hours=2), state=state)
    longest = _poking(metadata, start=NOW - timedelta(minutes=1), state=state)
    metadata.rescheduled(longest, [NOW - timedelta(hours=hours) for hours in (3, 2, 1)])

    (wait,) = read(metadata, keeper).waits

    assert (wait.task, wait.since) == (longest, NOW - timedelta(hours=3))


def test_waits_of_workers_beyond_the_limit_are_counted(
    metadata: Metadata, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits, "MOST_WAITS", 2)
    tasks = [_poking(metadata, start=NOW - timedelta(hours=hours)) for hours in (1, 2, 3)]
    for _ in range(4):
        metadata.wait(OrderStatusTrigger(orders_conn_id="shop", order_id=["1"]), since=NOW)

    found = read(metadata, keeper)

    assert [wait.task for wait in found.waits[:2]] == [tasks[2], tasks[1]]
    assert (len(found.waits), found.more_waits) == (4, 3)


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
    monkeypatch.setattr(waits, "MOST_WAITS", 1)
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
    assert {OrderStatusSensor.__name__, OrdersUpdatedSensor.__name__} == set(waits.SENSORS)
    for trigger in (OrderStatusTrigger, OrdersUpdatedTrigger, PauseTrigger):
        assert f"{trigger.__module__}.{trigger.__qualname__}".startswith(waits.TRIGGERS)
