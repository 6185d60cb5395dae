from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.sandbox.clients import IDS, VENDORS, Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_orders.sandbox import Sandbox


def expected(sandbox: Sandbox, vendor: str, test: Callable[[dict[str, Any]], bool]) -> list[str]:
    """List the ids of the orders that pass a test, the newest first."""
    return [str(order[IDS[vendor]]) for order in reversed(sandbox.payloads(vendor)) if test(order)]


@pytest.mark.parametrize("vendor", VENDORS)
def test_lists_start_with_the_newest_order(client: Client, sandbox: Sandbox, vendor: str) -> None:
    assert client.ids(vendor) == expected(sandbox, vendor, lambda _: True)


# Popsell.


@pytest.mark.parametrize(
    ("name", "value", "test"),
    [
        ("last_status", "PENDING", lambda order: order["last_status"] == "PENDING"),
        ("last_status", "OK,RETURNED", lambda order: order["last_status"] in {"OK", "RETURNED"}),
        ("last_status", "NEVER_SEEN", lambda order: False),
        ("type", "STORE", lambda order: order["type"] == "STORE"),
        ("type", "", lambda order: not order["type"]),
        ("id_ambassador", "103", lambda order: (order["ambassador"] or {}).get("id_ambassador") == 103),
        ("id_ambassador", "None", lambda order: False),
        ("id_buyer", "5100", lambda order: (order["buyer"] or {}).get("id_ambassador") == 5100),
        ("id_chatroom", "720", lambda order: order["id_chatroom"] == 720),
        ("attribution", "conversation_assigned", lambda order: order["ambassador_chat"] is not None),
    ],
)
def test_popsell_filters(
    client: Client, sandbox: Sandbox, name: str, value: str, test: Callable[[dict[str, Any]], bool]
) -> None:
    assert client.ids("popsell", **{f"filter[{name}]": value}) == expected(sandbox, "popsell", test)


def test_popsell_assigned_means_assigned_in_any_way(client: Client) -> None:
    ways = [
        client.ids("popsell", **{"filter[attribution]": f"{way}_assigned"})
        for way in ("conversation", "affiliation")
    ]

    assert sorted(client.ids("popsell", **{"filter[attribution]": "assigned"})) == sorted(chain(*ways))
    assert all(ways)


@pytest.mark.parametrize("field", ["id_order", "total_paid", "date_order"])
def test_popsell_sorts_both_ways(client: Client, field: str) -> None:
    up = [row[field] for row in client.walk("popsell", sort=field)]
    down = [row[field] for row in client.walk("popsell", sort=f"-{field}")]

    assert up == sorted(up)
    assert down == up[::-1]


def test_popsell_sorts_missing_external_ids_first(client: Client) -> None:
    ids = [row["id_order_external"] for row in client.walk("popsell", sort="id_order_external")]

    assert ids[0] is None
    assert ids == sorted(ids, key=lambda text: text or "")


@pytest.mark.parametrize("query", [{"filter[updated_since]": "2025-11-01"}, {"sort": "date_update"}])
def test_popsell_refuses_filters_and_sorts_that_it_lacks(client: Client, query: dict[str, Any]) -> None:
    answer = client.get("popsell", **query)

    assert answer.status_code == 400
    assert "not allowed" in answer.json()["message"]


def test_popsell_ignores_other_parameters(client: Client) -> None:
    assert client.get("popsell", updated_since="2025-11-01").json()["total"] == 230


@pytest.mark.parametrize("form", ["{0} 00:00:00,{1} 00:00:00", "{0},{1}", "{0}T00:00:00Z,{1}T01:00:00+01:00"])
def test_popsell_ambassador_orders_between_two_dates(client: Client, sandbox: Sandbox, form: str) -> None:
    between: dict[str, Any] = {"filter[placed_between]": form.format("2025-11-01", "2025-12-01")}
    answer = client.get("popsell", "/api/v2/platform/ambassadors/105/orders", per_page=100, **between)

    found = [str(row["id_order"]) for row in answer.json()["data"]]
    assert found
    assert found == expected(
        sandbox,
        "popsell",
        lambda order: (
            order["ambassador"] is not None
            and order["ambassador"]["id_ambassador"] == 105
            and "2025-11-01" <= order["date_order"] <= "2025-12-01 00:00:00"
        ),
    )


