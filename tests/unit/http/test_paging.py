from __future__ import annotations

from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_orders.apis.listing import Listing, Page, Row, RowReader
from airflow_provider_orders.apis.settings import Origin
from airflow_provider_orders.errors import PaginationError, UnsafeRedirectError
from airflow_provider_orders.http.messages import Request
from airflow_provider_orders.http.paging import Merge, PageStep, PageWalk, RowPage, SeenIds, WalkPosition

ORIGIN = Origin.of("https://shop.example.com")


class Vendor:
    """A listing that may change while it is read.

    :param ids: ids in the order of the listing.
    :param page_size: the size that the vendor grants.
    :param says_total: whether its envelope has a total.
    """

    def __init__(self, ids: list[int], page_size: int, *, says_total: bool = True) -> None:
        self.ids = list(ids)
        self.page_size = page_size
        self.says_total = says_total
        self.asked: list[int] = []

    def page(self, number: int) -> Page:
        self.asked.append(number)
        rows = self.ids[(number - 1) * self.page_size : number * self.page_size]
        return Page(
            number=number,
            rows=tuple(Row(str(order_id), b"{}") for order_id in rows),
            total=len(self.ids) if self.says_total else None,
            page_size=self.page_size,
            claimed_number=number,
            has_more=number * self.page_size < len(self.ids),
        )


def listing(page_size: int) -> Listing:
    return Listing(
        request=Request("GET", "/orders"),
        page_size=page_size,
        page_params=lambda number, size: (("page", str(number)), ("size", str(size))),
        read_envelope=lambda body: pytest.fail(f"not read here: {body!r}"),
        read_row=RowReader("id"),
    )


def walk_over(vendor: Vendor, *, ahead: int = 1, between: dict[int, list[int]] | None = None) -> list[str]:
    """Walk as a client does, with pages asked for ahead; ``between`` replaces the listing after so many requests."""
    found: list[str] = []
    with closing(SeenIds()) as seen:
        walk = PageWalk(listing(100), seen, origin=ORIGIN, vendor="test")
        pending: list[tuple[PageStep, Page]] = []
        while True:
            while len(pending) < ahead and (step := walk.next_step()) is not None:
                pending.append((step, vendor.page(step.number)))
                if between and len(vendor.asked) in between:
                    vendor.ids = between[len(vendor.asked)]
            if not pending:
                return found
            asked, page = pending.pop(0)
            if walk.wants(asked):
                found += [row.id for row in walk.accept(page).rows]


class TestWalk:
    @pytest.mark.parametrize("says_total", [True, False])
    @pytest.mark.parametrize("ahead", [1, 4])
    @pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 200, 230])
    def test_each_order_comes_once_and_in_order(self, count: int, ahead: int, says_total: bool) -> None:
        vendor = Vendor(list(range(count)), 100, says_total=says_total)
        assert walk_over(vendor, ahead=ahead) == [str(number) for number in range(count)]

    def test_no_page_is_asked_for_beyond_the_vendors_count(self) -> None:
        vendor = Vendor(list(range(200)), 100)
        walk_over(vendor, ahead=4)
        assert vendor.asked == [1, 2]

    def test_a_smaller_page_size_than_asked_for_is_obeyed(self) -> None:
        vendor = Vendor(list(range(230)), 30)
        assert len(walk_over(vendor, ahead=4)) == 230
        assert vendor.asked == list(range(1, 9))

    @given(
        count=st.integers(0, 60),
        page_size=st.integers(1, 12),
        ahead=st.integers(1, 5),
        says_total=st.booleans(),
    )
    def test_any_listing_at_rest(self, count: int, page_size: int, ahead: int, says_total: bool) -> None:
        vendor = Vendor(list(range(count)), page_size, says_total=says_total)
        assert walk_over(vendor, ahead=ahead) == [str(number) for number in range(count)]

    @given(
        count=st.integers(1, 60),
        page_size=st.integers(2, 12),
        inserted=st.lists(st.integers(0, 60), max_size=3),
        after=st.integers(1, 5),
        ahead=st.integers(1, 4),
    )
    def test_orders_that_arrive_while_paging_cost_no_order(
        self, count: int, page_size: int, inserted: list[int], after: int, ahead: int
    ) -> None:
        before = list(range(count))
        arrived = list(before)
        for number, place in enumerate(inserted):
            arrived.insert(min(place, len(arrived)), 1000 + number)
        found = walk_over(Vendor(before, page_size), ahead=ahead, between={after: arrived})
        assert len(found) == len(set(found))
        assert set(found) >= {str(number) for number in before}

    @given(
        count=st.integers(1, 60),
        page_size=st.integers(3, 12),
        ahead=st.integers(1, 4),
        each_time=st.integers(1, 2),
    )
    def test_orders_that_keep_arriving_at_the_front_end_no_walk(
        self, count: int, page_size: int, ahead: int, each_time: int
    ) -> None:
        before = list(range(count))
        arriving = {
            request: [*range(1000 + each_time * request, 1000, -1), *before] for request in range(1, 200)
        }
        found = walk_over(Vendor(before, page_size), ahead=ahead, between=arriving)
        assert len(found) == len(set(found))
        assert set(found) >= {str(number) for number in before}

    @given(
        count=st.integers(1, 60),
        page_size=st.integers(1, 12),
        removed=st.sets(st.integers(0, 59), max_size=5),
        after=st.integers(1, 5),
        ahead=st.integers(1, 4),
    )
    def test_orders_that_leave_while_paging_take_no_other_with_them(
        self, count: int, page_size: int, removed: set[int], after: int, ahead: int
    ) -> None:
        before = list(range(count))
        rest = [number for number in before if number not in removed]
        found = walk_over(Vendor(before, page_size), ahead=ahead, between={after: rest})
        assert len(found) == len(set(found))
        assert set(found) >= {str(number) for number in rest}


