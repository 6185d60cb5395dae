from __future__ import annotations

import json
import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_orders.sandbox import Sandbox, credentials
from airflow_provider_orders.sandbox.genuka_company import COMPANY, SHOPS, USER
from tests.unit.sandbox.clients import IDS, LISTS, VENDORS, Client

if TYPE_CHECKING:
    from collections.abc import Iterator

ULID = re.compile(r"[0-9a-hjkmnp-tv-z]{26}")
EMAIL = re.compile(r"[^@\s]+@([a-z.]+)")


@lru_cache
def everything(vendor: str, orders: int = 600) -> list[dict[str, Any]]:
    return Sandbox(orders=orders).payloads(vendor)


def strings(document: Any) -> Iterator[str]:
    """Find every text in a document."""
    if isinstance(document, str):
        yield document
    for child in (
        document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    ):
        yield from strings(child)


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_same_seed_gives_the_same_bytes(vendor: str) -> None:
    answers = []
    for seed in (7, 7, 8):
        with Sandbox(orders=40, seed=seed) as sandbox, Client(sandbox) as client:
            sandbox.clock.freeze()
            sandbox.clock.reset()
            document = client.get(vendor, per_page=100).json()
            answers.append(json.dumps(document.get("data", document.get("result"))))

    assert answers[0] == answers[1] != answers[2]


@pytest.mark.parametrize("vendor", VENDORS)
def test_ids_do_not_depend_on_how_many_orders_there_are(vendor: str) -> None:
    few, many = (Sandbox(orders=orders).payloads(vendor) for orders in (10, 50))

    assert [order[IDS[vendor]] for order in few] == [order[IDS[vendor]] for order in many][:10]
    assert Sandbox(orders=50).live_ids(vendor) == [str(order[IDS[vendor]]) for order in many][:5]


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_is_served_is_the_truth(client: Client, sandbox: Sandbox, vendor: str) -> None:
    rows = client.walk(vendor)[::-1]
    truth = sandbox.payloads(vendor)

    for row, order in zip(rows, truth, strict=True):
        assert {name: order[name] for name in row} == row
    path = f"{LISTS[vendor]}/{truth[9][IDS[vendor]]}"
    assert client.get(vendor, path).json() == truth[9]


@pytest.mark.parametrize("vendor", VENDORS)
def test_nobody_real_is_in_the_data(vendor: str) -> None:
    for text in strings(everything(vendor, 300)):
        for domain in EMAIL.findall(text):
            assert domain in {"example.com", "example.org"}
        assert not re.search(r"https?://(?![a-z]+\.example\.com)", text)


@pytest.mark.parametrize(
    ("vendor", "field", "words"),
    [
        ("popsell", "last_status", "OK OK_DELAY E-BOOKING CANCELLED RETURNED PENDING FULFILLED"),
        ("popsell", "type", "MAG STORE WEB "),
        (
            "dipli",
            "shipping_status",
            "pending_confirmation ongoing_shipping shipped error_shipping cancelled",
        ),
        ("valomnia", "status", "NOT_PAID ADVANCE PAID IN_PROCESS"),
        ("valomnia", "deliveryStatus", "PENDING DELIVERED REJECTED"),
        ("valomnia", "operationType", "ORDER PREORDER INVOICE DELIVERYNOTE DELIVERY"),
        ("genuka", "billing.status", "pending paid partially_paid unpaid canceled"),
        ("genuka", "shipping.status", "pending taken_in_charge partial_delivery delivered"),
        ("genuka", "state", "1 2 3"),
        ("genuka", "source", "POS EXCEL WHATSAPP WEB EMAIL DASHBOARD OTHER"),
    ],
)
def test_every_word_of_a_vocabulary_is_used(vendor: str, field: str, words: str) -> None:
    seen: Counter[str] = Counter()
    for order in everything(vendor):
        value: Any = order
        for name in field.split("."):
            value = value[name]
        seen[str(value)] += 1

    assert set(seen) == set(words.split(" "))


@pytest.mark.parametrize(
    ("vendor", "field"), [("popsell", "currency"), ("valomnia", "currency"), ("genuka", "currency")]
)
def test_several_currencies_are_used(vendor: str, field: str) -> None:
    assert {"EUR", "USD", "XAF"} <= {order[field] for order in everything(vendor)}


