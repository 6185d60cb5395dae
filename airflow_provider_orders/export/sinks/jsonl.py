"""JSON Lines into a folder, local or remote: written under a temporary name, visible only when whole."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import logging
import uuid
from typing import IO, TYPE_CHECKING, Any, Final, Protocol, Self, cast

from airflow_provider_orders.errors import ConfigurationError, OrdersError
from airflow_provider_orders.export.manifest import WrittenFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

__all__ = ["Folder", "JsonLinesSink", "one_line"]

log = logging.getLogger(__name__)

COMPRESSIONS: Final = {None: "", "gzip": ".gz", "zstd": ".zst"}

_GZIP_LEVEL = 4
"""Nearly as small as the default, at twice the speed."""


class Folder(Protocol):
    """What is used of a path: ``pathlib.Path`` and Airflow's ``ObjectStoragePath`` both have it."""

    @property
    def name(self) -> str:
        """Give the last part of the path."""

    def __truediv__(self, name: str, /) -> Self:
        """Give a path below it."""

    def mkdir(self, *, parents: bool, exist_ok: bool) -> None:
        """Make the folder."""

    def glob(self, pattern: str, /) -> Iterable[Self]:
        """Find paths below it."""

    def open(self, mode: str, /) -> IO[bytes]:
        """Open the file."""

    def exists(self) -> bool:
        """Tell whether it exists."""

    def replace(self, target: Self, /) -> object:
        """Move the file, over an older one."""

    def unlink(self, *, missing_ok: bool) -> None:
        """Delete the file."""


