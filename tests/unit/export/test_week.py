"""A week in the life of a shop, exported every hour while orders come, change and go, also between two pages."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from airflow_provider_orders.sandbox import Sandbox
from airflow_provider_orders.sandbox.vendors import VENDORS as FAKES
from tests.unit.export.series import Series

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOURS = 7 * 24
SWEEP_DAYS = 1
START = datetime(2026, 3, 26, tzinfo=UTC)
"""Three days before the clocks of Paris go forward."""


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(orders=110, step_s=float("inf"), base_date=START) as sandbox:
        sandbox.clock.freeze()
        yield sandbox


class Shop:
    """What happens at one vendor's, by chance but the same each time."""

    def __init__(self, sandbox: Sandbox, vendor: str) -> None:
        self.sandbox = sandbox
        self.vendor = vendor
        self.axes = next(fake.axes for fake in FAKES if fake.name == vendor)
        self.chance = random.Random(vendor)  # noqa: S311 - to be the same each time
        self.placed: dict[str, datetime] = dict.fromkeys(self._ids(), START)
        self.young = SWEEP_DAYS if vendor == "popsell" else 365
        self.meanwhile = 0
        self.changed: dict[str, int] = {}

    def _ids(self) -> list[str]:
        field = "id_order" if self.vendor == "popsell" else "id"
        return [str(order[field]) for order in self.sandbox.payloads(self.vendor)]

    def happen(self, *, deletes: bool = True) -> None:
        """Place, change or delete an order, or a few."""
        roll = self.chance.random()
        if roll < 0.25:
            now = self.sandbox.clock.now()
            self.placed |= dict.fromkeys(
                self.sandbox.insert_orders(self.vendor, self.chance.randint(1, 2)), now
            )
        elif roll < 0.95 or not deletes:
            self._change()
        else:
            order_id = self.chance.choice(list(self.placed))
            self.sandbox.delete_order(self.vendor, order_id)
            if self.vendor != "genuka":
                del self.placed[order_id]

    def _change(self) -> None:
        """Change an order that is young enough for the sweep of a vendor without a filter by update."""
        oldest = self.sandbox.clock.now() - timedelta(days=self.young) + timedelta(hours=2)
        young = [
            order_id
            for order_id, placed in self.placed.items()
            if self.vendor != "popsell" or (placed > START and placed >= oldest)
        ]
        if young:
            axis = self.chance.choice(list(self.axes))
            order_id = self.chance.choice(young)
            self.sandbox.set_status(self.vendor, order_id, self.chance.choice(self.axes[axis]), axis=axis)
            self.changed[order_id] = self.changed.get(order_id, 0) + 1

    def on_page(self) -> None:
        """Let something happen between two pages, now and then; what a deletion can cost there, ``can_miss`` names."""
        self.sandbox.clock.advance(7)
        if self.meanwhile and self.chance.random() < 0.4:
            self.meanwhile -= 1
            self.happen(deletes=False)


@pytest.mark.parametrize("vendor", [fake.name for fake in FAKES])
@pytest.mark.parametrize("target", ["files", pytest.param("sql", marks=pytest.mark.slow)])
def test_after_a_week_the_target_equals_the_source(
    running: Sandbox, tmp_path: Path, vendor: str, target: str
) -> None:
    running.reset()
    shop = Shop(running, vendor)
    series = Series(running, vendor, tmp_path, target=target, page_size=10, sweep_days=SWEEP_DAYS)
    running.on_page(vendor, shop.on_page)
    until = START
    for hour in range(HOURS):
        until += timedelta(hours=1)
        shop.meanwhile = 3
        assert series.export()["mode"] == "incremental"
        while running.clock.now() < until:
            running.clock.advance(
                min(shop.chance.choice((1, 60, 600, 1200)), (until - running.clock.now()).total_seconds())
            )
            if shop.chance.random() < 0.12:
                shop.happen()
        if hour % 24 == 5:  # a task that is cleared runs again, and replaces what it wrote
            series.export(key=f"run {series.runs}")
    running.on_page(vendor, None)
    running.clock.advance(1)
    series.export()
    assert sum(shop.changed.values()) > 60
    assert series.missing() == set()
    if target == "files":
        # Dipli lists an order again that changed, though it may look as it did before, and may have been out of the listing
        # for so long that the files no longer know it.
        assert series.repeated() <= (shop.changed.keys() if vendor == "dipli" else set())
    else:
        series.full()
        assert series.missing() == series.gone() == set()
