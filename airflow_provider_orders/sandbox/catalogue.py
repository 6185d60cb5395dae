"""The invented people, places and goods that all vendors draw from.

Addresses are at example.com and example.org; French and British telephone numbers come from the ranges that the
regulators keep for fiction, African ones use an area that is not assigned.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from airflow_provider_orders.sandbox.drawing import Draw

__all__ = ["PLACES", "Customer", "Place", "customer", "phone"]


class Place(NamedTuple):
    """A town."""

    city: str
    postcode: str
    country: str
    street: str


class Customer(NamedTuple):
    """Somebody who buys, sells or delivers."""

    first_name: str
    last_name: str
    email: str
    phone: str
    place: Place


_FIRST_NAMES = (
    "Camille", "Aminata", "Léa", "Kwame", "Chloé", "Fatou", "Hugo", "Ngozi", "Inès", "Thierry", "Zoé", "Moussa",
    "Élodie", "Samuel", "Awa", "Jules", "Mariama", "Noé", "Sandrine", "Ibrahim", "Clara", "Didier", "Nadia", "Marc",
)  # fmt: skip
_LAST_NAMES = (
    "Durand", "Ngono", "Lefèvre", "Mbarga", "Moreau", "Diallo", "Fontaine", "Okafor", "Garnier", "Traoré", "Roussel",
    "Eyenga", "Marchand", "Sow", "Perrin", "Kamga", "Chevalier", "Mensah", "Barbier", "Atangana", "Noël", "Keïta",
)  # fmt: skip
PLACES = (
    Place("Paris", "75011", "FR", "rue des Essais"),
    Place("Lyon", "69003", "FR", "avenue du Bac à Sable"),
    Place("Nantes", "44000", "FR", "quai de l'Exemple"),
    Place("Strasbourg", "67000", "FR", "place du Modèle"),
    Place("Bruxelles", "1000", "BE", "rue de la Maquette"),
    Place("Genève", "1201", "CH", "chemin du Prototype"),
    Place("Douala", "", "CM", "boulevard de la Démo"),
    Place("Yaoundé", "", "CM", "rue du Test"),
    Place("Dakar", "11000", "SN", "corniche de l'Essai"),
    Place("Abidjan", "", "CI", "rue des Échantillons"),
    Place("Tunis", "1002", "TN", "avenue du Jeu"),
    Place("London", "N1 9XX", "GB", "Sample Street"),
)
_PHONES = {
    "FR": "+33 6 39 98 {:02d} {:02d}",
    "GB": "+44 7700 900{:01d}{:02d}",
    "CM": "+237 000 00 {:02d} {:02d}",
}


def _ascii_word(text: str) -> str:
    """Write a name as it stands in an e-mail address."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(letter for letter in plain.lower() if letter.isalnum())


def phone(draw: Draw, country: str) -> str:
    """Draw a telephone number of a range kept for fiction."""
    form = _PHONES.get(country, _PHONES["FR"])
    return form.format(draw.below(10), draw.below(100))


def customer(draw: Draw, number: int) -> Customer:
    """Draw a person.

    :param draw: where the details come from.
    :param number: makes the e-mail address unique.
    """
    first, last, place = draw.pick(_FIRST_NAMES), draw.pick(_LAST_NAMES), draw.pick(PLACES)
    domain = "example.com" if number % 2 else "example.org"
    email = f"{_ascii_word(first)}.{_ascii_word(last)}.{number}@{domain}"
    return Customer(first, last, email, phone(draw, place.country), place)
