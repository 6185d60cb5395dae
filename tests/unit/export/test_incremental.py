"""What an incremental export brings, what it can miss, and that it says so: case by case."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.export import versions
from airflow_provider_orders.export.plan import make_plan
from airflow_provider_orders.export.sinks.jsonl import JsonLinesSink
from airflow_provider_orders.export.sinks.parquet import ParquetSink
from airflow_provider_orders.export.state import SyncState
from airflow_provider_orders.models.genuka import GenukaOrder
from airflow_provider_orders.sandbox import Sandbox
from tests.unit.export.model_source import BASE, VENDORS, Shop, SourceOrder, model_api
from tests.unit.export.series import Series

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_provider_orders.export.manifest import Manifest

MINUTE, HOUR, DAY = 60, 3600, 86400

BY_SECOND = ("valomnia", "genuka")


def shop_of(vendor: str, count: int = 6, **options: Any) -> Shop:
    """Open a shop, place an order an hour, and export them all."""
    shop = Shop(vendor, **options)
    for _ in range(count):
        shop.place()
        shop.now += HOUR
    shop.export("first")
    shop.now += HOUR
    return shop


def export_twice(shop: Shop, **options: Any) -> Manifest:
    """Export, and once more an hour later: what happens during an export may come with the next one."""
    shop.export(f"at {shop.now}", **options)
    shop.now += HOUR
    return shop.export(f"at {shop.now}", **options)


def import_old(shop: Shop, count: int) -> list[SourceOrder]:
    """Bring orders of another shop in, with the dates of their entry there."""
    orders = [shop.place(age=400 * DAY) for _ in range(count)]
    for order in orders:
        order.entered = order.created
    return orders


def missing(shop: Shop) -> set[str]:
    target = shop.target()
    return {order_id for order_id, row in shop.rows().items() if target.get(order_id) != row}


def ids(*orders: SourceOrder) -> set[str]:
    return {str(order.number) for order in orders}


SHOWN = (
    "does not date",
    "before they can be read",
    "in the future",
    "orders deleted",
    "as another one is deleted",
    "after they were placed",
    "left the statuses",
    "while the listing was read",
    "changed again after the window",
    "shows only after the window was read",
    "whatever their status says",
    "before the date that they bear",
    "behind a page of imported orders",
    "imported while the listing was read",
    "a day that was not over",
    "beyond the limit",
)
"""A part of each gap that the tests below show to be one."""


def named(manifest: Manifest, words: str) -> None:
    """Check that an export says what it can miss."""
    assert words in SHOWN
    assert any(words in gap for gap in manifest["can_miss"]), manifest["can_miss"]


def test_every_gap_that_a_plan_can_name_is_shown_below() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    state = SyncState(sequence=1, watermark=now, newest_id=1)
    for vendor in VENDORS:
        api = model_api(vendor)
        statuses = {"valomnia": (), "dipli": ("delivered",), "genuka": ("cancelled",)}.get(
            vendor, ("pending",)
        )
        queries = [
            ("incremental", OrderQuery(statuses=statuses)),
            ("full", OrderQuery(statuses=statuses)),
            ("window", OrderQuery(updated_from=now, updated_to=now)),
            ("window", OrderQuery(created_from=now, created_to=now)),
        ]
        for mode, query in queries:
            plan = make_plan(api, query, mode=mode, state=state, now=now, limit=None if "in" in mode else 1)
            for gap in plan.can_miss:
                assert any(words in gap for words in SHOWN), gap


class TestWhatIsNeverMissed:
    @pytest.mark.parametrize("vendor", VENDORS)
    @pytest.mark.parametrize("lookback", [0, 300])
    def test_several_changes_within_one_second(self, vendor: str, lookback: int) -> None:
        shop = shop_of(vendor)
        order, other = shop.orders[2:4]
        shop.change(other)
        shop.change(order)
        shop.happens = {2: [lambda: shop.change(order)], 3: [lambda: shop.change(order)]}
        shop.now += 1
        shop.export("same second", lookback=timedelta(seconds=lookback))
        shop.change(order)
        export_twice(shop, lookback=timedelta(seconds=lookback))
        assert missing(shop) == set()

    @pytest.mark.parametrize("vendor", BY_SECOND)
    @pytest.mark.parametrize("skew", [-300, 0, 300, 2 * HOUR])
    def test_changes_by_a_clock_that_is_off_by_lookback_or_ahead(self, vendor: str, skew: int) -> None:
        shop = shop_of(vendor, skew=skew)
        shop.now += 3 * HOUR
        shop.export("caught up")
        shop.happens = {1: [lambda: shop.change(shop.orders[0])], 2: [lambda: shop.change(shop.orders[1])]}
        shop.export("during")
        shop.now += 3 * HOUR
        shop.export("after")
        assert missing(shop) == set()

    @pytest.mark.parametrize("vendor", BY_SECOND)
    def test_changes_in_each_pass_over_the_pages(self, vendor: str) -> None:
        shop = Shop(vendor, page_size=1, ahead=1)
        for _ in range(5):
            shop.place()
            shop.now += HOUR
        one, two, three = shop.orders[:3]
        shop.happens = {
            4: [lambda: shop.change(one)],
            7: [lambda: shop.change(two)],
            9: [lambda: shop.change(three)],
        }
        export_twice(shop)
        assert missing(shop) == set()

    def test_a_run_of_a_worker_whose_clock_is_behind_costs_nothing(self) -> None:
        shop = shop_of("genuka")
        shop.change(shop.orders[0])
        shop.now += 1
        shop.export("right clock", lookback=timedelta(0))
        shop.now -= 10 * MINUTE
        assert shop.export("behind", lookback=timedelta(0))["rows"] == 0
        shop.now += HOUR
        shop.change(shop.orders[1])
        export_twice(shop, lookback=timedelta(0))
        assert missing(shop) == set()

    @pytest.mark.parametrize("zone", ["UTC", "Europe/Paris"])
    @pytest.mark.parametrize("day", ["2026-01-15", "2026-03-28", "2026-03-29", "2026-10-24", "2026-10-25"])
    def test_changes_around_midnight_and_when_clocks_change(self, zone: str, day: str) -> None:
        shop = Shop("dipli", dipli_zone=zone, now=int(datetime.fromisoformat(f"{day}T20:00Z").timestamp()))
        orders = [shop.place(age=40 * DAY) for _ in range(12)]
        shop.export("first")
        for number in range(24):  # every twenty minutes, over midnight in both zones
            shop.change(orders[number % 12])
            shop.now += 10 * MINUTE
            shop.export(f"{number}")
            shop.now += 10 * MINUTE
            assert number % 3 or missing(shop) == set()
        shop.export("last")
        assert missing(shop) == set()
        assert all(len(versions) == 3 for versions in shop.versions().values())

    @pytest.mark.parametrize("vendor", ["popsell", "dipli", "genuka"])
    def test_an_order_that_moves_between_statuses_while_each_is_listed(self, vendor: str) -> None:
        shop = Shop(vendor, page_size=2, ahead=1)
        orders = [shop.place() for _ in range(6)]
        for order in orders[:3]:
            order.status = 1
        shop.now += 1
        # Of the first listing to the second, and of the second to the first.
        shop.happens = {
            3: [
                lambda: shop.change(orders[4], status=1),
                lambda: shop.change(orders[0], status=0),
            ]
        }
        assert shop.export("one", statuses=(0, 1))["rows"] < 7
        shop.now += HOUR
        manifest = export_twice(shop, statuses=(0, 1))
        assert missing(shop) == set()
        named(manifest, "while the listing was read")

    def test_orders_that_are_entered_late_with_an_old_date(self) -> None:
        shop = shop_of("popsell")
        late = shop.place(age=400 * DAY)
        export_twice(shop)
        shop.now += 5 * DAY
        shop.change(late)
        export_twice(shop)
        assert missing(shop) == set()

    def test_orders_behind_a_page_of_old_ones_that_were_entered_late(self) -> None:
        shop = shop_of("popsell", page_size=2)
        recent = shop.orders[1]
        for _ in range(6):
            shop.place(age=400 * DAY)
        export_twice(shop)
        shop.now += DAY
        shop.change(recent)
        export_twice(shop)
        assert missing(shop) == set()

    @pytest.mark.parametrize("before_the_first", [True, False])
    def test_changes_behind_pages_of_orders_that_were_imported_with_their_old_dates(
        self, before_the_first: bool
    ) -> None:
        shop = Shop("popsell", page_size=2) if before_the_first else shop_of("popsell", page_size=2)
        recent = shop.place()
        shop.now += HOUR
        import_old(shop, 6)
        for _ in range(3):
            export_twice(shop)
            assert missing(shop) == set()
            shop.now += 8 * DAY
            shop.place()
            shop.change(recent)
        export_twice(shop)
        assert missing(shop) == set()

    def test_nor_does_a_longer_sweep_end_there(self) -> None:
        shop = shop_of("popsell", page_size=2)
        order = shop.orders[1]
        import_old(shop, 6)
        shop.now += 20 * DAY
        export_twice(shop, sweep_days=5)
        shop.change(order)
        export_twice(shop, sweep_days=30)
        assert missing(shop) == set()

    def test_the_sweep_goes_no_further_down_than_it_must(self) -> None:
        shop = shop_of("popsell", page_size=2, ahead=1)
        shop.now += 40 * DAY
        import_old(shop, 6)
        shop.place()
        export_twice(shop)
        shop.export("one is young, on the first page")
        assert shop.asked == 2
        shop.now += 40 * DAY
        export_twice(shop)
        shop.export("nothing is young")
        assert shop.asked == 1

    def test_old_orders_that_are_entered_into_an_empty_shop(self) -> None:
        shop = Shop("popsell")
        shop.export("empty")
        shop.now += HOUR
        import_old(shop, 3)
        export_twice(shop)
        assert missing(shop) == set()

    def test_a_deletion_while_reading_from_the_newest_back(self) -> None:
        shop = shop_of("popsell", page_size=2, ahead=1)
        shop.happens = {2: [lambda: shop.delete(shop.orders[-1])]}
        export_twice(shop)
        assert missing(shop) == set()

    @pytest.mark.parametrize("vendor", VENDORS)
    def test_a_deletion_and_an_arrival_some_pages_later(self, vendor: str) -> None:
        shop = Shop(vendor, page_size=1, ahead=1)
        for _ in range(6):
            shop.place()
            shop.now += HOUR
        first_read = shop.orders[0 if vendor != "dipli" else -1]
        shop.happens = {3: [lambda: shop.delete(first_read)], 5: [shop.place]}
        export_twice(shop)
        assert missing(shop) == set()

    @pytest.mark.parametrize("excludes_start", [True, False])
    @pytest.mark.parametrize("by", ["created", "updated"])
    def test_what_happened_at_the_very_start_of_a_window(self, by: str, excludes_start: bool) -> None:
        shop = Shop("genuka", excludes_start=excludes_start)
        for _ in range(3):
            shop.place()
            shop.now += 1
        start = datetime.fromtimestamp(BASE + 1, UTC)
        query = OrderQuery.of(**{f"{by}_from": start, f"{by}_to": start + timedelta(seconds=1)})
        manifest = shop.export("window", mode="window", query=query)
        assert shop.rows_of(manifest).keys() == ids(shop.orders[1])

    def test_orders_that_genuka_marks_as_deleted(self) -> None:
        shop = shop_of("genuka")
        shop.orders[1].deleted = True
        shop.change(shop.orders[1])
        export_twice(shop)
        assert missing(shop) == set()


class TestNothingComesTwice:
    @pytest.mark.parametrize("vendor", VENDORS)
    def test_in_exports_without_changes(self, vendor: str) -> None:
        shop = shop_of(vendor)
        for _ in range(5):
            shop.now += MINUTE
            assert shop.export(f"{shop.now}")["rows"] == 0

    @pytest.mark.parametrize("vendor", BY_SECOND)
    def test_though_the_export_before_did_not_read_it(self, vendor: str) -> None:
        shop = shop_of(vendor)
        shop.change(shop.orders[0])
        shop.now += 1
        shop.export("right clock")
        shop.now -= 10 * MINUTE
        shop.export("of a worker whose clock is behind")
        shop.now += HOUR
        assert shop.export("right again")["rows"] == 0

    @pytest.mark.parametrize("vendor", VENDORS)
    def test_when_a_task_runs_again(self, vendor: str) -> None:
        shop = shop_of(vendor)
        shop.change(shop.orders[0])
        shop.now += MINUTE
        for _ in range(3):
            assert shop.export("the same")["rows"] == 1
        assert shop.export("another")["rows"] == 0
        assert len(shop.versions()["1"]) == 2


class TestADateThatOnlyTheCanonicalOrderReads:
    """It is not looked at where an order is validated, so that it first shows when versions are compared."""

    FIELDS: ClassVar = {"dipli": "delivered_at", "valomnia": "deliveredOn"}

    @pytest.fixture(params=FIELDS)
    def shop(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Shop:
        monkeypatch.setattr(versions, "_MOST_PENDING", 4)
        shop = Shop(request.param, page_size=3)
        for _ in range(12):
            shop.place()
        shop.more[3] = {self.FIELDS[request.param]: "soon"}
        shop.now += DAY
        return shop

    @pytest.mark.parametrize("output", ["raw", "vendor"])
    def test_rejects_nothing_where_it_is_written_as_it_came(self, shop: Shop, output: str) -> None:
        first, again = (shop.export(key, output=output) for key in ("one", "two"))
        assert (first["rows"], first["rejected"]) == (12, 0)
        assert (again["rows"], again["rejected"]) == (0, 0)

    @pytest.mark.parametrize("kind", ["jsonl", "parquet"])
    def test_rejects_that_order_alone_where_the_canonical_one_is_written(self, shop: Shop, kind: str) -> None:
        def sink(key: str) -> Any:
            if kind == "parquet":
                return ParquetSink(shop.folder, "orders", run_key=key)
            return JsonLinesSink(shop.folder, "orders", run_key=key, output="canonical")

        first = shop.export("one", into=sink("one"), on_reject="keep")
        (rejects,) = (data for name, data in shop.folder.files.items() if name.endswith(".rejects.jsonl"))
        assert (first["rows"], first["rejected"]) == (11, 1)
        assert json.loads(rejects)["row"] == json.loads(shop.rows()["3"])

        del shop.more[3]
        shop.change(shop.orders[2])
        shop.now += MINUTE
        assert shop.export("two", into=sink("two"), on_reject="keep")["rows"] == 1


class TestWhatCountsAsAChange:
    def test_every_field_of_the_payload_where_it_is_written_as_it_came(self) -> None:
        shop = Shop("dipli")
        for _ in range(3):
            shop.place()
        shop.more[1] = {"to_ship": True, "invoiced_at": None, "cart_items": [{"grade": "A"}]}
        shop.export("one")
        shop.now += HOUR
        shop.more[1] |= {"to_ship": False, "invoiced_at": "2026-03-28"}
        assert shop.export("two")["rows"] == 1
        shop.more[1] |= {"cart_items": [{"grade": "B"}]}
        assert shop.export("three")["rows"] == 1
        assert missing(shop) == set()
        assert len(shop.versions()["1"]) == 3

    def test_only_the_canonical_order_where_that_is_written(self) -> None:
        shop = Shop("dipli")
        shop.place()
        shop.export("one", output="canonical")
        shop.more[1] = {"to_ship": False}
        assert shop.export("two", output="canonical")["rows"] == 0

    @pytest.mark.parametrize("output", ["raw", "vendor"])
    def test_neither_the_order_of_the_fields_nor_white_space(
        self, output: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shop = Shop("dipli")
        shop.place()
        shop.more[1] = {"cart_items": [{"grade": "A", "color": "red"}], "price_h_t": 12}
        shop.export("one", output=output)
        row = Shop._row

        def other_way(shop: Shop, order: SourceOrder) -> bytes:
            content = json.loads(row(shop, order))
            content["cart_items"] = [dict(reversed(item.items())) for item in content["cart_items"]]
            return json.dumps(dict(reversed(content.items())), indent=1).encode()

        monkeypatch.setattr(Shop, "_row", other_way)
        assert shop.export("two", output=output)["rows"] == 0

    @pytest.mark.parametrize("output", ["raw", "vendor"])
    @pytest.mark.parametrize(
        ("vendor", "before", "after"),
        [
            ("popsell", {"buyer": {"online": True}}, {"buyer": {"online": False}}),
            (
                "popsell",
                {"ambassador": {"last_action_date": "2026-03-28T20:00:00Z"}},
                {"ambassador": {"last_action_date": "2026-03-28T21:00:00Z"}},
            ),
            (
                "popsell",
                {"products": [{"stock": 3, "stock_available": 2}]},
                {"products": [{"stock": 2, "stock_available": 1}]},
            ),
            (
                "dipli",
                {"cart_items": [{"product_extra_infos": {"stock": 2}}]},
                {"cart_items": [{"product_extra_infos": {"stock": 1}}]},
            ),
        ],
    )
    def test_nor_what_changes_without_the_order(
        self, vendor: str, before: dict[str, Any], after: dict[str, Any], output: str
    ) -> None:
        shop = Shop(vendor)
        shop.place()
        shop.more[1] = before
        shop.export("one", output=output)
        shop.more[1] = after
        shop.now += HOUR
        assert shop.export("two", output=output)["rows"] == 0

    def test_bytes_that_are_no_text(self) -> None:
        one, other = (
            versions.payload_version(b'{"id": 1, "note": "%c"}' % byte, GenukaOrder) for byte in (0xFE, 0xFF)
        )
        assert one != other

    def test_digits_beyond_those_of_a_float(self) -> None:
        one, other = (
            versions.payload_version(b'{"total": 0.1234567890123456789%d}' % end, GenukaOrder)
            for end in (1, 2)
        )
        assert one != other


class TestWhatIsMissedIsNamedAndFound:
    @staticmethod
    def check(shop: Shop, manifest: Manifest, words: str, *orders: SourceOrder) -> None:
        """Check that these are missed, that the export says so, and that a full one finds them."""
        assert missing(shop) == ids(*orders)
        named(manifest, words)
        assert shop.rows_of(shop.export("full", mode="full")) == shop.rows()

    @pytest.mark.parametrize("vendor", BY_SECOND)
    @pytest.mark.parametrize("lookback", [0, 300])
    def test_changes_that_can_be_read_later_than_lookback_after_their_time(
        self, vendor: str, lookback: int
    ) -> None:
        shop = shop_of(vendor)
        in_time, late, other = shop.orders[:3]
        shop.change(other)
        newest = shop.now
        shop.now += 1
        shop.export("with a newer one", lookback=timedelta(seconds=lookback))
        passed = shop.now - newest
        shop.change(in_time, late=passed + lookback)
        shop.change(late, late=passed + lookback + 1)
        manifest = export_twice(shop, lookback=timedelta(seconds=lookback))
        self.check(shop, manifest, "before they can be read", late)

    def test_changes_that_can_be_read_more_than_a_day_after_their_time(self) -> None:
        shop = shop_of("dipli")
        in_time, late = shop.orders[:2]
        shop.now += 9 * DAY
        shop.export("later")
        shop.change(in_time, late=DAY)
        shop.change(late, late=3 * DAY)
        self.check(shop, export_twice(shop), "before they can be read", late)

    @pytest.mark.parametrize("vendor", ["dipli", *BY_SECOND])
    def test_changes_without_a_date(self, vendor: str) -> None:
        shop = shop_of(vendor)
        order = shop.orders[1]
        shop.change(order)
        order.updated = None
        self.check(shop, export_twice(shop), "does not date", order)

    @pytest.mark.parametrize("vendor", BY_SECOND)
    def test_orders_without_a_date_are_in_the_first_export_all_the_same(self, vendor: str) -> None:
        shop = Shop(vendor)
        shop.place().updated = None
        shop.export("first")
        assert missing(shop) == set()

    @pytest.mark.parametrize("vendor", BY_SECOND)
    def test_changes_dated_in_the_future_until_then(self, vendor: str) -> None:
        shop = shop_of(vendor)
        order = shop.orders[1]
        shop.change(order, late=-2 * DAY)
        self.check(shop, export_twice(shop), "in the future", order)
        shop.now += 2 * DAY
        export_twice(shop)
        assert missing(shop) == set()

    def test_changes_of_orders_behind_the_sweep(self) -> None:
        shop = shop_of("popsell", page_size=1)
        shop.now += 10 * DAY
        for _ in range(3):
            shop.place()
        export_twice(shop, sweep_days=5)
        old = shop.orders[1]
        shop.change(old)
        self.check(shop, export_twice(shop, sweep_days=5), "after they were placed", old)
        # A longer sweep finds it as well.
        export_twice(shop, sweep_days=30)
        assert missing(shop) == set()

    @pytest.mark.parametrize("vendor", VENDORS)
    def test_orders_deleted_for_good(self, vendor: str) -> None:
        shop = shop_of(vendor)
        gone = shop.orders[1]
        shop.delete(gone)
        manifest = export_twice(shop)
        assert shop.target().keys() - shop.rows().keys() == ids(gone)
        self.check(shop, manifest, "orders deleted")

    @pytest.mark.parametrize("vendor", ["popsell", *BY_SECOND])
    def test_an_order_that_slips_when_one_is_deleted_as_another_arrives(self, vendor: str) -> None:
        shop = Shop(vendor, page_size=2, ahead=1)
        first, *_ = [shop.place() for _ in range(8)]
        shop.happens = {2: [lambda: shop.delete(first), shop.place]}
        shop.now += 9 * DAY
        manifest = shop.export("first")
        slipped, has_come = shop.orders[1], shop.orders[-1]
        assert missing(shop) - ids(has_come) == ids(slipped)
        named(manifest, "as another one is deleted")
        assert shop.rows_of(shop.export("full", mode="full")) == shop.rows()

    def test_an_order_that_slips_when_one_is_deleted_as_an_older_one_changes(self) -> None:
        # Dipli lists the newest first: one that is placed moves the others down, where they are read all the same.
        shop = shop_of("dipli", count=9, page_size=2, ahead=1)
        older, *_, slipped, next_one, newest = shop.orders
        shop.now += 9 * DAY
        shop.export("later")
        for order in (*shop.orders[3:6], slipped, next_one, newest):
            shop.change(order)
        shop.now += 3 * DAY
        shop.happens = {2: [lambda: shop.delete(newest), lambda: shop.change(older)]}
        shop.export("second")
        self.check(shop, export_twice(shop), "as another one is deleted", slipped)

    def test_orders_that_have_left_the_statuses(self) -> None:
        shop = Shop("genuka")
        order = shop.place()
        shop.now += 1
        shop.export("first", statuses=(0,))
        shop.change(order, status=2)
        shop.now += HOUR
        manifest = export_twice(shop, statuses=(0,))
        self.check(shop, manifest, "left the statuses", order)

    def test_in_a_full_export_an_order_whose_status_changes_meanwhile(self) -> None:
        shop = Shop("dipli", page_size=3, ahead=1)
        one, _ = shop.place(), shop.place()
        one.status = 1
        shop.happens = {2: [lambda: shop.change(one, status=0)]}
        query = OrderQuery(statuses=("pending_confirmation", "ongoing_shipping"))
        manifest = shop.export("full", mode="full", query=query)
        assert manifest["rows"] == 1
        named(manifest, "while the listing was read")
        assert shop.export("full", mode="full", query=query)["rows"] == 2

    @pytest.mark.parametrize("vendor", ["popsell", *BY_SECOND])
    def test_in_a_window_an_order_that_changed_again_after_it(self, vendor: str) -> None:
        shop = shop_of(vendor)
        start, end = (datetime.fromtimestamp(BASE + hours * HOUR, UTC) for hours in (0, 6))
        window = OrderQuery(updated_from=start, updated_to=end)
        assert shop.export("window", mode="window", query=window)["rows"] == 6
        again = shop.orders[2]
        shop.change(again)
        manifest = shop.export("window", mode="window", query=window)
        assert shop.rows().keys() - shop.rows_of(manifest).keys() == ids(again)
        self.check(shop, manifest, "changed again after the window", again)
        later = OrderQuery(updated_from=end, updated_to=end + timedelta(days=1))
        assert shop.rows_of(shop.export("later", mode="window", query=later)).keys() == ids(again)
        export_twice(shop)
        assert missing(shop) == set()

    def test_a_window_of_a_vendor_whose_orders_do_not_say_when_they_changed_has_them(self) -> None:
        shop = shop_of("dipli")
        start = datetime.fromtimestamp(BASE, UTC)
        window = OrderQuery(updated_from=start, updated_to=start + timedelta(hours=6))
        shop.change(shop.orders[2])
        manifest = shop.export("window", mode="window", query=window)
        assert shop.rows_of(manifest) == shop.rows()
        assert not any("changed again" in gap for gap in manifest["can_miss"])

    @pytest.mark.parametrize("vendor", ["popsell", *BY_SECOND])
    @pytest.mark.parametrize("by", ["created", "updated"])
    def test_in_windows_one_after_the_other_what_is_shown_later_than_it_is_dated(
        self, vendor: str, by: str
    ) -> None:
        shop = shop_of(vendor)
        end = shop.now + HOUR
        rows: dict[str, bytes] = {}
        for start in (end - HOUR, end):
            shop.now = start + HOUR + 1
            window = {f"{by}_from": start, f"{by}_to": start + HOUR}
            query = OrderQuery(**{name: datetime.fromtimestamp(at, UTC) for name, at in window.items()})  # type: ignore[arg-type]
            manifest = shop.export(f"window of {start}", mode="window", query=query)
            rows |= shop.rows_of(manifest)
            named(manifest, "shows only after the window was read")
            if start < end:
                shop.now = end + 5
                if by == "updated":
                    shop.change(shop.orders[1], late=6)
                else:
                    shop.place(late=6)
        assert rows == {}
        export_twice(shop)
        assert missing(shop) == set()

    @pytest.mark.parametrize("vendor", ["dipli", *BY_SECOND])
    def test_in_a_window_of_updates_changes_without_a_date(self, vendor: str) -> None:
        shop = shop_of(vendor)
        shop.orders[1].updated = None
        query = OrderQuery(updated_from=datetime.fromtimestamp(BASE, UTC))
        manifest = shop.export("window", mode="window", query=query)
        assert shop.rows().keys() - shop.rows_of(manifest).keys() == ids(shop.orders[1])
        named(manifest, "does not date")

    def test_with_statuses_orders_that_are_cancelled_because_genuka_marks_them_as_deleted(self) -> None:
        shop = Shop("genuka")
        deleted, cancelled = shop.place(), shop.place()
        deleted.deleted = True
        shop.more[cancelled.number] = {"shipping": {"status": "cancelled"}}
        full = shop.export("full", mode="full")
        assert full["statuses"]["fulfillment"] == {"cancelled": 2}
        manifest = shop.export("cancelled", mode="full", query=OrderQuery(statuses=("Cancelled",)))
        assert shop.rows_of(manifest).keys() <= ids(cancelled)
        named(manifest, "whatever their status says")

    def test_with_statuses_orders_that_are_delivered_because_dipli_gives_the_date(self) -> None:
        shop = Shop("dipli")
        order = shop.place()
        shop.more[order.number] = {"delivered_at": "2026-03-28"}
        full = shop.export("full", mode="full")
        assert full["statuses"]["fulfillment"] == {"delivered": 1}
        manifest = shop.export("delivered", mode="full", query=OrderQuery(statuses=("delivered",)))
        assert manifest["rows"] == 0
        named(manifest, "whatever their status says")
        manifest = shop.export("pending", mode="full", query=OrderQuery(statuses=("pending",)))
        assert not any("whatever" in gap for gap in manifest["can_miss"])

    def test_in_a_window_of_creation_an_order_entered_before_its_date(self) -> None:
        shop = Shop("popsell", page_size=1, ahead=1)
        ahead_of_time = shop.place(age=-10 * DAY)
        shop.now += 2 * DAY
        shop.place()
        shop.now += 8 * DAY
        wanted = shop.place()
        shop.now += DAY
        start = datetime.fromtimestamp(ahead_of_time.created - HOUR, UTC)
        query = OrderQuery(created_from=start, created_to=start + timedelta(days=9))
        manifest = shop.export("window", mode="window", query=query)
        assert shop.rows_of(manifest).keys() == ids(wanted)
        named(manifest, "before the date that they bear")

    def test_in_a_window_of_creation_orders_behind_a_page_of_imported_ones(self) -> None:
        shop = Shop("popsell", page_size=2)
        wanted = shop.place()
        shop.now += HOUR
        import_old(shop, 4)
        start = datetime.fromtimestamp(BASE - HOUR, UTC)
        query = OrderQuery(created_from=start, created_to=start + timedelta(days=1))
        manifest = shop.export("window", mode="window", query=query)
        assert shop.rows_of(manifest) == {}
        named(manifest, "behind a page of imported orders")
        full = shop.rows_of(shop.export("full", mode="full"))
        assert full.items() >= {str(wanted.number): shop.rows()[str(wanted.number)]}.items()

    def test_orders_that_come_to_match_the_filters_behind_a_page_of_imported_ones(self) -> None:
        shop = Shop("popsell", page_size=1, ahead=1)
        late = shop.place()
        for order in import_old(shop, 3):
            order.status = 1
        shop.place().status = 1
        shop.now += HOUR
        export_twice(shop, statuses=(1,))
        shop.change(late, status=1)
        shop.now += HOUR
        manifest = export_twice(shop, statuses=(1,))
        self.check(shop, manifest, "behind a page of imported orders", late)

    def test_orders_imported_between_the_listings_of_two_statuses(self) -> None:
        shop = Shop("popsell", ahead=1)
        shop.place()
        imported: list[SourceOrder] = []

        def arrive() -> None:
            imported.extend(import_old(shop, 1))
            shop.place().status = 1

        shop.happens = {2: [arrive]}
        shop.now += HOUR
        shop.export("one", statuses=(0, 1))
        shop.now += HOUR
        manifest = export_twice(shop, statuses=(0, 1))
        self.check(shop, manifest, "imported while the listing was read", *imported)

    def test_in_a_window_of_creation_nothing_behind_a_page_entered_late(self) -> None:
        shop = Shop("popsell", page_size=2)
        wanted = [shop.place() for _ in range(3)]
        shop.now += HOUR
        for _ in range(6):
            shop.place(age=400 * DAY)
        start = datetime.fromtimestamp(BASE - HOUR, UTC)
        query = OrderQuery(created_from=start, created_to=start + timedelta(days=1))
        manifest = shop.export("window", mode="window", query=query)
        assert shop.rows_of(manifest).keys() == ids(*wanted)

    def test_in_a_window_of_creation_orders_of_a_day_that_is_not_over(self) -> None:
        shop = Shop("dipli")
        midnight = BASE + 2 * HOUR
        shop.now = midnight + 3 * HOUR
        early = shop.place()
        early.created = midnight
        start = datetime.fromtimestamp(midnight, UTC)
        query = OrderQuery(created_from=start, created_to=start + timedelta(hours=1))
        manifest = shop.export("window", mode="window", query=query)
        assert manifest["rows"] == 1
        named(manifest, "a day that was not over")
        shop.now += 8 * HOUR
        shop.place().created = midnight
        assert shop.export("window", mode="window", query=query)["rows"] == 2

    def test_beyond_a_limit(self) -> None:
        shop = Shop("genuka")
        shop.place()
        shop.place()
        manifest = shop.export("full", mode="full", limit=1)
        assert manifest["rows"] == 1
        named(manifest, "beyond the limit")


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(orders=40, step_s=float("inf")) as sandbox:
        sandbox.clock.freeze()
        yield sandbox


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


class TestIntoATable:
    @pytest.fixture
    def series(self, running: Sandbox, tmp_path: Path, vendor: str) -> Series:
        running.reset()
        series = Series(running, vendor, tmp_path, target="sql")
        series.export()
        running.clock.advance(HOUR)
        return series

    def test_a_full_export_brings_what_was_missed_buries_what_is_gone_and_moves_the_watermark(
        self, running: Sandbox, series: Series, vendor: str
    ) -> None:
        axis, word = {
            "popsell": ("order", "RETURNED"),
            "dipli": ("fulfillment", "cancelled"),
            "valomnia": ("payment", "ADVANCE"),
            "genuka": ("payment", "partially_paid"),
        }[vendor]
        old, gone = list(series.truth())[3:5]
        early = running.clock.base_date - timedelta(days=80)
        running.set_status(vendor, old, word, axis=axis, at=early)
        running.delete_order(vendor, gone, force=True)
        running.clock.advance(HOUR)
        incremental = series.export()
        assert (series.missing(), series.gone()) == ({old}, {gone})
        running.clock.advance(HOUR)
        full = series.export(mode="full")
        assert (series.missing(), series.gone()) == (set(), set())
        assert full["deleted"] == 1
        assert (full["watermark"] or "") >= (incremental["watermark"] or "?")

    def test_a_window_leaves_the_watermark_alone(self, running: Sandbox, series: Series, vendor: str) -> None:
        running.insert_orders(vendor)
        running.clock.advance(HOUR)
        window = OrderQuery(updated_from=running.clock.base_date)
        assert series.export(mode="window", query=window)["watermark"] is None
        running.insert_orders(vendor)
        running.clock.advance(HOUR)
        series.export()
        assert series.missing() == set()


class TestIntoFiles:
    def test_neither_a_window_nor_a_full_export_moves_the_watermark_of_the_series(
        self, running: Sandbox, tmp_path: Path, vendor: str
    ) -> None:
        running.reset()
        running.clock.advance(1)
        series = Series(running, vendor, tmp_path)
        series.export()
        running.clock.advance(HOUR)
        running.insert_orders(vendor, 3)
        running.clock.advance(HOUR)
        window = OrderQuery(updated_from=running.clock.base_date)
        assert series.export(mode="window", query=window)["watermark"] is None
        assert series.export(mode="full")["watermark"] is None
        assert series.export()["rows"] == 3
        assert series.missing() == series.repeated() == set()
