"""Parquet files: the canonical order in typed columns, exactly; bounded memory; partitions that appear as a whole."""

from __future__ import annotations

import errno
import gc
import io
import json
import random
import subprocess
import sys
import tempfile
import tracemalloc
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]
from pydantic import BaseModel

from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.errors import ConfigurationError, OrdersError, UnexpectedPayloadError
from airflow_provider_orders.export.record import RecordReader
from airflow_provider_orders.export.run import export_orders
from airflow_provider_orders.export.sinks import arrow, parquet, row_groups
from airflow_provider_orders.export.sinks.folder import PartFile
from airflow_provider_orders.export.sinks.parquet import ParquetSink
from airflow_provider_orders.export.state import Scope
from airflow_provider_orders.http.sync import SyncClient
from airflow_provider_orders.models.order import MODEL_VERSION, Address, Customer, Order, OrderLine, Tracking
from airflow_provider_orders.models.popsell import PopsellOrder
from airflow_provider_orders.models.statuses import OrderStatus
from tests.unit.clients import make_api
from tests.unit.export.exports import expected_statuses, expected_totals, export, local, names, same_totals
from tests.unit.export.model_source import Shop
from tests.unit.export.test_folder import KeysOnly, on_storage
from tests.unit.hooks.connect import ID_FIELDS, VENDORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_provider_orders.export.manifest import Manifest, WrittenFile
    from airflow_provider_orders.models.base import VendorOrder
    from airflow_provider_orders.sandbox import Sandbox

SCOPE = Scope("popsell", "account", "{}")

STATUS_COLUMNS = {
    "order": "status",
    "payment": "payment_status",
    "fulfillment": "fulfillment_status",
}


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def _memory_storage() -> Iterator[None]:
    attach("memory", fs=MemoryFileSystem())
    yield
    MemoryFileSystem.store.clear()


