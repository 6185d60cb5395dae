"""The scripts of ``make demo`` and ``make airflow``: what they print, and that they leave nothing behind."""

from __future__ import annotations

import io
import signal
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture(scope="module")
def scripts() -> Iterator[Any]:
    """Import the scripts as they import each other; nothing there shadows a module of Airflow."""
    sys.path.insert(0, str(SCRIPTS))
    yield import_module
    sys.path.remove(str(SCRIPTS))


@pytest.fixture
def demo(scripts: Any) -> ModuleType:
    module: ModuleType = scripts("demo")
    return module


@pytest.fixture
def local_airflow(scripts: Any) -> ModuleType:
    module: ModuleType = scripts("local_airflow")
    return module


def manifest(source: str, **changes: Any) -> dict[str, Any]:
    name = f"{source}-export-manual-2026-11-21T22-47-03-347680-00-00-de5f8351.jsonl"
    return {
        "source": source,
        "rows": 1500,
        "seconds": 0.5,
        "totals": {"EUR": "1234567.80", "XAF": "56000"},
        "statuses": {
            "fulfillment": {"delivered": 300, "pending": 1200},
            "payment": {"paid": 1499, "partially_paid": 1},
        },
        "files": [{"path": f"file://{Path.cwd()}/demo/{name}", "rows": 1500, "bytes": 2_345_678}],
    } | changes


def printed(demo: ModuleType, *manifests: dict[str, Any], width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    demo.show(console, manifests, seconds=12.3)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_table_shows_what_a_person_wants_to_know(demo: ModuleType) -> None:
    text = printed(demo, manifest("dipli"), manifest("genuka", rows=0, seconds=0.0, totals={}))

    for words in (
        "Done in 12 s.",
        "│ Dipli  │  1,500 │    3,000 │ 1,234,567.80 EUR │",
        "56,000 XAF",
        "fulfillment: 1,200\N{NO-BREAK SPACE}pending,",
        "300\N{NO-BREAK SPACE}delivered",
        "payment: 1,499\N{NO-BREAK SPACE}paid,",
        "demo/dipli-*-de5f8351.jsonl",
        "(2.3 MB)",
        "│ Genuka │      0 │        0 │",
        "head -n 1 demo/dipli-*-de5f8351.jsonl | python3 -m json.tool",
    ):
        assert words in text
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_table_keeps_every_number_at_any_width(demo: ModuleType, width: int) -> None:
    text = printed(demo, manifest("dipli"), width=width)

    assert "1,234,567.80" in text.replace("\n", "")
    assert "…" not in text
    assert len(text.partition("What next:")[2].strip().splitlines()) == 3


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "[info] Exported 500 orders of Genuka to file:///a/demo in 0.2 s, 0 rejected [airflow]",
            "Genuka        500 orders in 0.2 s",
        ),
        (
            "2026-11-21 [info     ] Popsell: 12,000 of 20,000 orders, 4100 a second [airflow]",
            "Popsell   12,000 of 20,000 orders, 4100 a second",
        ),
        ("[info] Dipli: 12,000 orders, 4100 a second", "Dipli     12,000 orders, 4100 a second"),
        ("[info] genuka_default: 500 orders, totals {'EUR': '1'}", None),
        ("[info] Task started", None),
    ],
)
def test_progress_is_read_from_the_log(demo: ModuleType, line: str, told: str | None) -> None:
    assert demo._told_by(line) == told


def test_failure_is_shown_without_frames_of_others(local_airflow: ModuleType) -> None:
    log = """\
2026-11-21T22:11:31.7Z [info     ] started
2026-11-21T22:11:31.8Z [error    ] Task failed with exception     [task] loc=task_runner.py:1651
Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/airflow/sdk/task_runner.py", line 1579, in run
    result = execute(context=context)
             ^^^^^^^^^^^^^^^^^^^^^^^^
  File "/dags/mine.py", line 7, in execute
    raise ConfigurationError
airflow_provider_orders.errors.ConfigurationError: There is no connection 'x'.
2026-11-21T22:11:31.9Z [info     ] Task instance state updated
"""

    assert local_airflow.failure_in(log) == (
        "Traceback (most recent call last):\n"
        '  File "/dags/mine.py", line 7, in execute\n'
        "    raise ConfigurationError\n"
        "airflow_provider_orders.errors.ConfigurationError: There is no connection 'x'."
    )


def test_failure_without_a_traceback_is_the_end_of_the_log(local_airflow: ModuleType) -> None:
    shown = local_airflow.failure_in("\n".join(map(str, range(100)))).splitlines()

    assert shown[-1] == "99"
    assert len(shown) == 25


def test_a_port_that_is_taken_gives_way_to_another(local_airflow: ModuleType) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        assert local_airflow.free_port(port) not in {0, port}
    assert local_airflow.free_port(port) == port


def test_airflow_of_the_shell_stays_out(local_airflow: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://production")
    monkeypatch.setenv("AIRFLOW_CONN_GENUKA_DEFAULT", "genuka://production")
    monkeypatch.setenv("NO_PROXY", "example.com")

    environment = local_airflow.LocalAirflow(name="demo", settings={"AIRFLOW__API__PORT": "1"}).environment

    assert "production" not in str(environment)
    assert environment["AIRFLOW__API__PORT"] == "1"
    assert environment["NO_PROXY"] == "example.com,127.0.0.1,localhost"


@pytest.mark.parametrize("deaf", [False, True])
def test_stopping_ends_a_process_and_its_children(local_airflow: ModuleType, deaf: bool) -> None:
    body = (
        "import signal, subprocess, sys, time\n"
        # What a shell starts in the background ignores interrupts, and hands that on.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"for number in (signal.SIGINT, signal.SIGTERM) if {deaf} else (): signal.signal(number, signal.SIG_IGN)\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", body], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

        local_airflow.stop(process, patience_s=0.3 if deaf else 2)

        assert process.stdout.read() == ""  # nobody holds the other end any more
        assert process.returncode == (-signal.SIGKILL if deaf else -signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_the_block(local_airflow: ModuleType, number: signal.Signals) -> None:
    before = signal.getsignal(number)

    with pytest.raises(KeyboardInterrupt), local_airflow.interruptible():
        signal.raise_signal(number)

    assert signal.getsignal(number) is before
