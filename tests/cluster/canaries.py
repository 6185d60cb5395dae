"""Canaries: secrets and personal data that are planted everywhere, and must turn up nowhere but in exported files.

A proxy stands between the client and the sandbox. It puts canaries into every answer, errors included, gives out canary
tokens in the place of the sandbox's, and turns the client's canary credentials back into those that the sandbox knows.
All canaries hold one mark, so that a look for the mark finds each of them.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import http.client
import itertools
import json
import logging
import re
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from airflow_provider_orders.sandbox import credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from airflow_provider_orders.sandbox import Sandbox

__all__ = [
    "EMAIL",
    "MARK",
    "POSITION",
    "CanaryProxy",
    "LogCatcher",
    "exception_texts",
    "find_canaries",
    "live_objects",
    "live_reprs",
]

MARK = "zqcanary"
EMAIL = f"{MARK}.person@example.com"
POSITION = 43.7314159265

# What the client sends, and what the sandbox knows. Of an e-mail address only the part before the @ differs.
_CREDENTIALS = {
    f"{MARK}-popsell-api-key": credentials.POPSELL_API_KEY,
    f"{MARK}-popsell-token": credentials.POPSELL_TOKEN,
    f"{MARK}-popsell-password": credentials.POPSELL_PASSWORD,
    f"{MARK}-popsell-forbidden": credentials.POPSELL_FORBIDDEN_TOKEN,
    f"{MARK}-dipli-api-key": credentials.DIPLI_API_KEY,
    f"{MARK}-dipli-forbidden": credentials.DIPLI_FORBIDDEN_API_KEY,
    f"{MARK}-valomnia-password": credentials.VALOMNIA_PASSWORD,
    f"{MARK}-genuka-api-key": credentials.GENUKA_API_KEY,
    f"{MARK}-genuka-password": credentials.GENUKA_PASSWORD,
    f"{MARK}-genuka-forbidden": credentials.GENUKA_FORBIDDEN_API_KEY,
    f"{MARK}.manager": credentials.POPSELL_EMAIL.partition("@")[0],
    f"{MARK}.sales": credentials.VALOMNIA_EMAIL.partition("@")[0],
    f"{MARK}.visitor": credentials.VALOMNIA_FORBIDDEN_EMAIL.partition("@")[0],
    f"{MARK}.owner": credentials.GENUKA_EMAIL.partition("@")[0],
}

# Fields that tell something about a person, by the vendors' references.
_PERSONAL = frozenset(
    {
        "accepted_by", "additionnal", "birthdate", "bordereau_url", "chequeImage", "chequeNumber", "city", "comment",
        "company_name", "deliveryAddress", "deliveryCity", "deliveryComment", "deliveryPostalCode", "deliveryinfos",
        "email", "email_tmp", "first_name", "firstname", "gender", "last_login_ip", "last_name", "lastname", "line1",
        "line2", "note", "order_info", "phone", "postal_code", "postcode", "street", "telephone", "username",
    }
)  # fmt: skip
_PEOPLE = frozenset({"ambassador", "ambassador_chat", "buyer", "customer", "user"})
_TALKATIVE = frozenset({"dill", "sqlalchemy"})
_PLACES = frozenset({"latitude", "longitude"})
_TOKEN_FIELDS = frozenset({"token", "accessToken", "plainTextToken"})
_SESSION = re.compile(r"(JSESSIONID=)([^;]+)")


def _encodings(text: str) -> Iterator[str]:
    """Give how a text may look in another: as it is, or inside something that was encoded in base64."""
    yield text
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + text.encode()).decode().rstrip("=")
        yield encoded[4 if shift else 0 : -2]


_FORMS = [form.encode() for form in (*_encodings(MARK), str(POSITION).partition(".")[2])]
_PLAIN_FORMS = (_FORMS[0], _FORMS[-1])


def find_canaries(*texts: str | bytes) -> list[str]:
    """Give what surrounds each canary in some texts; an empty list where there is none."""
    found = []
    for text in texts:
        content = text.encode(errors="backslashreplace") if isinstance(text, str) else text
        lowered = content.lower()
        for form in _FORMS:
            haystack, needle = (lowered, form.lower()) if form in _PLAIN_FORMS else (content, form)
            start = haystack.find(needle)
            if start >= 0:
                found.append(content[max(0, start - 300) : start + 80].decode(errors="replace"))
    return found


def exception_texts(error: BaseException) -> list[str]:
    """Give every text that a log or a person could make of an exception: of it, and of those that it chains to."""
    texts = ["".join(traceback.format_exception(error))]
    link: BaseException | None = error
    while link is not None:
        texts += [str(link), repr(link), repr(link.args), repr(vars(link)), *getattr(link, "__notes__", ())]
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return texts


def live_objects(package: str = "airflow_provider_orders.") -> list[Any]:
    """Give every object of a package that is alive, but for the sandbox's."""
    return [
        thing
        for thing in gc.get_objects()
        if (module := str(type(thing).__module__)).startswith(package) and ".sandbox" not in module
    ]


