"""Manifests of parts made into one, and the watermark that moves once."""

from __future__ import annotations

import functools
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.export.manifest import MOST_FILES, Manifest
from airflow_provider_orders.export.merge import (
    MergedManifest,
    SeriesSink,
    kind_of,
    look_into_files,
    merge_manifests,
    move_watermark,
)
from airflow_provider_orders.export.run import export_orders
from airflow_provider_orders.export.sinks.jsonl import JsonLinesSink
from airflow_provider_orders.export.sinks.parquet import ParquetSink
from airflow_provider_orders.export.windows import plan_windows
from airflow_provider_orders.http.sync import SyncClient
from tests.unit.clients import make_api
from tests.unit.hooks.connect import VENDORS

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_orders.sandbox import Sandbox

PLAN = plan_windows("2026-01-01", "2026-07-01")


def manifest(part: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    """Give the manifest of a part, as if written by hand."""
    window = list(part.values()) if part else [None, None]
    name = f"{window[0]}.jsonl"
    content = {
        "model_version": 1,
        "source": "genuka",
        "account": "01hqydxwtxdj3kmzp3bz7jk73g",
        "orders_conn_id": "genuka_default",
        "mode": "window" if part else "full",
        "window": window,
        "by": "created" if part else None,
        "limit": None,
        "scope": "0123456789ab",
        "plan": "Genuka: reads what was created in the window.",
        "watermark": None,
        "uri": "file:///tmp/orders",
        "files": [{"path": f"file:///tmp/orders/{name}", "rows": 2, "bytes": 20, "sha256": "0" * 64}],
        "file_count": 1,
        "manifest_file": f"file:///tmp/orders/{name}.manifest.json",
        "rows": 2,
        "bytes": 20,
        "unchanged": 0,
        "deleted": 0,
        "rejected": 0,
        "rejects_file": None,
        "statuses": {"payment": {"paid": 1, "unpaid": 1}},
        "totals": {"EUR": "0.10", "XAF": "1000"},
        "source_total": 2,
        "can_miss": ["late ones"],
        "drift": [],
        "fingerprint": "abc",
        "requests": 3,
        "seconds": 1.5,
        "started_at": "2026-08-01T00:00:00+00:00",
        "finished_at": "2026-08-01T00:00:01.500000+00:00",
    }
    return {**content, **changes}


class TestTheMergedManifest:
    def test_has_the_keys_of_a_manifest_and_two_more(self) -> None:
        merged = merge_manifests([manifest(part) for part in PLAN])
        assert set(manifest()) == set(Manifest.__annotations__)
        assert set(merged) == set(MergedManifest.__annotations__)
        assert set(merged) - set(manifest()) == {"parts", "rejects_files"}
        assert json.loads(json.dumps(merged)) == merged

    def test_sums_up(self) -> None:
        found = [manifest(part) for part in PLAN]
        found[2] |= {
            "started_at": "2026-07-31T23:59:00+00:00",
            "statuses": {"payment": {"paid": 4}, "fulfillment": {"pending": 4}},
            "totals": {"EUR": "0.20"},
            "rejected": 1,
            "rejects_file": "file:///tmp/orders/x.rejects.jsonl",
            "source_total": 3,
            "unchanged": 2,
            "can_miss": ["late ones", "others"],
        }
        merged = merge_manifests(reversed(found), parts=PLAN)
        assert merged["window"] == [PLAN[0]["created_from"], PLAN[-1]["created_to"]]
        assert (merged["parts"], merged["rows"], merged["bytes"], merged["unchanged"]) == (6, 12, 120, 2)
        assert (merged["rejected"], merged["requests"], merged["source_total"]) == (1, 18, 13)
        assert merged["statuses"] == {"fulfillment": {"pending": 4}, "payment": {"paid": 9, "unpaid": 5}}
        assert merged["totals"] == {"EUR": "0.70", "XAF": "5000"}
        assert merged["can_miss"] == ["late ones", "others"]
        assert (merged["started_at"], merged["seconds"]) == ("2026-07-31T23:59:00+00:00", 61.5)
        assert merged["rejects_file"] == "file:///tmp/orders/x.rejects.jsonl"
        assert (merged["file_count"], len(merged["files"])) == (6, 6)
        assert merged["watermark"] is None

    def test_gives_no_source_total_where_the_parts_counted_more_than_they_are(self) -> None:
        assert merge_manifests([manifest(PLAN[0], source_total=230)])["source_total"] is None
        assert merge_manifests([manifest(PLAN[0], source_total=None)])["source_total"] is None

    def test_stays_small(self) -> None:
        plan = plan_windows("2020-01-01", "2022-10-01", every="day")
        merged = merge_manifests([manifest(part) for part in plan], parts=plan)
        assert (merged["parts"], merged["file_count"], merged["files"]) == (1004, 1004, [])
        assert len(json.dumps(merged)) < 2000
        few = merge_manifests([manifest(part) for part in plan[:MOST_FILES]])
        assert len(few["files"]) == MOST_FILES
        assert len(json.dumps(few)) < 8000

    @settings(max_examples=50)
    @given(
        counts=st.lists(
            st.tuples(st.integers(0, 10**6), st.decimals(-(10**9), 10**9, places=2)), min_size=6, max_size=6
        ),
        shuffled=st.permutations(range(6)),
    )
    def test_does_not_depend_on_the_order_of_the_parts(
        self, counts: list[tuple[int, Decimal]], shuffled: list[int]
    ) -> None:
        found = [
            manifest(part, rows=rows, totals={"EUR": str(total)})
            for part, (rows, total) in zip(PLAN, counts, strict=True)
        ]
        merged = merge_manifests([found[index] for index in shuffled], parts=PLAN)
        assert merged == merge_manifests(found)
        assert merged["rows"] == sum(rows for rows, _ in counts)
        assert Decimal(merged["totals"]["EUR"]) == sum(total for _, total in counts)

    def test_takes_parts_without_windows(self) -> None:
        merged = merge_manifests(iter([manifest(), manifest()]), parts=2)
        assert (merged["window"], merged["rows"], merged["mode"]) == ([None, None], 4, "full")


class TestRefuses:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("source", "dipli"),
            ("orders_conn_id", "other"),
            ("uri", "file:///tmp/elsewhere"),
            ("mode", "incremental"),
            ("model_version", 2),
            ("account", "another"),
        ],
    )
    def test_parts_of_another_export(self, name: str, value: object) -> None:
        with pytest.raises(ConfigurationError, match=f"not of one export: {name}"):
            merge_manifests([manifest(PLAN[0]), manifest(PLAN[1], **{name: value})])

    def test_nothing(self) -> None:
        with pytest.raises(ConfigurationError, match="nothing to merge"):
            merge_manifests([])

    @pytest.mark.parametrize("gone", range(6))
    def test_a_missing_part(self, gone: int) -> None:
        found = [manifest(part) for number, part in enumerate(PLAN) if number != gone]
        for parts in (PLAN, 6):
            with pytest.raises(ConfigurationError, match="5 manifests of 6 parts"):
                merge_manifests(found, parts=parts)
        if 0 < gone < 5:
            missing = f"from {PLAN[gone]['created_from']} to {PLAN[gone]['created_to']}"
            with pytest.raises(ConfigurationError, match="a part is missing") as caught:
                merge_manifests(found)
            assert missing in str(caught.value)

    def test_another_part_than_was_planned(self) -> None:
        other = plan_windows("2026-02-01", "2026-08-01")
        with pytest.raises(ConfigurationError, match="No manifest is of the window from 2026-01-01"):
            merge_manifests([manifest(part) for part in other], parts=PLAN)

    def test_overlaps_by_their_names(self) -> None:
        longer = {**PLAN[1], "created_to": "2026-03-02T00:00:00+00:00"}
        found = [manifest(part) for part in (PLAN[0], longer, *PLAN[2:])]
        with pytest.raises(ConfigurationError, match="overlap") as caught:
            merge_manifests(found)
        assert "from 2026-02-01T00:00:00+00:00 to 2026-03-02T00:00:00+00:00" in str(caught.value)
        with pytest.raises(ConfigurationError, match="overlap"):
            merge_manifests([manifest(PLAN[0]), manifest(PLAN[0])])
        with pytest.raises(ConfigurationError, match="overlap"):
            merge_manifests([manifest(PLAN[0]), manifest(PLAN[1], window=[None, None])])


