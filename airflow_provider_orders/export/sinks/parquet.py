"""Parquet: the canonical order in typed columns, in one file, or in one for each day."""

from __future__ import annotations

import json
from operator import attrgetter
from typing import TYPE_CHECKING, ClassVar, Final

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.export.sinks.files import FileSink
from airflow_provider_orders.export.sinks.folder import PartFile, read_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import date

    from airflow_provider_orders.export.manifest import WrittenFile
    from airflow_provider_orders.export.record import Record
    from airflow_provider_orders.export.sinks.folder import Folder, Listing
    from airflow_provider_orders.export.sinks.row_groups import DailyFiles, OneFile
    from airflow_provider_orders.models.order import Order

__all__ = ["PARTITIONS", "ParquetSink"]

PARTITIONS: Final = ("created", "updated")
_COMPRESSIONS: Final = (None, "snappy", "gzip", "zstd")

_PARTITION: Final = "date="
_NO_DATE: Final = "__HIVE_DEFAULT_PARTITION__"
"""What Hive, Spark, DuckDB and pyarrow read as null."""

_CHUNK_ORDERS: Final = 300
_CHUNK_BYTES: Final = 4 << 20
"""JSON of the orders that are held as Python objects, several times its size, until they become columns."""


class ParquetSink(FileSink["tuple[Order, int]"]):
    """Writes canonical orders as Parquet: amounts as decimals, moments in UTC, lines as a list of structs.

    Memory does not grow with the number of orders. Rejected rows go to a file of JSON Lines.

    :param folder: where to write.
    :param stem: first part of the file names; the same for each run of the same task.
    :param compression: of the columns inside of the file: ``snappy``, which None means, too, ``gzip`` or ``zstd``.
    :param partition_by: ``created`` or ``updated``: one file for each day (UTC), in folders ``date=2026-01-31`` as Hive
        names them; orders without that date in ``date=__HIVE_DEFAULT_PARTITION__``. None: one file.
    :param run_key: names the task instance; the same for each try of it.
    :raises ConfigurationError: pyarrow is not installed, or an argument is unknown.
    """

    suffix: ClassVar[str] = ".parquet"
    maps_orders = True

    def __init__(
        self,
        folder: Folder,
        stem: str,
        *,
        compression: str | None = None,
        partition_by: str | None = None,
        run_key: str = "",
    ) -> None:
        if compression not in _COMPRESSIONS:
            raise ConfigurationError(
                f"compression must be snappy, gzip, zstd or None, not {compression!r}.", field="compression"
            )
        if partition_by is not None and partition_by not in PARTITIONS:
            raise ConfigurationError(
                f"partition_by must be {', '.join(PARTITIONS)} or None, not {partition_by!r}.",
                field="partition_by",
            )
        self._check_amounts = _require_pyarrow()
        super().__init__(folder, stem, run_key=run_key)
        self._compression = compression or "snappy"
        self._partition_by = partition_by
        self._files_written: list[PartFile] = []
        self._writer: OneFile | DailyFiles | None = None
        self._chunk: list[Order] = []
        self._chunk_bytes = 0
        self._earlier: set[tuple[str, str]] = set()

    def _start(self) -> None:
        from airflow_provider_orders.export.sinks.row_groups import DailyFiles, OneFile

        if self._partition_by is None:
            part = self._part(self.suffix)
            self._files_written.append(part)
            self._writer = OneFile(part, self._compression)
        else:
            moment = attrgetter(f"{self._partition_by}_at")
            self._writer = DailyFiles(moment, self._open_day, lambda part: part.finish(), self._compression)

    def _open_day(self, day: date | None) -> _PartitionFile:
        partition = f"{_PARTITION}{_NO_DATE if day is None else day.isoformat()}"
        part = _PartitionFile(self._folder, partition, f"{self._name}{self.suffix}", tag=f"{self._tag}.")
        self._files_written.append(part)
        return part

    def _parts(self) -> Sequence[PartFile]:
        return self._files_written

    def _line(self, record: Record) -> tuple[Order, int]:
        order = record.order()
        self._check_amounts(order)
        return order, len(record.raw)

    def write(self, items: Sequence[tuple[Order, int]]) -> None:
        """Write orders."""
        for order, size in items:
            self._chunk.append(order)
            self._chunk_bytes += size
            if len(self._chunk) >= _CHUNK_ORDERS or self._chunk_bytes >= _CHUNK_BYTES:
                self._hand_on()

    def _hand_on(self) -> None:
        if self._chunk and self._writer is not None:
            with self._writing():
                self._writer.write(self._chunk)
        self._chunk.clear()
        self._chunk_bytes = 0

    def _end(self) -> None:
        self._hand_on()
        if self._writer is not None:
            self._writer.end()

    def close(self) -> None:
        """Remove the temporary files that were not published."""
        if self._writer is not None:
            self._writer.abandon()
        super().close()

    # Files in partitions: which ones an earlier try left is in its manifest, so that no folder has to be searched.

    def _partitions(self) -> Iterable[_PartitionFile]:
        return (part for part in self._files_written if isinstance(part, _PartitionFile))

    def _additions(self) -> Iterable[PartFile]:
        return super()._additions() or [part for part in self._partitions() if part.key not in self._earlier]

    def _remove_leftovers(self, listing: Listing) -> None:
        committed, begun = self._manifests_of_this_run(listing)
        self._earlier = {key for note in committed for key in _partition_files(note)}
        for note in begun:
            self._remove_noted(note, committed)
            listing.remove(note)
        super()._remove_leftovers(listing)

    def _manifests_of_this_run(self, listing: Listing) -> tuple[list[Folder], list[Folder]]:
        """Give those of the files that this export takes the place of: committed, and left by a try that died on the way."""
        if self._series is None:
            name = f"{self._stem}.manifest.json"
            committed = listing.find(name)
            return [committed] if committed is not None else [], listing.having(f".{name}.", ".part")
        begun = [
            path
            for path in listing.having(f".{self._series.name}-", ".part")
            if f".manifest.json.{self._tag}." in path.name
        ]
        return [self._series.replaces] if self._series.replaces is not None else [], begun

    def _remove_noted(self, note: Folder, committed: Sequence[Folder]) -> None:
        kept = {key for manifest in committed for key in _partition_files(manifest)}
        self._remove_partitions(_partition_files(note) - kept)

    def _remove_replaced(self, listing: Listing, kept: set[str]) -> None:
        super()._remove_replaced(listing, kept)
        self._remove_partitions(self._earlier - {part.key for part in self._partitions()})

    def _remove_partitions(self, keys: Iterable[tuple[str, str]]) -> None:
        for partition, name in sorted(keys):
            (self._folder / partition / name).unlink(missing_ok=True)


