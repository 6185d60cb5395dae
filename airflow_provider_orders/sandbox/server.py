"""uvicorn in a thread: it starts before the call returns, and stops without noise."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from starlette.types import ASGIApp

__all__ = ["Server"]

_LOGGERS = (logging.getLogger("uvicorn.error"), logging.getLogger("uvicorn.access"))
_START_TIMEOUT_S = 30.0


class _Announcing(uvicorn.Server):
    """A uvicorn server that says when it is ready, and leaves signals to the process that started it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell the thread that waits."""
        await super().startup(sockets)
        self.ready.set()


class _Silence(logging.Filter):
    """Drops what uvicorn says in the sandbox's own thread, but for a crash: answers cut short are made on purpose."""

    def __init__(self, thread: threading.Thread) -> None:
        super().__init__()
        self._thread = thread

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the records of any other server in this process, and of exceptions in this one."""
        if record.thread != self._thread.ident:
            return True
        return record.exc_info is not None and not isinstance(record.exc_info[1], asyncio.CancelledError)


class Server:
    """One ASGI application on one port, served by a thread.

    :param app: the application.
    :param host: the address to listen on.
    :param port: the port; 0 picks a free one.
    """

    def __init__(self, app: ASGIApp, *, host: str, port: int) -> None:
        self._app = app
        self._host = host
        self._requested_port = port
        self._server: _Announcing | None = None
        self._thread: threading.Thread | None = None
        self._silence: _Silence | None = None
        self.port = port

    @property
    def running(self) -> bool:
        """Whether the server answers."""
        return self._server is not None

    def start(self) -> None:
        """Listen, and return when requests are answered.

        :raises OSError: when the address cannot be used.
        """
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.create_server((self._host, self._requested_port), family=family, backlog=2048)
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
        server = self._server = _Announcing(config)
        thread = threading.Thread(target=server.run, args=([listener],), name="orders-sandbox", daemon=True)
        self._thread = thread
        self._silence = _Silence(thread)
        for logger in _LOGGERS:
            logger.addFilter(self._silence)
        thread.start()
        if not server.ready.wait(_START_TIMEOUT_S):
            self.stop()
            raise TimeoutError(f"the sandbox did not start on port {self.port} within {_START_TIMEOUT_S:g} s")

    def stop(self) -> None:
        """Finish what is being answered, close the port, and wait for the thread."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join()
        if self._silence is not None:
            for logger in _LOGGERS:
                logger.removeFilter(self._silence)
        self._server = self._thread = self._silence = None