@pytest.mark.parametrize("between", ["2025-11-01", "soon,later", ""])
def test_popsell_refuses_dates_it_cannot_read(client: Client, between: str) -> None:
    query: dict[str, Any] = {"filter[placed_between]": between}
    answer = client.get("popsell", "/api/v2/platform/ambassadors/105/orders", **query)

    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["filter.placed_between"])


def test_popsell_filters_ambassadors_by_role(client: Client) -> None:
    people = client.get("popsell", "/api/v2/manager/ambassadors", per_page=100).json()["data"]
    roles: dict[str, Any] = {"filter[status]": "1,3"}
    some = client.get("popsell", "/api/v2/manager/ambassadors", **roles).json()["data"]

    assert some == [person for person in people if person["status"] in {1, 3}]


@pytest.mark.parametrize(
    "path", ["/api/v2/manager/orders/999", "/api/v2/manager/orders/x", "/api/v2/nothing"]
)
def test_popsell_says_not_found(client: Client, path: str) -> None:
    answer = client.get("popsell", path)

    assert (answer.status_code, list(answer.json())) == (404, ["message"])


def test_popsell_does_not_know_other_ambassadors(client: Client) -> None:
    assert client.get("popsell", "/api/v2/platform/ambassadors/999/orders").status_code == 404


# Dipli.


@pytest.mark.parametrize(
    ("query", "test"),
    [
        ({"status": "shipped"}, lambda order: order["shipping_status"] == "shipped"),
        ({"new": "true"}, lambda order: order["shipping_status"] == "pending_confirmation"),
        ({"new": "false"}, lambda _: True),
        ({"createdAt": "2025-12-01"}, lambda order: order["created_at"] >= "2025-12-01"),
        ({"createdAt": "2026-02-01"}, lambda _: False),
    ],
)
def test_dipli_filters(
    client: Client, sandbox: Sandbox, query: dict[str, Any], test: Callable[[dict[str, Any]], bool]
) -> None:
    assert client.ids("dipli", **query) == expected(sandbox, "dipli", test)


def test_dipli_finds_orders_updated_since_a_day(client: Client, sandbox: Sandbox) -> None:
    assert client.ids("dipli", updatedAt="2026-01-02") == []

    sandbox.clock.advance(2 * 86400)
    moved = sandbox.live_ids("dipli")
    assert set(client.ids("dipli", updatedAt="2026-01-01")) >= set(moved)


@pytest.mark.parametrize(
    "query",
    [
        {"createdAt": "01/12/2025"},
        {"updatedAt": "2025-12-01T00:00:00Z"},
        {"updatedAt": "2025-13-01"},
        {"new": "perhaps"},
        {"status": "SHIPPED"},
    ],
)
def test_dipli_refuses_what_it_cannot_read(client: Client, query: dict[str, Any]) -> None:
    assert client.get("dipli", **query).json() == {"code": 400, "msg": "Bad Request"}


@pytest.mark.parametrize("order_id", ["999", "A-111111", "x"])
def test_dipli_says_not_found(client: Client, order_id: str) -> None:
    answer = client.get("dipli", f"/api/v2/orders/{order_id}")

    assert (answer.status_code, answer.json()) == (404, {"code": 404, "msg": "Not Found"})


# Valomnia.


@pytest.mark.parametrize(
    ("query", "test"),
    [
        ({"operationType": "INVOICE"}, lambda order: order["operationType"] == "INVOICE"),
        ({"reference": "REF-ORDER-11*"}, lambda order: order["reference"].startswith("REF-ORDER-11")),
        ({"reference": "*-1100"}, lambda order: order["reference"].endswith("-1100")),
        ({"reference": "*order-12*"}, lambda order: "ORDER-12" in order["reference"]),
        ({"reference": "REF-ORDER-11"}, lambda _: False),
        ({"employeeReference": "emp-03"}, lambda order: order["employeeReference"] == "emp-03"),
        ({"customerReference": "C01*"}, lambda order: order["customerReference"].startswith("C01")),
        ({"lastUpdated_gte": "2025-12-01T00:00:00Z"}, lambda order: order["lastUpdated"] >= "2025-12-01"),
        ({"lastUpdated_lt": "2025-12-01T00:00:00Z"}, lambda order: order["lastUpdated"] < "2025-12-01"),
        (
            {"dateCreated_gt": "2025-12-01T00:00:00Z"},
            lambda order: order["dateCreated"] > "2025-12-01T00:00:00Z",
        ),
        (
            {"dateCreated_gte": "2025-11-01T00:00:00Z", "dateCreated_lte": "2025-12-01T00:00:00Z"},
            lambda order: "2025-11-01" <= order["dateCreated"] <= "2025-12-01T00:00:00Z",
        ),
        ({"status": "PAID"}, lambda _: True),
    ],
)
def test_valomnia_filters(
    client: Client, sandbox: Sandbox, query: dict[str, Any], test: Callable[[dict[str, Any]], bool]
) -> None:
    assert client.ids("valomnia", **query) == expected(sandbox, "valomnia", test)


