"""The transfer of orders into files, local or on any object storage."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from airflow.sdk import ObjectStoragePath

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.hooks.orders import OrdersHook
from airflow_provider_orders.operators.base import BaseOrdersOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


__all__ = ["OrdersToObjectStorageOperator"]

log = logging.getLogger(__name__)


class OrdersToObjectStorageOperator(BaseOrdersOperator):
    """Exports all orders of a selection into JSON Lines files: each order once, none missing.

    Every order is validated against what the vendor documents. The files appear when they are whole; running the
    same task again replaces them. Memory does not grow with the number of orders.

    :param path: folder to write into: an ``ObjectStoragePath`` or its URL (``s3://conn@bucket/orders``), or a local
        path; ``orders`` in Airflow's home folder by default. (templated)
    :param file_format: ``jsonl``.
    :param compression: ``gzip``, ``zstd`` (needs the extra ``zstd``), or None. (templated)
    :param output: ``raw``: each order byte for byte as the vendor sent it, except that line breaks between its parts
        become spaces; ``vendor``: the validated payload, money as text; ``canonical``: one shape for all vendors.
    :param on_reject: ``fail``: an order that is not what the vendor documents stops the export, and the files stay as
        they were; ``keep``: it goes to a ``.rejects.jsonl`` file beside the data, with the reason.
    :param updated_from: earliest update wanted, an aware datetime or ISO text. (templated)
    :param updated_to: end of the updates wanted, not included. (templated)
    :param created_from: earliest creation wanted. (templated)
    :param created_to: end of the creations wanted, not included. (templated)
    :param statuses: statuses wanted, canonical words or the vendor's own. (templated)
    :param ambassador_id: Popsell: only this ambassador's orders. (templated)
    :param vendor_params: the vendor's own filters by their documented names; the hook calls it ``params``, which on
        an operator are Airflow's own. (templated)
    :param with_lines: also fetch the order lines where the vendor's listing leaves them out; Valomnia needs one
        request an order for it.
    :param limit: orders to write at the most, None for all. (templated)
    :param orders_conn_id: id of the connection; its type chooses the API. (templated)
    :return: the manifest, see :class:`airflow_provider_orders.export.manifest.Manifest`; it is also written beside the
        data as ``.manifest.json``.
    :raises ConfigurationError: the connection or an argument is wrong, or the path cannot be written; nothing was sent.
    :raises UnexpectedPayloadError: an order is not what the vendor documents (with ``on_reject="fail"``).
    :raises PaginationError: pages repeat, or do not add up to the vendor's own total.
    """

    template_fields: Sequence[str] = (*BaseOrdersOperator.template_fields, "path", "compression", "limit")
    ui_color: str = "#e4ecf0"

    def __init__(
        self,
        *,
        path: ObjectStoragePath | PurePath | str | None = None,
        file_format: str = "jsonl",
        compression: str | None = None,
        output: str = "raw",
        on_reject: str = "fail",
        limit: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.file_format = file_format
        self.compression = compression
        self.order_output = output  # BaseOperator.output is Airflow's own
        self.on_reject = on_reject
        self.limit = limit

    def execute(self, context: Context) -> dict[str, Any]:
        """Export the orders."""
        from airflow_provider_orders.apis.query import whole_number
        from airflow_provider_orders.export.run import ON_REJECT, OUTPUTS, check_choice, export_orders
        from airflow_provider_orders.export.sinks.jsonl import JsonLinesSink

        check_choice("file_format", self.file_format, ("jsonl",))
        check_choice("output", self.order_output, OUTPUTS)
        check_choice("on_reject", self.on_reject, ON_REJECT)
        limit = None if self.limit is None or self.limit == "" else whole_number("limit", self.limit)
        query = self.query()
        with OrdersHook.for_connection(self.orders_conn_id) as hook:
            hook.api.listings(query)  # refuses filters that the vendor lacks before a file is touched
            stem = _file_stem(hook.conn_type, context)
            with JsonLinesSink(_folder(self.path), stem, compression=self.compression or None) as sink:
                manifest = export_orders(
                    hook.get_conn(),
                    query,
                    sink,
                    output=self.order_output,
                    on_reject=self.on_reject,
                    limit=limit,
                )
        log.info(
            "Exported %d orders of %s to %s in %.1f s, %d rejected",
            manifest["rows"], hook.hook_name, manifest["uri"], manifest["seconds"], manifest["rejected"],
        )  # fmt: skip
        return dict(manifest)


def _folder(path: object) -> ObjectStoragePath:
    if path is None or path == "":
        path = os.path.join(os.environ.get("AIRFLOW_HOME") or "~/airflow", "orders")  # noqa: PTH118 - a text is needed
    if isinstance(path, ObjectStoragePath):
        return path
    if isinstance(path, PurePath):
        path = str(path)
    if not isinstance(path, str):
        raise ConfigurationError(
            "path must be a folder: a local path, or the URL of a storage.", field="path"
        )
    if "://" not in path:
        path = f"file://{os.path.abspath(os.path.expanduser(path))}"  # noqa: PTH100, PTH111 - a text is needed
    try:
        return ObjectStoragePath(path)
    except (ValueError, ImportError) as error:
        raise ConfigurationError(f"path is no storage that can be reached: {error}.", field="path") from error


def _file_stem(vendor: str, context: Context) -> str:
    """Name the files after the task instance: the same for each try of it, another for every other."""
    ti = context["ti"]
    parts = (ti.dag_id, ti.task_id, ti.run_id, str(ti.map_index))
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]
    readable = re.sub(r"[^A-Za-z0-9]+", "-", f"{vendor}-{ti.task_id}-{ti.run_id}").strip("-")
    return f"{readable[:120]}-{digest}"
