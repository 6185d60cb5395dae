from __future__ import annotations

import importlib
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

import airflow_provider_orders
from airflow_provider_orders import cli as package
from airflow_provider_orders.cli.commands import COMMANDS, EXIT_CODES
from airflow_provider_orders.cli.exit_codes import ExitCode, exit_code_of
from airflow_provider_orders.cli.program import _parser, main
from airflow_provider_orders.cli.screen import Screen, printable
from airflow_provider_orders.errors import OrdersError
from tests.unit.cli.shell import PROGRAM, Done, run
from tests.unit.hooks.connect import FORBIDDEN, an_order, secrets_in
from tests.unit.test_package import HEAVY, loaded_by

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_orders.sandbox import Sandbox
    from tests.unit.cli.shell import CommandLine
    from tests.unit.hooks.connect import Connect

MODULE = (sys.executable, "-m", "airflow_provider_orders.cli")


def takes_commands_of_providers() -> bool:
    """Tell whether this Airflow does; it began with 3.2."""
    from airflow.providers_manager import ProvidersManager

    return hasattr(ProvidersManager, "cli_command_functions")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_command_has_its_module_and_its_line_in_the_docs(command: Any) -> None:
    assert callable(importlib.import_module(command.module).run)
    assert f"``{command.name}``" in (package.__doc__ or "")


def test_each_exit_code_is_documented() -> None:
    for code in ExitCode:
        assert f"\n{int(code):<4} " in (package.__doc__ or "")
        assert f" {int(code)} " in EXIT_CODES


def test_each_error_has_an_exit_code() -> None:
    for error in OrdersError.__subclasses__():
        assert exit_code_of(error("what happened")) not in {ExitCode.DONE, ExitCode.UNEXPECTED}


@pytest.mark.parametrize("command", [(), *((command.name,) for command in COMMANDS)], ids=" ".join)
def test_help_tells_the_exit_codes(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])

    assert ended.value.code == 0
    assert " ".join(EXIT_CODES.split()) in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("words", [(), ("no_such_command",), ("check",), ("watch", "a", "b", "--every", "x")])
def test_a_line_that_cannot_be_read_ends_with_2(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)

    assert ended.value.code == 2


