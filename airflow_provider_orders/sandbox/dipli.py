"""Dipli, formerly Agora Place: an API key in ``apikey``, totals in cents, line prices in euros.

*Assumed*, because the vendor does not say: a missing or wrong key is answered 401, a key without the right 403, both in
the house format; pages have 100 rows at most; lists start with the newest order; ``createdAt`` and ``updatedAt`` include
the day they name, in Paris; a status that does not exist is a bad request; ``new`` means that nothing has been shipped;
the public id does not open an order.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from zoneinfo import ZoneInfo

from airflow_provider_orders.sandbox import credentials
from airflow_provider_orders.sandbox.catalogue import customer
from airflow_provider_orders.sandbox.drawing import Draw
from airflow_provider_orders.sandbox.messages import Call, Reply
from airflow_provider_orders.sandbox.store import Order
from airflow_provider_orders.sandbox.vendor import FakeVendor, Spot, Tokens, joined

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_orders.sandbox.store import Stage

__all__ = ["DipliOrder", "FakeDipli"]

_PAGE_SIZE = 50
_MAX_PAGE_SIZE = 100
_FIRST_ID = 111_111
_PARIS = ZoneInfo("Europe/Paris")
_STATUSES = ("pending_confirmation", "ongoing_shipping", "shipped", "error_shipping", "cancelled")
_SHARES = (
    *("shipped",) * 62, *("ongoing_shipping",) * 16, *("pending_confirmation",) * 12, *("cancelled",) * 7,
    *("error_shipping",) * 3,
)  # fmt: skip
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_CARRIERS = ("ups", "chronopost", "colissimo", "dhl")
_COLORS = ("Noir", "Bleu", "Blanc", "Or", None)
_GRADES = ("Grade A+", "Grade A", "Grade B", "Grade C", None)
_VAT_PERCENT = 20
_MARGIN_SCHEME = "TVA sur la marge"


class _Phone(NamedTuple):
    """A refurbished device: its name, stock number, price before tax in cents, tax class and test."""

    name: str | None
    sku: str | None
    cents: int
    tax_class: str | None
    test: str | None


_PHONES = (
    _Phone("Samsung Galaxy J3 2017 Dual Sim", "SM-J330FZ", 11990, "TVA Classique", "PREMIUM"),
    _Phone("iPhone imaginaire 11 64 Go", "IPH-11-64", 24917, "TVA Classique", "PREMIUM"),
    _Phone("iPhone imaginaire 12 128 Go", "IPH-12-128", 31900, _MARGIN_SCHEME, None),
    _Phone("Tablette de démonstration 10 pouces", "TAB-10", 15825, "TVA Classique", "STANDARD"),
    _Phone("Montre connectée fictive", None, 7450, _MARGIN_SCHEME, None),
    _Phone("Ordinateur portable d'essai 14 pouces", "LAP-14", 38905, "TVA Classique", "PREMIUM"),
    _Phone(None, "SKU-ONLY-7", 4999, None, None),
)


@dataclass(slots=True, eq=False, kw_only=True)
class DipliOrder(Order):
    """The facts of an order that are drawn once.

    :param lines: place in the catalogue and quantity of each line.
    """

    lines: tuple[tuple[int, int], ...]


class FakeDipli(FakeVendor[DipliOrder]):
    """The Dipli of the sandbox.

    :param settings: what the user chose.
    :param clock: the sandbox's time.
    """

    name: ClassVar[str] = "dipli"
    axes: ClassVar[Mapping[str, tuple[str, ...]]] = {"fulfillment": _STATUSES}
    new_order: ClassVar[Stage] = {"fulfillment": "pending_confirmation"}
    journeys: ClassVar[Sequence[Sequence[Stage]]] = (
        tuple({"fulfillment": word} for word in ("pending_confirmation", "ongoing_shipping", "shipped")),
        tuple(
            {"fulfillment": word} for word in ("pending_confirmation", "ongoing_shipping", "error_shipping")
        ),
        tuple({"fulfillment": word} for word in ("pending_confirmation", "cancelled")),
        tuple(
            {"fulfillment": word}
            for word in ("ongoing_shipping", "error_shipping", "ongoing_shipping", "shipped")
        ),
        tuple({"fulfillment": word} for word in ("ongoing_shipping", "shipped")),
    )
    amount_field: ClassVar[str] = "price_t_t_c"
    pages_have_links: ClassVar[bool] = False

    def spots(self) -> Sequence[Spot]:
        """List the addresses that Dipli answers."""
        return (
            Spot(("GET",), "/api/v2/orders", self._list_orders),
            Spot(("GET",), "/api/v2/orders/{id}", self._show_order),
        )

    def make(self, draw: Draw, index: int, created_at: int) -> DipliOrder:
        """Build one order from its draws."""
        first = draw.below(len(_PHONES))
        return DipliOrder(
            index=index,
            id=str(_FIRST_ID + index),
            created_at=created_at,
            updated_at=created_at + draw.below(12 * 86400),
            statuses={"fulfillment": draw.pick(_SHARES)},
            lines=tuple(
                ((first + number) % len(_PHONES), draw.pick((1, 1, 1, 2, 5)))
                for number in range(draw.pick((1, 1, 1, 1, 2, 3)))
            ),
        )

    def payload(self, order: DipliOrder) -> dict[str, Any]:
        """Render an order; rows of lists are the same."""
        return _rendered(order, Draw(self.settings.seed, "dipli details", order.index))

    def connection(self, url: str) -> dict[str, Any]:
        """Describe a connection that sends the API key."""
        return {"conn_type": "dipli", "host": url, "password": credentials.DIPLI_API_KEY, "extra": {}}

    def credentials(self) -> dict[str, str]:
        """Name every credential that Dipli knows."""
        return {
            "api_key": credentials.DIPLI_API_KEY,
            "api_key_without_permission": credentials.DIPLI_FORBIDDEN_API_KEY,
        }

    def error(self, status: int, message: str) -> Reply:
        """Answer an error in the house format."""
        return Reply.json({"code": status, "msg": message}, status)

    def not_found(self, call: Call) -> Reply:
        """Answer for an address that Dipli does not have."""
        del call
        return self.error(404, "Not Found")

    def _admit(self, call: Call) -> None:
        """Let a call pass if its key may read orders."""
        key = call.headers.get("apikey", "")
        known = key in {credentials.DIPLI_API_KEY, credentials.DIPLI_FORBIDDEN_API_KEY}
        if not known or self.expired(call, key, _NO_TOKENS) is not None:
            raise self.refuse(401, "Unauthorized")
        call.authenticated = True
        if key == credentials.DIPLI_FORBIDDEN_API_KEY:
            raise self.refuse(403, "Forbidden")

    def _show_order(self, call: Call) -> Reply:
        """Show one order."""
        self._admit(call)
        order = self.store.get(call.params["id"])
        return self.error(404, "Not Found") if order is None else Reply(200, self.row_bytes(order))

    def _list_orders(self, call: Call) -> Reply:
        """List the orders, the newest first."""
        self._admit(call)
        self.before_page(call)
        status = call.query.get("status", "")
        new = _BOOLEANS.get(call.query.get("new", "false").lower())
        if new is None or (status and status not in _STATUSES):
            raise self.refuse(400, "Bad Request")
        created, updated = (
            self._start_of_day(call.query.get(name, "")) for name in ("createdAt", "updatedAt")
        )
        number, size = (
            self._count(call.query.get(name), usual)
            for name, usual in (("page", 1), ("pageSize", _PAGE_SIZE))
        )
        size = min(size, _MAX_PAGE_SIZE)

        def choose(orders: list[DipliOrder]) -> list[DipliOrder]:
            return [
                order
                for order in reversed(orders)
                if order.created_at >= created
                and order.updated_at >= updated
                and (not status or order.statuses["fulfillment"] == status)
                and (not new or order.statuses["fulfillment"] == "pending_confirmation")
            ]

        found = self.store.select((created, updated, status, new), choose)
        page = self.page(call, found, (number - 1) * size, size, self.row_bytes)
        return Reply.json(
            {"count": page.total, "page": number, "pageSize": size, "result": joined(page.rows)}
        )

    def _start_of_day(self, text: str) -> float:
        """Read a ``yyyy-mm-dd`` filter; an empty one lets everything pass."""
        if not text:
            return float("-inf")
        try:
            wanted = date.fromisoformat(text if len(text) == len("yyyy-mm-dd") else "")
        except ValueError:
            raise self.refuse(400, "Bad Request") from None
        return datetime(wanted.year, wanted.month, wanted.day, tzinfo=_PARIS).timestamp()

    def _count(self, text: str | None, usual: int) -> int:
        """Read a page number or size."""
        if text is None:
            return usual
        if not (text.isascii() and text.isdigit() and len(text) < 10) or int(text) < 1:
            raise self.refuse(400, "Bad Request")
        return int(text)


# The API key is all there is: nothing is given out, nothing can be renewed.
_NO_TOKENS = Tokens(str)


def _paris(at: int, *, whole: bool) -> str:
    """Write a moment as Dipli does: mostly the day alone, sometimes with time and offset."""
    moment = datetime.fromtimestamp(at, _PARIS)
    return moment.isoformat() if whole else moment.date().isoformat()


def _address(order: DipliOrder, draw: Draw) -> str:
    """Write the shipping address as JSON inside a string; a few old ones are plain text."""
    who = customer(draw, order.index + 1)
    street = f"{1 + draw.below(120)} {who.place.street}"
    if order.index % 41 == 17:
        return f"{who.first_name} {who.last_name}, {street}, {who.place.postcode} {who.place.city}"
    address = {
        "street": street,
        "additionnal": "Bâtiment B" if draw.chance(20) else "",
        "postcode": who.place.postcode,
        "city": who.place.city,
        "country": who.place.country,
        "firstname": who.first_name,
        "lastname": who.last_name,
        "company": "Boutique Exemple" if draw.chance(10) else "",
        "type": "shipping",
        "email": who.email,
        "telephone": who.phone,
        "deliveryinfos": "Sonner deux fois" if draw.chance(15) else None,
        "ref": None,
    }
    return json.dumps(address, ensure_ascii=False)


def _extra_infos(order: DipliOrder, phone: _Phone, place: int) -> Any:
    """Give the deprecated block: an object, the same as a JSON string, or nothing."""
    infos = {
        "extended_images": [f"https://img.example.com/d/{place}.jpg"],
        "grouped_id": 880 + place,
        "id": 88_000 + place,
        "product_id": 990 + place,
        "price": phone.cents,
        "position": 0,
        "name": phone.name,
        "grade": "Grade C",
        "tax_class": phone.tax_class,
        "color": "Noir",
        "packaging": "Boîte neutre",
        "sku": phone.sku,
        "stock": 12,
    }
    return (infos, json.dumps(infos, ensure_ascii=False), None)[order.index % 3]


def _tax(phone: _Phone) -> int:
    """Compute the tax on one piece, in cents; the margin scheme shows none."""
    return 0 if phone.tax_class == _MARGIN_SCHEME else round(phone.cents * _VAT_PERCENT / 100)


def _line(order: DipliOrder, place: int, quantity: int, draw: Draw) -> dict[str, Any]:
    """Render one line, in euros."""
    phone = _PHONES[place]
    return {
        "tax_class": phone.tax_class,
        "product_name": phone.name,
        "product_sku": phone.sku,
        "product_quantity": quantity,
        "unit_price_h_t": phone.cents / 100,
        "unit_price_t_v_a": _tax(phone) / 100,
        "unit_price_t_t_c": (phone.cents + _tax(phone)) / 100,
        "color": draw.pick(_COLORS),
        "grade": draw.pick(_GRADES),
        "attr_test": phone.test,
        "product_extra_infos": _extra_infos(order, phone, place),
    }


def _rendered(order: DipliOrder, draw: Draw) -> dict[str, Any]:
    """Render an order: totals in cents, lines in euros."""
    status = order.statuses["fulfillment"]
    whole = order.index % 4 == 3
    sent = status in {"ongoing_shipping", "shipped", "error_shipping"}
    net = sum(_PHONES[place].cents * quantity for place, quantity in order.lines)
    tax = sum(_tax(_PHONES[place]) * quantity for place, quantity in order.lines)
    shipping = (100, 20) if order.index % 5 else (0, 0)
    label, carrier, parcel = draw.hexadecimal(32), draw.pick(_CARRIERS), draw.hexadecimal(8).upper()
    return {
        "id": int(order.id),
        "public_id": f"A-{order.id}",
        "shipping_status": status,
        "to_ship": status == "pending_confirmation",
        "bordereau_url": label if sent else None,
        "price_h_t": net,
        "price_t_v_a": tax,
        "price_t_t_c": net + tax,
        "shipping_h_t": shipping[0],
        "shipping_t_v_a": shipping[1],
        "shipping_t_t_c": sum(shipping),
        "shipping_address_json": _address(order, draw),
        "tracking_slug": carrier if sent else None,
        "tracking_number": f"X{parcel}GT" if sent else None,
        "delivered_at": _paris(order.updated_at, whole=whole) if status == "shipped" else None,
        "invoiced_at": _paris(order.updated_at, whole=whole) if sent else None,
        "created_at": _paris(order.created_at, whole=whole),
        "cart_items": [_line(order, place, quantity, draw) for place, quantity in order.lines],
    }
