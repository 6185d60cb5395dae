"""The hook of every order API: reads the connection, opens a client, gives vendor models."""

from __future__ import annotations

import asyncio
import importlib
import json
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.sdk import BaseHook

from airflow_provider_orders import connections
from airflow_provider_orders.errors import ApiUnavailableError, ConfigurationError, OrdersError
from airflow_provider_orders.hooks.uninterrupted import uninterrupted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from airflow.sdk import Connection

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.apis.query import OrderQuery
    from airflow_provider_orders.http.aio import AsyncClient
    from airflow_provider_orders.http.policy import RetryPolicy
    from airflow_provider_orders.http.sync import SyncClient
    from airflow_provider_orders.models.base import VendorOrder

__all__ = ["OrdersHook", "is_not_found"]

_NOT_FOUND: Final = "orders_conn_id"


class OrdersHook(BaseHook):
    """Reads orders through an Airflow connection, whichever order API it is for.

    Ask :meth:`for_connection` for the right subclass. The hook keeps one client, and so one login, until it
    is closed; use it as a context manager::

        with OrdersHook.for_connection("genuka_default") as hook:
            for order in hook.iter_orders(updated_from="2026-01-01T00:00:00Z"):
                print(order.identity())

    :param orders_conn_id: id of the Airflow connection.

    Set ``policy``, a :class:`~airflow_provider_orders.http.policy.RetryPolicy`, before the first request to change what
    is repeated and how patiently.
    """

    conn_name_attr: ClassVar[str] = "orders_conn_id"
    default_conn_name: ClassVar[str] = "orders_default"
    conn_type: ClassVar[str] = ""
    hook_name: ClassVar[str] = "Orders"
    api_class: ClassVar[type[OrderApi[Any]]]

    def __init__(self, orders_conn_id: str | None = None) -> None:
        super().__init__()
        self.orders_conn_id = orders_conn_id or self.default_conn_name
        self.policy: RetryPolicy | None = None
        self._api: OrderApi[Any] | None = None
        self._client: SyncClient | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Airflow 3.1 looks for the form on the class itself, not on its bases.
        cls.get_connection_form_widgets = OrdersHook.__dict__["get_connection_form_widgets"]  # type: ignore[method-assign]
        cls.get_ui_field_behaviour = OrdersHook.__dict__["get_ui_field_behaviour"]  # type: ignore[method-assign]

    @classmethod
    def get_connection(cls, conn_id: str) -> Connection:
        """Look the connection up.

        :raises ConfigurationError: there is none of that id.
        """
        try:
            return super().get_connection(conn_id)
        except AirflowNotFoundException:
            raise _no_connection(conn_id) from None

    @classmethod
    async def aget_connection(cls, conn_id: str) -> Connection:
        """Do the same in an event loop, without blocking it; to its end, whoever is cancelled meanwhile."""
        try:
            return await uninterrupted(super().aget_connection(conn_id))
        except AirflowNotFoundException:
            raise _no_connection(conn_id) from None

    @classmethod
    def for_connection(cls, orders_conn_id: str) -> OrdersHook:
        """Give the hook that fits the connection's type.

        :raises ConfigurationError: the connection is not one of this package's types, or is incomplete.
        """
        return cls._from_connection(cls.get_connection(orders_conn_id))

    @classmethod
    async def afor_connection(cls, orders_conn_id: str) -> OrdersHook:
        """Do the same in an event loop, without blocking it."""
        connection = await cls.aget_connection(orders_conn_id)
        # In a thread: a process that meets a vendor for the first time imports for a third of a second.
        return await asyncio.to_thread(cls._from_connection_with_async_client, connection)

    @classmethod
    def _from_connection_with_async_client(cls, connection: Connection) -> OrdersHook:
        importlib.import_module("airflow_provider_orders.http.aio")
        return cls._from_connection(connection)

    @classmethod
    def _from_connection(cls, connection: Connection) -> OrdersHook:
        try:
            module, _, name = connections.hook_class_name(connection.conn_type or "").rpartition(".")
        except LookupError:
            known = ", ".join(sorted(connections.FORMS))
            raise ConfigurationError(
                f"Connection {connection.conn_id!r} has the type {connection.conn_type!r}; "
                f"order operators work with {known}.",
                field="conn_type",
            ) from None
        hook: OrdersHook = getattr(importlib.import_module(module), name)(connection.conn_id)
        hook._api = hook._read_connection(connection)
        return hook

    @classmethod
    def _read_connection(cls, connection: Connection) -> OrderApi[Any]:
        from airflow_provider_orders.apis.settings import ConnectionFields

        settings = cls.api_class.settings_model.from_connection(
            ConnectionFields(
                conn_id=connection.conn_id,
                host=connection.host,
                schema=connection.schema,
                port=connection.port,
                login=connection.login,
                password=connection.password,
                extra=_extras(connection),
            )
        )
        return cls.api_class(settings)

    @property
    def api(self) -> OrderApi[Any]:
        """The vendor's API, set up with the connection.

        :raises ConfigurationError: a field of the connection is missing or wrong; nothing was sent.
        """
        if self._api is None:
            self._api = self._read_connection(self.get_connection(self.orders_conn_id))
        return self._api

    def get_conn(self) -> SyncClient:
        """Give the client, opening it at the first call."""
        if self._client is None:
            from airflow_provider_orders.http.sync import SyncClient

            self._client = SyncClient(self.api, policy=self.policy, mask=_mask)
        return self._client

    def get_async_client(self) -> AsyncClient:
        """Open a client for an event loop; the caller closes it."""
        from airflow_provider_orders.http.aio import AsyncClient

        return AsyncClient(self.api, mask=_amask)

    def close(self) -> None:
        """Close the client's connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def get_order(self, order_id: str | int, *, by: str = "id", with_lines: bool = False) -> VendorOrder:
        """Fetch one order.

        :param order_id: its id or reference.
        :param by: ``id`` or ``reference``.
        :param with_lines: also fetch its lines where the vendor's answer leaves them out (Valomnia).
        :return: the vendor's model; ``.to_order()`` gives the canonical order.
        :raises OrderNotFoundError: there is no such order.
        :raises UnexpectedPayloadError: the answer is not what the vendor documents.
        """
        from airflow_provider_orders.waiting.conditions import order_ids

        (wanted,) = order_ids([order_id])
        raw = self.get_conn().fetch_order(wanted, by=by, with_lines=with_lines)
        return self.api.order_model.parse(raw)

    def iter_orders(self, query: OrderQuery | None = None, **filters: Any) -> Iterator[VendorOrder]:
        """Read all orders of a selection, each once, in memory that does not grow.

        :param query: the selection; or give its fields as keyword arguments: ``updated_from``,
            ``updated_to``, ``created_from``, ``created_to`` (aware datetimes or ISO texts), ``statuses``,
            ``params`` with the vendor's own filters, ``with_lines``; Popsell: ``ambassador_id``.
        :return: the vendor's models.
        :raises ConfigurationError: the vendor lacks a filter; the message says which ones it has.
        :raises UnexpectedPayloadError: an order is not what the vendor documents.
        :raises PaginationError: the pages repeat, or do not add up to the vendor's own total.
        """
        from airflow_provider_orders.apis.query import OrderQuery

        if query is not None and filters:
            raise ConfigurationError("Give a query or filters, not both.", field="query")
        query = query or OrderQuery.of(**filters)
        zone = self.api.settings.assumed_timezone
        for page in self.get_conn().iter_pages(query):
            for row in page.rows:
                order = self.api.order_model.parse(row.raw)
                if query.in_window(*order.window_moments(zone)):
                    yield order

    def test_connection(self) -> tuple[bool, str]:
        """Sign in and read the least that proves the permission to read orders.

        :return: whether it works, and a sentence for a person; no secret is in it.
        """
        from airflow_provider_orders.diagnosis.examination import IMPATIENT
        from airflow_provider_orders.http.sync import SyncClient

        try:
            with SyncClient(self.api, policy=IMPATIENT, mask=_mask) as client:
                return True, client.run(self.api.probe())
        except ConfigurationError as error:
            return False, self._worded_for_the_form(error)
        except ApiUnavailableError as error:
            return False, str(error) if error.status else (self._failure_of_the_network() or str(error))
        except OrdersError as error:
            return False, str(error)

    def _worded_for_the_form(self, error: ConfigurationError) -> str:
        """Name the field as the form does; the button tests a copy of the connection, whose id says nothing."""
        start, _, reason = error.message.partition(": ")
        if not start.startswith(f"Connection {self.orders_conn_id!r}"):
            return error.message
        label = connections.FORMS[self.conn_type].labels().get(error.field or "")
        return f"{label}: {reason}" if label else f"{reason[:1].upper()}{reason[1:]}"

    def _failure_of_the_network(self) -> str | None:
        """Say why nobody answers: an unknown name, a closed port, a certificate."""
        from airflow_provider_orders.diagnosis.network import examine_network

        # The probe has waited already.
        settings = self.api.settings.model_copy(update={"timeout_s": min(self.api.settings.timeout_s, 5.0)})
        return next((step.error.message for step in examine_network(settings) if step.error), None)

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Give the form's own fields to Airflow 3.1, which reads them here."""
        return connections.form_widgets(cls.conn_type)

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Give labels and placeholders to Airflow 3.1, which reads them here."""
        return connections.ui_field_behaviour(cls.conn_type)


def is_not_found(error: BaseException) -> bool:
    """Tell whether an error is about a connection that was not found.

    That may pass: Airflow says so as well of a secrets backend or an API server that does not answer.
    """
    return isinstance(error, ConfigurationError) and error.field == _NOT_FOUND


def _no_connection(conn_id: str) -> ConfigurationError:
    return ConfigurationError(
        f"There is no connection {conn_id!r}. Add it under Admin > Connections, with one of the types "
        f"{', '.join(sorted(connections.FORMS))}, or set AIRFLOW_CONN_{conn_id.upper()} where the tasks run.",
        field=_NOT_FOUND,
    )


def _extras(connection: Connection) -> dict[str, Any]:
    """Read the extras from their text: Airflow's own property may block an event loop to mask them."""
    try:
        extra = json.loads(connection.extra or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise ConfigurationError(
            f"Connection {connection.conn_id!r}: extra must be a JSON object.", field="extra"
        )
    return extra


def _mask(credential: str) -> None:
    from airflow.sdk.log import mask_secret

    mask_secret(credential)


async def _amask(credential: str) -> None:
    # Airflow 3.3; before it, masking from a trigger would block its event loop, and triggers log no credential.
    try:
        from airflow.sdk.log import amask_secret
    except ImportError:
        return
    await uninterrupted(amask_secret(credential))
