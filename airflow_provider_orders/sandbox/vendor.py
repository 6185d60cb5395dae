"""What a fake vendor is made of; a fifth one is a subclass in a module called as its connection type."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

import msgspec

from airflow_provider_orders.sandbox.drawing import Draw
from airflow_provider_orders.sandbox.messages import Call, Refusal, Reply
from airflow_provider_orders.sandbox.store import OrderStore, OrderT, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_orders.sandbox.clock import Clock
    from airflow_provider_orders.sandbox.faults import Fault

__all__ = ["FakeVendor", "Page", "Settings", "Spot", "Tokens", "joined"]

T = TypeVar("T")


class Settings(NamedTuple):
    """What the user chose for the whole sandbox."""

    orders: int
    seed: int
    step_s: float
    live: int
    cycle: int
    genuka_envelope: str


class Spot(NamedTuple):
    """One address of a vendor: the methods it takes, its path in Starlette's notation, and who answers."""

    methods: tuple[str, ...]
    path: str
    answer: Callable[[Call], Reply]


class Page(NamedTuple):
    """The rows of one page, already bytes, and what the envelope says about them."""

    rows: list[bytes]
    total: int
    next_link: str | None = None


class Tokens:
    """The tokens or sessions that a vendor has given out, and whose they are.

    :param form: makes the n-th token.
    """

    def __init__(self, form: Callable[[int], str]) -> None:
        self._form = form
        self._issued = 0
        self._roles: dict[str, str] = {}

    def issue(self, role: str) -> str:
        """Give out a new token.

        :param role: what it opens.
        """
        self._issued += 1
        token = self._form(self._issued)
        self._roles[token] = role
        return token

    def role(self, token: str) -> str | None:
        """Say what a token opens, if it is valid."""
        return self._roles.get(token)

    def revoke(self, token: str) -> None:
        """End one token."""
        self._roles.pop(token, None)

    def clear(self) -> None:
        """End all tokens. Their numbers are not used again, so an old one stays dead after a reset."""
        self._roles.clear()


