"""Where ``fetch`` writes: what ``--output`` and its options mean."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from airflow_provider_orders.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_provider_orders.export.manifest import Manifest
    from airflow_provider_orders.export.sinks.base import Sink

__all__ = ["Place", "Target"]

_RUN_KEY: Final = "airflow-orders"


class _Said(NamedTuple):
    """What a file's ending says."""

    file_format: str
    compression: str | None


_ENDINGS: Final = {
    ".jsonl": _Said("jsonl", None),
    ".jsonl.gz": _Said("jsonl", "gzip"),
    ".jsonl.zst": _Said("jsonl", "zstd"),
    ".parquet": _Said("parquet", None),
}
_OTHER_ENDINGS: Final = (
    ".csv",
    ".gz",
    ".json",
    ".ndjson",
    ".sqlite",
    ".tsv",
    ".txt",
    ".xlsx",
    ".xml",
    ".zip",
    ".zst",
)
"""Whoever names such a file does not want a folder of that name."""

_COMPRESSIONS: Final = {"jsonl": ("none", "gzip", "zstd"), "parquet": ("snappy", "gzip", "zstd")}


@dataclass(frozen=True, slots=True)
class Target:
    """Where the orders go.

    :param folder: the folder, a local path or a URL.
    :param stem: what the file is called before its ending; None where a folder was named.
    :param file_format: ``jsonl`` or ``parquet``.
    :param compression: as the sinks take it.
    :param content: ``raw``, ``vendor`` or ``canonical``.
    """

    folder: str
    stem: str | None
    file_format: str
    compression: str | None
    content: str

    @classmethod
    def of(
        cls, output: str, file_format: str | None, compression: str | None, content: str | None = None
    ) -> Target:
        """Read ``--output``, and what its ending says.

        :raises ConfigurationError: it is no place for orders, or it and the options disagree.
        """
        folder, _, name = output.rpartition("/")
        ending = next((each for each in _ENDINGS if name.endswith(each) and name != each), None)
        if ending is None:
            _refuse_other_files(output, name)
            folder, stem, said = output, None, _Said(file_format or "jsonl", None)
        else:
            folder, stem = folder or ("/" if output.startswith("/") else "."), name.removesuffix(ending)
            said = _ENDINGS[ending]
            if file_format not in {None, said.file_format}:
                raise ConfigurationError(
                    f"--format {file_format} does not go with a file that ends with {ending}.", field="format"
                )
        if compression is not None:
            _check_compression(compression, said.file_format, ending)
        own_content = "canonical" if said.file_format == "parquet" else "raw"
        if said.file_format == "parquet" and content not in {None, own_content}:
            raise ConfigurationError(
                f"--content {content} does not go with parquet, which has one shape for all vendors: canonical.",
                field="content",
            )
        asked = said.compression if compression is None else compression
        return cls(folder, stem, said.file_format, None if asked == "none" else asked, content or own_content)

    @contextlib.contextmanager
    def place(self, name: str) -> Iterator[Place]:
        """Give where to write first.

        :param name: what files are called in a folder that was named.
        """
        from airflow_provider_orders.operators.targets import folder

        where = folder(self.folder)
        if self.stem is None:
            yield Place(where, name)
            return
        # Files of an export own every name that begins with theirs; beside a file of the user's choice nothing is owned.
        aside = where / f".{self.stem}.{uuid.uuid4().hex[:8]}"
        try:
            yield Place(aside, self.stem, moves_to=where)
        finally:
            _remove(aside)

    def sink(self, place: Place) -> Sink[Any]:
        """Give the file to write."""
        if self.file_format == "parquet":
            from airflow_provider_orders.export.sinks.parquet import ParquetSink

            return ParquetSink(place.folder, place.stem, compression=self.compression, run_key=_RUN_KEY)
        from airflow_provider_orders.export.sinks.jsonl import JsonLinesSink

        return JsonLinesSink(
            place.folder, place.stem, output=self.content, compression=self.compression, run_key=_RUN_KEY
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where an export writes.

    :param folder: the folder.
    :param stem: first part of the files' names.
    :param moves_to: the folder that the orders are moved to, over an older file; None where they stay.
    """

    folder: Any
    stem: str
    moves_to: Any = None

    def publish(self, manifest: Manifest) -> Manifest:
        """Move the orders to where they are wanted; gives the manifest with their paths there."""
        if self.moves_to is None:
            return manifest
        rejects = manifest["rejects_file"]
        moved: Manifest = {
            **manifest,
            "uri": str(self.moves_to),
            "files": [{**file, "path": self._move(file["path"])} for file in manifest["files"]],
            "rejects_file": self._move(rejects) if rejects else None,
            "manifest_file": None,
        }
        return moved

    def _move(self, path: str) -> str:
        name = path.rpartition("/")[2]
        target = self.moves_to / name
        (self.folder / name).replace(target)
        return str(target)


def _refuse_other_files(output: str, name: str) -> None:
    if name == "-" or name.lower().endswith(_OTHER_ENDINGS):
        raise ConfigurationError(
            f"--output {output} is no file that orders can be written to; one ends with {_one_of(_ENDINGS)}. Anything else "
            "is a folder.",
            field="output",
        )


def _check_compression(compression: str, file_format: str, ending: str | None) -> None:
    if compression not in _COMPRESSIONS[file_format]:
        raise ConfigurationError(
            f"--compression {compression} does not go with {file_format}, which takes "
            f"{_one_of(_COMPRESSIONS[file_format])}.",
            field="compression",
        )
    if (
        ending is not None
        and file_format == "jsonl"
        and compression != (_ENDINGS[ending].compression or "none")
    ):
        raise ConfigurationError(
            f"--compression {compression} does not go with a file that ends with {ending}; it ends with .jsonl, "
            ".jsonl.gz or .jsonl.zst.",
            field="compression",
        )


def _one_of(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}"


def _remove(folder: Any) -> None:
    """Remove a folder with all files in it; an object storage has no folders, or cannot be reached at all."""
    with contextlib.suppress(Exception):  # whose errors need not be of the system's kind
        for path in list(folder.iterdir()):
            path.unlink()
        folder.rmdir()
