"""A vendor's listing: which request asks for page n, and what its answer says. Pure steps, no I/O."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_orders.errors import UnexpectedPayloadError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_orders.http.messages import Request, Response
    from airflow_provider_orders.models.base import OrderSummary

    Summarise = Callable[[bytes], OrderSummary | None]

__all__ = ["Envelope", "Listing", "Page", "Row", "RowReader", "TextReader"]


# Rows come by the hundred thousand, and cannot be part of a circle: the garbage collector need not count them.
class Row(msgspec.Struct, frozen=True, gc=False):
    """One row of a listing, its bytes as the vendor sent them.

    :param id: the row's id; for a row without a readable one, a digest of its bytes.
    :param raw: the row's JSON; not in its ``repr``.
    :param summary: what an export needs of the order, where it was validated already.
    """

    id: str
    raw: bytes
    summary: OrderSummary | None = None

    def __repr__(self) -> str:
        return f"Row(id={self.id!r})"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the envelope of a page says.

    :param rows: the rows, not decoded.
    :param total: how many rows the whole listing has, None where the vendor does not say.
    :param page_size: the page size in force, which may be smaller than what was asked for.
    :param number: the page number that the answer claims, None where it has none.
    :param has_more: whether there is a page after this one, None to conclude it from the total.
    :param next_link: the vendor's link to the next page; checked, never followed.
    """

    rows: Sequence[msgspec.Raw] = field(repr=False)
    total: int | None
    page_size: int
    number: int | None = None
    has_more: bool | None = None
    next_link: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """One page, split into rows.

    :param number: the page asked for, from 1.
    :param rows: its rows.
    :param total: how many rows the whole listing has, None where the vendor does not say.
    :param page_size: the page size in force.
    :param claimed_number: the page number that the answer claims.
    :param has_more: whether there is a page after this one.
    :param next_link: the vendor's link to the next page.
    """

    number: int
    rows: tuple[Row, ...]
    total: int | None
    page_size: int
    claimed_number: int | None
    has_more: bool
    next_link: str | None = field(default=None, repr=False)

    def with_rows(self, rows: Sequence[Row]) -> Page:
        """Give a copy that holds these rows instead."""
        return replace(self, rows=tuple(rows))

    @property
    def last_number(self) -> int | None:
        """Number of the last page, None where the vendor gives no total."""
        return None if self.total is None else max(1, -(-self.total // self.page_size))


class RowReader:
    """Reads the id of a row without decoding the rest of it.

    :param id_field: name of the vendor's id field.
    """

    def __init__(self, id_field: str) -> None:
        shape = msgspec.defstruct("RowId", [("id", str | int)], rename={"id": id_field}, gc=False)
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(shape)
        self._page_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[shape])  # type: ignore[valid-type]

    def read_page(
        self, raws: Sequence[msgspec.Raw], *, summarise: Summarise | None = None
    ) -> tuple[Row, ...]:
        """Split the rows of a page: all at once, and one by one where one of them cannot be read.

        :param summarise: to validate them at the same time, which spares reading their ids by themselves.
        """
        if summarise is not None:
            return tuple(self._summarised(raw, summarise) for raw in raws)
        try:
            heads = self._page_decoder.decode(b"[" + b",".join(raws) + b"]")
        except msgspec.DecodeError:
            return tuple(map(self, raws))
        return tuple(Row(str(head.id), bytes(raw)) for head, raw in zip(heads, raws, strict=True))

    def _summarised(self, raw: msgspec.Raw, summarise: Summarise) -> Row:
        content = bytes(raw)
        summary = summarise(content)
        return self(raw) if summary is None else Row(summary.identity, content, summary)

    def __call__(self, raw: msgspec.Raw) -> Row:
        """Give the row; one without a readable id is kept under a digest of its bytes, to be rejected later."""
        content = bytes(raw)
        try:
            return Row(str(self._decoder.decode(raw).id), content)
        except msgspec.DecodeError:
            return Row(f"?{hashlib.sha256(content).hexdigest()[:32]}", content)


class TextReader:
    """Reads one text of a row without decoding the rest of it.

    :param name: name of the field.
    """

    def __init__(self, name: str) -> None:
        shape = msgspec.defstruct("TextField", [("text", str | None, None)], rename={"text": name})
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(shape)

    def __call__(self, raw: bytes) -> str | None:
        """Give the text, None where there is none or something else."""
        try:
            text: str | None = self._decoder.decode(raw).text
        except msgspec.DecodeError:
            return None
        return text


@dataclass(frozen=True, slots=True)
class Listing:
    """One listing of a vendor, page by page.

    :param request: the request without its page parameters.
    :param page_size: rows to ask for in one page.
    :param page_params: gives the page parameters for a page number and a page size.
    :param read_envelope: reads an answer's envelope.
    :param read_row: splits one row.
    """

    request: Request
    page_size: int
    page_params: Callable[[int, int], tuple[tuple[str, str], ...]] = field(repr=False)
    read_envelope: Callable[[bytes], Envelope] = field(repr=False)
    read_row: RowReader = field(repr=False)

    def page_request(self, number: int, page_size: int | None = None) -> Request:
        """Give the request for one page, from 1; built from its number, never from a link."""
        params = self.page_params(number, page_size or self.page_size)
        return replace(self.request, params=(*self.request.params, *params), decode=self.read_envelope)

    def read(self, response: Response, number: int, *, summarise: Summarise | None = None) -> Page:
        """Split an answer into rows.

        :param summarise: to validate orders at the same time; gives None for one that only the model can decide on.
        :raises UnexpectedPayloadError: the envelope is not the one that the vendor documents.
        """
        try:
            envelope: Envelope = response.decoded or self.read_envelope(response.body)
        except msgspec.DecodeError as error:
            raise UnexpectedPayloadError(
                f"Page {number} has not the documented envelope: {error}.",
                method="GET",
                path=self.request.path,
                status=response.status,
            ) from None
        page_size = max(1, envelope.page_size)
        has_more = envelope.has_more
        if has_more is None:
            has_more = bool(envelope.rows) and (
                envelope.total > number * page_size
                if envelope.total is not None
                else len(envelope.rows) >= page_size
            )
        return Page(
            number=number,
            rows=self.read_row.read_page(envelope.rows, summarise=summarise),
            total=envelope.total,
            page_size=page_size,
            claimed_number=envelope.number,
            has_more=has_more,
            next_link=envelope.next_link,
        )