@pytest.fixture
def _small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn a hundred orders into columns at once, sort them by day after a few hundred, and write groups of 250."""
    monkeypatch.setattr(parquet, "_CHUNK_ORDERS", 100)
    monkeypatch.setattr(row_groups, "_GROUP_ORDERS", 250)
    monkeypatch.setattr(row_groups, "_SORTED_BYTES", 64 << 10)


def an_order(number: int = 1, **changes: Any) -> Order:
    content = {
        "source": "popsell",
        "account": "account",
        "id": str(number),
        "status": OrderStatus.PENDING,
        "currency": "EUR",
        "total": Decimal("119.90"),
        "customer": Customer(id="7", name="Ada Lovelace", email="ada@example.com"),
        "lines": (OrderLine(sku="A", quantity=Decimal(2), unit_price=Decimal("59.95")), OrderLine(sku="B")),
        "created_at": datetime(2026, 1, 31, 23, 59, 59, 999999, UTC),
    }
    return Order(**{**content, **changes})


def orders_of_days(count: int, days: int) -> Iterator[Order]:
    """Give orders whose dates are in no order; every hundredth has none."""
    dice = random.Random(1)  # noqa: S311 - the same dates each time
    for number in range(count):
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=dice.randrange(days * 24 * 60))
        yield an_order(number, created_at=None if number % 100 == 99 else at, reference=str(dice.random()))


def write_files(folder: Path, orders: Iterable[Order], **options: Any) -> list[WrittenFile]:
    with ParquetSink(folder, "orders", **options) as sink:
        sink.open(SCOPE, incremental=False)
        for order in orders:
            sink.write([(order, 3000)])
        files = sink.finish(None).files
        sink.commit(cast("Manifest", {"files": files}), None)
    return files


def read_files(files: Iterable[WrittenFile]) -> pa.Table:
    # Each by itself: a data set would add the partition's date, and hide a schema that differs.
    return pa.concat_tables([pq.ParquetFile(local(file["path"])).read() for file in files])


def ask(path: str | Path, sql: str) -> list[tuple[Any, ...]]:
    """Ask DuckDB about files: a query on ``read_parquet($path)``."""
    return duckdb.connect().execute(sql, {"path": str(path)}).fetchall()


def as_row(model: BaseModel) -> dict[str, Any]:
    """Give a model as Arrow gives a row."""
    content = model.model_dump()
    if content.get("lines") is not None:
        content["lines"] = list(content["lines"])
    return content


def rows(orders: Iterable[Order]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = arrow.record_batch(orders).to_pylist()
    return found


def visible(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# The schema.


def test_every_field_of_the_model_has_a_column() -> None:
    def check(model: type[BaseModel], fields: list[pa.Field]) -> None:
        assert [field.name for field in fields] == [*model.model_fields, *model.model_computed_fields]

    check(Order, list(arrow.SCHEMA))
    check(OrderLine, list(arrow.SCHEMA.field("lines").type.value_type))
    check(Customer, list(arrow.SCHEMA.field("customer").type))
    check(Address, list(arrow.SCHEMA.field("shipping_address").type))
    check(Tracking, list(arrow.SCHEMA.field("tracking").type))


def test_columns_have_the_types_that_readers_rely_on() -> None:
    required = {field.name: str(field.type) for field in arrow.SCHEMA if not field.nullable}
    optional = {field.name: str(field.type) for field in arrow.SCHEMA if field.nullable}
    texts = ("account", "reference", "external_id", "currency", "timezone_assumed")
    amounts = ("total", "subtotal", "tax", "shipping", "discount", "paid", "due")
    moments = ("created_at", "updated_at", "delivered_at", "cancelled_at")
    nested = ("customer", "lines", "shipping_address", "tracking")

    assert required == {
        **dict.fromkeys(("source", "id", *STATUS_COLUMNS.values(), "content_hash"), "string"),
        **dict.fromkeys(("currency_assumed", "deleted"), "bool"),
        "model_version": "int64",
    }
    assert {name: kind for name, kind in optional.items() if name not in nested} == {
        **dict.fromkeys((*texts, *(f"{name}_raw" for name in STATUS_COLUMNS.values())), "string"),
        **dict.fromkeys(amounts, "decimal128(38, 9)"),
        **dict.fromkeys(moments, "timestamp[us, tz=UTC]"),
    }
    assert {field.name: str(field.type) for field in arrow.SCHEMA.field("lines").type.value_type} == {
        **dict.fromkeys(("id", "product_id", "sku", "name", "tax_class"), "string"),
        **dict.fromkeys(("quantity", "unit_price", "total"), "decimal128(38, 9)"),
    }
    for name in ("customer", "shipping_address", "tracking"):
        assert {str(field.type) for field in arrow.SCHEMA.field(name).type} == {"string"}


def test_a_field_of_a_kind_that_nobody_thought_of_is_an_error() -> None:
    class Future(BaseModel):
        tags: bytes | None = None

    with pytest.raises(TypeError, match="no Arrow type is known for tags"):
        arrow._Table.of(Future)


def test_the_file_says_what_its_columns_mean_and_which_version_it_has(tmp_path: Path) -> None:
    (file,) = write_files(tmp_path, [an_order()])

    schema = pq.read_schema(file["path"])

    assert schema.equals(arrow.SCHEMA, check_metadata=True)
    assert schema.metadata[b"airflow_provider_orders.model_version"] == str(MODEL_VERSION).encode()
    assert schema.field("total").metadata[b"description"].startswith(b"what the order costs, in major units")
    assert schema.field("content_hash").metadata[b"description"].startswith(b"SHA-256 of ")


# What is in the files.


def test_orders_of_every_vendor_are_whole_and_exact(
    orders_sandbox: Sandbox, tmp_path: Path, vendor: str
) -> None:
    api = make_api(orders_sandbox, vendor)
    model: type[VendorOrder] = api.order_model
    with SyncClient(api) as client:
        raws = [row.raw for page in client.iter_pages(OrderQuery()) for row in page.rows]
    known = {"account": api.settings.account, "assumed_timezone": api.settings.assumed_timezone}
    expected = [as_row(model.read_order(raw, **known)) for raw in raws]

    manifest = export(f"{vendor}_default", tmp_path, file_format="parquet", mode="full")

    assert read_files(manifest["files"]).to_pylist() == expected
    assert names(tmp_path) == sorted(
        [Path(manifest["files"][0]["path"]).name, *(path.name for path in tmp_path.glob("*.manifest.json"))]
    )


def test_sums_and_statuses_are_the_sandboxs(orders_sandbox: Sandbox, tmp_path: Path, vendor: str) -> None:
    manifest = export(f"{vendor}_default", tmp_path, file_format="parquet", mode="full")
    path = str(local(manifest["files"][0]["path"]))

    (ids,) = ask(path, "SELECT count(*), count(DISTINCT id) FROM read_parquet($path)")
    totals = ask(
        path, "SELECT coalesce(currency, 'unknown'), sum(total)::VARCHAR FROM read_parquet($path) GROUP BY 1"
    )

    assert ids == (len(orders_sandbox.payloads(vendor)),) * 2
    assert same_totals(
        {currency: total for currency, total in totals if total is not None},
        expected_totals(orders_sandbox, vendor),
    )
    for axis, counts in expected_statuses(orders_sandbox, vendor).items():
        words = read_files(manifest["files"])[STATUS_COLUMNS[axis]].to_pylist()
        assert dict(Counter(words)) == counts
    assert manifest["rows"] == len(words)


def test_duckdb_reads_lines_and_moments(orders_sandbox: Sandbox, tmp_path: Path) -> None:
    manifest = export("dipli_default", tmp_path, file_format="parquet", mode="full")
    path = str(local(manifest["files"][0]["path"]))
    truth = {str(order[ID_FIELDS["dipli"]]): order for order in orders_sandbox.payloads("dipli")}

    lines = ask(
        path,
        "SELECT id, line.sku, line.unit_price FROM (SELECT id, unnest(lines) AS line FROM read_parquet($path))",
    )
    kind = ask(path, "SELECT DISTINCT typeof(created_at) FROM read_parquet($path)")

    assert Counter((order, sku) for order, sku, _ in lines) == Counter(
        (order, item["product_sku"]) for order, content in truth.items() for item in content["cart_items"]
    )
    assert sum(price for _, _, price in lines if price is not None) == sum(
        Decimal(str(item["unit_price_t_t_c"]))
        for content in truth.values()
        for item in content["cart_items"]
        if item["unit_price_t_t_c"] is not None
    )
    assert kind == [("TIMESTAMP WITH TIME ZONE",)]


def test_none_is_neither_zero_nor_empty() -> None:
    blank = an_order(total=None, customer=None, lines=None, created_at=None)
    zero = an_order(total=Decimal(0), customer=Customer(name=""), lines=(), tracking=Tracking())

    found = rows([blank, zero])

    assert found == [as_row(blank), as_row(zero)]
    assert [row["total"] for row in found] == [None, Decimal(0)]
    assert [row["lines"] for row in found] == [None, []]
    assert [row["customer"] is None for row in found] == [True, False]
    assert [row["tracking"] is None for row in found] == [True, False]


def test_lists_and_structs_beside_missing_ones_stay_with_their_orders() -> None:
    lines = [None, (OrderLine(sku="A"),), (), (OrderLine(sku="B"), OrderLine(sku="C")), None]
    customers = [None, Customer(name="A"), None, Customer(name="B"), Customer()]
    orders = [
        an_order(number, lines=some, customer=customer)
        for number, (some, customer) in enumerate(zip(lines, customers, strict=True))
    ]

    assert rows(orders) == [as_row(order) for order in orders]


# Amounts.


@pytest.mark.parametrize(
    "amount",
    [
        "0.123456789",
        "-0.01",
        "12345678901234567890123456789",
        "1E+3",
        "1." + "0" * 60,
        "0E+50",
        "0E-70",
        "-0",
    ],
)
def test_an_amount_that_fits_is_stored_exactly(amount: str) -> None:
    order = an_order(total=Decimal(amount), lines=(OrderLine(quantity=Decimal(amount)),))

    arrow.check_amounts(order)

    (row,) = rows([order])
    assert row["total"] == row["lines"][0]["quantity"] == Decimal(amount)


@pytest.mark.parametrize("amount", ["0.1234567891", "1E+29", "-1E-10", "1E+999999", "0.30000000000000004"])
@pytest.mark.parametrize("field", ["due", "lines.1.unit_price"])
def test_an_amount_that_would_be_rounded_is_refused_with_order_and_field(amount: str, field: str) -> None:
    price = Decimal(amount)
    order = (
        an_order(42, due=price)
        if field == "due"
        else an_order(42, lines=(OrderLine(), OrderLine(unit_price=price)))
    )

    with pytest.raises(UnexpectedPayloadError, match=rf"^Order 42: {field} ") as caught:
        arrow.check_amounts(order)

    assert amount not in str(caught.value)
    assert "Ada" not in str(caught.value)


def test_a_refused_order_is_a_rejected_row(tmp_path: Path) -> None:
    reader = RecordReader(PopsellOrder, account="account", assumed_timezone=None)
    raw = b'{"id_order": 42, "total_amount": 0.30000000000000004, "date_order": "2026-01-18 10:22:11"}'
    with ParquetSink(tmp_path, "orders") as sink:
        sink.open(SCOPE, incremental=False)

        with pytest.raises(UnexpectedPayloadError, match="Order 42: total "):
            sink.render(reader.read(raw))


# Row groups and memory.


@pytest.mark.usefixtures("_small_groups")
def test_row_groups_have_a_bounded_number_of_orders(tmp_path: Path) -> None:
    (file,) = write_files(tmp_path, (an_order(number) for number in range(1010)))

    metadata = pq.read_metadata(file["path"])

    # Whole chunks of 100 until there are 250.
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == [
        300,
        300,
        300,
        110,
    ]
    assert file["rows"] == metadata.num_rows == 1010


def test_huge_orders_make_smaller_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_CHUNK_BYTES", 10 * 3000)
    monkeypatch.setattr(row_groups, "_GROUP_BYTES", 256 << 10)

    lines = tuple(OrderLine(sku=str(number), name="x" * 100) for number in range(100))
    (file,) = write_files(tmp_path, (an_order(number, lines=lines) for number in range(100)))

    metadata = pq.read_metadata(file["path"])
    assert metadata.num_row_groups == 5
    assert all(metadata.row_group(number).num_rows == 20 for number in range(5))


@pytest.mark.usefixtures("_small_groups")
@pytest.mark.parametrize("partition_by", [None, "created"])
def test_memory_does_not_grow_with_the_number_of_orders(tmp_path: Path, partition_by: str | None) -> None:
    def peaks(count: int) -> tuple[int, int]:
        in_arrow = 0

        def orders() -> Iterator[Order]:
            nonlocal in_arrow
            for order in orders_of_days(count, 10):
                in_arrow = max(in_arrow, pa.total_allocated_bytes())
                yield order

        gc.collect()
        tracemalloc.start()
        write_files(tmp_path, orders(), partition_by=partition_by)
        in_python = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return in_python, in_arrow

    peaks(1000)  # caches
    few, many = peaks(1000), peaks(8000)

    assert many[0] < few[0] * 1.3
    assert many[1] < few[1] * 1.3 + (64 << 10)


@pytest.mark.parametrize(
    ("compression", "codec"), [(None, "SNAPPY"), ("snappy", "SNAPPY"), ("gzip", "GZIP"), ("zstd", "ZSTD")]
)
def test_compression_is_inside_of_the_file(tmp_path: Path, compression: str | None, codec: str) -> None:
    (file,) = write_files(tmp_path, [an_order()], compression=compression)

    group = pq.read_metadata(file["path"]).row_group(0)
    assert {group.column(number).compression for number in range(group.num_columns)} == {codec}
    assert visible(tmp_path) == ["orders.manifest.json", "orders.parquet"]


def test_the_same_orders_give_the_same_bytes(tmp_path: Path) -> None:
    first, again = (write_files(tmp_path / name, [an_order(1), an_order(2)]) for name in ("a", "b"))

    assert [file["sha256"] for file in first] == [file["sha256"] for file in again]


def test_an_export_without_orders_is_one_valid_file(tmp_path: Path) -> None:
    (file,) = write_files(tmp_path, [])

    assert file["rows"] == 0
    assert pq.read_table(local(file["path"])).schema == arrow.SCHEMA
    assert ask(file["path"], "SELECT count(*) FROM read_parquet($path)") == [(0,)]


# Partitions.


def test_each_day_in_utc_has_a_folder(tmp_path: Path) -> None:
    orders = [
        an_order(1, created_at=datetime(2026, 2, 1, tzinfo=UTC)),
        an_order(2),
        an_order(3, created_at=None),
        an_order(4, created_at=datetime(2026, 2, 1, 23, 59, tzinfo=UTC)),
    ]

    files = write_files(tmp_path, orders, partition_by="created")

    assert visible(tmp_path) == [
        "date=2026-01-31/orders.parquet",
        "date=2026-02-01/orders.parquet",
        "date=__HIVE_DEFAULT_PARTITION__/orders.parquet",
        "orders.manifest.json",
    ]
    assert [(Path(file["path"]).parent.name, file["rows"]) for file in files] == [
        ("date=2026-01-31", 1),
        ("date=2026-02-01", 2),
        ("date=__HIVE_DEFAULT_PARTITION__", 1),
    ]
    assert read_files(files[1:2])["id"].to_pylist() == ["1", "4"]
    assert pq.read_table(files[0]["path"], partitioning=None).schema == arrow.SCHEMA


def test_orders_can_be_partitioned_by_update(tmp_path: Path) -> None:
    write_files(tmp_path, [an_order(updated_at=datetime(2026, 3, 1, tzinfo=UTC))], partition_by="updated")

    assert visible(tmp_path) == ["date=2026-03-01/orders.parquet", "orders.manifest.json"]


@pytest.mark.usefixtures("_small_groups")
def test_many_days_in_any_order_give_one_file_each_with_all_orders(tmp_path: Path) -> None:
    orders = list(orders_of_days(3000, 40))

    files = write_files(tmp_path, orders, partition_by="created")

    assert len(files) == 41
    by_id = {order.id: as_row(order) for order in orders}
    for file in files:
        table = read_files([file])
        assert table.num_rows == file["rows"]
        days = {at and at.date().isoformat() for at in table["created_at"].to_pylist()}
        assert {f"date={day or '__HIVE_DEFAULT_PARTITION__'}" for day in days} == {
            Path(file["path"]).parent.name
        }
        assert table["id"].to_pylist() == sorted(table["id"].to_pylist(), key=int)
        assert table.to_pylist() == [by_id.pop(identity) for identity in table["id"].to_pylist()]
    assert not by_id
    found = ask(
        tmp_path / "*" / "*.parquet",
        "SELECT count(*), count(date), min(date)::VARCHAR FROM read_parquet($path, hive_partitioning = true)",
    )
    assert found == [(3000, 2970, "2026-01-01")]


@pytest.mark.usefixtures("_memory_storage")
def test_partitions_on_another_storage_are_whole_and_replaced(orders_sandbox: Sandbox) -> None:
    folder = ObjectStoragePath("memory://box/orders")
    truth = orders_sandbox.payloads("genuka")
    days = Counter(f"date={order['created_at'][:10]}" for order in truth)
    options = {"file_format": "parquet", "partition_by": "created", "mode": "window"}

    def stored() -> dict[str, int]:
        return {
            path.removeprefix("/box/orders/"): len(file.getvalue())
            for path, file in MemoryFileSystem.store.items()
            if not path.endswith((".manifest.json", ".shape.json"))
        }

    def listed(manifest: dict[str, Any]) -> dict[str, int]:
        return {"/".join(file["path"].split("/")[-2:]): file["bytes"] for file in manifest["files"]}

    def exported(created_from: str) -> dict[str, Any]:
        """Export, and give the manifest as it lies beside the data; XCom leaves out a long list of files."""
        manifest = export("genuka_default", folder, **options, created_from=created_from)
        note = json.loads(ObjectStoragePath(manifest["manifest_file"]).read_bytes())
        assert manifest["files"] == (note["files"] if len(note["files"]) <= 31 else [])
        return cast("dict[str, Any]", note)

    manifest = exported("2000-01-01T00:00:00Z")

    assert {file["path"].split("/")[-2]: file["rows"] for file in manifest["files"]} == days
    assert stored() == listed(manifest)

    again = exported(truth[100]["created_at"])

    assert 0 < len(again["files"]) < len(manifest["files"])
    assert stored() == listed(again)


def test_no_orders_are_no_partition(tmp_path: Path) -> None:
    """A file outside of the partitions would break readers that expect each file in one."""
    assert write_files(tmp_path, [], partition_by="created") == []
    assert visible(tmp_path) == ["orders.manifest.json"]


def test_nothing_is_visible_before_the_commit_and_nothing_is_left_without_one(tmp_path: Path) -> None:
    with ParquetSink(tmp_path, "orders", partition_by="created") as sink:
        sink.open(SCOPE, incremental=False)
        sink.write([(an_order(), 100)])
        sink.finish(None)
        assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == []

    assert names(tmp_path) == []


def test_a_repeated_export_removes_the_partitions_that_it_no_longer_has(tmp_path: Path) -> None:
    other = tmp_path / "date=2026-01-31" / "another-task.parquet"
    write_files(tmp_path, [an_order(1), an_order(2, created_at=None)], partition_by="created")
    other.write_bytes(b"kept")

    write_files(tmp_path, [an_order(2, created_at=None)], partition_by="created")

    assert visible(tmp_path) == [
        "date=2026-01-31/another-task.parquet",
        "date=__HIVE_DEFAULT_PARTITION__/orders.parquet",
        "orders.manifest.json",
    ]

    write_files(tmp_path, [an_order(2)])

    assert visible(tmp_path) == [
        "date=2026-01-31/another-task.parquet",
        "orders.manifest.json",
        "orders.parquet",
    ]


def test_a_retry_removes_what_a_run_that_died_while_publishing_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path, [an_order(1)], partition_by="created")
    days = [datetime(2026, 1, day, tzinfo=UTC) for day in (31, 1, 2)]
    publish = PartFile.publish

    def die_at_the_third(part: PartFile) -> None:
        if "2026-01-31" in str(part.final):
            raise KeyboardInterrupt
        publish(part)

    sink = ParquetSink(tmp_path, "orders", partition_by="created")
    sink.open(SCOPE, incremental=False)
    sink.write([(an_order(number, created_at=day), 100) for number, day in enumerate(days)])
    files = sink.finish(None).files
    with monkeypatch.context() as patch:
        patch.setattr(PartFile, "publish", die_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            sink.commit(cast("Manifest", {"files": files}), None)
    # The process is gone: nobody closes the sink.
    assert "date=2026-01-01/orders.parquet" in visible(tmp_path)

    write_files(tmp_path, [an_order(1)], partition_by="created")

    assert visible(tmp_path) == ["date=2026-01-31/orders.parquet", "orders.manifest.json"]


def test_a_storage_that_fails_while_publishing_keeps_no_new_partition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path, [an_order(1)], partition_by="created")
    publish = PartFile.publish

    def fail_at_the_second(part: PartFile) -> None:
        if "2026-02-01" in str(part.final):
            raise OSError(errno.ENOSPC, "No space left on device")
        publish(part)

    monkeypatch.setattr(PartFile, "publish", fail_at_the_second)
    days = [
        datetime(2026, 1, 31, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 2, 1, tzinfo=UTC),
    ]
    with pytest.raises(OrdersError, match="No space left on device"):
        write_files(
            tmp_path,
            [an_order(number, created_at=day) for number, day in enumerate(days)],
            partition_by="created",
        )

    assert visible(tmp_path) == ["date=2026-01-31/orders.parquet", "orders.manifest.json"]


def test_files_of_a_committed_export_stay_when_tidying_up_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = ParquetSink._remove_partitions
    failures = [PermissionError(errno.EACCES, "Permission denied")]

    def fail_once(sink: ParquetSink, keys: Iterable[tuple[str, str]]) -> None:
        if failures:
            raise failures.pop()
        remove(sink, keys)

    write_files(tmp_path, [an_order(1)], partition_by="created")
    monkeypatch.setattr(ParquetSink, "_remove_partitions", fail_once)
    with pytest.raises(OrdersError, match="Permission denied"):
        write_files(tmp_path, [an_order(2, created_at=None)], partition_by="created")

    (file,) = json.loads((tmp_path / "orders.manifest.json").read_bytes())["files"]
    assert Path(file["path"]).parent.name == "date=__HIVE_DEFAULT_PARTITION__"
    assert Path(file["path"]).exists()


def lake(folder: Path) -> int:
    """Count the orders in the partitions."""
    return sum(pq.read_metadata(path).num_rows for path in folder.glob("date=*/*.parquet"))


def partitions(folder: Any, key: str) -> ParquetSink:
    return ParquetSink(folder, "orders", partition_by="created", run_key=key)


@pytest.fixture
def shop() -> Shop:
    """Give a shop with an order on each of four days."""
    shop = Shop("genuka")
    for _ in range(4):
        shop.place()
        shop.now += 86400
    return shop


@pytest.mark.parametrize("mode", ["full", "incremental"])
@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
def test_partitions_stay_when_something_fails_behind_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shop: Shop, mode: str, error: BaseException
) -> None:
    """As the second half of a move that copies and deletes, a time-out, or the file with the payloads' shape."""

    def fail_behind(publish: Any) -> Any:
        def published(part: PartFile) -> Any:
            publish(part)
            if part.final.name.endswith(".manifest.json"):
                raise error

        return published

    with monkeypatch.context() as patch:
        for name in ("publish", "publish_new"):
            patch.setattr(PartFile, name, fail_behind(getattr(PartFile, name)))
        with pytest.raises((OrdersError, KeyboardInterrupt)) as caught:
            shop.export("one", into=partitions(tmp_path, "one"), mode=mode)
    assert "as they were before" not in str(caught.value)
    assert lake(tmp_path) == 4

    shop.now += 3600
    assert shop.export("two", into=partitions(tmp_path, "two"), mode=mode)["rows"] == (
        4 if mode == "full" else 0
    )
    assert lake(tmp_path) == 4
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


