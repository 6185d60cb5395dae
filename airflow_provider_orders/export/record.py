"""One valid order on its way from a page into a sink."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from airflow_provider_orders.apis.listing import TextReader
from airflow_provider_orders.models.base import Dates

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_orders.models.base import OrderSummary, VendorOrder
    from airflow_provider_orders.models.order import Order

__all__ = ["Record", "RecordReader", "one_line"]


class RecordReader:
    """Validates rows of one vendor.

    :param model: the vendor's payload model.
    :param account: whose orders they are.
    :param assumed_timezone: zone of dates without one; the vendor's own default otherwise.
    :param for_mapping: whether the canonical order of each row will be asked for, so that it pays to read all fields
        at once.
    """

    def __init__(
        self,
        model: type[VendorOrder],
        *,
        account: str,
        assumed_timezone: str | None,
        for_mapping: bool = False,
    ) -> None:
        self.model = model
        self.account = account
        self.assumed_timezone = assumed_timezone
        self.for_mapping = for_mapping
        self._entered = model.ENTERED_FIELD and TextReader(model.ENTERED_FIELD)

    def read(self, raw: bytes, summary: OrderSummary | None = None) -> Record:
        """Validate one row.

        :param raw: the order's JSON.
        :param summary: its summary, where it was validated already.
        :raises UnexpectedPayloadError: it is not what the vendor documents.
        """
        if not self.for_mapping:
            return Record(raw, summary or self.model.summarise(raw), self)
        whole = self.model.read(raw)
        return Record(raw, whole.summary(), self, whole)

    def entered(self, record: Record) -> datetime | None:
        """Tell when the vendor got to know an order, None where it does not say.

        :raises UnexpectedPayloadError: the date cannot be read.
        """
        if not self._entered:
            return None
        dates = Dates(self.model, record.identity, self.assumed_timezone)
        return dates.read(self.model.ENTERED_FIELD, self._entered(record.raw))


class Record(msgspec.Struct, gc=False):
    """One valid order: its bytes, a summary, and on demand the payload and the canonical order.

    :param raw: the order's JSON, as the vendor sent it.
    :param summary: what an export needs of every order.
    :param reader: what validated it.
    :param whole: all its fields, where they were read.
    :param version: what tells it from other versions of the order, once a sink has asked for that.

    Its ``repr`` shows the id only.
    """

    raw: bytes
    summary: OrderSummary
    reader: RecordReader
    whole: VendorOrder | None = None
    version: str | None = None
    _order: Order | None = None
    _times: tuple[datetime | None, datetime | None] | None = None

    def __repr__(self) -> str:
        return f"Record({self.identity!r})"

    @property
    def identity(self) -> str:
        """The canonical id."""
        return self.summary.identity

    @property
    def times(self) -> tuple[datetime | None, datetime | None]:
        """When the order was created and last updated, in UTC; None where the vendor does not say.

        :raises UnexpectedPayloadError: a date cannot be read.
        """
        if self._times is None:
            self._times = self.reader.model.window_of(self.summary, self.reader.assumed_timezone)
        return self._times

    @property
    def entered(self) -> datetime | None:
        """When the order was created, or when the vendor got to know it if that was later; None if it does not say.

        :raises UnexpectedPayloadError: a date cannot be read.
        """
        known = [moment for moment in (self.times[0], self.reader.entered(self)) if moment is not None]
        return max(known, default=None)

    def payload(self) -> VendorOrder:
        """Give the validated payload."""
        return self.reader.model.parse(self.raw)

    def order(self) -> Order:
        """Give the canonical order.

        :raises UnexpectedPayloadError: a date cannot be read, or an amount cannot be computed.
        """
        if self._order is None:
            reader = self.reader
            whole = self.whole or reader.model.read(self.raw)
            self._order = whole.to_order(account=reader.account, assumed_timezone=reader.assumed_timezone)
        return self._order


def one_line(raw: bytes) -> bytes:
    """Keep a JSON document on one line; outside of its texts, where no line break can be, a break is white space."""
    if b"\n" in raw or b"\r" in raw:
        return raw.replace(b"\n", b" ").replace(b"\r", b" ")
    return raw
