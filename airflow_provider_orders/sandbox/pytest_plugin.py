"""A fixture for tests of DAGs: ``pytest_plugins = ["airflow_provider_orders.sandbox.pytest_plugin"]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import airflow_provider_orders.sandbox as sandboxes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_orders.sandbox import Sandbox

__all__ = ["orders_sandbox"]


@pytest.fixture(scope="session")
def _running_orders_sandbox() -> Iterator[Sandbox]:
    """Run one sandbox for the whole session; its clock moves only by hand."""
    # The package loads its server here, and not when pytest reads this plugin.
    with sandboxes.Sandbox(orders=230) as sandbox:
        sandbox.clock.freeze()
        yield sandbox


@pytest.fixture
def orders_sandbox(_running_orders_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """Give a freshly reset sandbox of 230 orders a vendor, with the Airflow connections to it in the environment.

    Time stands still in it: ``orders_sandbox.clock.advance(10)`` brings the live orders to their next stage.
    """
    _running_orders_sandbox.reset()
    for name, value in _running_orders_sandbox.environment().items():
        monkeypatch.setenv(name, value)
    return _running_orders_sandbox
