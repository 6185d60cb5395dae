"""What the four vendors' payload models share: strict reading, and one way to the canonical order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

import msgspec

from airflow_provider_orders.errors import UnexpectedPayloadError
from airflow_provider_orders.models.moments import is_blank, read_moment, zone
from airflow_provider_orders.models.payload import Payload, called, read_payload
from airflow_provider_orders.models.quick import quick_order, quick_summary

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

    from airflow_provider_orders.models.order import Order
    from airflow_provider_orders.models.statuses import StatusAxis, StatusWord

__all__ = ["Dates", "OrderSummary", "Payload", "VendorOrder"]


# As a row, one of very many: not counted by the garbage collector.
class OrderSummary(msgspec.Struct, frozen=True, gc=False):
    """What an export needs of every order.

    :param identity: the canonical id.
    :param statuses: per axis.
    :param currency: as the vendor gives it; assumed where the vendor never gives one.
    :param total: in major units, such as euros.
    :param created_raw: when it was created, as the vendor wrote it.
    :param updated_raw: when it was last changed, as the vendor wrote it.
    """

    identity: str
    statuses: dict[str, StatusWord]
    currency: str | None
    total: Decimal | None
    created_raw: str | None
    updated_raw: str | None


class VendorOrder(Payload, ABC):
    """One order, as a vendor sends it.

    ::

        order = PopsellOrder.parse(b'{"id_order": 42, "total_amount": 119.90, "currency": "EUR"}')
        order.money_total()  # ("EUR", Decimal("119.90"))
        order.to_order()  # the canonical order
    """

    VENDOR: ClassVar[str]
    ID_FIELD: ClassVar[str]
    """The field that holds the vendor's id."""
    WINDOW_FIELDS: ClassVar[tuple[str, str | None]]
    """The fields for "created" and "updated", for messages."""
    ENTERED_FIELD: ClassVar[str | None] = None
    """The field that says when the vendor got to know the order, where that may be later than "created"."""
    TOTAL_FIELD: ClassVar[str]
    """The field that holds the total."""
    VOLATILE_FIELDS: ClassVar[frozenset[str]] = frozenset()
    """Fields, wherever they are, that change though the order does not: they make no new version of a payload."""
    ASSUMED_TIMEZONE: ClassVar[str]
    """The zone of dates without one, unless the connection names another."""
    AXES: ClassVar[Mapping[str, StatusAxis]]
    DEFAULT_AXIS: ClassVar[str]

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """Show the id only."""
        return [(self.ID_FIELD, getattr(self, self.ID_FIELD, None))]

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read one order's JSON.

        :raises UnexpectedPayloadError: it is not what the vendor documents; the message names the
            order, the field and what was expected, and repeats no value.
        """
        return read_payload(cls, raw, vendor=cls.VENDOR, kind="order", id_field=cls.ID_FIELD)

    @classmethod
    def summarise(cls, raw: bytes) -> OrderSummary:
        """Validate one order's JSON and give what an export needs of it.

        :raises UnexpectedPayloadError: as for :meth:`parse`.
        """
        return quick_summary(cls, raw) or cls.parse(raw).summary()

    @classmethod
    def summarise_quickly(cls, raw: bytes) -> OrderSummary | None:
        """Do the same, where that takes no model; None where only :meth:`summarise` can decide."""
        return quick_summary(cls, raw)

    @classmethod
    def read_order(
        cls, raw: bytes, *, account: str | None = None, assumed_timezone: str | None = None
    ) -> Order:
        """Give the canonical order of one order's JSON: ``parse(raw).to_order(...)``, several times as fast.

        :param raw: the order's JSON.
        :param account: as for :meth:`to_order`; so is ``assumed_timezone``.
        :raises UnexpectedPayloadError: as for :meth:`parse` and :meth:`to_order`.
        """
        return cls.read(raw).to_order(account=account, assumed_timezone=assumed_timezone)

    @classmethod
    def read(cls, raw: bytes) -> VendorOrder:
        """Validate one order's JSON, and give what can be summed up and mapped in place of ``parse(raw)``.

        :raises UnexpectedPayloadError: as for :meth:`parse`.
        """
        order: VendorOrder = quick_order(cls, raw) or cls.parse(raw)
        return order

    def summary(self) -> OrderSummary:
        """Give what an export needs of this order."""
        return OrderSummary(self.identity(), self.status_words(), *self.money_total(), *self.window_texts())

    @abstractmethod
    def identity(self) -> str:
        """Give the canonical id: the vendor's, as text."""

    @abstractmethod
    def status_words(self) -> dict[str, StatusWord]:
        """Give the status on each of the vendor's axes."""

    @abstractmethod
    def money_total(self) -> tuple[str | None, Decimal | None]:
        """Give currency and total, in major units."""

    @abstractmethod
    def window_texts(self) -> tuple[str | None, str | None]:
        """Give when it was created and last updated, as the vendor wrote it."""

    @abstractmethod
    def _map(self, *, account: str | None, dates: Dates) -> Order:
        """Map to the canonical order: the one place where that happens."""

    @classmethod
    def window_of(
        cls, summary: OrderSummary, assumed_timezone: str | None = None
    ) -> tuple[datetime | None, datetime | None]:
        """Give what :meth:`window_moments` gives, of a summary."""
        texts = (summary.created_raw, summary.updated_raw)
        return Dates(cls, summary.identity, assumed_timezone).window(texts)

    @classmethod
    def last_change_of(cls, summary: OrderSummary, assumed_timezone: str | None = None) -> datetime | None:
        """Give when an order last changed, in UTC: was updated, or created where it does not say.

        :raises UnexpectedPayloadError: the date cannot be read.
        """
        created, updated = cls.WINDOW_FIELDS
        dates = Dates(cls, summary.identity, assumed_timezone)
        return dates.read(updated, summary.updated_raw) or dates.read(created, summary.created_raw)

    def window_moments(self, assumed_timezone: str | None = None) -> tuple[datetime | None, datetime | None]:
        """Give when it was created and last updated, in UTC; None where the vendor does not say.

        :param assumed_timezone: zone of a date without one; the vendor's own default otherwise.
        :raises UnexpectedPayloadError: a date cannot be read.
        """
        return Dates(type(self), self.identity(), assumed_timezone).window(self.window_texts())

    def to_order(self, *, account: str | None = None, assumed_timezone: str | None = None) -> Order:
        """Give the canonical order.

        :param account: whose order it is, such as the connection's id.
        :param assumed_timezone: zone of a date without one; the vendor's own default otherwise.
        :raises UnexpectedPayloadError: a date cannot be read, or an amount cannot be computed.
        """
        try:
            return self._map(account=account, dates=Dates(type(self), self.identity(), assumed_timezone))
        except ArithmeticError:
            problem = "an amount is too large to compute with"
        raise UnexpectedPayloadError(f"{called(self.identity())}: {problem}.", vendor=self.VENDOR)


