from __future__ import annotations

import pytest

from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.models import dipli, genuka, popsell, valomnia
from airflow_provider_orders.models.statuses import (
    FulfillmentStatus,
    OrderStatus,
    PaymentStatus,
    StatusAxis,
    StatusWord,
)

AXES = {
    f"{module.__name__.rpartition('.')[2]}.{name}": axis
    for module in (popsell, dipli, valomnia, genuka)
    for name, axis in module.AXES.items()
}


@pytest.mark.parametrize(
    ("axis", "default", "wanted", "failed"),
    [
        ("popsell.order", popsell.DEFAULT_AXIS, {"OK", "FULFILLED"}, {"CANCELLED", "RETURNED"}),
        ("dipli.fulfillment", dipli.DEFAULT_AXIS, {"shipped"}, {"error_shipping", "cancelled"}),
        ("valomnia.fulfillment", valomnia.DEFAULT_AXIS, {"DELIVERED"}, {"REJECTED"}),
        ("valomnia.payment", "payment", {"PAID"}, set()),
        ("genuka.fulfillment", genuka.DEFAULT_AXIS, {"delivered"}, {"cancelled"}),
        ("genuka.payment", "payment", {"paid"}, {"canceled"}),
    ],
)
def test_defaults_are_those_of_the_reference(
    axis: str, default: str, wanted: set[str], failed: set[str]
) -> None:
    found = AXES[axis]

    assert axis.endswith(default)
    assert {own for word in found.wanted for own in found.words_for(word)} == wanted
    assert {own for word in found.failed for own in found.words_for(word)} == failed


def test_genuka_status_is_not_an_axis_to_wait_on() -> None:
    assert set(genuka.AXES) == {"payment", "fulfillment"}


@pytest.mark.parametrize("axis", AXES.values(), ids=AXES)
def test_every_word_is_read_whatever_its_case(axis: StatusAxis) -> None:
    for word, meaning in axis.words.items():
        for spelling in (word, word.upper(), word.lower(), word.title(), f" {word} "):
            assert axis.read(spelling) == StatusWord(spelling, meaning)
            assert axis.words_for(spelling)


@pytest.mark.parametrize("axis", AXES.values(), ids=AXES)
def test_a_word_that_is_both_canonical_and_the_vendors_own_means_the_same(axis: StatusAxis) -> None:
    for word, meaning in axis.words.items():
        if word.casefold() in list(type(meaning)):
            assert meaning == word.casefold()


def test_an_unknown_word_is_kept_and_never_guessed() -> None:
    axis = popsell.AXES["order"]

    assert axis.read("ON_HOLD") == StatusWord("ON_HOLD", OrderStatus.UNKNOWN)
    assert axis.read("") == StatusWord("", OrderStatus.UNKNOWN)
    assert axis.read(None) == StatusWord(None, OrderStatus.UNKNOWN)


def test_words_for_takes_canonical_words_and_the_vendors_own() -> None:
    axis = popsell.AXES["order"]

    assert axis.words_for("completed") == ("OK", "FULFILLED")
    assert axis.words_for("Fulfilled") == ("FULFILLED",)
    assert axis.words_for("unknown") == ()


def test_a_canonical_word_that_the_vendor_lacks_gives_no_words() -> None:
    assert dipli.AXES["fulfillment"].words_for("returned") == ()


def test_a_word_that_is_neither_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'deliverd'.*delivered.*error_shipping") as caught:
        dipli.AXES["fulfillment"].words_for("deliverd", argument="failed")

    assert caught.value.field == "failed"


def test_the_canonical_words_are_closed() -> None:
    assert list(OrderStatus) == ["pending", "processing", "completed", "cancelled", "returned", "unknown"]
    assert list(PaymentStatus) == [
        "unpaid",
        "pending",
        "partially_paid",
        "paid",
        "refunded",
        "cancelled",
        "unknown",
    ]
    assert list(FulfillmentStatus) == [
        "pending",
        "in_transit",
        "partially_delivered",
        "delivered",
        "failed",
        "returned",
        "cancelled",
        "unknown",
    ]
