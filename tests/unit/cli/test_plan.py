from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.hooks.connect import LISTINGS, VENDORS, secrets_in

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_orders.sandbox import Sandbox
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
    ends_early = (vendor, selection) == ("popsell", "created")
    assert abs(planned["requests"] - made) <= max(4 if ends_early else 1, 0.2 * made)
    assert planned["can_miss"] == done.json["can_miss"]


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
