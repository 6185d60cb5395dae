"""What the Orders page says about what was found."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from airflow_provider_orders.plugins.page.exports import Export, TaskKey
from airflow_provider_orders.plugins.page.records import Records
from airflow_provider_orders.plugins.page.report import (
    CHARTED_EXPORTS,
    LAST_EXPORTS,
    ConnectionReport,
    Report,
    make_report,
)
from airflow_provider_orders.plugins.page.waits import Wait
from tests.unit.plugins.metadata import NOW

TASK = TaskKey("nightly", "manual__1", "export")


def export(hours: float = 1, **fields: Any) -> Export:
    ended = NOW - timedelta(hours=hours)
    return Export(
        **{
            "orders_conn_id": "shop",
            "source": "genuka",
            "task": TASK,
            "succeeded": True,
            "started_at": ended - timedelta(minutes=1),
            "finished_at": ended,
            "seconds": 60.0,
            "mode": "incremental",
            "rows": 10,
            **fields,
        }
    )


def report(*exports: Export, waits: tuple[Wait, ...] = (), more_waits: int = 0) -> Report:
    found = Records(exports=exports, waits=waits, more_waits=more_waits, complete_since=None)
    return make_report(found, now=NOW)


def only(*exports: Export) -> ConnectionReport:
    (connection,) = report(*exports).connections
    return connection


def wait(hours: float, **fields: Any) -> Wait:
    return Wait(
        **{
            "orders_conn_id": "shop",
            "kind": "status",
            "orders": 2,
            "since": NOW - timedelta(hours=hours),
            "task": TASK,
            **fields,
        }
    )


def hours_ago(moment: datetime | None) -> float | None:
    return (NOW - moment) / timedelta(hours=1) if moment else None


def test_each_connection_has_its_report() -> None:
    found = report(export(orders_conn_id="b"), export(orders_conn_id="a"), export(orders_conn_id="b"))

    assert [(one.orders_conn_id, len(one.exports)) for one in found.connections] == [("a", 1), ("b", 2)]


def test_failures_of_connections_that_are_not_known_come_last() -> None:
    unknown = export(orders_conn_id=None, succeeded=False)

    found = report(unknown, export(), unknown)

    assert [(one.orders_conn_id, len(one.exports)) for one in found.connections] == [("shop", 1), (None, 2)]
    assert found.recent_failures == 2


def test_the_vendor_is_written_as_on_its_form() -> None:
    assert only(export()).vendor == "Genuka"
    assert only(export(source="fifth")).vendor == "fifth"
    assert only(export(source=None, succeeded=False)).vendor is None


def test_the_last_exports_are_listed() -> None:
    connection = only(*(export(hours) for hours in range(1, 20)))

    assert len(connection.exports) == LAST_EXPORTS
    assert len(connection.freshness) == 19


def test_the_chart_shows_the_last_exports() -> None:
    connection = only(*(export(hours) for hours in range(1, 100)))

    assert len(connection.freshness) == CHARTED_EXPORTS
    assert hours_ago(connection.freshness[-1].at) == 1


@pytest.mark.parametrize(
    ("fields", "hours"),
    [
        ({"window": (NOW - timedelta(hours=9), NOW - timedelta(hours=3))}, 3),
        ({"mode": "window", "window": (None, NOW - timedelta(hours=4))}, 4),
        ({"mode": "window", "window": (NOW - timedelta(hours=4), None)}, 1),
        ({"mode": "full", "started_at": NOW - timedelta(hours=2)}, 2),
        ({"window": (None, NOW + timedelta(hours=3)), "started_at": NOW - timedelta(hours=2)}, 2),
    ],
    ids=["went on after an interruption", "window", "open window", "full", "no later than its start"],
)
def test_data_are_as_fresh_as_the_export_says(fields: dict[str, Any], hours: float) -> None:
    fields = {"started_at": NOW - timedelta(hours=1), **fields}

    assert hours_ago(only(export(**fields)).data_until) == hours


def test_an_export_of_an_old_window_makes_data_no_older() -> None:
    connection = only(
        export(1, window=(None, NOW - timedelta(days=300))),
        export(2, window=(None, NOW - timedelta(hours=3))),
    )

    assert hours_ago(connection.data_until) == 3
    assert [hours_ago(point.at) for point in connection.freshness] == [2, 1]


def test_failures_say_nothing_of_freshness() -> None:
    connection = only(export(1, succeeded=False, rows=0), export(2))

    assert len(connection.freshness) == 1
    assert [hours_ago(when) for when in connection.failures] == [1]
    assert connection.last == connection.exports[1]


def test_a_connection_whose_exports_all_failed_has_no_freshness() -> None:
    connection = only(export(1, succeeded=False))

    assert (connection.last, connection.data_until, connection.freshness) == (None, None, [])


def statuses(connection: ConnectionReport) -> dict[str, dict[str, int]]:
    return {
        counts.axis: {count.status: count.orders for count in counts.counts} for counts in connection.statuses
    }


def test_changes_of_the_last_week_are_counted_by_status() -> None:
    connection = only(
        export(1, statuses={"order": {"completed": 2, "pending": 1}}),
        export(24 * 6, statuses={"order": {"completed": 3}}),
        export(24 * 8, statuses={"order": {"completed": 50}}),
        export(3, mode="full", statuses={"order": {"completed": 500}}),
    )

    assert statuses(connection) == {"order": {"pending": 1, "completed": 5}}
    assert not connection.statuses_of_full


def test_after_a_full_export_its_own_orders_are_counted() -> None:
    connection = only(
        export(1, mode="full", statuses={"order": {"completed": 500}}),
        export(2, statuses={"order": {"completed": 3}}),
    )

    assert statuses(connection) == {"order": {"completed": 500}}
    assert connection.statuses_of_full


def test_statuses_come_in_the_order_in_which_an_order_passes_them() -> None:
    connection = only(
        export(
            statuses={
                "fulfillment": {"cancelled": 9, "delivered": 7, "pending": 1, "unknown": 2},
                "order": {"completed": 1},
            }
        )
    )

    assert [counts.axis for counts in connection.statuses] == ["order", "fulfillment"]
    assert [count.status for count in connection.statuses[1].counts] == [
        "pending", "delivered", "cancelled", "unknown",
    ]  # fmt: skip
    assert connection.statuses[1].most == 9


def test_an_axis_that_the_vendor_does_not_have_is_left_out() -> None:
    assert statuses(only(export(statuses={"order": {"completed": 1}, "payment": {"unknown": 1}}))) == {
        "order": {"completed": 1}
    }


def test_what_a_later_version_may_count_does_no_harm() -> None:
    connection = only(export(statuses={"order": {"teleported": 4, "pending": 1}, "mood": {"good": 3}}))

    assert statuses(connection) == {"order": {"pending": 1}}


def test_the_last_day_is_summed_up() -> None:
    found = report(
        export(1, rejected=2),
        export(23, orders_conn_id="other"),
        export(2, succeeded=False, rows=0),
        export(25, rejected=9),
    )

    assert (found.recent_exports, found.recent_failures) == (2, 1)
    assert (found.recent_rows, found.recent_rejected) == (20, 2)


def test_waits_are_grouped_by_connection_and_kind() -> None:
    waits = (
        wait(9, orders_conn_id=None),
        wait(5, orders=3),
        wait(4, kind="updated", orders=None),
        wait(1),
    )

    found = report(waits=waits, more_waits=5)

    assert [(group.orders_conn_id, group.kind, group.waits, group.orders) for group in found.waits] == [
        (None, "status", 1, 2),
        ("shop", "status", 2, 5),
        ("shop", "updated", 1, None),
    ]
    assert found.waits[1].oldest is waits[1]
    assert found.oldest_wait is waits[0]
    assert found.all_waits == 9
