"""What an export asks of its folder, which may hold the files of years, and be of any kind of storage."""

from __future__ import annotations

import errno
import io
import json
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from airflow_provider_orders.errors import ConfigurationError, OrdersError
from airflow_provider_orders.export.record import RecordReader
from airflow_provider_orders.export.sinks.folder import Listing, PartFile
from airflow_provider_orders.export.sinks.jsonl import JsonLinesSink
from airflow_provider_orders.export.sinks.parquet import ParquetSink
from airflow_provider_orders.export.state import Scope
from airflow_provider_orders.export.written import FolderTarget
from tests.unit.export.model_source import MemoryFolder, Shop
from tests.unit.export.series import Series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_orders.sandbox import Sandbox

Sinks = dict[str, "Callable[[Any, str], Any]"]

SINKS: Sinks = {
    "jsonl": lambda folder, key: JsonLinesSink(folder, "orders", run_key=key, output="canonical"),
    "parquet": lambda folder, key: ParquetSink(folder, "orders", run_key=key),
    "partitions": lambda folder, key: ParquetSink(folder, "orders", run_key=key, partition_by="created"),
}


def shop_of_days(days: int = 3) -> Shop:
    """Open a shop and place an order a day."""
    shop = Shop("genuka")
    for _ in range(days):
        shop.place()
        shop.now += 86400
    return shop