def live_reprs(*, but: Iterable[Any] = ()) -> list[str]:
    """Give the ``repr`` of every object of this package that is alive.

    :param but: objects of earlier tests that something still holds; as long as they are held here, no new object
        takes their place in memory.
    """
    old = {id(thing) for thing in but}
    return [repr(thing) for thing in live_objects() if id(thing) not in old]


class LogCatcher(logging.Handler):
    """Keeps what all loggers of this process say, from DEBUG on and before anything is masked.

    But for those that repeat at length what goes into the database, which is looked at itself.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
        self.lines: list[tuple[str, int, str]] = []
        self._levels: dict[logging.Logger, tuple[int, bool]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, with its arguments and its traceback."""
        self.lines.append((record.name, record.levelno, f"{self.format(record)} {record.args!r}"))

    def texts(self) -> list[str]:
        """Give the lines."""
        return [line for _, _, line in self.lines]

    def __enter__(self) -> Self:
        root = logging.getLogger()
        names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] not in _TALKATIVE]
        named = [logging.getLogger(name) for name in names]
        for logger in (root, *named):
            self._levels[logger] = (logger.level, logger.disabled)
            logger.disabled = False
            if logger is root or logger.level > logging.DEBUG:  # each change is dear
                logger.setLevel(logging.DEBUG)
            if logger is root or not logger.propagate:
                logger.addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for logger, (level, disabled) in self._levels.items():
            logger.removeHandler(self)
            if logger.level != level:
                logger.setLevel(level)
            logger.disabled = disabled


