"""Reconciliation: differences that a test has put there are found, and nothing else; repairing leaves none."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.errors import ConfigurationError, OrdersError
from airflow_provider_orders.export.reconcile import (
    DEPTHS,
    MOST_IDS,
    Counted,
    Reconciliation,
    check_windows,
    compare_orders,
    compare_totals,
    count_manifests,
    count_target,
)
from airflow_provider_orders.export.record import RecordReader
from airflow_provider_orders.export.run import export_orders
from airflow_provider_orders.export.sinks.jsonl import JsonLinesSink
from airflow_provider_orders.export.sinks.parquet import ParquetSink
from airflow_provider_orders.export.sinks.sql import SqlSink
from airflow_provider_orders.export.state import Scope
from airflow_provider_orders.export.windows import Window, plan_windows
from airflow_provider_orders.export.written import FolderTarget, WrittenOrder
from airflow_provider_orders.export.written_sql import SqlTarget
from airflow_provider_orders.http.sync import SyncClient
from tests.unit.clients import make_api
from tests.unit.export.model_source import Shop as ModelShop
from tests.unit.export.sql_targets import UrlDatabase, do
from tests.unit.hooks.connect import AMOUNTS, ID_FIELDS, VENDORS, secrets_in, truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow_provider_orders.sandbox import Sandbox
    from tests.unit.export.model_source import SourceOrder

YEAR = plan_windows("2025-10-01", "2026-02-01")
OPEN: list[Window] = [(None, None)]


def read(parts: list[dict[str, str]]) -> list[Window]:
    """Give windows as an operator reads them."""
    return [tuple(datetime.fromisoformat(text) for text in part.values()) for part in parts]  # type: ignore[misc]


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


class Shop:
    """One vendor's orders, exported into a folder."""

    def __init__(self, sandbox: Sandbox, folder: Path, vendor: str) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.vendor = vendor
        self.api = make_api(sandbox, vendor)

    def export(self, name: str = "all", *, sink: str = "raw", **options: Any) -> dict[str, Any]:
        filters = {key: options.pop(key) for key in list(options) if key.endswith(("_from", "_to", "_id"))}
        target: Any = (
            ParquetSink(self.folder, name, run_key=name, partition_by=options.pop("partition_by", None))
            if sink == "parquet"
            else JsonLinesSink(
                self.folder, name, output=sink, compression=options.pop("compression", None), run_key=name
            )
        )
        with SyncClient(self.api) as client, target:
            return dict(export_orders(client, OrderQuery.of(**filters), target, run_key=name, **options))

    def target(self) -> FolderTarget:
        settings = self.api.settings
        reader = RecordReader(
            self.api.order_model, account=settings.account, assumed_timezone=settings.assumed_timezone
        )
        return FolderTarget(self.folder, reader, orders_conn_id=self.api.settings.conn_id)

    def compare(
        self, windows: list[Window] = OPEN, *, by: str = "created", depth: str = "orders"
    ) -> Reconciliation:
        query, target = OrderQuery(), self.target()
        with SyncClient(self.api) as client:
            check_windows(self.api, query, windows, by=by)
            if depth == "orders":
                report = compare_orders(client, query, target, windows, by=by)
            else:
                counted = count_target(target, windows, by=by, api=self.api)
                report = compare_totals(client, query, counted, by=by, uri=target.uri, covers=target.covers)
        text = json.dumps(report)
        assert json.loads(text) == report
        assert secrets_in(text) == []
        return report

    def edit(self, change: Callable[[list[bytes]], list[bytes]]) -> None:
        """Change the lines of the one file."""
        (path,) = self.folder.glob("*.jsonl")
        path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))

    def id_of(self, line: bytes) -> str:
        return str(json.loads(line)[ID_FIELDS[self.vendor]])


@pytest.fixture
def shop(orders_sandbox: Sandbox, tmp_path: Path, vendor: str) -> Shop:
    return Shop(orders_sandbox, tmp_path, vendor)