def test_each_export_lists_the_folder_when_it_begins_and_when_it_ends(
    orders_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    iterdir = Path.iterdir
    listed: list[Path] = []

    def noted(folder: Path) -> Iterator[Path]:
        listed.append(folder)
        return iterdir(folder)

    monkeypatch.setattr(Path, "iterdir", noted)
    series = Series(orders_sandbox, "genuka", tmp_path)
    for _ in range(2):
        listed.clear()
        series.export()
        assert listed == [tmp_path] * 2


def test_listing_gives_names_in_order_and_forgets_what_was_removed(tmp_path: Path) -> None:
    for name in ("b-2.json", "b-1.json", "a-1.json", "b-1.txt"):
        (tmp_path / name).touch()
    listing = Listing(tmp_path)

    first, _ = listing.having("b-", ".json")
    listing.remove(first)

    assert first.name == "b-1.json"
    assert [path.name for path in listing.having("b-")] == ["b-1.txt", "b-2.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-1.json", "b-1.txt", "b-2.json"]


class KeysOnly(MemoryFileSystem):  # type: ignore[misc]
    """An object storage: there are no folders, only keys that begin alike."""

    cachable = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.store: dict[str, Any] = {}
        self.pseudo_dirs: list[str] = []

    def mkdir(self, path: str, create_parents: bool = True, **options: Any) -> None:
        """Make nothing."""

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Make nothing."""


class NoCredentialsError(Exception):
    """What a cloud's library raises; no OSError."""


class Refusing(KeysOnly):
    """An object storage that cannot be asked, or not be written to."""

    refuses = "ls"

    def _refuse(self, name: str) -> None:
        if name == self.refuses:
            raise NoCredentialsError(
                "No way to https://user:secret@storage.example.com/box?sig=secret\n<Error>secret</Error>"
            )

    def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
        self._refuse("ls")
        return super().ls(path, detail=detail, **options)

    def info(self, path: str, **options: Any) -> Any:
        self._refuse("ls")
        return super().info(path, **options)

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        self._refuse("open")
        file = super()._open(path, mode, **options)
        return _RefusingFile(self, file) if self.refuses == "close" and "w" in mode else file


class _RefusingFile(io.BytesIO):
    def __init__(self, storage: Refusing, file: Any) -> None:
        super().__init__()
        self._storage = storage
        self.path = file.path

    def close(self) -> None:
        self._storage._refuse("close")


def on_storage(storage: MemoryFileSystem) -> ObjectStoragePath:
    """Give a folder on a storage, under a name of its own: Airflow remembers what a name stands for."""
    name = f"storage-{uuid.uuid4().hex}"
    attach("memory", conn_id=name, fs=storage)
    return ObjectStoragePath(f"memory://{name}@bucket/lake/orders")


class TestAnObjectStorage:
    @pytest.mark.parametrize("kind", SINKS)
    @pytest.mark.parametrize("mode", ["full", "incremental"])
    def test_holds_nothing_where_nothing_was_exported_yet(self, kind: str, mode: str) -> None:
        storage = KeysOnly()
        folder = on_storage(storage)
        shop = shop_of_days()
        first = shop.export("one", into=SINKS[kind](folder, "one"), mode=mode)
        second = shop.export("two", into=SINKS[kind](folder, "two"), mode=mode)
        assert (first["rows"], second["rows"]) == (3, 3 if mode == "full" else 0)
        for file in second["files"]:
            assert ObjectStoragePath(file["path"]).exists()
        assert not any("/." in key and not key.endswith(".shape.json") for key in storage.store)

    @pytest.mark.parametrize("refuses", ["ls", "open"])
    def test_that_cannot_be_reached_is_named_with_the_reason_and_without_a_secret(self, refuses: str) -> None:
        storage = Refusing()
        storage.refuses = refuses
        with pytest.raises(
            ConfigurationError, match="NoCredentialsError: No way to https://storage"
        ) as caught:
            shop_of_days().export("one", into=SINKS["jsonl"](on_storage(storage), "one"))
        assert caught.value.field == "path"
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("kind", SINKS)
    def test_that_fails_later_gives_one_error_too(self, kind: str) -> None:
        storage = Refusing()
        storage.refuses = "close"
        with pytest.raises(OrdersError, match=r"Writing to .* failed: NoCredentialsError: No way") as caught:
            shop_of_days().export("one", into=SINKS[kind](on_storage(storage), "one"))
        assert "secret" not in str(caught.value)

    def test_that_cannot_keep_the_pages_for_a_retry_says_so_as_a_disk_would(self) -> None:
        storage = Refusing()
        storage.refuses = ""
        with SINKS["jsonl"](on_storage(storage), "one") as sink:
            sink.open(Scope("genuka", "account", "{}"), incremental=True)
            storage.refuses = "open"
            with pytest.raises(OSError, match="NoCredentialsError: No way to https://storage"):
                sink.journal.append(b"a segment")


class TestTwoRunsAtOnce:
    """On a storage that cannot claim a name, both may find that nobody has committed yet."""

    def test_leave_a_manifest_whose_files_are_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shop = shop_of_days()
        rival = Shop("genuka", folder=shop.folder, orders=shop.orders, now=shop.now)
        exists = MemoryFolder.exists
        asked: list[str] = []

        def other_commits_right_after(path: MemoryFolder) -> bool:
            found = exists(path)
            if path.name.endswith("00000001.manifest.json"):
                asked.append(path.name)
                if len(asked) == 2:
                    rival.export("rival")
            return found

        monkeypatch.setattr(MemoryFolder, "exists", other_commits_right_after)
        shop.export("one")
        monkeypatch.undo()

        shop.now += 3600
        assert shop.export("next")["rows"] == 0
        assert shop.target() == shop.rows()
        assert named_files(shop.folder.files) >= {name for name in shop.folder.files if "-00000001-" in name}

    def test_tell_the_one_whose_manifest_was_replaced(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shop = shop_of_days()
        replace = MemoryFolder.replace

        def other_moves_right_after(path: MemoryFolder, target: MemoryFolder) -> None:
            replace(path, target)
            if target.name.endswith(".manifest.json"):
                path.files[target.name] = b"{}"

        monkeypatch.setattr(MemoryFolder, "replace", other_moves_right_after)
        with pytest.raises(OrdersError, match="committed first"):
            shop.export("one")
        assert [name.rpartition(".")[2] for name in shop.folder.files] == ["json"]


def named_files(files: dict[str, bytes]) -> set[str]:
    """Give the names of the files that the manifests name."""
    manifests = [json.loads(data) for name, data in files.items() if name.endswith(".manifest.json")]
    paths = [file["path"].rpartition("/")[2] for manifest in manifests for file in manifest["files"]]
    return {*paths, *(manifest["versions_file"] for manifest in manifests)}


class TestAMountWithoutHardLinks:
    @pytest.fixture(params=[errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
    def number(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
        number: int = request.param
        self.fail(monkeypatch, number)
        return number

    @staticmethod
    def fail(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        def no_link(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "link", no_link)

    @pytest.mark.usefixtures("number")
    def test_takes_a_series_of_exports(self, tmp_path: Path) -> None:
        shop = shop_of_days()
        assert shop.export("one", into=SINKS["jsonl"](tmp_path, "one"))["rows"] == 3
        shop.change(shop.orders[0])
        shop.now += 60
        assert shop.export("two", into=SINKS["jsonl"](tmp_path, "two"))["rows"] == 1
        assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]

    @pytest.mark.usefixtures("number")
    def test_lets_one_run_commit_a_number(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        shop = shop_of_days()
        publish = JsonLinesSink._publish_new

        def other_commits_meanwhile(sink: JsonLinesSink, note: PartFile, parts: Any) -> bool:
            return publish(sink, note, [*parts, Rival(note.final)])  # type: ignore[list-item]

        monkeypatch.setattr(JsonLinesSink, "_publish_new", other_commits_meanwhile)
        with pytest.raises(OrdersError, match="committed first"):
            shop.export("one", into=SINKS["jsonl"](tmp_path, "one"))
        assert [path.read_text() for path in tmp_path.iterdir()] == ["a rival's"]

    @pytest.mark.usefixtures("number")
    def test_outlives_a_run_that_dies_between_its_claim_and_its_manifest(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shop = shop_of_days()
        replace = Path.replace

        def die(path: Path, target: Path) -> Path:
            if target.name.endswith(".manifest.json"):
                raise KeyboardInterrupt
            return replace(path, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", die)
            patch.setattr(JsonLinesSink, "close", lambda _: None)  # the process is gone
            with pytest.raises(KeyboardInterrupt):
                shop.export("one", into=SINKS["jsonl"](tmp_path, "one"))
        assert [path.stat().st_size for path in tmp_path.glob("*.manifest.json")] == [0]
        reader = RecordReader(shop.api.order_model, account="", assumed_timezone=None)
        with pytest.raises(ConfigurationError, match="holds no manifest"):
            FolderTarget(tmp_path, reader, orders_conn_id="genuka_default")

        assert shop.export("two", into=SINKS["jsonl"](tmp_path, "two"))["rows"] == 3
        assert shop.export("three", into=SINKS["jsonl"](tmp_path, "three"))["rows"] == 0
        files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        assert files.keys() - named_files(files) == {n for n in files if n.endswith(".manifest.json")}

    @pytest.mark.parametrize("kind", SINKS)
    def test_that_fails_otherwise_is_as_it_was_before(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        self.fail(monkeypatch, errno.EIO)
        with pytest.raises(OrdersError, match="The files are as they were before"):
            shop_of_days().export("one", into=SINKS[kind](tmp_path, "one"))
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


class Rival:
    """Another run, that commits the same number."""

    def __init__(self, manifest: Any) -> None:
        self.final = manifest.with_name("nothing")
        self._manifest = manifest

    def publish(self) -> None:
        """Commit."""
        self._manifest.write_text("a rival's")
