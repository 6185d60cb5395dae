"""What Genuka's orders look like: slim rows, full details, lines, and the log of changes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from airflow_provider_orders.sandbox.catalogue import Customer, customer
from airflow_provider_orders.sandbox.credentials import GENUKA_COMPANY_ID
from airflow_provider_orders.sandbox.drawing import Draw
from airflow_provider_orders.sandbox.formats import day, iso_micro, major
from airflow_provider_orders.sandbox.genuka_company import ACCOUNT_ID, SHOPS, USER_ID, treasury_account
from airflow_provider_orders.sandbox.genuka_goods import GOODS
from airflow_provider_orders.sandbox.store import Order

__all__ = [
    "BILLING_STATUSES",
    "INVOICE",
    "SHIPPING_STATUSES",
    "GenukaOrder",
    "activities_payload",
    "buyer",
    "draw_order",
    "row_payload",
]

BILLING_STATUSES = ("pending", "paid", "partially_paid", "unpaid", "canceled")
SHIPPING_STATUSES = ("pending", "taken_in_charge", "partial_delivery", "delivered")
INVOICE = 1

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_FIRST_MS = 1_759_312_800_000
_BILLING_SHARES = (*("paid",) * 11, *("pending",) * 4, *("partially_paid",) * 2, *("unpaid",) * 2, "canceled")
_SHIPPING_SHARES = (*("delivered",) * 12, *("pending",) * 5, *("taken_in_charge",) * 2, "partial_delivery")
_CURRENCIES = (*("XAF",) * 14, *("XOF",) * 2, *("EUR",) * 3, "USD")
_SOURCES = ("POS", "POS", "POS", "WEB", "WHATSAPP", "DASHBOARD", "EXCEL", "EMAIL", "OTHER")
# One ten-thousandth: the value added tax of Cameroon is 19.25 %.
_VAT = 1925


@dataclass(slots=True, eq=False, kw_only=True)
class GenukaOrder(Order):
    """The facts of an order that lists sort and filter by; amounts are in the currency's smallest unit.

    :param customer: the customer's number, or nobody.
    :param shop: place in the list of shops.
    :param lines: place in the catalogue and quantity of each line.
    """

    reference: str
    state: int
    source: str
    currency: str
    customer: int | None
    shop: int
    mode: str
    lines: tuple[tuple[int, int], ...]
    subtotal: int
    discount: int
    fee: int
    tax: int

    @property
    def total(self) -> int:
        """What the order costs, with everything."""
        return self.subtotal - self.discount + self.fee + self.tax

    @property
    def paid(self) -> int:
        """What has been paid: all, the half, or nothing."""
        return {"paid": self.total, "partially_paid": self.total // 2}.get(self.statuses["payment"], 0)

    def amount(self, minor: int) -> float:
        """Write an amount in the order's currency: francs have no cents, and come as integers."""
        return minor if self.currency in {"XAF", "XOF"} else major(minor)


def _ulid(ms: int, draw: Draw) -> str:
    """Draw a lower-case ULID of a moment."""
    time = "".join(_CROCKFORD[(ms >> shift) & 31] for shift in range(45, -1, -5))
    return time + "".join(_CROCKFORD[draw.below(32)] for _ in range(16))


def draw_order(draw: Draw, index: int, created_at: int) -> GenukaOrder:
    """Draw an order.

    :param draw: where the facts come from.
    :param index: place in the order of creation.
    :param created_at: seconds of the epoch.
    """
    first = draw.below(len(GOODS))
    lines = tuple(
        ((first + number * 3) % len(GOODS), draw.pick((1, 1, 1, 2, 3)))
        for number in range(draw.pick((1, 1, 2, 3)))
    )
    subtotal = sum(quantity * GOODS[good].price for good, quantity in lines)
    discount = subtotal // 10 if draw.chance(15) else 0
    delivered = draw.chance(45)
    updated_at = created_at + draw.below(8 * 86400)
    return GenukaOrder(
        index=index,
        id=_ulid(_FIRST_MS + index * 1000, draw),
        created_at=created_at,
        updated_at=updated_at,
        deleted_at=updated_at if draw.chance(3) else None,
        statuses={"payment": draw.pick(_BILLING_SHARES), "fulfillment": draw.pick(_SHIPPING_SHARES)},
        reference=f"#ORDER_{1001 + index}",
        state=draw.pick((INVOICE, INVOICE, INVOICE, INVOICE, 2, 3)),
        source=draw.pick(_SOURCES),
        currency=draw.pick(_CURRENCIES),
        customer=None if draw.chance(25) else draw.below(300),
        shop=draw.below(len(SHOPS)),
        mode="delivery" if delivered else "pickup",
        lines=lines,
        subtotal=subtotal,
        discount=discount,
        fee=1000 if delivered else 0,
        tax=(subtotal - discount) * _VAT // 10_000 if draw.chance(30) else 0,
    )


