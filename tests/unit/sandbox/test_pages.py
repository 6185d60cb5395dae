from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_orders.sandbox import Sandbox, credentials
from tests.unit.sandbox.clients import IDS, VENDORS, Client


@pytest.mark.parametrize("orders", [230, 200, 1, 0])
@pytest.mark.parametrize("envelope", ["pagination", "meta"])
def test_walking_all_pages_finds_every_order_once(orders: int, envelope: str) -> None:
    with Sandbox(orders=orders, genuka_envelope=envelope) as sandbox, Client(sandbox) as client:
        for vendor in VENDORS:
            truth = [str(order[IDS[vendor]]) for order in sandbox.payloads(vendor)]
            assert sorted(client.ids(vendor)) == sorted(truth)
            assert len(set(truth)) == orders


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_page_beyond_the_last_is_empty(client: Client, vendor: str) -> None:
    rows, total = client.page(vendor, 99, 100)

    assert (rows, total) == ([], 230)


@pytest.mark.parametrize(
    ("vendor", "most"), [("popsell", 100), ("dipli", 100), ("valomnia", 1000), ("genuka", 100)]
)
def test_a_page_larger_than_allowed_is_cut_down(client: Client, vendor: str, most: int) -> None:
    rows, _ = client.page(vendor, 1, 5000)

    assert len(rows) == min(most, 230)


@pytest.mark.parametrize(
    ("vendor", "usual"), [("popsell", 15), ("dipli", 50), ("valomnia", 100), ("genuka", 15)]
)
def test_pages_have_the_usual_size_unless_asked(client: Client, vendor: str, usual: int) -> None:
    document = client.get(vendor).json()

    assert len(document.get("data", document.get("result"))) == usual


def test_popsell_links_lead_through_all_pages(client: Client) -> None:
    url: str | None = f"{client.sandbox.url}/popsell/api/v2/manager/orders?per_page=100&filter[type]=WEB"
    seen = []
    pages: list[dict[str, Any]] = []
    while url:
        page = client.http.get(url, headers=client.headers("popsell")).json()
        pages.append(page)
        seen += [row["type"] for row in page["data"]]
        url = page["next_page_url"]

    assert len(seen) == pages[0]["total"] > 100
    assert set(seen) == {"WEB"}
    assert (pages[0]["prev_page_url"], pages[0]["from"], pages[0]["to"]) == (None, 1, 100)
    assert pages[-1]["prev_page_url"].endswith("&page=1")
    assert [link["label"] for link in pages[0]["links"]] == ["&laquo; Previous", "1", "2", "Next &raquo;"]
    assert [link["active"] for link in pages[0]["links"]] == [False, True, False, False]


def test_popsell_empty_page_has_no_bounds() -> None:
    with Sandbox(orders=0) as sandbox, Client(sandbox) as client:
        page = client.get("popsell").json()

    assert (page["from"], page["to"], page["next_page_url"]) == (None, None, None)
    assert (page["total"], page["last_page"], page["current_page"]) == (0, 1, 1)


@pytest.mark.parametrize(
    ("number", "labels"),
    [
        (1, [*map(str, range(1, 11)), "...", "22", "23"]),
        (12, ["1", "2", "...", *map(str, range(9, 16)), "...", "22", "23"]),
        (23, ["1", "2", "...", *map(str, range(14, 24))]),
    ],
)
def test_popsell_shortens_a_long_page_bar(client: Client, number: int, labels: list[str]) -> None:
    links = client.get("popsell", page=number, per_page=10).json()["links"]

    assert [link["label"] for link in links[1:-1]] == labels


@pytest.mark.parametrize("text", ["0", "-3", "two", ""])
def test_popsell_reads_a_wrong_page_number_as_the_first(client: Client, text: str) -> None:
    assert client.get("popsell", page=text).json()["current_page"] == 1


@pytest.mark.parametrize("query", [{"page": "0"}, {"page": "two"}, {"pageSize": "-1"}, {"pageSize": "many"}])
def test_dipli_refuses_wrong_page_numbers(client: Client, query: dict[str, Any]) -> None:
    answer = client.get("dipli", **query)

    assert (answer.status_code, answer.json()) == (400, {"code": 400, "msg": "Bad Request"})


@pytest.mark.parametrize("name", ["max", "offset"])
def test_valomnia_refuses_wrong_page_numbers(client: Client, name: str) -> None:
    query: dict[str, Any] = {name: "many"}
    answer = client.get("valomnia", **query)

    assert answer.status_code == 400
    assert answer.json() == {
        "error": "invalid_param_type",
        "error_description": f"The type of parameter {name} you provided is not valid for this request.",
    }