def test_windows_in_another_writing_are_the_same() -> None:
    plan = plan_windows("2026-01-01", "2026-03-01", timezone="Europe/Paris")
    found = [
        manifest(window=[datetime.fromisoformat(text).astimezone(UTC).isoformat() for text in part.values()])
        for part in plan
    ]
    assert merge_manifests([{**part, "mode": "window"} for part in found], parts=plan)["parts"] == 2


def test_parts_tell_of_what_kind_they_are() -> None:
    assert kind_of(PLAN) == "created"
    assert kind_of(plan_windows("2026-01-01", "2026-02-01", by="updated")) == "updated"
    assert (kind_of(None), kind_of(3), kind_of([]), kind_of([{"ambassador_id": 1}])) == (None,) * 4
    assert kind_of([*PLAN, {"ambassador_id": 1}]) is None


class Backfill:
    """An export in parts into a folder, and what follows it."""

    def __init__(self, sandbox: Sandbox, folder: Path, vendor: str, sink: type[Any] = JsonLinesSink) -> None:
        self.api = make_api(sandbox, vendor)
        self.folder = folder
        self.sink = sink

    def export(self, number: int | str, **options: Any) -> dict[str, Any]:
        filters = {name: options.pop(name) for name in list(options) if name.endswith(("_from", "_to"))}
        sink = self.sink(self.folder, f"part-{number}", run_key=str(number))
        with SyncClient(self.api) as client, sink:
            return dict(export_orders(client, OrderQuery.of(**filters), sink, run_key=str(number), **options))

    def run(self, parts: list[dict[str, str]], **options: Any) -> list[dict[str, Any]]:
        return [self.export(number, **part, **options) for number, part in enumerate(parts)]

    def move(
        self, manifests: list[dict[str, Any]], parts: list[dict[str, str]], run_key: str = "merge"
    ) -> MergedManifest:
        by = kind_of(parts)
        assert by is not None
        sink = SeriesSink(self.folder, run_key=run_key)
        return move_watermark(
            sink,
            merge_manifests(manifests, parts=parts),
            api=self.api,
            query=OrderQuery(),
            by=by,
            lookback=timedelta(minutes=5),
            look=look_into_files(sink, self.folder, manifests, api=self.api, by=by),
            run_key=run_key,
        )

    def series(self) -> list[dict[str, Any]]:
        found = [json.loads(path.read_bytes()) for path in sorted(self.folder.glob("*.manifest.json"))]
        return [content for content in found if "state" in content]


