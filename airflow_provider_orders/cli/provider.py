"""``airflow orders``: the commands as Airflow takes them from providers, from 3.2 on. Every Airflow command loads this."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_orders.cli.commands import COMMANDS, EXIT_CODES, SUMMARY

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from airflow.cli.cli_config import CLICommand

    from airflow_provider_orders.cli.commands import Command

__all__ = ["get_orders_cli_commands"]


def get_orders_cli_commands() -> list[CLICommand]:
    """Give Airflow the group of commands (provider info ``cli``)."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

    return [
        GroupCommand(
            name="orders",
            help=SUMMARY,
            description=f"{SUMMARY}.\n\n{EXIT_CODES}",
            subcommands=[
                ActionCommand(
                    name=command.name,
                    help=command.summary,
                    description=f"{command.summary}; for example: airflow orders {command.name} {command.example}",
                    func=_runner(command),
                    args=[
                        Arg(flags=option.flags, **option.settings)  # type: ignore[no-untyped-call]
                        for option in command.options
                    ],
                    epilog=EXIT_CODES,
                )
                for command in COMMANDS
            ],
        )
    ]


def _runner(command: Command) -> Callable[[argparse.Namespace], None]:
    return partial(_run_and_exit, command)


def _run_and_exit(command: Command, arguments: argparse.Namespace) -> None:
    """Run a command; Airflow ignores what it returns."""
    from airflow_provider_orders.cli.program import run

    sys.exit(run(command, arguments))