def die_before_the_manifest(folder: Any, shop: Shop, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    """Export in a process that dies when its partitions are visible, and its manifest is not."""

    def die(part: PartFile) -> None:
        if part.final.name.endswith(".manifest.json"):
            raise KeyboardInterrupt
        publish(part)

    publish = PartFile.publish
    with monkeypatch.context() as patch:
        patch.setattr(PartFile, "publish", die)
        patch.setattr(PartFile, "publish_new", die)
        patch.setattr(ParquetSink, "close", lambda _: None)
        with pytest.raises(KeyboardInterrupt):
            shop.export("died", into=partitions(folder, "died"), **options)


def test_another_run_removes_the_partitions_of_one_that_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shop: Shop
) -> None:
    die_before_the_manifest(tmp_path, shop, monkeypatch)
    assert lake(tmp_path) == 4

    shop.export("two", into=partitions(tmp_path, "two"))
    assert lake(tmp_path) == 4

    shop.change(shop.orders[0])
    shop.now += 3600
    die_before_the_manifest(tmp_path, shop, monkeypatch)
    assert lake(tmp_path) == 5
    shop.export("three", into=partitions(tmp_path, "three"))
    assert lake(tmp_path) == 5


def test_another_run_of_a_full_export_removes_them_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shop: Shop
) -> None:
    die_before_the_manifest(tmp_path, shop, monkeypatch, mode="full")
    shop.delete(shop.orders[0])
    shop.export("two", into=partitions(tmp_path, "two"), mode="full")
    assert lake(tmp_path) == 3


