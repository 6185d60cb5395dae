"""How a vendor knows who asks: obtain a credential, sign with it, see that it was rejected. No I/O."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_orders.errors import AuthenticationError, ConfigurationError, OrdersError

if TYPE_CHECKING:
    from airflow_provider_orders.apis.settings import ApiSettings
    from airflow_provider_orders.http.messages import Exchange, Request, Response

__all__ = ["Auth", "HeaderAuth", "fits_header", "login_error"]

_HEADER: Final = re.compile(r"([!-~]([\t -~]*[!-~])?)?")


class Auth(ABC):
    """One way of signing in.

    ``obtain`` yields the requests of a login and receives their responses, so that one body serves the
    client of the workers and the client of the triggers.
    """

    renewable: bool = True
    """Whether a rejected credential can be replaced by signing in again."""

    @abstractmethod
    def obtain(self) -> Exchange[str]:
        """Sign in and give the credential.

        :raises AuthenticationError: the login was rejected.
        """

    @abstractmethod
    def sign(self, request: Request, credential: str) -> Request:
        """Put the credential on a request."""

    def rejects(self, response: Response) -> bool:
        """Tell whether the answer says that the credential is not (or no longer) good."""
        return response.status == 401


class HeaderAuth(Auth):
    """A credential from the connection, sent as a header.

    :param header: the header's name.
    :param secret: the credential.
    :param prefix: what stands before it, such as ``Bearer``.
    """

    renewable = False

    def __init__(self, header: str, secret: str, *, prefix: str = "") -> None:
        if not fits_header(secret):
            raise ConfigurationError(
                "password holds a line break, a space at an end or a character that no key has; copy it again.",
                field="password",
            )
        self._header = header
        self._secret = secret
        self._prefix = prefix

    def obtain(self) -> Exchange[str]:
        """Give the connection's own credential; nothing is sent."""
        yield from ()
        return self._secret

    def sign(self, request: Request, credential: str) -> Request:
        """Put the credential into the header."""
        return request.with_headers(**{self._header: f"{self._prefix}{credential}"})


def fits_header(text: str) -> bool:
    """Tell whether a text can be a header; the HTTP libraries refuse another one too, but repeat it in their error."""
    return _HEADER.fullmatch(text) is not None


def login_error(response: Response, settings: ApiSettings) -> OrdersError:
    """Word the error for a login that gave no credential.

    :param response: the answer to the login.
    :param settings: the connection.
    """
    details: dict[str, Any] = {
        "vendor": settings.vendor,
        "method": response.request.method,
        "path": response.request.path,
        "status": response.status,
    }
    if response.status == 404:
        return ConfigurationError(
            f"{settings.title} has no login at this address; check the host of the connection.",
            field="host",
            **details,
        )
    return AuthenticationError(
        f"{settings.title} rejected {settings.credentials}; check the connection.", **details
    )
