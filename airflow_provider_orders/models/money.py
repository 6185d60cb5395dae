"""Exact arithmetic on money: no float, and no rounding."""

from __future__ import annotations

from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal

__all__ = ["from_cents", "minus", "plain", "times", "whole"]

# Wide enough for any amount a vendor can send; the thread's own context would round at 28 digits.
_EXACT = Context(prec=200, Emax=MAX_EMAX, Emin=MIN_EMIN)
_ZERO = Decimal(0)


def from_cents(cents: int | None) -> Decimal | None:
    """Turn cents into euros: ``71940`` into ``719.40``. None stays None."""
    return None if cents is None else _EXACT.scaleb(cents, -2)


def whole(number: int | None) -> Decimal | None:
    """Give a whole number as Decimal. None stays None."""
    return None if number is None else Decimal(number)


def times(unit_price: Decimal | None, quantity: Decimal | int | None) -> Decimal | None:
    """Multiply a price by a quantity; None where either is missing."""
    if unit_price is None or quantity is None:
        return None
    return _EXACT.multiply(unit_price, quantity)


def minus(amount: Decimal | None, other: Decimal | None) -> Decimal | None:
    """Subtract; None where either is missing."""
    return None if amount is None or other is None else _EXACT.subtract(amount, other)


def plain(value: Decimal) -> Decimal:
    """Make equal amounts look alike: ``119.90`` and ``119.9`` both ``119.9``, 6600 as ``6.6E+3``.

    For comparing, not for reading: ``1e999999999`` must not become a billion zeros.
    """
    return _EXACT.normalize(value) or _ZERO  # of minus zero too
