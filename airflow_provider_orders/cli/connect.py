"""Connections as a program outside of any task finds them: secrets backends, the environment, Airflow's database."""

from __future__ import annotations

import contextlib
import os
import warnings
from typing import TYPE_CHECKING

from airflow_provider_orders.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_orders.hooks.orders import OrdersHook

__all__ = ["find_hook", "mask"]

_CONTEXT = "_AIRFLOW_PROCESS_CONTEXT"


def find_hook(orders_conn_id: str) -> OrdersHook:
    """Give the hook of a connection.

    :raises ConfigurationError: there is no such connection, or one of its fields is wrong.
    """
    from airflow_provider_orders.hooks.orders import OrdersHook

    variable = f"AIRFLOW_CONN_{orders_conn_id.upper()}"
    # Airflow 3.1 warns of itself when it opens its database.
    with warnings.catch_warnings(), _may_read_database():
        warnings.simplefilter("ignore")
        try:
            return OrdersHook.for_connection(orders_conn_id)
        except ConfigurationError as error:
            if error.field != "orders_conn_id" or variable not in os.environ:
                raise
    raise ConfigurationError(
        f"Airflow cannot read {variable}. It must be a URI, or a JSON object such as "
        '{"conn_type": "dipli", "password": "...", "extra": {"page_size": 50}}, with an object as extra.',
        field="orders_conn_id",
    )


@contextlib.contextmanager
def _may_read_database() -> Iterator[None]:
    """Let Airflow look into its database, as its own commands do; otherwise it does so in its servers only."""
    before = os.environ.get(_CONTEXT)
    os.environ[_CONTEXT] = "server"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_CONTEXT]
        else:
            os.environ[_CONTEXT] = before


def mask(credential: str) -> None:
    """Have a credential masked in Airflow's logs."""
    from airflow.sdk.log import mask_secret

    mask_secret(credential)
