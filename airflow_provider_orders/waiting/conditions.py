"""When a wait is over: which statuses are wanted, which mean failure, and what a set of orders amounts to."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypedDict

from airflow_provider_orders.errors import ConfigurationError, OrderFailedError

if TYPE_CHECKING:
    from airflow_provider_orders.models.base import VendorOrder
    from airflow_provider_orders.models.statuses import StatusAxis, StatusWord

__all__ = ["REQUIRE", "OrderReport", "Outcome", "StatusCondition", "Words", "failure", "order_ids"]

log = logging.getLogger(__name__)

REQUIRE: Final = ("all", "any")

Words: TypeAlias = str | Sequence[str] | None

_logged_unknown: set[tuple[str, str, str]] = set()


class Outcome(StrEnum):
    """Where a wait stands."""

    WAITING = "waiting"
    MET = "met"
    FAILED = "failed"


class OrderReport(TypedDict):
    """Where one order of a wait stands; plain, so that it can travel as an event and as XCom.

    :param order_id: the id or reference that was asked for.
    :param status: canonical status on the axis.
    :param status_raw: the vendor's own word.
    :param outcome: ``waiting``, ``met`` or ``failed``.
    """

    order_id: str
    status: str
    status_raw: str | None
    outcome: str


@dataclass(frozen=True, slots=True)
class StatusCondition:
    """What an order, or a number of them, is waited for.

    Build it with :meth:`of`, which checks the words.

    :param axis: the axis looked at.
    :param wanted: vendor words that mean success.
    :param failed: vendor words that mean failure.
    :param wanted_canonical: canonical words that mean success.
    :param failed_canonical: canonical words that mean failure.
    :param require: ``all`` or ``any`` of the orders.
    """

    axis: str
    wanted: frozenset[str]
    failed: frozenset[str]
    wanted_canonical: frozenset[str]
    failed_canonical: frozenset[str]
    require: str = "all"

    @classmethod
    def of(
        cls,
        model: type[VendorOrder],
        *,
        wanted: Words = None,
        failed: Words = None,
        axis: str | None = None,
        require: str = "all",
    ) -> StatusCondition:
        """Check what a user asks for against what the vendor has.

        :param model: the vendor's order.
        :param wanted: statuses that end the wait well: canonical words or the vendor's own; the vendor's
            default where None.
        :param failed: statuses that end it badly.
        :param axis: ``order``, ``payment`` or ``fulfillment``; the vendor's default where None.
        :param require: ``all`` or ``any``.
        :raises ConfigurationError: an unknown axis or status, the same status wanted and failed, or a
            wait that nothing could end.
        """
        name = axis or model.DEFAULT_AXIS
        if name not in model.AXES:
            raise ConfigurationError(
                f"{model.VENDOR} orders have no axis {name!r} to wait on; they have {', '.join(sorted(model.AXES))}.",
                field="axis",
            )
        if require not in REQUIRE:
            raise ConfigurationError(f"require must be all or any, not {require!r}.", field="require")
        chosen = model.AXES[name]
        wanted_own, wanted_canonical = _resolve(chosen, wanted, chosen.wanted, "wanted")
        failed_own, failed_canonical = _resolve(chosen, failed, chosen.failed, "failed")
        if failed is None:
            # A default never contradicts what the user wants, such as to wait for cancelled orders.
            failed_own, failed_canonical = failed_own - wanted_own, failed_canonical - wanted_canonical
        both = (wanted_own & failed_own) | (wanted_canonical & failed_canonical)
        if both:
            raise ConfigurationError(f"{min(both)!r} is both wanted and failed.", field="failed")
        reachable = wanted_own | {meaning.value for meaning in chosen.words.values()} & wanted_canonical
        if not reachable:
            raise ConfigurationError(
                f"{model.VENDOR} orders never have the wanted status on the {name} axis, so that the wait could not "
                f"end; the vendor's words are {', '.join(chosen.words)}.",
                field="wanted",
            )
        return cls(name, wanted_own, failed_own, wanted_canonical, failed_canonical, require)

    def report(self, order_id: str, order: VendorOrder) -> OrderReport:
        """Say where one order stands."""
        word = order.status_words()[self.axis]
        self._note_unknown(order.VENDOR, word)
        axis = order.AXES[self.axis]
        return OrderReport(
            order_id=order_id,
            status=word.canonical.value,
            status_raw=word.raw,
            outcome=self._outcome(axis, word).value,
        )

    def _outcome(self, axis: StatusAxis, word: StatusWord) -> Outcome:
        if axis.read(word.raw).canonical is word.canonical:
            own = {(word.raw or "").strip().casefold()}
        else:
            # The vendor says more in another field, such as a deletion: its word is out of date, its meaning counts.
            own = {known.casefold() for known in axis.words_for(word.canonical.value)}
        if own & self.wanted or word.canonical.value in self.wanted_canonical:
            return Outcome.MET
        if own & self.failed or word.canonical.value in self.failed_canonical:
            return Outcome.FAILED
        return Outcome.WAITING

    def _note_unknown(self, vendor: str, word: StatusWord) -> None:
        if word.raw is None or word.canonical.value != "unknown":
            return
        key = (vendor, self.axis, word.raw)
        if key not in _logged_unknown:
            _logged_unknown.add(key)
            log.warning(
                "%s: %r is no documented %s status; it counts as waiting", vendor, word.raw[:40], self.axis
            )

    def decide(self, reports: Iterable[OrderReport]) -> Outcome:
        """Say where the wait as a whole stands.

        With ``all``, one failed order fails it; with ``any``, it fails when no order is left that could be met.
        """
        outcomes = [report["outcome"] for report in reports]
        met, failed = outcomes.count(Outcome.MET), outcomes.count(Outcome.FAILED)
        if self.require == "any":
            return Outcome.MET if met else Outcome.FAILED if failed == len(outcomes) else Outcome.WAITING
        return Outcome.FAILED if failed else Outcome.MET if met == len(outcomes) else Outcome.WAITING

    def describe(self, reports: Sequence[OrderReport]) -> str:
        """Say for the log how many orders stand where."""
        counts: dict[str, int] = {}
        for report in reports:
            counts[report["status"]] = counts.get(report["status"], 0) + 1
        return ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))


def failure(axis: str, reports: Iterable[OrderReport]) -> OrderFailedError:
    """Word the error for a wait that failed."""
    failed = [report for report in reports if report["outcome"] == Outcome.FAILED]
    shown = ", ".join(f"{report['order_id']} is {_in_words(report)}" for report in failed[:5])
    more = f", and {len(failed) - 5} more" if len(failed) > 5 else ""
    return OrderFailedError(f"Waited for {axis} in vain: order {shown}{more}.")


def _in_words(report: OrderReport) -> str:
    status, raw = report["status"], report["status_raw"]
    return status if raw is None or raw.casefold() == status else f"{status} ({raw})"


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


def _resolve(
    axis: StatusAxis, words: object, default: frozenset[str], argument: str
) -> tuple[frozenset[str], frozenset[str]]:
    """Give the vendor's own words, folded, and the canonical words."""
    if words is None:
        return frozenset(), default
    asked: list[Any] = list(words) if isinstance(words, Iterable) and not isinstance(words, str) else [words]
    if not all(isinstance(word, str) for word in asked):
        raise ConfigurationError(f"{argument} must be a status or a list of statuses.", field=argument)
    meanings = {meaning.value for meaning in axis.words.values()} | {"unknown"}
    own: set[str] = set()
    canonical: set[str] = set()
    for word in asked:
        axis.words_for(word, argument=argument)
        folded = word.strip().casefold()
        (
            own
            if folded in {known.casefold() for known in axis.words} and folded not in meanings
            else canonical
        ).add(folded)
    return frozenset(own), frozenset(canonical)