class Dates:
    """Reads the dates of one order, and remembers whether a zone had to be assumed."""

    __slots__ = ("_identity", "_model", "_zone", "assumed")

    def __init__(self, model: type[VendorOrder], identity: str, assumed_timezone: str | None) -> None:
        self._model = model
        self._identity = identity
        self._zone = assumed_timezone or model.ASSUMED_TIMEZONE
        self.assumed: str | None = None
        zone(self._zone)  # a wrong name is an error even where every date has its own zone

    def read(self, field: str | None, text: str | None) -> datetime | None:
        """Read one date.

        :param field: the vendor's name for it, for the error.
        :raises UnexpectedPayloadError: there is a date, but not one that can be read.
        """
        if not text:
            return None
        try:
            moment, assumed = read_moment(text, assumed_timezone=self._zone)
        except ValueError as error:
            if is_blank(text):
                return None
            problem = f"{called(self._identity)}: {field} is {error}."
        else:
            if assumed:
                self.assumed = self._zone
            return moment
        raise UnexpectedPayloadError(problem, vendor=self._model.VENDOR)

    def window(self, texts: tuple[str | None, str | None]) -> tuple[datetime | None, datetime | None]:
        """Read when the order was created and last updated."""
        created, updated = self._model.WINDOW_FIELDS
        return self.read(created, texts[0]), self.read(updated, texts[1])
