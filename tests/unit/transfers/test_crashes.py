"""Exports that are killed at any moment and run again: the target holds each order once, in its newest version."""

from __future__ import annotations

import json
import os
import random
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy

from airflow_provider_orders.sandbox import Sandbox
from tests.unit.clients import Reader, make_api
from tests.unit.export.exports import content, status_words
from tests.unit.transfers.crashes import Exporter

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services import Database

pytestmark = pytest.mark.slow

THOROUGH = bool(os.environ.get("THOROUGH"))
KILLS = 20 if THOROUGH else 5

TARGETS = {"jsonl": "genuka", "parquet": "dipli", "sqlite": "popsell", "postgres": "valomnia"}

SOME_HOURS_AGO = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=12)
"""The exports' clock is the real one, and the sandbox's must not overtake it."""

CHANGES = {
    "popsell": ("order", ("FULFILLED", "CANCELLED")),
    "dipli": ("fulfillment", ("shipped", "cancelled")),
    "valomnia": ("payment", ("PAID", "ADVANCE")),
    "genuka": ("fulfillment", ("delivered", "taken_in_charge")),
}


class Target:
    """What exports are killed on their way to.

    :param kind: one of ``TARGETS``.
    """

    def __init__(self, kind: str, folder: Path, database: Database | None) -> None:
        self.vendor = TARGETS[kind]
        self._kind = kind
        self._folder = folder / "orders"
        self._database = database
        self.environment: dict[str, str] = {}
        self.stride = 1 if database is None else 7
        """How many steps to go on from kill to kill; a database's are many, most of them only look."""
        self.arguments: dict[str, Any] = {
            "orders_conn_id": f"{self.vendor}_default",
            "mode": "incremental",
            "sweep_days": 100,  # all orders of the sandbox, however old, may change
        }
        if database is not None:
            self.arguments["sql_conn_id"] = "target"
            self.environment["AIRFLOW_CONN_TARGET"] = database.airflow_connection
        else:
            self.arguments |= {"path": str(self._folder), "file_format": kind}
            if kind == "jsonl":
                self.arguments["output"] = "canonical"

    def versions(self) -> list[tuple[str, str]]:
        """Give id and content hash of each version that was written, oldest first; of each order in a table."""
        if self._database is not None:
            return self._rows()
        manifests = sorted(self._folder.glob("*.manifest.json"))
        files = [file["path"] for path in manifests for file in json.loads(path.read_bytes())["files"]]
        return [version for file in files for version in self._read(file)]

    def _read(self, file: str) -> list[tuple[str, str]]:
        if self._kind == "jsonl":
            orders = [json.loads(line) for line in content(file).splitlines()]
        else:
            from pyarrow import parquet

            orders = parquet.read_table(file.removeprefix("file://")).to_pylist()
        return [(order["id"], order["content_hash"]) for order in orders]

    def _rows(self) -> list[tuple[str, str]]:
        assert self._database is not None
        engine = sqlalchemy.create_engine(self._database.url)
        try:
            if not sqlalchemy.inspect(engine).has_table("orders"):
                return []
            with engine.connect() as connection:
                rows = connection.execute(sqlalchemy.text("SELECT id, content_hash FROM orders")).all()
        finally:
            engine.dispose()
        return [(row[0], row[1]) for row in rows]

    def strangers(self) -> list[str]:
        """List files that no manifest names."""
        if self._database is not None or not self._folder.exists():
            return []
        named = set()
        for path in self._folder.glob("*.manifest.json"):
            manifest = json.loads(path.read_bytes())
            named |= {path.name, manifest["versions_file"]}
            named |= {file["path"].rpartition("/")[2] for file in manifest["files"]}
        return sorted(
            path.name
            for path in self._folder.iterdir()
            if path.name not in named and not path.name.endswith(".versions.jsonl.gz")
        )


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    kind = request.param
    database = None
    if kind in {"sqlite", "postgres"}:
        database = request.getfixturevalue(f"{kind}_database")
    return Target(kind, tmp_path, database)


