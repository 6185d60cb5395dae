"""The asset ``orders://<connection or account>/<resource>``, and what its events tell of an export."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from airflow.sdk import Asset, AssetAlias

from airflow_provider_orders.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from urllib.parse import SplitResult

    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.sdk import Context

    from airflow_provider_orders.export.manifest import Manifest

__all__ = [
    "EXPORT",
    "check_outlets",
    "convert_asset_to_openlineage",
    "note_export",
    "orders_asset",
    "sanitize_uri",
]

EXPORT: Final = "orders_export"
"""Under which key of its ``extra`` an asset event holds the summary of an export."""

_FORM: Final = "orders://<connection or account>/<resource>, such as orders://genuka_default/orders"
_ACCOUNT: Final = r"[A-Za-z0-9_.~!()-]+"
_RESOURCE: Final = r"[A-Za-z0-9_.~-]+"


def orders_asset(orders_conn_id: str, resource: str = "orders") -> Asset:
    """Give the asset of the orders of a connection, as an outlet of an export or as the schedule of a DAG.

    ::

        OrdersToSqlOperator(
            task_id="export",
            orders_conn_id="genuka_default",
            sql_conn_id="warehouse",
            outlets=[orders_asset("genuka_default")],
        )

    :param orders_conn_id: id of the connection, or any other alias of the account. Airflow reads it when it reads the
        DAG, so that it cannot be a template; give the operator ``AssetAlias("...")`` as its outlet then.
    :param resource: what of the account.
    :raises ConfigurationError: one of them cannot be part of an address.
    """
    parts: tuple[tuple[str, object, str], ...] = (
        ("orders_conn_id", orders_conn_id, _ACCOUNT),
        ("resource", resource, _RESOURCE),
    )
    for field, text, form in parts:
        if not isinstance(text, str) or not re.fullmatch(form, text):
            raise ConfigurationError(
                f"{field} {text!r} cannot be part of the address of an asset. Use letters, digits, dots, dashes and "
                "underscores; for a template, give the task AssetAlias('...') as its outlet.",
                field=field,
            )
    uri = f"orders://{orders_conn_id.lower()}/{resource}"
    return Asset(name=uri, uri=uri)


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Check the address of an asset, and give the one way of writing it.

    :raises ConfigurationError: it holds credentials, or anything else that is not part of such an address.
    """
    problem = _problem(uri)
    if problem is not None:
        raise ConfigurationError(f"The asset's address {problem}; write it as {_FORM}.", field="uri")
    return uri._replace(scheme="orders", netloc=uri.netloc.lower(), path=uri.path.rstrip("/"))


def _problem(uri: SplitResult) -> str | None:
    if "@" in uri.netloc:
        return "holds a user name or a password, which everybody who sees the asset would see"
    if uri.query or uri.fragment:
        return "has a part behind ? or #"
    if not uri.netloc:
        return "names no connection or account"
    if not re.fullmatch(_ACCOUNT, uri.netloc):
        return "names a connection or account with other signs than letters, digits, dots, dashes and underscores"
    if not uri.path.strip("/"):
        return "names no resource"
    if not re.fullmatch(_RESOURCE, uri.path.strip("/")):
        return "names no single resource behind the connection or account"
    return None


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Dataset:
    """Give an asset as OpenLineage's dataset."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    from airflow_provider_orders.lineage.datasets import account_of

    del lineage_context
    parts = urlsplit(asset.uri)
    return Dataset(namespace=account_of(parts.netloc), name=parts.path.strip("/"))


def check_outlets(outlets: Iterable[object], orders_conn_id: str) -> None:
    """Refuse a connection that :func:`note_export` cannot name, before anything is written.

    :raises ConfigurationError: its id cannot be part of the address of an asset.
    """
    if any(isinstance(outlet, AssetAlias) for outlet in outlets):
        orders_asset(orders_conn_id)


def note_export(manifest: Manifest, *, outlets: Iterable[object], context: Context) -> None:
    """Tell an export's summary in the asset events of its task.

    The event of an asset gets it as ``extra["orders_export"]``, see
    :class:`~airflow_provider_orders.export.manifest.ExportSummary`. An ``AssetAlias`` gets an event of the asset of the
    connection, see :func:`orders_asset`.
    """
    from airflow_provider_orders.export.manifest import summary_of

    events: Any = context.get("outlet_events")
    if events is None:
        return  # called by hand
    extra = {EXPORT: dict(summary_of(manifest))}
    for outlet in outlets:
        if isinstance(outlet, Asset):
            events[outlet].extra.update(extra)
        elif isinstance(outlet, AssetAlias):
            events[outlet].add(orders_asset(manifest["orders_conn_id"]), extra=extra)
