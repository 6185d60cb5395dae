"""What the servers have in common: where the program lies, who runs it, when it answers, how it ends."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    import pwd
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

__all__ = ["Server", "ServiceMissingError", "debian_program", "free_port", "library_environment", "serve"]

FETCHED = Path(__file__).parents[2] / ".services"
START_TIMEOUT_S = 60

_Server = TypeVar("_Server", bound="Server")


class ServiceMissingError(Exception):
    """A server's program is not there; the message tells how to get it."""


class Server(ABC):
    """One server with an empty folder and a free port of the loopback interface.

    Use it as a context manager; at the end the process and the folder are gone, whatever happened.
    """

    name: str
    stop_signal = signal.SIGKILL  # nobody reads the folder again

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"orders-{self.name}-"))
        self._log = self.folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._prepare()
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def _prepare(self) -> None:
        """Find the program, and write what it starts from into the folder."""

    @abstractmethod
    def _command(self) -> Sequence[str]:
        """Give the command that runs the server in the foreground."""

    @abstractmethod
    def _answers(self) -> bool:
        """Tell whether the server can be used."""

    def _environment(self) -> Mapping[str, str]:
        return os.environ

    def _user(self) -> pwd.struct_passwd | None:
        """Give the user who runs the server; none is who runs the tests."""
        return None

    def _start(self) -> None:
        user = self._user()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment(),
                cwd=self.folder,
                start_new_session=True,
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[] if user else None,
                preexec_fn=self._die_with_parent,  # noqa: PLW1509 - no thread that it could harm
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not start:\n{self._log.read_text(errors='replace')}")
            time.sleep(0.02)

    def _die_with_parent(self) -> None:
        """Let Linux end the server when the tests are killed and cannot."""
        if sys.platform == "linux":
            set_parent_death_signal = 1
            ctypes.CDLL(None).prctl(set_parent_death_signal, self.stop_signal)

    def stop(self) -> None:
        """End the server at once and remove its folder."""
        if self._process is not None:
            self._process.send_signal(self.stop_signal)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def _accepts(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


def free_port() -> int:
    """Find a port outside of the range that systems hand out by themselves, so that nobody takes it meanwhile."""
    while True:
        port = random.randint(15000, 30000)  # noqa: S311 - no cryptography
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def debian_program(package: str, name: str) -> Path:
    """Find a program that ``make services`` has fetched, or else one that is installed.

    :raises ServiceMissingError: there is none.
    """
    for folder in ("usr/sbin", "usr/bin"):
        fetched = FETCHED / package / folder / name
        if fetched.exists():
            return fetched
    installed = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin")
    if installed:
        return Path(installed)
    raise ServiceMissingError(
        f"there is no {name}: run `make services`, which fetches it where Debian's packages are at hand, or install it"
    )


def library_environment(program: Path) -> dict[str, str]:
    """Let a fetched program find the libraries that were fetched with it."""
    root = program.parents[1]
    folders = sorted({str(library.parent) for library in root.glob("lib/**/*.so.*")})
    found = os.environ.get("LD_LIBRARY_PATH")
    return {**os.environ, "LD_LIBRARY_PATH": ":".join([*folders, *([found] if found else [])])}


def serve(server: _Server, url: Callable[[_Server], str]) -> None:
    """Start a server, print a URL, and stop with Ctrl+C or SIGTERM; for ``python -m``."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    with contextlib.suppress(KeyboardInterrupt), server:
        sys.stdout.write(f"{url(server)}\n")
        sys.stdout.flush()
        while True:
            time.sleep(1)
