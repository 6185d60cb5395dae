"""The commands and their options, declared once for ``airflow-orders`` and for ``airflow orders``; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_orders.sandbox.options import OPTIONS as SANDBOX_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["COMMANDS", "EXIT_CODES", "SUMMARY", "Command", "Option"]

SUMMARY: Final = "Check connections to order APIs, and show, fetch and watch orders"

EXIT_CODES: Final = (
    "Exit codes: 0 done; 1 unexpected (see --debug); 2 usage or configuration; 3 unreachable, failing or asking to slow "
    "down; 4 credentials rejected; 5 no permission; 6 no such order; 7 answers that the vendor does not document; 8 a "
    "watched order failed or took too long; 130 stopped with Ctrl-C."
)


@dataclass(frozen=True, slots=True)
class Option:
    """One option or argument.

    :param flags: its names.
    :param settings: what ``argparse`` is told of it.
    """

    flags: tuple[str, ...]
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    :param name: what is typed.
    :param summary: what it does, in one line.
    :param module: the module whose ``run(arguments, screen)`` does it and gives the exit code.
    :param options: its options.
    :param example: what is typed behind the name, for instance.
    """

    name: str
    summary: str
    module: str
    options: tuple[Option, ...]
    example: str


def _option(*flags: str, **settings: Any) -> Option:
    return Option(flags, settings)


_CONNECTION = _option("orders_conn_id", metavar="connection", help="id of the Airflow connection")
_ORDER_ID = _option("order_id", metavar="order", help="the order's id, or its reference with --by reference")
_BY = _option("--by", default="id", help="id or reference, where the vendor has it (default: %(default)s)")
_JSON = _option("--json", action="store_true", help="print JSON")
_DEBUG = _option("--debug", action="store_true", help="show log lines, and where an error comes from")
_PERSONAL = _option("--personal", action="store_true", help="show personal data instead of ***")

_SELECTION = (
    _option(
        "--since",
        metavar="MOMENT",
        help="from when: 2026-01-31, 2026-01-31T08:00:00+01:00, or how long ago: 90m, 24h, 7d, 4w",
    ),
    _option("--until", metavar="MOMENT", help="until when, not included (default: now)"),
    _option("--all", action="store_true", help="every order, where --since is not given"),
    _option(
        "--window",
        default="updated",
        choices=("updated", "created"),
        help="what --since and --until are about: the last change of an order, or its creation (default: %(default)s)",
    ),
    _option(
        "--status",
        action="append",
        dest="statuses",
        metavar="STATUS",
        help="only this status, canonical such as delivered, or the vendor's own word; may be given several times",
    ),
    _option("--ambassador-id", metavar="ID", help="Popsell: only the orders of this ambassador"),
    _option(
        "--param",
        action="append",
        dest="params",
        metavar="NAME=VALUE",
        help="a filter of the vendor's own, by its documented name; may be given several times",
    ),
    _option(
        "--with-lines",
        action="store_true",
        help="also fetch the order lines where the listing leaves them out; of Valomnia with one more request an order",
    ),
)

COMMANDS: Final = (
    Command(
        "check",
        "Examine a connection: network, login, permission, clock, pages, orders, speed",
        "airflow_provider_orders.cli.check",
        (_CONNECTION, _JSON, _DEBUG),
        "genuka_default",
    ),
    Command(
        "plan",
        "Estimate how many requests and minutes an export takes, and say what it can miss",
        "airflow_provider_orders.cli.plan",
        (
            _CONNECTION,
            *_SELECTION,
            _option(
                "--incremental",
                action="store_true",
                help="estimate an export with mode='incremental': --since is when the last one ran, --all means the first",
            ),
            _JSON,
            _DEBUG,
        ),
        "genuka_default --since 30d",
    ),
    Command(
        "fetch",
        "Export orders into a file",
        "airflow_provider_orders.cli.fetch",
        (
            _CONNECTION,
            *_SELECTION,
            _option(
                "--output",
                required=True,
                metavar="PATH",
                help="a file, named after its format such as orders.jsonl.gz, or a folder; local, or the URL of a storage",
            ),
            _option(
                "--format",
                dest="file_format",
                choices=("jsonl", "parquet"),
                help="jsonl: each order on a line, as JSON; parquet: a table, one shape for all vendors, with the extra "
                "parquet (default: as PATH ends, else jsonl)",
            ),
            _option(
                "--compression",
                choices=("gzip", "zstd", "snappy", "none"),
                help="jsonl: none, gzip, or zstd with the extra zstd (default: as PATH ends, else none); parquet: snappy, "
                "gzip or zstd (default: snappy)",
            ),
            _option(
                "--content",
                choices=("raw", "vendor", "canonical"),
                help="jsonl: the vendor's bytes, its validated payload, or one shape for all vendors (default: raw)",
            ),
            _option("--limit", metavar="N", help="orders to write at the most (default: no limit)"),
            _option(
                "--on-reject",
                default="fail",
                choices=("fail", "keep"),
                help="an order that is not as documented: write nothing, or keep it in a file beside with the reason "
                "(default: %(default)s)",
            ),
            _JSON,
            _DEBUG,
        ),
        "genuka_default --since 7d --output orders.jsonl.gz",
    ),
    Command(
        "show",
        "Show one order",
        "airflow_provider_orders.cli.show",
        (
            _CONNECTION,
            _ORDER_ID,
            _BY,
            _option(
                "--content",
                default="canonical",
                choices=("vendor", "canonical"),
                help="the vendor's own payload, or one shape for all vendors (default: %(default)s)",
            ),
            _option(
                "--with-lines",
                action="store_true",
                help="also fetch the lines where they are apart (Valomnia)",
            ),
            _PERSONAL,
            _JSON,
            _DEBUG,
        ),
        "genuka_default 01k6fkdt80jzgwmb2155myf47x",
    ),
    Command(
        "watch",
        "Print each change of an order, until it has a wanted status or Ctrl-C",
        "airflow_provider_orders.cli.watch",
        (
            _CONNECTION,
            _ORDER_ID,
            _BY,
            _option(
                "--wanted",
                action="append",
                metavar="STATUS",
                help="stop at this status (default: the vendor's end)",
            ),
            _option(
                "--failed", action="append", metavar="STATUS", help="stop at this status, with exit code 8"
            ),
            _option("--axis", help="what the statuses are about: order, payment or fulfillment"),
            _option(
                "--every",
                type=float,
                default=30.0,
                metavar="SECONDS",
                help="how often to look (default: %(default)g)",
            ),
            _option(
                "--timeout", type=float, metavar="SECONDS", help="stop after this long, with exit code 8"
            ),
            _JSON,
            _DEBUG,
        ),
        "genuka_default 01k6fkdt80jzgwmb2155myf47x --wanted delivered",
    ),
    Command(
        "sandbox",
        "Run the order APIs of all vendors, faked, on this machine, to try things without an account",
        "airflow_provider_orders.cli.sandbox",
        (*(Option((flag,), settings) for flag, settings in SANDBOX_OPTIONS.items()), _DEBUG),
        "--port 8765 --faults flaky",
    ),
)
"""The commands."""
