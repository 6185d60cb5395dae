"""Any interleaving of changes, pages, failures and exports: no order is lost, and none comes twice.

Two promises are tested, on a model of each vendor that the real client, plan and files work on.

*Never lost, never repeated*, without a word of warning in ``can_miss``: orders that are placed, changed, marked as deleted
and moved between statuses, at any moment - before, between and after the pages of any export, several within one second -
with pages of any size, read ahead or not, exports that fail on any page and go on or begin again, tasks that are cleared,
a clock of the vendor that is off, and changes that can be read up to ``lookback`` after the time that they bear. A change
that happens while an export reads may come with that export or with the next one; so the target is compared after one
more export.

*What is lost is named*: the same, and also orders deleted for good while pages are read, changes without a date, late ones
beyond ``lookback``, and changes of old orders where the vendor cannot filter by update. Whatever the target then
misses or repeats, ``can_miss`` names its kind, and a full export brings it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeVar

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from airflow_provider_orders.errors import ApiUnavailableError, PaginationError
from airflow_provider_orders.export import journal
from tests.unit.export.model_source import VENDORS, Shop, SourceOrder

if TYPE_CHECKING:
    from collections.abc import Iterator

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86400

_Choice = TypeVar("_Choice")


@dataclass(frozen=True)
class Happening:
    """Something that happens at the vendor's.

    :param kind: what.
    :param which: to which of its orders.
    :param passing: seconds that pass before.
    :param late: seconds until it can be read.
    :param status: the order's new status, where it changes.
    """

    kind: str
    which: int
    passing: int
    late: int
    status: int


@dataclass(frozen=True)
class Run:
    """One export, and what happens before it and while it reads its pages.

    :param before: what happens before.
    :param during: what happens while it reads, each before a page.
    :param fails_at: the page at which it fails, to be tried again; 0 for none.
    :param again: whether its task is cleared when it has succeeded, and runs once more.
    """

    before: tuple[Happening, ...]
    during: tuple[tuple[int, Happening], ...]
    fails_at: int
    again: bool


@dataclass(frozen=True)
class Story:
    """One example.

    :param lookback: of the exports, in seconds; so ``sweep_days``.
    :param statuses: those that the exports ask for, by their places; empty for all.
    """

    vendor: str
    page_size: int
    ahead: int
    skew: int
    dipli_zone: str
    lookback: int
    sweep_days: int
    statuses: tuple[int, ...]
    ages: tuple[int, ...]
    runs: tuple[Run, ...]


class Dice:
    """Reads a story out of bytes: quicker to draw than its parts, and zeros are the simplest story."""

    def __init__(self, rolls: bytes) -> None:
        self._rolls = iter(rolls)

    def below(self, count: int) -> int:
        return next(self._rolls, 0) % count

    def pick(self, *choices: _Choice) -> _Choice:
        return choices[self.below(len(choices))]

    def happening(self, kinds: tuple[str, ...]) -> Happening:
        return Happening(
            kind=self.pick(*kinds),
            which=self.below(20),
            passing=self.pick(0, 1, 0, 1, 2, 59, 299, 300, 301, HOUR, 6 * HOUR, DAY, 3 * DAY, 40 * DAY),
            late=self.pick(0, 0, 0, 1, MINUTE, 300, 301, HOUR, DAY, 2 * DAY),
            status=self.below(3),
        )

    def run(self, kinds: tuple[str, ...]) -> Run:
        return Run(
            before=tuple(self.happening(kinds) for _ in range(self.below(5))),
            during=tuple((1 + self.below(9), self.happening(kinds)) for _ in range(self.below(6))),
            fails_at=self.pick(0, 0, 0, 1, 2, 3),
            again=self.pick(False, False, True),
        )

    def story(self, vendor: str, kinds: tuple[str, ...]) -> Story:
        return Story(
            vendor=vendor,
            page_size=1 + self.below(4),
            ahead=1 + self.below(3),
            skew=self.pick(0, 0, 2, -2, 90, -90, 400, -400),
            dipli_zone=self.pick("Europe/Paris", "UTC"),
            lookback=self.pick(300, 0, 90, HOUR),
            sweep_days=self.pick(30, 1),
            statuses=self.pick((), (), (0, 1)) if vendor != "valomnia" else (),
            ages=tuple(self.pick(0, HOUR, DAY, 20 * DAY, 100 * DAY) for _ in range(self.below(9))),
            runs=tuple(self.run(kinds) for _ in range(1 + self.below(4))),
        )


_EXAMPLES: Final = max(300, settings().max_examples) // len(VENDORS)
ROLLS: Final = st.binary(min_size=240, max_size=240)


class Player:
    """Plays a story.

    :param strict: whether only that happens that may cost no order.
    """

    def __init__(self, story: Story, *, strict: bool) -> None:
        self.story = story
        self.strict = strict
        self.shop = Shop(
            story.vendor,
            page_size=story.page_size,
            ahead=story.ahead,
            skew=story.skew,
            dipli_zone=story.dipli_zone,
        )
        self.forgiven: dict[str, set[str]] = {}
        """Orders of which the newest version may be missing, and the words by which ``can_miss`` names why."""
        self.slips = False
        """Whether an order was deleted for good while pages were read, so that any other may have slipped."""
        self.runs = 0
        for age in sorted(story.ages, reverse=True):
            order = self.shop.place(age=age)
            order.entered = order.updated = order.created

    # What happens.

    def happen(self, what: Happening, *, reading: bool = False) -> None:
        shop = self.shop
        shop.now += what.passing if not reading else min(what.passing, HOUR)
        if what.kind == "place":
            if self._is_allowed(what.late):
                self._note_late(shop.place(late=what.late), what.late)
        elif what.kind == "place_old":
            shop.place(age=100 * DAY)
        elif what.kind == "import":
            order = shop.place(age=100 * DAY)
            order.entered = order.created
        elif shop.orders:
            order = shop.orders[what.which % len(shop.orders)]
            if what.kind == "delete":
                shop.delete(order)
                self.slips |= reading
            else:
                self._change(order, what)

    def _change(self, order: SourceOrder, what: Happening) -> None:
        too_old = self._is_too_old(order)
        if (self.strict and too_old) or not self._is_allowed(what.late):
            return
        if too_old:
            self._forgive(order, "after they were placed")
        if what.kind == "mark_deleted":
            order.deleted = True
        self.shop.change(order, late=what.late, status=what.status if what.kind == "move" else None)
        if what.kind == "early":
            order.updated = self.shop.clock + 2 * DAY
            self._forgive(order, "in the future")
        elif what.kind == "undated":
            order.updated = None
            self._forgive(order, "does not date")
        else:
            self._note_late(order, what.late)

    def _forgive(self, order: SourceOrder, word: str) -> None:
        self.forgiven.setdefault(str(order.number), set()).add(word)

    def _is_allowed(self, late: int) -> bool:
        return not self.strict or self._is_in_time(late)

    def _is_in_time(self, late: int) -> bool:
        # Late by our clock: where the vendor's is behind, everything is late.
        most = {"popsell": self.story.sweep_days * DAY - HOUR, "dipli": DAY}.get(
            self.story.vendor, self.story.lookback
        )
        return late - self.story.skew <= most

    def _note_late(self, order: SourceOrder, late: int) -> None:
        if not self._is_in_time(late):
            self._forgive(order, "before they can be read")

    def _is_too_old(self, order: SourceOrder) -> bool:
        """Tell whether Popsell's sweep may pass an order by, give or take an hour of wrong clocks."""
        if self.story.vendor != "popsell":
            return False
        age = self.shop.clock - max(order.created, order.entered)
        return age > self.story.sweep_days * DAY - HOUR

    # The exports.

    def play(self) -> None:
        for run in self.story.runs:
            for what in run.before:
                self.happen(what)
            self._export(run)

    def settle(self) -> None:
        """Let the vendor rest, and export once more."""
        self.shop.now += 2 * HOUR
        self._export(Run((), (), 0, again=False))

    def _export(self, run: Run) -> None:
        self.runs += 1
        key = f"run {self.runs}"
        self.shop.happens = {}
        for page, what in run.during:
            self.shop.happens.setdefault(page, []).append(
                lambda what=what: self.happen(what, reading=True)  # type: ignore[misc]
            )
        self.shop.fails_at = run.fails_at or None
        tries = 1 + run.again
        while tries:
            try:
                self._try(key)
            except ApiUnavailableError:
                event("an export failed and was tried again")
                self.shop.fails_at = None
            except PaginationError:
                # The listing did not come to rest in three passes: an error, which is not a loss.
                event("the pages did not add up")
                self.shop.happens = {}
            else:
                tries -= 1

    def _try(self, key: str) -> None:
        self.shop.export(
            key,
            statuses=self.story.statuses,
            lookback=timedelta(seconds=self.story.lookback),
            sweep_days=self.story.sweep_days,
        )

    # What must be.

    def missing(self) -> set[str]:
        """Give the orders whose newest version the target does not have."""
        target = self.shop.target()
        statuses = self.story.statuses or (0, 1, 2)
        wanted = {str(order.number) for order in self.shop.orders if order.status in statuses}
        return {
            order_id
            for order_id, row in self.shop.rows().items()
            if order_id in wanted and target.get(order_id) != row
        }

    def repeated(self) -> set[str]:
        """Give the orders of which a version was written that was the newest in the target."""
        return {
            order_id
            for order_id, versions in self.shop.versions().items()
            if any(one == other for one, other in pairwise(versions))
        }


