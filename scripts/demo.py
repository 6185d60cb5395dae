# ruff: noqa: INP001 - scripts are run one by one, they are no package
"""``make demo``: the orders of all four vendors, from the built-in sandbox through Airflow into files.

Runs ``airflow dags test example_export_orders`` in an Airflow of its own, and shows what came of it.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_airflow import (
    ROOT,
    CommandError,
    LocalAirflow,
    airflow_version,
    failure_in,
    interruptible,
    running,
)
from rich.console import Console
from rich.table import Table

from airflow_provider_orders import __version__
from airflow_provider_orders.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence

DAG_ID = "example_export_orders"
FOLDER = ROOT / "demo"

_EXPORTED = re.compile(r"Exported (?P<rows>\d+) orders of (?P<vendor>\w+) to .* in (?P<seconds>[\d.]+) s")
_PROGRESS = re.compile(r"(?P<vendor>\w+): (?P<progress>[\d,]+(?: of [\d,]+)? orders, \d+ a second)")
_RUN = re.compile(r"-export-.*-(?=[0-9a-f]{8}\.)")
_EARLIER = re.compile(r"[a-z]+-export-.*\.(manifest\.json|jsonl)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo.

    :return: 0 when all orders were exported, 1 when that failed, 130 after Ctrl-C.
    """
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--orders", type=int, default=500, help="orders of each vendor (default: 500)")
    options = parser.parse_args(arguments)
    console = _console()
    try:
        with interruptible():
            started = time.monotonic()
            manifests = export(console, options.orders)
            show(console, manifests, seconds=time.monotonic() - started)
    except CommandError as error:
        console.print(f"\n{error}", style="red", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return 130
    return 0


def _console() -> Console:
    console = Console(highlight=False)
    # A pipe or a log file has no width; in a narrow one, words would be cut.
    return console if console.is_terminal else Console(highlight=False, width=120)


def export(console: Console, orders: int) -> list[dict[str, Any]]:
    """Export from a sandbox into the demo's folder.

    :param orders: how many orders each vendor has.
    :return: the manifests, one per vendor.
    :raises CommandError: an Airflow command failed.
    """
    console.print(f"airflow-provider-orders {__version__} on Airflow {airflow_version()}\n")
    console.print("[bold]1/3[/]  Airflow's database: ", end="")
    started = time.monotonic()
    is_new = LocalAirflow(name="demo").prepare_database()
    console.print(f"set up in {time.monotonic() - started:.0f} s, this once" if is_new else "there already")
    with Sandbox(orders=orders) as sandbox:
        console.print(f"[bold]2/3[/]  Sandbox of the four vendors: {sandbox.url}, {orders:,} orders each")
        _remove_earlier_files()
        console.print(f"[bold]3/3[/]  airflow dags test {DAG_ID}, which takes about ten seconds to start")
        _run_dag(console, LocalAirflow(name="demo", settings=sandbox.environment()))
    manifests = [json.loads(path.read_bytes()) for path in sorted(FOLDER.glob("*.manifest.json"))]
    if len(manifests) != len(sandbox.vendors):
        raise CommandError(f"{FOLDER} has {len(manifests)} manifests, {len(sandbox.vendors)} were expected.")
    return manifests


def _remove_earlier_files() -> None:
    for path in FOLDER.glob("*"):
        if _EARLIER.fullmatch(path.name):
            path.unlink()


def _run_dag(console: Console, airflow: LocalAirflow) -> None:
    log = airflow.home / "demo.log"
    conf = json.dumps({"path": str(FOLDER)})
    with (
        log.open("w+", encoding="utf-8") as file,
        running(airflow.start("dags", "test", DAG_ID, "--conf", conf)) as process,
    ):
        for line in process.stdout or ():
            file.write(line)
            if told := _told_by(line):
                console.print(f"     {told}", markup=False)
        if process.wait() == 0:
            return
        file.seek(0)
        raise CommandError(f"{failure_in(file.read())}\n\nThe export failed. The whole log: {log}")


def _told_by(line: str) -> str | None:
    """Say what a line of the task's log tells of the progress."""
    if found := _EXPORTED.search(line):
        return f"{found['vendor']:<10}{int(found['rows']):>7,} orders in {found['seconds']} s"
    if found := _PROGRESS.search(line):
        return f"{found['vendor']:<10}{found['progress']}"
    return None


def show(console: Console, manifests: Sequence[dict[str, Any]], *, seconds: float) -> None:
    """Print the table of what was exported, and what to do next.

    :param manifests: what the exports returned.
    :param seconds: how long all of it took.
    """
    console.print(f"\nDone in {seconds:.0f} s.\n")
    console.print(table(manifests, status_width=max(24, console.width - 86)))
    console.print("\nWhat next:")
    for line in (
        f"  Read an order:   head -n 1 {_short(manifests[0]['files'][0]['path'])} | python3 -m json.tool",
        "  Use the browser: make airflow, then trigger the example DAGs",
        "  Your own orders: there, put your host and key into a connection; nothing else changes",
    ):
        console.print(line, markup=False, soft_wrap=True)


def table(manifests: Sequence[dict[str, Any]], *, status_width: int = 34) -> Table:
    """Make the table of what was exported: one row a vendor.

    :param manifests: what the exports returned.
    :param status_width: where lines of the column of statuses are broken.
    """
    result = Table(show_lines=True)
    result.add_column("Vendor", no_wrap=True, style="bold")
    result.add_column("Orders", no_wrap=True, justify="right")
    result.add_column("A second", no_wrap=True, justify="right")
    result.add_column("Total", no_wrap=True, justify="right")
    result.add_column("Orders per status", overflow="fold")
    result.add_column("File", overflow="fold")
    for manifest in manifests:
        result.add_row(
            manifest["source"].capitalize(),
            f"{manifest['rows']:,}",
            f"{manifest['rows'] / max(manifest['seconds'], 0.001):,.0f}",
            "\n".join(f"{_money(total)} {currency}" for currency, total in manifest["totals"].items()),
            "\n".join(_counts(axis, counts, status_width) for axis, counts in manifest["statuses"].items()),
            "\n".join(
                f"{_short(file['path'])}\n({file['bytes'] / 1e6:.1f} MB)" for file in manifest["files"]
            ),
        )
    return result


def _counts(axis: str, counts: dict[str, int], width: int) -> str:
    """List how many orders are in each status, the most first; a number and its status stay on one line."""
    most_first = sorted(counts.items(), key=lambda item: -item[1])
    words = ", ".join(f"{count:,}\N{NO-BREAK SPACE}{status}" for status, count in most_first)
    return textwrap.fill(f"{axis}: {words}", width, break_on_hyphens=False)


def _money(total: str) -> str:
    whole, dot, rest = total.partition(".")
    return f"{int(whole):,}{dot}{rest}"


def _short(url: str) -> str:
    """Write a file's path as one would type it here: the run's date and time left out, as a shell pattern."""
    path = Path(url.removeprefix("file://"))
    folder = path.parent.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.parent
    return f"{shlex.quote(str(folder))}/{_RUN.sub('-*-', path.name)}"


if __name__ == "__main__":
    sys.exit(main())
