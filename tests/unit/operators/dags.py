"""What a task raised while a DAG ran: Airflow itself keeps only that it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

__all__ = ["note_errors"]


def note_errors(monkeypatch: pytest.MonkeyPatch, operator: type) -> list[AirflowException]:
    """Give the list that the errors of an operator's tasks will be added to."""
    noted: list[AirflowException] = []

    def noting(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return method(*args, **kwargs)
            except AirflowException as error:
                noted.append(error)
                raise

        return call

    for name in ("execute", "resume_execution"):
        monkeypatch.setattr(operator, name, noting(getattr(operator, name)))
    return noted
