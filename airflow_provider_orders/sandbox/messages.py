"""What passes between the server and a fake vendor: a call, a reply, and the record that tests read."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_orders.sandbox.faults import ActiveFaults, Fault, FaultKind

__all__ = ["CREDENTIAL_HEADERS", "Call", "RecordedRequest", "Refusal", "Reply"]

CREDENTIAL_HEADERS = ("apikey", "authorization", "cookie", "x-api-key")


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request as the sandbox saw it; it never holds the value of a credential.

    :param vendor: the vendor addressed, empty for anything else.
    :param method: the HTTP method.
    :param path: the whole path, with the vendor's prefix, decoded.
    :param query: the query parameters; of a repeated one, the last.
    :param status: the status answered.
    :param authenticated: whether the credentials were accepted.
    :param credential_headers: names (lower case, sorted) of the headers that carried credentials.
    :param fault: the fault that was played on this request, if any.
    """

    vendor: str
    method: str
    path: str
    query: Mapping[str, str]
    status: int
    authenticated: bool
    credential_headers: tuple[str, ...]
    fault: FaultKind | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer before it is sent."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    media_type: str = "application/json"

    @classmethod
    def json(cls, payload: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
        """Answer with a JSON document.

        :param payload: what to serialise.
        :param status: the HTTP status.
        :param headers: further headers.
        """
        return cls(status, msgspec.json.encode(payload), headers)

    @classmethod
    def html(cls, title: str, status: int = 200) -> Reply:
        """Answer with a small web page.

        :param title: the page's title and only heading.
        :param status: the HTTP status.
        """
        page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
        return cls(status, page.encode(), (), "text/html; charset=UTF-8")

    @classmethod
    def redirect(cls, location: str, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
        """Answer 302.

        :param location: where to.
        :param headers: further headers, such as a cookie.
        """
        return cls(302, b"", (("Location", location), *headers), "text/html; charset=UTF-8")


class Refusal(Exception):  # noqa: N818 - an answer, not an error of the sandbox
    """Raised by a handler to answer at once with an error.

    :param reply: the answer.
    """

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@dataclass(slots=True)
class Call:
    """One request on its way through the sandbox.

    :param vendor: the vendor addressed.
    :param method: the HTTP method.
    :param path: the path below the vendor's prefix, decoded.
    :param origin: scheme, host and port as the client wrote them.
    :param headers: the headers, names in lower case.
    :param query_string: the raw query.
    :param body: the request's body.
    :param faults: the faults that may be played on this call.
    """

    vendor: str
    method: str
    path: str
    origin: str
    headers: Mapping[str, str]
    query_string: str
    body: bytes
    faults: ActiveFaults
    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(init=False)
    authenticated: bool = False
    drawn: Fault | None = None
    fault: FaultKind | None = None

    def __post_init__(self) -> None:
        self.query = MappingProxyType(dict(parse_qsl(self.query_string, keep_blank_values=True)))

    @property
    def url(self) -> str:
        """The address of this call without its query."""
        return f"{self.origin}/{self.vendor}{self.path}"

    @property
    def base_url(self) -> str:
        """The address of the vendor addressed."""
        return f"{self.origin}/{self.vendor}"

    def claim(self, *kinds: FaultKind) -> Fault | None:
        """Take a fault of one of the kinds that is due on this call.

        :param kinds: the kinds that make sense at this point.
        :return: the fault to play, or nothing.
        """
        fault = self.faults.claim(self, kinds)
        if fault is not None:
            self.fault = fault.kind
        return fault

    def form(self) -> dict[str, str]:
        """Read a form body, completed by the query string."""
        return {**self.query, **dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))}

    def json_object(self) -> dict[str, Any]:
        """Read a JSON body; anything but an object counts as an empty one."""
        try:
            document = msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            return {}
        return document if isinstance(document, dict) else {}

    def record(self, status: int) -> RecordedRequest:
        """Write down what happened, without the credentials themselves.

        :param status: the status answered.
        """
        names = tuple(name for name in CREDENTIAL_HEADERS if name in self.headers)
        path = f"/{self.vendor}{self.path}" if self.vendor else self.path
        return RecordedRequest(
            self.vendor, self.method, path, self.query, status, self.authenticated, names, self.fault
        )
