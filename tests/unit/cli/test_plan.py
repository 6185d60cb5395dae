from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.export.run import export_orders
from airflow_provider_orders.export.sinks.jsonl import JsonLinesSink
from airflow_provider_orders.hooks.orders import OrdersHook
from airflow_provider_orders.http.sync import SyncClient
from airflow_provider_orders.sandbox import Sandbox
from tests.unit.hooks.connect import LISTINGS, VENDORS, secrets_in

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_orders.export.manifest import Manifest
    from tests.unit.cli.shell import CommandLine
    from tests.unit.hooks.connect import Connect

SELECTIONS = {
    "everything": ("--all",),
    "updated": ("--since", "2025-12-20"),
    "created": ("--since", "2025-12-01", "--window", "created"),
    "one-day": ("--since", "2025-12-05", "--until", "2025-12-06", "--window", "created"),
}


@pytest.mark.parametrize("page_size", [10, 100])
@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize("vendor", VENDORS)
def test_the_estimate_is_within_a_fifth_of_the_requests_really_made(
    vendor: str,
    selection: str,
    page_size: int,
    cli: CommandLine,
    connect: Connect,
    orders_sandbox: Sandbox,
    tmp_path: Path,
) -> None:
    conn_id = connect(vendor, page_size=page_size)
    planned = cli("plan", conn_id, *SELECTIONS[selection], "--json").json
    orders_sandbox.reset()

    done = cli("fetch", conn_id, *SELECTIONS[selection], "--output", tmp_path, "--json")

    assert done.code == 0
    made = done.json["requests"]
    # Where a walk ends early, how many of the pages asked for ahead are still sent is a matter of timing.
    ends_early = vendor == "popsell" and selection in {"created", "one-day"}
    assert abs(planned["requests"] - made) <= max(4 if ends_early else 1, 0.2 * made)
    assert planned["can_miss"] == done.json["can_miss"]


def export_incrementally(conn_id: str, folder: Path, *, now: datetime) -> Manifest:
    api = OrdersHook.for_connection(conn_id).api
    with SyncClient(api) as client, JsonLinesSink(folder, "orders", run_key=str(now)) as sink:
        return export_orders(client, OrderQuery(), sink, mode="incremental", run_key=str(now), now=now)


@pytest.mark.parametrize("page_size", [10, 100])
@pytest.mark.parametrize("vendor", VENDORS)
def test_the_estimate_of_incremental_exports_is_within_a_fifth(
    vendor: str, page_size: int, cli: CommandLine, connect: Connect, orders_sandbox: Sandbox, tmp_path: Path
) -> None:
    conn_id = connect(vendor, page_size=page_size)
    first = export_incrementally(conn_id, tmp_path, now=datetime(2025, 12, 20, tzinfo=UTC))
    second = export_incrementally(conn_id, tmp_path, now=orders_sandbox.clock.now())

    for options, exported in ((("--all",), first), (("--since", "2025-12-20"), second)):
        planned = cli("plan", conn_id, "--incremental", *options, "--json").json

        # Where a walk ends early, how many of the pages asked for ahead are still sent is a matter of timing.
        ends_early = vendor == "popsell" and exported is second
        made = exported["requests"]
        assert abs(planned["requests"] - made) <= max(4 if ends_early else 1, 0.2 * made)
        assert planned["mode"] == "incremental"
        assert planned["can_miss"] == exported["can_miss"]


