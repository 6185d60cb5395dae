"""``airflow-orders``: reads the command line, runs the command, and turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import shutil
import sys
import textwrap
import traceback
import warnings
from importlib import import_module
from typing import TYPE_CHECKING

from airflow_provider_orders import __version__
from airflow_provider_orders.cli.commands import COMMANDS, EXIT_CODES, SUMMARY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_orders.cli.commands import Command

__all__ = ["main", "run"]


def main(words: Sequence[str] | None = None) -> int:
    """Run a command.

    :param words: the command line; what the shell gave if left out.
    :return: the exit code, see :mod:`airflow_provider_orders.cli`.
    """
    arguments = _parser().parse_args(words)
    if not arguments.debug and "airflow" not in sys.modules:
        # Read when Airflow is loaded: its own remarks are not for whoever asks about orders.
        os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"
    return run(next(command for command in COMMANDS if command.name == arguments.command), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="airflow-orders",
        description=f"{SUMMARY}, through the connections that Airflow has.",
        epilog=_epilog(*COMMANDS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"airflow-provider-orders {__version__}")
    parsers = parser.add_subparsers(dest="command", metavar="command", required=True)
    for command in COMMANDS:
        added = parsers.add_parser(
            command.name,
            help=command.summary,
            description=f"{command.summary}.",
            epilog=_epilog(command),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for option in command.options:
            added.add_argument(*option.flags, **option.settings)
    return parser


def _epilog(*commands: Command) -> str:
    """Show examples, and below them the exit codes."""
    examples = "\n".join(f"  airflow-orders {command.name} {command.example}" for command in commands)
    width = max(20, shutil.get_terminal_size().columns - 2)
    return f"{'for example' if len(commands) == 1 else 'examples'}:\n{examples}\n\n{textwrap.fill(EXIT_CODES, width)}"


def run(command: Command, arguments: argparse.Namespace) -> int:
    """Run a command whose line was read.

    :param command: which one.
    :param arguments: its options.
    :return: the exit code.
    """
    output = sys.stdout
    with _quietly(debug=arguments.debug), contextlib.redirect_stdout(sys.stderr):
        try:
            from airflow_provider_orders.cli.screen import Screen

            return int(import_module(command.module).run(arguments, Screen(output)))
        except KeyboardInterrupt:
            sys.stderr.write("\n")
            return 130
        except BrokenPipeError:
            # Whoever read the output has enough. Python would complain once more when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
            return 0
        except Exception as error:  # noqa: BLE001 - a border: each error becomes one line and an exit code
            return _report(error, arguments)


def _report(error: Exception, arguments: argparse.Namespace) -> int:
    """Say in one line what went wrong."""
    from airflow_provider_orders.cli.exit_codes import ExitCode, exit_code_of
    from airflow_provider_orders.cli.screen import printable
    from airflow_provider_orders.errors import OrdersError

    if arguments.debug:
        traceback.print_exception(error)
    if isinstance(error, OrdersError):
        code = exit_code_of(error)
        more = ""
        if code in {ExitCode.UNAVAILABLE, ExitCode.UNDOCUMENTED}:
            more = f" To see more: airflow-orders check {arguments.orders_conn_id}"
        sys.stderr.write(f"airflow-orders: {printable(str(error) + more)}\n")
        return code
    # Its text may repeat anything that passed through the program.
    hint = "" if arguments.debug else "; --debug shows where"
    sys.stderr.write(f"airflow-orders: unexpected {type(error).__name__}{hint}. Please report it.\n")
    return ExitCode.UNEXPECTED


@contextlib.contextmanager
def _quietly(*, debug: bool) -> Iterator[None]:
    """Let nobody else write to standard output, and show this package's log only to whoever asks for it."""
    ours = logging.getLogger("airflow_provider_orders")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    level, propagates = ours.level, ours.propagate
    ours.addHandler(handler)
    ours.setLevel(logging.DEBUG if debug else logging.ERROR)
    ours.propagate = False
    for other in logging.getLogger().handlers:
        if isinstance(other, logging.StreamHandler) and other.stream is sys.stdout:
            other.setStream(sys.stderr)
    try:
        with warnings.catch_warnings():
            if not debug:
                warnings.simplefilter("ignore")
            yield
    finally:
        ours.removeHandler(handler)
        ours.setLevel(level)
        ours.propagate = propagates