def truth(sandbox: Sandbox, vendor: str) -> dict[str, str]:
    """Give the content hash of each order as the vendor has it now."""
    api = make_api(sandbox, vendor)
    model, account = api.order_model, api.settings.account
    zone = api.settings.assumed_timezone
    return {
        order_id: model.read_order(raw, account=account, assumed_timezone=zone).content_hash
        for order_id, raw in Reader("sync", api).read()
    }


def change(sandbox: Sandbox, vendor: str, chance: random.Random, *, count: int) -> None:
    """Let some time pass, in which orders come and change."""
    axis, words = CHANGES[vendor]
    sandbox.clock.advance(30)
    orders = chance.sample(sandbox.payloads(vendor), count)
    field = {"popsell": "id_order"}.get(vendor, "id")
    for order in orders:
        # Another one than it has: Dipli lists an order again whose status was set to what it was, and it looks the same.
        others = [word for word in words if word != status_words(vendor, order)[axis]]
        sandbox.set_status(vendor, order[field], chance.choice(others), axis=axis)
    sandbox.insert_orders(vendor, count)
    sandbox.clock.advance(30)


def check_whole(sandbox: Sandbox, target: Target) -> None:
    """Check that the target holds each order, its newest version last, and no version twice in succession."""
    versions = target.versions()
    found: dict[str, list[str]] = {}
    for order_id, version in versions:
        found.setdefault(order_id, []).append(version)
    repeated = [
        order_id for order_id, each in found.items() if any(one == other for one, other in pairwise(each))
    ]
    assert repeated == []
    assert dict(versions) == truth(sandbox, target.vendor)
    assert target.strangers() == []


@pytest.mark.timeout(900)
def test_killed_at_random_moments(target: Target, tmp_path: Path) -> None:
    chance = random.Random(target.vendor)  # noqa: S311 - the same moments again
    with Sandbox(orders=5000, step_s=float("inf"), base_date=SOME_HOURS_AGO) as sandbox:
        sandbox.prepare(target.vendor)
        exporter = Exporter(target.arguments, {**sandbox.environment(), **target.environment}, tmp_path)
        kills = runs = 0
        length_s = 3.0
        while kills < KILLS:
            runs += 1
            ended = False
            while not ended:
                started = time.monotonic()
                process = exporter.start(f"run-{runs}")
                process.join(chance.uniform(0, length_s))
                if process.is_alive() and kills < KILLS:
                    process.kill()
                    kills += 1
                process.join()
                ended = exporter.ended(process)
                if ended:
                    length_s = time.monotonic() - started
            check_whole(sandbox, target)
            change(sandbox, target.vendor, chance, count=20)
        assert exporter.run("last")
        check_whole(sandbox, target)
        known = len(target.versions())
        assert exporter.run("nothing new")
        assert len(target.versions()) == known


@pytest.mark.timeout(900)
def test_killed_at_each_step(target: Target, tmp_path: Path) -> None:
    chance = random.Random(target.vendor)  # noqa: S311 - the same changes again
    stride = 1 if THOROUGH else target.stride
    with Sandbox(orders=60, step_s=float("inf"), base_date=SOME_HOURS_AGO) as sandbox:
        exporter = Exporter(target.arguments, {**sandbox.environment(), **target.environment}, tmp_path)
        for series in ("the first", "a later one"):
            step = 1
            before = dict(target.versions())
            while not exporter.run(f"{series} after {step - 1}", kill_at_step=step):
                seen = dict(target.versions())
                now = truth(sandbox, target.vendor)
                assert seen in (before, now), f"half of {series} is there after step {step}"
                if seen == now:
                    change(sandbox, target.vendor, chance, count=3)
                    before = seen
                step += stride
            assert step > exporter.steps
            check_whole(sandbox, target)
            change(sandbox, target.vendor, chance, count=5)
