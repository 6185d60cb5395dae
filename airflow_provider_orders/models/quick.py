"""A fast way to validate orders that are exported as they came.

From each payload model a ``msgspec.Struct`` with the same fields is derived, strict in every type. What
it accepts, the model accepts too, and identity, statuses and total are the same, because the same
methods read them. What it refuses goes to the model, which decides. A property test holds both together.
"""

from __future__ import annotations

import operator
import threading
import types
from decimal import Decimal
from functools import cache, reduce
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel

from airflow_provider_orders.models.payload import PHP_EMPTY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_orders.models.base import OrderSummary, VendorOrder

__all__ = ["quick_summary"]

_METHODS = ("identity", "status_words", "money_total", "window_texts", "summary")

# How the two kinds of field that a summary does not read are checked: any JSON, without decoding it,
# and any number, without making a Decimal of it. A number inside a string is left to the model.
_ANYTHING = msgspec.Raw
_NUMBER = float

_DECODERS: dict[type[VendorOrder], msgspec.json.Decoder[Any]] = {}
_BUILDING = threading.Lock()

_EMPTY_LIST = Annotated[list[msgspec.Raw], msgspec.Meta(max_length=0)]


def quick_summary(model: type[VendorOrder], raw: bytes) -> OrderSummary | None:
    """Check one order's JSON against the schema that is derived from its model.

    :param model: the vendor's payload model.
    :param raw: the order's JSON.
    :return: None where only the model can decide.
    """
    try:
        raw.decode()  # a struct skips unknown fields without looking at their bytes
        summary: OrderSummary = _decoder(model).decode(raw).summary()
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError):
        return None
    total: object = summary.total
    if total is None or type(total) is Decimal:
        return summary
    return summary._replace(total=Decimal(total)) if type(total) is int else None


def _decoder(model: type[VendorOrder]) -> msgspec.json.Decoder[Any]:
    decoder = _DECODERS.get(model)
    if decoder is None:
        # Two threads that build decoders of the same structs at once crash the process (msgspec 0.22).
        with _BUILDING:
            decoder = _DECODERS.get(model) or _build(model)
            _DECODERS[model] = decoder
    return decoder


def _build(model: type[VendorOrder]) -> msgspec.json.Decoder[Any]:
    methods = {name: getattr(model, name) for name in _METHODS}
    return msgspec.json.Decoder(_struct(model, total=model.TOTAL_FIELD, methods=methods), float_hook=Decimal)


def _struct(
    model: type[BaseModel], *, total: str | None = None, methods: Mapping[str, Any] | None = None
) -> type[msgspec.Struct]:
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for name, info in model.model_fields.items():
        kind = _type(info.annotation, tuple(info.metadata))
        if name == total and kind == _NUMBER | None:
            kind = Any  # read as Decimal by the float hook, and checked above
        fields.append((name, kind) if info.is_required() else (name, kind, None))
    return msgspec.defstruct(model.__name__, fields, kw_only=True, namespace=dict(methods or {}))


@cache
def _nested(model: type[BaseModel]) -> type[msgspec.Struct]:
    return _struct(model)


def _type(annotation: Any, metadata: tuple[Any, ...] = ()) -> Any:
    """Translate a field's annotation from pydantic's terms into msgspec's, never wider than it was."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0], (*metadata, *arguments[1:]))
    if origin in {Union, types.UnionType}:
        members = [_type(member) for member in arguments]
        return reduce(operator.or_, [*members, _EMPTY_LIST] if PHP_EMPTY in metadata else members)
    if origin in {list, dict}:
        return origin[tuple(_type(argument) for argument in arguments)]
    if annotation is Any:
        return _ANYTHING
    if annotation is Decimal:
        return _NUMBER
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _nested(annotation)
    shortest = max((getattr(rule, "min_length", 0) for rule in metadata), default=0)
    return Annotated[annotation, msgspec.Meta(min_length=shortest)] if shortest else annotation