# Popsell.


def test_popsell_amounts_add_up() -> None:
    for order in everything("popsell"):
        lines = [product["order_details"] for product in order["products"]]
        for line, product in zip(lines, order["products"], strict=True):
            assert line["total_price"] == pytest.approx(line["unit_price"] * line["quantity"], abs=0.001)
            assert line["unit_price"] == product["price"]
            assert product["price"] == pytest.approx(
                product["price_catalog"] * (1 - product["discount_percentage"] / 100), abs=1.01
            )
            assert line["currency"] == order["currency"]
        assert order["total_amount"] == pytest.approx(sum(line["total_price"] for line in lines), abs=0.001)
        assert order["total_products_quantity"] == sum(line["quantity"] for line in lines)
        assert order["total_paid"] in {0, order["total_amount"]}
        if order["currency"] == "XAF":
            assert order["total_amount"] == int(order["total_amount"])


def test_popsell_rows_have_a_realistic_size() -> None:
    sizes = [len(json.dumps(order, ensure_ascii=False)) for order in everything("popsell")]

    assert 2000 < sum(sizes) / len(sizes) < 3500


@pytest.mark.parametrize(
    "field",
    [
        "id_order_external",
        "ambassador",
        "ambassador_chat",
        "buyer",
        "id_chatroom",
        "order_info",
        "customer_id",
        "total_ws",
    ],
)
def test_popsell_fields_are_sometimes_null(field: str) -> None:
    values = [order[field] for order in everything("popsell")]

    assert None in values
    assert any(value is not None for value in values)


def test_popsell_products_have_nullable_fields_and_prices_of_both_kinds() -> None:
    products = [product for order in everything("popsell") for product in order["products"]]

    for field in ("name", "type", "sku", "description"):
        assert None in {product[field] for product in products}
    assert {type(product["price_catalog"]) for product in products} == {int, float}
    assert {image["lang"] for product in products for image in product["images"]} == {"fr_FR", "en_GB"}


