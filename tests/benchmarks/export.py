"""Exports sandbox orders beside a plain requests loop, and prints the ratios of time and memory.

``make bench`` runs it. Each figure is the median of several runs; the two ways take turns in one session, so that a
ratio holds on a machine whose speed drifts. Each run is a process of its own, and so is the sandbox.

The plain loop is what people write first: one session, one page after the other, ``json``, JSON Lines. It checks
nothing. The provider's export validates every order against the vendor's documented payload, counts statuses and
totals, de-duplicates, hashes what it writes and compares the number of orders with the vendor's own.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from airflow_provider_orders.sandbox import credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 5
WAYS = ("plain", "provider")


def export_plain(url: str, folder: Path) -> int:
    """Export with a loop around requests."""
    token = requests.post(
        f"{url}/api/v2/auth/token",
        json={"api_key": credentials.POPSELL_API_KEY},
        headers={"X-Popsell-Domain": credentials.POPSELL_DOMAIN},
        timeout=30,
    ).json()["token"]
    rows = 0
    with requests.Session() as session, (folder / "orders.jsonl").open("w") as file:
        session.headers["Authorization"] = f"Bearer {token}"
        page: int | None = 1
        while page is not None:
            answer = session.get(
                f"{url}/api/v2/manager/orders",
                params={"sort": "id_order", "page": str(page), "per_page": "100"},
                timeout=30,
            )
            answer.raise_for_status()
            content = answer.json()
            for order in content["data"]:
                file.write(json.dumps(order) + "\n")
                rows += 1
            page = page + 1 if content["next_page_url"] else None
    return rows


def export_provider(url: str, folder: Path, concurrency: int) -> int:
    """Export with this package, every order validated."""
    from airflow_provider_orders.apis.popsell import PopsellApi, PopsellSettings
    from airflow_provider_orders.apis.query import OrderQuery
    from airflow_provider_orders.apis.settings import ConnectionFields
    from airflow_provider_orders.export.run import export_orders
    from airflow_provider_orders.export.sinks.jsonl import JsonLinesSink
    from airflow_provider_orders.http.sync import SyncClient

    fields = ConnectionFields(
        conn_id="benchmark",
        host=url,
        password=credentials.POPSELL_API_KEY,
        extra={"auth": "api_key", "domain": credentials.POPSELL_DOMAIN, "concurrency": concurrency},
    )
    api = PopsellApi(PopsellSettings.from_connection(fields))
    with SyncClient(api) as client, JsonLinesSink(folder, "orders") as sink:
        return export_orders(client, OrderQuery(), sink)["rows"]


def run_one(way: str, url: str, concurrency: int) -> None:
    """Export once in this process and print what it took; imports and a first page are not counted."""
    if way == "provider":
        import airflow_provider_orders.http.sync  # noqa: F401
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        rows = (
            export_plain(url, Path(folder))
            if way == "plain"
            else export_provider(url, Path(folder), concurrency)
        )
        seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(
        json.dumps(
            {"rows": rows, "seconds": seconds, "peak_mb": peak / 1024, "grown_mb": (peak - before) / 1024}
        )
        + "\n"
    )


@contextmanager
def sandbox(orders: int, latency_ms: int) -> Iterator[str]:
    """Run a sandbox as a process of its own; gives the address of its Popsell."""
    command = [
        sys.executable,
        "-m",
        "airflow_provider_orders.sandbox",
        "--port",
        "0",
        "--orders",
        str(orders),
    ]
    process = subprocess.Popen(
        [*command, "--latency-ms", str(latency_ms)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = next(
            word.rstrip("/,")
            for line in process.stdout
            for word in line.split()
            if word.startswith("http://")
        )
        yield f"{url.split('/popsell')[0]}/popsell"
    finally:
        process.terminate()
        process.wait()


def measure(url: str, way: str, concurrency: int) -> dict[str, Any]:
    """Run one export as a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.export", "--one", way, "--url", url]
    done = subprocess.run(
        [*command, "--concurrency", str(concurrency)], capture_output=True, text=True, check=True
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def compare(orders: int, latency_ms: int, concurrency: int, rounds: int) -> dict[str, dict[str, float]]:
    """Let both ways take turns; gives the medians, and the median of the ratios pair by pair."""
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    with sandbox(orders, latency_ms) as url:
        for way in WAYS:
            measure(url, way, concurrency)
        for _ in range(rounds):
            for way in WAYS:
                runs[way].append(measure(url, way, concurrency))
    assert all(run["rows"] == orders for way in WAYS for run in runs[way]), "an export is not complete"
    medians = {
        way: {
            name: statistics.median(run[name] for run in runs[way])
            for name in ("seconds", "peak_mb", "grown_mb")
        }
        for way in WAYS
    }
    pairs = zip(runs["plain"], runs["provider"], strict=True)
    medians["ratio"] = {
        "seconds": statistics.median(plain["seconds"] / ours["seconds"] for plain, ours in pairs)
    }
    return medians


def main() -> None:
    """Compare at no latency and at 20 ms, and memory at 20,000 and 100,000 orders."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--one", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        run_one(options.one, options.url, options.concurrency)
        return

    def say(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    say(
        f"Export of {options.orders:,} Popsell orders to JSON Lines, medians of {options.rounds} runs taken in turn:"
    )
    say(f"{'':38}{'plain loop':>12}{'provider':>12}{'ratio':>9}")
    for latency_ms, concurrency in ((0, options.concurrency), (20, options.concurrency), (20, 8)):
        found = compare(options.orders, latency_ms, concurrency, options.rounds)
        plain, ours = found["plain"], found["provider"]
        say(
            f"{f'{latency_ms} ms a request, concurrency {concurrency}':38}{plain['seconds']:>10.2f} s"
            f"{ours['seconds']:>10.2f} s{found['ratio']['seconds']:>8.1f}x"
        )
    say("")
    say("Peak memory of the whole process, and what the export itself added to it:")
    for orders in (options.orders, 5 * options.orders):
        found = compare(orders, 0, options.concurrency, max(1, options.rounds // 2))
        plain, ours = found["plain"], found["provider"]
        say(
            f"{f'{orders:,} orders':38}{plain['peak_mb']:>9.0f} MB{ours['peak_mb']:>9.0f} MB"
            f"{ours['peak_mb'] / plain['peak_mb']:>8.1f}x   (+{plain['grown_mb']:.0f} MB, +{ours['grown_mb']:.0f} MB)"
        )


if __name__ == "__main__":
    main()
