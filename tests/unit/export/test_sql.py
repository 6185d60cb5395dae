"""Orders in tables: which version is there, what goes with it, and that it is exact."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_orders.errors import UnexpectedPayloadError
from airflow_provider_orders.export.sinks.sql import SqlSink
from airflow_provider_orders.export.sinks.sql.postgres import copy_text
from airflow_provider_orders.export.state import Scope, SyncState
from airflow_provider_orders.models.order import Address, Customer, OrderLine, Tracking
from airflow_provider_orders.models.statuses import OrderStatus, PaymentStatus
from tests.unit.export.exports import expected_totals, same_totals
from tests.unit.export.sql_targets import (
    MANIFEST,
    SCOPE,
    UrlDatabase,
    do,
    export,
    moment_text,
    only,
    order,
    query,
    records,
)
from tests.unit.hooks.connect import VENDORS

if TYPE_CHECKING:
    from airflow_provider_orders.sandbox import Sandbox
    from tests.services import Database

MONDAY = datetime(2026, 3, 2, 9, 30, 0, 123456, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)
ODD = "tab\there\nline\rreturn \\N \\back\x01slash 'single' \"double\" 😀 ünï %s :x {y} \x7f"


@pytest.fixture
def url(any_database: Database) -> str:
    return any_database.url


class TestARow:
    def test_holds_every_field(self, url: str) -> None:
        record = order(
            "7",
            reference="R-7",
            external_id="X",
            status=OrderStatus.COMPLETED,
            status_raw="OK",
            payment_status=PaymentStatus.PAID,
            total=Decimal("119.90"),
            tax=Decimal(0),
            customer=Customer(id="c", name="Ada", email="ada@example.org"),
            shipping_address=Address(street="1, rue X", city="Paris", country="FR"),
            tracking=Tracking(carrier="ups", number="1Z"),
            lines=(OrderLine(id="l", sku="S", quantity=Decimal(2), unit_price=Decimal("59.95")),),
            created_at=MONDAY,
            updated_at=TUESDAY,
        )
        export(url, [record])
        row = only(query(url, "SELECT * FROM orders"))
        assert {
            name: row[name]
            for name in (
                "source",
                "account",
                "id",
                "reference",
                "external_id",
                "status",
                "status_raw",
                "payment_status",
            )
        } == {
            "source": "popsell",
            "account": "main",
            "id": "7",
            "reference": "R-7",
            "external_id": "X",
            "status": "completed",
            "status_raw": "OK",
            "payment_status": "paid",
        }
        assert row["fulfillment_status"] == "unknown"
        assert Decimal(str(row["total"])) == Decimal("119.90")
        assert Decimal(str(row["tax"])) == 0
        assert (row["customer_name"], row["customer_email"], row["customer_phone"]) == (
            "Ada",
            "ada@example.org",
            None,
        )
        assert (row["shipping_address_street"], row["shipping_address_country"]) == ("1, rue X", "FR")
        assert (row["tracking_carrier"], row["tracking_number"], row["tracking_url"]) == ("ups", "1Z", None)
        assert (row["line_count"], bool(row["deleted"]), row["deleted_at"]) == (1, False, None)
        assert moment_text(row["created_at"]) == "2026-03-02 09:30:00.123456"
        assert moment_text(row["updated_at"]) == "2026-03-03 09:30:00.123456"
        assert row["content_hash"] == record.order().content_hash
        assert row["exported_at"] == row["first_exported_at"]
        line = only(query(url, "SELECT * FROM order_lines"))
        assert (line["order_id"], line["position"], line["id"], line["sku"]) == ("7", 1, "l", "S")
        assert Decimal(str(line["unit_price"])) == Decimal("59.95")

    def test_keeps_what_is_not_known_apart_from_nothing(self, url: str) -> None:
        export(
            url,
            [
                order("1", total=None, reference="", lines=None),
                order("2", total=Decimal(0), reference=None, lines=()),
            ],
        )
        rows = query(url, "SELECT total, reference, line_count FROM orders ORDER BY id")
        assert [row["line_count"] for row in rows] == [None, 0]
        assert [row["reference"] for row in rows] == ["", None]
        assert rows[0]["total"] is None
        assert rows[1]["total"] == 0

    def test_keeps_every_character(self, url: str) -> None:
        line = OrderLine(name=ODD, sku="\\N")
        export(
            url,
            [order("a/b:1", reference=ODD, external_id="\x01", customer=Customer(name="\t"), lines=(line,))],
        )
        row = only(query(url, "SELECT * FROM orders"))
        assert (row["reference"], row["external_id"], row["customer_name"]) == (ODD, "\x01", "\t")
        found = only(query(url, "SELECT name, sku FROM order_lines"))
        assert (found["name"], found["sku"]) == (ODD, "\\N")

    def test_keeps_a_nul_where_the_database_can_and_shows_its_place_where_not(
        self, url: str, any_database: Database
    ) -> None:
        export(url, [order("1", reference="a\x00b")], with_raw=True, history=True)
        expected = "a\ufffdb" if any_database.conn_type == "postgres" else "a\x00b"
        assert only(query(url, "SELECT reference FROM orders"))["reference"] == expected

    def test_tells_ids_apart_by_case(self, url: str) -> None:
        export(url, [order("ab"), order("AB")])
        assert len(query(url, "SELECT id FROM orders")) == 2

    @pytest.mark.parametrize(
        "amount", ["1e999999999", "123456789012345678901", "0.1234567890123456789", "NaN"]
    )
    def test_with_an_amount_that_does_not_fit_is_refused(self, url: str, amount: str) -> None:
        with SqlSink(UrlDatabase(url)) as sink:
            sink.open(SCOPE, incremental=False)
            bad = order("5", total=Decimal(1))
            object.__setattr__(bad.order(), "total", Decimal(amount))
            with pytest.raises(UnexpectedPayloadError, match=r"^Order 5: total does not fit into the table"):
                sink.render(bad)

    @pytest.mark.parametrize(
        "amount", ["99999999999999999999.5", "0.000000000000000001", "6.6E+3", "33.300000000000004"]
    )
    def test_holds_long_amounts(self, url: str, any_database: Database, amount: str) -> None:
        if any_database.conn_type == "sqlite" and amount.startswith("999"):
            with pytest.raises(UnexpectedPayloadError, match="SQLite keeps 15 digits"):
                export(url, [order(total=Decimal(amount))])
            return
        export(url, [order(total=Decimal(amount))])
        assert Decimal(str(only(query(url, "SELECT total FROM orders"))["total"])) == Decimal(amount)

    def test_with_a_key_that_does_not_fit_is_refused(self, url: str, any_database: Database) -> None:
        bad = {"postgres": "1\x00", "mysql": "1" * 200, "sqlite": None}[any_database.conn_type]
        if bad is None:
            pytest.skip("SQLite takes every key")
        with pytest.raises(UnexpectedPayloadError, match=r"^An order without a readable id: id does not fit"):
            export(url, [order(bad)])


class TestTheNewestVersion:
    def test_wins_when_it_comes_later(self, url: str) -> None:
        export(url, [order(reference="old", updated_at=MONDAY)])
        written = export(url, [order(reference="new", updated_at=TUESDAY)])
        row = only(query(url, "SELECT reference, exported_at, first_exported_at FROM orders"))
        assert row["reference"] == "new"
        assert row["exported_at"] > row["first_exported_at"]
        assert written.unchanged == 0

    def test_wins_when_it_comes_earlier(self, url: str) -> None:
        export(url, [order(reference="new", updated_at=TUESDAY)])
        written = export(url, [order(reference="old", updated_at=MONDAY)])
        assert only(query(url, "SELECT reference FROM orders"))["reference"] == "new"
        assert written.unchanged == 1

    @pytest.mark.parametrize("first", ["old", "new"])
    def test_wins_within_one_export(self, url: str, first: str) -> None:
        versions = [order(reference="old", updated_at=MONDAY), order(reference="new", updated_at=TUESDAY)]
        export(url, versions if first == "old" else versions[::-1], page_size=1)
        assert only(query(url, "SELECT reference FROM orders"))["reference"] == "new"

    @pytest.mark.parametrize(
        ("before", "after"), [(None, None), (MONDAY, MONDAY), (TUESDAY, None), (None, MONDAY)]
    )
    def test_is_the_one_read_last_where_times_do_not_tell(
        self, url: str, before: datetime | None, after: datetime | None
    ) -> None:
        export(url, [order(reference="old", updated_at=before)])
        export(url, [order(reference="new", updated_at=after)])
        assert only(query(url, "SELECT reference FROM orders"))["reference"] == "new"

    @pytest.mark.parametrize("minutes", [40, 60])
    @pytest.mark.parametrize("at_once", [True, False])
    def test_is_the_one_read_last_in_the_hour_that_comes_twice(
        self, url: str, minutes: int, at_once: bool
    ) -> None:
        # Ten to three in summer time, and ten past three, or ten to three again, in winter time.
        zone: dict[str, Any] = {"timezone_assumed": "Europe/Paris"}
        versions = [
            order(reference="old", updated_at=MONDAY, **zone),
            order(reference="new", updated_at=MONDAY - timedelta(minutes=minutes), **zone),
        ]
        for part in [versions] if at_once else [[version] for version in versions]:
            export(url, part)
        assert only(query(url, "SELECT reference FROM orders"))["reference"] == "new"

    @pytest.mark.parametrize("at_once", [True, False])
    @pytest.mark.parametrize(
        ("minutes", "zone"), [(61, "Europe/Paris"), (40, None)], ids=["more than an hour", "with a zone"]
    )
    def test_is_the_later_one_where_the_times_tell(
        self, url: str, minutes: int, zone: str | None, at_once: bool
    ) -> None:
        versions = [
            order(reference="new", updated_at=MONDAY, timezone_assumed=zone),
            order(reference="old", updated_at=MONDAY - timedelta(minutes=minutes), timezone_assumed=zone),
        ]
        for part in [versions] if at_once else [[version] for version in versions]:
            export(url, part)
        assert only(query(url, "SELECT reference FROM orders"))["reference"] == "new"

    def test_is_left_alone_when_it_comes_again(self, url: str) -> None:
        records = [order(str(number), lines=(OrderLine(sku="S"),), updated_at=MONDAY) for number in range(5)]
        export(url, records)
        before = query(url, "SELECT * FROM orders ORDER BY id")
        written = export(url, [*records, order("9")])
        assert written.unchanged == 5
        assert query(url, "SELECT * FROM orders ORDER BY id")[:5] == before
        assert len(query(url, "SELECT * FROM order_lines")) == 5

    def test_belongs_to_its_source_and_account(self, url: str) -> None:
        for source, account in (("popsell", "a"), ("popsell", "b"), ("dipli", "a")):
            export(
                url,
                [order(source=source, account=account, reference=source + account)],
                scope=Scope(source, account, "{}"),
            )
        assert len(query(url, "SELECT * FROM orders WHERE id = '1'")) == 3


class TestLines:
    def test_are_replaced_with_their_order(self, url: str) -> None:
        export(
            url,
            [
                order("1", lines=tuple(OrderLine(sku=sku) for sku in "abc")),
                order("2", lines=(OrderLine(sku="x"),)),
            ],
        )
        export(url, [order("1", lines=(OrderLine(sku="d"),))])
        rows = query(url, "SELECT order_id, position, sku FROM order_lines ORDER BY order_id, position")
        assert [tuple(row.values()) for row in rows] == [("1", 1, "d"), ("2", 1, "x")]

    def test_go_where_the_order_has_none_left(self, url: str) -> None:
        export(url, [order(lines=(OrderLine(sku="a"),))])
        export(url, [order(lines=())])
        assert query(url, "SELECT * FROM order_lines") == []

    def test_stay_where_an_answer_came_without_lines(self, url: str) -> None:
        export(url, [order(lines=(OrderLine(sku="a"),), reference="1")])
        export(url, [order(lines=None, reference="2")])
        row = only(query(url, "SELECT line_count, reference, exported_at FROM orders"))
        line = only(query(url, "SELECT sku, exported_at FROM order_lines"))
        assert (row["line_count"], row["reference"], line["sku"]) == (None, "2", "a")
        assert line["exported_at"] < row["exported_at"]

    def test_left_behind_by_hand_do_not_stop_an_export(self, url: str) -> None:
        export(url, [order(lines=(OrderLine(sku="a"),))])
        do(url, "DELETE FROM orders")
        export(url, [order(lines=(OrderLine(sku="b"),))])
        assert only(query(url, "SELECT sku FROM order_lines"))["sku"] == "b"


class TestHistory:
    def test_keeps_every_version_with_its_lines(self, url: str) -> None:
        first = order(reference="1", lines=(OrderLine(sku="a", total=Decimal("1.50")),))
        for record in (first, first, order(reference="2", lines=None), first):
            export(url, [record], history=True)
        rows = query(
            url, "SELECT reference, lines_json, content_hash FROM orders_history ORDER BY recorded_at"
        )
        assert [row["reference"] for row in rows] == ["1", "2", "1"]
        assert rows[0]["content_hash"] == rows[2]["content_hash"] == first.order().content_hash
        lines = (
            rows[0]["lines_json"]
            if isinstance(rows[0]["lines_json"], list)
            else json.loads(rows[0]["lines_json"])
        )
        assert (lines[0]["sku"], lines[0]["total"], lines[0]["position"]) == ("a", "1.50", 1)
        assert rows[1]["lines_json"] is None

    def test_is_not_there_unless_asked_for(self, url: str) -> None:
        export(url, [order()])
        with pytest.raises(Exception, match="orders_history"):
            query(url, "SELECT * FROM orders_history")


class TestRaw:
    def test_is_what_the_vendor_sent(self, url: str, any_database: Database) -> None:
        raw = '{"b": 1.50, "a": "\\u00e9\\t\\/ \\\\ é", "a": 12345678901234567890.10}'
        export(url, [order(raw=raw.encode())], with_raw=True)
        cast = "payload::text" if any_database.conn_type == "postgres" else "payload"
        assert only(query(url, f"SELECT {cast} AS payload FROM orders_raw"))["payload"] == raw  # noqa: S608

    def test_follows_although_nothing_canonical_changed(self, url: str) -> None:
        export(url, [order(raw=b'{"v": 1}', updated_at=MONDAY)])
        for version in (2, 3):
            written = export(url, [order(raw=b'{"v": %d}' % version, updated_at=MONDAY)], with_raw=True)
            assert written.unchanged == 1
        payload = only(query(url, "SELECT payload FROM orders_raw"))["payload"]
        assert payload in ('{"v": 3}', {"v": 3})

    def test_of_an_older_version_is_not_taken(self, url: str) -> None:
        export(url, [order(raw=b'{"v": 2}', updated_at=TUESDAY)], with_raw=True)
        export(url, [order(raw=b'{"v": 1}', updated_at=MONDAY)], with_raw=True)
        assert only(query(url, "SELECT payload FROM orders_raw"))["payload"] in ('{"v": 2}', {"v": 2})


class TestTombstones:
    def test_mark_what_the_vendor_marks(self, url: str) -> None:
        export(url, [order()])
        export(url, [order(deleted=True)])
        first = only(query(url, "SELECT deleted, deleted_at, exported_at FROM orders"))
        assert first["deleted"]
        assert first["deleted_at"] == first["exported_at"]
        export(url, [order(deleted=True, reference="changed")])
        second = only(query(url, "SELECT deleted, deleted_at, reference FROM orders"))
        assert (second["reference"], second["deleted_at"]) == ("changed", first["deleted_at"])

    def test_mark_what_a_full_export_no_longer_finds(self, url: str) -> None:
        everything = [order(str(number), lines=(OrderLine(sku="S"),)) for number in range(4)]
        export(url, everything, complete=True, history=True)
        written = export(url, everything[:3], complete=True, history=True)
        assert (written.deleted, written.unchanged) == (1, 3)
        gone = only(query(url, "SELECT * FROM orders WHERE deleted"))
        assert gone["id"] == "3"
        assert gone["deleted_at"] > gone["exported_at"]
        last = query(url, "SELECT id, deleted, content_hash FROM orders_history ORDER BY recorded_at")[-1]
        assert (last["id"], bool(last["deleted"]), last["content_hash"]) == ("3", True, gone["content_hash"])
        assert export(url, everything[:3], complete=True, history=True).deleted == 0
        assert len(query(url, "SELECT * FROM orders_history")) == 5

    def test_go_when_the_order_comes_back(self, url: str) -> None:
        everything = [order("1", updated_at=MONDAY), order("2", updated_at=MONDAY)]
        export(url, everything, complete=True)
        export(url, everything[:1], complete=True)
        written = export(url, everything, complete=True)
        assert written.unchanged == 1
        assert [(bool(row["deleted"]), row["deleted_at"]) for row in query(url, "SELECT * FROM orders")] == [
            (False, None),
            (False, None),
        ]

    @pytest.mark.parametrize(
        "options",
        [
            {"complete": False},
            {"complete": True, "scope": Scope("popsell", "main", '{"statuses": ["OK"]}')},
            {"complete": True, "scope": Scope("popsell", "other", "{}")},
            {"complete": True, "rejects": [(b"{}", "unreadable")]},
        ],
    )
    def test_are_not_set_by_an_export_that_could_not_have_found_them(
        self, url: str, options: dict[str, Any]
    ) -> None:
        export(url, [order("1"), order("2")])
        account = options["scope"].account if "scope" in options else "main"
        assert export(url, [order("1", account=account)], **options).deleted == 0
        assert query(url, "SELECT * FROM orders WHERE deleted") == []

    def test_are_not_set_where_the_source_gives_nothing_at_all(
        self, url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        export(url, [order("1")])
        assert export(url, [], complete=True).deleted == 0
        assert "gave no order at all" in caplog.text

    def test_are_not_set_where_orders_may_have_slipped_by(
        self, url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        export(url, [order("1"), order("2")])
        assert export(url, [order("1")], complete=True, doubtful=True).deleted == 0
        assert "kept moving between the pages" in caplog.text
        assert export(url, [order("1")], complete=True).deleted == 1


class TestRejects:
    def test_are_kept_with_the_reason(self, url: str) -> None:
        written = export(
            url, [order()], rejects=[(b'{"a": "\\u00e9', "no JSON"), (b"\xff\x00", "no text")], run_key="r"
        )
        assert written.rejects_file == "orders_rejects"
        rows = query(url, "SELECT reason, payload, run_key FROM orders_rejects ORDER BY position")
        assert [row["reason"] for row in rows] == ["no JSON", "no text"]
        assert rows[0]["payload"] == '{"a": "\\u00e9'
        assert {row["run_key"] for row in rows} == {"r"}

    def test_of_an_earlier_try_are_replaced(self, url: str) -> None:
        for run_key in ("r", "r", "other"):
            export(url, [], rejects=[(b"x", "bad")], run_key=run_key)
        assert len(query(url, "SELECT * FROM orders_rejects")) == 2


class TestTheState:
    def test_is_committed_with_the_orders_and_found_again(self, url: str) -> None:
        state = SyncState(
            sequence=1, watermark=MONDAY, newest_id=2**70, shape={"a": ["text"]}, run_key="first"
        )
        with SqlSink(UrlDatabase(url)) as sink:
            assert sink.open(SCOPE, incremental=True) is None
            sink.finish(state)
            sink.commit(MANIFEST, state)
        row = only(query(url, "SELECT sequence, watermark, run_key, manifest FROM orders_sync_state"))
        assert (row["sequence"], moment_text(row["watermark"]), row["run_key"]) == (
            1,
            "2026-03-02 09:30:00.123456",
            "first",
        )
        assert row["manifest"] in (MANIFEST, json.dumps(MANIFEST))
        with SqlSink(UrlDatabase(url), run_key="second") as sink:
            assert sink.open(SCOPE, incremental=True) == state

    def test_before_it_is_given_to_the_run_that_committed_it(self, url: str) -> None:
        first, second = SyncState(sequence=1, run_key="first"), SyncState(sequence=2, run_key="second")
        export(url, [], state=first, run_key="first")
        for _ in range(2):
            with SqlSink(UrlDatabase(url), run_key="second") as sink:
                assert sink.open(SCOPE, incremental=True) == first
                sink.finish(second)
                sink.commit(MANIFEST, second)
        with SqlSink(UrlDatabase(url), run_key="first") as sink:
            assert sink.open(SCOPE, incremental=True) == second

    def test_is_left_alone_by_an_export_that_does_not_move_it(self, url: str) -> None:
        state = SyncState(sequence=1, watermark=MONDAY, run_key="first")
        export(url, [], state=state)
        export(url, [order()], state=None)
        with SqlSink(UrlDatabase(url)) as sink:
            assert sink.open(SCOPE, incremental=True) == state

    def test_belongs_to_its_scope(self, url: str) -> None:
        export(url, [], state=SyncState(sequence=1))
        with SqlSink(UrlDatabase(url)) as sink:
            assert sink.open(Scope("popsell", "main", '{"statuses": ["OK"]}'), incremental=True) is None


@pytest.mark.parametrize("vendor", VENDORS)
def test_orders_of_every_vendor_arrive_to_the_cent(url: str, orders_sandbox: Sandbox, vendor: str) -> None:
    payloads = orders_sandbox.payloads(vendor)
    scope = Scope(vendor, "main", "{}")
    found = records(vendor, payloads)
    assert export(url, found, scope=scope, complete=True, with_raw=True, history=True).unchanged == 0
    assert len(query(url, "SELECT id FROM orders")) == len(payloads)
    sums = query(
        url,
        "SELECT currency, ROUND(SUM(total), 2) AS total FROM orders WHERE total IS NOT NULL GROUP BY currency",
    )
    totals = {row["currency"] or "unknown": str(row["total"]) for row in sums}
    assert same_totals(totals, expected_totals(orders_sandbox, vendor))
    lines = sum(len(record.order().lines or ()) for record in found)
    assert only(query(url, "SELECT COUNT(*) AS lines_found FROM order_lines"))["lines_found"] == lines
    assert export(url, records(vendor, payloads), scope=scope, complete=True).unchanged == len(payloads)


def test_text_of_a_copy_escapes_what_copy_reads_otherwise() -> None:
    assert copy_text([["a", None, ""], ["\t", "\\", "\n"], ["\x01", None, "\x00"], ["\r", "\\N", "b"]]) == (
        "a\t\x01\t\n\\t\t\\\\\t\\n\n\\x01\t\x01\t\ufffd\n\\r\t\\\\N\tb\n"
    )