@lru_cache(maxsize=1024)
def _customer(number: int, seed: int) -> tuple[str, Customer]:
    """Draw a customer and the id that goes with it."""
    draw = Draw(seed, "genuka customers", number)
    return _ulid(_FIRST_MS - 86_400_000, draw), customer(draw, number)


def buyer(order: GenukaOrder, seed: int) -> dict[str, Any] | None:
    """Describe the customer of an order, if it has one.

    :param order: the order.
    :param seed: the sandbox's seed.
    """
    if order.customer is None:
        return None
    customer_id, who = _customer(order.customer, seed)
    return {
        "id": customer_id,
        "first_name": who.first_name,
        "last_name": None if order.customer % 9 == 0 else who.last_name,
        "email": None if order.customer % 5 == 0 else who.email,
        "phone": who.phone,
        "gender": None,
        "type": "individual",
        "birthdate": None,
        "company_name": None,
        "company_id": GENUKA_COMPANY_ID,
        "metadata": [] if order.customer % 2 else {"city": who.place.city},
        "created_at": "2025-09-30T10:00:00.000000Z",
        "updated_at": "2025-09-30T10:00:00.000000Z",
        "deleted_at": None,
    }


def _billing(order: GenukaOrder) -> dict[str, Any]:
    """Render what is to pay; newer orders have a few fields more."""
    banked = order.index % 2 == 0
    amount = order.amount
    billing = {
        "address": None,
        "address_id": None,
        "discount": amount(order.discount),
        "method": ACCOUNT_ID if banked else "Cash",
        "net_to_pay": amount(order.total),
        "out_of_tax_total": amount(order.total - order.tax),
        "shipping": amount(order.fee),
        "status": order.statuses["payment"],
        "subtotal": amount(order.subtotal),
        "sum_negative_taxes": 0,
        "sum_positive_taxes": amount(order.tax),
        "total": amount(order.total),
        "treasury_account": treasury_account() if banked else None,
        "treasury_account_id": ACCOUNT_ID if banked else None,
        "treasury_account_label": "Bank" if banked else None,
    }
    if order.index % 3 == 0:
        year, month, number = day(order.created_at).split("-")
        billing |= {
            "amount": amount(order.total),
            "line_discounts_total": 0,
            "order_discounts_total": amount(order.discount),
            "scheduled_at": f"{number}/{month}/{year}",
        }
    return billing


def _shipping(order: GenukaOrder) -> dict[str, Any]:
    """Render how the order is sent; its date is a moment or a day."""
    planned = order.created_at + 6
    micro = order.index * 7919 % 1_000_000
    return {
        "address": None,
        "address_id": None,
        "amount": order.amount(order.fee),
        "mode": order.mode,
        "scheduled_at": day(planned) if order.index % 4 == 2 else iso_micro(planned, micro),
        "status": order.statuses["fulfillment"],
    }


def _invoices(order: GenukaOrder, draw: Draw) -> list[dict[str, Any]]:
    """Render the invoices of what has been paid."""
    if not order.paid:
        return []
    whole = order.statuses["payment"] == "paid"
    moment = iso_micro(order.updated_at)
    return [
        {
            "amount": order.amount(order.paid),
            "company_id": GENUKA_COMPANY_ID,
            "created_at": moment,
            "currency_code": order.currency,
            "deleted_at": None,
            "id": _ulid(_FIRST_MS + order.index * 1000 + 1, draw),
            "is_deposit": not whole,
            "is_final": whole,
            "medias": [],
            "metadata": None,
            "order_id": order.id,
            "reference": f"#INV_{1001 + order.index}",
            "shop_id": SHOPS[order.shop]["id"],
            "status": "paid",
            "updated_at": moment,
            "user_id": USER_ID,
        }
    ]


