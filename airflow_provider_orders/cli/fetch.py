"""``fetch``: export orders into a file."""

from __future__ import annotations

import contextlib
import hashlib
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_orders.apis.query import whole_number
from airflow_provider_orders.cli.connect import find_hook, mask
from airflow_provider_orders.cli.exit_codes import ExitCode
from airflow_provider_orders.cli.selection import in_words, query_of
from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.export.plan import check_plan
from airflow_provider_orders.export.run import export_orders
from airflow_provider_orders.http.sync import SyncClient

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Generator, Iterator

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.apis.query import OrderQuery
    from airflow_provider_orders.cli.screen import Screen
    from airflow_provider_orders.export.manifest import Manifest
    from airflow_provider_orders.export.sinks.base import Sink
    from airflow_provider_orders.http.paging import RowPage

__all__ = ["Place", "Target", "run"]

_RUN_KEY: Final = "airflow-orders"

_ENDINGS: Final = {
    ".jsonl": ("jsonl", None),
    ".jsonl.gz": ("jsonl", "gzip"),
    ".jsonl.zst": ("jsonl", "zstd"),
    ".parquet": ("parquet", None),
}


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Export the orders, and say what came."""
    query = query_of(arguments)
    limit = None if arguments.limit is None else whole_number("limit", arguments.limit)
    target = Target.of(arguments.output, arguments.file_format, arguments.compression)
    api = find_hook(arguments.orders_conn_id).api
    check_plan(api, query, limit=limit)  # before the target is touched
    with (
        screen.progress(f"{api.title}: {in_words(query)}") as show,
        _CountingClient(api, show) as client,
        target.place(_name(arguments.orders_conn_id, query)) as place,
    ):
        with target.sink(place, content=arguments.content) as sink:
            manifest = export_orders(client, query, sink, on_reject=arguments.on_reject, limit=limit)
        manifest = place.publish(manifest)
    if arguments.json:
        screen.json(manifest)
    else:
        screen.pairs(f"Exported {manifest['rows']:,} orders of {arguments.orders_conn_id}", _rows(manifest))
    return ExitCode.DONE


@dataclass(frozen=True, slots=True)
class Target:
    """Where the orders go.

    :param folder: the folder, a local path or a URL.
    :param stem: what the file is called before its ending; None where a folder was named.
    :param file_format: ``jsonl`` or ``parquet``.
    :param compression: as the sinks take it.
    """

    folder: str
    stem: str | None
    file_format: str
    compression: str | None

    @classmethod
    def of(cls, output: str, file_format: str | None, compression: str | None) -> Target:
        """Read ``--output``, and what its ending says.

        :raises ConfigurationError: the ending and an option disagree.
        """
        folder, _, name = output.rpartition("/")
        ending = next((each for each in _ENDINGS if name.endswith(each) and name != each), None)
        asked = None if compression == "none" else compression
        if ending is None:
            return cls(output, None, file_format or "jsonl", asked)
        format_said, compression_said = _ENDINGS[ending]
        if file_format not in {None, format_said}:
            raise ConfigurationError(
                f"--format {file_format} does not go with a file that ends with {ending}.", field="format"
            )
        if format_said == "jsonl":
            if compression is not None and asked != compression_said:
                raise ConfigurationError(
                    f"--compression {compression} does not go with a file that ends with {ending}; it ends with .jsonl, "
                    ".jsonl.gz or .jsonl.zst.",
                    field="compression",
                )
            asked = compression_said
        if not folder:
            folder = "/" if output.startswith("/") else "."
        return cls(folder, name.removesuffix(ending), format_said, asked)

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

    def sink(self, place: Place, *, content: str) -> Sink[Any]:
        """Give the file to write."""
        if self.file_format == "parquet":
            from airflow_provider_orders.export.sinks.parquet import ParquetSink

            return ParquetSink(place.folder, place.stem, compression=self.compression, run_key=_RUN_KEY)
        from airflow_provider_orders.export.sinks.jsonl import JsonLinesSink

        return JsonLinesSink(
            place.folder, place.stem, output=content, compression=self.compression, run_key=_RUN_KEY
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


def _remove(folder: Any) -> None:
    """Remove a folder with all files in it; an object storage has no folders."""
    with contextlib.suppress(OSError, NotImplementedError):
        for path in list(folder.iterdir()):
            path.unlink()
        folder.rmdir()


def _name(orders_conn_id: str, query: OrderQuery) -> str:
    """Name a file after what is in it: another selection gets another name."""
    start = query.updated_from or query.created_from
    window = f"{start:%Y%m%dT%H%M%SZ}" if start else "all"
    digest = hashlib.sha256(repr((query, sorted(query.params.items()))).encode()).hexdigest()[:8]
    return "-".join((re.sub(r"[^A-Za-z0-9_]+", "-", orders_conn_id), window, digest))


class _CountingClient(SyncClient):
    """Tells how far the reading has come.

    :param show: called with the orders read, and how many the vendor counts.
    """

    def __init__(self, api: OrderApi[Any], show: Callable[[int, int | None], None]) -> None:
        super().__init__(api, mask=mask)
        self._show = show

    def iter_pages(self, *args: Any, **kwargs: Any) -> Generator[RowPage]:
        done = 0
        for page in super().iter_pages(*args, **kwargs):
            yield page
            done += len(page.rows)
            self._show(done, page.total)


def _rows(manifest: Manifest) -> list[tuple[str, str]]:
    rows = [
        ("read", manifest["plan"]),
        ("requests", f"{manifest['requests']:,} in {manifest['seconds']:,.1f} s"),
    ]
    rows += [
        ("file", f"{file['path']} ({file['rows']:,} orders, {file['bytes']:,} bytes)")
        for file in manifest["files"]
    ]
    if manifest["manifest_file"]:
        rows.append(("manifest", manifest["manifest_file"]))
    if manifest["rejected"]:
        rows.append(("rejected", f"{manifest['rejected']:,}, kept in {manifest['rejects_file']}"))
    rows += [("total", f"{total} {currency}") for currency, total in manifest["totals"].items()]
    return [*rows, *(("can miss", gap) for gap in manifest["can_miss"])]
