"""MariaDB, from Debian's package; ``make services`` fetches it.

``python -m tests.services.mariadb`` starts one with an empty database, prints the database's URL, and stops with
Ctrl+C or SIGTERM.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

from tests.services.database import Database
from tests.services.server import Server, ServiceMissingError, debian_program, library_environment, serve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["MariaDb"]

LOGIN = "orders"
PASSWORD = "mariadb-password"  # tests look for it where no password belongs


class MariaDb(Server):
    """One MariaDB, started when entered."""

    name = "mariadb"

    def __init__(self) -> None:
        self._program = debian_program("mariadb", "mariadbd")
        super().__init__()
        self._data = self.folder / "data"
        self._databases = 0

    def _environment(self) -> Mapping[str, str]:
        return library_environment(self._program)

    @property
    def _options(self) -> list[str]:
        base = self._program.parents[1]
        return [
            str(self._program),
            "--no-defaults",
            f"--basedir={base}",
            f"--datadir={self._data}",
            f"--lc-messages-dir={_share(base)}",
            # It refuses to run as root unless it is told to.
            *(["--user=root"] if os.geteuid() == 0 else []),
            "--innodb-use-native-aio=OFF",
        ]

    def _prepare(self) -> None:
        """Do what ``mariadb-install-db`` does; the script needs programs of other packages."""
        self._data.mkdir()
        share = _share(self._program.parents[1])
        scripts = ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")
        done = subprocess.run(
            [*self._options, "--bootstrap", "--skip-networking", "--log-warnings=0"],
            input="\n".join(
                [
                    "SET @auth_root_socket=NULL;",
                    "CREATE DATABASE mysql;",
                    "USE mysql;",
                    *((share / script).read_text() for script in scripts),
                ]
            ),
            capture_output=True,
            text=True,
            check=False,
            env=self._environment(),
        )
        if done.returncode:
            raise RuntimeError(f"MariaDB could not be set up:\n{done.stdout}{done.stderr}")
        (self.folder / "init.sql").write_text(
            f"CREATE USER '{LOGIN}'@'%' IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON *.* TO '{LOGIN}'@'%';\n"
        )

    def _command(self) -> Sequence[str]:
        return [
            *self._options,
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            f"--socket={self.folder / 'mariadb.sock'}",
            f"--init-file={self.folder / 'init.sql'}",
            "--skip-name-resolve",
            "--character-set-server=utf8mb4",
            # The folder does not outlive the server, so it need not survive a power cut.
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-doublewrite=OFF",
        ]

    def _answers(self) -> bool:
        import pymysql

        if not self._accepts():
            return False
        try:
            self._connect().close()
        except pymysql.err.OperationalError:
            return False
        return True

    def _connect(self) -> Any:
        import pymysql

        return pymysql.connect(host="127.0.0.1", port=self.port, user=LOGIN, password=PASSWORD)

    def create_database(self) -> Database:
        """Make an empty database."""
        self._databases += 1
        name = f"orders_{self._databases}"
        with self._connect() as connection:
            connection.cursor().execute(f"CREATE DATABASE {name}")
        # The hook's default client wants a compiler to be installed.
        extra = {"client": "mysql-connector-python"}
        return Database("mysql", "127.0.0.1", self.port, LOGIN, PASSWORD, name, extra)

    def drop_database(self, database: Database) -> None:
        """Remove a database."""
        with self._connect() as connection:
            connection.cursor().execute(f"DROP DATABASE {database.name}")


def _share(base: Path) -> Path:
    for name in ("mysql", "mariadb"):
        if (base / "share" / name / "mysql_system_tables.sql").exists():
            return base / "share" / name
    raise ServiceMissingError(f"the MariaDB below {base} lacks the SQL files that set up a server")


if __name__ == "__main__":
    serve(MariaDb(), lambda mariadb: mariadb.create_database().plain_url)