def test_popsell_dates_have_no_zone_but_that_of_the_last_action() -> None:
    for order in everything("popsell"):
        for field in ("date_order", "date_insert", "date_update"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", order[field])
        assert "2025-10-03" <= order["date_order"] <= order["date_update"] <= "2026-01-01 00:00:00"
        if order["buyer"] and not order["buyer"]["anonymized"]:
            assert order["buyer"]["last_action_date"].endswith("Z")


def test_popsell_status_is_a_history_that_ends_with_the_last_status() -> None:
    for order in everything("popsell"):
        history = order["status"]
        assert history[-1]["status"] == order["last_status"]
        assert history[0]["date_insert"] == order["date_order"]
        if len(history) > 1:
            assert history[-1]["date_insert"] == order["date_update"]
        assert {row["id_order"] for row in history} == {order["id_order"]}
        assert [row["date_insert"] for row in history] == sorted(row["date_insert"] for row in history)


def test_popsell_ambassador_rows_differ_from_manager_rows(client: Client, sandbox: Sandbox) -> None:
    rows = [
        row
        for number in range(101, 112)
        for row in client.get(
            "popsell", f"/api/v2/platform/ambassadors/{number}/orders", per_page=100
        ).json()["data"]
    ]
    truth = {order["id_order"]: order for order in sandbox.payloads("popsell")}

    assert {row["assignment"] for row in rows} == {
        "conversation_assigned",
        "affiliation_assigned",
        "unassigned",
    }
    for row in rows:
        assert not {"status", "ambassador", "ambassador_chat"} & set(row)
        order = truth[row["id_order"]]
        assert {name: row[name] for name in row if name != "assignment"} == {
            name: order[name] for name in row if name != "assignment"
        }


# Dipli.


def test_dipli_totals_are_cents_and_lines_are_euros() -> None:
    for order in everything("dipli"):
        for field in ("h_t", "t_v_a", "t_t_c"):
            lines = sum(
                line["product_quantity"] * line[f"unit_price_{field}"] for line in order["cart_items"]
            )
            assert isinstance(order[f"price_{field}"], int)
            assert order[f"price_{field}"] == round(lines * 100)
        for kind in ("price", "shipping"):
            assert order[f"{kind}_h_t"] + order[f"{kind}_t_v_a"] == order[f"{kind}_t_t_c"]


def test_dipli_example_of_the_documentation_is_in_the_catalogue() -> None:
    lines = [line for order in everything("dipli") for line in order["cart_items"]]
    phone = next(line for line in lines if line["product_sku"] == "SM-J330FZ")

    assert phone["tax_class"] == "TVA Classique"
    assert [phone[f"unit_price_{field}"] for field in ("h_t", "t_v_a", "t_t_c")] == [119.9, 23.98, 143.88]
    for field in ("tax_class", "product_name", "product_sku", "color", "grade", "attr_test"):
        assert None in {line[field] for line in lines}


def test_dipli_extra_infos_have_three_forms() -> None:
    values = [line["product_extra_infos"] for order in everything("dipli") for line in order["cart_items"]]

    assert {type(value) for value in values} == {dict, str, type(None)}
    assert all(json.loads(value)["price"] > 1000 for value in values if isinstance(value, str))


def test_dipli_addresses_are_json_but_for_a_few() -> None:
    plain = 0
    for order in everything("dipli"):
        try:
            address = json.loads(order["shipping_address_json"])
        except ValueError:
            plain += 1
        else:
            assert address["type"] == "shipping"
            assert "additionnal" in address
            assert re.fullmatch("[A-Z]{2}", address["country"])

    assert 0 < plain < 60


def test_dipli_tracking_appears_with_shipping_and_shipped_means_delivered() -> None:
    for order in everything("dipli"):
        sent = order["shipping_status"] in {"ongoing_shipping", "shipped", "error_shipping"}
        for field in ("tracking_slug", "tracking_number", "bordereau_url", "invoiced_at"):
            assert (order[field] is not None) == sent
        assert (order["delivered_at"] is not None) == (order["shipping_status"] == "shipped")
        assert order["to_ship"] == (order["shipping_status"] == "pending_confirmation")
        assert order["public_id"] == f"A-{order['id']}"
        assert "updated_at" not in order


def test_dipli_dates_are_days_or_moments_with_offset() -> None:
    dates = [order["created_at"] for order in everything("dipli")]
    moments = [date for date in dates if len(date) > 10]

    assert 0 < len(moments) < len(dates)
    assert {moment[-6:] for moment in moments} == {"+01:00", "+02:00"}


# Valomnia.


def test_valomnia_lines_add_up(client: Client, sandbox: Sandbox) -> None:
    lines: dict[str, list[dict[str, Any]]] = {}
    for offset in range(0, 2000, 1000):
        for line in client.get("valomnia", "/api/v2.1/orderDetails", max=1000, offset=offset).json()["data"]:
            lines.setdefault(line["orderReference"], []).append(line)
            assert line["finalPrice"] == pytest.approx(line["unitPrice"] * line["quantity"])

    for order in sandbox.payloads("valomnia"):
        assert order["total"] == pytest.approx(sum(line["finalPrice"] for line in lines[order["reference"]]))


def test_valomnia_days_are_local_midnights() -> None:
    for order in everything("valomnia"):
        for field in ("paymentDate", "deliveryDate", "desiredDeliveryDate", "deliveredOn", "assignmentDate"):
            assert order[field] is None or re.search(r"T2[23]:00:00Z$", order[field])


def test_valomnia_shows_stubs_with_relative_addresses() -> None:
    for order in everything("valomnia"):
        assert order["orderLines"]
        for kind, stubs in (("orderDetails", order["orderLines"]), ("orderPayments", order["orderPayments"])):
            for stub in stubs:
                assert stub["href"] == f"/api/v2.1/{kind}/{stub['id']}"
        assert order["customer"]["reference"] == order["customerReference"]
        assert order["pdfUrl"].endswith(".pdf")


def test_valomnia_facts_go_with_the_statuses() -> None:
    orders = everything("valomnia")
    for order in orders:
        assert (order["paymentDate"] is not None) == (order["status"] == "PAID")
        assert (order["advanceAmount"] is not None) == (order["status"] == "ADVANCE")
        assert (order["deliveredOn"] is not None) == (order["deliveryStatus"] == "DELIVERED")
        assert bool(order["orderPayments"]) == (order["status"] in {"PAID", "ADVANCE"})
    for field in (
        "latitude",
        "checkInDate",
        "discount",
        "taxAmount",
        "shippingFee",
        "deliveryAddress",
        "dueDate",
    ):
        assert None in {order[field] for order in orders}


def test_valomnia_prints_a_few_dates_with_underscores(client: Client) -> None:
    lines = client.get("valomnia", "/api/v2.1/orderDetails", max=1000).json()["data"]
    odd = [line for line in lines if re.fullmatch(r"\d{4}_\d\d_\d\dT2[23]:00:00Z", line["dateCreated"])]

    assert 0 < len(odd) < len(lines) / 5


# Genuka.


def test_genuka_amounts_add_up() -> None:
    for order in everything("genuka"):
        billing = order["billing"]
        lines = sum(line["price"] * line["quantity"] for line in order["order_products"])
        assert billing["subtotal"] == pytest.approx(lines)
        assert billing["out_of_tax_total"] == pytest.approx(lines - billing["discount"] + billing["shipping"])
        assert billing["total"] == pytest.approx(billing["out_of_tax_total"] + billing["sum_positive_taxes"])
        assert order["amount"] == billing["total"] == billing["net_to_pay"]
        paid = sum(invoice["amount"] for invoice in order["invoices"])
        assert order["amount_due"] == pytest.approx(order["amount"] - paid)
        assert (paid > 0) == (billing["status"] in {"paid", "partially_paid"})
        if order["currency"] == "XAF":
            assert isinstance(order["amount"], int)


def test_genuka_ids_are_lower_case_ulids_in_order_of_creation() -> None:
    orders = everything("genuka")
    ids = [order["id"] for order in orders]

    assert all(ULID.fullmatch(order_id) for order_id in ids)
    assert ids == sorted(ids)
    assert [order["reference"] for order in orders[:2]] == ["#ORDER_1001", "#ORDER_1002"]
    fixed = [COMPANY["id"], USER["id"], credentials.GENUKA_OTHER_COMPANY_ID]
    fixed += [found for shop in SHOPS for found in (shop["id"], shop["warehouses"][0]["id"])]
    fixed += [method["id"] for method in COMPANY["paymentMethods"]]
    fixed += [line[name] for line in orders[0]["order_products"] for name in ("product_id", "variant_id")]
    assert all(ULID.fullmatch(text) for text in fixed)


def test_genuka_writes_empty_objects_as_lists() -> None:
    orders = everything("genuka")

    assert {type(order["metadata"]) for order in orders} == {dict, list}
    configurations = [method["configurations"] for method in orders[0]["company"]["paymentMethods"]]
    assert [] in configurations
    assert orders[0]["company"]["onboarding"]["metadata"] == []


def test_genuka_dates_have_the_forms_that_were_recorded() -> None:
    orders = everything("genuka")

    for order in orders:
        for field in ("created_at", "updated_at"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", order[field])
    scheduled = {re.sub(r"\d", "9", order["shipping"]["scheduled_at"]) for order in orders}
    assert scheduled == {"9999-99-99T99:99:99.999999Z", "9999-99-99"}
    billed = {re.sub(r"\d", "9", order["billing"].get("scheduled_at", "-")) for order in orders}
    assert billed == {"99/99/9999", "-"}


def test_genuka_detail_is_the_row_and_what_it_drags_along(client: Client, sandbox: Sandbox) -> None:
    row = client.get("genuka").json()["data"][0]
    detail = sandbox.payloads("genuka")[-1]

    assert set(detail) - set(row) == {"order_products", "products", "company", "shop", "user"}
    assert list(detail) == sorted(detail)
    assert len(detail["user"]["allPermissions"]) > 100
    for line, product in zip(detail["order_products"], detail["products"], strict=True):
        assert product["pivot"]["id"] == line["id"]
        stock = line["metadata"]["stock_warehouse_to_remove"][0]
        assert isinstance(stock["stock_warehouse_id"], str)


def test_genuka_has_orders_without_customer_and_deleted_ones() -> None:
    orders = everything("genuka")

    assert any(order["customer"] is None and order["customer_id"] is None for order in orders)
    deleted = [order for order in orders if order["deleted_at"]]
    assert 0 < len(deleted) < 60
    assert all(order["deleted_at"] == order["updated_at"] for order in deleted)
    assert {type(order["deliveries"]) for order in orders} == {list}
    assert all(order["delivery"] == next(iter(order["deliveries"]), None) for order in orders)
