"""The workflows of the public forge: pinned, with few rights, and asking for what there is."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from typing import Any

import pytest
import yaml

from tests.docs.blocks import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def jobs(name: str) -> dict[str, Any]:
    text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)["jobs"]
    return found


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_hash(path: Any) -> None:
    uses = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))

    assert uses
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use) for use in uses)


def test_one_action_has_one_hash() -> None:
    uses = {use for path in WORKFLOWS for use in re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))}

    assert len({use.partition("@")[0] for use in uses}) == len(uses)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_may_only_read(path: Any) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))

    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job.get("permissions", {"id-token": "write"}) == {"id-token": "write"}
        assert job["timeout-minutes"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_commands_are_targets_of_make(path: Any) -> None:
    text = path.read_text(encoding="utf-8")
    asked = set(re.findall(r"run: make ([a-z0-9-]+)", text)) | set(re.findall(r"target: (\S+)", text))

    assert asked <= TARGETS


def test_every_supported_python_meets_the_oldest_and_the_newest_airflow() -> None:
    matrix = jobs("ci")["test"]["strategy"]["matrix"]
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    supported = re.findall(r"Python :: (3\.\d+)", "\n".join(metadata["classifiers"]))

    assert matrix["python"] == supported
    assert matrix["airflow"] == ["3.1", "3.3"]
    assert jobs("ci")["wheel"]["strategy"]["matrix"]["airflow"] == ["3.1", "3.2", "3.3"]


def test_last_job_waits_for_all_others() -> None:
    found = jobs("ci")

    assert set(found["all"]["needs"]) == set(found) - {"all"}


def test_publishing_needs_no_stored_secret() -> None:
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    found = jobs("release")

    assert "secrets." not in text
    assert [found[name]["needs"] for name in ("rehearse", "publish")] == ["build", "rehearse"]
    for name in ("rehearse", "publish"):
        assert found[name]["environment"]
        assert found[name]["steps"][-1]["with"]["attestations"] is True


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_forms_ask_for_something(path: Any) -> None:
    form = yaml.safe_load(path.read_text(encoding="utf-8"))

    assert form["name"]
    assert form["description"]
    assert [part for part in form["body"] if part.get("validations", {}).get("required")]


def test_hooks_run_targets_of_make() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0][
        "hooks"
    ]

    assert {hook["entry"].removeprefix("make ") for hook in hooks} <= TARGETS


def check_release(tag: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "check_release.py"), tag],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_release_agrees_with_version_and_changelog() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

    assert check_release(f"v{version}").returncode == 0


def test_another_tag_is_refused() -> None:
    done = check_release("v99.0.0")

    assert done.returncode == 1
    assert "the tag is v99.0.0, but pyproject.toml has the version" in done.stderr
