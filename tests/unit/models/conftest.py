"""The vendors' own example payloads, kept as JSON beside the tests, and ways to change them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from airflow_provider_orders.models.dipli import DipliOrder
from airflow_provider_orders.models.genuka import GenukaOrder
from airflow_provider_orders.models.popsell import PopsellOrder
from airflow_provider_orders.models.valomnia import ValomniaOrder

if TYPE_CHECKING:
    from airflow_provider_orders.models.base import VendorOrder

PAYLOADS = Path(__file__).parent / "payloads"

Documented: TypeAlias = Callable[..., dict[str, Any]]
"""What the fixture ``documented`` is: ``documented(name, **changes) -> payload``."""

EXAMPLES: list[tuple[type[VendorOrder], str]] = [
    (PopsellOrder, "popsell_manager_order"),
    (PopsellOrder, "popsell_ambassador_order"),
    (DipliOrder, "dipli_order"),
    (ValomniaOrder, "valomnia_operation"),
    (GenukaOrder, "genuka_order"),
]

# Where an example only says "string", a date of the form that the vendor sends.
DATES: dict[str, dict[str, str | None]] = {
    "popsell_manager_order": {
        "date_order": "2026-01-18 10:22:11",
        "date_insert": "2026-01-18 10:22:15",
        "date_update": "2026-07-01T08:00:00Z",
    },
    "dipli_order": {"created_at": "2022-09-01", "delivered_at": None, "invoiced_at": "2022-09-05"},
}
DATES["popsell_ambassador_order"] = DATES["popsell_manager_order"]


def _example(name: str) -> dict[str, Any]:
    """Read an example exactly as the documentation has it."""
    if name == "popsell_ambassador_order":  # documented as a page of one
        page = json.loads((PAYLOADS / "popsell_ambassador_orders.json").read_text())
        return dict(page["data"][0])
    return dict(json.loads((PAYLOADS / f"{name}.json").read_text()))


@pytest.fixture(scope="session")
def verbatim() -> Documented:
    """Give a vendor's example exactly as its documentation has it."""
    return _example


@pytest.fixture(scope="session")
def documented() -> Documented:
    """Give a vendor's example with dates that can be read, and with changes at the top level."""

    def make(name: str, **changes: Any) -> dict[str, Any]:
        return copy.deepcopy({**_example(name), **DATES.get(name, {}), **changes})

    return make


@pytest.fixture(scope="session")
def read(documented: Documented) -> Callable[..., Any]:
    """Parse an example, changed at the top level: ``read(PopsellOrder, "popsell_manager_order", currency=None)``."""

    def parse(model: type[VendorOrder], name: str, **changes: Any) -> VendorOrder:
        return model.parse(json.dumps(documented(name, **changes)).encode())

    return parse


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for ``model`` and ``name`` once per example."""
    if {"model", "name"} <= set(metafunc.fixturenames):
        metafunc.parametrize(("model", "name"), EXAMPLES, ids=[name for _, name in EXAMPLES])
