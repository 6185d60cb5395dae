"""What each vendor is asked: the requests that its listings and look-ups build, without sending any."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from airflow_provider_orders.apis.dipli import DipliApi, DipliSettings
from airflow_provider_orders.apis.genuka import GenukaApi, GenukaSettings
from airflow_provider_orders.apis.listing import RowReader
from airflow_provider_orders.apis.popsell import PopsellApi, PopsellSettings
from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.apis.settings import ConnectionFields
from airflow_provider_orders.apis.valomnia import ValomniaApi, ValomniaSettings
from airflow_provider_orders.errors import (
    ConfigurationError,
    OrdersError,
    PermissionDeniedError,
    UnexpectedPayloadError,
)
from airflow_provider_orders.http.messages import Request, Response

if TYPE_CHECKING:
    from airflow_provider_orders.apis.base import OrderApi

START = datetime(2026, 1, 31, 23, 30, 0, 5, tzinfo=UTC)
END = datetime(2026, 2, 1, 0, 0, 0, 5, tzinfo=UTC)
COMPANY = "01hqydxwtxdj3kmzp3bz7jk73g"


def fields(**extra: Any) -> ConnectionFields:
    return ConnectionFields(
        conn_id="c", host="api.example.com", login="e@example.com", password="key", extra=extra
    )


@pytest.fixture
def popsell() -> PopsellApi:
    return PopsellApi(PopsellSettings.from_connection(fields(domain="shop.example", brand_id=3)))


@pytest.fixture
def dipli() -> DipliApi:
    return DipliApi(DipliSettings.from_connection(fields()))


@pytest.fixture
def valomnia() -> ValomniaApi:
    return ValomniaApi(ValomniaSettings.from_connection(fields()))


@pytest.fixture
def genuka() -> GenukaApi:
    return GenukaApi(GenukaSettings.from_connection(fields(company_id=COMPANY)))


def targets(api: OrderApi[Any], **filters: Any) -> list[tuple[str, dict[str, str]]]:
    """Give path and parameters of the third page of each listing."""
    requests = [listing.page_request(3) for listing in api.listings(OrderQuery.of(**filters))]
    return [(request.path, dict(request.params)) for request in requests]


def first_request(api: OrderApi[Any], order_id: str, **options: Any) -> Request:
    return next(api.fetch_order(order_id, **options))


class TestPopsell:
    def test_all_orders_are_asked_for_by_ascending_id(self, popsell: PopsellApi) -> None:
        assert targets(popsell) == [
            ("/api/v2/manager/orders", {"sort": "id_order", "page": "3", "per_page": "100"})
        ]

    def test_each_status_word_is_a_listing_of_its_own(self, popsell: PopsellApi) -> None:
        found = targets(popsell, statuses=["completed", "cancelled"], params={"filter[type]": "WEB"})
        words = [params["filter[last_status]"] for _, params in found]
        assert words == ["OK", "FULFILLED", "CANCELLED"]
        assert all(params["filter[type]"] == "WEB" for _, params in found)

    def test_one_ambassadors_orders_are_asked_for_from_a_day_before_to_a_day_after(
        self, popsell: PopsellApi
    ) -> None:
        found = targets(popsell, ambassador_id=7, created_from=START, created_to=END)
        between = "2026-01-30T23:30:00Z,2026-02-02T00:00:01Z"
        assert found == [
            (
                "/api/v2/platform/ambassadors/7/orders",
                {"filter[placed_between]": between, "page": "3", "per_page": "100"},
            )
        ]

    def test_the_open_end_of_a_creation_window_is_filled(self, popsell: PopsellApi) -> None:
        ((_, params),) = targets(popsell, ambassador_id=7, created_to=END)
        assert params["filter[placed_between]"] == "1970-01-01T00:00:00Z,2026-02-02T00:00:01Z"

    def test_no_creation_window_leaves_the_calendar(self, popsell: PopsellApi) -> None:
        first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
        ((_, params),) = targets(popsell, ambassador_id=7, created_from=first, created_to=last)
        assert params["filter[placed_between]"] == "1970-01-01T00:00:00Z,9999-12-31T00:00:00Z"

    @pytest.mark.parametrize(
        ("filters", "name"),
        [
            ({"updated_from": START}, "updated_from"),
            ({"updated_to": END}, "updated_to"),
            ({"created_from": START}, "ambassador_id"),
            ({"params": {"filter[last_status]": "OK"}}, "params"),
            ({"params": {"page": 1}}, "params"),
            ({"ambassador_id": 7, "statuses": "OK"}, "statuses"),
            ({"ambassador_id": 7, "params": {"filter[type]": "WEB"}}, "params"),
            ({"statuses": "delivered"}, "statuses"),
        ],
    )
    def test_a_filter_that_it_lacks_is_refused(
        self, popsell: PopsellApi, filters: dict[str, Any], name: str
    ) -> None:
        with pytest.raises(ConfigurationError) as caught:
            popsell.listings(OrderQuery.of(**filters))
        assert caught.value.field == name

    def test_requests_say_whose_shop_and_brand_is_meant(self, popsell: PopsellApi) -> None:
        headers = first_request(popsell, "42").headers
        assert headers["X-Popsell-Domain"] == "shop.example"
        assert headers["X-Popsell-Brand"] == "3"

    @pytest.mark.parametrize("order_id", ["", "abc", "1/../2", "-5", "4.2", "²"])
    def test_an_id_of_the_wrong_form_is_refused(self, popsell: PopsellApi, order_id: str) -> None:
        with pytest.raises(ConfigurationError, match="whole numbers"):
            first_request(popsell, order_id)

    @pytest.mark.parametrize("by", ["reference", ["id"]])
    def test_there_is_no_look_up_by_anything_else(self, popsell: PopsellApi, by: Any) -> None:
        with pytest.raises(ConfigurationError, match="finds an order by id") as caught:
            first_request(popsell, "42", by=by)
        assert caught.value.field == "by"


class TestDipli:
    def test_days_are_asked_for_from_the_earlier_of_both_zones(self, dipli: DipliApi) -> None:
        ((path, params),) = targets(dipli, updated_from=START, created_from=END, params={"new": True})
        assert path == "/api/v2/orders"
        assert params == {
            "updatedAt": "2026-01-31",
            "createdAt": "2026-02-01",
            "new": "true",
            "page": "3",
            "pageSize": "100",
        }

    def test_canonical_words_stand_for_the_vendors(self, dipli: DipliApi) -> None:
        assert [params["status"] for _, params in targets(dipli, statuses="delivered")] == ["shipped"]

    @pytest.mark.parametrize("filters", [{"updated_to": END}, {"created_to": END}, {"ambassador_id": 3}])
    def test_a_filter_that_it_lacks_is_refused(self, dipli: DipliApi, filters: dict[str, Any]) -> None:
        with pytest.raises(ConfigurationError, match="Dipli cannot filter orders by"):
            dipli.listings(OrderQuery.of(**filters))

    @pytest.mark.parametrize(
        ("count", "rows", "size", "total", "more"),
        [
            (230, 100, 100, 230, True),
            (100, 100, 100, None, True),
            (50, 50, 100, 50, False),
            (0, 0, 100, 0, False),
        ],
    )
    def test_a_count_that_may_be_the_pages_own_is_no_total(
        self, dipli: DipliApi, count: int, rows: int, size: int, total: int | None, more: bool
    ) -> None:
        body = msgspec.json.encode(
            {
                "count": count,
                "page": 1,
                "pageSize": size,
                "result": [{"id": number} for number in range(rows)],
            }
        )
        (listing,) = dipli.listings(OrderQuery())
        page = listing.read(Response(Request("GET", "/"), 200, {}, body), 1)
        assert (page.total, page.has_more) == (total, more)


class TestValomnia:
    def test_windows_are_half_open_and_never_narrower(self, valomnia: ValomniaApi) -> None:
        ((path, params),) = targets(
            valomnia, updated_from=START, updated_to=END, created_from=START, created_to=END
        )
        assert path == "/api/v2.1/orders"
        assert params == {
            "sort": "id",
            "order": "asc",
            "lastUpdated_gte": "2026-01-31T23:30:00Z",
            "lastUpdated_lt": "2026-02-01T00:00:01Z",
            "dateCreated_gte": "2026-01-31T23:30:00Z",
            "dateCreated_lt": "2026-02-01T00:00:01Z",
            "max": "100",
            "offset": "200",
        }

    def test_a_reference_is_one_segment_of_the_path(self, valomnia: ValomniaApi) -> None:
        request = first_request(valomnia, "a/b #1?", by="reference")
        assert request.path == "/api/v2.1/orders/reference/a%2Fb%20%231%3F"

    @pytest.mark.parametrize("reference", ["", " ", ".", ".."])
    def test_a_reference_cannot_climb(self, valomnia: ValomniaApi, reference: str) -> None:
        with pytest.raises(ConfigurationError):
            first_request(valomnia, reference, by="reference")

    def test_statuses_are_no_filter_of_it(self, valomnia: ValomniaApi) -> None:
        with pytest.raises(ConfigurationError, match="cannot filter orders by statuses"):
            valomnia.listings(OrderQuery(statuses=("delivered",)))

    def test_its_own_filters_are_passed_on(self, valomnia: ValomniaApi) -> None:
        ((_, params),) = targets(valomnia, params={"operationType": "INVOICE"})
        assert params["operationType"] == "INVOICE"


class TestGenuka:
    def test_an_update_window_is_sorted_by_creation_so_that_changes_move_no_row(
        self, genuka: GenukaApi
    ) -> None:
        ((path, params),) = targets(genuka, updated_from=START, updated_to=END)
        assert path == "/2023-11/admin/orders"
        assert params == {
            "sort": "created_at",
            # Whether a start is included is not documented.
            "filter[updated_at][start]": "2026-01-31T23:29:59Z",
            "filter[updated_at][end]": "2026-02-01T00:00:01Z",
            "page": "3",
            "per_page": "100",
        }

    def test_no_window_leaves_the_calendar(self, genuka: GenukaApi) -> None:
        ((_, params),) = targets(genuka, created_from=datetime.min.replace(tzinfo=UTC))
        assert params["filter[created_at][start]"] == "1969-12-31T23:59:59Z"

    def test_lines_are_included_beside_what_the_user_includes(self, genuka: GenukaApi) -> None:
        ((_, params),) = targets(genuka, with_lines=True, params={"include": "customer"})
        assert params["include"] == "customer,products"

    def test_a_documented_filter_is_passed_on_and_another_refused(self, genuka: GenukaApi) -> None:
        ((_, params),) = targets(genuka, params={"filter[state]": 1})
        assert params["filter[state]"] == "1"
        with pytest.raises(ConfigurationError, match=r"documents no filter 'filter\[colour\]'"):
            genuka.listings(OrderQuery.of(params={"filter[colour]": "red"}))

    def test_requests_name_the_company_and_utc(self, genuka: GenukaApi) -> None:
        headers = first_request(genuka, "01k1d99mheywy0tsdnftma8907").headers
        assert (headers["X-Company"], headers["X-Timezone"]) == (COMPANY, "UTC")

    @pytest.mark.parametrize("order_id", ["", "#ORDER_1382", "42", "01k1d99mheywy0tsdnftma890/"])
    def test_an_id_of_the_wrong_form_is_refused(self, genuka: GenukaApi, order_id: str) -> None:
        with pytest.raises(ConfigurationError, match="by='reference'"):
            first_request(genuka, order_id)

    def test_a_reference_is_looked_for_without_its_hash(self, genuka: GenukaApi) -> None:
        request = first_request(genuka, "#ORDER_1382", by="reference")
        assert dict(request.params)["filter[reference]"] == "ORDER_1382"

    @pytest.mark.parametrize(
        ("status", "body", "error"),
        [
            (422, {"error": "company_id_required", "code": 400}, "company_id"),
            (400, {"error": "company_id_required"}, "company_id"),
            (500, {"status": "error", "code": 500, "data": None, "message": "canary"}, "business rules"),
        ],
    )
    def test_its_own_errors_are_told_apart(
        self, genuka: GenukaApi, status: int, body: dict[str, Any], error: str
    ) -> None:
        response = Response(Request("GET", "/orders"), status, {}, msgspec.json.encode(body))
        assert not genuka.is_outage(response)
        failure = genuka.failure(response)
        assert isinstance(failure, ConfigurationError)
        assert error in str(failure)
        assert "canary" not in str(failure)

    def test_any_other_500_is_an_outage(self, genuka: GenukaApi) -> None:
        body = msgspec.json.encode({"message": "Server Error", "exception": "x", "trace": []})
        assert genuka.is_outage(Response(Request("GET", "/orders"), 500, {}, body))


class TestCommon:
    @pytest.mark.parametrize(
        ("status", "expected"), [(403, PermissionDeniedError), (418, UnexpectedPayloadError)]
    )
    def test_a_status_becomes_what_the_reader_should_do(
        self, dipli: DipliApi, status: int, expected: type[OrdersError]
    ) -> None:
        error = dipli.failure(Response(Request("GET", "/x"), status, {}, b"canary", attempts=3))
        assert type(error) is expected
        assert (error.vendor, error.method, error.path, error.status, error.attempts) == (
            "dipli",
            "GET",
            "/x",
            status,
            3,
        )
        assert "canary" not in str(error)

    @pytest.mark.parametrize("vendor", [PopsellApi, DipliApi, ValomniaApi, GenukaApi])
    def test_whoever_filters_by_status_says_on_which_axis(self, vendor: type[OrderApi[Any]]) -> None:
        assert ("statuses" in vendor.filters) == (vendor.status_axis in vendor.order_model.AXES)

    def test_statuses_without_an_axis_are_refused_and_not_ignored(self, valomnia: ValomniaApi) -> None:
        with pytest.raises(ConfigurationError) as caught:
            valomnia.status_words(OrderQuery(statuses=("DELIVERED",)))
        assert caught.value.field == "statuses"

    def test_a_row_without_a_readable_id_is_kept_under_a_digest(self) -> None:
        read = RowReader("id")
        assert read(msgspec.Raw(b'{"id": 7}')).id == "7"
        broken = [read(msgspec.Raw(raw)).id for raw in (b'{"id": null}', b"[]", b'{"id": null}')]
        assert broken[0] == broken[2] != broken[1]
        assert all(order_id.startswith("?") for order_id in broken)

    def test_a_broken_row_costs_no_other_row_of_its_page(self) -> None:
        read = RowReader("id")
        raws = [
            msgspec.Raw(raw) for raw in (b'{"id": 7}', b'{"name": "x"}', b'{"id": "b", "x": [1]}', b"null")
        ]
        assert read.read_page(raws) == tuple(map(read, raws))
        assert [row.id[0] for row in read.read_page(raws)] == ["7", "?", "b", "?"]
        assert read.read_page(raws[::2]) == tuple(map(read, raws[::2]))
        assert read.read_page([]) == ()
