"""The links that a task shows beside its log.

Airflow asks for them on the worker, each time that the task stops there, and stores the answers: as it finishes, and
before that as it is deferred. A link whose address nobody knows is not shown; that is no error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

__all__ = [
    "BaseOrdersLink",
    "ExportedFilesLink",
    "ManifestLink",
    "NotesLinksMixin",
    "OrderDocumentLink",
    "OrderLink",
]


class NotesLinksMixin:
    """Keeps the addresses that a task finds out while it runs."""

    _links: dict[str, str] | None = None

    def note_link(self, link: type[BaseOrdersLink], address: str | None) -> None:
        """Keep the address of a link; None for one that there is not."""
        if self._links is None:
            self._links = {}
        self._links[link.__name__] = address or ""

    def noted_link(self, link: type[BaseOrdersLink]) -> str | None:
        """Give the address of a link, an empty one where there is none; None where nothing was noted yet."""
        return None if self._links is None else self._links.get(link.__name__, "")


class BaseOrdersLink(BaseOperatorLink):
    """A link whose address the task has noted."""

    name: ClassVar[str]

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Give the address, an empty one where there is none."""
        noted = operator.noted_link(type(self)) if isinstance(operator, NotesLinksMixin) else ""
        return self._stored(ti_key) if noted is None else noted

    def _stored(self, ti_key: Any) -> str:
        """Give what was stored when the task was deferred: the resumed one is another object, and has noted nothing."""
        from airflow.sdk.bases.xcom import BaseXCom

        stored = BaseXCom.get_value(ti_key=ti_key, key=self.xcom_key)
        return stored if isinstance(stored, str) else ""


class OrderLink(BaseOrdersLink):
    """Leads to the order's page in the vendor's back office, where the connection says in ``console_url`` where that is."""

    name = "Order in the back office"


class OrderDocumentLink(BaseOrdersLink):
    """Leads to the order as a document to print, where the vendor has one (Valomnia: a PDF)."""

    name = "Order as a document"


class ExportedFilesLink(BaseOrdersLink):
    """Leads to the folder of an export in the console of its storage."""

    name = "Exported files"


class ManifestLink(BaseOrdersLink):
    """Leads to the manifest of an export in the console of its storage."""

    name = "Manifest"
