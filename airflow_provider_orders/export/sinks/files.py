"""Files in a folder, local or remote: written under temporary names, visible only when whole, with a manifest.

An incremental export is one of a series in its folder. Its manifest carries the state, and its number: the manifest
with the highest number is the state of the series, and two runs cannot commit under the same number.

The other exports of the same orders keep the shape of the payloads in a hidden file of the folder, ``.….shape.json``.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import json
import logging
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from airflow_provider_orders.errors import ConfigurationError, OrdersError
from airflow_provider_orders.export.record import one_line
from airflow_provider_orders.export.sinks.base import Sink, Written
from airflow_provider_orders.export.sinks.folder import Listing, PartFile, read_bytes, reason_of
from airflow_provider_orders.export.state import KeptShape, SyncState
from airflow_provider_orders.export.versions import Versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import timedelta

    from airflow_provider_orders.export.manifest import Manifest
    from airflow_provider_orders.export.record import Record
    from airflow_provider_orders.export.sinks.folder import Folder
    from airflow_provider_orders.export.state import Scope
    from airflow_provider_orders.export.versions import Recurring

__all__ = ["FileSink"]

log = logging.getLogger(__name__)

_Item = TypeVar("_Item")

_MANIFEST: Final = ".manifest.json"
_VERSIONS: Final = ".versions.jsonl.gz"


@dataclass(frozen=True, slots=True)
class _Series:
    """The incremental exports of one scope in a folder.

    :param name: first part of the names of its files.
    :param number: number of the export that is being written.
    :param replaces: the manifest of this very task instance that is written again, None for a new export.
    """

    name: str
    number: int
    replaces: Folder | None

    @property
    def stem(self) -> str:
        return f"{self.name}-{self.number:08d}"


class FileSink(Sink[_Item]):
    """What sinks of files share: names, the temporary state, the manifest, and the state in it.

    A subclass opens :class:`PartFile` with :meth:`_part` and gives them all in :meth:`_parts` when it is asked to finish.

    :param folder: where to write.
    :param stem: first part of the file names of an export that is not incremental; the same for each run of the same
        task, so that it replaces its own files.
    :param run_key: names the task instance; the same for each try of it.
    """

    replaces_orders: ClassVar[bool] = False
    suffix: ClassVar[str]
    """Ending of the data files' names, after which a compression's may come."""

    def __init__(self, folder: Folder, stem: str, *, run_key: str = "") -> None:
        self._folder = folder
        self._stem = stem
        self._tag = hashlib.sha256(run_key.encode()).hexdigest()[:8]
        self._run_key = run_key
        self._series: _Series | None = None
        self._versions: Versions | None = None
        self._versions_file: PartFile | None = None
        self._rejects: PartFile | None = None
        self._note: PartFile | None = None
        self._is_committed = False
        self._shape_name = ""
        self._shape_file: PartFile | None = None

    @property
    def uri(self) -> str:  # type: ignore[override]
        """The folder."""
        return str(self._folder)

    # What a subclass does.

    @abstractmethod
    def _start(self) -> None:
        """Open the first file, where there has to be one even for no order."""

    @abstractmethod
    def _parts(self) -> Sequence[PartFile]:
        """Give the data files, in the order of the manifest."""

    @abstractmethod
    def _end(self) -> None:
        """Write what is still held back into the data files."""

    @abstractmethod
    def _line(self, record: Record) -> _Item:
        """Give what will be written for an order."""

    def _version(self, record: Record) -> str:
        """Give what tells the versions of an order apart, in the form in which it is written."""
        return record.order().content_hash

    def _part(self, name: str) -> PartFile:
        """Open a data file.

        :param name: what comes after the stem, with the ending.
        """
        return PartFile(self._folder, f"{self._name}{name}", tag=f"{self._tag}.")

    @property
    def _name(self) -> str:
        """First part of the names of the data files; unique for each task instance that tries the same number."""
        return self._stem if self._series is None else f"{self._series.stem}-{self._tag}"

    @property
    def _is_new(self) -> bool:
        """Whether this export adds one to its series, and takes no earlier one's place."""
        return self._series is not None and self._series.replaces is None

    # The steps.

    def open(
        self, scope: Scope, *, incremental: bool, complete: bool = False, overlap: timedelta | None = None
    ) -> SyncState | None:
        """Make the folder, read the newest manifest of the series, and open the first file."""
        del complete  # what a full export does not bring is not in its files
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            listing = Listing(self._folder)
            series = f"{scope.source}-{scope.key}"
            self._shape_name = f".{series}.shape.json"
            state = self._open_series(series, overlap, listing) if incremental else None
            self.known_shape = state.shape if state is not None else None
            if not incremental:
                self.known_shape = self._kept_shape(series, listing)
            self._remove_leftovers(listing)
            self.journal = _JournalFiles(self._folder, self._name, listing)
            self._start()
        except OrdersError:
            raise
        except Exception as error:  # a cloud's library has errors of its own, which are no OSError
            raise ConfigurationError(
                f"path {self._folder} cannot be written to: {reason_of(error)}.", field="path"
            ) from error
        return state

    def _open_series(self, name: str, overlap: timedelta | None, listing: Listing) -> SyncState | None:
        manifests = _read_manifests(name, listing)
        path, newest = next(manifests, (None, None))
        if newest is not None:
            self._remove_dead(name, newest, listing)
        replaces = None
        number = newest["state"]["sequence"] + 1 if newest else 1
        if newest is not None and newest["state"]["run_key"] == self._run_key:
            replaces, number = path, number - 1
            _, newest = next(manifests, (None, None))
        self._series = _Series(name, number, replaces)
        known = _read_versions(self._folder / newest["versions_file"]) if newest else ()
        self._versions = Versions(known, version_of=self._version, overlap=overlap)
        return SyncState.from_dict(newest["state"]) if newest else None

    def _kept_shape(self, series: str, listing: Listing) -> Mapping[str, Any] | None:
        """Give the shape of the payloads that an export outside of the series starts from."""
        if (kept := listing.find(self._shape_name)) is not None:
            return KeptShape.from_dict(json.loads(read_bytes(kept))).before(self._run_key)
        _, newest = next(_read_manifests(series, listing), (None, None))
        return SyncState.from_dict(newest["state"]).shape if newest else None

    def _remove_dead(self, series: str, newest: dict[str, Any], listing: Listing) -> None:
        """Remove what runs left that were killed after another one had committed, or while they removed it themselves."""
        number = newest["state"]["sequence"]
        named = {file["path"] for file in newest["files"]} | {newest["rejects_file"]}
        names = {path.rpartition("/")[2] for path in named if path} | {newest["versions_file"]}
        for path in listing.having(f".{series}-"):
            of = _number(path.name.removeprefix("."), series)
            if of is not None and of <= number:
                if f"{_MANIFEST}." in path.name:
                    self._remove_noted(path, listing.having(f"{series}-{of:08d}{_MANIFEST}"))
                listing.remove(path)
        for path in listing.having(f"{series}-{number:08d}"):
            if path.name not in names and not path.name.endswith(_MANIFEST):
                listing.remove(path)

    def _remove_noted(self, note: Folder, committed: Sequence[Folder]) -> None:
        """Remove what lies in other folders of a run that died before its note became a manifest.

        :param note: the note.
        :param committed: the manifest of the run that committed in its place: this one, if it died right behind that.
        """

    def render(self, record: Record) -> _Item | None:
        """Give what will be written, None for a version that an earlier file of the series has."""
        if self._versions is None:
            return self._line(record)
        item = None if self._versions.is_known(record) else self._line(record)
        self._versions.note(record)  # last, so that an order that cannot be written is rejected by itself
        return item

    def reject(self, raw: bytes, reason: str) -> None:
        """Keep a row that is not what the vendor documents, with the reason, in a file of JSON Lines."""
        with self._writing():
            if self._rejects is None:
                self._rejects = self._part(".rejects.jsonl")
            self._rejects.write(b'{"reason": %s, "row": %s}\n' % (json.dumps(reason).encode(), one_line(raw)))

    def finish(self, state: SyncState | None) -> Written:
        """Complete the files, still under their temporary names, and say what they will be."""
        with self._writing():
            self._end()
            files = [part.finish() for part in self._parts()]
            rejects = self._rejects.finish() if self._rejects is not None else None
            if self._versions is not None:
                self._versions_file = self._part(_VERSIONS)
                _write_versions(self._versions_file, self._versions)
        return Written(
            files=files,
            manifest_file=str(self._folder / self._note_name),
            rejects_file=rejects["path"] if rejects else None,
        )

    @property
    def _note_name(self) -> str:
        return f"{self._stem if self._series is None else self._series.stem}{_MANIFEST}"

    def commit(
        self, manifest: Manifest, state: SyncState | None, *, shape: Mapping[str, Any] | None = None
    ) -> None:
        """Make the files visible, the manifest last; files of an earlier run that are not replaced go."""
        content: dict[str, Any] = dict(manifest)
        if state is not None and self._versions_file is not None:
            content |= {"state": state.as_dict(), "versions_file": self._versions_file.final.name}
        is_sure = False
        with self._writing(begun=not self._is_new):
            self._note = PartFile(self._folder, self._note_name, tag=f"{self._tag}.")
            self._note.write(json.dumps(content, indent=2).encode())
            self._note.finish()
            if state is None and shape is not None:
                self._shape_file = self._write_shape(shape)
            if self._is_new:
                is_sure = self._publish_new(self._note, self._published())
            else:
                self._publish(self._note, self._published())
            self._is_committed = True
        with self._writing(begun=True):
            if self._shape_file is not None:
                self._shape_file.publish()
            listing = Listing(self._folder)
            self._remove_replaced(listing, {str(part.final) for part in self._published()})
            if self._series is not None and is_sure:
                self._remove_dead(self._series.name, content, listing)

    def _published(self) -> Sequence[PartFile]:
        """Give what a commit makes visible, but for the manifest."""
        return [*self._parts(), *filter(None, [self._rejects, self._versions_file])]

    def _write_shape(self, shape: Mapping[str, Any]) -> PartFile:
        part = PartFile(self._folder, self._shape_name, tag=f"{self._tag}.")
        kept = KeptShape(shape=shape, run_key=self._run_key, previous=self.known_shape)
        part.write(json.dumps(kept.as_dict()).encode())
        part.finish()
        return part

    @staticmethod
    def _publish(note: PartFile, parts: Iterable[PartFile]) -> None:
        for part in parts:
            part.publish()
        note.publish()

    def _publish_new(self, note: PartFile, parts: Iterable[PartFile]) -> bool:
        """Publish under a number that no other run may have taken; tells whether it is sure that none can take it."""
        if note.final.exists():
            raise self._lost()
        for part in parts:
            part.publish()
        try:
            return note.publish_new()
        except FileExistsError:
            raise self._lost() from None

    def _lost(self) -> OrdersError:
        return OrdersError(
            f"Another run exported the same orders to {self._folder} and committed first; nothing of this one was kept. "
            "Let one run at a time write there (max_active_runs=1), then run the task again: it goes on where the "
            "other one ended."
        )

    def _remove_replaced(self, listing: Listing, kept: set[str]) -> None:
        """Remove what earlier tries left under the names that are this task instance's alone."""
        for path in listing.having(""):
            name = path.name.removeprefix(".")
            is_data = name.startswith((f"{self._name}.", f"{self._name}-")) and not name.endswith(_MANIFEST)
            if (is_data and str(path) not in kept) or self._is_old_versions_file(name):
                listing.remove(path)

    def _is_old_versions_file(self, name: str) -> bool:
        """Tell whether nobody will read it again; the one before the newest serves a repeated run."""
        number = _number(name, self._series.name) if self._series and name.endswith(_VERSIONS) else None
        return number is not None and self._series is not None and number < self._series.number - 1

    def _remove_leftovers(self, listing: Listing) -> None:
        """Remove what an interrupted run of the same task left; one that still runs fails instead of publishing."""
        for start in (f".{self._name}.", f".{self._shape_name}.{self._tag}."):
            for path in listing.having(start, ".part"):
                log.info("Removing %s, left by an interrupted run of this task", path.name)
                listing.remove(path)

    @contextlib.contextmanager
    def _writing(self, *, begun: bool = False) -> Iterator[None]:
        try:
            yield
        except OrdersError:
            raise
        except Exception as error:  # a cloud's library has errors of its own, which are no OSError
            state = (
                "Some of the files may be replaced already"
                if begun or self._may_be_committed()
                else "The files are as they were before"
            )
            raise OrdersError(
                f"Writing to {self._folder} failed: {reason_of(error)}. {state}; "
                "free space or repair the target, then run the task again."
            ) from error

    def _may_be_committed(self) -> bool:
        """Tell whether the manifest is in its place, or may be: an error may have come right behind that."""
        return self._is_committed or (self._note is not None and self._note.may_be_there())

    def _additions(self) -> Iterable[PartFile]:
        """Give the files that take no earlier one's place, so that a commit that failed can be taken back."""
        return self._published() if self._is_new else ()

    def _take_back(self) -> None:
        for part in self._additions():
            if part.is_exposed:
                part.final.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the files that were not committed."""
        left = [*self._published(), self._shape_file, self._note]
        if self._note is not None and not self._may_be_committed():
            try:
                self._take_back()
            except Exception as error:  # noqa: BLE001 - of the storage; what went wrong first is what is to be seen
                log.warning(
                    "%s could not be tidied up (%s); a later export does it", self._folder, reason_of(error)
                )
                left.remove(self._note)  # by which that export knows what to remove
        for part in left:
            if part is not None:
                part.discard()
        if self._versions is not None:
            self._versions.close()


class _JournalFiles:
    """The journal of one task instance, in hidden files beside the data."""

    def __init__(self, folder: Folder, name: str, listing: Listing) -> None:
        self._folder = folder
        self._start = f".{name}.journal-"
        self._segments = listing.having(self._start)

    def load(self) -> Iterator[bytes]:
        for path in self._segments:
            yield read_bytes(path)

    def append(self, segment: bytes) -> None:
        path = self._folder / f"{self._start}{len(self._segments) + 1:06d}"
        self._segments.append(path)  # first: of one that is not written to its end there may be a file, too
        try:
            with path.open("wb") as file:
                file.write(segment)
        except Exception as error:  # a cloud's library has errors of its own
            raise OSError(errno.EIO, reason_of(error)) from error

    def clear(self) -> None:
        for path in self._segments:
            path.unlink(missing_ok=True)
        self._segments.clear()


def _read_manifests(series: str, listing: Listing) -> Iterator[tuple[Folder, dict[str, Any]]]:
    """Read the manifests of a series, the newest first; an empty one is the claim of a run that died, and goes."""
    for path in reversed(listing.having(f"{series}-", _MANIFEST)):
        if content := read_bytes(path):
            yield path, json.loads(content)
        else:
            listing.remove(path)


def _number(name: str, series: str) -> int | None:
    """Read the number of an export from the name of one of its files, None for another file."""
    if not name.startswith(f"{series}-"):
        return None
    digits = name[len(series) + 1 : len(series) + 9]
    return int(digits) if len(digits) == 8 and digits.isdigit() else None


def _read_versions(path: Folder) -> Iterator[Recurring]:
    with path.open("rb") as file, gzip.open(file) as lines:
        for line in lines:
            identity, version, missed = json.loads(line)
            yield identity, version, missed


def _write_versions(part: PartFile, versions: Versions) -> None:
    with gzip.GzipFile(filename="", mode="wb", compresslevel=4, fileobj=part, mtime=0) as file:
        for known in versions.recurring():
            file.write(json.dumps(known).encode() + b"\n")
    part.finish()
