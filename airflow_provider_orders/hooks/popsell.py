"""The hook of Popsell."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from airflow_provider_orders.apis.popsell import PopsellApi
from airflow_provider_orders.hooks.orders import OrdersHook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_orders.models.popsell import PopsellAmbassador

__all__ = ["PopsellHook"]


class PopsellHook(OrdersHook):
    """Reads orders of Popsell; see :class:`~airflow_provider_orders.hooks.orders.OrdersHook`.

    :param orders_conn_id: id of the Airflow connection.
    """

    default_conn_name: ClassVar[str] = "popsell_default"
    conn_type: ClassVar[str] = "popsell"
    hook_name: ClassVar[str] = "Popsell"
    api_class = PopsellApi

    def iter_ambassadors(self) -> Iterator[PopsellAmbassador]:
        """Read all ambassadors, each once, in memory that does not grow.

        Their ``id_ambassador`` is what ``ambassador_id`` of :meth:`iter_orders` and of the operators takes.

        :return: the ambassadors, in the vendor's order.
        :raises UnexpectedPayloadError: one is not what the vendor documents, or has no id.
        :raises PaginationError: the pages repeat, or do not add up to the vendor's own total.
        """
        from airflow_provider_orders.models.popsell import PopsellAmbassador

        api = cast("PopsellApi", self.api)
        for page in self.get_conn().iter_listing(api.ambassadors()):
            for row in page.rows:
                yield PopsellAmbassador.parse(row.raw)
