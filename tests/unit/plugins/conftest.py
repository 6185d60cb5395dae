from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine

from tests.unit.plugins.metadata import Metadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def empty_metadata(airflow_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the tables once; that takes a second."""
    file = tmp_path_factory.mktemp("metadata") / "airflow.sqlite"
    Metadata.create(f"sqlite:///{file}")
    return file


@pytest.fixture
def metadata(empty_metadata: Path, tmp_path: Path) -> Iterator[Metadata]:
    """Give an empty metadata database of its own."""
    file = shutil.copy(empty_metadata, tmp_path)
    metadata = Metadata(create_engine(f"sqlite:///{file}"))
    yield metadata
    metadata.engine.dispose()


@dataclass
class Keeper:
    """An auth manager that forbids some things, and nothing else.

    :param dags: DAGs that exist and may be read.
    :param forbidden: ids of assets; and of DAGs and their parts, as in ``nightly`` and ``nightly/XCOM``.
    """

    dags: set[str] = field(default_factory=lambda: {"nightly", "waiting"})
    forbidden: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def get_authorized_dag_ids(self, *, user: Any, method: str, session: Any) -> set[str]:
        assert (user, method) == ("ada", "GET")
        return self.dags - self.forbidden

    def is_authorized_asset(self, *, method: str, details: Any, user: Any) -> bool:
        assert (user, method) == ("ada", "GET")
        self.asked.append(details.id)
        return details.id not in self.forbidden

    def is_authorized_dag(self, *, method: str, access_entity: Any, details: Any, user: Any) -> bool:
        assert (user, method) == ("ada", "GET")
        self.asked.append(f"{details.id}/{access_entity.name}")
        return not {details.id, f"{details.id}/{access_entity.name}"} & self.forbidden


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()
