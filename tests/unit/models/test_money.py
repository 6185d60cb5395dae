from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_orders.models.money import from_cents, minus, plain, times, whole

amounts = st.decimals(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("cents", "euros"),
    [(71940, "719.40"), (1, "0.01"), (0, "0.00"), (-250, "-2.50"), (10**40 + 1, "1" + "0" * 38 + ".01")],
)
def test_cents_become_euros_exactly(cents: int, euros: str) -> None:
    assert str(from_cents(cents)) == euros


def test_none_is_not_zero() -> None:
    assert from_cents(None) is None
    assert whole(None) is None
    assert whole(0) == 0
    assert times(None, Decimal(2)) is None
    assert times(Decimal(2), None) is None
    assert minus(Decimal(2), None) is None
    assert minus(None, Decimal(2)) is None


def test_products_do_not_round_at_the_threads_28_digits() -> None:
    assert times(Decimal("123456789012345678901234567890.25"), 3) == Decimal(
        "370370367037037036703703703670.75"
    )


@given(amounts, st.integers(min_value=-3, max_value=30))
def test_equal_amounts_are_written_alike(amount: Decimal, zeros: int) -> None:
    sign, digits, exponent = amount.as_tuple()
    assert isinstance(exponent, int)
    longer = Decimal((sign, digits + (0,) * max(zeros, 0), exponent - max(zeros, 0)))

    assert str(plain(longer)) == str(plain(amount))
    assert plain(amount) == amount


@given(amounts, amounts)
def test_different_amounts_are_written_differently(one: Decimal, other: Decimal) -> None:
    assert (str(plain(one)) == str(plain(other))) == (one == other)


def test_an_absurd_exponent_does_not_fill_the_memory() -> None:
    assert len(str(plain(Decimal("1e999999999")))) < 20


def test_zero_has_no_sign() -> None:
    assert str(plain(Decimal("-0.00"))) == str(plain(Decimal(0))) == "0"