class TestGoingOnBehindAnEarlierWalk:
    """A hundred orders in pages of ten; the first walk ends behind page 4, and the second one goes on there."""

    def read(
        self,
        vendor: Vendor,
        seen: SeenIds,
        *,
        pages: int = 99,
        ahead: int = 1,
        before: dict[int, list[int]] | None = None,
        start: WalkPosition | None = None,
    ) -> RowPage | None:
        """Read so many pages, and give the last; ``before`` replaces the listing before a page is asked for."""
        walk = PageWalk(listing(10), seen, origin=ORIGIN, vendor="test", start=start)
        pending: list[tuple[PageStep, Page]] = []
        last = None
        for _ in range(pages):
            while len(pending) < ahead and (step := walk.next_step()) is not None:
                vendor.ids = (
                    (before or {}).get(step.number, vendor.ids) if step.pass_number == 1 else vendor.ids
                )
                pending.append((step, vendor.page(step.number)))
            if not pending:
                break
            asked, page = pending.pop(0)
            if walk.wants(asked):
                last = walk.accept(page)
        return last

    @pytest.mark.parametrize("arrived", [0, 5])
    def test_an_order_that_leaves_after_the_look_takes_no_other_with_it(self, arrived: int) -> None:
        vendor = Vendor(list(range(100)), 10)
        with closing(SeenIds()) as seen:
            left = self.read(vendor, seen, pages=4)
            assert left is not None
            assert left.position is not None
            vendor.ids += range(100, 100 + arrived)
            start = left.position.found_on(vendor.page(4))
            assert start is not None
            vendor.ids = vendor.ids[2:]
            self.read(vendor, seen, start=start)
            assert seen.add([str(number) for number in vendor.ids]) == set()

    @pytest.mark.parametrize("ahead", [1, 2])
    def test_an_order_that_left_in_the_first_walk_takes_no_other_with_it(self, ahead: int) -> None:
        vendor = Vendor(list(range(100)), 10)
        more = list(range(105))
        with closing(SeenIds()) as seen:
            left = self.read(vendor, seen, pages=4, ahead=ahead, before={3: more, 4: more[2:]})
            assert left is not None
            assert left.position is not None
            start = left.position.found_on(vendor.page(4))
            assert start is not None
            self.read(vendor, seen, start=start)
            assert seen.add([str(number) for number in vendor.ids]) == set()

    def test_a_page_whose_rows_have_moved_is_no_place_to_go_on(self) -> None:
        vendor = Vendor(list(range(100)), 10)
        with closing(SeenIds()) as seen:
            left = self.read(vendor, seen, pages=4)
        assert left is not None
        assert left.position is not None
        vendor.ids = [*vendor.ids[1:], 100]
        assert left.position.found_on(vendor.page(4)) is None


