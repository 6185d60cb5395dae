"""What a connection says, checked once: where to send, who asks, how fast."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
)

from airflow_provider_orders.errors import ConfigurationError, UnsafeRedirectError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ORDER_ID", "ApiSettings", "ConnectionFields", "Origin", "page_problem"]

ORDER_ID = "{order_id}"
"""What stands for the order's id in the pattern of an address."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ConnectionFields:
    """The fields of a stored connection, as Airflow names them.

    :param conn_id: its id, for messages.
    :param host: host name or URL, with an optional port and path prefix.
    :param schema: ``http`` or ``https``, where the host names none.
    :param port: port, where the host names none.
    :param login: user name.
    :param password: the secret.
    :param extra: the named extras; None and empty values count as absent.
    """

    conn_id: str
    host: str | None = None
    schema: str | None = None
    port: int | None = None
    login: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port that credentials may travel to.

    :param scheme: ``http`` or ``https``.
    :param host: host name, lower case.
    :param port: port number.
    """

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        """Read the origin of an absolute URL.

        :raises ValueError: it has no host, another scheme, or a port that is no number.
        """
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError("not an absolute http or https URL")
        return cls(parts.scheme, parts.hostname.lower(), parts.port or _DEFAULT_PORTS[parts.scheme])

    def check(self, link: str, *, vendor: str, what: str) -> None:
        """Refuse a link that leaves this origin; a relative one stays within it.

        :raises UnsafeRedirectError: another scheme, host or port, or an unreadable link.
        """
        try:
            parts = urlsplit(link)
            if not parts.scheme and not parts.netloc:
                return
            target = self.of(link if parts.scheme else f"{self.scheme}:{link}")
        except ValueError:
            raise UnsafeRedirectError(
                f"{what} is no usable address; it was not followed.", vendor=vendor
            ) from None
        if target != self:
            raise UnsafeRedirectError(
                f"{what} leads to {target}, away from the connection's {self}; nothing was sent there. "
                "If the API has moved, change the host of the connection.",
                vendor=vendor,
            )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise ValueError("is no time zone name such as Europe/Paris") from None
    return name


def page_problem(url: str, *, allow_http: bool = False) -> str | None:
    """Say why an address is not fit to be shown as a link; None where it is.

    :param allow_http: whether plain http may lead to another machine.
    """
    try:
        parts, origin = urlsplit(url), Origin.of(url)
    except ValueError:
        return "is no address; write it as https://admin.example.com"
    if any(character.isspace() or not character.isprintable() for character in url):
        return "is no address; leave out spaces and line breaks"
    if parts.username is not None or parts.password is not None:
        return "holds a user name, which everybody would see who sees the link; leave it out"
    if origin.scheme == "http" and not (allow_http or _is_loopback(origin.host)):
        return "is plain http; use https, or set allow_http"
    return None


def _console_url(pattern: str, info: ValidationInfo) -> str:
    filled = pattern.replace(ORDER_ID, "0")
    if filled == pattern or "{" in filled or "}" in filled:
        raise ValueError(
            f"must hold {ORDER_ID} where the order's id belongs, and no other braces, such as "
            f"https://admin.example.com/orders/{ORDER_ID}"
        )
    problem = page_problem(filled, allow_http=bool((info.context or {}).get("allow_http")))
    if problem is None and ORDER_ID in urlsplit(pattern).netloc:
        problem = f"has {ORDER_ID} in the name of the host; it belongs behind it"
    if problem is not None:
        raise ValueError(problem)
    return pattern


class ApiSettings(BaseModel):
    """The checked connection of one vendor; each vendor adds its own fields.

    :param conn_id: id of the connection, for messages.
    :param base_url: scheme, host, port and path prefix that every path is appended to, without a slash at its end.
    :param login: user name, where the vendor wants one.
    :param password: the secret: key, token or password.
    :param page_size: orders asked for in one page.
    :param concurrency: pages asked for at the same time.
    :param timeout_s: seconds to wait for a connection, and for the next bytes of an answer.
    :param requests_per_minute: upper bound of this client's requests; None for none.
    :param assumed_timezone: zone of dates that the vendor writes without one.
    :param console_url: address of an order's page in the back office, with ``{order_id}`` for its id.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    vendor: ClassVar[str]
    title: ClassVar[str]
    default_host: ClassVar[str | None] = None
    default_page_size: ClassVar[int] = 100
    max_page_size: ClassVar[int] = 100
    password_is: ClassVar[str] = "the API key"  # noqa: S105 - words for a message, not a secret

    conn_id: str
    base_url: str
    login: str | None = Field(default=None, repr=False)
    password: SecretStr
    page_size: int = Field(default=0, ge=1)
    concurrency: int = Field(default=4, ge=1, le=32)
    timeout_s: float = Field(default=30.0, gt=0, le=600)
    requests_per_minute: int | None = Field(default=None, ge=1)
    assumed_timezone: Annotated[str, AfterValidator(_time_zone)] | None = None
    console_url: Annotated[str, AfterValidator(_console_url)] | None = None

    @classmethod
    def from_connection(cls, connection: ConnectionFields) -> Self:
        """Check a stored connection.

        :raises ConfigurationError: a field is missing or wrong; the error names the field and the fix.
        """
        extra = {name: value for name, value in connection.extra.items() if value is not None and value != ""}
        allow_http = extra.pop("allow_http", False)
        if str(allow_http) not in {"true", "false", "True", "False"}:
            raise cls.refuse(connection.conn_id, "allow_http", "must be true or false")
        allows_http = str(allow_http) in {"true", "True"}
        base_url = cls._base_url(connection, allow_http=allows_http)
        if not connection.password:
            raise cls.refuse(connection.conn_id, "password", f"is missing; put {cls.password_is} there")
        reserved = {"conn_id", "base_url", "login", "password"} & extra.keys()
        if reserved:
            name = min(reserved)
            raise cls.refuse(connection.conn_id, name, "is no extra; use the connection's own field")
        values = {
            "page_size": cls.default_page_size,
            **extra,
            "conn_id": connection.conn_id,
            "base_url": base_url,
            "login": connection.login or None,
            "password": connection.password,
        }
        try:
            settings = cls.model_validate(values, context={"allow_http": allows_http})
        except ValidationError as error:
            raise cls._explain(connection.conn_id, error) from None
        if settings.page_size > cls.max_page_size:
            raise cls.refuse(
                connection.conn_id, "page_size", f"is above {cls.title}'s maximum of {cls.max_page_size}"
            )
        settings.check()
        return settings

    def check(self) -> None:
        """Refuse fields that are each valid but do not fit together. Vendors override it."""

    @property
    def origin(self) -> Origin:
        """The only place that credentials are sent to."""
        return Origin.of(self.base_url)

    @property
    def account(self) -> str:
        """What tells this customer's orders from another's; the host, unless the vendor overrides it.

        Exports of one account share their state, and a full one into a table marks what it did not see of the account as
        deleted. So a vendor whose customers share a host has to override it: with an id that the connection names anyway,
        such as a company's, else with a name that the user may give, and ``conn_id`` by default.
        """
        return self.origin.host

    @property
    def credentials(self) -> str:
        """What this connection signs in with, in words for an error."""
        return "the API key"

    @classmethod
    def refuse(cls, conn_id: str, name: str, reason: str) -> ConfigurationError:
        """Word the error for one wrong field of a connection."""
        return ConfigurationError(
            f"Connection {conn_id!r} ({cls.title}): {name} {reason}.", field=name, vendor=cls.vendor
        )

    @classmethod
    def _base_url(cls, connection: ConnectionFields, *, allow_http: bool) -> str:
        def refuse(reason: str) -> ConfigurationError:
            return cls.refuse(connection.conn_id, "host", reason)

        host = (connection.host or cls.default_host or "").strip()
        if not host:
            raise refuse(
                "is missing; put the address of your account there, such as https://shop.example.com"
            )
        if connection.schema and connection.schema not in _DEFAULT_PORTS:
            raise cls.refuse(connection.conn_id, "schema", "must be http or https, or empty")
        url = host if "://" in host else f"{connection.schema or 'https'}://{host}"
        try:
            parts = urlsplit(url)
            origin = Origin.of(url)
            port = parts.port or connection.port
            origin.host.encode("idna")  # as the clients do; it refuses an empty or endless part of a name
        except ValueError:
            raise refuse("is no address; write it as https://shop.example.com") from None
        if (
            any(character.isspace() for character in url)
            or "%" in origin.host
            or parts.query
            or parts.fragment
        ):
            raise refuse("is no address; write it as https://shop.example.com, without spaces, ? and #")
        if parts.username is not None or parts.password is not None:
            raise refuse("holds a user name; use the fields login and password")
        if origin.scheme == "http" and not (allow_http or _is_loopback(origin.host)):
            raise refuse(
                "is plain http, which would send the credentials in clear; use https, or set allow_http"
            )
        name = f"[{parts.hostname}]" if ":" in origin.host else origin.host
        return f"{origin.scheme}://{name}{f':{port}' if port else ''}{parts.path.rstrip('/')}"

    @classmethod
    def _explain(cls, conn_id: str, error: ValidationError) -> ConfigurationError:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or "extra"
        if first["type"] == "missing":
            return cls.refuse(conn_id, name, "is missing")
        if first["type"] == "extra_forbidden":
            known = sorted(
                set(cls.model_fields) - {"conn_id", "base_url", "login", "password"} | {"allow_http"}
            )
            return cls.refuse(
                conn_id, name, f"is no extra of this connection type, which has {', '.join(known)}"
            )
        reason = first["msg"].removeprefix("Value error, ").replace("Input should", "should", 1)
        return cls.refuse(conn_id, name, reason)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
