"""What every operator shares that chooses orders by filters."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_orders.operators.retries import BaseRetryingOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow_provider_orders.apis.query import OrderQuery

__all__ = ["BaseOrdersOperator"]

log = logging.getLogger(__name__)


class BaseOrdersOperator(BaseRetryingOperator):
    """Takes a connection and the filters that choose orders.

    :param orders_conn_id: id of the connection; its type chooses the API. (templated)
    :param updated_from: earliest update wanted, an aware datetime or ISO text. (templated)
    :param updated_to: end of the updates wanted, not included. (templated)
    :param created_from: earliest creation wanted. (templated)
    :param created_to: end of the creations wanted, not included. (templated)
    :param statuses: statuses wanted, canonical words or the vendor's own. (templated)
    :param ambassador_id: Popsell: only this ambassador's orders. (templated)
    :param vendor_params: the vendor's own filters by their documented names. (templated)
    :param with_lines: also fetch the order lines where the vendor's listing leaves them out.
    """

    template_fields: Sequence[str] = (
        "orders_conn_id", "updated_from", "updated_to", "created_from", "created_to", "statuses", "ambassador_id",
        "vendor_params",
    )  # fmt: skip

    def __init__(
        self,
        *,
        orders_conn_id: str,
        updated_from: datetime | str | None = None,
        updated_to: datetime | str | None = None,
        created_from: datetime | str | None = None,
        created_to: datetime | str | None = None,
        statuses: str | Sequence[str] | None = None,
        ambassador_id: int | str | None = None,
        vendor_params: Mapping[str, Any] | None = None,
        with_lines: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.orders_conn_id = orders_conn_id
        self.updated_from = updated_from
        self.updated_to = updated_to
        self.created_from = created_from
        self.created_to = created_to
        self.statuses = statuses
        self.ambassador_id = ambassador_id
        self.vendor_params = vendor_params
        self.with_lines = with_lines

    def query(self) -> OrderQuery:
        """Read the filters, rendered by now.

        :raises ConfigurationError: one cannot be meant.
        """
        from airflow_provider_orders.apis.query import OrderQuery

        query = OrderQuery.of(
            updated_from=self.updated_from,
            updated_to=self.updated_to,
            created_from=self.created_from,
            created_to=self.created_to,
            statuses=self.statuses,
            ambassador_id=self.ambassador_id,
            params=self.vendor_params,
            with_lines=self.with_lines,
        )
        if query.is_empty():
            # Airflow 3's plain cron schedules give each run an interval of no length.
            log.warning(
                "The window begins and ends at the same moment, so that no order lies in it. A schedule without "
                "intervals has data_interval_start equal to data_interval_end: build the window from run_after."
            )
        return query
