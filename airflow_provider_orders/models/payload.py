"""What every vendor's payload model is made of: one base class, and the types of its fields."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict

from airflow_provider_orders.models.personal import PERSONAL, Discreet, Json, PersonalText

__all__ = ["PERSONAL", "PHP_EMPTY", "FreeObject", "Json", "Money", "Payload", "PersonalText"]

Money = Decimal | None
"""A decimal number in the order's currency, unless the field names another unit."""


def _without_php_empty(value: Any) -> Any:
    return None if isinstance(value, list) and not value else value


PHP_EMPTY = BeforeValidator(_without_php_empty)
"""On a field that holds an object: PHP writes an empty one as ``[]``, which is read as None."""

FreeObject = Annotated[dict[str, Json] | None, PHP_EMPTY]
"""An object whose keys the vendor does not document."""


class Payload(Discreet):
    """A vendor's JSON object: documented fields typed, others kept, nothing personal in ``repr``."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True, defer_build=True)
