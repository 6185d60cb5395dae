"""``show``: one order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_orders.cli.connect import find_hook
from airflow_provider_orders.cli.exit_codes import ExitCode
from airflow_provider_orders.http.policy import RetryPolicy
from airflow_provider_orders.models.personal import redact

if TYPE_CHECKING:
    import argparse

    from airflow_provider_orders.cli.screen import Screen

__all__ = ["run", "values_of"]

_LINE_COLUMNS = ("sku", "name", "quantity", "unit_price", "total")


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Show an order, its personal data masked unless it is asked for."""
    with find_hook(arguments.orders_conn_id) as hook:
        hook.policy = RetryPolicy(attempts=3)
        payload = hook.get_order(arguments.order_id, by=arguments.by, with_lines=arguments.with_lines)
        settings = hook.api.settings
    order = payload.to_order(account=settings.account, assumed_timezone=settings.assumed_timezone)
    model = order if arguments.content == "canonical" else payload
    content = model.model_dump(mode="json") if arguments.personal else redact(model)
    if arguments.json:
        screen.json(content)
        return ExitCode.DONE
    lines = content.pop("lines", None) if arguments.content == "canonical" else None
    screen.pairs(
        f"Order {order.reference or order.id} of {arguments.orders_conn_id}", list(values_of(content))
    )
    if lines:
        rows = [[_text(line.get(column)) for column in _LINE_COLUMNS] for line in lines]
        screen.table("Lines", _LINE_COLUMNS, rows)
    return ExitCode.DONE


def values_of(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Give each value with its path, such as ``customer.name``; what is absent is left out."""
    for name, value in content.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from values_of(value, f"{path}.")
        elif isinstance(value, list):
            numbered = {str(number): item for number, item in enumerate(value, 1)}
            yield from values_of(numbered, f"{path}.")
        elif value is not None:
            yield path, _text(value)


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
