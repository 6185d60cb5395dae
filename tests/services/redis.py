"""Redis, from Debian's package; ``make services`` fetches it.

``python -m tests.services.redis`` starts one, prints its URL, and stops with Ctrl+C or SIGTERM.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from tests.services.server import Server, debian_program, library_environment, serve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Redis"]


class Redis(Server):
    """One Redis that keeps nothing on disk, started when entered."""

    name = "redis"

    def __init__(self) -> None:
        self._program = debian_program("redis", "redis-server")
        super().__init__()

    @property
    def url(self) -> str:
        """The URL of its first database."""
        return f"redis://127.0.0.1:{self.port}/0"

    def _environment(self) -> Mapping[str, str]:
        return library_environment(self._program)

    def _prepare(self) -> None:
        """Everything is an option of the command."""

    def _command(self) -> Sequence[str]:
        return [
            str(self._program),
            "--bind",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            str(self.folder),
        ]

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


if __name__ == "__main__":
    serve(Redis(), lambda redis: redis.url)