def test_valomnia_bounds_of_a_moment_differ_only_in_that_moment(client: Client, sandbox: Sandbox) -> None:
    moment = sandbox.payloads("valomnia")[40]["dateCreated"]
    at, after = (set(client.ids("valomnia", **{f"dateCreated_{bound}": moment})) for bound in ("gte", "gt"))
    until, before = (
        set(client.ids("valomnia", **{f"dateCreated_{bound}": moment})) for bound in ("lte", "lt")
    )

    assert at - after == until - before == {str(sandbox.payloads("valomnia")[40]["id"])}


@pytest.mark.parametrize("field", ["id", "reference", "lastUpdated", "dateCreated", "status", "total"])
def test_valomnia_sorts_both_ways(client: Client, field: str) -> None:
    up = client.walk("valomnia", sort=field, order="asc")
    down = client.walk("valomnia", sort=field, order="desc")

    assert [row["id"] for row in down] == [row["id"] for row in up][::-1]
    assert [row[field] for row in up] == sorted(row[field] for row in up)


@pytest.mark.parametrize(
    "query",
    [{"lastUpdated_gte": "2025-12-01"}, {"dateCreated_lt": "soon"}, {"sort": "nothing"}, {"order": "up"}],
)
def test_valomnia_refuses_what_it_cannot_read(client: Client, query: dict[str, Any]) -> None:
    answer = client.get("valomnia", **query)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_param_type")


def test_valomnia_finds_the_lines_of_an_operation(client: Client, sandbox: Sandbox) -> None:
    order = next(order for order in sandbox.payloads("valomnia") if len(order["orderLines"]) > 1)
    lines = client.get("valomnia", "/api/v2.1/orderDetails", orderReference=order["reference"]).json()["data"]

    assert {line["id"] for line in lines} == {stub["id"] for stub in order["orderLines"]}
    single = client.get("valomnia", f"/api/v2.1/orderDetails/{lines[0]['id']}").json()
    assert single == {**lines[0], "customerDiscount": None}
    item = lines[0]["itemReference"]
    items = client.get("valomnia", "/api/v2.1/orderDetails", itemReference=item, sort="id").json()["data"]
    assert {line["itemReference"] for line in items} == {item}


def test_valomnia_shows_the_payments_of_an_operation(client: Client, sandbox: Sandbox) -> None:
    order = next(order for order in sandbox.payloads("valomnia") if len(order["orderPayments"]) == 2)
    first, last = (
        client.get("valomnia", f"/api/v2.1/orderPayments/{stub['id']}").json()
        for stub in order["orderPayments"]
    )

    assert (first["isLast"], last["isLast"]) == (False, True)
    assert last["orderReference"] == order["reference"]


def test_valomnia_shows_an_operation_by_reference(client: Client, sandbox: Sandbox) -> None:
    order = sandbox.payloads("valomnia")[7]

    assert client.get("valomnia", f"/api/v2.1/orders/reference/{order['reference']}").json() == order


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        (
            "orders/9",
            404,
            {"error": "not_found", "error_description": "The order with the id 9 doesn't exist."},
        ),
        (
            "orders/reference/x/y",
            404,
            {"error": "not_found", "error_description": "The order with the reference x/y doesn't exist."},
        ),
        (
            "orders/x",
            400,
            {
                "error": "invalid_param_type",
                "error_description": "The type of parameter id you provided is not valid for this request.",
            },
        ),
    ],
)
def test_valomnia_says_what_is_wrong_with_an_id(
    client: Client, path: str, status: int, body: dict[str, str]
) -> None:
    answer = client.get("valomnia", f"/api/v2.1/{path}")

    assert (answer.status_code, answer.json()) == (status, body)


