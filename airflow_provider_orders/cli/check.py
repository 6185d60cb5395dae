"""``check``: does a connection work, and if not, why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_orders.cli.connect import find_hook, mask
from airflow_provider_orders.cli.exit_codes import ExitCode, exit_code_of
from airflow_provider_orders.diagnosis.examination import STEPS, examine
from airflow_provider_orders.diagnosis.steps import Outcome, Step
from airflow_provider_orders.errors import ConfigurationError, OrderNotFoundError, OrdersError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from airflow_provider_orders.cli.screen import Screen

__all__ = ["run"]


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Examine a connection, and give the code of the first step that failed."""
    steps = []
    code = ExitCode.DONE
    for step in _steps(arguments.orders_conn_id):
        steps.append(step)
        if not arguments.json and (code == ExitCode.DONE or step.outcome is not Outcome.SKIPPED):
            screen.outcome(step.name, step.outcome, step.message)
        if step.error is not None and code == ExitCode.DONE:
            code = _code(step.error)
    if arguments.json:
        screen.json(
            {
                "orders_conn_id": arguments.orders_conn_id,
                "works": code == ExitCode.DONE,
                "exit_code": int(code),
                "steps": [_as_dict(step) for step in steps],
            }
        )
    return code


def _steps(orders_conn_id: str) -> Iterator[Step]:
    try:
        hook = find_hook(orders_conn_id)
        api = hook.api
    except ConfigurationError as error:
        yield Step.failure("connection", error)
        for name in STEPS:
            yield Step(name, Outcome.SKIPPED, "Not examined, because of the failure above.")
        return
    yield Step(
        "connection",
        Outcome.OK,
        f"{orders_conn_id} is a connection to {api.title} at {api.settings.origin}.",
        None,
        {"conn_type": hook.conn_type, "origin": str(api.settings.origin)},
    )
    yield from examine(api, mask=mask)


def _code(error: OrdersError) -> ExitCode:
    # No order was asked for that could be missing: it is the address.
    return ExitCode.CONFIGURATION if isinstance(error, OrderNotFoundError) else exit_code_of(error)


def _as_dict(step: Step) -> dict[str, Any]:
    return {
        "name": step.name,
        "outcome": step.outcome.value,
        "message": step.message,
        "seconds": None if step.seconds is None else round(step.seconds, 3),
        "details": dict(step.details),
    }
