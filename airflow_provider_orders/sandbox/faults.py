"""What can go wrong on purpose: drawn by chance (``--faults``) or scripted by a test (``Sandbox.inject``)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Literal, TypedDict, get_args

from airflow_provider_orders.sandbox.drawing import fraction

if TYPE_CHECKING:
    from airflow_provider_orders.sandbox.messages import Call

__all__ = [
    "FAULT_KINDS",
    "FLAKY",
    "ActiveFaults",
    "Fault",
    "FaultKind",
    "FaultOptions",
    "parse_faults",
    "scripted",
]

FaultKind = Literal[
    "rate_limit",
    "server_error",
    "slow",
    "cut",
    "html",
    "redirect",
    "expire",
    "insert",
    "next_link",
    "repeat_page",
    "wrong_total",
    "bad_row",
]
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)

FLAKY = "rate_limit:0.03,server_error:0.04,slow:0.02,cut:0.02,html:0.01,expire:0.02,insert:0.05"

_OPTIONS: dict[FaultKind, frozenset[str]] = {
    "rate_limit": frozenset({"retry_after"}),
    "server_error": frozenset({"status"}),
    "slow": frozenset({"delay_s"}),
    "cut": frozenset({"variant"}),
    "html": frozenset(),
    "redirect": frozenset({"location"}),
    "expire": frozenset({"variant"}),
    "insert": frozenset({"count"}),
    "next_link": frozenset({"location"}),
    "repeat_page": frozenset(),
    "wrong_total": frozenset({"count"}),
    "bad_row": frozenset({"variant"}),
}
_VARIANTS: dict[FaultKind, tuple[str, ...]] = {
    "cut": ("length", "chunked"),
    "expire": ("redirect", "unauthorized", "no_credentials"),
    "bad_row": ("missing_id", "text_amount"),
}


class FaultOptions(TypedDict, total=False):
    """How a fault is played; each kind takes its own.

    ``retry_after`` (rate_limit): the header's text, seconds or HTTP date, or ``None`` to leave it out. ``status``
    (server_error): 500 to 599. ``delay_s`` (slow). ``location`` (redirect, next_link): a path or an absolute URL.
    ``count`` (insert: orders added; wrong_total: rows claimed that are not there). ``variant``: for cut ``length`` or
    ``chunked``; for expire on Valomnia ``redirect``, ``unauthorized`` or ``no_credentials``; for bad_row
    ``missing_id`` or ``text_amount``.
    """

    retry_after: str | None
    status: int
    delay_s: float
    location: str
    count: int
    variant: str


@dataclass(slots=True)
class Fault:
    """One fault, scripted or drawn.

    :param kind: what goes wrong.
    :param vendor: on whose requests; ``None`` for any.
    :param times: on how many requests; ``None`` for all.
    :param after: matching requests to spare first.
    :param path: only on paths that contain this.
    :param drawn: whether chance chose it, rather than a test.
    """

    kind: FaultKind
    vendor: str | None = None
    times: int | None = 1
    after: int = 0
    path: str | None = None
    drawn: bool = False
    retry_after: str | None = "1"
    status: int = 503
    delay_s: float = 0.5
    location: str = "/elsewhere"
    count: int = 1
    variant: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in FAULT_KINDS:
            raise ValueError(f"unknown fault {self.kind!r}; known are {', '.join(FAULT_KINDS)}")
        variants = _VARIANTS.get(self.kind, ())
        if self.variant is not None and self.variant not in variants:
            raise ValueError(
                f"fault {self.kind!r} has no variant {self.variant!r}; it has {', '.join(variants)}"
            )
        if self.after < 0 or (self.times is not None and self.times < 1):
            raise ValueError("a fault is played once or more (times), after none or more requests (after)")
        if not 500 <= self.status <= 599:
            raise ValueError(f"a server_error has a status from 500 to 599, not {self.status}")

    def matches(self, call: Call) -> bool:
        """Say whether the fault is meant for such a call."""
        return (
            bool(call.vendor)
            and self.vendor in {None, call.vendor}
            and (self.path is None or self.path in call.path)
        )

    def due(self) -> bool:
        """Count a matching call, and say whether the fault is played on it."""
        if self.after:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


def scripted(
    kind: FaultKind,
    vendor: str | None,
    times: int | None,
    after: int,
    path: str | None,
    options: FaultOptions,
) -> Fault:
    """Make a fault from a test's words, and refuse options that its kind would ignore.

    :raises ValueError: for an unknown kind, an option of another kind, or a value out of range.
    """
    fault = Fault(kind, vendor, times, after, path)
    foreign = sorted(set(options) - _OPTIONS[kind])
    if foreign:
        known = ", ".join(sorted(_OPTIONS[kind])) or "no option"
        raise ValueError(f"fault {kind!r} does not take {', '.join(foreign)}; it takes {known}")
    return replace(fault, **options)


def parse_faults(spec: str) -> dict[FaultKind, float]:
    """Read ``none``, ``flaky`` or ``rate_limit:0.05,slow:0.1`` into the chance of each kind.

    :param spec: the words of ``--faults``.
    :raises ValueError: for an unknown kind, or chances that are not between 0 and 1 in sum.
    """
    words = spec.strip()
    if words in {"", "none"}:
        return {}
    chances: dict[FaultKind, float] = {}
    for part in (FLAKY if words == "flaky" else words).split(","):
        name, _, text = part.strip().partition(":")
        kind = next((known for known in FAULT_KINDS if known == name), None)
        if kind is None:
            raise ValueError(f"unknown fault {name!r}; known are {', '.join(FAULT_KINDS)}, or none, or flaky")
        chances[kind] = _chance(kind, text)
    if sum(chances.values()) > 1:
        raise ValueError(f"the chances of the faults add up to more than 1: {spec!r}")
    return chances


def _chance(kind: str, text: str) -> float:
    """Read one chance."""
    try:
        chance = float(text)
    except ValueError:
        chance = -1.0
    if not 0 <= chance <= 1:
        raise ValueError(f"fault {kind!r} needs a chance from 0 to 1, as in {kind}:0.05, not {text!r}")
    return chance


@dataclass(slots=True)
class ActiveFaults:
    """The faults in force: a script, and chances.

    What is drawn for a request depends on the seed, the request and how often it was made, not on the order in which
    concurrent requests arrive: a run with faults can be repeated.

    :param seed: the sandbox's seed.
    :param chances: the chance of each kind.
    """

    seed: int
    chances: dict[FaultKind, float]
    script: list[Fault] = field(default_factory=list)
    _seen: dict[str, int] = field(default_factory=dict)

    def claim(self, call: Call, kinds: tuple[FaultKind, ...]) -> Fault | None:
        """Take a fault of one of the kinds that is due on the call: the script first, then chance.

        :param call: the call.
        :param kinds: the kinds that make sense at this point of the call.
        """
        for fault in self.script:
            if fault.kind in kinds and fault.matches(call) and fault.due():
                if fault.times == 0:
                    self.script.remove(fault)
                return fault
        if call.drawn is not None and call.drawn.kind in kinds:
            drawn, call.drawn = call.drawn, None
            return drawn
        return None

    def draw(self, call: Call) -> Fault | None:
        """Draw, once per call, what chance has in store for it."""
        if not self.chances:
            return None
        request = f"{call.method} {call.vendor}{call.path}?{call.query_string}"
        nth = self._seen[request] = self._seen.get(request, 0) + 1
        rest = fraction(self.seed, request, str(nth))
        for kind, chance in self.chances.items():
            if rest < chance:
                return _varied(kind, int(fraction(self.seed, "variant", request, str(nth)) * 60))
            rest -= chance
        return None

    def reset(self) -> None:
        """Forget the script and all draws."""
        self.script.clear()
        self._seen.clear()


def _varied(kind: FaultKind, number: int) -> Fault:
    """Make a drawn fault in one of its forms, chosen by the number."""
    fault = Fault(kind, drawn=True)
    if kind == "rate_limit":
        soon = format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)
        return replace(fault, retry_after=("1", soon, None)[number % 3])
    if kind == "server_error":
        return replace(fault, status=(500, 502, 503, 504)[number % 4])
    if kind == "insert":
        return replace(fault, count=1 + number % 3)
    if kind == "next_link":
        return replace(fault, location="http://attacker.example.org/orders?page=2")
    variants = _VARIANTS.get(kind)
    return replace(fault, variant=variants[number % len(variants)]) if variants else fault
