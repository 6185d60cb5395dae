"""Exports: every order once, the files whole or not there, the manifest true."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import requests
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.errors import (
    ApiUnavailableError,
    OrdersError,
    PaginationError,
    UnexpectedPayloadError,
)
from airflow_provider_orders.export.manifest import Manifest, WrittenFile
from airflow_provider_orders.export.record import one_line
from airflow_provider_orders.export.sinks.jsonl import JsonLinesSink
from airflow_provider_orders.export.state import Scope
from airflow_provider_orders.sandbox import Sandbox, credentials
from tests.unit.export import child
from tests.unit.export.exports import (
    SUFFIXES,
    check_files,
    content,
    expected_statuses,
    expected_totals,
    export,
    lines,
    local,
    names,
    orders,
    same_totals,
)
from tests.unit.export.model_source import Shop
from tests.unit.hooks.connect import AMOUNTS, ID_FIELDS, LISTINGS, VENDORS, secrets_in, truth
from tests.unit.sensors.modes import until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
RUN = "airflow_provider_orders.export.run"


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def read_listing(sandbox: Sandbox, vendor: str) -> bytes:
    """Read a vendor's whole listing without the client."""
    base = f"{sandbox.url}/{vendor}"
    with requests.Session() as session:
        session.trust_env = False
        if vendor == "valomnia":
            form = {
                "j_username": credentials.VALOMNIA_EMAIL,
                "j_password": credentials.VALOMNIA_PASSWORD,
                "ajax": "true",
            }
            session.post(f"{base}/j_spring_security_check", data=form, allow_redirects=False)
        session.headers.update(
            {
                "popsell": {"Authorization": f"Bearer {credentials.POPSELL_TOKEN}"},
                "dipli": {"apikey": credentials.DIPLI_API_KEY},
                "valomnia": {},
                "genuka": {
                    "X-API-Key": credentials.GENUKA_API_KEY,
                    "X-Company": credentials.GENUKA_COMPANY_ID,
                },
            }[vendor]
        )
        path = {
            "popsell": "/api/v2/manager/orders?per_page=100&page=",
            "dipli": "/api/v2/orders?pageSize=100&page=",
            "valomnia": "/api/v2.1/orders?max=100&offset=",
            "genuka": "/2023-11/admin/orders?per_page=100&page=",
        }[vendor]
        pages = (0, 100, 200) if vendor == "valomnia" else (1, 2, 3)
        return b"".join(session.get(f"{base}{path}{page}").content for page in pages)


SCOPE = Scope("dipli", "account", "{}")
SLIPPED = "orders that move to a page read before, as another one is deleted while the pages are read"
NO_MANIFEST = cast("Manifest", {})


