"""With which code a command ends."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from airflow_provider_orders.errors import (
    ApiUnavailableError,
    AuthenticationError,
    ConfigurationError,
    OrderFailedError,
    OrderNotFoundError,
    OrdersError,
    PaginationError,
    PermissionDeniedError,
    RateLimitedError,
    UnexpectedPayloadError,
    UnsafeRedirectError,
)

__all__ = ["ExitCode", "exit_code_of"]


class ExitCode(IntEnum):
    """With which code a command ends; see :mod:`airflow_provider_orders.cli`."""

    DONE = 0
    UNEXPECTED = 1
    CONFIGURATION = 2
    UNAVAILABLE = 3
    AUTHENTICATION = 4
    PERMISSION = 5
    NOT_FOUND = 6
    UNDOCUMENTED = 7
    ORDER_FAILED = 8
    INTERRUPTED = 130


_CODES: Final[dict[type[OrdersError], ExitCode]] = {
    ConfigurationError: ExitCode.CONFIGURATION,
    ApiUnavailableError: ExitCode.UNAVAILABLE,
    RateLimitedError: ExitCode.UNAVAILABLE,
    AuthenticationError: ExitCode.AUTHENTICATION,
    PermissionDeniedError: ExitCode.PERMISSION,
    OrderNotFoundError: ExitCode.NOT_FOUND,
    UnexpectedPayloadError: ExitCode.UNDOCUMENTED,
    PaginationError: ExitCode.UNDOCUMENTED,
    UnsafeRedirectError: ExitCode.UNDOCUMENTED,
    OrderFailedError: ExitCode.ORDER_FAILED,
}


def exit_code_of(error: OrdersError) -> ExitCode:
    """Give the code for an error."""
    return next(
        (_CODES[kind] for kind in type(error).__mro__ if kind in _CODES),
        ExitCode.UNEXPECTED,
    )
