"""Parquet files written in row groups of bounded memory, one file or one a day. Imports pyarrow."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from itertools import groupby
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from airflow_provider_orders.errors import OrdersError
from airflow_provider_orders.export.sinks.arrow import SCHEMA, record_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date, datetime

    from airflow_provider_orders.models.order import Order

__all__ = ["DailyFiles", "OneFile", "OrdersFile"]

_GROUP_ORDERS: Final = 20_000
_GROUP_BYTES: Final = 16 << 20
"""Of columns in memory; in the file a row group takes a fraction of it."""

_SORTED_BYTES: Final = 6 << 20
"""Of columns that are sorted by day at once, which holds them twice."""


class OrdersFile(Protocol):
    """A binary file that is told how many orders it got."""

    rows: int

    def write(self, data: bytes, /) -> int:
        """Write bytes."""

    def flush(self) -> None:
        """Hand on what is buffered."""


class _Output:
    """What Arrow writes into: a file that it can neither close nor reach once it was let go of."""

    closed = False

    def __init__(self, file: OrdersFile) -> None:
        self._file: OrdersFile | None = file

    def write(self, data: bytes) -> int:
        return len(data) if self._file is None else self._file.write(data)

    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Leave it to the owner."""

    def let_go(self) -> None:
        self._file = None


class OneFile:
    """One Parquet file.

    :param file: where to; it stays open.
    :param compression: of the columns: ``snappy``, ``gzip`` or ``zstd``.
    """

    def __init__(self, file: OrdersFile, compression: str) -> None:
        self._file = file
        self._output = _Output(file)
        self._writer = pq.ParquetWriter(self._output, SCHEMA, compression=compression)
        self._held: list[pa.RecordBatch] = []
        self._held_orders = 0
        self._held_bytes = 0

    def write(self, orders: Sequence[Order]) -> None:
        """Write orders."""
        self.write_batch(record_batch(orders))

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Write orders that are columns already."""
        self._held.append(batch)
        self._held_orders += batch.num_rows
        self._held_bytes += batch.nbytes
        if self._held_orders >= _GROUP_ORDERS or self._held_bytes >= _GROUP_BYTES:
            self._write_group()

    def _write_group(self) -> None:
        self._writer.write_table(
            pa.Table.from_batches(self._held, SCHEMA), row_group_size=max(1, self._held_orders)
        )
        self._file.rows += self._held_orders
        self._held.clear()
        self._held_orders = self._held_bytes = 0

    def end(self) -> None:
        """Complete the file."""
        if self._held:
            self._write_group()
        self._writer.close()

    def abandon(self) -> None:
        """Stop writing, whatever state the file is in."""
        # The writer closes itself at the latest when it is collected, and then complains of a file that is gone.
        self._output.let_go()
        with suppress(OSError, pa.ArrowException):
            self._writer.close()


class DailyFiles:
    """One Parquet file for each day (UTC), in whatever order the orders come.

    Orders are collected to a certain size, sorted by day, and put aside in a temporary file on the local disk, which
    has no name and goes with the process. At the end the days are written one after the other. So memory is bounded,
    only one file is open at a time, and each day has only one.

    :param moment: gives the moment whose day counts.
    :param open_file: opens the file of a day, or of the orders without one.
    :param close_file: completes it.
    :param compression: of the columns: ``snappy``, ``gzip`` or ``zstd``.
    """

    def __init__(
        self,
        moment: Callable[[Order], datetime | None],
        open_file: Callable[[date | None], OrdersFile],
        close_file: Callable[[Any], object],
        compression: str,
    ) -> None:
        self._moment = moment
        self._open_file = open_file
        self._close_file = close_file
        self._compression = compression
        self._days: list[date | None] = []
        self._held: list[pa.RecordBatch] = []
        self._held_bytes = 0
        self._aside = _Aside()
        self._current: OneFile | None = None

    def write(self, orders: Sequence[Order]) -> None:
        """Write orders."""
        batch = record_batch(orders)
        self._held.append(batch)
        self._held_bytes += batch.nbytes
        self._days += [None if (at := self._moment(order)) is None else at.date() for order in orders]
        if self._held_bytes >= _SORTED_BYTES:
            for day, table in self._by_day():
                self._aside.put(day, table)

    def _by_day(self) -> Iterator[tuple[date | None, pa.Table]]:
        """Give what is held, one day after the other, and hold it no longer."""
        places = sorted(range(len(self._days)), key=lambda place: _day_order(self._days[place]))
        days = [self._days[place] for place in places]
        table = pa.Table.from_batches(self._held, SCHEMA)
        self._held, self._held_bytes, self._days = [], 0, []
        table = table.combine_chunks()  # in steps, so that there are two copies at the most
        table = table.take(pa.array(places, pa.int64()))
        start = 0
        for day, same in groupby(days):
            count = sum(1 for _ in same)
            yield day, table.slice(start, count)
            start += count

    def end(self) -> None:
        """Write the files."""
        last = dict(self._by_day())
        for day in sorted({*last, *self._aside.days}, key=_day_order):
            file = self._open_file(day)
            self._current = OneFile(file, self._compression)
            for batch in self._aside.get(day):
                self._current.write_batch(batch)
            if day in last:
                for batch in last[day].to_batches():
                    self._current.write_batch(batch)
            self._current.end()
            self._close_file(file)
        self._aside.close()

    def abandon(self) -> None:
        """Stop writing, whatever state the files are in."""
        if self._current is not None:
            self._current.abandon()
        self._aside.close()


class _Aside:
    """Orders put aside on the local disk, to be read by day."""

    def __init__(self) -> None:
        self.days: dict[date | None, list[int]] = {}
        self._batches = 0
        self._file: IO[bytes] | None = None
        self._writer: Any = None
        self._reader: Any = None

    def put(self, day: date | None, table: pa.Table) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="orders-")  # noqa: SIM115 - open until close()
                options = pa.ipc.IpcWriteOptions(compression="lz4" if pa.Codec.is_available("lz4") else None)
                self._writer = pa.ipc.new_file(self._file, SCHEMA, options=options)
            for batch in table.to_batches():
                self._writer.write_batch(batch)
                self.days.setdefault(day, []).append(self._batches)
                self._batches += 1
        except OSError as error:
            raise _no_room(error) from error

    def get(self, day: date | None) -> Iterator[pa.RecordBatch]:
        if self._file is None:
            return
        try:
            if self._reader is None:
                self._writer.close()
                self._reader = pa.ipc.open_file(self._file)
            for number in self.days.get(day, ()):
                yield self._reader.get_batch(number)
        except OSError as error:
            raise _no_room(error) from error

    def close(self) -> None:
        self._reader = self._writer = None
        if self._file is not None:
            with suppress(OSError):
                self._file.close()


def _no_room(error: OSError) -> OrdersError:
    return OrdersError(
        f"Orders could not be sorted by day in {tempfile.gettempdir()}: {error.strerror or error}. The files are as "
        "they were before; free space there or point TMPDIR elsewhere, then run the task again."
    )


def _day_order(day: date | None) -> tuple[bool, str]:
    return day is None, "" if day is None else day.isoformat()
