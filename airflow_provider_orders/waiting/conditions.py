"""When a wait is over: which statuses are wanted, which mean failure, and what a set of orders amounts to."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypedDict

from airflow_provider_orders.errors import ConfigurationError, OrderFailedError
from airflow_provider_orders.models.statuses import StatusWord

if TYPE_CHECKING:
    from airflow_provider_orders.models.base import VendorOrder
    from airflow_provider_orders.models.statuses import StatusAxis

__all__ = [
    "NOT_FOUND",
    "REQUIRE",
    "OrderReport",
    "Outcome",
    "StatusCondition",
    "StatusWords",
    "Words",
    "failure",
    "order_ids",
]

log = logging.getLogger(__name__)

REQUIRE: Final = ("all", "any")
NOT_FOUND: Final = ("fail", "wait")

Words: TypeAlias = str | Sequence[str] | Mapping[str, str | Sequence[str]] | None
"""A status, a list of them, or either for each axis."""

StatusWords: TypeAlias = "Mapping[str, StatusWord]"
"""What an order says on each axis."""

_logged_unknown: set[tuple[str, str, str]] = set()


class Outcome(StrEnum):
    """Where a wait stands."""

    WAITING = "waiting"
    MET = "met"
    FAILED = "failed"


class OrderReport(TypedDict):
    """Where one order of a wait stands; plain, so that it can travel as an event and as XCom.

    :param order_id: the id or reference that was asked for.
    :param outcome: ``waiting``, ``met`` or ``failed``.
    :param status: canonical status on each axis of the wait.
    :param status_raw: the vendor's own word on each.
    :param seen_at: when the answer that says so came, ISO 8601 in UTC; None for an order that is not there.
    """

    order_id: str
    outcome: str
    status: dict[str, str]
    status_raw: dict[str, str | None]
    seen_at: str | None


@dataclass(frozen=True, slots=True)
class _Choice:
    """Some statuses of an axis: the vendor's own words, folded, and canonical ones."""

    own: frozenset[str] = frozenset()
    canonical: frozenset[str] = frozenset()

    def covers(self, axis: StatusAxis) -> frozenset[str]:
        """Give the vendor's words, folded, that it stands for."""
        return self.own | {
            word.casefold() for word, meaning in axis.words.items() if meaning.value in self.canonical
        }

    def common(self, other: _Choice) -> str | None:
        """Give a status that both name, None where there is none."""
        return min((self.own & other.own) | (self.canonical & other.canonical), default=None)


@dataclass(frozen=True, slots=True)
class _AxisCondition:
    """What is waited for on one axis.

    :param vendor: the vendor.
    :param axis: the axis.
    :param is_wanted: whether the wait needs this axis, rather than only watching it for failures.
    :param wanted: what ends the wait well.
    :param failed: what ends it badly.
    :param ignored: what does neither, whatever the others say.
    """

    vendor: str
    axis: StatusAxis
    is_wanted: bool
    wanted: _Choice
    failed: _Choice
    ignored: _Choice
    _documented: Mapping[StatusWord, Outcome] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        words = [StatusWord(word, meaning) for word, meaning in self.axis.words.items()]
        object.__setattr__(self, "_documented", {word: self._decide(word) for word in words})

    def outcome(self, word: StatusWord) -> Outcome:
        outcome = self._documented.get(word)
        return self._decide(word) if outcome is None else outcome

    def _decide(self, word: StatusWord) -> Outcome:
        axis = self.axis
        if axis.read(word.raw).canonical is word.canonical:
            own = {(word.raw or "").strip().casefold()}
        else:
            # The vendor says more in another field, such as a deletion: its word is out of date, its meaning counts.
            own = {known.casefold() for known in axis.words_for(word.canonical.value)}
        # A word of the vendor says more than a canonical one.
        outcome = self._named(own, "own") or self._named({word.canonical.value}, "canonical")
        if outcome is not None:
            return outcome
        if word.raw is not None and word.canonical.value == "unknown":
            _note_unknown(self.vendor, axis.name, word.raw)
        return Outcome.WAITING

    def _named(self, words: set[str], kind: str) -> Outcome | None:
        if words & getattr(self.ignored, kind):
            return Outcome.WAITING
        if words & getattr(self.wanted, kind):
            return Outcome.MET
        return Outcome.FAILED if words & getattr(self.failed, kind) else None

    def ending_words(self) -> frozenset[str]:
        """Give the vendor's words, in its spelling, that can end a wait."""
        folded = self.wanted.covers(self.axis) | self.failed.covers(self.axis)
        return frozenset(word for word in self.axis.words if word.casefold() in folded)


