"""Who we say we are."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["USER_AGENT"]


def _version() -> str:
    try:
        return version("airflow-provider-orders")
    except PackageNotFoundError:  # the package runs from a checkout that was not installed
        return "0"


USER_AGENT = f"airflow-provider-orders/{_version()}"
