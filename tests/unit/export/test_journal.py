"""A retry goes on behind the pages that an interrupted try has kept, where nothing has moved, and starts again elsewhere."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy

from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.errors import OrdersError, UnexpectedPayloadError
from airflow_provider_orders.export import journal
from airflow_provider_orders.export.run import export_orders
from airflow_provider_orders.export.sinks.jsonl import JsonLinesSink
from airflow_provider_orders.export.sinks.sql import SqlSink
from airflow_provider_orders.http.sync import SyncClient
from airflow_provider_orders.sandbox import Sandbox
from tests.unit.clients import FAST, VENDORS, make_api
from tests.unit.export.exports import names, orders
from tests.unit.export.sql_targets import UrlDatabase

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airflow_provider_orders.export.manifest import Manifest
    from airflow_provider_orders.export.sinks.base import Sink
    from tests.services import Database

PAGES = 23
ID_FIELDS = {"popsell": "id_order", "dipli": "id", "valomnia": "id", "genuka": "id"}


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_MOST_BYTES", 30_000)
    monkeypatch.setattr(journal, "_SHORTEST_S", 0.0)


class Interrupted(BaseException):
    """Ends a try as a kill does: nothing is written any more."""


class Tries:
    """Tries of one task instance to export a vendor's orders into a folder.

    :param folder: where to.
    """

    def __init__(self, sandbox: Sandbox, vendor: str, folder: Path) -> None:
        self.sandbox = sandbox
        self.vendor = vendor
        self.folder = folder

    def sink(self) -> Sink[Any]:
        """Give the target."""
        return JsonLinesSink(self.folder, "orders", run_key="task")

    def run(self, *, fails_after: int | None = None, **arguments: Any) -> Manifest:
        """Try once; ``fails_after`` so many pages."""
        sink = self.sink()
        write, pages = sink.write, 0

        def counted(items: Sequence[bytes]) -> None:
            nonlocal pages
            pages += 1
            if fails_after is not None and pages > fails_after:
                raise Interrupted
            write(items)

        sink.write = counted  # type: ignore[method-assign]
        api = make_api(self.sandbox, self.vendor, page_size=10, concurrency=2)
        with SyncClient(api, policy=FAST) as client, sink:
            return export_orders(
                client,
                arguments.pop("query", OrderQuery()),
                sink,
                run_key="task",
                now=self.sandbox.clock.now() + timedelta(seconds=1),
                **arguments,
            )

    def interrupt(self, *, after: int, **arguments: Any) -> None:
        """Try once, and end it after so many pages."""
        with pytest.raises(Interrupted):
            self.run(fails_after=after, **arguments)

    @property
    def kept(self) -> list[str]:
        """The files of the journal."""
        return [name for name in names(self.folder) if ".journal-" in name]

    def ids(self, manifest: Manifest) -> list[str]:
        """The orders of an export."""
        return [str(order[ID_FIELDS[self.vendor]]) for order in orders(dict(manifest))]


@pytest.fixture
def tries(orders_sandbox: Sandbox, vendor: str, tmp_path: Path) -> Tries:
    return Tries(orders_sandbox, vendor, tmp_path)


def check_whole(tries: Tries, manifest: Manifest) -> None:
    """Check that each order is there once, and that nothing was left behind."""
    truth = {str(order[ID_FIELDS[tries.vendor]]) for order in tries.sandbox.payloads(tries.vendor)}
    found = tries.ids(manifest)
    assert len(found) == len(set(found)) == manifest["rows"]
    assert set(found) == truth
    assert tries.kept == []


@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_goes_on_behind_the_last_page_kept(tries: Tries, mode: str) -> None:
    tries.interrupt(after=18, mode=mode)
    assert tries.kept != []
    manifest = tries.run(mode=mode)
    check_whole(tries, manifest)
    assert manifest["requests"] < PAGES - 5  # one to look, the rest, and a login


def test_gives_the_same_manifest_as_one_go(tries: Tries, tmp_path: Path) -> None:
    tries.interrupt(after=18)
    resumed = tries.run()
    tries.folder = tmp_path / "other"
    straight = tries.run()
    assert tries.ids(resumed) == tries.ids(straight)
    timed = {"uri", "files", "manifest_file", "requests", "seconds", "started_at", "finished_at"}
    assert {name: value for name, value in resumed.items() if name not in timed} == {
        name: value for name, value in straight.items() if name not in timed
    }
    assert [file["sha256"] for file in resumed["files"]] == [file["sha256"] for file in straight["files"]]


def test_its_manifest_began_with_the_first_try(tries: Tries) -> None:
    began = tries.sandbox.clock.now() + timedelta(seconds=1)
    tries.interrupt(after=18)
    tries.sandbox.clock.advance(3600)
    manifest = tries.run()
    assert datetime.fromisoformat(manifest["started_at"]) == began
    finished_at = datetime.fromisoformat(manifest["finished_at"])
    assert timedelta(hours=1) <= finished_at - began < timedelta(hours=1, minutes=1)
    assert 0 < manifest["seconds"] < 60
    check_whole(tries, manifest)


def test_goes_on_again_and_again(tries: Tries) -> None:
    for after in (12, 4, 4):
        tries.interrupt(after=after)
    check_whole(tries, tries.run())


def test_takes_orders_that_came_behind_it(tries: Tries) -> None:
    tries.interrupt(after=15)
    tries.sandbox.clock.advance(5)
    tries.sandbox.insert_orders(tries.vendor, 12)
    check_whole(tries, tries.run(mode="full"))


def test_starts_again_where_orders_have_moved(tries: Tries, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "airflow_provider_orders")
    tries.interrupt(after=18)
    if tries.vendor == "genuka":  # it keeps deleted orders in its listing
        tries.sandbox.delete_order(tries.vendor, tries.sandbox.payloads("genuka")[0]["id"], force=True)
    else:
        tries.sandbox.delete_order(
            tries.vendor, tries.sandbox.payloads(tries.vendor)[0][ID_FIELDS[tries.vendor]]
        )
    manifest = tries.run()
    check_whole(tries, manifest)
    assert "the export starts again" in caplog.text
    assert manifest["requests"] >= PAGES


def test_starts_again_after_some_hours(tries: Tries) -> None:
    tries.interrupt(after=18)
    tries.sandbox.clock.advance(timedelta(hours=7).total_seconds())
    manifest = tries.run()
    check_whole(tries, manifest)
    assert manifest["requests"] >= PAGES


def test_starts_again_for_another_selection(orders_sandbox: Sandbox, tmp_path: Path) -> None:
    tries = Tries(orders_sandbox, "genuka", tmp_path)
    tries.interrupt(after=18)
    now = orders_sandbox.clock.now()
    manifest = tries.run(query=OrderQuery(created_from=now - timedelta(days=3650), created_to=now))
    assert manifest["requests"] >= PAGES
    check_whole(tries, manifest)


def test_starts_again_after_a_bad_row(orders_sandbox: Sandbox, tmp_path: Path) -> None:
    tries = Tries(orders_sandbox, "dipli", tmp_path)
    orders_sandbox.inject("bad_row", vendor="dipli", after=20)
    with pytest.raises(UnexpectedPayloadError):
        tries.run()
    assert tries.kept == []
    check_whole(tries, tries.run())


def test_ignores_a_segment_that_was_cut(tries: Tries) -> None:
    tries.interrupt(after=18)
    last = tries.folder / tries.kept[-1]
    last.write_bytes(last.read_bytes()[:-7])
    check_whole(tries, tries.run())


def test_keeps_nothing_of_a_short_listing(orders_sandbox: Sandbox, tmp_path: Path) -> None:
    with Sandbox(orders=90) as short:
        tries = Tries(short, "popsell", tmp_path)
        tries.interrupt(after=8)
        assert tries.kept == []
        check_whole(tries, tries.run())
    assert orders_sandbox.requests == []


def test_keeps_nothing_of_a_listing_that_is_read_in_no_time(
    tries: Tries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_SHORTEST_S", 1000.0)
    tries.interrupt(after=18)
    assert tries.kept == []
    check_whole(tries, tries.run())


def test_keeps_on_once_a_try_was_found_to_take_long(tries: Tries, monkeypatch: pytest.MonkeyPatch) -> None:
    tries.interrupt(after=10)
    kept = tries.kept
    monkeypatch.setattr(journal, "_SHORTEST_S", 1000.0)  # the rest is read in no time
    tries.interrupt(after=15)
    assert len(tries.kept) > len(kept) > 0


def test_goes_on_without_where_there_is_no_room(
    tries: Tries, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("airflow_provider_orders.export.sinks.files._JournalFiles.append", refuse)
    check_whole(tries, tries.run())
    assert caplog.text.count("cannot be kept for a retry (No space left on device)") == 1


def test_a_full_disk_keeps_the_pages(tries: Tries, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:

        def refuse(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr("airflow_provider_orders.export.sinks.folder.PartFile.finish", refuse)
        with pytest.raises(OrdersError, match="No space left on device"):
            tries.run()
    manifest = tries.run()
    check_whole(tries, manifest)
    assert manifest["requests"] <= 4  # all pages were kept: a login, and one to look
    (note,) = tries.folder.glob("*.manifest.json")
    assert json.loads(note.read_bytes())["rows"] == 230


class TestADatabase:
    class Tries(Tries):
        """Tries to export into a table."""

        url = ""

        def sink(self) -> Sink[Any]:
            return SqlSink(UrlDatabase(self.url), run_key="task")

        def ask(self, words: str) -> list[Any]:
            """Ask the database."""
            engine = sqlalchemy.create_engine(self.url)
            try:
                with engine.connect() as connection:
                    return [row[0] for row in connection.execute(sqlalchemy.text(words))]
            finally:
                engine.dispose()

    @pytest.fixture
    def tries(self, orders_sandbox: Sandbox, tmp_path: Path, any_database: Database) -> TestADatabase.Tries:
        tries = self.Tries(orders_sandbox, "genuka", tmp_path)
        tries.url = any_database.url
        return tries

    @pytest.mark.parametrize("mode", ["full", "incremental"])
    def test_goes_on_behind_the_last_page_kept(self, tries: TestADatabase.Tries, mode: str) -> None:
        tries.interrupt(after=18, mode=mode)
        assert tries.ask("SELECT count(*) FROM orders_journal") != [0]
        assert tries.ask("SELECT count(*) FROM orders") == [0]
        manifest = tries.run(mode=mode)
        truth = {order["id"] for order in tries.sandbox.payloads("genuka")}
        assert set(tries.ask("SELECT id FROM orders")) == truth
        assert manifest["rows"] == len(truth)
        assert manifest["requests"] < PAGES - 5
        assert tries.ask("SELECT count(*) FROM orders_journal") == [0]

    def test_leaves_the_journal_of_another_task_alone(self, tries: TestADatabase.Tries) -> None:
        tries.interrupt(after=18)
        kept = tries.ask("SELECT number FROM orders_journal")
        other = SqlSink(UrlDatabase(tries.url), run_key="another task")
        with SyncClient(make_api(tries.sandbox, "genuka"), policy=FAST) as client, other:
            export_orders(client, OrderQuery(), other, run_key="another task")
        assert tries.ask("SELECT number FROM orders_journal") == kept