@dataclass(frozen=True, slots=True, eq=False)
class StatusCondition:
    """What an order, or a number of them, is waited for.

    Build it with :meth:`of`, which checks the words.

    :param parts: what is waited for on each axis; all have to be met, and one that fails is enough to fail.
    :param require: ``all`` or ``any`` of the orders.
    :param at_least: how many of the orders, in place of ``require``.
    """

    parts: tuple[_AxisCondition, ...]
    require: str = "all"
    at_least: int | None = None
    axes: tuple[str, ...] = field(init=False)
    """Names of the axes looked at."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", tuple(part.axis.name for part in self.parts))

    @classmethod
    def of(
        cls,
        model: type[VendorOrder],
        *,
        wanted: Words = None,
        failed: Words = None,
        ignored: Words = None,
        axis: str | None = None,
        require: str = "all",
        at_least: object = None,
        orders: int | None = None,
    ) -> StatusCondition:
        """Check what a user asks for against what the vendor has.

        :param model: the vendor's order.
        :param wanted: statuses that end the wait well: canonical words or the vendor's own; the vendor's default where
            None. A mapping asks for a status on each of several axes, ``{"fulfillment": "delivered", "payment": "paid"}``.
        :param failed: statuses that end it badly; as a mapping, the axes that it does not name keep their default.
        :param ignored: statuses that do neither, although the defaults say so.
        :param axis: what words without an axis are about: ``order``, ``payment`` or ``fulfillment``; the vendor's default
            where None.
        :param require: ``all`` or ``any``.
        :param at_least: how many orders, at the least, have to be met.
        :param orders: how many orders there are, to check ``at_least``.
        :raises ConfigurationError: an unknown axis or status, the same status in two roles, a number of orders that
            there are not, or a wait that nothing could end.
        """
        if isinstance(wanted, Mapping):
            for each in wanted:
                _axis(model, each, "wanted")
            if axis is None and len(wanted) == 1:
                (axis,) = wanted
        name = axis or model.DEFAULT_AXIS
        _axis(model, name)
        if require not in REQUIRE:
            raise ConfigurationError(f"require must be all or any, not {require!r}.", field="require")
        wanted_by = _by_axis(model, wanted, name, "wanted")
        if not wanted_by:
            raise ConfigurationError("wanted must name a status, on one axis at the least.", field="wanted")
        failed_by = _by_axis(model, failed, name, "failed")
        if failed is not None and not isinstance(failed, str) and not failed:
            failed_by = dict.fromkeys(wanted_by, ())  # no failures, on no axis
        ignored_by = _by_axis(model, ignored, name, "ignored")
        parts = tuple(
            _part(
                model,
                each,
                wanted=wanted_by.get(each, ()),
                failed=failed_by.get(each),
                ignored=ignored_by.get(each, ()),
                is_wanted=each in wanted_by,
            )
            for each in dict.fromkeys([*wanted_by, *failed_by])
        )
        for each in ignored_by:
            if each not in wanted_by and each not in failed_by:
                raise ConfigurationError(
                    f"ignored names the {each} axis, on which nothing is waited for.", field="ignored"
                )
        return cls(parts, require, _count(at_least, require, orders))

    def ending_words(self, axis: str) -> frozenset[str] | None:
        """Give the vendor's words that can end the wait; None where another axis has a say."""
        return self.parts[0].ending_words() if self.axes == (axis,) else None

    def outcome(self, words: StatusWords) -> Outcome:
        """Say where one order stands."""
        is_met = True
        for part in self.parts:
            outcome = part.outcome(words[part.axis.name])
            if outcome is Outcome.FAILED:
                return outcome
            is_met = is_met and (outcome is Outcome.MET or not part.is_wanted)
        return Outcome.MET if is_met else Outcome.WAITING

    def describe_order(self, words: StatusWords | None) -> str:
        """Say for the log where one order stands."""
        return " and ".join(self._status(words).values())

    def _status(self, words: StatusWords | None) -> dict[str, str]:
        return {name: "unknown" if words is None else words[name].canonical.value for name in self.axes}

    def report(self, order_id: str, words: StatusWords | None, seen_at: float) -> OrderReport:
        """Say for a person where one order stands.

        :param order_id: what was asked for.
        :param words: what the order says, None for one that is not there.
        :param seen_at: when the answer came, in seconds since the epoch.
        """
        outcome = Outcome.WAITING if words is None else self.outcome(words)
        return OrderReport(
            order_id=order_id,
            outcome=outcome.value,
            status=self._status(words),
            status_raw={name: None if words is None else words[name].raw for name in self.axes},
            seen_at=None
            if words is None
            else datetime.fromtimestamp(seen_at, UTC).isoformat(timespec="milliseconds"),
        )

    def decide(self, outcomes: Iterable[str]) -> Outcome:
        """Say where the wait as a whole stands, from where each order does."""
        counts = Counter(outcomes)
        return self.decide_counts(counts[Outcome.MET], counts[Outcome.FAILED], counts.total())

    def decide_counts(self, met: int, failed: int, total: int) -> Outcome:
        """Say where the wait as a whole stands.

        It is met as soon as enough orders are, and fails as soon as too few are left that could be.

        :param met: how many orders are met.
        :param failed: how many have failed.
        :param total: how many there are.
        """
        needed = self.at_least or (1 if self.require == "any" else total)
        if met >= needed:
            return Outcome.MET
        return Outcome.FAILED if failed > total - needed else Outcome.WAITING

    def describe(self, reports: Iterable[OrderReport]) -> str:
        """Say for the log how many orders stand where."""
        counts = Counter(" and ".join(report["status"].values()) for report in reports)
        return ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))


