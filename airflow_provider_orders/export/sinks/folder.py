"""A folder, local or remote, and the files that appear in it when they are whole."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import uuid
from typing import IO, TYPE_CHECKING, Final, Protocol, Self

from airflow_provider_orders.export.manifest import WrittenFile

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Folder", "Listing", "PartFile", "read_bytes", "reason_of"]

_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
"""What storages say that have no hard links: mounted shares and buckets."""

_LONGEST_REASON: Final = 200


class Folder(Protocol):
    """What is used of a path: ``pathlib.Path`` and Airflow's ``ObjectStoragePath`` both have it."""

    @property
    def name(self) -> str:
        """Give the last part of the path."""

    @property
    def parent(self) -> Self:
        """Give the folder it lies in."""

    def __truediv__(self, name: str, /) -> Self:
        """Give a path below it."""

    def mkdir(self, *, parents: bool, exist_ok: bool) -> None:
        """Make the folder."""

    def iterdir(self) -> Iterable[Self]:
        """Give what lies in it."""

    def open(self, mode: str, /) -> IO[bytes]:
        """Open the file."""

    def exists(self) -> bool:
        """Tell whether it exists."""

    def replace(self, target: Self, /) -> object:
        """Move the file, over an older one."""

    def unlink(self, *, missing_ok: bool) -> None:
        """Delete the file."""


class PartFile:
    """A binary file on its way: written under a hidden temporary name, then moved to its final one.

    It counts and hashes the bytes that pass.

    :param folder: where it will be; made if it is not there.
    :param name: what it will be called.
    :param tag: whose temporary file it is, part of its temporary name.
    """

    def __init__(self, folder: Folder, name: str, *, tag: str = "") -> None:
        self.final = folder / name
        self.rows = 0
        """Orders in it, as the writer counts them."""
        self.is_exposed = False
        """Whether it may be seen under its final name: publishing it has begun."""
        self._part = folder / f".{name}.{tag}{uuid.uuid4().hex[:8]}.part"
        self._file = self._part.open("wb")
        self._hash = hashlib.sha256()
        self._size = 0
        self._closed = False

    def write(self, data: bytes) -> int:
        """Write bytes."""
        self._hash.update(data)
        self._size += len(data)
        self._file.write(data)
        return len(data)

    def flush(self) -> None:
        """Hand on what is buffered."""
        self._file.flush()

    def finish(self) -> WrittenFile:
        """Complete the temporary file, so that it outlives a power cut where the storage can promise it."""
        self._file.flush()
        with contextlib.suppress(AttributeError, OSError):  # a remote file has no number
            os.fsync(self._file.fileno())
        self._file.close()
        self._closed = True
        return WrittenFile(
            path=str(self.final), rows=self.rows, bytes=self._size, sha256=self._hash.hexdigest()
        )

    def publish(self) -> None:
        """Move it to its final name, over an older file."""
        self.is_exposed = True
        self._part.replace(self.final)

    def publish_new(self) -> bool:
        """Move it to its final name.

        :return: whether it is sure that no other process can move a file there at the same time. On a local disk one of
            two that try gets the error; another storage is asked before and after.
        :raises FileExistsError: there is such a file already.
        """
        self.is_exposed = True
        if _is_local(self._part):
            self._claim()
            return True
        if self.final.exists():
            raise FileExistsError(str(self.final))
        self._part.replace(self.final)
        if not self.may_be_there():
            raise FileExistsError(str(self.final))
        return False

    def _claim(self) -> None:
        """Take the final name, which only one process can; without links an empty file holds it for a moment."""
        final = _local_path(self.final)
        try:
            os.link(_local_path(self._part), final)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            os.close(os.open(final, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            self._part.replace(self.final)
        else:
            self._part.unlink(missing_ok=True)

    def may_be_there(self) -> bool:
        """Tell whether it lies under its final name, or may do so: what failed may have failed right behind that."""
        try:
            return hashlib.sha256(read_bytes(self.final)).digest() == self._hash.digest()
        except FileNotFoundError:
            return False
        except Exception:  # noqa: BLE001 - whatever a storage that does not answer raises, it may
            return True

    def discard(self) -> None:
        """Remove the temporary file, where the storage lets it; a cloud's library has errors of its own."""
        if not self._closed:
            with contextlib.suppress(Exception):
                self._file.close()
        with contextlib.suppress(Exception):
            self._part.unlink(missing_ok=True)


class Listing:
    """What lies in a folder, listed once: after years there are many files in it.

    :param folder: the folder.
    """

    def __init__(self, folder: Folder) -> None:
        try:
            self._paths = {path.name: path for path in folder.iterdir()}
        except (FileNotFoundError, NotADirectoryError):
            self._paths = {}  # an object storage knows no folder without files

    def find(self, name: str) -> Folder | None:
        """Give the path of that name, None where there is none."""
        return self._paths.get(name)

    def having(self, start: str, end: str = "") -> list[Folder]:
        """Give the paths whose names begin and end so, by name."""
        names = sorted(name for name in self._paths if name.startswith(start) and name.endswith(end))
        return [self._paths[name] for name in names]

    def remove(self, path: Folder) -> None:
        """Delete a file."""
        path.unlink(missing_ok=True)
        del self._paths[path.name]


def _is_local(path: Folder) -> bool:
    return getattr(path, "protocol", "") in {"", "file", "local"}


def _local_path(path: Folder) -> str:
    return str(getattr(path, "path", path))


def read_bytes(path: Folder) -> bytes:
    """Read a file."""
    with path.open("rb") as file:
        return file.read()


def reason_of(error: Exception) -> str:
    """Say in a few words why a storage refuses, without what may be a secret: of a URL no more than the host."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = re.sub(r"://(?:[^\s/@]*@)?([^\s/?\"']*)[^\s\"']*", r"://\1", str(error).partition("\n")[0])
    text = text[:_LONGEST_REASON].strip().rstrip(".")
    if isinstance(error, (ValueError, ImportError, NotImplementedError)) and text:
        return text
    return ": ".join(filter(None, [type(error).__name__, text]))
