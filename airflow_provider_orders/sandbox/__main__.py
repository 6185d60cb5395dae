"""Run the sandbox from a shell until Ctrl-C: ``python -m airflow_provider_orders.sandbox --port 8765``."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from airflow_provider_orders.sandbox.options import OPTIONS
from airflow_provider_orders.sandbox.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["main", "serve"]


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_orders.sandbox",
        description="Popsell, Dipli, Valomnia and Genuka, faked on one loopback port.",
    )
    for flag, settings in OPTIONS.items():
        parser.add_argument(flag, **settings)
    return parser


def _command(name: str, fields: dict[str, object]) -> str:
    """Write the command that adds a connection to Airflow."""
    words = ["airflow", "connections", "add", name]
    for field, value in fields.items():
        text = json.dumps(value) if isinstance(value, dict) else str(value)
        words += [f"--{field if field.startswith('conn_') else f'conn_{field}'}".replace("_", "-"), text]
    return shlex.join(words)


def summary(sandbox: Sandbox) -> str:
    """Say how to use a running sandbox.

    :param sandbox: a sandbox that has been started.
    """
    lines = [f"Sandbox of the order APIs on {sandbox.url} (what it holds: GET {sandbox.url}/)"]
    for name, vendor in sandbox.index()["vendors"].items():
        lines += ["", f"{name}  {vendor['base_url']}"]
        lines += [f"    {what:<28}{value}" for what, value in vendor["credentials"].items()]
        lines += [f"    {'live orders':<28}{' '.join(vendor['live_orders'])}"]
    lines += ["", "Connections:"]
    lines += [f"    {_command(name, fields)}" for name, fields in sandbox.connections.items()]
    return "\n".join([*lines, "", "Ctrl-C ends it.", ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sandbox until it is told to stop.

    :param arguments: the command line; what the shell gave if left out.
    :return: 0 after a signal, 1 when the port cannot be used, 2 for an argument that makes no sense.
    """
    return serve(vars(_parser().parse_args(arguments)))


def serve(options: Mapping[str, Any]) -> int:
    """Run the sandbox until it is told to stop, with the options of a command line.

    :param options: by name, as :class:`~airflow_provider_orders.sandbox.Sandbox` takes them.
    :return: as :func:`main`.
    """
    try:
        sandbox = Sandbox(**options)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        sandbox.start()
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        sys.stderr.write(f"cannot listen on {options['host']}:{options['port']}: {reason}\n")
        return 1
    with sandbox:
        sys.stdout.write(summary(sandbox))
        sys.stdout.flush()
        stopped.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