class _PartitionFile(PartFile):
    """A file on its way into a partition, whose folder is made when it is published.

    :param folder: the sink's folder, where the temporary file lies.
    :param partition: name of the folder below it.
    :param name: what the file will be called there.
    :param tag: as for any file on its way.
    """

    def __init__(self, folder: Folder, partition: str, name: str, *, tag: str) -> None:
        super().__init__(folder, f"{name}.{partition}", tag=tag)
        self.final = folder / partition / name
        self.key = (partition, name)
        self._written: WrittenFile | None = None

    def finish(self) -> WrittenFile:
        """Complete the temporary file, once: there may be hundreds, and they are not left open until the end."""
        if self._written is None:
            self._written = super().finish()
        return self._written

    def publish(self) -> None:
        """Move it to its final name, over an older file."""
        self.final.parent.mkdir(parents=True, exist_ok=True)
        super().publish()


def _require_pyarrow() -> Callable[[Order], None]:
    try:
        import pyarrow as pa  # noqa: F401
    except ImportError:
        raise ConfigurationError(
            "file_format='parquet' needs the package pyarrow: pip install 'airflow-provider-orders[parquet]'.",
            field="file_format",
        ) from None
    from airflow_provider_orders.export.sinks.arrow import check_amounts

    return check_amounts


def _partition_files(note: Folder) -> set[tuple[str, str]]:
    """Read from a manifest which files it has in partitions; none where it was not even written to its end."""
    try:
        paths = [file["path"].split("/") for file in json.loads(read_bytes(note))["files"]]
    except ValueError:
        return set()
    return {(path[-2], path[-1]) for path in paths if path[-2].startswith(_PARTITION)}
