"""The four order APIs, faked faithfully on one loopback port, to try and to test DAGs without an account.

From Python::

    from airflow_provider_orders.sandbox import Sandbox

    with Sandbox(orders=500, seed=1) as sandbox:
        os.environ.update(sandbox.environment())  # popsell_default, dipli_default, ...
        dag.test()

From a shell: ``python -m airflow_provider_orders.sandbox --port 8765``. In pytest: the fixture ``orders_sandbox`` of
:mod:`airflow_provider_orders.sandbox.pytest_plugin`.

It is written from the vendors' reference alone and imports nothing from the rest of the provider, nor Airflow, so that it
can catch the client's mistakes. What the vendors do not document, it decides in one place and says *assumed*.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_orders.sandbox.clock import Clock
    from airflow_provider_orders.sandbox.faults import FAULT_KINDS
    from airflow_provider_orders.sandbox.messages import RecordedRequest
    from airflow_provider_orders.sandbox.sandbox import Sandbox

__all__ = ["FAULT_KINDS", "Clock", "RecordedRequest", "Sandbox"]

# Starlette and uvicorn load on first use: importing a package must cost nothing.
_HOMES = {"FAULT_KINDS": "faults", "Clock": "clock", "RecordedRequest": "messages", "Sandbox": "sandbox"}


def __getattr__(name: str) -> object:
    """Load what ``__all__`` names from its module, on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
