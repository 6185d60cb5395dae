"""What a person types into the form of each connection type: the sandbox's own connections, field by field."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_orders.connections import FORMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_orders.sandbox import Sandbox
    from tests.browser.running_airflow import RunningAirflow

__all__ = ["CONN_TYPES", "add_connection", "drawn_as_declared", "with_permission", "without_permission"]

CONN_TYPES = tuple(FORMS)


def drawn_as_declared(airflow: RunningAirflow) -> bool:
    """Tell whether this Airflow draws all that is declared; 3.1 knows no sections, ranges and labels of choices."""
    drawn = airflow.ask("GET", "/ui/connections/hook_meta")
    schemas = [
        field["schema"]
        for meta in drawn
        if meta["connection_type"] in FORMS
        for field in (meta["extra_fields"] or {}).values()
    ]
    return any("section" in schema for schema in schemas)


def with_permission(sandbox: Sandbox, conn_type: str) -> dict[str, Any]:
    """Give the sandbox's connection of a type; with its port, without which some Airflows cannot test it."""
    fields = sandbox.connections[f"{conn_type}_default"]
    return {**fields, "port": urlsplit(fields["host"]).port}


def without_permission(sandbox: Sandbox, conn_type: str) -> dict[str, Any]:
    """Change the sandbox's connection of a type so that it signs in, but may not read orders."""
    connection = with_permission(sandbox, conn_type)
    known = sandbox.index()["vendors"][conn_type]["credentials"]
    ending = "_without_permission"
    if login := known.get(f"login{ending}"):
        return {**connection, "login": login}
    kind = connection["extra"].get("auth", "api_key")
    return {**connection, "password": known[f"{kind}{ending}"]}


def add_connection(airflow: RunningAirflow, conn_id: str, fields: Mapping[str, Any]) -> str:
    """Store a connection without the form, and give its id."""
    body = {**fields, "connection_id": conn_id, "extra": json.dumps(fields["extra"])}
    airflow.ask("POST", "/api/v2/connections", body)
    return conn_id
