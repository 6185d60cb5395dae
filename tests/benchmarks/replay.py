"""A server that plays back the pages of the sandbox's Popsell, so that a benchmark measures the client alone.

The sandbox renders each page anew, which takes longer than the fastest client needs to read it. This one has every
answer ready: it looks at the page's number, waits as long as it is told, and writes.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import math
import pickle
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_orders.sandbox import Sandbox, credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HEADERS", "PAGE_SIZE", "PATH", "record", "replay"]

PAGE_SIZE = 100
PATH = "/popsell/api/v2/manager/orders"
HEADERS = {
    "Authorization": f"Bearer {credentials.POPSELL_TOKEN}",
    "X-Popsell-Domain": credentials.POPSELL_DOMAIN,
}

_ORIGIN = b"RECORDED-ORIGIN"
_PAGE_NUMBER = re.compile(rb"[?&]page=(\d+)")


def record(orders: int, file: Path) -> None:
    """Write the pages of a sandbox with some orders to a file."""
    pages = []
    with Sandbox(orders=orders, live=0, step_s=math.inf) as sandbox:
        origin = sandbox.url.removeprefix("http://")
        connection = http.client.HTTPConnection(origin)
        for number in range(1, math.ceil(orders / PAGE_SIZE) + 1):
            connection.request(
                "GET", f"{PATH}?sort=id_order&page={number}&per_page={PAGE_SIZE}", headers=HEADERS
            )
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == http.HTTPStatus.OK, body
            pages.append(body.replace(origin.encode(), _ORIGIN))
        connection.close()
    assert sum(len(json.loads(page)["data"]) for page in pages) == orders
    file.write_bytes(pickle.dumps(pages))


@contextmanager
def replay(file: Path, latency_ms: int) -> Iterator[str]:
    """Play recorded pages back in a process of its own; gives the URL that stands for the sandbox's Popsell."""
    command = [sys.executable, "-m", "tests.benchmarks.replay", str(file), "--latency-ms", str(latency_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


class _Player(asyncio.Protocol):
    """One connection; requests have no bodies."""

    def __init__(self, answers: dict[int, bytes], latency_s: float) -> None:
        self._answers = answers
        self._latency_s = latency_s
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            found = _PAGE_NUMBER.search(head.partition(b"\r\n")[0])
            answer = self._answers[int(found.group(1)) if found else 1]
            if self._latency_s:
                asyncio.get_running_loop().call_later(self._latency_s, self._answer, answer)
            else:
                self._answer(answer)

    def _answer(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


async def _serve(pages: list[bytes], latency_ms: float) -> None:
    answers: dict[int, bytes] = {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Player(answers, latency_ms / 1000), "127.0.0.1", 0)
    origin = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for number, page in enumerate(pages, 1):
        body = page.replace(_ORIGIN, origin.encode())
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        answers[number] = head.encode() + body
    sys.stdout.write(f"http://{origin}/popsell\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--latency-ms", type=float, default=0)
    options = parser.parse_args()
    recorded = pickle.loads(options.file.read_bytes())  # noqa: S301 - this very program has written it
    asyncio.run(_serve(recorded, options.latency_ms))
