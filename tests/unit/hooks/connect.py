"""Connections as Airflow stores them, made from the sandbox's own with some fields changed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow_provider_orders.sandbox import credentials

if TYPE_CHECKING:
    import pytest

    from airflow_provider_orders.sandbox import Sandbox

Connect: TypeAlias = Callable[..., str]
"""``connect(vendor, **changes)`` stores a connection and gives its id; None removes a field."""

STANDARD = frozenset({"conn_type", "host", "schema", "port", "login", "password", "extra"})

VENDORS = ("popsell", "dipli", "valomnia", "genuka")

LISTINGS = {
    "popsell": "/manager/orders",
    "dipli": "/api/v2/orders",
    "valomnia": "/api/v2.1/orders",
    "genuka": "/admin/orders",
}
ID_FIELDS = {"popsell": "id_order", "dipli": "id", "valomnia": "id", "genuka": "id"}
AMOUNTS = {"popsell": "total_amount", "dipli": "price_t_t_c", "valomnia": "total", "genuka": "amount"}

ALL_CREDENTIALS = tuple(
    value
    for name, value in vars(credentials).items()
    if name.isupper() and not name.endswith(("_DOMAIN", "COMPANY_ID")) and isinstance(value, str)
)

WAYS_TO_SIGN_IN: tuple[tuple[str, dict[str, Any]], ...] = (
    ("popsell", {}),
    ("popsell", {"auth": "token", "password": credentials.POPSELL_TOKEN}),
    (
        "popsell",
        {"auth": "login", "login": credentials.POPSELL_EMAIL, "password": credentials.POPSELL_PASSWORD},
    ),
    ("dipli", {}),
    ("valomnia", {}),
    ("genuka", {}),
    ("genuka", {"auth": "token", "password": credentials.GENUKA_TOKEN}),
    (
        "genuka",
        {"auth": "login", "login": credentials.GENUKA_EMAIL, "password": credentials.GENUKA_PASSWORD},
    ),
)

FORBIDDEN: tuple[tuple[str, dict[str, Any]], ...] = (
    ("popsell", {"password": credentials.POPSELL_FORBIDDEN_API_KEY}),
    ("popsell", {"auth": "token", "password": credentials.POPSELL_FORBIDDEN_TOKEN}),
    ("dipli", {"password": credentials.DIPLI_FORBIDDEN_API_KEY}),
    ("valomnia", {"login": credentials.VALOMNIA_FORBIDDEN_EMAIL}),
    ("genuka", {"password": credentials.GENUKA_FORBIDDEN_API_KEY}),
    ("genuka", {"auth": "token", "password": credentials.GENUKA_FORBIDDEN_TOKEN}),
)


def connector(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Make the function that stores connections to a sandbox."""

    def connect(vendor: str, conn_id: str = "changed", **changes: Any) -> str:
        fields = {**sandbox.connections[f"{vendor}_default"]}
        extra = dict(fields.pop("extra", None) or {})
        for name, value in changes.items():
            (fields if name in STANDARD else extra)[name] = value
        fields.setdefault("extra", extra)
        kept = {name: value for name, value in fields.items() if value is not None}
        if isinstance(kept.get("extra"), dict):
            kept["extra"] = {name: value for name, value in kept["extra"].items() if value is not None}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(kept))
        return conn_id

    return connect


def way_id(way: object) -> str:
    """Name a parameter set of a way to sign in."""
    return str(way.get("auth", "default")) if isinstance(way, dict) else str(way)


def truth(sandbox: Sandbox, vendor: str) -> dict[str, dict[str, Any]]:
    """Give every order of a vendor by its id."""
    return {str(order[ID_FIELDS[vendor]]): order for order in sandbox.payloads(vendor)}


def an_order(sandbox: Sandbox, vendor: str, number: int = 17) -> tuple[str, dict[str, Any]]:
    """Give one order with its id."""
    order = sandbox.payloads(vendor)[number]
    return str(order[ID_FIELDS[vendor]]), order


def secrets_in(text: str) -> list[str]:
    """Find credentials of the sandbox, and e-mail addresses, in a text."""
    found = [secret for secret in ALL_CREDENTIALS if secret in text]
    return found + re.findall(r"[\w.+-]+@example\.\w+", text)