def failure(reports: Iterable[OrderReport]) -> OrderFailedError:
    """Word the error for a wait that failed."""
    failed = [report for report in reports if report["outcome"] == Outcome.FAILED]
    axes = " and ".join(failed[0]["status"]) if failed else "the orders"
    shown = ", ".join(f"{report['order_id']} is {_in_words(report)}" for report in failed[:5])
    more = f", and {len(failed) - 5} more" if len(failed) > 5 else ""
    return OrderFailedError(f"Waited for {axes} in vain: order {shown}{more}.")


def _in_words(report: OrderReport) -> str:
    return " and ".join(
        status
        if (raw := report["status_raw"][axis]) is None or raw.casefold() == status
        else f"{status} ({raw})"
        for axis, status in report["status"].items()
    )


def _note_unknown(vendor: str, axis: str, raw: str) -> None:
    key = (vendor, axis, raw)
    if key not in _logged_unknown:
        _logged_unknown.add(key)
        log.warning("%s: %r is no documented %s status; it counts as waiting", vendor, raw[:40], axis)


def order_ids(value: Any) -> list[str]:
    """Read one order id or a list of them, from a template or a number.

    :raises ConfigurationError: there is none, or one is empty.
    """
    many = isinstance(value, Iterable) and not isinstance(value, str | Mapping)
    values = list(value) if many else [value]
    readable = all(isinstance(item, str | int) and not isinstance(item, bool) for item in values)
    ids = [str(item).strip() for item in values]
    if not readable or not ids or not all(ids):
        raise ConfigurationError(
            "order_id must be an order's id, or a list of at least one.", field="order_id"
        )
    return list(dict.fromkeys(ids))


