"""The options of the sandbox on a command line; reading them loads no server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_orders.sandbox.clock import BASE_DATE
from airflow_provider_orders.sandbox.faults import FAULT_KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OPTIONS", "moment"]


def moment(text: str) -> datetime:
    """Read ``now``, a day, or a day with time.

    :param text: what stands on the command line.
    """
    given = datetime.now(UTC) if text == "now" else datetime.fromisoformat(text)
    return given if given.tzinfo else given.replace(tzinfo=UTC)


_DEFAULT: Final = "(default: %(default)s)"

OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "--host": {"default": "127.0.0.1", "help": f"address to listen on {_DEFAULT}"},
    "--port": {"type": int, "default": 8765, "help": f"port; 0 picks a free one {_DEFAULT}"},
    "--orders": {"type": int, "default": 500, "help": f"orders of each vendor {_DEFAULT}"},
    "--seed": {"type": int, "default": 1, "help": f"chooses the data {_DEFAULT}"},
    "--faults": {
        "default": "none",
        "help": f"none, flaky, or kind:chance,...; kinds are {', '.join(FAULT_KINDS)} {_DEFAULT}",
    },
    "--latency-ms": {
        "type": float,
        "default": 0,
        "help": f"how long every answer takes at least {_DEFAULT}",
    },
    "--step-s": {
        "type": float,
        "default": 10.0,
        "help": f"seconds between two stages of a live order {_DEFAULT}",
    },
    "--live": {"type": int, "default": 5, "help": f"orders of each vendor that move with time {_DEFAULT}"},
    "--cycle": {
        "type": int,
        "default": 0,
        "help": f"after how many stages the live orders start over, 0 for never {_DEFAULT}",
    },
    "--genuka-envelope": {"default": "pagination", "help": f"pagination or meta {_DEFAULT}"},
    "--base-date": {
        "type": moment,
        "default": BASE_DATE,
        "metavar": "DATE",
        "help": f"the sandbox's present, or now {_DEFAULT}",
    },
}
"""Each option with what ``argparse`` is told of it."""
