"""What Valomnia's operations, lines and payments look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_orders.sandbox import credentials
from airflow_provider_orders.sandbox.catalogue import PLACES
from airflow_provider_orders.sandbox.formats import day, iso_z, major
from airflow_provider_orders.sandbox.store import Order

if TYPE_CHECKING:
    from airflow_provider_orders.sandbox.drawing import Draw

__all__ = [
    "DELIVERY_STATUSES",
    "PAYMENT_STATUSES",
    "ValomniaOrder",
    "draw_order",
    "line_payload",
    "operation_payload",
    "payment_payload",
    "user_payload",
]

PAYMENT_STATUSES = ("NOT_PAID", "ADVANCE", "PAID", "IN_PROCESS")
DELIVERY_STATUSES = ("PENDING", "DELIVERED", "REJECTED")

_FIRST_ID = 7001
_ORGANIZATION = "sandbox-entity"
_TYPES = (*("ORDER",) * 14, "PREORDER", "PREORDER", "INVOICE", "INVOICE", "DELIVERYNOTE", "DELIVERY")
_PAID_SHARES = (*("PAID",) * 12, *("NOT_PAID",) * 4, *("ADVANCE",) * 2, *("IN_PROCESS",) * 2)
_DELIVERED_SHARES = (*("DELIVERED",) * 14, *("PENDING",) * 5, "REJECTED")
_CURRENCIES = (*("EUR",) * 7, "TND", "TND", "USD", "XAF")
_DECIMALS = {"TND": 3, "XAF": 0}
# Units of the currency to one of the organisation's own, the euro.
_EXCHANGE_RATES = {"EUR": 1, "USD": 1.1, "TND": 3.4, "XAF": 655.957}
_SHOPS = (
    "Marie's Jewelry",
    "Épicerie du Coin",
    "Boulangerie Exemple",
    "Kiosque d'Essai",
    "Bazar du Test",
    "Demo Mart",
)


class _Item(NamedTuple):
    """Something on the price list: reference, name and price, in the cents of whatever currency."""

    reference: str
    name: str
    cents: int


_ITEMS = (
    _Item("ITEM-001", "Eau minérale 1,5 l", 120),
    _Item("ITEM-002", "Jus de bissap 33 cl", 250),
    _Item("ITEM-003", "Café moulu 250 g", 485),
    _Item("ITEM-004", "Collier fantaisie", 2620),
    _Item("ITEM-005", "Savon de Marseille", 310),
    _Item("ITEM-006", "Huile d'olive 1 l", 995),
    _Item("ITEM-007", "Thé vert à la menthe", 375),
)
_PAYMENT_TYPES = {8: ("CHEQUE", "Cheque"), 9: ("CASH", "Cash")}


@dataclass(slots=True, eq=False, kw_only=True)
class ValomniaOrder(Order):
    """The facts of an operation that lists sort and filter by.

    :param lines: place on the price list and quantity of each line.
    :param total: the sum of the lines in the currency's smallest unit.
    """

    reference: str
    operation_type: str
    employee: str
    customer: str
    driver: str
    currency: str
    lines: tuple[tuple[int, int], ...]
    total: int

    def amount(self, minor: int) -> float:
        """Write an amount in the currency: one without cents comes as an integer."""
        amount = major(minor, _DECIMALS.get(self.currency, 2))
        return int(amount) if amount.is_integer() else amount

    @property
    def payments(self) -> int:
        """How many payments have been made."""
        return {"PAID": 1 + self.index % 2, "ADVANCE": 1}.get(self.statuses["payment"], 0)

    def item_reference(self, place: int) -> str:
        """Name what is sold in a line."""
        return _ITEMS[self.lines[place][0]].reference


def draw_order(draw: Draw, index: int, created_at: int) -> ValomniaOrder:
    """Draw an operation.

    :param draw: where the facts come from.
    :param index: place in the order of creation.
    :param created_at: seconds of the epoch.
    """
    currency = draw.pick(_CURRENCIES)
    first = draw.below(len(_ITEMS))
    lines = tuple(
        ((first + number * 2) % len(_ITEMS), 1 + draw.below(60))
        for number in range(draw.pick((1, 1, 2, 2, 3, 4)))
    )
    operation_type = draw.pick(_TYPES)
    return ValomniaOrder(
        index=index,
        id=str(_FIRST_ID + index),
        created_at=created_at,
        updated_at=created_at + draw.below(15 * 86400),
        statuses={"payment": draw.pick(_PAID_SHARES), "fulfillment": draw.pick(_DELIVERED_SHARES)},
        reference=f"REF-{operation_type}-{1001 + index}",
        operation_type=operation_type,
        employee=f"emp-{1 + draw.below(6):02d}",
        customer=f"C{100 + draw.below(120):04d}",
        driver=f"emp-{10 + draw.below(4):02d}",
        currency=currency,
        lines=lines,
        total=sum(quantity * _ITEMS[item].cents for item, quantity in lines),
    )


def _midnight(at: int, days: int = 0) -> str:
    """Write a day of Central Europe the way Valomnia does: as the UTC moment of its local midnight."""
    midnight = (at // 86400 + days) * 86400
    # Clocks there are put back on the last Sunday of October; by the day is close enough for a fake.
    summer = "03-29" <= day(midnight)[5:] < "10-26"
    return iso_z(midnight - (7200 if summer else 3600))


def _stub(version: str, kind: str, number: int, **fields: Any) -> dict[str, Any]:
    """Point to something else: its id, a few fields, and where it is on the server."""
    return {"id": number, **fields, "href": f"/api/{version}/{kind}/{number}"}


def _employee(version: str, reference: str) -> dict[str, Any]:
    """Point to a user by the number in the reference."""
    return _stub(version, "users", int(reference[-2:]), reference=reference)


def _advance(order: ValomniaOrder) -> float | None:
    """Say how much has been paid in advance: a third."""
    return order.amount(order.total // 3) if order.statuses["payment"] == "ADVANCE" else None


def _customer(order: ValomniaOrder, version: str) -> dict[str, Any]:
    """Point to the customer; the current version adds a category."""
    number = int(order.customer[1:])
    stub = _stub(
        version,
        "customers",
        number,
        reference=order.customer,
        reference2=None if number % 3 else f"ALT-{number}",
        name=_SHOPS[number % len(_SHOPS)],
    )
    return {**stub, "categoryReference": f"CAT-{number % 4}"} if version.startswith("v2") else stub


def operation_payload(order: ValomniaOrder, version: str) -> dict[str, Any]:
    """Render an operation, alone or as a row.

    :param order: the operation.
    :param version: the API version, which ``href`` values repeat.
    """
    paid, delivery = order.statuses["payment"] == "PAID", order.statuses["fulfillment"]
    number, index, total = int(order.id), order.index, order.amount(order.total)
    place = PLACES[index % len(PLACES)]
    payment_type = 8 + index % 2
    reference, label = _PAYMENT_TYPES[payment_type]
    payments = [
        _stub(
            version,
            "orderPayments",
            number * 10 + nth,
            reference=None if index % 9 == 4 else f"{number}_{nth}",
        )
        for nth in range(order.payments)
    ]
    located = index % 3 == 0
    prepayments: dict[str, Any] = {"orderPrepayments": []} if version.startswith("v2") else {}
    invoice = order.operation_type == "INVOICE"
    return {
        "id": number,
        "operationType": order.operation_type,
        "reference": order.reference,
        "status": order.statuses["payment"],
        "latitude": round(43 + index % 700 / 100, 3) if located else None,
        "longitude": round(1 + index % 900 / 100, 3) if located else None,
        "checkInDate": iso_z(order.created_at - 600) if located else None,
        "total": total,
        "totalExclTax": total,
        "totalDiscounted": total,
        "discount": None if index % 4 else 0,
        "taxAmount": 0 if invoice else None,
        "shippingFee": None if index % 5 else 7,
        "paymentDate": _midnight(order.updated_at) if paid else None,
        "paymentTypeId": payment_type if order.payments else None,
        "paymentType": (
            _stub(version, "paymentTypes", payment_type, reference=reference, name=label)
            if order.payments
            else None
        ),
        "advanceAmount": _advance(order),
        "orderPayments": payments,
        **prepayments,
        "dueDate": day(order.created_at + 30 * 86400) if invoice else None,
        "customerReference": order.customer,
        "customer": _customer(order, version),
        "currency": order.currency,
        "exchangeRate": _EXCHANGE_RATES[order.currency],
        "employeeReference": order.employee,
        "user": _employee(version, order.employee),
        "deliveryStatus": delivery,
        "deliveryDate": _midnight(order.created_at, 3),
        "deliveryComment": "Client absent" if delivery == "REJECTED" else None,
        "deliveryCountry": place.country,
        "deliveryCity": place.city,
        "deliveryPostalCode": place.postcode or None,
        "deliveryAddress": f"{1 + index % 90} {place.street}" if index % 2 else None,
        "orderLines": [_stub(version, "orderDetails", number * 10 + nth) for nth in range(len(order.lines))],
        "pdfUrl": f"https://valomnia.example.com/{_ORGANIZATION}/orderPDF/{number}_{order.reference}.pdf",
        "organization": _ORGANIZATION,
        "dateCreated": iso_z(order.created_at),
        "lastUpdated": iso_z(order.updated_at),
        "deliveredBy": _employee(version, order.driver) if delivery == "DELIVERED" else None,
        "desiredDeliveryDate": _midnight(order.created_at, 2),
        "deliveredOn": _midnight(order.updated_at) if delivery == "DELIVERED" else None,
        "assignmentDate": _midnight(order.created_at, 1) if delivery != "PENDING" else None,
    }


def line_payload(order: ValomniaOrder, place: int, version: str) -> dict[str, Any]:
    """Render a line.

    :param order: the operation it belongs to.
    :param place: which line, from 0.
    :param version: the API version.
    """
    number, (item_place, quantity) = int(order.id), order.lines[place]
    item = _ITEMS[item_place]
    created = iso_z(order.created_at)
    if order.index % 20 == 7:
        # The documentation prints dates like this: 2014_12_20T22:00:00Z.
        created = _midnight(order.created_at).replace("-", "_")
    return {
        "id": number * 10 + place,
        "operationType": order.operation_type,
        "orderReference": order.reference,
        "order": _stub(version, "orders", number, reference=order.reference),
        "itemReference": item.reference,
        "unitReference": "PIECE",
        "item": _stub(version, "items", 500 + item_place, reference=item.reference, name=item.name),
        "unit": _stub(version, "units", 3, reference="PIECE", name="Pièce"),
        "discount": 0,
        "finalPrice": order.amount(item.cents * quantity),
        "unitPrice": order.amount(item.cents),
        "tax": 0,
        "quantity": quantity,
        "type": "REGULAR",
        "comment": None if order.index % 6 else "Sans sachet",
        "soldSerialNumbers": None,
        "organization": _ORGANIZATION,
        "dateCreated": created,
        "lastUpdated": iso_z(order.updated_at),
    }


def payment_payload(order: ValomniaOrder, place: int, version: str) -> dict[str, Any]:
    """Render a payment.

    :param order: the operation it pays.
    :param place: which payment, from 0.
    :param version: the API version.
    """
    number, payment_type = int(order.id), 8 + order.index % 2
    reference, label = _PAYMENT_TYPES[payment_type]
    cheque = reference == "CHEQUE"
    return {
        "id": number * 10 + place,
        "reference": None if order.index % 9 == 4 else f"{number}_{place}",
        "orderReference": order.reference,
        "order": _stub(
            version,
            "orders",
            number,
            reference=order.reference,
            customerReference=order.customer,
            userReference=order.employee,
        ),
        "advanceAmount": _advance(order),
        "paymentDate": _midnight(order.updated_at).replace("-", "_"),
        "isLast": place == order.payments - 1,
        "paymentTypeReference": reference,
        "paymentType": _stub(version, "paymentTypes", payment_type, reference=reference, name=label),
        "bank": "Banque d'Essai" if cheque else None,
        "chequeNumber": f"{9_000_000 + number}" if cheque else None,
        "desiredPaymentDate": None,
        "chequeImage": None,
        "dateCreated": iso_z(order.updated_at),
        "lastUpdated": iso_z(order.updated_at),
    }


def user_payload() -> dict[str, Any]:
    """Describe the user who logs in."""
    return {
        "firstName": "Sandra",
        "lastName": "Exemple",
        "email": credentials.VALOMNIA_EMAIL,
        "address": None,
        "city": "Tunis",
        "country": "TN",
        "postalCode": None,
        "gender": "FEMALE",
        "phone": "+33 6 39 98 00 00",
        "job": None,
        "avatar": None,
        "birthday": None,
        "companyName": "Sandbox Entity",
        "companyDescription": None,
        "isGeoLocationActivated": True,
        "enableCheckStock": False,
        "enableAssignRegionToCustomer": False,
        "role": ["ROLE_ADMIN"],
        "enabled": True,
    }
