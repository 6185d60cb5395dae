"""A database that is there for one test, and the words in which programs ask for it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Database", "sqlite_database"]


@dataclass(frozen=True)
class Database:
    """An empty database.

    :param conn_type: the type of the Airflow connection: ``postgres``, ``mysql`` or ``sqlite``.
    :param host: the server's address, or the file of an SQLite database.
    :param name: what the server calls the database.
    :param extra: what else the Airflow connection says.
    """

    conn_type: str
    host: str
    port: int | None = None
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    name: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def airflow_connection(self) -> str:
        """The value of ``AIRFLOW_CONN_<ID>``."""
        fields = {
            "conn_type": self.conn_type,
            "host": self.host,
            "port": self.port,
            "login": self.login,
            "password": self.password,
            "schema": self.name,
            "extra": self.extra,
        }
        return json.dumps({name: value for name, value in fields.items() if value})

    @property
    def url(self) -> str:
        """The URL for SQLAlchemy, with the driver that Airflow's hook uses."""
        if self.conn_type == "sqlite":
            return f"sqlite:///{self.host}"
        if self.conn_type == "mysql":
            driver = "mysql+mysqlconnector"
        else:
            driver = f"postgresql+{'psycopg2' if version('sqlalchemy').startswith('1.') else 'psycopg'}"
        return f"{driver}://{self._address}"

    @property
    def plain_url(self) -> str:
        """The URL that is no library's own: ``postgresql://`` or ``mysql://``."""
        return f"{'postgresql' if self.conn_type == 'postgres' else self.conn_type}://{self._address}"

    @property
    def _address(self) -> str:
        return f"{self.login}:{self.password}@{self.host}:{self.port}/{self.name}"


def sqlite_database(folder: Path) -> Database:
    """Give an SQLite database in a folder."""
    return Database("sqlite", str(folder / "orders.sqlite"))
