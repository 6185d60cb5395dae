"""Operators that give one order, or a few, to the next task."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_orders.links.orders import OrderDocumentLink, OrderLink
from airflow_provider_orders.operators.base import BaseOrdersOperator
from airflow_provider_orders.operators.retries import BaseRetryingOperator, gives_slot_back, open_hook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import BaseOperatorLink, Context

    from airflow_provider_orders.hooks.orders import OrdersHook
    from airflow_provider_orders.models.base import VendorOrder

__all__ = ["GetOrderOperator", "ListOrdersOperator"]

log = logging.getLogger(__name__)

_MOST_ORDERS = 1000


class GetOrderOperator(BaseRetryingOperator):
    """Fetches one order, of any of the order APIs, and gives it to the next task.

    Personal data (names, e-mail addresses, phones, streets, comments) and fields that the vendor does not
    document are replaced by ``***`` in what is returned, because XCom is stored in Airflow's database; bring
    full orders to a file with
    :class:`~airflow_provider_orders.transfers.orders_to_object_storage.OrdersToObjectStorageOperator`.

    :param order_id: the order's id, or its reference with ``by="reference"``. (templated)
    :param by: ``id``, or ``reference`` where the vendor has that look-up (Valomnia, Genuka). (templated)
    :param output: ``canonical``: one shape for all vendors; ``vendor``: the vendor's payload, validated,
        money as text; ``raw``: the payload with the vendor's own numbers.
    :param with_lines: also fetch the order lines where the vendor's answer leaves them out (Valomnia).
    :param retry_policy: Airflow 3.3: decides about retries in place of
        :class:`~airflow_provider_orders.operators.retries.OrdersRetryPolicy`.
    :param orders_conn_id: id of the connection; its type chooses the API. (templated)
    :return: the order as a dict; canonical and vendor money is text in major units, times are ISO in UTC.
    :raises ConfigurationError: the connection or an argument is wrong; nothing was sent.
    :raises OrderNotFoundError: there is no such order.
    :raises UnexpectedPayloadError: the order is not what the vendor documents.
    """

    template_fields: Sequence[str] = ("order_id", "by", "orders_conn_id")
    operator_extra_links: Sequence[BaseOperatorLink] = (OrderLink(), OrderDocumentLink())
    ui_color: str = "#e8f0e4"

    def __init__(
        self,
        *,
        order_id: str | int,
        orders_conn_id: str,
        by: str = "id",
        output: str = "canonical",
        with_lines: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.order_id = order_id
        self.orders_conn_id = orders_conn_id
        self.by = by
        self.order_output = output  # BaseOperator.output is Airflow's own
        self.with_lines = with_lines

    @gives_slot_back
    def execute(self, context: Context) -> dict[str, Any]:
        """Fetch the order."""
        from airflow_provider_orders.export.run import check_choice
        from airflow_provider_orders.export.sinks.jsonl import OUTPUTS
        from airflow_provider_orders.lineage.datasets import LineageDataset
        from airflow_provider_orders.models.personal import redact_raw
        from airflow_provider_orders.waiting.conditions import order_ids

        check_choice("output", self.order_output, OUTPUTS)
        (order_id,) = order_ids([self.order_id])
        with open_hook(self.orders_conn_id) as hook:
            client = hook.get_conn()
            raw = client.fetch_order(order_id, by=self.by, with_lines=self.with_lines)
            order = hook.api.order_model.parse(raw)
            log.info("Fetched order %s of %s", order.identity(), hook.api.title)
            self.note_link(OrderLink, hook.api.order_page(order.identity()))
            self.note_link(OrderDocumentLink, hook.api.document_page(order))
            self.note_lineage(LineageDataset.of_orders(hook.api.settings.account))
            if self.order_output == "raw":
                return redact_raw(raw, hook.api.order_model)
            return _for_xcom(order, hook, self.order_output)


class ListOrdersOperator(BaseOrdersOperator):
    """Lists a bounded number of orders of any of the order APIs.

    For small results that the next task needs at once, such as ids to wait for; everything else belongs in
    files. Personal data is replaced by ``***``, as with :class:`GetOrderOperator`.

    :param updated_from: earliest update wanted, an aware datetime or ISO text. (templated)
    :param updated_to: end of the updates wanted, not included. (templated)
    :param created_from: earliest creation wanted. (templated)
    :param created_to: end of the creations wanted, not included. (templated)
    :param statuses: statuses wanted, canonical words or the vendor's own. (templated)
    :param ambassador_id: Popsell: only this ambassador's orders. (templated)
    :param vendor_params: the vendor's own filters by their documented names; the hook calls it ``params``, which on
        an operator are Airflow's own. (templated)
    :param with_lines: also fetch the order lines where the vendor's listing leaves them out (Valomnia, Genuka).
    :param limit: orders to return at the most: 100 by default, up to 1000; a warning tells when there are more. (templated)
    :param output: ``canonical`` or ``vendor``.
    :param retry_policy: Airflow 3.3: decides about retries in place of
        :class:`~airflow_provider_orders.operators.retries.OrdersRetryPolicy`.
    :param orders_conn_id: id of the connection; its type chooses the API. (templated)
    :return: the orders as a list of dicts; money is text in major units, times are ISO in UTC.
    :raises ConfigurationError: the vendor lacks a filter, or an argument is wrong; nothing was sent.
    :raises UnexpectedPayloadError: an order is not what the vendor documents.
    """

    template_fields: Sequence[str] = (*BaseOrdersOperator.template_fields, "limit")
    ui_color: str = "#e8f0e4"

    def __init__(self, *, limit: int | str = 100, output: str = "canonical", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.limit = limit
        self.order_output = output  # BaseOperator.output is Airflow's own

    @gives_slot_back
    def execute(self, context: Context) -> list[dict[str, Any]]:
        """List the orders."""
        from airflow_provider_orders.apis.query import whole_number
        from airflow_provider_orders.export.run import check_choice
        from airflow_provider_orders.lineage.datasets import LineageDataset

        check_choice("output", self.order_output, ("canonical", "vendor"))
        limit = whole_number("limit", self.limit, most=_MOST_ORDERS)
        query = self.query()
        orders: list[dict[str, Any]] = []
        with open_hook(self.orders_conn_id) as hook:
            for order in hook.iter_orders(query):
                if len(orders) == limit:
                    log.warning(
                        "More than %d orders match; the others are not returned. Raise limit, narrow the filters, or "
                        "use OrdersToObjectStorageOperator to get them all.",
                        limit,
                    )
                    break
                orders.append(_for_xcom(order, hook, self.order_output))
            log.info("Listed %d orders of %s", len(orders), hook.api.title)
            self.note_lineage(LineageDataset.of_orders(hook.api.settings.account))
        return orders


def _for_xcom(order: VendorOrder, hook: OrdersHook, output: str) -> dict[str, Any]:
    from airflow_provider_orders.models.personal import redact

    if output == "vendor":
        return redact(order)
    settings = hook.api.settings
    return redact(order.to_order(account=settings.account, assumed_timezone=settings.assumed_timezone))