def test_the_estimate_of_a_longer_walk_that_ends_early_is_within_a_fifth(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(orders=1200, step_s=float("inf")) as sandbox:
        connection = sandbox.connections["popsell_default"]
        connection["extra"]["page_size"] = 10
        monkeypatch.setenv("AIRFLOW_CONN_POPSELL_DEFAULT", json.dumps(connection))
        options = ("popsell_default", "--since", "2025-11-15", "--window", "created")
        planned = cli("plan", *options, "--json").json
        created = cli("fetch", *options, "--output", tmp_path / "created", "--json").json

        folder = tmp_path / "changed"
        folder.mkdir()
        for now in (datetime(2025, 12, 20, tzinfo=UTC), sandbox.clock.now()):
            changed = export_incrementally("popsell_default", folder, now=now)
        incremental = cli("plan", "popsell_default", "--since", "2025-12-20", "--incremental", "--json").json

    assert 40 < created["requests"] < 121
    assert planned["requests"] == pytest.approx(created["requests"], rel=0.2)
    assert 30 < changed["requests"] < 121
    assert incremental["requests"] == pytest.approx(changed["requests"], rel=0.2)


def test_the_plain_plan_of_an_incremental_export_names_the_one_before(cli: CommandLine) -> None:
    later = cli("plan", "genuka_default", "--since", "2025-12-20", "--incremental", "--status", "pending")
    unfiltered = cli("plan", "genuka_default", "--since", "2025-12-20", "--incremental")
    first = cli("plan", "genuka_default", "--all", "--incremental")

    assert later.out.startswith(
        "Plan of the incremental export after that of 2025-12-20 00:00:00 UTC of genuka_default: status pending\n"
    )
    assert "reads what changed since 2025-12-19T23:55:00+00:00" in later.out
    assert unfiltered.out.splitlines()[0].endswith(" UTC of genuka_default")
    assert first.out.startswith("Plan of the first incremental export of genuka_default: every order\n")


@pytest.mark.parametrize("vendor", ["dipli", "popsell", "genuka"])
def test_several_statuses_are_several_listings(
    vendor: str, cli: CommandLine, connect: Connect, tmp_path: Path
) -> None:
    words = {
        "dipli": ("shipped", "in_transit"),
        "popsell": ("PENDING", "completed"),
        "genuka": ("pending", "delivered"),
    }
    options = [option for word in words[vendor] for option in ("--status", word)]
    conn_id = connect(vendor, page_size=10)

    planned = cli("plan", conn_id, "--all", *options, "--json")
    done = cli("fetch", conn_id, "--all", *options, "--output", tmp_path, "--json")

    assert planned.code == 0, planned.err
    made = done.json["requests"]
    assert abs(planned.json["requests"] - made) <= max(1, 0.2 * made)


def test_lines_that_are_fetched_apart_are_counted(cli: CommandLine, tmp_path: Path) -> None:
    options = ("--since", "2025-12-20", "--with-lines")

    planned = cli("plan", "valomnia_default", *options, "--json").json
    done = cli("fetch", "valomnia_default", *options, "--output", tmp_path, "--json").json

    assert planned["requests_of"]["further"] > 0
    assert abs(planned["requests"] - done["requests"]) <= 0.2 * done["requests"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_vendors_own_count_takes_two_requests(
    vendor: str, cli: CommandLine, connect: Connect, orders_sandbox: Sandbox
) -> None:
    planned = cli("plan", connect(vendor, page_size=10), "--all", "--json").json

    listings = [request for request in orders_sandbox.requests if LISTINGS[vendor] in request.path]
    assert len(listings) == 2
    assert planned["orders"] == 230
    assert planned["orders_are_exact"]
    assert planned["requests_made"] == len(orders_sandbox.requests)


def test_a_vendor_that_counts_nothing_is_searched(
    cli: CommandLine, connect: Connect, orders_sandbox: Sandbox, tmp_path: Path
) -> None:
    options = ("--all", "--param", "simple_paginate=1")
    conn_id = connect("genuka", page_size=10)

    planned = cli("plan", conn_id, *options, "--json").json
    done = cli("fetch", conn_id, *options, "--output", tmp_path, "--json").json

    assert abs(planned["requests"] - done["requests"]) <= 1
    assert planned["orders"] == done["rows"] == 230
    assert not planned["orders_are_exact"]


def test_the_time_obeys_the_requests_a_minute(cli: CommandLine, connect: Connect) -> None:
    conn_id = connect("dipli", page_size=10, requests_per_minute=6000, concurrency=1)

    planned = cli("plan", conn_id, "--all", "--json").json

    assert planned["seconds"] >= 22 * 60 / 6000


def test_the_time_is_about_the_time_really_taken(
    cli: CommandLine, connect: Connect, orders_sandbox: Sandbox, tmp_path: Path
) -> None:
    orders_sandbox.inject("slow", vendor="dipli", times=None, delay_s=0.2)
    conn_id = connect("dipli", page_size=10, concurrency=2)

    planned = cli("plan", conn_id, "--all", "--json").json
    done = cli("fetch", conn_id, "--all", "--output", tmp_path, "--json").json

    assert planned["limited_by"] == "api"
    assert done["seconds"] == pytest.approx(planned["seconds"], rel=0.5)


def test_the_plain_plan_says_how_it_reads_and_what_it_can_miss(cli: CommandLine) -> None:
    done = cli("plan", "popsell_default", "--since", "2025-12-20", "--window", "created")

    assert done.code == 0
    assert done.out.startswith(
        "Plan of an export of popsell_default: created since 2025-12-20 00:00:00 UTC\n"
    )
    assert "reads from the newest order back to the window" in done.out
    assert "1 to sign in" in done.out
    assert "can miss" in done.out
    assert secrets_in(done.out) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "Give --since with a moment, or --all"),
        (("--all", "--since", "2025-01-01"), "Give --since with a moment, or --all"),
        (("--all", "--until", "2025-01-01"), "--until goes with --since"),
        (("--since", "yesterday"), "--since is no moment"),
        (("--since", "2025-01-01T10:00:00"), "--since has no time zone"),
        (("--since", "2025-01-02", "--until", "2025-01-01"), "lies before"),
        (("--all", "--status", "no_such_status"), "no_such_status"),
        (("--all", "--param", "nothing"), "--param is written NAME=VALUE"),
        (("--all", "--param", "colour=red"), "colour"),
        (("--all", "--ambassador-id", "x"), "ambassador_id"),
        (("--incremental",), "Give --since with a moment, or --all"),
        (("--incremental", "--since", "7d", "--until", "1d"), "--until does not go with --incremental"),
        (("--incremental", "--since", "7d", "--window", "created"), "--window does not go with"),
    ],
)
def test_a_selection_that_cannot_be_meant_ends_with_2_and_one_line(
    options: tuple[str, ...], words: str, cli: CommandLine, orders_sandbox: Sandbox
) -> None:
    done = cli("plan", "dipli_default", *options)

    assert done.code == 2
    assert words in done.err
    assert len(done.err.splitlines()) == 1
    assert done.out == ""
    assert orders_sandbox.requests == []
