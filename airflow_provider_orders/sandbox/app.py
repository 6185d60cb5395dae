"""The ASGI application: it routes a request to its vendor, plays the faults, and writes down what happened."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route, Router

from airflow_provider_orders.sandbox.messages import Call, RecordedRequest, Refusal, Reply

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from airflow_provider_orders.sandbox.faults import ActiveFaults, Fault
    from airflow_provider_orders.sandbox.vendor import FakeVendor, Spot

__all__ = ["SandboxApp"]

_REQUESTS_KEPT = 200_000


class _Endpoint:
    """One address as Starlette sees it: it computes the reply and leaves sending to the application."""

    def __init__(self, spots: list[Spot], vendor: FakeVendor[Any], lock: threading.RLock) -> None:
        self._answers = {method: spot.answer for spot in spots for method in spot.methods}
        self._vendor = vendor
        self._lock = lock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the call that travels in the scope."""
        del receive, send
        call: Call = scope["sandbox.call"]
        call.params = scope["path_params"]
        answer = self._answers.get(call.method)
        with self._lock:
            try:
                reply = answer(call) if answer is not None else self._not_allowed(call)
            except Refusal as refusal:
                reply = refusal.reply
            scope["sandbox.reply"] = self._vendor.localise(call, reply)

    def _not_allowed(self, call: Call) -> Reply:
        """Answer a method that the address does not take."""
        reply = self._vendor.error(405, f"The {call.method} method is not supported for this route.")
        return Reply(405, reply.body, (("Allow", ", ".join(sorted(self._answers))),), reply.media_type)


class SandboxApp:
    """All vendors on one port, one path prefix each.

    :param vendors: the vendors by name.
    :param faults: the faults in force.
    :param latency_s: how long every answer takes at least.
    :param index: gives the document served at ``/``.
    :param lock: held while orders are read or changed.
    """

    def __init__(
        self,
        vendors: Mapping[str, FakeVendor[Any]],
        *,
        faults: ActiveFaults,
        latency_s: float,
        index: Callable[[str], dict[str, Any]],
        lock: threading.RLock,
    ) -> None:
        self.requests: deque[RecordedRequest] = deque(maxlen=_REQUESTS_KEPT)
        self._vendors = vendors
        self._faults = faults
        self._latency_s = latency_s
        self._index = index
        self._lock = lock
        self._routers = {name: self._router(vendor) for name, vendor in vendors.items()}

    def _router(self, vendor: FakeVendor[Any]) -> Router:
        """Give each address of a vendor a route; spots that share a path share it."""
        paths: dict[str, list[Spot]] = {}
        for spot in vendor.spots():
            paths.setdefault(f"/{vendor.name}{spot.path}", []).append(spot)
        routes = [Route(path, endpoint=_Endpoint(spots, vendor, self._lock)) for path, spots in paths.items()]
        return Router(routes=routes, default=self._unknown, redirect_slashes=False)

    async def _unknown(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an address that nobody has."""
        del receive, send
        call: Call = scope["sandbox.call"]
        if call.vendor:
            vendor = self._vendors[call.vendor]
            scope["sandbox.reply"] = vendor.localise(call, vendor.not_found(call))
        elif call.path == "/":
            scope["sandbox.reply"] = Reply.json(self._index(call.origin))
        else:
            known = ", ".join(f"/{name}" for name in self._vendors)
            scope["sandbox.reply"] = Reply.json({"message": f"The sandbox serves /, {known}."}, 404)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        call = self._call(scope, await _body(receive))
        call.drawn = self._faults.draw(call) if call.vendor else None
        slow = call.claim("slow")
        delay_s = self._latency_s + (slow.delay_s if slow is not None else 0)
        if delay_s:
            await asyncio.sleep(delay_s)
        reply = self._spoiled(call)
        if reply is None:
            scope["sandbox.call"] = call
            await self._routers.get(call.vendor, self._unknown)(scope, receive, send)
            reply = scope["sandbox.reply"]
        cut = call.claim("cut")
        self.requests.append(call.record(reply.status))
        await (_send_cut(reply, cut, send) if cut is not None else _send(reply, scope, receive, send))

    def _call(self, scope: Scope, body: bytes) -> Call:
        """Read the request."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host, port = scope.get("server") or ("localhost", 80)
        first, _, rest = scope["path"].removeprefix("/").partition("/")
        vendor = first if first in self._vendors else ""
        return Call(
            vendor=vendor,
            method=scope["method"],
            path=f"/{rest}" if vendor else scope["path"],
            origin=f"{scope['scheme']}://{headers.get('host', f'{host}:{port}')}",
            headers=headers,
            query_string=scope["query_string"].decode("latin-1"),
            body=body,
            faults=self._faults,
        )

    def _spoiled(self, call: Call) -> Reply | None:
        """Play a fault that answers in the vendor's place, before anybody looks at the credentials."""
        if not call.vendor:
            return None
        fault = call.claim("rate_limit", "server_error", "html", "redirect")
        return self._played(self._vendors[call.vendor], call, fault) if fault is not None else None

    @staticmethod
    def _played(vendor: FakeVendor[Any], call: Call, fault: Fault) -> Reply:
        """Turn such a fault into an answer."""
        if fault.kind == "html":
            return Reply.html("We will be back soon")
        if fault.kind == "redirect":
            return Reply.redirect(fault.location)
        if fault.kind == "rate_limit":
            waiting = () if fault.retry_after is None else (("Retry-After", fault.retry_after),)
            reply = vendor.error(429, "Too Many Attempts.")
            return vendor.localise(call, Reply(429, reply.body, (*reply.headers, *waiting), reply.media_type))
        # What stands in front of an API answers 502 to 504, and it speaks HTML.
        if fault.status != 500:
            return Reply.html(f"{fault.status} Service Unavailable", fault.status)
        return vendor.localise(call, vendor.crash(call))


async def _body(receive: Receive) -> bytes:
    """Read the whole body of a request; they are small."""
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def _send(reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a reply as it is."""
    response = Response(reply.body, reply.status, media_type=reply.media_type)
    for name, value in reply.headers:
        response.headers.append(name, value)
    await response(scope, receive, send)


async def _send_cut(reply: Reply, cut: Fault, send: Send) -> None:
    """Send half of a reply, then leave: the server closes the connection on an answer that is not finished."""
    headers = [(b"content-type", reply.media_type.encode())]
    if cut.variant != "chunked":
        headers.append((b"content-length", str(len(reply.body) + 1).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body[: len(reply.body) // 2], "more_body": True})