def _deliveries(order: GenukaOrder, draw: Draw) -> list[dict[str, Any]]:
    """Render the delivery of an order that is on its way or has arrived."""
    status = order.statuses["fulfillment"]
    if status == "pending":
        return []
    moment = iso_micro(order.updated_at)
    return [
        {
            "id": _ulid(_FIRST_MS + order.index * 1000 + 2, draw),
            "order_id": order.id,
            "invoice_id": None,
            "company_id": GENUKA_COMPANY_ID,
            "address_id": None,
            "user_id": USER_ID,
            "status": status,
            "mode": order.mode,
            "tracking_number": f"#DLV_{1001 + order.index}",
            "tracking_url": None,
            "scheduled_at": day(order.created_at),
            "starts_at": None,
            "ends_at": None,
            "metadata": {"auto_created": True} if order.index % 2 else [],
            "created_at": moment,
            "updated_at": moment,
            "deleted_at": None,
        }
    ]


def row_payload(order: GenukaOrder, seed: int) -> dict[str, Any]:
    """Render an order as a row of the list: no lines, no company, no shop, no user.

    :param order: the order.
    :param seed: the sandbox's seed.
    """
    draw = Draw(seed, "genuka details", order.index)
    who = buyer(order, seed)
    invoices, deliveries = _invoices(order, draw), _deliveries(order, draw)
    note = "À livrer avant midi" if order.index % 6 == 0 else None
    return {
        "addresses": [],
        "amount": order.amount(order.total),
        "amount_due": order.amount(order.total - order.paid),
        "billing": _billing(order),
        "bills": [],
        "calendar_event_id": None,
        "company_id": GENUKA_COMPANY_ID,
        "created_at": iso_micro(order.created_at),
        "credit_code": "701",
        "currency": order.currency,
        "custom_fields": [],
        "customer": who,
        "customer_id": None if who is None else who["id"],
        "customer_orders_count": 0 if order.customer is None else 1 + order.customer % 7,
        "debit_code": "4111",
        "deleted_at": None if order.deleted_at is None else iso_micro(order.deleted_at),
        "deliveries": deliveries,
        "delivery": deliveries[0] if deliveries else None,
        "discounts": [],
        "due_at": None,
        "expires_at": None,
        "id": order.id,
        "invoices": invoices,
        "invoices_count": len(invoices),
        "medias": [],
        "metadata": []
        if order.index % 4 == 1
        else {"matchingMediaIds": [], "note": note, "print_receipt": False},
        "pickup_location": None,
        "pickup_location_id": None,
        "private_medias": [],
        "reference": order.reference,
        "returns": [],
        "returns_count": 0,
        "revenue_type": "products",
        "shipping": _shipping(order),
        "shipping_fee": None,
        "shipping_fee_id": None,
        "shop_id": SHOPS[order.shop]["id"],
        "signature": None,
        "source": order.source,
        "state": order.state,
        "status": "pending",
        "subscriptions": [],
        "taxes": [],
        "updated_at": iso_micro(order.updated_at),
        "user_id": None if order.index % 10 == 9 else USER_ID,
    }


def activities_payload(order: GenukaOrder) -> list[dict[str, Any]]:
    """Render the log of an order, the newest entry first.

    :param order: the order.
    """
    fields = {"payment": "billing.status", "fulfillment": "shipping.status"}
    events: list[tuple[str, int, dict[str, Any]]] = [("created", order.created_at, {})]
    if order.seeded_at > order.created_at:
        events += [
            ("updated", order.seeded_at, {field: {"old": "pending", "new": order.seeded_status(axis)}})
            for axis, field in fields.items()
            if order.seeded_status(axis) != "pending"
        ]
    events += [
        ("updated", change.at, {fields[change.axis]: {"old": change.before, "new": change.after}})
        for change in order.changes
    ]
    entries: list[dict[str, Any]] = [
        {
            "id": order.index * 100 + nth,
            "log_name": "order",
            "description": event,
            "event": event,
            "subject_id": order.id,
            "subject_type": "App\\Models\\Order",
            "causer_id": USER_ID,
            "causer_type": "App\\Models\\User",
            "properties": properties or [],
            "batch_uuid": None,
            "username": "Sandra Exemple",
            "user": None,
            "created_at": iso_micro(at),
            "updated_at": iso_micro(at),
        }
        for nth, (event, at, properties) in enumerate(events)
    ]
    return entries[::-1]
