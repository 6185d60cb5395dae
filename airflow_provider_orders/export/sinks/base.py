"""What every sink does: take orders, and make them visible in one step together with the state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta
    from types import TracebackType

    from airflow_provider_orders.export.journal import JournalStore
    from airflow_provider_orders.export.manifest import Manifest, WrittenFile
    from airflow_provider_orders.export.record import Record
    from airflow_provider_orders.export.state import Scope, SyncState

__all__ = ["Sink", "Written"]

_Item = TypeVar("_Item")


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What a sink holds ready to be committed.

    :param files: the files, as they will be called; empty for a database.
    :param manifest_file: where the manifest will lie, None for a database.
    :param rejects_file: path of the file with the rejected rows, None without any.
    :param unchanged: orders that the target held already in the same version.
    :param deleted: orders of the target that the source no longer has, and that are marked as deleted.
    """

    files: list[WrittenFile] = field(default_factory=list)
    manifest_file: str | None = None
    rejects_file: str | None = None
    unchanged: int = 0
    deleted: int = 0


class Sink(ABC, Generic[_Item]):
    """A target of an export, used for one export as a context manager.

    The steps, in this order: :meth:`open`; then :meth:`render` for each order and :meth:`write` for each page, with
    :meth:`reject` in between; :meth:`finish`; :meth:`commit`. Until :meth:`commit` the target is as it was before;
    when it returns, the target holds all of the export and its state. Leaving the context without a commit, or the
    death of the process at any moment, leaves the target as it was.
    """

    replaces_orders: ClassVar[bool]
    """Whether a later version of an order takes the place of an earlier one, as in a table, so that a full export
    brings the target up to date as a whole and may move the watermark."""

    maps_orders: bool = False
    """Whether it writes the canonical order of each record."""

    journal: JournalStore | None = None
    """Where the pages of an interrupted export can be kept for a retry; set by :meth:`open`, None where they cannot."""

    known_shape: Mapping[str, Any] | None = None
    """The shape of the vendor's payloads as the exports before this one left it; set by :meth:`open`, None where no
    export came before. An export with a state has it from there."""

    uri: str
    """Where the orders go, for the manifest; without credentials."""

    @abstractmethod
    def open(
        self, scope: Scope, *, incremental: bool, complete: bool = False, overlap: timedelta | None = None
    ) -> SyncState | None:
        """Prepare the target and give the state of the last committed export of this scope.

        A state that this very task instance committed as the last one is not given, but the one before it: the run
        then repeats and replaces its own work.

        :param scope: which orders.
        :param incremental: whether orders may come again unchanged, which the target must recognise.
        :param complete: whether the export brings every order of the scope, so that what is missing was deleted.
        :param overlap: how long before the watermark the next export begins; None where every order may come again.
        :raises ConfigurationError: the target cannot be used, and why.
        :raises OrdersError: another run is writing the same orders to the same target.
        """

    @abstractmethod
    def render(self, record: Record) -> _Item | None:
        """Give what will be written for an order, None where the target has it already.

        :raises UnexpectedPayloadError: the order cannot be written in this form.
        """

    @abstractmethod
    def write(self, items: Sequence[_Item]) -> None:
        """Write the orders of a page.

        :raises OrdersError: the target refuses; it is as it was before.
        """

    @abstractmethod
    def reject(self, raw: bytes, reason: str) -> None:
        """Keep a row that is not what the vendor documents, with the reason."""

    def doubt(self) -> None:
        """Take note that an order that did not come need not be gone; called before :meth:`finish`."""

    @abstractmethod
    def finish(self, state: SyncState | None) -> Written:
        """Complete what was written, still invisible, and say what it will be.

        :param state: the state to be committed; None where the watermark does not move.
        """

    @abstractmethod
    def commit(
        self, manifest: Manifest, state: SyncState | None, *, shape: Mapping[str, Any] | None = None
    ) -> None:
        """Make orders, manifest and state visible in one step.

        :param shape: the shape of the payloads to compare the next export with; a state has its own.
        :raises OrdersError: the target refuses, or another run has committed meanwhile.
        """

    @abstractmethod
    def close(self) -> None:
        """Drop what was not committed, and let go of the target."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