def _axis(model: type[VendorOrder], name: object, argument: str = "axis") -> None:
    if not isinstance(name, str) or name not in model.AXES:
        raise ConfigurationError(
            f"{model.VENDOR} orders have no axis {name!r} to wait on; they have {', '.join(sorted(model.AXES))}.",
            field=argument,
        )


def _by_axis(model: type[VendorOrder], words: Words, axis: str, argument: str) -> dict[str, object]:
    """Give what was asked for on each axis."""
    if isinstance(words, Mapping):
        for name in words:
            _axis(model, name, argument)
        return dict(words)
    return {} if words is None and argument != "wanted" else {axis: words}


def _part(
    model: type[VendorOrder], name: str, *, wanted: object, failed: object, ignored: object, is_wanted: bool
) -> _AxisCondition:
    """Put one axis together, with the vendor's defaults where the user names nothing."""
    axis = model.AXES[name]
    spared = _resolve(axis, ignored, "ignored")
    good = _Choice(canonical=axis.wanted - spared.canonical)
    if wanted is not None:
        good = _resolve(axis, wanted, "wanted")
        _refuse_both(good, spared, "ignored", "wanted and ignored")
    # A default never contradicts what the user wants, such as to wait for cancelled orders.
    bad = _Choice(canonical=axis.failed - good.canonical)
    if failed is not None:
        bad = _resolve(axis, failed, "failed")
        _refuse_both(good, bad, "failed", "wanted and failed")
        _refuse_both(bad, spared, "ignored", "failed and ignored")
    if is_wanted and not good.covers(axis) - (spared.covers(axis) - good.own):
        raise ConfigurationError(
            f"{model.VENDOR} orders never have the wanted status on the {name} axis, so that the wait could not "
            f"end; the vendor's words are {', '.join(axis.words)}.",
            field="wanted",
        )
    return _AxisCondition(model.VENDOR, axis, is_wanted, good, bad, spared)


def _refuse_both(one: _Choice, other: _Choice, argument: str, roles: str) -> None:
    both = one.common(other)
    if both is not None:
        raise ConfigurationError(f"{both!r} is both {roles}.", field=argument)


def _resolve(axis: StatusAxis, words: object, argument: str) -> _Choice:
    """Give the vendor's own words, folded, and the canonical words."""
    asked: list[Any] = list(words) if isinstance(words, Iterable) and not isinstance(words, str) else [words]
    if not all(isinstance(word, str) for word in asked):
        raise ConfigurationError(f"{argument} must be a status or a list of statuses.", field=argument)
    meanings = {meaning.value for meaning in axis.words.values()} | {"unknown"}
    own: set[str] = set()
    canonical: set[str] = set()
    for word in asked:
        axis.words_for(word, argument=argument)
        folded = word.strip().casefold()
        is_own = folded in {known.casefold() for known in axis.words} and folded not in meanings
        (own if is_own else canonical).add(folded)
    return _Choice(frozenset(own), frozenset(canonical))


def _count(value: object, require: str, orders: int | None) -> int | None:
    """Read ``at_least``; a template may have made nothing of it."""
    if value in (None, ""):
        return None
    text = str(value).strip()
    number = int(text) if text.isascii() and text.isdigit() and not isinstance(value, bool) else 0
    if number < 1 or (orders is not None and number > orders):
        raise ConfigurationError(
            f"at_least must be a whole number from 1{f' to {orders}, the number of orders' if orders else ''}.",
            field="at_least",
        )
    if require == "any":
        raise ConfigurationError("at_least does not go with require='any'.", field="at_least")
    return number