@pytest.mark.parametrize(
    "path", ["orderDetails/99", "orderPayments/99", "orderDetails/70019", "orderPayments/70019"]
)
def test_valomnia_has_no_other_lines_and_payments(client: Client, path: str) -> None:
    assert client.get("valomnia", f"/api/v2.1/{path}").status_code == 404


def test_valomnia_versions_differ(client: Client) -> None:
    old = client.get("valomnia", "/api/v1.0/orders/7001").json()
    new = client.get("valomnia", "/api/v2.1/orders/7001").json()

    assert set(new) - set(old) == {"orderPrepayments"}
    assert set(new["customer"]) - set(old["customer"]) == {"categoryReference"}
    assert old["customer"]["href"].startswith("/api/v1.0/customers/")
    assert client.get("valomnia", "/api/v3.0/orders").status_code == 404


# Genuka.


@pytest.mark.parametrize(
    ("query", "test"),
    [
        ({"filter[updated_at][start]": "2025-12-01"}, lambda order: order["updated_at"] >= "2025-12-01"),
        (
            {"filter[updated_at][start]": "2025-11-01", "filter[updated_at][end]": "2025-12-01T00:00:00Z"},
            lambda order: "2025-11-01" <= order["updated_at"] <= "2025-12-01T00:00:00.000000Z",
        ),
        (
            {"filter[created_at][end]": "2025-11-01T01:00:00+01:00"},
            lambda order: order["created_at"] <= "2025-11-01T00:00:00.000000Z",
        ),
        ({"filter[paid_at][start]": "2025-01-01"}, lambda order: order["invoices_count"] == 1),
        ({"filter[reference]": "order_11"}, lambda order: "#ORDER_11" in order["reference"]),
        ({"filter[reference]": "#ORDER_1100"}, lambda order: order["reference"] == "#ORDER_1100"),
        ({"filter[state]": "2,3"}, lambda order: order["state"] in {2, 3}),
        ({"filter[shipping->status]": "delivered"}, lambda order: order["shipping"]["status"] == "delivered"),
        ({"filter[billing_status]": "unpaid"}, lambda order: order["billing"]["status"] == "unpaid"),
        ({"filter[active]": "false"}, lambda order: order["deleted_at"] is not None),
        ({"filter[active]": "true"}, lambda order: order["deleted_at"] is None),
        (
            {"filter[unpaid]": "true"},
            lambda order: order["billing"]["status"] in {"pending", "unpaid", "partially_paid"},
        ),
        ({"filter[late]": "true"}, lambda _: False),
        ({"filter[tax_id]": "1"}, lambda _: False),
        ({"anonymous": "false"}, lambda order: order["customer"] is not None),
        ({"anything": "else"}, lambda _: True),
    ],
)
def test_genuka_filters(
    client: Client, sandbox: Sandbox, query: dict[str, Any], test: Callable[[dict[str, Any]], bool]
) -> None:
    assert client.ids("genuka", **query) == expected(sandbox, "genuka", test)


def test_genuka_finds_the_orders_of_a_customer(client: Client, sandbox: Sandbox) -> None:
    who = next(order["customer"] for order in sandbox.payloads("genuka") if order["customer"])

    found = client.ids("genuka", **{"filter[customer_id]": who["id"]})
    by_name = client.ids("genuka", **{"filter[customer.first_name]": who["first_name"].lower()})

    assert found == expected(sandbox, "genuka", lambda order: order["customer_id"] == who["id"])
    assert set(found) <= set(by_name)


def test_genuka_narrows_to_a_shop(client: Client, sandbox: Sandbox) -> None:
    shop = sandbox.payloads("genuka")[0]["shop_id"]
    answer = client.get("genuka", headers={"X-Shop": shop}, per_page=100).json()

    assert {row["shop_id"] for row in answer["data"]} == {shop}
    assert 0 < answer["pagination"]["total"] < 230