class TestCertainty:
    def last_page(self, *totals_and_ids: tuple[int | None, list[int]]) -> RowPage:
        """Walk over pages of two rows, each given with the vendor's count at that moment."""
        with closing(SeenIds()) as seen:
            walk = PageWalk(listing(2), seen, origin=ORIGIN, vendor="test")
            for total, ids in totals_and_ids:
                step = walk.next_step()
                assert step is not None
                number = step.number
                last = walk.accept(
                    Page(
                        number=number,
                        rows=tuple(Row(str(order_id), b"{}") for order_id in ids),
                        total=total,
                        page_size=2,
                        claimed_number=number,
                        has_more=len(ids) == 2 and (total is None or total > 2 * number),
                    )
                )
            assert walk.next_step() is None
        return last

    def test_a_listing_at_rest_is_sure(self) -> None:
        assert self.last_page((3, [1, 2]), (3, [3])).is_sure

    def test_a_vendor_that_counts_nothing_is_not(self) -> None:
        assert not self.last_page((None, [1, 2]), (None, [3])).is_sure

    def test_one_pass_more_makes_up_for_an_order_that_left(self) -> None:
        assert self.last_page((4, [1, 2]), (3, [4]), (3, [2, 3]), (3, [4])).is_sure

    def test_orders_that_leave_in_each_pass_leave_a_doubt(self) -> None:
        shrinking = [(total, ids) for last in (9, 8, 7) for total, ids in ((4, [1, 2]), (3, [last]))]
        assert not self.last_page(*shrinking).is_sure


class TestRefusals:
    def accept(self, *pages: Page) -> None:
        with closing(SeenIds()) as seen:
            walk = PageWalk(listing(2), seen, origin=ORIGIN, vendor="test")
            for page in pages:
                walk.next_step()
                walk.accept(page)

    def page(self, number: int, ids: list[int], total: int | None = None, **changes: object) -> Page:
        values: dict[str, object] = {
            "number": number,
            "rows": tuple(Row(str(order_id), b"{}") for order_id in ids),
            "total": total,
            "page_size": 2,
            "claimed_number": number,
            "has_more": True,
            **changes,
        }
        return Page(**values)  # type: ignore[arg-type]

    def test_a_repeated_page(self) -> None:
        with pytest.raises(PaginationError, match="Page 2 repeats page 1"):
            self.accept(self.page(1, [1, 2], 6), self.page(2, [1, 2], 6))

    def test_a_page_that_repeats_because_as_many_orders_arrived_is_none(self) -> None:
        self.accept(self.page(1, [1, 2], 6), self.page(2, [1, 2], 8), self.page(3, [3, 4], 8))

    def test_a_circle_of_pages_without_a_total(self) -> None:
        with pytest.raises(PaginationError, match="only orders of earlier pages"):
            self.accept(
                *(self.page(n, ids) for n, ids in [(1, [1, 2]), (2, [3, 4]), (3, [1, 2]), (4, [3, 4])])
            )

    def test_another_page_than_was_asked_for(self) -> None:
        with pytest.raises(PaginationError, match="Asked for page 2 and was given page 1"):
            self.accept(self.page(1, [1, 2], 6), self.page(2, [3, 4], 6, claimed_number=1))

    def test_pages_that_hold_fewer_orders_than_the_vendor_counts(self) -> None:
        pages = [self.page(1, [1, 2], 5), self.page(2, [3], 5, has_more=False), self.page(3, [], 5)]
        with pytest.raises(PaginationError, match="counts 5 orders, but its pages hold 3"):
            self.accept(*pages, *pages, *pages)

    def test_a_next_link_to_another_port(self) -> None:
        with pytest.raises(UnsafeRedirectError, match="page after 1"):
            self.accept(self.page(1, [1, 2], 6, next_link="https://shop.example.com:8443/orders?page=2"))


class TestSeenIds:
    def test_it_tells_new_from_seen(self) -> None:
        with closing(SeenIds()) as seen:
            assert seen.add(["a", "b", "a"]) == {"a", "b"}
            assert seen.add(["b", "c", 'quoted "\u00e9']) == {"c", 'quoted "\u00e9'}
            assert seen.add([]) == set()
            assert len(seen) == 4

    def test_it_knows_all_of_very_many(self) -> None:
        ids = [f"order {number}" for number in range(12_000)]
        with closing(SeenIds()) as seen:
            for begin in range(0, len(ids), 1000):
                page = ids[begin : begin + 1000]
                assert seen.add(page) == set(page)
                assert seen.add([*ids[:3], *page, "new" + str(begin)]) == {"new" + str(begin)}
            assert len(seen) == 12_012


class TestMerge:
    def page(self, ids: list[str], total: int | None) -> RowPage:
        return RowPage(tuple(Row(order_id, b"{}") for order_id in ids), total)

    def test_an_order_that_moved_between_listings_comes_once_and_totals_add_up(self) -> None:
        with closing(Merge(2)) as merge:
            merge.next_listing()
            assert merge.add(self.page(["1", "2"], 2)) == self.page(["1", "2"], 2)
            merge.next_listing()
            assert merge.add(self.page(["2", "3"], 5)) == self.page(["3"], 7)

    def test_an_unknown_total_stays_unknown(self) -> None:
        with closing(Merge(2)) as merge:
            merge.next_listing()
            merge.add(self.page(["1"], None))
            merge.next_listing()
            assert merge.add(self.page(["2"], 5)).total is None