def test_on_another_storage_the_run_after_that_one_does(monkeypatch: pytest.MonkeyPatch, shop: Shop) -> None:
    """There a run cannot be sure that the other one is dead before it has committed itself."""
    storage = KeysOnly()
    folder = on_storage(storage)

    die_before_the_manifest(folder, shop, monkeypatch)
    for key in ("two", "three"):
        shop.export(key, into=partitions(folder, key))

    assert len([key for key in storage.store if "/date=" in key]) == 4
    assert not [key for key in storage.store if key.endswith(".part")]


def test_partitions_that_a_failed_run_could_not_take_back_are_removed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shop: Shop
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(PartFile, "publish_new", fail)
        patch.setattr(ParquetSink, "_take_back", fail)
        with pytest.raises(OrdersError, match="Input/output error"):
            shop.export("one", into=partitions(tmp_path, "one"))
    assert lake(tmp_path) == 4

    shop.export("two", into=partitions(tmp_path, "two"))
    assert lake(tmp_path) == 4


def test_the_partitions_of_a_run_that_died_right_behind_its_commit_stay(tmp_path: Path, shop: Shop) -> None:
    shop.export("one", into=partitions(tmp_path, "one"))
    (manifest,) = tmp_path.glob("*.manifest.json")
    left = manifest.with_name(f".{manifest.name}.0badcafe.12345678.part")
    left.hardlink_to(manifest)

    for key in ("two", "three"):
        shop.change(shop.orders[0])
        shop.now += 3600
        shop.export(key, into=partitions(tmp_path, key))

    assert lake(tmp_path) == 6
    assert not left.exists()