@pytest.mark.parametrize("field", ["updated_at", "created_at", "reference", "state", "source", "amount"])
def test_genuka_sorts_both_ways(client: Client, field: str) -> None:
    up = [row[field] for row in client.walk("genuka", sort=field)]
    down = [row[field] for row in client.walk("genuka", sort=f"-{field}")]

    assert up == sorted(up)
    assert down == up[::-1]


def test_genuka_sorts_by_several_fields(client: Client) -> None:
    rows = client.walk("genuka", sort="state,-created_at")

    assert [row["state"] for row in rows] == sorted(row["state"] for row in rows)
    first = [row["created_at"] for row in rows if row["state"] == 1]
    assert first == sorted(first, reverse=True)


@pytest.mark.parametrize(
    "query",
    [
        {"filter[last_status]": "OK"},
        {"filter[updated_at]": "2025-12-01"},
        {"sort": "id"},
        {"include": "products,x"},
    ],
)
def test_genuka_refuses_filters_sorts_and_includes_that_it_lacks(
    client: Client, query: dict[str, Any]
) -> None:
    answer = client.get("genuka", **query)

    assert answer.status_code == 400
    assert "not allowed" in answer.json()["message"]


def test_genuka_refuses_dates_it_cannot_read(client: Client) -> None:
    query: dict[str, Any] = {"filter[updated_at][start]": "18/01/2024"}
    answer = client.get("genuka", **query)

    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["filter.updated_at.start"])


def test_genuka_rows_show_what_is_included(client: Client, sandbox: Sandbox) -> None:
    plain = client.get("genuka").json()["data"][0]
    rich = client.get("genuka", include="products,products_count,company,customer").json()["data"][0]
    truth = sandbox.payloads("genuka")[-1]

    assert not {"order_products", "products", "company", "shop", "user"} & set(plain)
    assert set(rich) - set(plain) == {"order_products", "products", "products_count", "company"}
    assert rich["order_products"] == truth["order_products"]
    assert rich["products_count"] == len(rich["products"]) == len(truth["products"])


def test_genuka_rows_show_only_the_fields_asked_for(client: Client) -> None:
    rows = client.get("genuka", fields="id,reference,nothing").json()["data"]

    assert {tuple(row) for row in rows} == {("id", "reference")}


def test_genuka_lists_the_lines_of_an_order(client: Client, sandbox: Sandbox) -> None:
    order = sandbox.payloads("genuka")[3]
    lines = client.get("genuka", f"/2023-11/admin/orders/{order['id']}/products").json()

    assert [{name: line[name] for name in line if name != "product"} for line in lines] == order[
        "order_products"
    ]
    assert [line["product"] for line in lines] == order["products"]


def test_genuka_logs_what_happened_to_an_order(client: Client, sandbox: Sandbox) -> None:
    order_id = sandbox.live_ids("genuka")[0]
    sandbox.clock.advance(30)
    entries = client.get("genuka", f"/2023-11/admin/orders/{order_id}/activities").json()["data"]

    assert [entry["event"] for entry in entries] == ["updated", "updated", "updated", "created"]
    assert entries[2]["properties"] == {"shipping.status": {"old": "pending", "new": "taken_in_charge"}}


def test_genuka_says_not_found(client: Client) -> None:
    answer = client.get("genuka", "/2023-11/admin/orders/01k1d99mheywy0tsdnftma8907")

    assert answer.status_code == 404
    assert answer.json() == {
        "status": "error",
        "code": 404,
        "data": None,
        "message": "The order does not exist",
    }


def test_genuka_announces_its_rate_limit(client: Client) -> None:
    headers = client.get("genuka").headers

    assert headers["X-RateLimit-Limit"] == "6000"
    assert 0 < int(headers["X-RateLimit-Remaining"]) < 6000


@pytest.mark.parametrize("vendor", VENDORS)
def test_other_methods_are_refused_with_those_allowed(client: Client, vendor: str) -> None:
    path = {"valomnia": "/api/v2.1/orders", "genuka": "/2023-11/admin/orders"}.get(vendor)
    path = path or {"popsell": "/api/v2/manager/orders", "dipli": "/api/v2/orders"}[vendor]
    answer = client.send("DELETE", f"/{vendor}{path}")

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
    assert answer.headers["Content-Type"] == "application/json"
