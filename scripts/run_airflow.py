# ruff: noqa: INP001 - scripts are run one by one, they are no package
"""``make airflow``: Airflow itself, with the sandbox, the connections to it, and the example DAGs.

Only for this machine: it listens on the loopback address, and whoever reaches it is an administrator.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import urllib.request
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from local_airflow import (
    ROOT,
    CommandError,
    LocalAirflow,
    airflow_version,
    failure_in,
    free_port,
    interruptible,
    running,
)

from airflow_provider_orders import __version__
from airflow_provider_orders.sandbox import Sandbox

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

EXAMPLES = sorted((ROOT / "example_dags").glob("example_*.py"))
SANDBOX_PORT = 8765
START_TIMEOUT_S = 300
STEP_S = 60
CYCLE = 4
"""After how many steps live orders start over, so that there are always some on their way to delivery."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run Airflow until Ctrl-C.

    :return: 0 after Ctrl-C, 1 when something does not start or dies.
    """
    parser = argparse.ArgumentParser(prog="make airflow", description=__doc__)
    parser.add_argument(
        "--port",
        type=int,
        default=int(os.environ.get("AIRFLOW_PORT", "8080")),
        help="where the browser finds it (default: $AIRFLOW_PORT, else 8080)",
    )
    options = parser.parse_args(arguments)
    try:
        with interruptible():
            run(options.port)
    except CommandError as error:
        say(f"\n{error}")
        return 1
    except KeyboardInterrupt:
        say("\nStopped; everything has ended.")
    return 0


def say(line: str) -> None:
    """Print a line at once, wherever it goes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(wanted_port: int) -> None:
    """Start everything, say where it is, and wait.

    :raises CommandError: something did not start, or died.
    :raises KeyboardInterrupt: the user, or the system, asked for the end.
    """
    say(f"airflow-provider-orders {__version__} on Airflow {airflow_version()}")
    port, sandbox_port = free_port(wanted_port), free_port(SANDBOX_PORT)
    for what, wanted, found in (("Airflow", wanted_port, port), ("the sandbox", SANDBOX_PORT, sandbox_port)):
        if wanted != found:
            say(f"  Port {wanted} is taken; {what} uses {found}.")
    airflow = LocalAirflow(name="airflow", settings=settings(port))
    say("  Setting up the database ..." if airflow.prepare_database() else "  The database is there already.")
    with Sandbox(port=sandbox_port, step_s=STEP_S, cycle=CYCLE, base_date=datetime.now(UTC)) as sandbox:
        say(f"  Sandbox of the four vendors: {sandbox.url}, 500 orders each")
        add_connections(airflow, sandbox)
        log = airflow.home / "airflow.log"
        with (
            log.open("w", encoding="utf-8") as output,
            running(airflow.start("standalone", output=output)) as process,
        ):
            try:
                say("  Starting Airflow, which takes half a minute ...")
                wait_until_healthy(process, f"http://127.0.0.1:{port}")
                say(
                    f"\nAirflow is ready: http://localhost:{port}\n"
                    "  Trigger a DAG:           Dags > example_export_orders > Trigger\n"
                    "  Use your own account:    Admin > Connections, edit one, and press Test\n"
                    f"  Exported files:          {airflow.home / 'orders'}\n"
                    f"  What Airflow writes:     {log}\n"
                    "  Stop:                    Ctrl-C"
                )
                wait_for_end(process)
            except CommandError as error:
                output.flush()
                raise CommandError(
                    f"{failure_in(log.read_text(encoding='utf-8'))}\n\n{error} {log}"
                ) from None
            finally:
                say("\nStopping ...")


def settings(port: int) -> dict[str, str]:
    """Give the settings of an Airflow for one person on one machine."""
    return {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://localhost:{port}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
    }


def add_connections(airflow: LocalAirflow, sandbox: Sandbox) -> None:
    """Write the connections to Airflow's database, where the user can see and edit them.

    Once they are there they stay as the user leaves them, unless the sandbox has moved to another port.

    :raises CommandError: Airflow did not take them.
    """
    added = airflow.home / "connections.json"
    wanted = json.dumps(
        {
            # Airflow 3.3.1 and 3.3.2 cannot test a connection that has no port: apache/airflow#73298.
            conn_id: fields | {"port": urlsplit(fields["host"]).port, "extra": json.dumps(fields["extra"])}
            for conn_id, fields in sandbox.connections.items()
        },
        indent=2,
    )
    if added.exists() and added.read_text(encoding="utf-8") == wanted:
        say("  The connections are there already.")
        return
    say(f"  Adding the connections {', '.join(sandbox.connections)} ...")
    new = added.with_name("new-connections.json")
    new.write_text(wanted, encoding="utf-8")
    airflow.run("connections", "import", "--overwrite", str(new))
    new.replace(added)


def wait_until_healthy(process: subprocess.Popen[str], url: str) -> None:
    """Wait until all components of Airflow report that they are healthy, and the example DAGs are there.

    :raises CommandError: Airflow ended, or takes too long.
    """
    started = told = time.monotonic()
    while missing := missing_parts(url):
        now = time.monotonic()
        if process.poll() is not None:
            raise CommandError("Airflow ended by itself; the whole log:")
        if now - started > START_TIMEOUT_S:
            raise CommandError(f"Not ready after {START_TIMEOUT_S} s: {', '.join(missing)}; the whole log:")
        if now - told >= 10:
            told = now
            say(f"    {now - started:.0f} s, still waiting for {', '.join(missing)}")
        time.sleep(0.5)


def missing_parts(url: str) -> list[str]:
    """Ask Airflow which of its parts are not ready."""
    try:
        health = _get(f"{url}/api/v2/monitor/health")
        token = _get(f"{url}/auth/token")["access_token"]
        dags = _get(f"{url}/api/v2/dags?limit=1", token=token)["total_entries"]
    except (OSError, ValueError, KeyError):
        return ["the web server"]
    missing = [
        f"the {name.replace('_', ' ')}" for name, part in health.items() if part["status"] != "healthy"
    ]
    return missing if dags >= len(EXAMPLES) else [*missing, "the example DAGs"]


def _get(url: str, *, token: str | None = None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own loopback address
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=5) as answer:
        content: dict[str, Any] = json.load(answer)
    return content


def wait_for_end(process: subprocess.Popen[str]) -> None:
    """Wait until the user, or the system, asks for the end.

    :raises CommandError: Airflow ended by itself.
    """
    process.wait()
    raise CommandError("Airflow ended by itself; the whole log:")


if __name__ == "__main__":
    sys.exit(main())
