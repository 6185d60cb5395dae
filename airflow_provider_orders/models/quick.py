"""A fast way to validate orders, and to map them, without building the payload models.

From each payload model a ``msgspec.Struct`` with the same fields is derived, strict in every type. What
it accepts, the model accepts too, and what is read from it is the same, because the model's own methods
read it. What it refuses goes to the model, which decides. A property test holds both together.
"""

from __future__ import annotations

import operator
import threading
import types
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, reduce
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel

from airflow_provider_orders.models.payload import PHP_EMPTY, Money, Payload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_orders.models.base import OrderSummary, VendorOrder

__all__ = ["quick_order", "quick_summary"]

_BUILDING = threading.Lock()

_NUMBERS = float | None
_EMPTY_LIST = Annotated[list[msgspec.Raw], msgspec.Meta(max_length=0)]


@dataclass(frozen=True, eq=False)
class _Reading:
    """How much of an order is read; what is not is only checked.

    :param number: the type of a decimal number.
    :param anything: the type of a field without a documented shape.
    """

    number: type
    anything: Any


# A summary reads neither kind, so no Decimal is made of a number, and any JSON is passed over.
_SUMMARY = _Reading(number=float, anything=msgspec.Raw)
_ORDER = _Reading(number=Decimal, anything=Any)

_DECODERS: dict[tuple[type[VendorOrder], _Reading], msgspec.json.Decoder[Any]] = {}


def quick_summary(model: type[VendorOrder], raw: bytes) -> OrderSummary | None:
    """Check one order's JSON and give its summary.

    :param model: the vendor's payload model.
    :param raw: the order's JSON.
    :return: None where only the model can decide.
    """
    try:
        summary: OrderSummary = _decode(model, _SUMMARY, raw).summary()
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError):
        return None
    return summary if summary.total is None or summary.total.is_finite() else None


def quick_order(model: type[VendorOrder], raw: bytes) -> Any:
    """Check one order's JSON and give what can be used in place of the model, to map it.

    :param model: the vendor's payload model.
    :param raw: the order's JSON.
    :return: None where only the model can decide.
    """
    try:
        return _decode(model, _ORDER, raw)
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError):
        return None


def _decode(model: type[VendorOrder], reading: _Reading, raw: bytes) -> Any:
    if not raw.isascii():
        raw.decode()  # a struct skips unknown fields without looking at their bytes
    decoder = _DECODERS.get((model, reading))
    if decoder is None:
        # Two threads that build decoders of the same structs at once crash the process (msgspec 0.22).
        with _BUILDING:
            decoder = _DECODERS.get((model, reading)) or _build(model, reading)
            _DECODERS[model, reading] = decoder
    return decoder.decode(raw)


def _build(model: type[VendorOrder], reading: _Reading) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_struct(model, reading), float_hook=Decimal)


@cache
def _struct(model: type[BaseModel], reading: _Reading) -> type[msgspec.Struct]:
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    total = getattr(model, "TOTAL_FIELD", None)
    for name, info in model.model_fields.items():
        needed = _ORDER if name == total else reading
        kind = _type(info.annotation, tuple(info.metadata), needed)
        fields.append((name, kind) if info.is_required() else (name, kind, None))
    namespace = _own(model) | {"__repr__": _repr}
    numbers = [name for name, info in model.model_fields.items() if info.annotation == Money]
    if numbers and reading is _ORDER:
        namespace["__post_init__"] = _all_finite(numbers)
    # Nothing that is decoded can be part of a circle, so the garbage collector need not look at it.
    return msgspec.defstruct(model.__name__, fields, kw_only=True, gc=False, namespace=namespace)


def _own(model: type[BaseModel]) -> dict[str, Any]:
    """Give what a payload model defines beside its fields: how it is read, and constants."""
    found = {name: getattr(model, name) for name in model.__class_vars__}
    for parent in reversed(model.__mro__):
        if issubclass(parent, Payload):
            found |= {
                name: value
                for name, value in vars(parent).items()
                if isinstance(value, types.FunctionType | property) and not name.startswith("__")
            }
    return found


def _repr(self: msgspec.Struct) -> str:
    return f"{type(self).__name__}()"  # as the model's own: nothing personal


def _all_finite(names: Sequence[str]) -> Callable[[msgspec.Struct], None]:
    """Refuse ``"NaN"`` and ``"Infinity"``, which msgspec reads as numbers and pydantic does not."""
    read = operator.attrgetter(names[0], *names)  # two at least: of one name it would not give a tuple

    def check(self: msgspec.Struct) -> None:
        for number in read(self):
            if number is not None and not number.is_finite():
                raise ValueError

    return check


def _type(annotation: Any, metadata: tuple[Any, ...], reading: _Reading) -> Any:
    """Translate a field's annotation from pydantic's terms into msgspec's, never wider than it was."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0], (*metadata, *arguments[1:]), reading)
    if origin in {Union, types.UnionType}:
        members = [_type(member, (), reading) for member in arguments]
        return reduce(operator.or_, [*members, _EMPTY_LIST] if PHP_EMPTY in metadata else members)
    if origin in {list, dict}:
        # Numbers in here are nobody's to read, and what is no field is not looked at by ``_all_finite``.
        return origin[
            tuple(_NUMBERS if argument == Money else _type(argument, (), reading) for argument in arguments)
        ]
    if annotation is Any:
        return reading.anything
    if annotation is Decimal:
        return reading.number
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _struct(annotation, reading)
    shortest = max((getattr(rule, "min_length", 0) for rule in metadata), default=0)
    return Annotated[annotation, msgspec.Meta(min_length=shortest)] if shortest else annotation
