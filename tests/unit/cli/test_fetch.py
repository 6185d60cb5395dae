from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.hooks.connect import ID_FIELDS, VENDORS, secrets_in, truth

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_orders.sandbox import Sandbox
    from tests.unit.cli.shell import CommandLine


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_order_is_fetched_once(
    vendor: str, cli: CommandLine, orders_sandbox: Sandbox, tmp_path: Path
) -> None:
    done = cli("fetch", f"{vendor}_default", "--all", "--output", tmp_path / "orders.jsonl")

    assert done.code == 0
    assert done.out.startswith(f"Exported 230 orders of {vendor}_default\n")
    rows = [json.loads(line) for line in (tmp_path / "orders.jsonl").read_text().splitlines()]
    assert sorted(str(row[ID_FIELDS[vendor]]) for row in rows) == sorted(truth(orders_sandbox, vendor))
    assert secrets_in(done.out + done.err) == []


def test_the_ending_chooses_the_compression(cli: CommandLine, tmp_path: Path) -> None:
    assert cli("fetch", "dipli_default", "--all", "--output", tmp_path / "orders.jsonl.gz").code == 0

    assert len(gzip.decompress((tmp_path / "orders.jsonl.gz").read_bytes()).splitlines()) == 230


def test_parquet_and_canonical_rows(cli: CommandLine, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")

    assert cli("fetch", "genuka_default", "--all", "--output", tmp_path / "orders.parquet").code == 0
    done = cli(
        "fetch", "genuka_default", "--all", "--output", tmp_path / "orders.jsonl", "--content", "canonical"
    )

    assert done.code == 0
    assert parquet.read_table(tmp_path / "orders.parquet").num_rows == 230
    first = json.loads((tmp_path / "orders.jsonl").read_text().splitlines()[0])
    assert first["source"] == "genuka"


def test_nothing_beside_the_file_is_touched(
    cli: CommandLine, orders_sandbox: Sandbox, tmp_path: Path
) -> None:
    beside = ["orders.parquet", "orders.xlsx", "orders-2025.jsonl", ".orders.old"]
    for name in beside:
        (tmp_path / name).write_text("precious")

    assert cli("fetch", "dipli_default", "--all", "--output", tmp_path / "orders.jsonl").code == 0
    orders_sandbox.inject("bad_row", vendor="dipli", times=None, variant="missing_id")
    assert cli("fetch", "dipli_default", "--all", "--output", tmp_path / "orders.jsonl").code == 7

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*beside, "orders.jsonl"])
    assert len((tmp_path / "orders.jsonl").read_text().splitlines()) == 230
    assert {(tmp_path / name).read_text() for name in beside} == {"precious"}


def test_a_folder_gets_a_file_named_after_its_content(cli: CommandLine, tmp_path: Path) -> None:
    for options in (
        ("--all",),
        ("--since", "2025-12-01"),
        ("--all", "--status", "shipped"),
        ("--all", "--content", "canonical"),
    ):
        assert cli("fetch", "dipli_default", *options, "--output", tmp_path).code == 0
    assert cli("fetch", "dipli_default", "--all", "--output", tmp_path).code == 0

    names = sorted(path.name for path in tmp_path.glob("*.jsonl"))
    assert len(names) == 4
    assert all(name.startswith("dipli_default-") for name in names)


def test_json_gives_the_manifest(cli: CommandLine, tmp_path: Path) -> None:
    done = cli("fetch", "dipli_default", "--all", "--limit", "7", "--output", tmp_path, "--json")

    assert done.json["rows"] == 7
    assert done.json["files"][0]["rows"] == 7
    assert done.err == ""


def test_a_bad_order_ends_with_7_and_leaves_no_file(
    cli: CommandLine, orders_sandbox: Sandbox, tmp_path: Path
) -> None:
    orders_sandbox.inject("bad_row", vendor="dipli", times=None, variant="missing_id")

    done = cli("fetch", "dipli_default", "--all", "--output", tmp_path / "orders.jsonl")

    assert done.code == 7
    assert len(done.err.splitlines()) == 1
    assert not list(tmp_path.glob("*.jsonl"))


def test_bad_orders_can_be_kept_apart(cli: CommandLine, orders_sandbox: Sandbox, tmp_path: Path) -> None:
    orders_sandbox.inject("bad_row", vendor="dipli", variant="text_amount")

    done = cli(
        "fetch", "dipli_default", "--all", "--on-reject", "keep", "--output", tmp_path / "orders.jsonl"
    )

    assert done.code == 0
    assert "  1, kept in " in done.out
    assert (tmp_path / "orders.rejects.jsonl").exists()


@pytest.mark.parametrize(
    "output", ["/proc/no/such/orders.jsonl", "nowhere://bucket/orders", "s3://bucket/orders.jsonl"]
)
def test_a_place_that_cannot_be_written_ends_with_2_before_anything_is_asked(
    output: str, cli: CommandLine, orders_sandbox: Sandbox
) -> None:
    done = cli("fetch", "dipli_default", "--all", "--output", output)

    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert orders_sandbox.requests == []


@pytest.mark.parametrize("output", ["-", "orders.json", "out/orders.CSV", "orders.gz", "orders.xlsx"])
def test_a_file_of_another_kind_is_no_folder(output: str, cli: CommandLine, orders_sandbox: Sandbox) -> None:
    done = cli("fetch", "dipli_default", "--all", "--output", output)

    assert done.code == 2
    assert ".jsonl, .jsonl.gz, .jsonl.zst or .parquet" in done.err
    assert orders_sandbox.requests == []