ALL = plan_windows("2025-10-01", "2026-01-01")


class TestTheWatermark:
    @pytest.mark.parametrize("sink", [JsonLinesSink, ParquetSink])
    @pytest.mark.parametrize("vendor", VENDORS)
    def test_is_where_an_incremental_export_goes_on_without_repeating_an_order(
        self, orders_sandbox: Sandbox, tmp_path: Path, vendor: str, sink: type[Any]
    ) -> None:
        backfill = Backfill(orders_sandbox, tmp_path, vendor, sink)
        manifests = backfill.run(ALL)
        assert sum(part["rows"] for part in manifests) == 230
        merged = backfill.move(manifests, ALL)
        limit = min(datetime.fromisoformat(text) for text in (merged["started_at"], ALL[-1]["created_to"]))
        assert merged["watermark"] is not None
        assert datetime.fromisoformat(merged["watermark"]) <= limit
        orders_sandbox.clock.advance(7200)
        (new,) = orders_sandbox.insert_orders(vendor)
        following = backfill.export("next", mode="incremental")
        moved_by_time = len(orders_sandbox.live_ids(vendor))
        assert following["unchanged"] > 0 or vendor in {"valomnia", "genuka"}
        assert following["rows"] <= 1 + moved_by_time
        ids = (
            {
                json.loads(line)["id_order" if vendor == "popsell" else "id"]
                for file in following["files"]
                for line in (tmp_path / file["path"].rpartition("/")[2]).read_bytes().splitlines()
            }
            if sink is JsonLinesSink
            else {new}
        )
        assert str(new) in {str(identity) for identity in ids}
        assert [content["state"]["sequence"] for content in backfill.series()] == [1, 2]

    def test_is_not_after_the_earliest_start_of_a_part(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        """A change made while the parts were read is seen by the next incremental export."""
        backfill = Backfill(orders_sandbox, tmp_path, "dipli")
        plan = plan_windows("2025-10-01", "2030-01-01", every=timedelta(days=1000))
        manifests = backfill.run(plan)
        merged = backfill.move(manifests, plan)
        assert merged["watermark"] == min(part["started_at"] for part in manifests)

    def test_is_not_after_the_end_of_the_last_window(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        backfill = Backfill(orders_sandbox, tmp_path, "dipli")
        plan = plan_windows("2025-10-01", "2025-12-01")
        assert backfill.move(backfill.run(plan), plan)["watermark"] == "2025-12-01T00:00:00+00:00"

    def test_is_not_after_the_latest_change_seen_by_the_vendors_clock(
        self, orders_sandbox: Sandbox, tmp_path: Path
    ) -> None:
        backfill = Backfill(orders_sandbox, tmp_path, "valomnia")
        plan = plan_windows("2025-10-01", "2030-01-01", every=timedelta(days=1000), by="updated")
        newest = max(order["lastUpdated"] for order in orders_sandbox.payloads("valomnia"))
        merged = backfill.move(backfill.run(plan), plan)
        assert merged["watermark"] is not None
        assert datetime.fromisoformat(merged["watermark"]) == datetime.fromisoformat(newest)

    def test_moves_where_no_part_brought_an_order(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        backfill = Backfill(orders_sandbox, tmp_path, "genuka")
        plan = plan_windows("2020-01-01", "2020-03-01")
        merged = backfill.move(backfill.run(plan), plan)
        assert (merged["rows"], merged["watermark"]) == (0, "2020-03-01T00:00:00+00:00")
        assert backfill.export("next", mode="incremental")["rows"] == 230

    def test_never_moves_backwards(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        backfill = Backfill(orders_sandbox, tmp_path, "genuka")
        first = backfill.export("first", mode="incremental")
        plan = plan_windows("2025-10-01", "2025-12-01", by="updated")
        assert backfill.move(backfill.run(plan), plan)["watermark"] is None
        assert [content["watermark"] for content in backfill.series()] == [first["watermark"]]

    @pytest.mark.parametrize(("start", "by"), [("2025-12-25", "updated"), ("2025-10-01", "created")])
    def test_stays_where_changes_since_it_are_in_no_part(
        self, orders_sandbox: Sandbox, tmp_path: Path, start: str, by: str
    ) -> None:
        backfill = Backfill(orders_sandbox, tmp_path, "genuka")
        old = plan_windows("2025-10-01", "2025-12-20", by="updated")
        moved = backfill.move(backfill.run(old), old, run_key="old")
        plan = plan_windows(start, "2026-01-02", every="week", by=by)
        assert backfill.move(backfill.run(plan), plan)["watermark"] is None
        assert [content["watermark"] for content in backfill.series()] == [moved["watermark"]]

    def test_moves_on_from_windows_that_join_it(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        backfill = Backfill(orders_sandbox, tmp_path, "genuka")
        old = plan_windows("2025-10-01", "2025-12-20", by="updated")
        before = backfill.move(backfill.run(old), old, run_key="old")["watermark"]
        plan = plan_windows("2025-12-20", "2026-01-02", every="week", by="updated")
        newer = [backfill.export(f"new-{number}", **part) for number, part in enumerate(plan)]
        after = backfill.move(newer, plan)["watermark"]
        assert (before, after) == ("2025-12-20T00:00:00+00:00", "2026-01-02T00:00:00+00:00")

    @pytest.mark.parametrize("output", ["raw", "vendor", "canonical"])
    def test_repeats_no_order_that_lies_in_the_overlap(
        self, orders_sandbox: Sandbox, tmp_path: Path, output: str
    ) -> None:
        sink: Any = functools.partial(JsonLinesSink, output=output)
        backfill = Backfill(orders_sandbox, tmp_path, "genuka", sink)
        orders_sandbox.insert_orders("genuka")
        orders_sandbox.clock.advance(120)
        orders_sandbox.insert_orders("genuka")
        plan = plan_windows("2025-10-01", "2026-01-01T00:03:00Z", by="updated")
        backfill.move(backfill.run(plan), plan)
        following = backfill.export("next", mode="incremental")
        assert following["rows"] == 0
        assert following["unchanged"] >= 2

    def test_repeats_no_order_that_lies_in_the_overlap_since_before(
        self, orders_sandbox: Sandbox, tmp_path: Path
    ) -> None:
        backfill = Backfill(orders_sandbox, tmp_path, "genuka")
        orders_sandbox.insert_orders("genuka")
        for span in (
            ("2025-10-01", "2026-01-01T00:00:01Z"),
            ("2026-01-01T00:00:01Z", "2026-01-01T00:02:00Z"),
        ):
            plan = plan_windows(*span, by="updated")
            manifests = [backfill.export(part["updated_from"], **part) for part in plan]
            assert backfill.move(manifests, plan, run_key=span[0])["watermark"] is not None
        following = backfill.export("next", mode="incremental")
        assert following["rows"] == 0
        assert following["unchanged"] >= 1

    def test_does_not_move_over_what_a_limit_has_left_out(
        self, orders_sandbox: Sandbox, tmp_path: Path
    ) -> None:
        backfill = Backfill(orders_sandbox, tmp_path, "genuka")
        assert backfill.move(backfill.run(ALL, limit=3), ALL)["watermark"] is None
        assert backfill.series() == []

    def test_a_repeated_merge_replaces_its_own(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        backfill = Backfill(orders_sandbox, tmp_path, "dipli")
        manifests = backfill.run(ALL)
        backfill.move(manifests, ALL)
        before = sorted(path.name for path in tmp_path.iterdir())
        backfill.move(manifests, ALL)
        assert sorted(path.name for path in tmp_path.iterdir()) == before
        assert [content["state"]["sequence"] for content in backfill.series()] == [1]
