from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.hooks.connect import VENDORS, an_order, secrets_in

if TYPE_CHECKING:
    from airflow_provider_orders.sandbox import Sandbox
    from tests.unit.cli.shell import CommandLine


def personal_texts(cli: CommandLine, vendor: str, order_id: str) -> set[str]:
    """Give the names, addresses and the like of an order, as --personal shows them."""
    done = cli("show", f"{vendor}_default", order_id, "--personal", "--json").json
    people = [done.get("customer") or {}, done.get("shipping_address") or {}]
    return {
        value
        for person in people
        for name, value in person.items()
        if value and name not in {"id", "country"}
    }


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_order_is_shown_without_personal_data(
    vendor: str, cli: CommandLine, orders_sandbox: Sandbox
) -> None:
    order_id = next(
        order_id
        for number in range(17, 40)
        if personal_texts(cli, vendor, order_id := an_order(orders_sandbox, vendor, number)[0])
    )

    plain = cli("show", f"{vendor}_default", order_id)
    as_json = cli("show", f"{vendor}_default", order_id, "--json")
    own = cli("show", f"{vendor}_default", order_id, "--content", "vendor", "--json")

    assert plain.code == as_json.code == own.code == 0
    assert order_id in plain.out
    assert as_json.json["id"] == order_id
    personal = personal_texts(cli, vendor, order_id)
    for text in (plain.out, as_json.out, own.out):
        assert not [value for value in personal if value in text]
        assert secrets_in(text) == []


@pytest.mark.parametrize("vendor", ["valomnia", "genuka"])
def test_an_order_is_found_by_its_reference(vendor: str, cli: CommandLine, orders_sandbox: Sandbox) -> None:
    order_id, order = an_order(orders_sandbox, vendor)

    done = cli("show", f"{vendor}_default", order["reference"], "--by", "reference", "--json")

    assert done.json["id"] == order_id


def test_lines_have_a_table(cli: CommandLine, orders_sandbox: Sandbox) -> None:
    order_id, _ = an_order(orders_sandbox, "popsell")

    done = cli("show", "popsell_default", order_id)

    assert "Lines\n  sku" in done.out


def test_an_order_that_is_not_there_ends_with_6(cli: CommandLine) -> None:
    done = cli("show", "dipli_default", "99999999")

    assert done.code == 6
    assert len(done.err.splitlines()) == 1
    assert done.out == ""


@pytest.mark.parametrize("words", [("dipli_default", "abc"), ("dipli_default", "1", "--by", "reference")])
def test_an_id_that_cannot_be_meant_ends_with_2(words: tuple[str, ...], cli: CommandLine) -> None:
    assert cli("show", *words).code == 2