# What can go wrong.


def test_a_missing_pyarrow_is_an_error_before_the_first_request(
    orders_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(
        ConfigurationError, match=r"pip install 'airflow-provider-orders\[parquet\]'"
    ) as caught:
        export("popsell_default", tmp_path, file_format="parquet", mode="full")

    assert caught.value.field == "file_format"
    assert orders_sandbox.requests == []
    assert names(tmp_path) == []


def test_the_sinks_module_needs_no_pyarrow() -> None:
    script = "import sys, airflow_provider_orders.export.sinks.parquet; sys.exit('pyarrow' in sys.modules)"

    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"compression": "brotli"}, "compression"),
        ({"compression": ["gzip"]}, "compression"),
        ({"partition_by": "delivered"}, "partition_by"),
    ],
)
def test_an_unknown_choice_is_refused(tmp_path: Path, options: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{field} must be ") as caught:
        ParquetSink(tmp_path, "orders", **options)

    assert caught.value.field == field


@pytest.mark.usefixtures("_small_groups")
@pytest.mark.parametrize("partition_by", [None, "created"])
def test_a_full_disk_leaves_the_files_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, partition_by: str | None
) -> None:
    write_files(tmp_path, [an_order(1)], partition_by=partition_by)
    before = {path: (tmp_path / path).read_bytes() for path in visible(tmp_path)}

    write = PartFile.write

    def fail(part: PartFile, data: bytes) -> int:
        if len(data) > 4:  # the format's first word still fits
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(part, data)

    monkeypatch.setattr(PartFile, "write", fail)
    with pytest.raises(OrdersError, match=r"No space left on device\. The files are as they were before"):
        write_files(tmp_path, orders_of_days(1000, 3), partition_by=partition_by)
    gc.collect()  # a writer that was dropped open would complain now

    assert {path: (tmp_path / path).read_bytes() for path in visible(tmp_path)} == before


