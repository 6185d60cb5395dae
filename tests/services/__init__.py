"""Real servers for tests: PostgreSQL, MariaDB, Redis; each with its own folder and port, gone when the tests are over.

PostgreSQL comes from the package index with the other packages that the tests need; MariaDB and Redis from Debian's
packages, unpacked by ``make services``. In a test, ask for a fixture of ``tests.services.fixtures``; elsewhere use a
server as a context manager, ``tests.services.postgres.Postgres`` for one, or ``python -m tests.services.postgres``,
which prints the URL of a database.
"""

from __future__ import annotations

from tests.services.database import Database, sqlite_database
from tests.services.server import ServiceMissingError, free_port

__all__ = ["Database", "ServiceMissingError", "free_port", "sqlite_database"]
