"""What every vendor's payload model is made of: one base class, and the types of its fields."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, TypeVar

import msgspec
from pydantic import BeforeValidator, ConfigDict, ValidationError

from airflow_provider_orders.errors import UnexpectedPayloadError
from airflow_provider_orders.models.personal import (
    PERSONAL,
    Discreet,
    Json,
    PersonalText,
    documented_names,
)

__all__ = [
    "PERSONAL",
    "PHP_EMPTY",
    "FreeObject",
    "Json",
    "Money",
    "Payload",
    "PersonalText",
    "called",
    "joined",
    "read_payload",
    "text_in",
]

Money = Decimal | None
"""A decimal number in the order's currency, unless the field names another unit."""


def _without_php_empty(value: Any) -> Any:
    return None if isinstance(value, list) and not value else value


PHP_EMPTY = BeforeValidator(_without_php_empty)
"""On a field that holds an object: PHP writes an empty one as ``[]``, which is read as None.

A mapping asks whether such a field is true, not whether it is None: :mod:`.quick` leaves the empty list.
"""

FreeObject = Annotated[dict[str, Json] | None, PHP_EMPTY]
"""An object whose keys the vendor does not document."""


def text_in(content: dict[str, Json], key: str) -> str | None:
    """Give a text or a whole number in an object without a documented shape; None where it is neither."""
    value = content.get(key)
    return str(value) if value and isinstance(value, (str, int)) else None


def joined(*parts: str | None) -> str | None:
    """Join what there is of a name or an address; None where there is nothing."""
    return " ".join([part for part in parts if part]) or None


class Payload(Discreet):
    """A vendor's JSON object: documented fields typed, others kept, nothing personal in ``repr``."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True, defer_build=True)


_Model = TypeVar("_Model", bound=Payload)

# Money is Decimal from the first byte: a float never exists.
_DECODER = msgspec.json.Decoder(float_hook=Decimal)

_READABLE_ID = re.compile(r"[\w.:#/-]{1,64}", re.ASCII)


def read_payload(model: type[_Model], raw: bytes, *, vendor: str, kind: str, id_field: str) -> _Model:
    """Read the JSON of one thing that a vendor sends.

    :param kind: what it is, for the error: ``order``, ``ambassador``.
    :param id_field: the field that holds its id, for the error.
    :raises UnexpectedPayloadError: it is not what the vendor documents; the message names the thing, the
        field and what was expected, and repeats no value.
    """
    content: Any = None
    try:
        content = _DECODER.decode(raw)
        return model.model_validate(content)
    except ValidationError as error:
        problem = _explain(error, model, kind)
    except (msgspec.MsgspecError, ArithmeticError, ValueError, RecursionError):
        problem = "it is not valid JSON"
    found = content.get(id_field) if isinstance(content, dict) else None
    raise UnexpectedPayloadError(
        f"{called(found, kind)} is not what {vendor} documents: {problem}.", vendor=vendor
    ) from None


def called(identity: object, kind: str = "order") -> str:
    """Name something in an error; what does not look like an id might be anything, and is not repeated."""
    if isinstance(identity, int | str) and _READABLE_ID.fullmatch(str(identity)):
        return f"{kind.capitalize()} {identity}"
    return f"An {kind} without a readable id"


def _explain(error: ValidationError, model: type[Payload], kind: str) -> str:
    """Say what is wrong with the first field that is, without repeating a value."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    first, known = problems[0], documented_names(model)
    # A key that is not a documented name is part of the data, or of pydantic's own words.
    parts = (str(part) if isinstance(part, int) or part in known else "*" for part in first["loc"])
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{'.'.join(parts) or f'the {kind}'}: {first['msg'][:1].lower()}{first['msg'][1:]}{more}"
