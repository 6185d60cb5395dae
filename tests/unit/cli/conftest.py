from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.shell import CommandLine, Done
from tests.unit.hooks.conftest import _no_long_backoff, _no_stragglers, connect

if TYPE_CHECKING:
    from airflow_provider_orders.sandbox import Sandbox

__all__ = ["_no_long_backoff", "_no_stragglers", "connect"]


@pytest.fixture
def cli(orders_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Run ``airflow-orders`` in this process."""
    from airflow_provider_orders.cli.program import main

    def call(*words: object) -> Done:
        capsys.readouterr()
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return call