class FakeVendor(ABC, Generic[OrderT]):
    """One vendor of the sandbox.

    :param settings: what the user chose.
    :param clock: the sandbox's time.
    """

    name: ClassVar[str]
    axes: ClassVar[Mapping[str, tuple[str, ...]]]
    new_order: ClassVar[Stage]
    journeys: ClassVar[Sequence[Sequence[Stage]]]
    id_field: ClassVar[str] = "id"
    amount_field: ClassVar[str]
    pages_have_links: ClassVar[bool] = True

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.on_page: Callable[[], None] | None = None
        self._store: OrderStore[OrderT] | None = None

    # What a vendor has to say.

    @abstractmethod
    def spots(self) -> Sequence[Spot]:
        """List the addresses that the vendor answers."""

    @abstractmethod
    def make(self, draw: Draw, index: int, created_at: int) -> OrderT:
        """Build one order from its draws."""

    @abstractmethod
    def payload(self, order: OrderT) -> dict[str, Any]:
        """Render an order in full, as the vendor's detail route shows it."""

    @abstractmethod
    def connection(self, url: str) -> dict[str, Any]:
        """Describe the Airflow connection that reads this vendor.

        :param url: the vendor's address in this sandbox.
        """

    @abstractmethod
    def credentials(self) -> dict[str, str]:
        """Name every credential the vendor knows, for the index and the summary."""

    @abstractmethod
    def error(self, status: int, message: str) -> Reply:
        """Answer an error in the vendor's own format."""

    def crash(self, call: Call) -> Reply:
        """Answer 500 in the vendor's own format."""
        del call
        return self.error(500, "Internal Server Error")

    def localise(self, call: Call, reply: Reply) -> Reply:
        """Let the vendor have the last word on an answer, for headers that all of its answers carry."""
        del call
        return reply

    def expire_sessions(self) -> None:
        """End everything that a login gave out."""

    # What all have in common.

    @property
    def store(self) -> OrderStore[OrderT]:
        """The vendor's orders, made when they are first asked for and moved to the present."""
        if self._store is None:
            self._store = OrderStore(
                self.make,
                seed=self.settings.seed,
                stream=self.name,
                count=self.settings.orders,
                clock=self.clock,
                step_s=self.settings.step_s,
                cycle=self.settings.cycle,
                journeys=[self.journeys[n % len(self.journeys)] for n in range(self.settings.live)],
            )
        self._store.settle()
        return self._store

    def live_ids(self) -> list[str]:
        """List the ids of the orders that move with time, without making all the others."""
        if self._store is not None:
            return [order.id for order in self.store.live]
        seed, count = self.settings.seed, min(self.settings.live, self.settings.orders)
        return [self.make(Draw(seed, self.name, index), index, 0).id for index in range(count)]

    def reset(self) -> None:
        """Go back to the seed, with nobody signed in."""
        self._store = None
        self.on_page = None
        self.expire_sessions()

    def forget(self, order: OrderT) -> None:
        """Delete an order; a vendor that only marks it says so by overriding this."""
        self.store.remove(order)

    def row(self, order: OrderT) -> dict[str, Any]:
        """Render an order as a row of a list; the same as the detail unless the vendor says otherwise."""
        return self.payload(order)

    def row_bytes(self, order: OrderT, form: str = "row") -> bytes:
        """Give an order's row as bytes, rendering it once."""
        kept = order.rendered.get(form)
        if kept is None:
            kept = order.rendered[form] = msgspec.json.encode(self.row(order))
        return kept

    def not_found(self, call: Call) -> Reply:
        """Answer for an address that the vendor does not have."""
        return self.error(404, f"The route {call.path} could not be found.")

    def before_page(self, call: Call) -> None:
        """Let happen what happens between two pages: what a test wants, and the fault that somebody places an order."""
        if self.on_page is not None:
            self.on_page()
        fault = call.claim("insert")
        if fault is not None:
            self.store.insert(fault.count, self.new_order)

    def page(
        self, call: Call, found: Sequence[T], start: int, size: int, render: Callable[[T], bytes]
    ) -> Page:
        """Cut one page out of what was found, and play the faults that spoil a page.

        :param call: the request.
        :param found: all rows that match.
        :param start: how many to skip.
        :param size: how many to take.
        :param render: gives a row's bytes.
        """
        fault = call.claim("repeat_page", "wrong_total", "bad_row")
        link = call.claim("next_link") if self.pages_have_links else None
        if fault is not None and fault.kind == "repeat_page":
            start = max(0, start - size)
        rows = list(map(render, found[start : start + size]))
        total = len(found)
        if fault is not None and fault.kind == "wrong_total":
            total += fault.count
        if fault is not None and fault.kind == "bad_row" and rows:
            rows[len(rows) // 2] = self._broken(rows[len(rows) // 2], fault)
        return Page(rows, total, link.location if link is not None else None)

    def _broken(self, row: bytes, fault: Fault) -> bytes:
        """Spoil one row."""
        document = msgspec.json.decode(row)
        if fault.variant == "text_amount":
            document[self.amount_field] = "forty-two"
        else:
            document.pop(self.id_field, None)
        return msgspec.json.encode(document)

    @staticmethod
    def expired(call: Call, token: str, tokens: Tokens) -> Fault | None:
        """Play the fault that ends a session while it is in use.

        Chance ends only what a new login replaces; a script may refuse a fixed key as well, for that one call.

        :param call: the request.
        :param token: the token, key or session it came with.
        :param tokens: those that logins gave out.
        """
        fixed = tokens.role(token) is None
        if fixed and call.drawn is not None and call.drawn.kind == "expire":
            call.drawn = None
        fault = call.claim("expire")
        if fault is not None:
            tokens.revoke(token)
        return fault

    def refuse(self, status: int, message: str) -> Refusal:
        """Make the exception that answers an error in the vendor's format."""
        return Refusal(self.error(status, message))


def joined(rows: list[bytes]) -> msgspec.Raw:
    """Make a JSON array of rows that are bytes already."""
    return msgspec.Raw(b"[" + b",".join(rows) + b"]")