class TestTheManifest:
    def test_has_the_promised_keys(self) -> None:
        assert set(Manifest.__annotations__) == {
            "model_version", "source", "orders_conn_id", "mode", "window", "uri", "files", "rows", "bytes", "rejected",
            "rejects_file", "statuses", "totals", "source_total", "can_miss", "requests", "seconds", "started_at",
            "finished_at", "plan", "watermark", "unchanged", "deleted", "drift", "fingerprint", "by",
            "limit", "scope", "file_count", "manifest_file", "account",
        }  # fmt: skip
        assert set(WrittenFile.__annotations__) == {"path", "rows", "bytes", "sha256"}

    @pytest.mark.parametrize("output", ["raw", "vendor", "canonical"])
    def test_is_true(self, orders_sandbox: Sandbox, tmp_path: Path, vendor: str, output: str) -> None:
        manifest = export(f"{vendor}_default", tmp_path, output=output)
        assert set(manifest) == set(Manifest.__annotations__)
        assert (manifest["model_version"], manifest["source"]) == (1, vendor)
        assert manifest["orders_conn_id"] == f"{vendor}_default"
        assert (manifest["mode"], manifest["window"]) == ("full", [None, None])
        assert (manifest["rows"], manifest["source_total"], manifest["rejected"]) == (230, 230, 0)
        assert manifest["rejects_file"] is None
        assert manifest["can_miss"] == [SLIPPED]
        assert same_totals(manifest["totals"], expected_totals(orders_sandbox, vendor))
        assert manifest["statuses"] == expected_statuses(orders_sandbox, vendor)
        assert manifest["requests"] == len(orders_sandbox.requests)
        started, finished = (datetime.fromisoformat(manifest[name]) for name in ("started_at", "finished_at"))
        assert started.utcoffset() == finished.utcoffset() is not None
        assert manifest["seconds"] == pytest.approx((finished - started).total_seconds(), abs=0.001)
        check_files(manifest)
        ids = {str(order["id" if output == "canonical" else ID_FIELDS[vendor]]) for order in orders(manifest)}
        assert ids == truth(orders_sandbox, vendor).keys()

    def test_says_what_a_limit_and_a_filter_by_status_can_miss(
        self, orders_sandbox: Sandbox, tmp_path: Path
    ) -> None:
        assert orders_sandbox.url
        manifest = export("dipli_default", tmp_path, statuses="shipped", limit=3)
        assert manifest["rows"] == 3
        assert manifest["can_miss"] == [
            "orders beyond the limit of 3",
            "orders whose status changed while the listing was read",
            SLIPPED,
        ]

    def test_is_small_and_holds_no_secret(self, orders_sandbox: Sandbox, tmp_path: Path, vendor: str) -> None:
        assert orders_sandbox.requests == []
        text = json.dumps(export(f"{vendor}_default", tmp_path))
        assert len(text) < 2048
        assert secrets_in(text) == []

    def test_an_empty_listing_is_an_empty_file(
        self, tmp_path: Path, vendor: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Sandbox(orders=0) as sandbox:
            for name, value in sandbox.environment().items():
                monkeypatch.setenv(name, value)
            manifest = export(f"{vendor}_default", tmp_path, compression="gzip")
        assert (manifest["rows"], manifest["source_total"], manifest["totals"], manifest["statuses"]) == (
            0,
            0,
            {},
            {},
        )
        check_files(manifest)
        assert lines(manifest) == []

    def test_names_the_currency_that_an_order_lacks(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        totals = export("valomnia_default", tmp_path)["totals"]
        lacking = [order for order in orders_sandbox.payloads("valomnia") if order["currency"] is None]
        assert ("unknown" in totals) == bool(lacking)

    def test_amounts_are_exact(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        totals = export("dipli_default", tmp_path)["totals"]
        cents = sum(order["price_t_t_c"] for order in orders_sandbox.payloads("dipli"))
        assert Decimal(totals["EUR"]) * 100 == cents
        assert "E" not in totals["EUR"]


class TestTheOrders:
    def test_raw_is_the_vendors_bytes(self, orders_sandbox: Sandbox, tmp_path: Path, vendor: str) -> None:
        found = lines(export(f"{vendor}_default", tmp_path))
        sent = read_listing(orders_sandbox, vendor)
        assert len(found) == 230
        assert [line for line in found if line not in sent] == []

    def test_vendor_is_the_validated_payload_with_money_as_text(
        self, orders_sandbox: Sandbox, tmp_path: Path, vendor: str
    ) -> None:
        found = orders(export(f"{vendor}_default", tmp_path, output="vendor"))
        payloads = truth(orders_sandbox, vendor)
        for order in found:
            payload = payloads[str(order[ID_FIELDS[vendor]])]
            amount = order[AMOUNTS[vendor]]
            if vendor == "dipli":  # whole cents
                assert amount == payload[AMOUNTS[vendor]]
            else:
                assert amount is None or (
                    isinstance(amount, str) and Decimal(amount) == Decimal(str(payload[AMOUNTS[vendor]]))
                )

    def test_canonical_has_one_shape(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        shapes = {
            vendor: {
                frozenset(order)
                for order in orders(export(f"{vendor}_default", tmp_path / vendor, output="canonical"))
            }
            for vendor in VENDORS
        }
        assert len(set().union(*shapes.values())) == 1
        assert orders_sandbox.requests

    def test_a_row_over_several_lines_becomes_one(self) -> None:
        assert one_line(b'{"a":\r\n  1,\n"b": "x\\ny"}') == b'{"a":    1, "b": "x\\ny"}'
        assert one_line(b'{"a":1}') == b'{"a":1}'

    @pytest.mark.parametrize("compression", ["gzip", "zstd"])
    @pytest.mark.parametrize("output", ["raw", "canonical"])
    def test_compressed_is_the_same(
        self, orders_sandbox: Sandbox, tmp_path: Path, compression: str, output: str
    ) -> None:
        plain = export("genuka_default", tmp_path / "plain", output=output)
        packed = export("genuka_default", tmp_path / "packed", output=output, compression=compression)
        assert lines(packed) == lines(plain)
        assert packed["files"][0]["path"].endswith(f".jsonl{SUFFIXES[compression]}")
        assert packed["bytes"] < plain["bytes"]
        check_files(packed)
        assert orders_sandbox.requests

    def test_gzip_of_the_same_orders_is_the_same_file(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        first = export("dipli_default", tmp_path, compression="gzip")["files"]
        orders_sandbox.clock.advance(0.001)
        assert export("dipli_default", tmp_path, compression="gzip")["files"] == first

    def test_rows_that_arrive_meanwhile_come_once(
        self, orders_sandbox: Sandbox, tmp_path: Path, vendor: str
    ) -> None:
        before = truth(orders_sandbox, vendor).keys()
        orders_sandbox.inject("insert", vendor=vendor, times=2, path=LISTINGS[vendor], count=3)
        ids = [str(order[ID_FIELDS[vendor]]) for order in orders(export(f"{vendor}_default", tmp_path))]
        assert len(ids) == len(set(ids))
        assert set(ids) >= before


class TestSelections:
    @pytest.mark.parametrize("output", ["raw", "vendor", "canonical"])
    @pytest.mark.parametrize(("vendor", "field"), [("valomnia", "lastUpdated"), ("genuka", "updated_at")])
    def test_a_window_is_exact(
        self, orders_sandbox: Sandbox, tmp_path: Path, vendor: str, field: str, output: str
    ) -> None:
        moments = {
            order_id: datetime.fromisoformat(order[field])
            for order_id, order in truth(orders_sandbox, vendor).items()
        }
        start, end = (sorted(moments.values())[place] for place in (60, 90))
        manifest = export(
            f"{vendor}_default", tmp_path, updated_from=start, updated_to=end.isoformat(), output=output
        )
        found = {str(order["id"]) for order in orders(manifest)}
        assert found == {order_id for order_id, moment in moments.items() if start <= moment < end}
        assert manifest["mode"] == "window"
        assert [datetime.fromisoformat(text) for text in manifest["window"]] == [start, end]
        assert manifest["rows"] == len(found)
        assert manifest["source_total"] >= len(found)

    def test_a_window_by_creation_is_in_the_manifest(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        manifest = export("genuka_default", tmp_path, created_from="2025-12-01T00:00:00+01:00")
        assert manifest["window"] == ["2025-11-30T23:00:00+00:00", None]
        assert 0 < manifest["rows"] < 230
        assert orders_sandbox.requests

    def test_a_window_of_no_length_brings_an_empty_file(
        self, orders_sandbox: Sandbox, tmp_path: Path
    ) -> None:
        moment = orders_sandbox.payloads("genuka")[3]["updated_at"]
        manifest = export("genuka_default", tmp_path, updated_from=moment, updated_to=moment)
        assert manifest["rows"] == 0
        check_files(manifest)

    @pytest.mark.parametrize(
        ("vendor", "statuses", "axis", "words"),
        [
            ("popsell", ["completed", "RETURNED"], "order", {"completed", "returned"}),
            ("dipli", ["delivered", "ongoing_shipping"], "fulfillment", {"delivered", "in_transit"}),
            ("genuka", ("pending", "delivered"), "fulfillment", {"pending", "delivered", "cancelled"}),
        ],
    )
    def test_several_statuses(
        self, orders_sandbox: Sandbox, tmp_path: Path, vendor: str, statuses: Any, axis: str, words: set[str]
    ) -> None:
        manifest = export(f"{vendor}_default", tmp_path, statuses=statuses)
        assert set(manifest["statuses"][axis]) == words
        assert manifest["rows"] == manifest["source_total"] == sum(manifest["statuses"][axis].values())
        ids = [order[ID_FIELDS[vendor]] for order in orders(manifest)]
        assert len(ids) == len(set(ids)) < 230
        assert orders_sandbox.requests

    def test_one_ambassador(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        ambassador = next(o["ambassador"] for o in orders_sandbox.payloads("popsell") if o["ambassador"])
        number = ambassador["id_ambassador"]
        manifest = export("popsell_default", tmp_path, ambassador_id=str(number))
        credited = {
            order_id
            for order_id, order in truth(orders_sandbox, "popsell").items()
            if order["ambassador"] and order["ambassador"]["id_ambassador"] == number
        }
        assert {str(order["id_order"]) for order in orders(manifest)} == credited

    @pytest.mark.parametrize("vendor", ["valomnia", "genuka"])
    def test_lines_when_asked_for(self, orders_sandbox: Sandbox, tmp_path: Path, vendor: str) -> None:
        window = {"updated_from": "2025-12-25T00:00:00Z", "output": "canonical"}
        bare = orders(export(f"{vendor}_default", tmp_path, **window))
        full = orders(export(f"{vendor}_default", tmp_path, **window, with_lines=True))
        assert [order["id"] for order in bare] == [order["id"] for order in full]
        assert {order["lines"] is None for order in full} == {False}
        assert any(order["lines"] for order in full)
        assert all(order["lines"] is None or order["lines"] == [] for order in bare)
        assert orders_sandbox.requests

    @pytest.mark.parametrize("limit", [1, 7, "100", 229, 230, 5000])
    def test_a_limit(self, orders_sandbox: Sandbox, tmp_path: Path, limit: int | str) -> None:
        manifest = export("dipli_default", tmp_path, limit=limit)
        assert manifest["rows"] == len(lines(manifest)) == min(230, int(limit))
        assert manifest["source_total"] == 230
        assert orders_sandbox.requests


class TestProgress:
    SHOP = 601

    def lines(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, page_s: float, **options: Any
    ) -> list[str]:
        """Export from a shop whose pages take so long, and give the lines about it."""
        caplog.set_level(logging.INFO, RUN)
        shop = Shop("popsell", page_size=100)
        for _ in range(self.SHOP):
            shop.place()
        clock = itertools.count(step=page_s)
        monkeypatch.setattr(f"{RUN}.time", SimpleNamespace(monotonic=lambda: next(clock)))
        shop.export("run", **options)
        return [text for text in caplog.messages if " pages, " in text]

    def test_is_told_by_the_orders_that_have_passed(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        first, *_, last = self.lines(monkeypatch, caplog, 10.0, mode="full")
        assert re.fullmatch(r"Popsell: 2 pages, 200 of 601 orders, 10 a second, done at about .* UTC", first)
        assert last.startswith("Popsell: 7 pages, 601 of 601 orders, 8 a second, done at about ")

    def test_counts_orders_outside_of_the_window(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        window = OrderQuery(updated_from=datetime(2030, 1, 1, tzinfo=UTC))
        first, *_ = self.lines(monkeypatch, caplog, 10.0, mode="window", query=window)
        assert first.startswith("Popsell: 2 pages, 200 of 601 orders, 10 a second, done at about ")

    def test_names_no_end_that_is_days_away(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        first, *_ = self.lines(monkeypatch, caplog, 1e6, mode="full")
        assert first == "Popsell: 2 pages, 200 of 601 orders, 0 a second"


class TestBadRows:
    @pytest.mark.parametrize("variant", ["missing_id", "text_amount"])
    @pytest.mark.parametrize("output", ["raw", "vendor", "canonical"])
    def test_keep_puts_them_beside_the_data(
        self, orders_sandbox: Sandbox, tmp_path: Path, vendor: str, variant: str, output: str
    ) -> None:
        orders_sandbox.inject("bad_row", vendor=vendor, variant=variant, path=LISTINGS[vendor])
        manifest = export(f"{vendor}_default", tmp_path, output=output, on_reject="keep")
        assert (manifest["rows"], manifest["rejected"]) == (229, 1)
        check_files(manifest)
        (rejected,) = content(manifest["rejects_file"]).splitlines()
        reject = json.loads(rejected)
        assert set(reject) == {"reason", "row"}
        field = ID_FIELDS[vendor] if variant == "missing_id" else AMOUNTS[vendor]
        assert field in reject["reason"]
        assert "forty-two" not in reject["reason"]
        if variant == "text_amount":
            assert reject["row"][AMOUNTS[vendor]] == "forty-two"
            ids = {
                str(order["id" if output == "canonical" else ID_FIELDS[vendor]]) for order in orders(manifest)
            }
            assert ids | {str(reject["row"][ID_FIELDS[vendor]])} == truth(orders_sandbox, vendor).keys()

    @pytest.mark.parametrize("compression", [None, "gzip", "zstd"])
    def test_fail_leaves_the_files_as_they_were(
        self, orders_sandbox: Sandbox, tmp_path: Path, vendor: str, compression: str | None
    ) -> None:
        export(f"{vendor}_default", tmp_path, compression=compression)
        before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
        orders_sandbox.inject("bad_row", vendor=vendor, after=1, variant="text_amount")
        with pytest.raises(UnexpectedPayloadError, match=AMOUNTS[vendor]) as caught:
            export(f"{vendor}_default", tmp_path, compression=compression)
        assert "forty-two" not in str(caught.value)
        assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()} == before

    @pytest.mark.parametrize("fault", ["wrong_total", "repeat_page", "server_error", "rate_limit"])
    def test_so_does_every_other_failure(self, orders_sandbox: Sandbox, tmp_path: Path, fault: Any) -> None:
        export("dipli_default", tmp_path)
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        options: dict[str, Any] = {"retry_after": "7200"} if fault == "rate_limit" else {}
        spared = 0 if fault == "wrong_total" else 1  # a total that grows meanwhile is no error
        orders_sandbox.inject(fault, vendor="dipli", after=spared, times=None, **options)
        with pytest.raises((OrdersError, TaskDeferred)) as caught:  # before 3.3, a rate limit defers
            export("dipli_default", tmp_path, on_reject="keep")
        assert isinstance(caught.value, PaginationError) == (fault in {"wrong_total", "repeat_page"})
        assert isinstance(caught.value, ApiUnavailableError) == (fault == "server_error")
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    def test_rejects_do_not_count_to_a_limit(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        orders_sandbox.inject("bad_row", vendor="dipli", variant="text_amount")
        manifest = export("dipli_default", tmp_path, on_reject="keep", limit=100)
        assert (manifest["rows"], manifest["rejected"]) == (100, 1)


class TestAgain:
    def test_replaces_the_files(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        first = export("dipli_default", tmp_path)
        before = names(tmp_path)
        orders_sandbox.insert_orders("dipli", 3)
        second = export("dipli_default", tmp_path)
        assert names(tmp_path) == before
        assert [file["path"] for file in second["files"]] == [file["path"] for file in first["files"]]
        assert second["rows"] == 233
        check_files(second)

    @pytest.mark.parametrize("after", [None, "gzip", "zstd"])
    @pytest.mark.parametrize("before", [None, "gzip", "zstd"])
    def test_removes_what_another_compression_left(
        self, orders_sandbox: Sandbox, tmp_path: Path, before: str | None, after: str | None
    ) -> None:
        orders_sandbox.inject("bad_row", vendor="dipli", variant="text_amount")
        kept = export("dipli_default", tmp_path, compression=before, on_reject="keep", limit=150)
        assert local(kept["rejects_file"]).exists()
        manifest = export("dipli_default", tmp_path, compression=after, limit=5)
        stem = local(manifest["files"][0]["path"]).name.partition(".jsonl")[0]
        assert names(tmp_path) == sorted([f"{stem}.jsonl{SUFFIXES[after]}", f"{stem}.manifest.json"])
        check_files(manifest)

    def test_leaves_other_files_alone(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        others = ["notes.txt", "dipli-other.jsonl", ".dipli-other.jsonl.0000.part"]
        for name in others:
            (tmp_path / name).write_text("mine")
        export("dipli_default", tmp_path, limit=1)
        assert {(tmp_path / name).read_text() for name in others} == {"mine"}
        assert orders_sandbox.requests

    def test_removes_what_a_killed_run_left(self, orders_sandbox: Sandbox, tmp_path: Path) -> None:
        stem = local(export("dipli_default", tmp_path, limit=1)["files"][0]["path"]).name.partition(".jsonl")[
            0
        ]
        (tmp_path / f".{stem}.jsonl.gz.deadbeef.part").write_text("half an ord")
        (tmp_path / f".{stem}.rejects.jsonl.deadbeef.part").write_text("{")
        export("dipli_default", tmp_path, limit=1)
        assert names(tmp_path) == [f"{stem}.jsonl", f"{stem}.manifest.json"]
        assert orders_sandbox.requests


def host(sandbox: Sandbox) -> str:
    url: str = sandbox.connections["dipli_default"]["host"]
    return url


@contextlib.contextmanager
def exporting(*runs: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    """Export in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.unit.export.child", json.dumps(runs)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def exported(*runs: dict[str, Any]) -> list[dict[str, Any]]:
    """Give what came of exports in a process of its own."""
    with exporting(*runs) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()
    found: list[dict[str, Any]] = json.loads(out.splitlines()[-1])  # the lines before are the log
    return found


class TestCrashes:
    def test_a_killed_run_shows_nothing_and_the_next_one_cleans_up(self, tmp_path: Path) -> None:
        with Sandbox(orders=230) as sandbox:
            run: dict[str, Any] = {"host": host(sandbox), "folder": str(tmp_path), "compression": "gzip"}
            sandbox.inject("slow", vendor="dipli", after=8, times=None, delay_s=1)
            with exporting({**run, "page_size": 20}) as process:
                until(lambda: len(sandbox.requests) == 8 or process.poll() is not None)
                process.send_signal(signal.SIGKILL)
                process.wait(timeout=60)
            left = names(tmp_path)
            assert left
            assert all(name.startswith(".orders.jsonl") and name.endswith(".part") for name in left)
            sandbox.reset()
            assert child.run(**run)["rows"] == 230
        assert names(tmp_path) == ["orders.jsonl.gz", "orders.manifest.json"]

    def test_a_full_disk_is_named_and_leaves_the_files_as_they_were(
        self, orders_sandbox: Sandbox, tmp_path: Path
    ) -> None:
        # Full at once, in the middle, and only when the last bytes are written.
        tight = [(None, 1), (None, 20_000), (None, 335_000), ("gzip", 20_000), ("zstd", 500)]
        runs: list[dict[str, Any]] = []
        for number, (compression, room) in enumerate(tight):
            folder = tmp_path / str(number)
            folder.mkdir()
            (folder / "orders.jsonl").write_text("of yesterday")
            place = {"host": host(orders_sandbox), "folder": str(folder)}
            runs.append({**place, "compression": compression, "most_bytes": room})
        for run, failed in zip(runs, exported(*runs), strict=True):
            folder = Path(run["folder"])
            assert failed["error"] == "OrdersError"
            assert failed["message"].startswith(
                f"Writing to {folder} failed: File too large. The files are as they were before"
            )
            assert names(folder) == ["orders.jsonl"]
            assert (folder / "orders.jsonl").read_text() == "of yesterday"

    @pytest.mark.parametrize("compression", [None, "gzip", "zstd"])
    def test_an_abandoned_sink_leaves_nothing(self, tmp_path: Path, compression: str | None) -> None:
        with JsonLinesSink(tmp_path, "x", compression=compression) as sink:
            sink.open(SCOPE, incremental=False)
            sink.write([b"{}"])
            sink.reject(b"[]", "no order")
            assert len(names(tmp_path)) == 2
        assert names(tmp_path) == []

    def test_a_target_that_goes_away_at_the_end_is_named(self, tmp_path: Path) -> None:
        folder = tmp_path / "orders"
        with JsonLinesSink(folder, "x") as sink:
            sink.open(SCOPE, incremental=False)
            sink.write([b"{}"])
            sink.finish(None)
            shutil.rmtree(folder)
            with pytest.raises(OrdersError, match="No such file or directory"):
                sink.commit(NO_MANIFEST, None)

    def test_an_error_while_the_files_appear_says_so(self, tmp_path: Path) -> None:
        with JsonLinesSink(tmp_path, "x") as sink:
            sink.open(SCOPE, incremental=False)
            sink.write([b"{}"])
            sink.finish(None)
            (tmp_path / "x.jsonl").mkdir()
            with pytest.raises(OrdersError, match="Some of the files may be replaced already"):
                sink.commit(NO_MANIFEST, None)
        assert names(tmp_path) == ["x.jsonl"]


def test_memory_does_not_grow_with_the_orders(tmp_path: Path) -> None:
    count = 1000  # more than the pages under way hold
    with Sandbox(orders=count) as few, Sandbox(orders=count * 5) as many:
        few.prepare("dipli")
        many.prepare("dipli")
        first = [
            {"folder": str(tmp_path), "output": output, "host": host(few)} for output in ("raw", "canonical")
        ]
        measured = [
            {**run, "host": host(sandbox), "measure": True} for run in first for sandbox in (few, many)
        ]
        found = exported(*first, *measured)[2:]  # what is made once is made by the first
    assert [run["rows"] for run in found] == [count, count * 5] * 2
    # Each order is 1.5 kB as the vendor sends it, and more once it is read.
    for before, after in (found[:2], found[2:]):
        assert after["peak_bytes"] - before["peak_bytes"] < count * 4 * 1500 / 4
