"""Deterministic draws: the same seed, vendor and index give the same order on every machine and Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Draw", "fraction"]

T = TypeVar("T")

_MASK = (1 << 64) - 1


def _mixed(value: int) -> int:
    """Spread a 64-bit value over all its bits (the finaliser of splitmix64)."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def fraction(seed: int, *words: str) -> float:
    """Draw one number in [0, 1) that depends on the seed and the words alone, not on what was drawn before.

    :param seed: the sandbox's seed.
    :param words: what the number is for.
    """
    state = _mixed(seed & _MASK)
    for word in words:
        state = _mixed(state ^ (crc32(word.encode()) * 0x9E3779B97F4A7C15 & _MASK))
    return state / (_MASK + 1)


class Draw:
    """A stream of draws for one order.

    ``random.Random`` would do as well, at ten times the cost of seeding one per order, and a hundred thousand are drawn.

    :param seed: the sandbox's seed.
    :param stream: what is drawn, so that two vendors differ.
    :param index: which order.
    """

    __slots__ = ("_state",)

    def __init__(self, seed: int, stream: str, index: int) -> None:
        self._state = _mixed((seed * 0x9E3779B97F4A7C15 + (crc32(stream.encode()) << 32) + index) & _MASK)

    def below(self, limit: int) -> int:
        """Draw an integer in ``range(limit)``."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & _MASK
        return (self._state >> 33) % limit

    def chance(self, percent: int) -> bool:
        """Say yes ``percent`` times in a hundred."""
        return self.below(100) < percent

    def pick(self, values: Sequence[T]) -> T:
        """Draw one of the values; a value listed twice comes twice as often."""
        return values[self.below(len(values))]

    def hexadecimal(self, digits: int) -> str:
        """Draw lower-case hexadecimal digits."""
        return "".join(f"{self.below(1 << 16):04x}" for _ in range((digits + 3) // 4))[:digits]