def test_something_unexpected_ends_with_1_and_repeats_no_value(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr("airflow_provider_orders.cli.check.run", break_down)

    done = cli("check", "dipli_default")

    assert done.code == 1
    assert done.err == "airflow-orders: unexpected RuntimeError; --debug shows where. Please report it.\n"


def test_debug_shows_where_an_error_comes_from(cli: CommandLine) -> None:
    plain, debug = (cli("show", "dipli_default", "99999999", *words) for words in ((), ("--debug",)))

    assert "Traceback" not in plain.err
    assert "Traceback" in debug.err
    assert plain.code == debug.code == 6
    assert secrets_in(debug.err) == []


def test_the_environment_is_left_as_it_was(cli: CommandLine) -> None:
    before = dict(os.environ)

    cli("check", "dipli_default")

    assert dict(os.environ) == before


@pytest.mark.slow
@pytest.mark.parametrize("start", [(str(PROGRAM),), MODULE], ids=["airflow-orders", "python -m"])
def test_a_program_of_its_own_ends_with_the_documented_codes(
    start: tuple[str, ...], connect: Connect, orders_sandbox: Sandbox
) -> None:
    order_id, _ = an_order(orders_sandbox, "dipli")
    vendor, changes = FORBIDDEN[2]
    cases = [
        (("check", "dipli_default", "--json"), 0),
        (("check", "no_such_connection"), 2),
        (("show", connect("dipli", "away", host="https://no-such-host.invalid"), order_id), 3),
        (("show", connect("dipli", "wrong", password="not-the-key"), order_id), 4),
        (("show", connect(vendor, "forbidden", **changes), order_id), 5),
        (("show", "dipli_default", "99999999"), 6),
    ]

    for words, code in cases if start != MODULE else cases[:2]:
        done = run(*start, *words)

        assert done.code == code, done.err
        assert "Traceback" not in done.err
        assert len((done.out + done.err).splitlines()) == 1 or code == 0, done.err
        assert secrets_in(done.out + done.err) == []
        if code == 0:
            assert json.loads(done.out)["works"]
            assert done.err == ""


def test_airflow_has_the_commands_where_it_takes_them(connect: Connect, orders_sandbox: Sandbox) -> None:
    if not takes_commands_of_providers():
        assert run(sys.executable, "-m", "airflow", "version").code == 0
        assert run(sys.executable, "-m", "airflow", "orders", "--help").code == 2
        return

    checked = run(sys.executable, "-m", "airflow", "orders", "check", "dipli_default", "--json")
    unknown = run(sys.executable, "-m", "airflow", "orders", "check", "no_such_connection")
    usage = run(sys.executable, "-m", "airflow", "orders", "show")
    helped = run(sys.executable, "-m", "airflow", "orders", "fetch", "--help")

    assert checked.code == 0
    assert json.loads(checked.out)["works"]
    assert unknown.code == usage.code == 2
    assert "Traceback" not in unknown.err
    assert helped.code == 0
    assert "--since" in helped.out


def test_connections_of_airflows_database_are_found(airflow_db: Path, orders_sandbox: Sandbox) -> None:
    fields = orders_sandbox.connections["genuka_default"]
    added = run(
        *(
            sys.executable,
            "-m",
            "airflow",
            "connections",
            "add",
            "from_the_database",
            "--conn-type",
            "genuka",
        ),
        *("--conn-host", fields["host"], "--conn-password", fields["password"]),
        *("--conn-extra", json.dumps(fields["extra"])),
    )
    assert added.code == 0, added.err

    done = run(str(PROGRAM), "check", "from_the_database", "--json")

    assert done.code == 0, done.err
    assert done.json["works"]
    assert done.err == ""


def test_provider_info_names_the_commands() -> None:
    (path,) = airflow_provider_orders.get_provider_info()["cli"]
    module, _, name = path.rpartition(".")

    assert callable(getattr(importlib.import_module(module), name))


def test_what_every_airflow_command_loads_is_light() -> None:
    heavy = [name for name in HEAVY if name != "airflow"] + ["rich", "airflow.cli", "uvicorn"]

    assert loaded_by("import airflow_provider_orders.cli.provider", heavy) == set()


def in_the_foreground(*arguments: str) -> subprocess.Popen[str]:
    """Start the program as a terminal does; one that is started in the background does not hear Ctrl-C."""
    return subprocess.Popen(
        [str(PROGRAM), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - nothing else runs here
    )


def test_ctrl_c_ends_a_watch_with_130(orders_sandbox: Sandbox) -> None:
    order_id = orders_sandbox.live_ids("dipli")[0]
    with in_the_foreground("watch", "dipli_default", order_id) as watching:
        assert watching.stdout is not None
        assert order_id in watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        _, err = watching.communicate(timeout=30)

    assert watching.returncode == 130
    assert "Traceback" not in err


def test_ctrl_c_ends_a_fetch_with_130_and_leaves_nothing(orders_sandbox: Sandbox, tmp_path: Path) -> None:
    orders_sandbox.inject("slow", vendor="dipli", times=None, delay_s=1.0)
    asked = threading.Event()
    orders_sandbox.on_page("dipli", asked.set)
    output = str(tmp_path / "orders.jsonl")
    with in_the_foreground("fetch", "dipli_default", "--all", "--output", output) as fetching:
        assert asked.wait(60)
        fetching.send_signal(signal.SIGINT)
        _, err = fetching.communicate(timeout=30)

    assert fetching.returncode == 130
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_has_enough_is_no_error() -> None:
    done = run("sh", "-c", f"{PROGRAM} check dipli_default 2>err.txt | head -n 0; cat err.txt; rm err.txt")

    assert "Traceback" not in done.out
    assert "BrokenPipe" not in done.out


def on_a_terminal(*command: str, **environment: str) -> Done:
    """Run a program whose output is a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "COLUMNS": "100", "TERM": "xterm", **environment},
    ) as program:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # how Linux says that a terminal has closed
                break
            if not part:
                break
            shown += part
    os.close(ours)
    return Done(program.returncode, shown.decode(), "")


def test_a_terminal_gets_colours_tables_and_a_bar(orders_sandbox: Sandbox, tmp_path: Path) -> None:
    checked = on_a_terminal(str(PROGRAM), "check", "dipli_default")
    fetched = on_a_terminal(
        str(PROGRAM), "fetch", "dipli_default", "--all", "--output", str(tmp_path / "orders.jsonl")
    )

    assert checked.code == fetched.code == 0
    assert "\x1b[32mok" in checked.out
    assert "230/230" in fetched.out
    assert "│" in fetched.out


def test_a_narrow_terminal_without_colours_loses_no_word(orders_sandbox: Sandbox) -> None:
    plain = run(str(PROGRAM), "check", "dipli_default")

    narrow = on_a_terminal(str(PROGRAM), "check", "dipli_default", COLUMNS="40", NO_COLOR="1")

    assert narrow.code == plain.code == 0
    assert "\x1b" not in narrow.out
    assert max(map(len, narrow.out.splitlines())) <= 40
    assert "".join(narrow.out.split())[:200] == "".join(plain.out.split())[:200]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_texts_of_vendors_cannot_command_the_terminal(*, is_terminal: bool, tmp_path: Path) -> None:
    with (tmp_path / "shown.txt").open("w") as file:
        file.isatty = lambda: is_terminal  # type: ignore[method-assign]
        screen = Screen(file)
        screen.pairs("title\x1b[2J", [("name", "\x1b]0;owned\x07[red]value[/red]")])
        screen.table("table", ("one",), [["\x1b[2J"]])
        screen.outcome("step", "ok", "\x1b[2J")
        screen.line("\x1b[2J")

    shown = (tmp_path / "shown.txt").read_text()
    assert "[2J" in shown
    assert "\x1b[2J" not in shown
    assert "\x1b]0" not in shown
    assert "[red]value[/red]" in shown


def test_letters_of_any_language_are_printable() -> None:
    assert printable("Nappe brodée, 日本 ✓") == "Nappe brodée, 日本 ✓"


def test_json_keeps_what_cannot_be_printed(tmp_path: Path) -> None:
    value = {"name": "a\u00a0b\u202ec\x1b[2J", "city": "日本"}
    for encoding in ("utf-8", "ascii"):
        with (tmp_path / "shown.json").open("w", encoding=encoding) as file:
            Screen(file).json(value)

        shown = (tmp_path / "shown.json").read_text(encoding=encoding)
        assert json.loads(shown) == value
        assert all(letter.isprintable() or letter == "\n" for letter in shown)


def test_a_terminal_that_lacks_letters_gets_their_numbers(tmp_path: Path) -> None:
    with (tmp_path / "shown.txt").open("w", encoding="ascii") as file:
        screen = Screen(file)
        screen.line("Nappe brodée")

    assert (tmp_path / "shown.txt").read_text() == "Nappe brod\\xe9e\n"


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"airflow-provider-orders {airflow_provider_orders.__version__}\n"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_shows_an_example_that_can_be_read(command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command.name, "--help"])

    assert f"\n  airflow-orders {command.name} {command.example}\n" in capsys.readouterr().out
    assert _parser().parse_args([command.name, *command.example.split()]).command == command.name


def test_the_sandbox_starts_as_its_own_module_does() -> None:
    with subprocess.Popen(
        [str(PROGRAM), "sandbox", "--port", "0", "--orders", "3"], stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        first = running.stdout.readline()
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=30)

    assert first.startswith("Sandbox of the order APIs on http://127.0.0.1:")
    assert running.returncode == 0


def test_a_sandbox_that_makes_no_sense_ends_with_2(cli: CommandLine, orders_sandbox: Sandbox) -> None:
    taken = orders_sandbox.url.rpartition(":")[2]

    assert cli("sandbox", "--orders", "-1").code == 2
    assert run(str(PROGRAM), "sandbox", "--port", taken).code == 2