class CanaryProxy:
    """The sandbox, with canaries in all that it says.

    :param sandbox: a running sandbox.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.on_request: Callable[[str], None] | None = None
        self.odd_headers = [("X-Debug-User", EMAIL)]
        self.planted = 0
        self.swapped: set[str] = set()
        self._secrets = dict(_CREDENTIALS)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def connections(self) -> dict[str, dict[str, Any]]:
        """The connections to it, by connection id."""
        known = {secret: canary for canary, secret in _CREDENTIALS.items()}
        connections = {}
        for conn_id, fields in self.sandbox.connections.items():
            login = fields.get("login")
            name, at, domain = (login or "").partition("@")
            connections[conn_id] = fields | {
                "host": fields["host"].replace(self.sandbox.url, self.url),
                "password": known[fields["password"]],
                **({"login": f"{known[name]}{at}{domain}"} if login else {}),
            }
        return connections

    def connection(self, vendor: str, **changes: Any) -> str:
        """Give one connection as JSON, for ``AIRFLOW_CONN_...``; None takes an extra away."""
        fields = self.connections[f"{vendor}_default"]
        extra = dict(fields.get("extra") or {})
        for name in ("host", "login", "password"):
            if name in changes:
                fields[name] = changes.pop(name)
        fields["extra"] = {name: value for name, value in (extra | changes).items() if value is not None}
        return json.dumps(fields)

    def environment(self) -> dict[str, str]:
        """Give the variables that Airflow reads the connections from."""
        return {
            f"AIRFLOW_CONN_{conn_id.upper()}": json.dumps(fields)
            for conn_id, fields in self.connections.items()
        }

    # What happens to a request, and to its answer.

    def _handler(proxy) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - self is the handler's
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if proxy.on_request is not None:
                    proxy.on_request(self.path)
                proxy.answer(self, body)

            do_GET = do_POST = _serve  # noqa: N815 - the library's names

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
                """Say nothing."""

        return Handler

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """Pass a request on, and its answer back."""
        headers = {name: self._disguised(value) for name, value in handler.headers.items()}
        sent = self._disguised(body.decode("latin-1")).encode("latin-1")
        if body:
            headers["Content-Length"] = str(len(sent))
        address = urlsplit(self.sandbox.url).netloc
        upstream = http.client.HTTPConnection(address, timeout=30)
        with contextlib.closing(upstream):
            upstream.request(handler.command, handler.path, sent or None, headers | {"Connection": "close"})
            reply = upstream.getresponse()
            try:
                content, missing = reply.read(), 0
            except http.client.IncompleteRead as cut:
                content, missing = cut.partial, 1
        content = self._planted(content, reply, cut=bool(missing))
        handler.send_response(reply.status)
        for name, value in reply.getheaders():
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                handler.send_header(name, _SESSION.sub(self._canary_session, value))
        for name, value in self.odd_headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content) + missing))
        handler.end_headers()
        handler.wfile.write(content)
        handler.close_connection = handler.close_connection or bool(missing)

    def _disguised(self, text: str) -> str:
        """Turn canary credentials into those that the sandbox knows."""
        with self._lock:
            for canary, secret in sorted(self._secrets.items(), key=lambda item: -len(item[0])):
                if canary in text:
                    self.swapped.add(canary)
                    text = text.replace(canary, secret)
        return text

    def _canary_token(self, token: str) -> str:
        with self._lock:
            for canary, secret in self._secrets.items():
                if secret == token:
                    return canary
            canary = f"{MARK}-session-{next(self._numbers):06d}"
            self._secrets[canary] = token
            return canary

    def _canary_session(self, match: re.Match[str]) -> str:
        return match[1] + self._canary_token(match[2])

    def _planted(self, content: bytes, reply: http.client.HTTPResponse, *, cut: bool) -> bytes:
        self.planted += 1
        if cut or "json" not in (reply.getheader("Content-Type") or ""):
            return content + EMAIL.encode()
        document = self._plant(json.loads(content), None)
        if reply.status >= 400 and isinstance(document, dict):
            document |= {"exception": f"no rows for {EMAIL}", "trace": [{"args": [EMAIL, f"{MARK}-secret"]}]}
        return json.dumps(document, ensure_ascii=False).encode()

    def _plant(self, value: Any, parent: str | None) -> Any:
        """Put canaries in the place of what is personal, and beside what is documented."""
        if isinstance(value, list):
            return [self._plant(item, parent) for item in value]
        if not isinstance(value, dict):
            return value
        planted = {name: self._leaf(name, item, parent) for name, item in value.items()}
        if any(name.startswith("id") for name in value):
            planted["zq_undocumented"] = {"who": EMAIL, MARK: [f"{MARK} person"]}
        return planted

    def _leaf(self, name: str, value: Any, parent: str | None) -> Any:
        if name == "shipping_address_json" and isinstance(value, str):
            with contextlib.suppress(ValueError):  # some are no JSON
                return json.dumps(self._plant(json.loads(value), name))
            return f"{value} {EMAIL}"
        if name in _TOKEN_FIELDS and isinstance(value, str):
            return self._canary_token(value)
        if name in _PLACES and value is not None:
            return POSITION
        personal = name in _PERSONAL or (parent in _PEOPLE and name in {"name", "image"})
        if personal and (value is None or isinstance(value, str)):
            return f"{MARK} {name} <{EMAIL}>"
        return self._plant(value, name)
