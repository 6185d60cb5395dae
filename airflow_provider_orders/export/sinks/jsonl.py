"""JSON Lines: one order a line, as it came, validated, or in the canonical shape."""

from __future__ import annotations

import contextlib
import gzip
from typing import IO, TYPE_CHECKING, Any, ClassVar, Final, cast

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.export.record import one_line
from airflow_provider_orders.export.sinks.files import FileSink
from airflow_provider_orders.export.versions import payload_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_orders.export.record import Record
    from airflow_provider_orders.export.sinks.folder import Folder, PartFile

__all__ = ["OUTPUTS", "JsonLinesSink"]

OUTPUTS: Final = ("raw", "vendor", "canonical")
_COMPRESSIONS: Final = {None: "", "gzip": ".gz", "zstd": ".zst"}

_GZIP_LEVEL = 4
"""Nearly as small as the default, at twice the speed."""


class JsonLinesSink(FileSink[bytes]):
    """Writes orders as JSON Lines into one file; rejected rows go to one of their own.

    :param folder: where to write.
    :param stem: first part of the file names; the same for each run of the same task.
    :param output: ``raw``: the vendor's bytes; ``vendor``: the validated payload; ``canonical``.
    :param compression: ``gzip``, ``zstd`` (extra ``zstd``), or None.
    :param run_key: names the task instance; the same for each try of it.
    :raises ConfigurationError: the compression is unknown or not installed.
    """

    suffix: ClassVar[str] = ".jsonl"

    def __init__(
        self,
        folder: Folder,
        stem: str,
        *,
        output: str = "raw",
        compression: str | None = None,
        run_key: str = "",
    ) -> None:
        if compression not in tuple(_COMPRESSIONS):  # not the dict itself: it may be unhashable
            raise ConfigurationError(
                f"compression must be gzip, zstd or None, not {compression!r}.", field="compression"
            )
        _require_zstd(compression)
        super().__init__(folder, stem, run_key=run_key)
        self._output = output
        self.maps_orders = output == "canonical"
        self._compression = compression
        self._orders: PartFile | None = None
        self._writer: Any = None

    def _start(self) -> None:
        self._orders = self._part(f"{self.suffix}{_COMPRESSIONS[self._compression]}")
        self._writer = _compressor(self._orders, self._compression)

    def _parts(self) -> Sequence[PartFile]:
        return [self._orders] if self._orders is not None else []

    def _line(self, record: Record) -> bytes:
        if self._output == "raw":
            return one_line(record.raw)
        if self._output == "vendor":
            return record.payload().model_dump_json().encode()
        return record.order().to_json()

    def _version(self, record: Record) -> str:
        if self.maps_orders:
            return super()._version(record)
        return payload_version(self._line(record), record.reader.model)

    def write(self, items: Sequence[bytes]) -> None:
        """Write orders, one JSON document each, without line breaks."""
        if items and self._orders is not None:
            with self._writing():
                self._writer.write(b"\n".join(items) + b"\n")
            self._orders.rows += len(items)

    def _end(self) -> None:
        if self._writer is not self._orders:
            self._writer.close()

    def close(self) -> None:
        """Remove the temporary files that were not published."""
        # The compressor first: one that is dropped open writes its end into the closed file, and complains.
        if self._writer is not None and self._writer is not self._orders:
            with contextlib.suppress(Exception):  # of any storage, into which it writes its end
                self._writer.close()
        super().close()


def _compressor(file: PartFile, compression: str | None) -> Any:
    if compression == "gzip":
        # Without name and time, so that the same orders give the same bytes.
        return gzip.GzipFile(
            filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=cast("IO[bytes]", file), mtime=0
        )
    if compression == "zstd":
        import zstandard

        return zstandard.ZstdCompressor(level=3).stream_writer(cast("IO[bytes]", file), closefd=False)
    return file


def _require_zstd(compression: str | None) -> None:
    if compression != "zstd":
        return
    try:
        import zstandard  # noqa: F401
    except ImportError:
        raise ConfigurationError(
            "compression='zstd' needs the package zstandard: pip install 'airflow-provider-orders[zstd]'.",
            field="compression",
        ) from None
