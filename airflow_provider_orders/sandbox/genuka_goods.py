"""What Genuka's shops sell."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["GOODS"]


class _Good(NamedTuple):
    """A product: its name, what it is, and its price in francs (or in cents of a currency that has some)."""

    title: str
    words: str
    price: int
    sku: str | None


GOODS = (
    _Good("Black Whisk", "Un fouet de cuisine ergonomique, essentiel pour battre et mélanger.", 6600, None),
    _Good("Savon au karité", "Pain de 200 g, moulé à froid.", 1500, "SAV-KAR"),
    _Good("Pagne « Démo »", "Six yards de coton imprimé.", 12500, "PAG-006"),
    _Good("Café de l'Ouest 500 g", "Arabica, torréfaction moyenne.", 4200, "CAF-500"),
    _Good("Poivre blanc 100 g", "Récolte imaginaire de Penja.", 3500, None),
    _Good("Théière émaillée", "Contenance d'un litre.", 9800, "THE-001"),
    _Good("Nappe brodée", "Brodée à la main, 150 x 250 cm.", 27500, "NAP-250"),
)
