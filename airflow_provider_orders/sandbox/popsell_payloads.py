"""What Popsell's orders look like: the facts drawn for each, and the payload made from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_orders.sandbox.catalogue import customer
from airflow_provider_orders.sandbox.drawing import Draw
from airflow_provider_orders.sandbox.formats import iso_z, major, sql
from airflow_provider_orders.sandbox.store import Order

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "AMBASSADORS",
    "LAST_STATUSES",
    "PopsellOrder",
    "ambassador_payload",
    "draw_order",
    "manager_payload",
    "person",
]

# The last one has not sold anything yet.
AMBASSADORS = tuple(range(101, 113))
LAST_STATUSES = ("OK", "OK_DELAY", "E-BOOKING", "CANCELLED", "RETURNED", "PENDING", "FULFILLED")

_FIRST_ID = 100_001
_ROLE_CLIENT = 7
# How an order came to its last status, before anybody touched it.
_HISTORIES = {
    "PENDING": ("PENDING",),
    "OK_DELAY": ("PENDING", "OK_DELAY"),
    "E-BOOKING": ("E-BOOKING",),
    "OK": ("PENDING", "OK"),
    "FULFILLED": ("PENDING", "OK", "FULFILLED"),
    "CANCELLED": ("PENDING", "CANCELLED"),
    "RETURNED": ("PENDING", "OK", "FULFILLED", "RETURNED"),
}
_UNPAID = frozenset({"PENDING", "E-BOOKING", "CANCELLED"})
_SHARES = (
    *("FULFILLED",) * 50, *("OK",) * 18, *("PENDING",) * 12, *("CANCELLED",) * 8, *("RETURNED",) * 5,
    *("OK_DELAY",) * 4, *("E-BOOKING",) * 3,
)  # fmt: skip
_ASSIGNMENTS = (*("conversation_assigned",) * 5, *("affiliation_assigned",) * 4, "unassigned")
_CURRENCIES = (*("EUR",) * 16, "USD", "GBP", "CHF", "XAF")
# What a euro is worth, in the currency's smallest unit for each cent; XAF has no cents.
_RATES = {"EUR": (1.0, 2), "USD": (1.1, 2), "GBP": (0.85, 2), "CHF": (0.95, 2), "XAF": (6.55957, 0)}
_TYPES = ("WEB", "WEB", "WEB", "WEB", "STORE", "STORE", "MAG", "")
_SOURCES = ("widget", "widget", "chat", "affiliation", "pos")
_COMMENTS = ("", "", "payment received", "changed by the shop", "imported")
_NOTES = ("", None, None, "Livraison en point relais", "Emballage cadeau, merci !")


class _Good(NamedTuple):
    """A product of the shop: its name, kind, price in euro cents, and words about it."""

    name: str | None
    kind: str | None
    sku: str | None
    cents: int
    words: str | None


_WORDS = (
    "Texture légère et fini naturel, convient à tous les types de peau. Formule sans parfum, fabriquée dans un atelier "
    "qui n'existe pas, testée sous contrôle imaginaire."
)
_GOODS = (
    _Good("Crème de jour « Aube »", "simple", "AUB-050", 3490, _WORDS),
    _Good("Sérum éclat 30 ml", "simple", "SER-030", 4200, _WORDS),
    _Good("Rouge à lèvres mat", "configurable", "RAL-MAT-07", 1995, _WORDS),
    _Good("Palette « Sahel »", "simple", "PAL-SAH", 5450, None),
    _Good("Huile de baobab 100 ml", "simple", "BAO-100", 2790, _WORDS),
    _Good("Coffret découverte", "bundle", "COF-DEC", 7900, "Cinq miniatures et une trousse en coton."),
    _Good("Sac cabas en raphia", "configurable", None, 6500, _WORDS),
    _Good("Foulard en wax", "simple", "FOU-WAX", 2900, "90 x 90 cm, bords roulottés à la main."),
    _Good("Savon noir", None, "SAV-NOI", 890, _WORDS),
    _Good("Bougie « Figuier »", "simple", "BOU-FIG", 3350, _WORDS),
    _Good(None, "simple", "SANS-NOM", 1250, None),
    _Good("Boucles d'oreilles dorées", "simple", "BIJ-OR-3", 4575, _WORDS),
)


@dataclass(slots=True, eq=False, kw_only=True)
class PopsellOrder(Order):
    """The facts of an order that lists sort and filter by.

    :param lines: place in the catalogue, quantity and discount in percent of each line.
    :param total: the sum of the lines in the currency's smallest unit.
    """

    external_id: str | None
    ambassador: int | None
    assignment: str
    kind: str
    currency: str
    buyer: int | None
    post: int | None
    chatroom: int | None
    lines: tuple[tuple[int, int, int], ...]
    total: int

    @property
    def paid(self) -> float:
        """What has been paid, in the currency."""
        return 0.0 if self.statuses["order"] in _UNPAID else major(self.total, _RATES[self.currency][1])


def _unit_price(good: _Good, currency: str, discount: int) -> int:
    """Price a product in the smallest unit of a currency."""
    rate, _ = _RATES[currency]
    return round(good.cents * rate * (100 - discount) / 100)


def draw_order(draw: Draw, index: int, created_at: int) -> PopsellOrder:
    """Draw an order.

    :param draw: where the facts come from.
    :param index: place in the order of creation.
    :param created_at: seconds of the epoch.
    """
    currency = draw.pick(_CURRENCIES)
    credited = not draw.chance(6)
    assignment = draw.pick(_ASSIGNMENTS) if credited else "unassigned"
    first = draw.below(len(_GOODS))
    lines = tuple(
        ((first + number * 5) % len(_GOODS), 1 + draw.below(3), (0, 0, 0, 10, 20)[draw.below(5)])
        for number in range(draw.pick((1, 1, 1, 2, 2, 3)))
    )
    return PopsellOrder(
        index=index,
        id=str(_FIRST_ID + index),
        created_at=created_at,
        updated_at=created_at + draw.below(10 * 86400),
        statuses={"order": draw.pick(_SHARES)},
        external_id=None if draw.chance(5) else f"EXT-{20_000 + index}",
        ambassador=draw.pick(AMBASSADORS[:-1]) if credited else None,
        assignment=assignment,
        kind=draw.pick(_TYPES),
        currency=currency,
        buyer=None if draw.chance(4) else 5000 + draw.below(400),
        post=9000 + draw.below(50) if assignment == "affiliation_assigned" else None,
        chatroom=700 + draw.below(90) if assignment == "conversation_assigned" else None,
        lines=lines,
        total=sum(quantity * _unit_price(_GOODS[good], currency, off) for good, quantity, off in lines),
    )


@lru_cache(maxsize=2048)
def person(number: int, seed: int) -> dict[str, Any]:
    """Describe an ambassador (numbers below 5000) or a buyer; a few buyers have been anonymised.

    :param number: the person's id.
    :param seed: the sandbox's seed.
    """
    draw = Draw(seed, "popsell people", number)
    buyer = number >= 5000
    who = customer(draw, number)
    anonymized = buyer and draw.chance(3)
    # Some day of the quarter before the first order: nobody is online.
    last_action = 1_752_000_000 + draw.below(7_000_000)
    return {
        "id_ambassador": number,
        "image": None if draw.chance(40) else f"https://img.example.com/people/{number}.jpg",
        "firstname": None if anonymized else who.first_name,
        "lastname": None if anonymized else who.last_name,
        "username": f"anonymous-{number}" if anonymized else who.email.partition("@")[0],
        "email": None if anonymized else who.email,
        "email_tmp": "" if draw.chance(80) else f"tmp.{number}@example.org",
        "active": 1 if draw.chance(90) else draw.pick((0, -1, -2, -3)),
        "status": _ROLE_CLIENT if buyer else draw.pick((0, 0, 0, 1, 3)),
        "online": False,
        "last_action_date": None if anonymized else iso_z(last_action),
        "customer_id": f"CUST-{number}" if buyer else None,
        "anonymized": anonymized,
    }


@lru_cache(maxsize=2048)
def _product(place: int, currency: str, discount: int) -> dict[str, Any]:
    """Describe a product of the catalogue in a currency."""
    good = _GOODS[place]
    decimals = _RATES[currency][1]
    catalogue = major(_unit_price(good, currency, 0), decimals)
    # "integer(float)": a price without cents comes as an integer.
    whole = int(catalogue) if catalogue.is_integer() else catalogue
    images = [
        {
            "id_i18n_content": 40_000 + place * 2 + side,
            "lang": lang,
            "content": f"https://img.example.com/p/{place}{lang}.jpg",
        }
        for side, lang in enumerate(("fr_FR", "en_GB"))
    ]
    return {
        "id_product": 3000 + place,
        "name": good.name,
        "type": good.kind,
        "discount_percentage": float(discount),
        "price_catalog": whole,
        "reference_unit_price": whole,
        "sku": good.sku,
        "youtube_id": None,
        "url": f"https://shop.example.com/p/{3000 + place}",
        "description": good.words,
        "images": images[: 1 + place % 2],
        "price": major(_unit_price(good, currency, discount), decimals),
        "stock": 100 - place,
        "stock_available": float(90 - place),
        "old_image": None,
    }


def _products(order: PopsellOrder) -> list[dict[str, Any]]:
    """List the lines of an order, each inside its product."""
    decimals = _RATES[order.currency][1]
    number = int(order.id)
    products = []
    for place, quantity, discount in order.lines:
        product = _product(place, order.currency, discount)
        unit = _unit_price(_GOODS[place], order.currency, discount)
        details = {
            "id_order": number,
            "id_product": 3000 + place,
            "quantity": quantity,
            "unit_price": product["price"],
            "sku": product["sku"],
            "currency": order.currency,
            "total_price": major(unit * quantity, decimals),
        }
        products.append({**product, "order_details": details})
    return products


def _history(order: PopsellOrder) -> list[dict[str, Any]]:
    """List the statuses that an order has had, oldest first."""
    seeded = _HISTORIES[order.seeded_status("order")]
    span = order.seeded_at - order.created_at
    steps: Sequence[tuple[str, int]] = [
        *(
            (word, order.created_at + span * place // max(1, len(seeded) - 1))
            for place, word in enumerate(seeded)
        ),
        *((change.after, change.at) for change in order.changes),
    ]
    number = int(order.id)
    return [
        {
            "id_order_status": number * 10 + place,
            "date_insert": sql(at),
            "date_update": sql(at),
            "comment": _COMMENTS[(number + place) % len(_COMMENTS)],
            "id_order": number,
            "status": word,
        }
        for place, (word, at) in enumerate(steps)
    ]


def _scalars(order: PopsellOrder) -> dict[str, Any]:
    """Render the fields that both order routes have."""
    number, index = int(order.id), order.index
    decimals = _RATES[order.currency][1]
    total = major(order.total, decimals)
    return {
        "id_order": number,
        "id_order_external": order.external_id,
        "total_amount": total,
        "total_paid": order.paid,
        "total_ws": None if index % 11 == 7 else total,
        "id_popliste": None if index % 3 else 600 + index % 40,
        "source": _SOURCES[index % len(_SOURCES)],
        "last_status": order.statuses["order"],
        "id_meeting": None if index % 13 else 80 + index % 9,
        "id_meeting_external": f"MEET-{index}" if index % 26 == 0 else None,
        "customer_id": None if order.buyer is None else f"CUST-{order.buyer}",
        "order_info": _NOTES[index % len(_NOTES)],
        "currency": order.currency,
        "date_order": sql(order.created_at),
        "type": order.kind,
        "id_chat_segment": None if order.chatroom is None else 10 + index % 4,
        "id_chatroom": order.chatroom,
        "date_insert": sql(order.entered_at),
        "date_update": sql(order.updated_at),
    }


def _someone(number: int | None, seed: int) -> dict[str, Any] | None:
    """Describe a person, or nobody."""
    return None if number is None else person(number, seed)


def _quantity(order: PopsellOrder) -> int:
    """Count the pieces of an order."""
    return sum(quantity for _, quantity, _ in order.lines)


def manager_payload(order: PopsellOrder, seed: int) -> dict[str, Any]:
    """Render an order as ``/manager/orders`` shows it, in lists and alone.

    :param order: the order.
    :param seed: the sandbox's seed.
    """
    ambassador = _someone(order.ambassador, seed)
    return {
        **_scalars(order),
        "ambassador": ambassador,
        "ambassador_chat": ambassador if order.chatroom is not None else None,
        "buyer": _someone(order.buyer, seed),
        "status": _history(order),
        "products": _products(order),
        "total_products_quantity": _quantity(order),
    }


def ambassador_payload(order: PopsellOrder, seed: int) -> dict[str, Any]:
    """Render an order as a row of ``/platform/ambassadors/{id}/orders``.

    :param order: the order.
    :param seed: the sandbox's seed.
    """
    return {
        **_scalars(order),
        "assignment": order.assignment,
        "buyer": _someone(order.buyer, seed),
        "products": _products(order),
        "total_products_quantity": _quantity(order),
    }
