"""What exports have written, read back from where it lies: the files of a folder."""

from __future__ import annotations

import gzip
import io
import json
import logging
import zlib
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal  # noqa: TC003 - msgspec reads the annotations
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast

import msgspec

from airflow_provider_orders.errors import ConfigurationError, OrdersError, UnexpectedPayloadError
from airflow_provider_orders.export.sinks.folder import read_bytes, reason_of
from airflow_provider_orders.export.versions import payload_version
from airflow_provider_orders.models.order import MODEL_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from airflow_provider_orders.export.manifest import WrittenFile
    from airflow_provider_orders.export.record import Record, RecordReader
    from airflow_provider_orders.export.sinks.folder import Folder

__all__ = ["Coverage", "Export", "FolderTarget", "Target", "WrittenOrder", "read_files", "read_moment"]

log = logging.getLogger(__name__)

_MANIFEST: Final = ".manifest.json"
_BATCH: Final = 5000


class WrittenOrder(NamedTuple):
    """One version of an order, as a target holds it.

    :param version: its content hash, or what :func:`read_files` says; None where that cannot be compared with today's.
    :param is_deleted: it is marked as deleted.
    :param is_gone: it is so because an export found that the vendor has it no more, not because the vendor says so.
    :param is_zone_assumed: its dates came without a zone, and may be an hour off.
    """

    id: str
    version: str | None
    currency: str | None
    total: Decimal | None
    created: datetime | None
    updated: datetime | None
    is_deleted: bool
    is_gone: bool = False
    is_zone_assumed: bool = False


class Target(Protocol):
    """Where orders were written to."""

    @property
    def uri(self) -> str:
        """Name it, without credentials."""

    def orders(self) -> Iterator[WrittenOrder]:
        """Give what it holds; of several versions of an order the newest last, where nothing else tells them apart."""

    def covers(self, created: datetime | None, updated: datetime | None) -> bool:
        """Tell whether a change should be in it, because an export has come since that was to bring it."""


@dataclass(frozen=True, slots=True)
class Export:
    """What is needed of a manifest.

    :param start: where its window begins, None where open.
    :param end: where it ends.
    :param watermark: up to when all changes are in the target, by the vendor's clock; None where it did not say.
    :param files: its data files, by their path below the folder, with their orders.
    :param is_merged: it sums up other exports, and has no orders of its own.
    """

    name: str
    start: datetime | None
    end: datetime | None
    started_at: datetime
    watermark: datetime | None
    files: tuple[tuple[str, int], ...]
    is_merged: bool

    @classmethod
    def of(cls, name: str, manifest: Mapping[str, Any]) -> Export:
        """Read a manifest."""
        start, end = map(read_moment, manifest["window"])
        return cls(
            name=name,
            start=start,
            end=end,
            started_at=datetime.fromisoformat(manifest["started_at"]),
            watermark=read_moment(manifest["watermark"]),
            files=tuple((_below(manifest["uri"], file), file["rows"]) for file in manifest["files"]),
            is_merged="parts" in manifest,
        )

    def brought(self, created: datetime | None, updated: datetime | None) -> bool:
        """Tell whether a change is of its window, and was made before it began."""
        changed = updated or created
        return (changed is None or changed <= self.started_at) and any(
            moment is None
            or ((self.start is None or moment >= self.start) and (self.end is None or moment < self.end))
            for moment in (created, updated)
        )


class Coverage:
    """Tells of a change whether it should be in what exports have written.

    A series of incremental exports promises all up to its watermark, and every other export its own window. Where there is
    no series, all up to the last export is looked for: a window that is in none of them may have been forgotten.

    :param exports: the exports, one at least.
    """

    def __init__(self, exports: Sequence[Export]) -> None:
        self._watermark = max((export.watermark for export in exports if export.watermark), default=None)
        self._last = max(export.started_at for export in exports)
        self._others = [export for export in exports if export.watermark is None]

    def __call__(self, created: datetime | None, updated: datetime | None) -> bool:
        """Tell it of an order's last change."""
        changed = updated or created
        if changed is None or changed <= (self._watermark or self._last):
            return True
        return self._watermark is not None and any(
            export.brought(created, updated) for export in self._others
        )


class FolderTarget:
    """The files that the manifests of a folder list, of one connection.

    :param folder: the folder.
    :param reader: reads the vendor's rows.
    :param orders_conn_id: the connection.
    :raises ConfigurationError: there is no such folder, or no export of that connection in it.
    """

    def __init__(self, folder: Folder, reader: RecordReader, *, orders_conn_id: str) -> None:
        self._folder = folder
        self._reader = reader
        found = sorted(
            (
                Export.of(path.name, manifest)
                for path, manifest in _manifests(folder)
                if manifest.get("source") == reader.model.VENDOR
                and manifest.get("orders_conn_id") == orders_conn_id
            ),
            key=lambda export: (export.started_at, export.name),
        )
        self._exports = found
        if not found:
            raise ConfigurationError(
                f"path {folder} holds no manifest of an export of {orders_conn_id}; give the folder that was exported to.",
                field="path",
            )
        self._coverage = Coverage(found)

    @property
    def uri(self) -> str:
        """The folder."""
        return str(self._folder)

    def orders(self) -> Iterator[WrittenOrder]:
        """Read the files, in the order in which the exports began."""
        seen: set[str] = set()
        for export in self._exports:
            for name, rows in () if export.is_merged else export.files:
                if name not in seen:
                    seen.add(name)
                    yield from _file(self._folder, name, rows, self._reader)

    def covers(self, created: datetime | None, updated: datetime | None) -> bool:
        """Tell whether a change should be in the files."""
        return self._coverage(created, updated)