def test_valomnia_next_and_previous_are_relative_to_the_server(client: Client) -> None:
    first = client.get("valomnia", operationType="ORDER", max=50).json()["paging"]
    last = client.get("valomnia", offset=200).json()["paging"]

    assert (first["previous"], first["next"]) == (
        None,
        "/api/v2.1/orders?operationType=ORDER&max=50&offset=50",
    )
    assert (last["previous"], last["next"]) == ("/api/v2.1/orders?offset=100&max=100", None)


def test_genuka_counts_pages_in_its_newer_envelope(client: Client) -> None:
    document = client.get("genuka", page=3, per_page=100).json()

    assert list(document) == ["data", "pagination"]
    assert document["pagination"] == {
        "total": 230,
        "count": 30,
        "per_page": 100,
        "current_page": 3,
        "total_pages": 3,
    }


def test_genuka_links_pages_in_its_recorded_envelope() -> None:
    with Sandbox(orders=230, genuka_envelope="meta") as sandbox, Client(sandbox) as client:
        document = client.get("genuka", page=2, per_page=100).json()
        last = client.get("genuka", page=3, per_page=100).json()

    orders = f"{sandbox.url}/genuka/2023-11/admin/orders"
    assert document["links"] == {
        "first": f"{orders}?per_page=100&page=1",
        "last": f"{orders}?per_page=100&page=3",
        "prev": f"{orders}?per_page=100&page=1",
        "next": f"{orders}?per_page=100&page=3",
    }
    meta = document["meta"]
    assert (meta["current_page"], meta["last_page"], meta["from"], meta["to"], meta["total"]) == (
        2,
        3,
        101,
        200,
        230,
    )
    assert last["links"]["next"] is None


@pytest.mark.parametrize("envelope", ["pagination", "meta"])
def test_genuka_simple_pages_have_no_totals(envelope: str) -> None:
    with Sandbox(orders=3, genuka_envelope=envelope) as sandbox, Client(sandbox) as client:
        document = client.get("genuka", per_page=2, simple_paginate="true").json()
        last = client.get("genuka", per_page=2, simple_paginate="true", page=2).json()

    assert document["links"]["last"] is None
    assert document["links"]["next"]
    assert document["meta"]["per_page"] == "2"
    assert not {"total", "last_page"} & set(document["meta"])
    assert last["links"]["next"] is None


def test_ambassadors_are_paginated_and_one_has_no_orders(client: Client) -> None:
    people = client.get("popsell", "/api/v2/platform/ambassadors", per_page=100).json()

    assert people["total"] == 12
    assert people == {
        **client.get("popsell", "/api/v2/manager/ambassadors", per_page=100).json(),
        **{name: people[name] for name in ("first_page_url", "last_page_url", "links", "path")},
    }
    totals = {
        person["id_ambassador"]: client.get(
            "popsell", f"/api/v2/platform/ambassadors/{person['id_ambassador']}/orders"
        ).json()["total"]
        for person in people["data"]
    }
    assert sorted(totals.values())[:2] == [0, min(total for total in totals.values() if total)]
    credited = [order for order in client.sandbox.payloads("popsell") if order["ambassador"]]
    assert sum(totals.values()) == len(credited) < 230


def test_valomnia_lines_are_paginated_like_orders(client: Client) -> None:
    lines = sum(len(order["orderLines"]) for order in client.sandbox.payloads("valomnia"))
    first = client.get("valomnia", "/api/v2.1/orderDetails").json()
    ids = []
    for offset in range(0, lines, 100):
        page = client.get("valomnia", "/api/v2.1/orderDetails", offset=offset).json()
        ids += [line["id"] for line in page["data"]]

    assert first["paging"]["total"] == lines
    assert len(set(ids)) == lines


def test_links_repeat_the_host_that_the_client_used(sandbox: Sandbox) -> None:
    with Client(sandbox) as client:
        headers = {**client.headers("popsell"), "Host": "localhost:9999"}
        document = client.get("popsell", headers=headers).json()

    assert document["next_page_url"].startswith("http://localhost:9999/popsell/api/v2/manager/orders?")


def test_the_base_date_moves_all_orders() -> None:
    base = datetime(2026, 7, 1, tzinfo=UTC)
    with Sandbox(orders=20, base_date=base) as sandbox:
        dates = [order["date_order"] for order in sandbox.payloads("popsell")]

    assert "2026-04-02" <= dates[0] < dates[-1] < "2026-07-01"
    assert credentials.POPSELL_TOKEN not in repr(sandbox)
