from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_orders.sandbox.__main__ import main, summary

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_orders.sandbox import Sandbox

COMMAND = [sys.executable, "-W", "error", "-m", "airflow_provider_orders.sandbox"]

PLUGIN_TEST = """
import json, os
import requests
pytest_plugins = ["airflow_provider_orders.sandbox.pytest_plugin"]

def test_first(orders_sandbox):
    connection = json.loads(os.environ["AIRFLOW_CONN_DIPLI_DEFAULT"])
    with requests.Session() as http:
        http.trust_env = False
        page = http.get(connection["host"] + "/api/v2/orders", headers={"apikey": connection["password"]})
    assert page.json()["count"] == 230
    assert len(orders_sandbox.requests) == 1
    orders_sandbox.clock.advance(10)

def test_second(orders_sandbox):
    assert orders_sandbox.requests == []
    assert orders_sandbox.clock.elapsed_s == 0

def test_without(monkeypatch):
    assert "AIRFLOW_CONN_DIPLI_DEFAULT" not in os.environ
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    command = [
        *COMMAND,
        "--port",
        "0",
        "--orders",
        "7",
        "--genuka-envelope",
        "meta",
        "--base-date",
        "2026-07-01",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        first = process.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", first)
        assert url
        with requests.Session() as http:
            http.trust_env = False
            index = http.get(f"{url[0]}/", timeout=30).json()
            key = index["vendors"]["dipli"]["credentials"]["api_key"]
            page = http.get(f"{url[0]}/dipli/api/v2/orders", headers={"apikey": key}, timeout=30).json()
            process.send_signal(number)
            rest = process.stdout.read()
            errors = process.stderr.read()

    assert page["count"] == 7
    assert index["now"].startswith("2026-07-01")
    assert (process.returncode, errors) == (0, "")
    assert rest.rstrip().endswith("Ctrl-C ends it.")


def test_a_port_in_use_is_one_clear_line(sandbox: Sandbox) -> None:
    port = sandbox.url.rpartition(":")[2]
    done = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"cannot listen on 127.0.0.1:{port}: Address already in use\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--faults", "earthquake:1"], "unknown fault 'earthquake'"),
        (["--faults", "slow:often"], "needs a chance from 0 to 1"),
        (["--orders", "-1"], "cannot be negative"),
        (["--port", "70000"], "from 0 to 65535"),
        (["--genuka-envelope", "cursor"], "pagination or meta"),
    ],
)
def test_an_argument_that_makes_no_sense_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(arguments) == 2

    output = capsys.readouterr()
    assert output.out == ""
    assert words in output.err
    assert output.err.count("\n") == 1


def test_the_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])

    text = capsys.readouterr().out
    assert ended.value.code == 0
    for option in (
        "host",
        "port",
        "orders",
        "seed",
        "faults",
        "latency-ms",
        "step-s",
        "live",
        "genuka-envelope",
    ):
        assert f"--{option}" in text


def test_the_summary_adds_the_connections(sandbox: Sandbox) -> None:
    commands = [shlex.split(line) for line in summary(sandbox).splitlines() if "connections add" in line]

    added = {}
    for command in commands:
        assert command[:3] == ["airflow", "connections", "add"]
        options: dict[str, Any] = dict(zip(command[4::2], command[5::2], strict=True))
        fields = {
            "conn_type": options.pop("--conn-type"),
            "extra": json.loads(options.pop("--conn-extra")),
        }
        added[command[3]] = fields | {name.removeprefix("--conn-"): value for name, value in options.items()}
    assert added == sandbox.connections


def test_the_summary_names_addresses_credentials_and_live_orders(sandbox: Sandbox) -> None:
    text = summary(sandbox)

    for name, vendor in sandbox.index()["vendors"].items():
        assert f"{name}  {vendor['base_url']}" in text
        for word in (*vendor["credentials"].values(), *vendor["live_orders"]):
            assert word in text


def test_the_fixture_gives_a_fresh_sandbox_to_each_test(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("")
    (tmp_path / "test_dags.py").write_text(PLUGIN_TEST)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-W",
        "error",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
        str(tmp_path),
    ]

    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    assert "3 passed" in done.stdout, done.stdout + done.stderr
