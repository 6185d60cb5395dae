"""One sandbox for all tests of this folder, reset before each; its clock moves only by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_orders.sandbox import Sandbox
from tests.unit.sandbox.clients import Client

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    with Sandbox(orders=230) as sandbox:
        sandbox.clock.freeze()
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Sandbox:
    running_sandbox.reset()
    return running_sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Client]:
    with Client(sandbox) as client:
        yield client
