"""The servers as fixtures: each starts when a test first asks for it, and lives until the tests are over.

``postgres_database``, ``mariadb_database`` and ``sqlite_database`` give an empty :class:`~tests.services.Database`
that is gone after the test; ``any_database`` runs the test on each of the three; ``connect_airflow(conn_id, database)``
makes it an Airflow connection. ``postgres_url`` and ``mariadb_url`` are the same databases for SQLAlchemy.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import pytest

from tests.services import database as databases
from tests.services.mariadb import MariaDb
from tests.services.postgres import Postgres
from tests.services.redis import Redis
from tests.services.server import Server, ServiceMissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.services.database import Database

    ConnectAirflow: TypeAlias = Callable[[str, Database], None]

_Server = TypeVar("_Server", bound=Server)


def _start(kind: type[_Server]) -> Iterator[_Server]:
    with contextlib.ExitStack() as stack:
        try:
            server = kind()
            stack.enter_context(server)
        except ServiceMissingError as missing:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"NOT TESTED on {kind.__name__}: {missing}")
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL server."""
    yield from _start(Postgres)


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariaDb]:
    """A MariaDB server; where there is none, its tests are skipped, but they fail in CI."""
    yield from _start(MariaDb)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """A Redis server."""
    yield from _start(Redis)


@pytest.fixture
def postgres_database(postgres_server: Postgres) -> Iterator[Database]:
    """An empty PostgreSQL database."""
    database = postgres_server.create_database()
    yield database
    postgres_server.drop_database(database)


@pytest.fixture
def mariadb_database(mariadb_server: MariaDb) -> Iterator[Database]:
    """An empty MariaDB database."""
    database = mariadb_server.create_database()
    yield database
    mariadb_server.drop_database(database)


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Database:
    """An SQLite database that is not there yet."""
    return databases.sqlite_database(tmp_path)


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def any_database(request: pytest.FixtureRequest) -> Database:
    """An empty database of each kind."""
    database: Database = request.getfixturevalue(f"{request.param}_database")
    return database


@pytest.fixture
def postgres_url(postgres_database: Database) -> str:
    """The SQLAlchemy URL of an empty PostgreSQL database."""
    return postgres_database.url


@pytest.fixture
def mariadb_url(mariadb_database: Database) -> str:
    """The SQLAlchemy URL of an empty MariaDB database."""
    return mariadb_database.url


@pytest.fixture
def connect_airflow(monkeypatch: pytest.MonkeyPatch) -> ConnectAirflow:
    """Make a database an Airflow connection for the test: ``connect_airflow("warehouse", database)``."""

    def connect(conn_id: str, database: Database) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", database.airflow_connection)

    return connect
