"""What the pages must have, and that the tables from the code are right."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from airflow_provider_orders import errors
from airflow_provider_orders.connections import FORMS
from airflow_provider_orders.sandbox import FAULT_KINDS
from tests.docs.blocks import PAGES, ROOT, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def tables() -> Iterator[ModuleType]:
    sys.path.insert(0, str(DOCS / "_ext"))
    import code_tables

    yield code_tables
    sys.path.remove(str(DOCS / "_ext"))


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def rows(text: str) -> list[list[str]]:
    """Split a table into its rows, the first two of which are the head."""
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    ][2:]


@pytest.mark.parametrize("conn_type", sorted(path.stem for path in (DOCS / "vendors").glob("*.md")))
def test_page_of_a_vendor_has_its_tables(conn_type: str) -> None:
    text = page(f"vendors/{conn_type}.md")

    for table in ("connection", "capabilities", "filters", "statuses", "fields"):
        assert f"```{{from-code}} {table} {conn_type}\n" in text
    assert conn_type in FORMS
    assert "## What the vendor does not document" in text
    assert f"AIRFLOW_CONN_{conn_type.upper()}_DEFAULT" in text


def test_every_error_has_its_paragraph() -> None:
    headings = set(re.findall(r"^## (\w+Error)$", page("errors.md"), re.MULTILINE))

    assert headings == set(errors.__all__) - {"OrdersError"}


def test_every_fault_of_the_sandbox_has_its_row() -> None:
    assert re.findall(r"^\| `(\w+)` \|", page("testing.md"), re.MULTILINE) == list(FAULT_KINDS)


def test_every_page_can_be_found() -> None:
    listed = {
        line.strip()
        for block in blocks("{toctree}")
        for line in block.code.splitlines()
        if not line.startswith(":")
    } - {""}
    pages = {name.removeprefix("docs/").removesuffix(".md") for name in PAGES if name.startswith("docs/")}

    assert pages == listed | {"index"}


@pytest.mark.parametrize("conn_type", FORMS)
def test_every_status_word_is_in_the_table(conn_type: str, tables: ModuleType) -> None:
    axes = tables.api_class(conn_type).order_model.AXES
    written = {(row[0].split()[0], row[1], row[2]) for row in rows(tables.statuses(conn_type))}

    assert written == {
        (f"`{name}`", f"`{word}`", f"`{meaning.value}`")
        for name, axis in axes.items()
        for word, meaning in axis.words.items()
    }


@pytest.mark.parametrize("conn_type", FORMS)
def test_filters_of_the_table_are_those_of_the_api(conn_type: str, tables: ModuleType) -> None:
    written = {row[0].strip("`") for row in rows(tables.filters(conn_type)) if row[1] == "yes"}

    assert written == tables.api_class(conn_type).filters


@pytest.mark.parametrize("conn_type", FORMS)
def test_every_field_of_the_form_is_in_the_table(conn_type: str, tables: ModuleType) -> None:
    written = {row[0].split()[-1].strip("`") for row in rows(tables.connection(conn_type))}

    assert written >= {extra.name for extra in FORMS[conn_type].extra_fields()} | {"host", "password"}


@pytest.mark.parametrize(
    ("conn_type", "own", "canonical"),
    [
        ("popsell", "last_status", ("status", "status_raw")),
        ("popsell", "products[].order_details.quantity", ("lines[].quantity",)),
        ("dipli", "price_t_t_c", ("total",)),
        ("dipli", "delivered_at", ("fulfillment_status", "delivered_at")),
        ("dipli", "to_ship", ()),
        ("valomnia", "orderLines[].finalPrice", ("lines[].total",)),
        (
            "genuka",
            "deleted_at",
            ("status", "payment_status", "fulfillment_status", "cancelled_at", "deleted"),
        ),
    ],
)
def test_mapping_is_found_by_changing_fields(
    conn_type: str, own: str, canonical: tuple[str, ...], tables: ModuleType
) -> None:
    assert tables.mapping(conn_type)[own] == canonical


def test_constants_are_said_to_be_constant(tables: ModuleType) -> None:
    written = {row[0]: row[1] for row in rows(tables.fields("dipli"))}

    assert written["`currency`"] == "always `EUR`"
    assert written["`reference`"] == "`public_id`"
    assert written["`paid`"] == "-"


def test_reference_names_classes_that_users_type(tables: ModuleType) -> None:
    names = {
        name.rpartition(".")[2]
        for room in ("operators", "sensors", "transfers", "triggers")
        for name in tables.public_classes(room)
    }

    assert {"GetOrderOperator", "OrderStatusSensor", "OrdersToSqlOperator", "OrderEventTrigger"} <= names
    assert not [name for name in names if name.startswith("Base")]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    repository = "https://github.com/airflow-provider-orders/airflow-provider-orders"
    (tmp_path / "index.html").write_text(
        f'<a href="other.html#there">1</a><a href="{repository}/blob/main/README.md">2</a><p id="here">'
        '<a href="#here">3</a><a href="https://example.com/x">4</a>',
        encoding="utf-8",
    )
    (tmp_path / "other.html").write_text('<h1 id="there">', encoding="utf-8")
    return tmp_path


def check_links(site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "check_links.py"), str(site)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_good_links_pass(site: Path) -> None:
    done = check_links(site)

    assert (done.returncode, done.stdout) == (0, "2 pages, 0 links lead nowhere\n")


@pytest.mark.parametrize(
    "link",
    [
        "gone.html",
        "other.html#gone",
        "#gone",
        "../outside.html",
        "http://example.com",
        "https://github.com/airflow-provider-orders/airflow-provider-orders/blob/main/GONE.md",
    ],
)
def test_bad_link_is_named(site: Path, link: str) -> None:
    (site / "bad.html").write_text(f'<a href="{link}">', encoding="utf-8")

    done = check_links(site)

    assert done.returncode == 1
    assert done.stderr.startswith(f"bad.html: {link} ")


def test_nothing_to_check_is_no_success(tmp_path: Path) -> None:
    assert check_links(tmp_path).returncode == 1


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"])
def test_links_of_the_repositorys_own_pages_lead_to_files(name: str) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / name).read_text(encoding="utf-8"))

    assert all(link.startswith("https://") or (ROOT / link).exists() for link in links)
