"""CONTRIBUTING.md is followed step by step: it adds a fifth vendor to a copy of the package, which then works."""

from __future__ import annotations

import filecmp
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_provider_orders

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(airflow_provider_orders.__file__).parent
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CONNECTIONS = "airflow_provider_orders/connections.py"


def steps() -> dict[str, Path]:
    """Give the new files and what is in them, as the table of steps says."""
    rows = re.findall(r"^\| \d\. .*\| `(\S+)` \| `(\S+)` \|$", CONTRIBUTING, re.MULTILINE)
    return {file: ROOT / example for file, example in rows}


def module(file: str | Path) -> str:
    """Give the name of the module that a file is."""
    return ".".join(Path(file).with_suffix("").parts)


def with_entry(code: str) -> str:
    """Add the entry that the steps end with to the forms of the connections."""
    (entry,) = re.findall(r"```python\n(_MERCATO = .*?)```", CONTRIBUTING, re.DOTALL)
    code, before = re.subn(r"^FORMS: ", rf"{entry}\n\g<0>", code, flags=re.MULTILINE)
    code, named = re.subn(r"(for form in \([^)]*)\)", r"\1, _MERCATO)", code)
    assert (before, named) == (1, 1)
    return code


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of the package after the steps; modules import each other by their new names."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(PACKAGE, folder / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)  # what the tests run with
    moved = {module(example.relative_to(ROOT)): module(file) for file, example in steps().items()}
    for file, example in steps().items():
        code = example.read_text(encoding="utf-8")
        for old, new in moved.items():
            code = code.replace(f"from {old} import", f"from {new} import")
        assert not (folder / file).exists()
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(code, encoding="utf-8")
    connections = folder / CONNECTIONS
    connections.write_text(with_entry(connections.read_text(encoding="utf-8")), encoding="utf-8")
    return folder


def test_five_files_are_new_and_one_is_changed(checkout: Path) -> None:
    def files(folder: Path) -> set[str]:
        return {
            f"{PACKAGE.name}/{path.relative_to(folder).as_posix()}"
            for path in folder.rglob("*.py")
            if "__pycache__" not in path.parts
        }

    before, after = files(PACKAGE), files(checkout / PACKAGE.name)
    changed = {
        file for file in before if not filecmp.cmp(PACKAGE.parent / file, checkout / file, shallow=False)
    }

    assert len(steps()) == 5
    assert after - before == {file for file in steps() if file.startswith(PACKAGE.name)}
    assert changed == {CONNECTIONS}


def test_all_of_the_example_is_in_the_steps() -> None:
    example = ROOT / "tests" / "fifth_vendor"

    assert set(example.glob("*.py")) - {example / "__init__.py"} == set(steps().values())


def test_new_vendor_works_from_end_to_end(checkout: Path) -> None:
    (tests,) = [file for file in steps() if file.startswith("tests/")]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", tests, "--quiet", "--no-header"),
            *("-p", "no:cacheprovider", "-p", "airflow_provider_orders.sandbox.pytest_plugin"),
        ],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_new_vendor_changes_nothing_for_the_others(checkout: Path) -> None:
    script = (
        "import airflow_provider_orders as package\n"
        "from airflow_provider_orders.connections import FORMS\n"
        "from airflow_provider_orders.sandbox.vendors import VENDORS\n"
        "print(package.__file__)\n"
        "print(*FORMS, *(vendor.name for vendor in VENDORS))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=checkout, capture_output=True, text=True, check=True, timeout=60
    )
    where, names = done.stdout.splitlines()

    assert Path(where).is_relative_to(checkout)
    assert names.split() == ["popsell", "dipli", "valomnia", "genuka", "mercato"] * 2
