"""The words for where an order stands: each vendor's own, and the closed set of words they map to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from airflow_provider_orders.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FulfillmentStatus", "OrderStatus", "PaymentStatus", "StatusAxis", "StatusWord"]


class OrderStatus(StrEnum):
    """Where the order as a whole stands."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    RETURNED = "returned"
    UNKNOWN = "unknown"


class PaymentStatus(StrEnum):
    """How far the order is paid."""

    UNPAID = "unpaid"
    PENDING = "pending"
    PARTIALLY_PAID = "partially_paid"
    PAID = "paid"
    REFUNDED = "refunded"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class FulfillmentStatus(StrEnum):
    """How far the goods have come."""

    PENDING = "pending"
    IN_TRANSIT = "in_transit"
    PARTIALLY_DELIVERED = "partially_delivered"
    DELIVERED = "delivered"
    FAILED = "failed"
    RETURNED = "returned"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class StatusWord(msgspec.Struct, frozen=True, gc=False):
    """A vendor's status and what it means.

    :param raw: the vendor's own word, None where it sent none.
    :param canonical: a member of one of the enums above; ``unknown`` for a word that is not documented.
    """

    raw: str | None
    canonical: StrEnum


@dataclass(frozen=True, slots=True)
class StatusAxis:
    """One thing about an order that changes: where the order, its payment or its goods stand.

    ::

        AXIS.read("FULFILLED")        # StatusWord(raw="FULFILLED", canonical=OrderStatus.COMPLETED)
        AXIS.words_for("completed")   # ("OK", "FULFILLED")

    :param name: ``order``, ``payment`` or ``fulfillment``.
    :param words: each documented vendor word, in the vendor's spelling, and its meaning; read without
        regard to case.
    :param wanted: canonical words that mean success where the user names none.
    :param failed: canonical words that mean failure where the user names none.
    """

    name: str
    words: Mapping[str, StrEnum]
    wanted: frozenset[str]
    failed: frozenset[str]
    _known: dict[str, StatusWord] = field(init=False, repr=False, compare=False)
    _unknown: StrEnum = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        kind = type(next(iter(self.words.values())))
        known = {word.casefold(): StatusWord(word, meaning) for word, meaning in self.words.items()}
        # The vendor's own spelling is by far the most common: it is found at the first look-up.
        known.update({word: StatusWord(word, meaning) for word, meaning in self.words.items()})
        object.__setattr__(self, "_known", known)
        object.__setattr__(self, "_unknown", kind("unknown"))

    def read(self, raw: str | None) -> StatusWord:
        """Say what a vendor's word means; a word that is not documented is ``unknown``, with its text."""
        if raw is None:
            return StatusWord(None, self._unknown)
        if (word := self._known.get(raw)) is not None and word.raw == raw:
            return word
        word = self._known.get(raw.strip().casefold())
        return StatusWord(raw, self._unknown if word is None else word.canonical)

    def words_for(self, word: str, *, argument: str = "wanted") -> tuple[str, ...]:
        """Resolve a canonical word, or one of the vendor's own, into the vendor's words.

        A canonical word that the vendor has no word for gives an empty tuple, so that one list of
        words can serve several vendors.

        :param word: such as ``delivered`` or ``DELIVERED``; case does not matter.
        :param argument: the argument it came from, which the error names.
        :raises ConfigurationError: it is neither; the message lists the words that are known.
        """
        folded = word.strip().casefold()
        canonical = [member.value for member in type(self._unknown)]
        if folded in canonical:
            return tuple(own for own, meaning in self.words.items() if meaning == folded)
        if folded in self._known:
            return tuple(own for own in self.words if own.casefold() == folded)
        raise ConfigurationError(
            f"{argument}: {word!r} is not a status on the {self.name} axis. Known: {', '.join(canonical)}; "
            f"the vendor's own: {', '.join(self.words)}.",
            field=argument,
        )
