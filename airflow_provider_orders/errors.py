"""What can go wrong, sorted by what the reader should do.

::

    OrdersError
    +-- ConfigurationError       fix the connection or the argument that is named
    +-- AuthenticationError      the credentials were rejected (401)
    +-- PermissionDeniedError    signed in, but not allowed to read this (403)
    +-- OrderNotFoundError       there is no such order (404)
    +-- RateLimitedError         too many requests (429): wait ``retry_after_s``
    +-- ApiUnavailableError      5xx, network or time-out, after the retries: try later
    +-- UnexpectedPayloadError   the answer is not what the vendor documents
    +-- PaginationError          pages repeat, or do not add up to the vendor's own total
    +-- UnsafeRedirectError      a link or redirect leaves the connection's origin
    +-- OrderFailedError         an awaited order reached a failed status: look at the order

No error carries a secret, a response body, a query string or an order's personal data.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowException

__all__ = [
    "ApiUnavailableError",
    "AuthenticationError",
    "ConfigurationError",
    "OrderFailedError",
    "OrderNotFoundError",
    "OrdersError",
    "PaginationError",
    "PermissionDeniedError",
    "RateLimitedError",
    "UnexpectedPayloadError",
    "UnsafeRedirectError",
]


class OrdersError(AirflowException):
    """Root of this package's errors.

    Derives from ``AirflowException`` because the ``soft_fail`` of a deferred sensor looks for it.

    :param message: what happened, to which order or field, and what to do.
    :param vendor: the vendor asked, such as ``genuka``.
    :param method: HTTP method of the request concerned.
    :param path: its path, without host and query.
    :param status: HTTP status of the last answer, None where there was none.
    :param attempts: how often the request was sent.
    """

    def __init__(
        self,
        message: str,
        *,
        vendor: str | None = None,
        method: str | None = None,
        path: str | None = None,
        status: int | None = None,
        attempts: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.vendor = vendor
        self.method = method
        self.path = path
        self.status = status
        self.attempts = attempts

    def __str__(self) -> str:
        request = " ".join(part for part in (self.vendor, self.method, self.path) if part)
        details = [request] if request else []
        if self.status is not None:
            details.append(f"HTTP {self.status}")
        if self.attempts is not None and self.attempts > 1:
            details.append(f"{self.attempts} attempts")
        return f"{self.message} [{', '.join(details)}]" if details else self.message


class ConfigurationError(OrdersError):
    """A field of the connection or an argument is wrong: found before anything was sent, or refused by the vendor.

    :param field: the field or argument to correct.
    """

    def __init__(self, message: str, *, field: str | None = None, **details: object) -> None:
        super().__init__(message, **details)  # type: ignore[arg-type]
        self.field = field


class AuthenticationError(OrdersError):
    """The vendor rejected the credentials."""


class PermissionDeniedError(OrdersError):
    """The credentials are good, but may not read what was asked for."""


class OrderNotFoundError(OrdersError):
    """The vendor has no such order."""


class RateLimitedError(OrdersError):
    """The vendor asks to slow down, for longer than the client waits by itself.

    :param retry_after_s: seconds until the vendor will answer again, None where it does not say.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None, **details: object) -> None:
        super().__init__(message, **details)  # type: ignore[arg-type]
        self.retry_after_s = retry_after_s


class ApiUnavailableError(OrdersError):
    """The vendor could not be reached or failed, and retrying did not help.

    :param retry_after_s: seconds until the vendor will answer again, None where it does not say.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None, **details: object) -> None:
        super().__init__(message, **details)  # type: ignore[arg-type]
        self.retry_after_s = retry_after_s


class UnexpectedPayloadError(OrdersError):
    """The answer is not what the vendor documents; the message names the order and the field."""


class PaginationError(OrdersError):
    """The pages of a listing repeat or do not add up; going on could lose orders."""


class UnsafeRedirectError(OrdersError):
    """A link or redirect points away from the connection's scheme, host and port; it was not followed."""


class OrderFailedError(OrdersError):
    """An awaited order reached one of the failed statuses, so that it will not reach a wanted one."""
