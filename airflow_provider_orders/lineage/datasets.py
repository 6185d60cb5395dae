"""Datasets as OpenLineage names them: the orders of an account, and the folder or table that they were written to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow.providers.common.compat.openlineage.facet import (
        DatasetFacet,
        InputDataset,
        OutputDataset,
        SchemaDatasetFacetFields,
    )

    from airflow_provider_orders.export.columns import Column

__all__ = ["ORDERS", "LineageDataset", "Written", "account_of", "name_of"]

ORDERS: Final = "orders"
"""The resource that is read of an account."""

_BUCKETS: Final = {"s3": "s3", "s3a": "s3", "s3n": "s3", "gs": "gs", "gcs": "gs"}
_DATABASES: Final = {"postgres": 5432, "mysql": 3306}


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """How much was written.

    :param rows: orders.
    :param bytes: of all files together, None for a database.
    :param files: how many, None for a database.
    """

    rows: int
    bytes: int | None = None
    files: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LineageDataset:
    """One dataset, as OpenLineage names it.

    :param namespace: where it lies.
    :param name: its name there.
    :param columns: gives its columns; called when somebody asks for them. None where they are not known.
    :param written: how much was written into it.
    """

    namespace: str
    name: str
    columns: Callable[[], tuple[Column, ...]] | None = None
    written: Written | None = None

    @classmethod
    def of_orders(cls, account: str) -> LineageDataset:
        """Give the orders of an account, which a vendor holds."""
        return cls(namespace=account_of(account), name=ORDERS, columns=_canonical)

    @classmethod
    def of_manifest(
        cls, manifest: Mapping[str, Any], columns: Callable[[], tuple[Column, ...]] | None = None
    ) -> LineageDataset:
        """Give the folder or the table that an export has written to."""
        namespace, name = name_of(manifest["uri"])
        has_files = manifest["manifest_file"] is not None or manifest["file_count"] > 0
        written = Written(
            rows=manifest["rows"],
            bytes=manifest["bytes"] if has_files else None,
            files=manifest["file_count"] if has_files else None,
        )
        return cls(namespace=namespace, name=name, columns=columns, written=written)

    @classmethod
    def at(cls, uri: str) -> LineageDataset:
        """Give what lies at a place, of which no more is known."""
        namespace, name = name_of(uri)
        return cls(namespace=namespace, name=name)

    def facets(self) -> dict[str, DatasetFacet]:
        """Say what columns it has."""
        from airflow.providers.common.compat.openlineage.facet import SchemaDatasetFacet

        if self.columns is None:
            return {}
        return {"schema": SchemaDatasetFacet(fields=[_field(column) for column in self.columns()])}

    def as_input(self) -> InputDataset:
        """Give it as one that was read."""
        from airflow.providers.common.compat.openlineage.facet import InputDataset

        return InputDataset(namespace=self.namespace, name=self.name, facets=self.facets())

    def as_output(self) -> OutputDataset:
        """Give it as one that was written, with how much."""
        from airflow.providers.common.compat.openlineage.facet import (
            OutputDataset,
            OutputStatisticsOutputDatasetFacet,
        )

        counts: dict[str, Any] = {}
        if self.written is not None:
            counts["outputStatistics"] = OutputStatisticsOutputDatasetFacet(
                rowCount=self.written.rows, size=self.written.bytes, fileCount=self.written.files
            )
        return OutputDataset(
            namespace=self.namespace, name=self.name, facets=self.facets(), outputFacets=counts
        )


def account_of(account: str) -> str:
    """Give the namespace of an account's datasets."""
    return f"orders://{quote(account.lower(), safe='-._~!()')}"


def name_of(uri: str) -> tuple[str, str]:
    """Give the namespace and the name of a folder or a table, by OpenLineage's rules for its kind.

    :param uri: as a manifest names it; an id of a connection in it is left out.
    """
    parts = urlsplit(uri)
    place, path = parts.netloc.rpartition("@")[2], parts.path.rstrip("/")
    if parts.scheme in {"", "file"}:
        return "file", path or "/"
    if parts.scheme in _BUCKETS:
        return f"{_BUCKETS[parts.scheme]}://{place}", path.strip("/") or "/"
    if parts.scheme in _DATABASES:
        port = "" if parts.port else f":{_DATABASES[parts.scheme]}"
        return f"{parts.scheme}://{place}{port}", ".".join(path.strip("/").split("/"))
    if parts.scheme == "sqlite":
        database, _, table = path.rpartition("/")
        return f"sqlite://{database}", table
    return f"{parts.scheme}://{place}", path or "/"


def _canonical() -> tuple[Column, ...]:
    from airflow_provider_orders.export.columns import columns_of
    from airflow_provider_orders.models.order import Order

    return columns_of(Order)


def _field(column: Column) -> SchemaDatasetFacetFields:
    from airflow.providers.common.compat.openlineage.facet import SchemaDatasetFacetFields

    return SchemaDatasetFacetFields(
        name=column.name, type=column.type, fields=[_field(inside) for inside in column.columns]
    )
