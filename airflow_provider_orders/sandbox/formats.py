"""How the vendors write times and amounts."""

from __future__ import annotations

from functools import lru_cache
from time import gmtime, strftime

__all__ = ["day", "iso_micro", "iso_z", "major", "sql"]


# One order writes the same moment several times.
@lru_cache(maxsize=1024)
def sql(at: int) -> str:
    """Write ``2026-01-01 12:30:00``, which does not say its zone (the sandbox means UTC)."""
    return strftime("%Y-%m-%d %H:%M:%S", gmtime(at))


@lru_cache(maxsize=1024)
def iso_z(at: int) -> str:
    """Write ``2026-01-01T12:30:00Z``."""
    return strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(at))


@lru_cache(maxsize=1024)
def iso_micro(at: int, micro: int = 0) -> str:
    """Write ``2026-01-01T12:30:00.000000Z``."""
    return f"{strftime('%Y-%m-%dT%H:%M:%S', gmtime(at))}.{micro:06d}Z"


def day(at: int) -> str:
    """Write ``2026-01-01``."""
    return strftime("%Y-%m-%d", gmtime(at))


def major(minor: int, decimals: int = 2) -> float:
    """Turn cents into a decimal amount, or leave a currency without cents alone.

    :param minor: the amount in the smallest unit.
    :param decimals: how many decimals the currency has.
    """
    return round(minor / 10**decimals, decimals) if decimals else float(minor)
