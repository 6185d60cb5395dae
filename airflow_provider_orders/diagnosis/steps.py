"""What an examination of a connection finds, step by step."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_orders.errors import OrdersError

__all__ = ["Outcome", "Step"]


class Outcome(StrEnum):
    """How a step ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at.

    :param name: what, in one or two words.
    :param outcome: how it ended; a warning is worth knowing, but exports work.
    :param message: a sentence for a person; it holds no secret and no personal data.
    :param seconds: how long it took, None where that says nothing.
    :param details: the same in figures, for programs.
    :param error: what went wrong, of a step that failed.
    """

    name: str
    outcome: Outcome
    message: str
    seconds: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    error: OrdersError | None = None

    @classmethod
    def failure(cls, name: str, error: OrdersError, *, seconds: float | None = None) -> Step:
        """Give the step that ended with an error."""
        return cls(name, Outcome.FAILED, str(error), seconds, error=error)