def read_files(folder: Folder, manifest: Mapping[str, Any], reader: RecordReader) -> Iterator[WrittenOrder]:
    """Read the orders of one export, each in the version by which the next export of the series knows it.

    :param folder: the folder that it wrote to.
    :param reader: reads the vendor's rows.
    :raises OrdersError: a file is damaged.
    """
    if manifest["file_count"] > len(manifest["files"]):  # XCom leaves out a long list
        manifest = json.loads(read_bytes(folder / manifest["manifest_file"].rpartition("/")[2]))
    for file in manifest["files"]:
        yield from _file(folder, _below(manifest["uri"], file), file["rows"], reader, _payload_version)


def _content_version(record: Record) -> str:
    return record.order().content_hash


def _payload_version(record: Record) -> str:
    return payload_version(record.raw, record.reader.model)


def _file(
    folder: Folder,
    name: str,
    rows: int,
    reader: RecordReader,
    version_of: Callable[[Record], str] = _content_version,
) -> Iterator[WrittenOrder]:
    path = folder
    for part in name.split("/"):
        path /= part
    try:
        with path.open("rb") as file:
            yield from _orders(file, name, reader, version_of)
    except FileNotFoundError:
        log.warning("%s is gone, with %d orders in it", name, rows)
    except (
        OSError,
        EOFError,
        zlib.error,
        msgspec.MsgspecError,
        UnexpectedPayloadError,
        ValueError,
    ) as error:
        raise OrdersError(
            f"{name} cannot be read back ({_reason(error)}). Export its window again, or restore the file."
        ) from None


def read_moment(text: str | None) -> datetime | None:
    """Read a moment of a manifest."""
    return datetime.fromisoformat(text) if text else None


def _manifests(folder: Folder) -> Iterator[tuple[Folder, dict[str, Any]]]:
    try:
        paths = [path for path in folder.iterdir() if path.name.endswith(_MANIFEST)]
    except Exception as error:  # a cloud's library has errors of its own, which are no OSError
        raise ConfigurationError(
            f"path {folder} cannot be read: {reason_of(error)}.", field="path"
        ) from error
    for path in paths:
        if path.name.startswith("."):
            continue
        try:
            # An empty one is the claim of a run that is about to commit, or has died.
            manifest = json.loads(read_bytes(path) or b"null")
        except (OSError, ValueError) as error:
            raise OrdersError(f"{path.name} cannot be read back ({_reason(error)}).") from None
        if isinstance(manifest, dict):
            yield path, manifest


def _below(uri: str, file: WrittenFile) -> str:
    """Give a file's path below its folder, which may have been moved as a whole."""
    return file["path"].removeprefix(uri).lstrip("/")


def _orders(
    file: IO[bytes], name: str, reader: RecordReader, version_of: Callable[[Record], str]
) -> Iterator[WrittenOrder]:
    if name.endswith(".parquet"):
        yield from _columns(file)
    elif name.endswith(".gz"):
        with gzip.open(file) as lines:
            yield from _lines(cast("Iterable[bytes]", lines), reader, version_of)
    elif name.endswith(".zst"):
        import zstandard

        try:
            with closing(zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)) as stream:
                yield from _lines(io.BufferedReader(stream), reader, version_of)
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from None
    else:
        yield from _lines(file, reader, version_of)


class _Canonical(msgspec.Struct):
    """What is read of a canonical order; no vendor's payload has all of its fields."""

    model_version: int
    content_hash: str
    id: str
    currency: str | None
    total: Decimal | None
    created_at: datetime | None
    updated_at: datetime | None
    deleted: bool
    timezone_assumed: str | None

    def written(self) -> WrittenOrder:
        return WrittenOrder(
            self.id,
            self.content_hash if self.model_version == MODEL_VERSION else None,
            self.currency,
            self.total,
            self.created_at,
            self.updated_at,
            self.deleted,
            is_zone_assumed=self.timezone_assumed is not None,
        )


_CANONICAL = msgspec.json.Decoder(_Canonical)


def _lines(
    lines: Iterable[bytes], reader: RecordReader, version_of: Callable[[Record], str]
) -> Iterator[WrittenOrder]:
    is_canonical: bool | None = None
    for line in lines:
        if is_canonical is None:
            is_canonical = _is_canonical(line)
        yield _CANONICAL.decode(line).written() if is_canonical else _from_payload(line, reader, version_of)


def _is_canonical(line: bytes) -> bool:
    try:
        _CANONICAL.decode(line)
    except msgspec.DecodeError:
        return False
    return True


def _from_payload(line: bytes, reader: RecordReader, version_of: Callable[[Record], str]) -> WrittenOrder:
    record = reader.read(line)
    order = record.order()
    return WrittenOrder(
        order.id,
        version_of(record),
        order.currency,
        order.total,
        order.created_at,
        order.updated_at,
        order.deleted,
        is_zone_assumed=order.timezone_assumed is not None,
    )


def _columns(file: IO[bytes]) -> Iterator[WrittenOrder]:
    import pyarrow.parquet as pq

    names = list(_Canonical.__struct_fields__)
    with pq.ParquetFile(file) as table:
        if not table.num_row_groups:  # where PyArrow 18 raises
            return
        for batch in table.iter_batches(batch_size=_BATCH, columns=names):
            columns = [batch.column(name).to_pylist() for name in names]
            for values in zip(*columns, strict=True):
                yield _Canonical(*values).written()


def _reason(error: Exception) -> str:
    """Say what is wrong without a value of an order: the errors of decoders name places and types only."""
    if isinstance(error, UnexpectedPayloadError):
        return error.message.rstrip(".")
    words = error.strerror if isinstance(error, OSError) else str(error).rstrip(".")
    return words or type(error).__name__