@pytest.fixture(scope="module", autouse=True)
def _settings() -> Iterator[None]:
    """Keep each page for a retry, however few there are, and log nothing."""
    logger = logging.getLogger("airflow_provider_orders")
    before = logger.level
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "_FEWEST_PAGES", 1)
        patch.setattr(journal, "_MOST_BYTES", 1)
        patch.setattr(journal, "_SHORTEST_S", 0.0)
        logger.setLevel(logging.ERROR)
        yield
        logger.setLevel(before)


_KINDS: Final = ("change", "place", "place_old", "move", "change")


@settings(max_examples=_EXAMPLES)
@given(rolls=ROLLS)
@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.timeout(3600)
def test_any_interleaving_loses_no_order_and_repeats_none(vendor: str, rolls: bytes) -> None:
    kinds = (*_KINDS, {"popsell": "import", "genuka": "mark_deleted"}.get(vendor, "change"))
    player = Player(Dice(rolls).story(vendor, kinds), strict=True)
    player.play()
    player.settle()
    assert player.missing() == set()
    assert player.repeated() == set()


@settings(max_examples=_EXAMPLES)
@given(rolls=ROLLS)
@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.timeout(3600)
def test_what_is_lost_is_named_and_found_by_a_full_export(vendor: str, rolls: bytes) -> None:
    kinds = (*_KINDS, "delete", "undated", "early", *(["import"] if vendor == "popsell" else []))
    player = Player(Dice(rolls).story(vendor, kinds), strict=False)
    player.play()
    player.settle()
    gaps = player.shop.manifests[-1]["can_miss"]
    missing = player.missing()
    for order_id in missing:
        words = player.forgiven.get(order_id, set()) | (
            {"as another one is deleted"} if player.slips else set()
        )
        assert any(word in gap for word in words for gap in gaps), (
            f"order {order_id} is missing without a reason"
        )
    if not player.slips:
        assert player.repeated() == set()
    if missing:
        event("an order was missing")
    full = player.shop.export("full", mode="full")
    assert player.shop.rows_of(full) == player.shop.rows()
