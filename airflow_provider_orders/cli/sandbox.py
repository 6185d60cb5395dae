"""``sandbox``: the four vendors, faked on this machine."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from airflow_provider_orders.cli.exit_codes import ExitCode
from airflow_provider_orders.sandbox.options import OPTIONS

if TYPE_CHECKING:
    import argparse

    from airflow_provider_orders.cli.screen import Screen

__all__ = ["run"]


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Run the sandbox until it is told to stop."""
    from airflow_provider_orders.sandbox.__main__ import serve

    names = [flag.removeprefix("--").replace("-", "_") for flag in OPTIONS]
    with contextlib.redirect_stdout(screen.output):
        code = serve({name: getattr(arguments, name) for name in names})
    # A port that is taken is a matter of --port.
    return ExitCode.CONFIGURATION if code else ExitCode.DONE
