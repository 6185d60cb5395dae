"""The payloads' shape is compared from one export to the next, in every mode and target; each change is told once."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.errors import UnexpectedPayloadError
from airflow_provider_orders.export.manifest import without_long_lists
from airflow_provider_orders.export.run import export_orders
from airflow_provider_orders.export.sinks.jsonl import JsonLinesSink
from airflow_provider_orders.export.sinks.parquet import ParquetSink
from airflow_provider_orders.export.sinks.sql import SqlSink
from tests.unit.export import sql_targets
from tests.unit.export.model_source import BASE, Shop, SourceOrder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airflow_provider_orders.export.manifest import Manifest
    from airflow_provider_orders.export.sinks.base import Sink
    from tests.services import Database

TARGETS = ("jsonl", "parquet", "sql")
MODES = ("window", "full", "incremental")
WINDOW = OrderQuery(
    updated_from=datetime.fromtimestamp(BASE, UTC) - timedelta(days=1),
    updated_to=datetime.fromtimestamp(BASE, UTC) + timedelta(days=90),
)
GIFT = "gift is new (boolean)"
WRAP = "wrap is new (number)"


class GrowingShop(Shop):
    """A vendor whose payloads get new fields."""

    extra: dict[str, Any]

    def _row(self, order: SourceOrder) -> bytes:
        return msgspec.json.encode({**msgspec.json.decode(super()._row(order)), **self.extra})


class Exports:
    """Exports of a shop of 25 orders into one target."""

    def __init__(self, folder: Path, target: str, url: str | None = None) -> None:
        self.folder = folder
        self.target = target
        self.url = url or f"sqlite:///{folder / 'orders.db'}"
        self.shop = GrowingShop("genuka", page_size=50)
        self.shop.extra = {}
        for _ in range(25):
            self.shop.place()
        self.runs = 0

    def export(self, mode: str, *, key: str | None = None, **options: Any) -> Manifest:
        self.runs += 1
        run_key = key or f"run {self.runs}"
        self.shop.now += 3600
        with self._sink(run_key) as sink:
            return export_orders(
                self.shop.client,
                WINDOW if mode == "window" else OrderQuery(),
                sink,
                mode=mode,
                run_key=run_key,
                now=datetime.fromtimestamp(self.shop.now, UTC),
                **options,
            )

    def _sink(self, run_key: str) -> Sink[Any]:
        stem = run_key.replace(" ", "-")
        if self.target == "sql":
            return SqlSink(sql_targets.UrlDatabase(self.url), run_key=run_key)
        if self.target == "parquet":
            return ParquetSink(self.folder, stem, run_key=run_key)
        return JsonLinesSink(self.folder, stem, run_key=run_key)

    def touch(self) -> None:
        """Change every order, so that an incremental export reads all of them again."""
        for order in self.shop.orders:
            self.shop.change(order)

    def state(self) -> list[Any]:
        """Give what an incremental export goes on from."""
        if self.target == "sql":
            columns = "sequence, watermark, run_key, state, previous_state"
            return sql_targets.query(self.url, f"SELECT {columns} FROM orders_sync_state")  # noqa: S608 - our own names
        return [path.read_bytes() for path in sorted(self.folder.glob("genuka-*.manifest.json"))]


@pytest.fixture(params=TARGETS)
def exports(request: pytest.FixtureRequest, tmp_path: Path) -> Exports:
    return Exports(tmp_path, request.param)


def told(changes: Sequence[dict[str, Any]]) -> list[str]:
    return [f"{change['path']} is {change['change']} ({change['now']})" for change in changes]


@pytest.mark.parametrize("mode", MODES)
def test_a_new_field_is_told_once(exports: Exports, mode: str, caplog: pytest.LogCaptureFixture) -> None:
    def drift(**extra: Any) -> list[str]:
        exports.shop.extra |= extra
        exports.touch()
        caplog.clear()
        found = told(exports.export(mode)["drift"])
        assert [line for line in (GIFT, WRAP) if line in caplog.text] == found
        return found

    with caplog.at_level(logging.WARNING):
        assert drift() == []
        assert drift() == []
        assert drift(gift=True) == [GIFT]
        assert drift() == []
        assert drift(wrap=1) == [WRAP]
        assert drift() == []


@pytest.mark.parametrize("mode", MODES)
def test_it_stops_the_export_where_that_is_wanted_until_it_is_accepted(exports: Exports, mode: str) -> None:
    exports.export(mode)
    before = exports.state()
    exports.shop.extra["gift"] = True
    for _ in range(2):  # a retry does not slip through
        exports.touch()
        with pytest.raises(UnexpectedPayloadError, match="gift is new"):
            exports.export(mode, key="the same", on_drift="fail")
    assert exports.state() == before
    assert told(exports.export(mode, on_drift="log")["drift"]) == [GIFT]
    exports.touch()
    assert exports.export(mode, on_drift="fail")["drift"] == []


@pytest.mark.parametrize("mode", ["window", "full"])
def test_a_task_that_is_cleared_tells_it_again_as_it_replaces_its_manifest(
    exports: Exports, mode: str
) -> None:
    if mode == "full" and exports.target == "sql":
        pytest.skip("a state, whose own tests show it")
    exports.export(mode)
    exports.shop.extra["gift"] = True
    for _ in range(3):
        assert told(exports.export(mode, key="the same")["drift"]) == [GIFT]
    assert exports.export(mode)["drift"] == []


def test_a_window_is_compared_with_what_the_incremental_exports_know(exports: Exports) -> None:
    exports.export("incremental")
    before = exports.state()
    exports.shop.extra["gift"] = True
    assert told(exports.export("window")["drift"]) == [GIFT]
    assert exports.export("window")["drift"] == []
    # It moves neither their watermark nor the shape that they compare with: orders of years ago may look otherwise.
    assert exports.state() == before
    exports.touch()
    assert told(exports.export("incremental")["drift"]) == [GIFT]


def test_every_database_keeps_it(any_database: Database, tmp_path: Path) -> None:
    exports = Exports(tmp_path, "sql", any_database.url)
    exports.export("window")
    exports.shop.extra["gift"] = True
    for _ in range(2):
        assert told(exports.export("window", key="the same")["drift"]) == [GIFT]
    assert exports.export("window")["drift"] == []


def test_other_filters_have_a_shape_of_their_own(exports: Exports) -> None:
    exports.export("window")
    exports.shop.extra["gift"] = True
    with exports._sink("other") as sink:
        other = export_orders(
            exports.shop.client,
            OrderQuery(statuses=("pending",)),
            sink,
            mode="full",
            limit=24,
            run_key="other",
        )
    assert other["drift"] == []
    assert told(exports.export("window")["drift"]) == [GIFT]


@pytest.mark.parametrize("target", TARGETS)
def test_no_shape_is_in_the_manifest_that_xcom_carries(tmp_path: Path, target: str) -> None:
    exports = Exports(tmp_path, target)
    exports.shop.extra["gift"] = True
    for mode in MODES:
        manifest = without_long_lists(exports.export(mode))
        assert "shape" not in manifest
        assert "gift" not in json.dumps(manifest)


def test_what_a_killed_task_left_of_the_file_goes_with_its_next_try(tmp_path: Path) -> None:
    exports = Exports(tmp_path, "jsonl")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("airflow_provider_orders.export.sinks.folder.PartFile.publish", lambda _: None)
        patch.setattr("airflow_provider_orders.export.sinks.folder.PartFile.discard", lambda _: None)
        exports.export("window", key="killed")
    assert [path.name for path in tmp_path.iterdir() if ".shape.json." in path.name]
    exports.export("window", key="killed")
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob(".*.part"))
    assert len(list(tmp_path.glob(".*.shape.json"))) == 1