def counts(report: Reconciliation) -> tuple[int, int, int, int]:
    return (
        report["missing"]["count"],
        report["extra"]["count"],
        report["changed"]["count"],
        report["changed_since"]["count"],
    )


class TestFindsNothing:
    @pytest.mark.parametrize("sink", ["raw", "vendor", "canonical", "parquet"])
    def test_in_what_was_just_written(self, shop: Shop, sink: str) -> None:
        shop.export(sink=sink)
        for windows in (OPEN, read(YEAR)):
            report = shop.compare(windows)
            assert report["is_equal"]
            assert counts(report) == (0, 0, 0, 0)
            assert report["checked"] == {"source": 230, "written": 230}
            assert report["totals"]
            assert all(sums["source"] == sums["written"] for sums in report["totals"].values())
            assert (report["windows"], report["windows_to_repair"]) == ([], [])

    @pytest.mark.parametrize(("compression", "ending"), [("gzip", ".gz"), ("zstd", ".zst")])
    def test_in_compressed_files(
        self, orders_sandbox: Sandbox, tmp_path: Path, compression: str, ending: str
    ) -> None:
        shop = Shop(orders_sandbox, tmp_path, "dipli")
        (file,) = shop.export(compression=compression)["files"]
        assert file["path"].endswith(ending)
        assert shop.compare()["is_equal"]

    def test_in_partitions(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        shop = Shop(orders_sandbox, tmp_path, "valomnia")
        assert len(shop.export(sink="parquet", partition_by="created")["files"]) > 80
        assert shop.compare()["is_equal"]

    def test_in_a_file_without_orders(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        shop = Shop(orders_sandbox, tmp_path, "genuka")
        (empty,) = shop.export("nothing", sink="parquet", created_to=datetime(2000, 1, 1, tzinfo=UTC))[
            "files"
        ]
        assert empty["rows"] == 0
        shop.export(sink="parquet")
        assert shop.compare()["is_equal"]

    def test_by_counts_alone(self, shop: Shop) -> None:
        shop.export()
        before = len(shop.sandbox.requests)
        report = shop.compare(read(YEAR), depth="totals")
        assert report["is_equal"]
        assert report["checked"] == {"source": 230, "written": 230}
        asked = shop.sandbox.requests[before:]
        assert report["requests"] == len(asked)
        if shop.vendor in {"valomnia", "genuka"}:
            sizes = {
                request.query.get("max") or request.query.get("per_page")
                for request in asked
                if request.path.endswith("orders")
            }
            assert sizes == {"1"}

    def test_by_the_one_count_of_everything(self, shop: Shop) -> None:
        shop.export()
        report = shop.compare(depth="totals")
        assert report["is_equal"]
        assert report["requests"] <= 3  # Valomnia signs in with two
        assert (report["missing"]["ids"], report["totals"]) == ([], {})

    def test_in_a_window_of_updates(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        for name in ("popsell", "valomnia", "genuka"):
            shop = Shop(orders_sandbox, tmp_path / name, name)
            shop.export()
            windows = read(plan_windows("2025-11-01", "2025-12-01", every="week", by="updated"))
            report = shop.compare(windows, by="updated")
            assert counts(report) == (0, 0, 0, 0)
            assert 0 < report["checked"]["source"] == report["checked"]["written"] < 230
            assert shop.compare(windows, by="updated", depth="totals")["is_equal"]

    def test_in_the_orders_of_one_ambassador_which_popsell_cannot_count_by_a_window(
        self, orders_sandbox: Sandbox, tmp_path: Path
    ) -> None:
        shop = Shop(orders_sandbox, tmp_path, "popsell")
        (ambassador, _), *_ = Counter(
            order["ambassador"]["id_ambassador"]
            for order in orders_sandbox.payloads("popsell")
            if order["ambassador"]
        ).most_common()
        start, end = read(YEAR)[1]
        manifest = shop.export(created_from=start, created_to=end, ambassador_id=ambassador)
        counted, covers = count_manifests([manifest], shop.api.settings.conn_id)
        with SyncClient(shop.api) as client:
            query = OrderQuery(ambassador_id=ambassador)
            report = compare_totals(client, query, counted, by="created", uri="", covers=covers)
        assert report["is_equal"]
        assert report["checked"]["source"] > 0
        # Not the count of the wider window that was asked for.
        assert all(request.query.get("per_page") != "1" for request in orders_sandbox.requests)

    def test_where_the_folder_has_been_moved(self, shop: Shop) -> None:
        shop.export()
        shop.folder = shop.folder.rename(shop.folder.with_name(f"{shop.folder.name}-moved"))
        assert shop.compare()["is_equal"]

    def test_on_the_boundary_of_windows_whose_end_the_vendor_includes(
        self, orders_sandbox: Sandbox, tmp_path: Path
    ) -> None:
        """Genuka counts an order at the end of a window in it, and in the next one."""
        shop = Shop(orders_sandbox, tmp_path, "genuka")
        shop.export()
        seam = datetime.fromisoformat(orders_sandbox.payloads("genuka")[100]["created_at"])
        start, end = read(YEAR)[0][0], read(YEAR)[-1][1]
        report = shop.compare([(start, seam), (seam, end)], depth="totals")
        assert report["requests"] > 2  # the counts alone differ, so that a window was read
        assert report["is_equal"]
        assert report["checked"] == {"source": 230, "written": 230}


class TestFinds:
    def test_missing_changed_and_extra_orders(self, shop: Shop) -> None:
        shop.export()
        amount = AMOUNTS[shop.vendor]
        ids: dict[str, Any] = {}

        def damage(lines: list[bytes]) -> list[bytes]:
            ids["missing"] = sorted(shop.id_of(line) for line in lines[50:53])
            changed = json.loads(lines[100])
            changed[amount] = (changed[amount] or 0) + 1000
            ids["changed"] = [shop.id_of(lines[100])]
            extra = json.loads(lines[120])
            identity = extra[ID_FIELDS[shop.vendor]]
            extra[ID_FIELDS[shop.vendor]] = (
                identity[:-4] + "zzzz" if isinstance(identity, str) else identity + 10**6
            )
            ids["extra"] = [str(extra[ID_FIELDS[shop.vendor]])]
            rows = [*lines[:50], *lines[53:100], json.dumps(changed).encode() + b"\n", *lines[101:]]
            return [*rows, json.dumps(extra).encode() + b"\n"]

        shop.edit(damage)
        report = shop.compare(read(YEAR))
        assert counts(report) == (3, 1, 1, 0)
        assert not report["is_equal"]
        for kind, expected in ids.items():
            assert sorted(report[kind]["ids"]) == expected  # type: ignore[literal-required]
        assert report["checked"] == {"source": 230, "written": 228}
        assert any(Decimal(sums["source"]) != Decimal(sums["written"]) for sums in report["totals"].values())
        wanted = {*ids["missing"], *ids["changed"]}
        orders = [order for key, order in truth(shop.sandbox, shop.vendor).items() if key in wanted]
        created = [
            shop.api.order_model.parse(json.dumps(order).encode()).window_moments()[0] for order in orders
        ]
        repairs = read(report["windows_to_repair"])
        assert all(any(start <= moment < end for start, end in repairs) for moment in created)  # type: ignore[operator]
        assert all(any(start <= moment < end for moment in created) for start, end in repairs)  # type: ignore[operator]
        assert all(part in YEAR for part in report["windows_to_repair"])

    def test_counts_that_differ(self, shop: Shop) -> None:
        shop.export()
        shop.edit(lambda lines: lines[:60] + lines[62:])
        report = shop.compare(read(YEAR), depth="totals")
        assert counts(report) == (2, 0, 0, 0)
        assert report["missing"]["ids"] == []
        assert report["checked"] == {"source": 230, "written": 228}
        assert sum(each["source"] - each["written"] for each in report["windows"]) == 2
        assert [
            {name: text for name, text in each.items() if name.startswith("created")}
            for each in report["windows"]
        ] == report["windows_to_repair"]

    @pytest.mark.parametrize("sink", ["canonical", "raw"])
    def test_an_amount_edited_by_hand(self, orders_sandbox: Sandbox, tmp_path: Path, sink: str) -> None:
        shop = Shop(orders_sandbox, tmp_path, "genuka")
        shop.export(sink=sink)

        def edit(lines: list[bytes]) -> list[bytes]:
            order = json.loads(lines[7])
            order["total" if sink == "canonical" else "amount"] = "1.23"
            return [*lines[:7], json.dumps(order).encode() + b"\n", *lines[8:]]

        shop.edit(edit)
        assert counts(shop.compare()) == (0, 0, 1, 0)

    def test_orders_deleted_at_the_source(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        shop = Shop(orders_sandbox, tmp_path, "dipli")
        shop.export()
        gone = orders_sandbox.payloads("dipli")[30]["id"]
        orders_sandbox.delete_order("dipli", gone)
        report = shop.compare(read(YEAR))
        assert counts(report) == (0, 1, 0, 0)
        assert report["extra"]["ids"] == [str(gone)]
        assert report["windows_to_repair"] == []  # exporting again would not remove it
        assert len(report["windows"]) == 1
        assert counts(shop.compare(read(YEAR), depth="totals")) == (0, 1, 0, 0)

    def test_a_file_that_is_gone(self, shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
        (file,) = shop.export()["files"]
        (path,) = shop.folder.glob("*.jsonl")
        path.unlink()
        report = shop.compare(read(YEAR))
        assert counts(report) == (230, 0, 0, 0)
        assert len(report["missing"]["ids"]) == MOST_IDS
        assert "is gone, with 230 orders" in caplog.text
        assert file["rows"] == 230

    def test_no_more_than_a_hundred_windows(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        shop = Shop(orders_sandbox, tmp_path, "valomnia")
        shop.export()
        shop.edit(lambda _lines: [])
        days = plan_windows("2025-10-01", "2026-01-01", every=timedelta(hours=8))
        report = shop.compare(read(days))
        assert len(report["windows"]) == 100
        repairs = read(report["windows_to_repair"])
        assert len(repairs) <= 100
        created = [
            datetime.fromisoformat(order["dateCreated"]) for order in orders_sandbox.payloads("valomnia")
        ]
        assert all(any(start <= moment < end for start, end in repairs) for moment in created)  # type: ignore[operator]
        assert len(json.dumps(report)) < 40_000


class TestToldApart:
    """What happened after the export is no difference."""

    @pytest.mark.parametrize("vendor", ["popsell", "valomnia", "genuka"])
    def test_changes_and_new_orders(self, shop: Shop) -> None:
        shop.sandbox.clock.advance(3600)
        shop.export()
        later = datetime.now(UTC) - shop.sandbox.clock.now() + timedelta(minutes=1)
        shop.sandbox.clock.advance(later.total_seconds())
        changed = [str(order[ID_FIELDS[shop.vendor]]) for order in shop.sandbox.payloads(shop.vendor)[50:52]]
        for order_id in changed:
            axis = "fulfillment" if shop.vendor != "popsell" else "order"
            word = {"popsell": "RETURNED", "valomnia": "REJECTED", "genuka": "partial_delivery"}[shop.vendor]
            shop.sandbox.set_status(shop.vendor, order_id, word, axis=axis)
        new = shop.sandbox.insert_orders(shop.vendor, 2)
        report = shop.compare()
        assert report["is_equal"]
        assert {*changed, *map(str, new)} <= set(report["changed_since"]["ids"])
        assert report["windows_to_repair"] == []

    def test_orders_that_have_left_a_window_of_updates(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        for name in ("valomnia", "genuka"):
            shop = Shop(orders_sandbox, tmp_path / name, name)
            window = {"updated_from": "2025-10-01T00:00:00Z", "updated_to": "2026-01-01T00:00:01Z"}
            shop.export(**window)
            orders_sandbox.clock.advance(7200)
            moved = orders_sandbox.payloads(name)[60]["id"]
            word = {"valomnia": "REJECTED", "genuka": "partial_delivery"}[name]
            orders_sandbox.set_status(name, moved, word, axis="fulfillment")
            report = shop.compare(read([window]), by="updated")
            assert counts(report)[:3] == (0, 0, 0)
            assert str(moved) in report["changed_since"]["ids"]
            gone = orders_sandbox.payloads("valomnia")[61]["id"]
            if name == "valomnia":
                orders_sandbox.delete_order(name, gone)
                assert shop.compare(read([window]), by="updated")["extra"]["ids"] == [str(gone)]
            orders_sandbox.reset()

    def test_a_change_that_a_later_export_should_have_brought(
        self, orders_sandbox: Sandbox, tmp_path: Path
    ) -> None:
        shop = Shop(orders_sandbox, tmp_path, "genuka")
        shop.export("first", mode="incremental")
        orders_sandbox.clock.advance(7200)
        changed = orders_sandbox.payloads("genuka")[60]["id"]
        orders_sandbox.set_status("genuka", changed, "partial_delivery", axis="fulfillment")
        assert changed in shop.compare()["changed_since"]["ids"]
        second = shop.export("second", mode="incremental")
        report = shop.compare()
        assert counts(report) == (0, 0, 0, 0)
        (file,) = second["files"]
        (tmp_path / file["path"].rpartition("/")[2]).write_bytes(b"")
        assert changed in shop.compare()["changed"]["ids"]

    @pytest.mark.parametrize("gone", [0, 1, 2])
    def test_a_month_that_nobody_has_exported(self, shop: Shop, gone: int) -> None:
        parts = plan_windows("2025-10-01", "2026-01-01")
        manifests = [shop.export(str(number), **part) for number, part in enumerate(parts) if number != gone]
        missing = 230 - sum(manifest["rows"] for manifest in manifests)
        for depth in ("orders", "totals"):
            report = shop.compare(read(parts), depth=depth)
            assert counts(report) == (missing, 0, 0, 0)
            assert report["windows_to_repair"] == [parts[gone]]

    def test_a_repair_says_nothing_about_what_the_series_has_still_to_bring(
        self, orders_sandbox: Sandbox, tmp_path: Path
    ) -> None:
        shop = Shop(orders_sandbox, tmp_path, "genuka")
        shop.export("series", mode="incremental")
        orders_sandbox.clock.advance(7200)
        (new,) = orders_sandbox.insert_orders("genuka")
        shop.export("repair", **plan_windows("2025-11-01", "2025-12-01")[0])
        report = shop.compare()
        assert report["is_equal"]
        assert new in report["changed_since"]["ids"]

    def test_dipli_cannot_tell(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        shop = Shop(orders_sandbox, tmp_path, "dipli")
        shop.export()
        changed = orders_sandbox.payloads("dipli")[60]["id"]
        orders_sandbox.set_status("dipli", changed, "error_shipping")
        report = shop.compare()
        assert report["changed"]["ids"] == [str(changed)]
        assert "does not say when an order changed" in report["can_miss"][0]


def test_a_page_of_imported_orders_is_not_the_end_of_what_was_written(
    orders_sandbox: Sandbox, tmp_path: Path
) -> None:
    shop = Shop(orders_sandbox, tmp_path, "popsell")
    shop.export()
    window: list[Window] = [(datetime(2025, 11, 1, tzinfo=UTC), None)]
    written = shop.compare(window)["checked"]["written"]
    old = datetime(2020, 1, 1, tzinfo=UTC)
    orders_sandbox.insert_orders("popsell", 2 * shop.api.settings.page_size, placed_at=old, entered_at=old)

    report = shop.compare(window)

    assert counts(report) == (0, 0, 0, 0)
    assert report["checked"] == {"source": written, "written": written}
    assert 0 < written < 230
    assert "orders behind a page of imported orders, entered with an older date" in report["can_miss"]


class TestTheNewestVersion:
    def test_counts_of_several_exports(self, shop: Shop) -> None:
        shop.export("first")
        axis = "order" if shop.vendor == "popsell" else "fulfillment"
        word = {"popsell": "RETURNED", "dipli": "error_shipping", "valomnia": "REJECTED"}.get(
            shop.vendor, "partial_delivery"
        )
        changed = shop.sandbox.payloads(shop.vendor)[60][ID_FIELDS[shop.vendor]]
        shop.sandbox.clock.advance(60)
        shop.sandbox.set_status(shop.vendor, changed, word, axis=axis)
        shop.export("another")
        report = shop.compare()
        assert counts(report) == (0, 0, 0, 0)
        assert report["checked"] == {"source": 230, "written": 230}
        assert shop.compare(read(YEAR), depth="totals")["is_equal"]


@pytest.mark.parametrize("depth", ["orders", "totals"])
def test_repairing_leaves_no_difference(shop: Shop, depth: str) -> None:
    shop.export()
    shop.edit(lambda lines: lines[:20] + lines[25:90] + lines[91:])
    parts = shop.compare(read(YEAR), depth=depth)["windows_to_repair"]
    assert 0 < len(parts) < len(YEAR)
    for number, part in enumerate(parts):
        shop.export(f"repair-{number}", **part)
    assert counts(shop.compare(read(YEAR), depth=depth)) == (0, 0, 0, 0)
    assert counts(shop.compare(read(YEAR))) == (0, 0, 0, 0)


class TestDeletedOrders:
    """Genuka lists the orders that it marks as deleted, and counts them."""

    @pytest.fixture
    def shop(self) -> ModelShop:
        shop = ModelShop("genuka")
        for _ in range(6):
            shop.place()
            shop.now += 60
        return shop

    @pytest.fixture
    def database(self, tmp_path: Path) -> UrlDatabase:
        return UrlDatabase(f"sqlite:///{tmp_path / 'orders.db'}")

    @staticmethod
    def export(shop: ModelShop, database: UrlDatabase, key: str, mode: str = "full") -> None:
        shop.now += 60
        with SqlSink(database, run_key=key) as sink:
            moment = datetime.fromtimestamp(shop.now, UTC)
            export_orders(shop.client, OrderQuery(), sink, mode=mode, run_key=key, now=moment)

    @staticmethod
    def compare(shop: ModelShop, database: UrlDatabase, depth: str) -> Reconciliation:
        query = OrderQuery()
        with SqlTarget(database, table="orders", schema=None, scope=Scope.of(shop.api, query)) as target:
            if depth == "orders":
                return compare_orders(shop.client, query, target, OPEN, by="created")
            counted = count_target(target, OPEN, by="created", api=shop.api)
            return compare_totals(
                shop.client, query, counted, by="created", uri=target.uri, covers=target.covers
            )

    @pytest.mark.parametrize("depth", DEPTHS)
    def test_that_are_gone_for_good_are_no_difference(
        self, shop: ModelShop, database: UrlDatabase, depth: str
    ) -> None:
        self.export(shop, database, "1")
        shop.delete(shop.orders[0])
        self.export(shop, database, "2")
        report = self.compare(shop, database, depth)
        assert report["is_equal"]
        assert report["checked"] == {"source": 5, "written": 5}

    @pytest.mark.parametrize("depth", DEPTHS)
    def test_that_are_gone_for_good_hide_no_missing_one(
        self, shop: ModelShop, database: UrlDatabase, depth: str
    ) -> None:
        self.export(shop, database, "1")
        shop.delete(shop.orders[0])
        self.export(shop, database, "2")
        do(database.url, "DELETE FROM orders WHERE id = '3'")
        assert counts(self.compare(shop, database, depth)) == (1, 0, 0, 0)

    @pytest.mark.parametrize("depth", DEPTHS)
    def test_that_the_source_still_lists_count(
        self, shop: ModelShop, database: UrlDatabase, depth: str
    ) -> None:
        shop.orders[0].deleted = True
        self.export(shop, database, "1")
        report = self.compare(shop, database, depth)
        assert report["is_equal"]
        assert report["checked"] == {"source": 6, "written": 6}

    @pytest.mark.parametrize("mode", ["full", "incremental"])
    @pytest.mark.parametrize("depth", DEPTHS)
    def test_that_the_source_listed_as_deleted_before_they_went_are_no_difference(
        self, shop: ModelShop, database: UrlDatabase, depth: str, mode: str
    ) -> None:
        shop.orders[0].deleted = True
        self.export(shop, database, "1", mode)
        shop.delete(shop.orders[0])
        self.export(shop, database, "2", mode)
        report = self.compare(shop, database, depth)
        assert report["is_equal"]
        assert report["checked"] == {"source": 5, "written": 5}


@pytest.mark.parametrize("target", ["raw", "canonical", "parquet"])
def test_a_change_in_the_hour_that_comes_twice_is_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """Popsell's dates have no zone: ten past two in winter time comes after ten to three in summer time."""
    shop = ModelShop("popsell", now=int(datetime(2026, 10, 24, 12, tzinfo=UTC).timestamp()))
    order, shown, row = shop.place(), {"date_update": "2026-10-25 02:50:00"}, ModelShop._row

    def without_zone(self: ModelShop, order: SourceOrder) -> bytes:
        return json.dumps({**json.loads(row(self, order)), **shown}).encode()

    monkeypatch.setattr(ModelShop, "_row", without_zone)

    def export(key: str, minute: int) -> None:
        sink: Any = (
            ParquetSink(tmp_path, key, run_key=key)
            if target == "parquet"
            else JsonLinesSink(tmp_path, key, run_key=key, output=target)
        )
        moment = datetime(2026, 10, 25, minute // 60, minute % 60, tzinfo=UTC)
        with sink:
            export_orders(shop.client, OrderQuery(), sink, mode="full", run_key=key, now=moment)

    export("summer", 55)
    order.status, shown["date_update"] = 2, "2026-10-25 02:10:00"
    export("winter", 75)
    reader = RecordReader(shop.api.order_model, account=shop.api.settings.account, assumed_timezone=None)
    folder = FolderTarget(tmp_path, reader, orders_conn_id=shop.api.settings.conn_id)
    assert compare_orders(shop.client, OrderQuery(), folder, OPEN, by="created")["is_equal"]


class TestManifests:
    def test_are_counted_window_by_window(self, shop: Shop) -> None:
        manifests = [shop.export(str(number), **part) for number, part in enumerate(YEAR)]
        counted, covers = count_manifests(reversed(manifests), shop.api.settings.conn_id)
        assert sum(each.written for each in counted) == 230
        with SyncClient(shop.api) as client:
            report = compare_totals(client, OrderQuery(), counted, by="created", uri="x", covers=covers)
            assert report["is_equal"]
            less = [Counted(counted[0].window, counted[0].written - 1), *counted[1:]]
            report = compare_totals(client, OrderQuery(), less, by="created", uri="x", covers=covers)
        assert counts(report) == (1, 0, 0, 0)
        assert report["windows_to_repair"] == [
            {"created_from": "2025-10-01T00:00:00+00:00", "created_to": "2025-11-01T00:00:00+00:00"}
        ]

    def test_of_another_connection_or_of_incremental_exports_are_refused(
        self, orders_sandbox: Sandbox, tmp_path: Path
    ) -> None:
        shop = Shop(orders_sandbox, tmp_path, "genuka")
        manifest = shop.export(mode="incremental")
        with pytest.raises(ConfigurationError, match="incremental"):
            count_manifests([manifest], "genuka_default")
        with pytest.raises(ConfigurationError, match="not of other"):
            count_manifests([manifest], "other")

    def test_tell_rejected_rows_from_missing_ones(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        shop = Shop(orders_sandbox, tmp_path, "valomnia")
        orders_sandbox.inject("bad_row", vendor="valomnia", variant="text_amount", times=None)
        manifest = shop.export(on_reject="keep")
        assert manifest["rejected"] > 0
        counted, covers = count_manifests([manifest], "valomnia_default")
        with SyncClient(shop.api) as client:
            report = compare_totals(client, OrderQuery(), counted, by="created", uri="x", covers=covers)
        assert report["is_equal"]
        report = shop.compare()
        assert counts(report) == (0, 0, 0, 0)
        assert report["unreadable"] == manifest["rejected"]


class TestRefuses:
    def test_windows_of_updates_where_orders_do_not_say_when_they_changed(
        self, orders_sandbox: Sandbox
    ) -> None:
        api = make_api(orders_sandbox, "dipli")
        with pytest.raises(ConfigurationError, match="do not say when they changed"):
            check_windows(api, OrderQuery(), read(YEAR), by="updated")
        assert orders_sandbox.requests == []

    def test_windows_that_overlap(self, orders_sandbox: Sandbox) -> None:
        api = make_api(orders_sandbox, "genuka")
        for windows in (read(YEAR)[::-1], [*OPEN, *OPEN]):
            with pytest.raises(ConfigurationError, match="overlap"):
                check_windows(api, OrderQuery(), windows, by="created")

    def test_a_folder_without_an_export_of_the_connection(
        self, orders_sandbox: Sandbox, tmp_path: Path
    ) -> None:
        shop = Shop(orders_sandbox, tmp_path, "dipli")
        with pytest.raises(ConfigurationError, match="holds no manifest of an export of dipli_default"):
            shop.target()
        shop.folder = tmp_path / "none"
        with pytest.raises(ConfigurationError, match="cannot be read"):
            shop.target()

    @pytest.mark.parametrize(
        ("compression", "damage"),
        [
            (None, lambda data: data[:-50]),
            ("gzip", lambda data: data[:-50]),
            ("gzip", lambda data: data[:40] + b"\0\0\0\0" + data[44:]),
            ("zstd", lambda data: b"x" + data[1:]),
        ],
    )
    def test_a_damaged_file_by_its_name(
        self,
        orders_sandbox: Sandbox,
        tmp_path: Path,
        compression: str | None,
        damage: Callable[[bytes], bytes],
    ) -> None:
        shop = Shop(orders_sandbox, tmp_path, "dipli")
        shop.export(compression=compression)
        (path,) = tmp_path.glob("*.jsonl*")
        path.write_bytes(damage(path.read_bytes()))
        with pytest.raises(OrdersError, match="cannot be read back") as caught:
            shop.compare()
        assert path.name in str(caught.value)
        assert secrets_in(str(caught.value)) == []


def test_compressed_lines_are_what_they_seem(orders_sandbox: Sandbox, tmp_path: Path) -> None:
    """A file that another tool has compressed anew, in several frames or members, is read to its end."""
    shop = Shop(orders_sandbox, tmp_path, "dipli")
    for compression, pack in (("gzip", gzip.compress), ("zstd", zstandard.ZstdCompressor().compress)):
        (file,) = shop.export(compression=compression)["files"]
        path = tmp_path / file["path"].rpartition("/")[2]
        (tmp_path / "plain").mkdir(exist_ok=True)
        plain = Shop(orders_sandbox, tmp_path / "plain", "dipli")
        plain.export()
        lines = next((tmp_path / "plain").glob("*.jsonl")).read_bytes().splitlines(keepends=True)
        path.write_bytes(pack(b"".join(lines[:100])) + pack(b"".join(lines[100:])))
        assert shop.compare()["is_equal"]


def test_memory_does_not_grow_with_the_orders() -> None:
    from airflow_provider_orders.export.reconcile import _Ledger

    def peak(orders: int) -> int:
        moment = datetime(2026, 1, 1, tzinfo=UTC)

        def many() -> Iterator[WrittenOrder]:
            for number in range(orders):
                yield WrittenOrder(str(number), "0" * 64, "EUR", Decimal(1), moment, moment, is_deleted=False)

        tracemalloc.start()
        ledger = _Ledger("created")
        ledger.load(many())
        assert sum(1 for _ in ledger.rows(OPEN)) == orders
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        ledger.close()
        return most

    assert peak(20_000) < peak(2_000) * 2