class _HashingFile:
    """Counts and hashes the bytes on their way into a file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self.size += len(data)
        self._file.write(data)
        return len(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


class _PartFile:
    """One file on its way: written under a temporary name, then moved over the final one."""

    def __init__(self, folder: Folder, name: str, compression: str | None) -> None:
        self.final = folder / name
        self._part = folder / f".{name}.{uuid.uuid4().hex[:8]}.part"
        self._file = _HashingFile(self._part.open("wb"))
        self._writer: Any = _compressor(self._file, compression)
        self.rows = 0

    def write(self, lines: Sequence[bytes]) -> None:
        if lines:
            self._writer.write(b"\n".join(lines) + b"\n")
            self.rows += len(lines)

    def finish(self) -> WrittenFile:
        """Complete the temporary file."""
        if self._writer is not self._file:
            self._writer.close()
        self._file.close()
        return WrittenFile(
            path=str(self.final), rows=self.rows, bytes=self._file.size, sha256=self._file.hexdigest()
        )

    def publish(self) -> None:
        """Move it to its final name."""
        self._part.replace(self.final)

    def discard(self) -> None:
        """Remove the temporary file."""
        # The compressor first: one that is dropped open writes its end into the closed file, and complains.
        for writer in (self._writer, self._file):
            with contextlib.suppress(OSError, ValueError):
                writer.close()
        with contextlib.suppress(OSError):
            self._part.unlink(missing_ok=True)


class JsonLinesSink:
    """Writes orders as JSON Lines, one file with the orders and one with the rejected rows if there are any.

    The files appear under their names in one step at the end, the manifest last. Writing the same ``stem``
    again replaces them.

    :param folder: where to write.
    :param stem: first part of the file names; the same for each run of the same task.
    :param compression: ``gzip``, ``zstd`` (extra ``zstd``), or None.
    :raises ConfigurationError: the folder cannot be written to, or the compression is unknown or not installed.
    """

    def __init__(self, folder: Folder, stem: str, *, compression: str | None = None) -> None:
        if compression not in tuple(COMPRESSIONS):  # not the dict itself: it may be unhashable
            raise ConfigurationError(
                f"compression must be gzip, zstd or None, not {compression!r}.", field="compression"
            )
        _require_zstd(compression)
        self._folder = folder
        self._stem = stem
        self._suffix = COMPRESSIONS[compression]
        self._compression = compression
        self._rejects: _PartFile | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._remove_leftovers()
            self._orders = _PartFile(folder, f"{stem}.jsonl{self._suffix}", compression)
        except (OSError, ValueError, ImportError, NotImplementedError) as error:
            raise ConfigurationError(
                f"path {folder} cannot be written to: {_reason(error)}.", field="path"
            ) from error

    @property
    def uri(self) -> str:
        """The folder."""
        return str(self._folder)

    def write(self, lines: Sequence[bytes]) -> None:
        """Write orders, one JSON document each, without line breaks."""
        try:
            self._orders.write(lines)
        except OSError as error:
            raise self._failed(error) from error

    def reject(self, raw: bytes, reason: str) -> None:
        """Keep a row that is not what the vendor documents, with the reason."""
        try:
            if self._rejects is None:
                self._rejects = _PartFile(
                    self._folder, f"{self._stem}.rejects.jsonl{self._suffix}", self._compression
                )
            self._rejects.write([b'{"reason": %s, "row": %s}' % (json.dumps(reason).encode(), one_line(raw))])
        except OSError as error:
            raise self._failed(error) from error

    def finish(self) -> tuple[list[WrittenFile], str | None]:
        """Complete the files, still under their temporary names, and say what they will be."""
        try:
            files = [self._orders.finish()]
            rejects = self._rejects.finish() if self._rejects is not None else None
        except OSError as error:
            raise self._failed(error) from error
        return files, rejects["path"] if rejects else None

    def commit(self, manifest: object) -> None:
        """Make the files visible, the manifest last; files of an earlier run that are not replaced go."""
        note: _PartFile | None = None
        begun = False
        try:
            note = _PartFile(self._folder, f"{self._stem}.manifest.json", None)
            note.write([json.dumps(manifest, indent=2).encode()])
            note.finish()
            begun = True
            self._orders.publish()
            if self._rejects is not None:
                self._rejects.publish()
            note.publish()
            self._remove_replaced()
        except OSError as error:
            if note is not None:
                note.discard()
            raise self._failed(error, begun=begun) from error

    def _remove_replaced(self) -> None:
        kept = {self._orders.final.name} | (
            {self._rejects.final.name} if self._rejects is not None else set()
        )
        for kind in ("jsonl", "rejects.jsonl"):
            for suffix in COMPRESSIONS.values():
                old = self._folder / f"{self._stem}.{kind}{suffix}"
                if old.name not in kept:
                    with contextlib.suppress(FileNotFoundError):
                        old.unlink(missing_ok=True)

    def _remove_leftovers(self) -> None:
        """Remove what an interrupted run of the same task left; one that still runs fails instead of publishing."""
        for leftover in list(self._folder.glob(f".{self._stem}.*.part")):
            log.info("Removing %s, left by an interrupted run of this task", leftover.name)
            leftover.unlink(missing_ok=True)

    def _failed(self, error: OSError, *, begun: bool = False) -> OrdersError:
        state = "Some of the files may be replaced already" if begun else "The files are as they were before"
        return OrdersError(
            f"Writing to {self._folder} failed: {_reason(error)}. {state}; "
            "free space or repair the target, then run the task again."
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._orders.discard()
        if self._rejects is not None:
            self._rejects.discard()


def one_line(raw: bytes) -> bytes:
    """Keep a JSON document on one line; outside of its texts, where no line break can be, a break is white space."""
    if b"\n" in raw or b"\r" in raw:
        return raw.replace(b"\n", b" ").replace(b"\r", b" ")
    return raw


def _compressor(file: _HashingFile, compression: str | None) -> Any:
    if compression == "gzip":
        # Without name and time, so that the same orders give the same bytes.
        return gzip.GzipFile(filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=file, mtime=0)
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


def _reason(error: Exception) -> str:
    words = error.strerror if isinstance(error, OSError) else str(error).rstrip(".")
    return words or type(error).__name__
