"""The transfer of orders into files, local or on any object storage."""

from __future__ import annotations

import functools
import hashlib
import re
from typing import TYPE_CHECKING, Any

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.links.orders import ExportedFilesLink, ManifestLink
from airflow_provider_orders.operators.targets import folder, run_key
from airflow_provider_orders.transfers.base import BaseOrdersTransfer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import PurePath

    from airflow.sdk import BaseOperatorLink, Context, ObjectStoragePath

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.export.columns import Column
    from airflow_provider_orders.export.manifest import Manifest
    from airflow_provider_orders.export.sinks.base import Sink


__all__ = ["OrdersToObjectStorageOperator"]

_FILE_FORMATS = ("jsonl", "parquet")


class OrdersToObjectStorageOperator(BaseOrdersTransfer):
    """Exports orders into JSON Lines or Parquet files: each order once, none missing.

    Every order is validated against what the vendor documents. The files appear when they are whole; running the
    same task again replaces them. Memory does not grow with the number of orders.

    With ``mode="incremental"`` each run adds files with the versions of orders that are new since the run before; the
    newest manifest in the folder is the state, so that nothing but the folder has to be kept.

    :param path: folder to write into: an ``ObjectStoragePath`` or its URL (``s3://conn@bucket/orders``), or a local
        path; ``orders`` in Airflow's home folder by default. (templated)
    :param file_format: ``jsonl`` or ``parquet`` (needs the extra ``parquet``).
    :param compression: JSON Lines: ``gzip``, ``zstd`` (needs the extra ``zstd``), or None. Parquet: ``snappy`` (also with
        None), ``gzip`` or ``zstd``. (templated)
    :param output: JSON Lines only, Parquet is always canonical. ``raw``: each order byte for byte as the vendor sent it,
        except that line breaks between its parts become spaces; ``vendor``: the validated payload, money as text;
        ``canonical``: one shape for all vendors.
    :param partition_by: Parquet only: ``created`` or ``updated`` puts the files into folders ``date=2026-01-31`` by that
        date in UTC; None for one file.
    :param mode: ``incremental``: from the watermark that the last export into this folder left; ``window``: what was
        changed or created in a window, by default the run's data interval; ``full``: every order. Left out: ``window`` where
        a window is given, else ``full``. In a backfill, ``incremental`` means the window of the run. (templated)
    :param lookback: seconds, or a timedelta: how far before the watermark an incremental export begins again, where the
        vendor filters to the second; five minutes by default.
    :param sweep_days: Popsell: for how many days after it was placed an order is looked at again by incremental exports;
        30 by default. (templated)
    :param on_reject: ``fail`` (default): an order that is not what the vendor documents stops the export, and the files stay
        as they were; ``keep``: it goes to a ``.rejects.jsonl`` file beside the data, with the reason.
    :param on_drift: ``log`` (default) or ``fail`` when the payloads' shape has changed since the last export of the same
        orders.
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
    :param limit: orders to write at the most, None for all; not with ``incremental``. (templated)
    :param retry_policy: Airflow 3.3: decides about retries in place of
        :class:`~airflow_provider_orders.operators.retries.OrdersRetryPolicy`.
    :param orders_conn_id: id of the connection; its type chooses the API. (templated)
    :return: the manifest, see :class:`airflow_provider_orders.export.manifest.Manifest`; it is also written beside the
        data as ``.manifest.json``.
    :raises ConfigurationError: the connection or an argument is wrong, or the path cannot be written; nothing was sent.
    :raises UnexpectedPayloadError: an order is not what the vendor documents (with ``on_reject="fail"``), or the payloads'
        shape has changed (with ``on_drift="fail"``).
    :raises PaginationError: pages repeat, or do not add up to the vendor's own total.
    """

    template_fields: Sequence[str] = (*BaseOrdersTransfer.template_fields, "path", "compression")
    operator_extra_links: Sequence[BaseOperatorLink] = (ExportedFilesLink(), ManifestLink())
    ui_color: str = "#e4ecf0"

    def __init__(
        self,
        *,
        path: ObjectStoragePath | PurePath | str | None = None,
        file_format: str = "jsonl",
        compression: str | None = None,
        output: str = "raw",
        partition_by: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.file_format = file_format
        self.compression = compression
        self.order_output = output  # BaseOperator.output is Airflow's own
        self.partition_by = partition_by

    def sink(self, vendor: str, context: Context) -> Sink[Any]:
        """Give the files to write."""
        from airflow_provider_orders.export.run import check_choice
        from airflow_provider_orders.export.sinks.jsonl import OUTPUTS, JsonLinesSink

        check_choice("file_format", self.file_format, _FILE_FORMATS)
        check_choice("output", self.order_output, OUTPUTS)
        key = run_key(context)
        if self.file_format == "parquet":
            from airflow_provider_orders.export.sinks.parquet import ParquetSink

            return ParquetSink(
                folder(self.path),
                _file_stem(vendor, context),
                compression=self.compression or None,
                partition_by=self.partition_by or None,
                run_key=key,
            )
        if self.partition_by:
            raise ConfigurationError(
                "partition_by is for file_format='parquet'; JSON Lines go into one file.",
                field="partition_by",
            )
        return JsonLinesSink(
            folder(self.path),
            _file_stem(vendor, context),
            output=self.order_output,
            compression=self.compression or None,
            run_key=key,
        )

    def columns(self, api: OrderApi[Any]) -> Callable[[], tuple[Column, ...]]:
        """Give what reads the fields of the orders in the files."""
        from airflow_provider_orders.export.columns import columns_of
        from airflow_provider_orders.models.order import Order

        is_canonical = self.file_format == "parquet" or self.order_output == "canonical"
        return functools.partial(columns_of, Order if is_canonical else api.order_model)

    def _report(self, manifest: Manifest, api: OrderApi[Any], context: Context) -> None:
        """Also tell where a person finds the files."""
        from airflow_provider_orders.links.storage import file_page, folder_page

        super()._report(manifest, api, context)
        endpoint = getattr(folder(self.path).fs, "endpoint_url", None)
        self.note_link(ExportedFilesLink, folder_page(manifest["uri"], endpoint=endpoint))
        self.note_link(ManifestLink, file_page(manifest["manifest_file"] or "", endpoint=endpoint))


def _file_stem(vendor: str, context: Context) -> str:
    """Name the files after the task instance: the same for each try of it, another for every other."""
    ti = context["ti"]
    readable = re.sub(r"[^A-Za-z0-9]+", "-", f"{vendor}-{ti.task_id}-{ti.run_id}").strip("-")
    return f"{readable[:120]}-{hashlib.sha256(run_key(context).encode()).hexdigest()[:8]}"
