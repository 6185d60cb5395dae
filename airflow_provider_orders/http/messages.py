"""The words in which vendors and clients speak: a request to send, the response that came.

A leaf: vendors build requests and read responses without knowing how either travels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlencode

from airflow_provider_orders.errors import UnexpectedPayloadError

__all__ = ["Exchange", "Request", "Response"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, relative to the connection's base URL.

    The query, the body and the headers stay out of ``repr``: they may hold credentials or personal data.

    :param method: HTTP method.
    :param path: path below the base URL, already percent-encoded, starting with a slash.
    :param params: query parameters, in order.
    :param headers: headers of this request alone.
    :param form: fields of a form body.
    :param json: value of a JSON body.
    :param repeatable: whether it may be sent again after a failure although it is no GET
        (a login changes nothing but the session).
    :param follow_redirects: whether a redirect within the origin is followed. The auth of a vendor that
        answers a login with a redirect reads it instead.
    :param expects_json: whether a successful answer must be JSON.
    :param decode: reads a successful JSON body, so that it is not read twice: once to see that it is whole, and once for
        what it says. It raises ``msgspec.ValidationError`` for JSON of another shape, ``msgspec.DecodeError`` for no JSON.
    """

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    json: Any = field(default=None, repr=False)
    repeatable: bool = False
    follow_redirects: bool = True
    expects_json: bool = True
    decode: Callable[[bytes], Any] | None = field(default=None, repr=False, compare=False)

    @property
    def may_repeat(self) -> bool:
        """Whether sending it twice does no harm."""
        return self.method == "GET" or self.repeatable

    @property
    def target(self) -> str:
        """Path and query, as sent."""
        return f"{self.path}?{urlencode(self.params)}" if self.params else self.path

    def with_headers(self, **headers: str) -> Request:
        """Give a copy with more headers; an underscore in a name stands for a dash."""
        added = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **added})

    def body(self) -> tuple[bytes | None, str | None]:
        """Give the encoded body and its content type."""
        if self.form is not None:
            return urlencode(self.form).encode(), "application/x-www-form-urlencoded"
        if self.json is not None:
            return json.dumps(self.json).encode(), "application/json"
        return None, None


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer, read to its end.

    :param request: what was asked, as it was signed.
    :param status: HTTP status.
    :param headers: headers, names in lower case.
    :param body: the decoded body.
    :param cookies: values of the cookies that this answer sets.
    :param attempts: how often the request was sent until this answer came.
    :param decoded: what the request's ``decode`` gave, None where it could not read the body.
    """

    request: Request = field(repr=False)
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    attempts: int = 1
    decoded: Any = field(default=None, repr=False)

    @property
    def location(self) -> str | None:
        """Where a redirect points, None for any other answer."""
        return self.headers.get("location") if self.status in {301, 302, 303, 307, 308} else None

    def json(self) -> Any:
        """Decode the body.

        :raises UnexpectedPayloadError: it is not JSON.
        """
        try:
            return json.loads(self.body)
        except ValueError:
            raise UnexpectedPayloadError(
                "The answer is not JSON where the vendor documents JSON.",
                path=self.request.path,
                status=self.status,
            ) from None

    def json_object(self) -> dict[str, Any]:
        """Decode the body where an object is documented; anything else counts as an empty one.

        For envelopes of errors and logins, which are looked into leniently.
        """
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


Exchange: TypeAlias = Generator[Request, Response, _T]
"""Requests going out, responses coming in, a result at the end: I/O described without doing any."""
