from __future__ import annotations

import subprocess
import sys

import pytest

from airflow_provider_orders import models


def test_every_exported_name_is_there_and_no_other() -> None:
    assert models.__all__ == sorted(
        models.__all__, key=lambda name: (not name.isupper(), name.islower(), name)
    )
    assert set(models.__all__) == set(models._HOMES)
    for name in models.__all__:
        assert getattr(models, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        models.Nothing  # noqa: B018


def test_the_package_loads_nothing_before_it_is_used() -> None:
    code = (
        "import sys, airflow_provider_orders.models\n"
        "heavy = {'pydantic', 'msgspec', 'pendulum', 'airflow'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
