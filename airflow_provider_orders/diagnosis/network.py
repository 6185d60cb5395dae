"""Whether a host can be reached: its name, a connection, its certificate. Nothing is asked of it yet."""

from __future__ import annotations

import os
import socket
import ssl
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies, select_proxy

from airflow_provider_orders.diagnosis.steps import Outcome, Step
from airflow_provider_orders.errors import ApiUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_orders.apis.settings import ApiSettings, Origin

__all__ = ["examine_network"]

_SOON_DAYS = 14
"""A certificate that ends sooner is worth a warning."""


def examine_network(settings: ApiSettings) -> Iterator[Step]:
    """Look the host up, connect to it, and check its certificate; stops at the first failure.

    :param settings: the connection.
    """
    origin = settings.origin
    if select_proxy(settings.base_url, get_environ_proxies(settings.base_url)):
        message = f"{origin.host} is reached through the proxy that the environment names."
        yield Step("dns", Outcome.SKIPPED, message)
        yield Step("tls", Outcome.SKIPPED, message)
        return
    names = _look_up(origin, settings.vendor)
    yield names
    if names.outcome is not Outcome.FAILED:
        yield _connect(origin, settings)


def _look_up(origin: Origin, vendor: str) -> Step:
    started = time.monotonic()
    try:
        found = socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return Step.failure(
            "dns",
            ApiUnavailableError(
                f"The name {origin.host} is not known here; check host of the connection, and the DNS of this machine.",
                vendor=vendor,
            ),
            seconds=time.monotonic() - started,
        )
    addresses = sorted({str(entry[4][0]) for entry in found})
    words = f"{origin.host} is {', '.join(addresses[:3])}{' and others' if len(addresses) > 3 else ''}."
    return Step(
        "dns",
        Outcome.OK,
        "The connection names an address." if addresses == [origin.host] else words,
        time.monotonic() - started,
        {"addresses": addresses},
    )


def _connect(origin: Origin, settings: ApiSettings) -> Step:
    started = time.monotonic()

    def failed(words: str) -> Step:
        error = ApiUnavailableError(words, vendor=settings.vendor)
        return Step.failure("tls", error, seconds=time.monotonic() - started)

    try:
        with socket.create_connection((origin.host, origin.port), timeout=settings.timeout_s) as plain:
            if origin.scheme == "http":
                return Step(
                    "tls",
                    Outcome.OK,
                    f"Connected to {origin}; plain http, as the connection allows.",
                    time.monotonic() - started,
                    {"encrypted": False},
                )
            with _context().wrap_socket(plain, server_hostname=origin.host) as encrypted:
                return _certificate(encrypted, time.monotonic() - started)
    except ssl.SSLCertVerificationError as error:
        return failed(
            f"The certificate of {origin} is not accepted: {error.verify_message}; check host of the connection, and "
            "whether REQUESTS_CA_BUNDLE has to name the certificates of your company."
        )
    except ssl.SSLError:
        return failed(f"{origin} does not speak TLS as expected; check host and port of the connection.")
    except TimeoutError:
        return failed(
            f"{origin} does not answer within {settings.timeout_s:g} s; check host and port, and the firewall."
        )
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else "no connection"
        return failed(f"{origin} cannot be reached ({reason}); check host and port, and the firewall.")


def _context() -> ssl.SSLContext:
    """Trust what the client trusts."""
    bundle = (
        os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH
    )
    if os.path.isdir(bundle):  # noqa: PTH112 - a text is needed
        return ssl.create_default_context(capath=bundle)
    return ssl.create_default_context(cafile=bundle)


def _certificate(connection: ssl.SSLSocket, seconds: float) -> Step:
    certificate = connection.getpeercert() or {}
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    left = (ends - datetime.now(UTC)).days
    return Step(
        "tls",
        Outcome.WARNING if left < _SOON_DAYS else Outcome.OK,
        f"{connection.version()}; the certificate is valid until {ends:%Y-%m-%d}, {left} days.",
        seconds,
        {"encrypted": True, "version": connection.version(), "valid_until": ends.isoformat()},
    )
