"""Personal data: which fields hold it, and how it is kept out of ``repr`` and of XCom."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, get_args

import msgspec
from pydantic import BaseModel

from airflow_provider_orders.errors import UnexpectedPayloadError

__all__ = ["MASK", "PERSONAL", "Discreet", "Json", "PersonalText", "documented_names", "redact", "redact_raw"]

MASK = "***"


class _Personal:
    """The type of the marker; there is one instance."""

    def __repr__(self) -> str:
        return "PERSONAL"


PERSONAL = _Personal()
"""Marks a field that tells something about a person: ``Annotated[str | None, PERSONAL]``."""

PersonalText = Annotated[str | None, PERSONAL]

Json = Any
"""Whatever the vendor sends where it documents no shape. Counts as personal: nobody knows what is in it."""


class Discreet(BaseModel):
    """A model whose ``repr`` shows its class and at most an id.

    pydantic prints every field, which would put customers into logs and tracebacks.
    """

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """Leave every field out."""
        return []

    def __str__(self) -> str:
        return repr(self)


@dataclass(frozen=True, slots=True)
class _Field:
    """What redaction must know about one documented field."""

    personal: bool
    models: tuple[type[BaseModel], ...]
    free: bool


def redact(model: BaseModel) -> dict[str, Any]:
    """Give a model's content without personal data, ready for JSON and XCom.

    Names, e-mails and the like become ``***``; so does everything that the vendor does not document,
    because nobody knows what is in it. None stays None. Money is text.

    :param model: a vendor's payload or a canonical order.
    """
    # pydantic's warnings would quote the values of a model that was built without validation.
    return _masked_object(model.model_dump(mode="json", warnings=False), (type(model),))


def redact_raw(raw: bytes, model_type: type[BaseModel]) -> dict[str, Any]:
    """Do the same to an order as the vendor sent it: its names, and its numbers as numbers.

    The order need not be valid: a value in a place where ``model_type`` expects another shape is masked.

    :param raw: the order's JSON.
    :param model_type: the vendor's payload model.
    :raises UnexpectedPayloadError: it is not a JSON object.
    """
    try:
        content = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise UnexpectedPayloadError("An order is not a JSON object, so it cannot be redacted.")
    return _masked_object(content, (model_type,))


@cache
def documented_names(model: type[BaseModel]) -> frozenset[str]:
    """Give the names of a model's fields, and of those of the models inside it."""
    names = set(model.model_fields)
    for info in model.model_fields.values():
        names.update(*(documented_names(part) for part in _parts(info.annotation) if _is_model(part)))
    return frozenset(names)


def _masked_object(content: dict[str, Any], models: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    documented = _documented(models)
    return {name: _masked(value, documented.get(name)) for name, value in content.items()}


def _masked(value: Any, known: _Field | None) -> Any:
    if value is None:
        return None
    if known is None or known.personal:
        return MASK
    if isinstance(value, list):
        return [_masked(item, known) for item in value]
    if isinstance(value, dict):
        if known.models:
            return _masked_object(value, known.models)
        return {} if not value else MASK
    return MASK if known.free or known.models else value


@cache
def _documented(models: tuple[type[BaseModel], ...]) -> dict[str, _Field]:
    fields: dict[str, _Field] = {}
    for model in models:
        for name, info in model.model_fields.items():
            fields[info.serialization_alias or info.alias or name] = _Field(
                personal=PERSONAL in info.metadata or PERSONAL in _parts(info.annotation),
                models=tuple(part for part in _parts(info.annotation) if _is_model(part)),
                free=Any in _parts(info.annotation),
            )
        for name in model.model_computed_fields:
            fields[name] = _Field(personal=False, models=(), free=False)
    return fields


def _parts(annotation: Any) -> list[Any]:
    """Take ``list[Annotated[X | None, PERSONAL]]`` apart into X, None and PERSONAL."""
    inner = [part for argument in get_args(annotation) for part in _parts(argument)]
    metadata = list(getattr(annotation, "__metadata__", ()))
    return [*inner, *metadata] or [annotation]


def _is_model(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, BaseModel)