def test_a_writer_that_is_abandoned_leaves_its_file_alone() -> None:
    """A storage that has failed once would fail again, with an error that hides the first."""

    class Counting(io.BytesIO):
        rows = 0

    file = Counting()
    writer = row_groups.OneFile(file, "snappy")
    writer.write([an_order()])
    size = len(file.getvalue())

    writer.abandon()
    del writer
    gc.collect()

    assert len(file.getvalue()) == size


@pytest.mark.usefixtures("_small_groups")
def test_no_room_to_sort_by_day_names_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", fail)

    with pytest.raises(OrdersError, match=f"{tempfile.gettempdir()}: No space left on device.*TMPDIR"):
        write_files(tmp_path, orders_of_days(1000, 3), partition_by="created")

    assert names(tmp_path) == []


@pytest.mark.parametrize("partition_by", [None, "created"])
def test_incremental_exports_add_files_and_a_repeated_one_replaces_its_own(
    orders_sandbox: Sandbox, tmp_path: Path, partition_by: str | None
) -> None:
    def run(key: str) -> Manifest:
        with (
            SyncClient(make_api(orders_sandbox, "genuka")) as client,
            ParquetSink(tmp_path, "unused", partition_by=partition_by, run_key=key) as sink,
        ):
            return export_orders(client, OrderQuery(), sink, mode="incremental", run_key=key)

    first = run("one")
    (added,) = orders_sandbox.insert_orders("genuka")
    second = run("two")
    again = run("two")

    assert first["rows"] == 230
    assert read_files(second["files"])["id"].to_pylist() == [added] if second["files"] else False
    assert [file["path"] for file in again["files"]] == [file["path"] for file in second["files"]]
    found = [path for path in visible(tmp_path) if path.endswith(".parquet")]
    assert len(found) == len(first["files"]) + len(again["files"])
    assert read_files([*first["files"], *again["files"]]).num_rows == 231
