"""What people install: the content and the metadata of the wheel."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from email.parser import Parser
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest

import airflow_provider_orders

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "airflow_provider_orders"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the distribution without a network: the build backend is installed beside the tests."""
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "build",
            "--no-isolation",
            "--sdist",
            "--wheel",
            "--outdir",
            str(folder),
            str(ROOT),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(wheel: Path, dist_info: str) -> Message:
    with ZipFile(wheel) as archive:
        return Parser().parsestr(archive.read(f"{dist_info}/METADATA").decode())


@pytest.fixture(scope="module")
def dist_info(names: set[str]) -> str:
    (found,) = {name.partition("/")[0] for name in names if ".dist-info/" in name}
    return found


def files_of(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_one_pure_wheel_has_the_packages_version(wheel: Path) -> None:
    assert wheel.name == f"{PACKAGE}-{airflow_provider_orders.__version__}-py3-none-any.whl"


def test_the_wheel_holds_the_package_and_the_examples_and_nothing_else(
    names: set[str], dist_info: str
) -> None:
    expected = {f"{PACKAGE}/{name}" for name in files_of(ROOT / PACKAGE)}
    expected |= {f"{PACKAGE}/example_dags/{name}" for name in files_of(ROOT / "example_dags")}

    assert {name for name in names if not name.startswith(f"{dist_info}/")} == expected


def test_the_wheel_holds_examples_and_the_typing_marker(names: set[str]) -> None:
    assert f"{PACKAGE}/py.typed" in names
    assert [name for name in names if name.startswith(f"{PACKAGE}/example_dags/") and name.endswith(".py")]


def test_the_wheel_holds_the_licence(names: set[str], dist_info: str, metadata: Message) -> None:
    assert {f"{dist_info}/licenses/LICENSE", f"{dist_info}/licenses/NOTICE"} <= names
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE", "NOTICE"]


def test_the_wheel_registers_the_provider_and_the_program(wheel: Path, dist_info: str) -> None:
    with ZipFile(wheel) as archive:
        entry_points = archive.read(f"{dist_info}/entry_points.txt").decode()

    assert entry_points.split() == [
        "[console_scripts]",
        "airflow-orders",
        "=",
        "airflow_provider_orders.cli.program:main",
        "[airflow.plugins]",
        "airflow_provider_orders",
        "=",
        "airflow_provider_orders.plugins.orders:OrdersPlugin",
        "[apache_airflow_provider]",
        "provider_info",
        "=",
        "airflow_provider_orders:get_provider_info",
    ]


def test_the_metadata_is_complete(metadata: Message) -> None:
    assert metadata["Name"] == "airflow-provider-orders"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Summary"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    labels = {url.partition(",")[0] for url in metadata.get_all("Project-URL") or []}
    assert labels == {"Homepage", "Documentation", "Source", "Issues", "Changelog"}
    classifiers = metadata.get_all("Classifier") or []
    assert {
        "Framework :: Apache Airflow",
        "Framework :: Apache Airflow :: Provider",
        "Typing :: Typed",
    } <= set(classifiers)
    assert not [classifier for classifier in classifiers if classifier.startswith("License ::")]


def test_every_dependency_has_a_lower_bound_and_no_upper_one(metadata: Message) -> None:
    required = [line for line in metadata.get_all("Requires-Dist") or [] if "extra ==" not in line]

    assert {line.partition(">=")[0] for line in required} == {
        "aiohttp",
        "apache-airflow",
        "apache-airflow-providers-common-compat",
        "msgspec",
        "pendulum",
        "pydantic",
        "requests",
        "rich",
        "tenacity",
    }
    assert not [line for line in required if "<" in line or "==" in line]
    assert metadata.get_all("Provides-Extra") == [
        "mysql",
        "openlineage",
        "parquet",
        "postgres",
        "sandbox",
        "sqlite",
        "zstd",
    ]


def test_the_source_distribution_can_build_and_test_itself(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        "NOTICE",
        "README.md",
        "pyproject.toml",
        "requirements.lock",
        f"{PACKAGE}/__init__.py",
        "tests/conftest.py",
    } <= names


def test_the_index_can_render_the_description(dist: Path) -> None:
    pytest.importorskip("twine", reason="installed with the lint tools only")
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *map(str, dist.iterdir())],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout + done.stderr
