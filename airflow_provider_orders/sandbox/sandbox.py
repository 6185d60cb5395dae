"""The sandbox as tests and notebooks use it: start it, look into it, change it, break it."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from airflow_provider_orders.sandbox.app import SandboxApp
from airflow_provider_orders.sandbox.clock import BASE_DATE, Clock
from airflow_provider_orders.sandbox.faults import ActiveFaults, parse_faults, scripted
from airflow_provider_orders.sandbox.genuka import ENVELOPES
from airflow_provider_orders.sandbox.server import Server
from airflow_provider_orders.sandbox.vendor import FakeVendor, Settings
from airflow_provider_orders.sandbox.vendors import VENDORS

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from types import TracebackType
    from typing import Self, Unpack

    from airflow_provider_orders.sandbox.faults import FaultKind, FaultOptions
    from airflow_provider_orders.sandbox.messages import RecordedRequest
    from airflow_provider_orders.sandbox.store import Order

__all__ = ["Sandbox"]


class Sandbox:
    """Popsell, Dipli, Valomnia and Genuka on one loopback port.

    ::

        with Sandbox(orders=230) as sandbox:
            os.environ.update(sandbox.environment())
            sandbox.inject("rate_limit", vendor="genuka", retry_after="2")

    It runs in a thread of this process; ``python -m airflow_provider_orders.sandbox`` runs it in one of its own.

    :param orders: how many orders each vendor has at first.
    :param seed: chooses the data; the same seed gives the same bytes.
    :param faults: ``none``, ``flaky``, or kinds with their chance, as in ``rate_limit:0.05,slow:0.1``.
    :param host: the address to listen on.
    :param port: the port; 0 picks a free one.
    :param latency_ms: how long every answer takes at least.
    :param step_s: seconds between two stages of a live order.
    :param live: how many orders of each vendor move with time, the oldest first.
    :param cycle: after how many stages the live orders start over; 0: they stay where their way ends.
    :param genuka_envelope: ``pagination`` or ``meta``, the two that Genuka documents.
    :param base_date: what the sandbox's clock says at the start; the seeded orders fill the ninety days before.
    :raises ValueError: for a value that makes no sense.
    """

    def __init__(
        self,
        *,
        orders: int = 500,
        seed: int = 1,
        faults: str = "none",
        host: str = "127.0.0.1",
        port: int = 0,
        latency_ms: float = 0,
        step_s: float = 10.0,
        live: int = 5,
        cycle: int = 0,
        genuka_envelope: str = "pagination",
        base_date: datetime = BASE_DATE,
    ) -> None:
        _check(
            port=port,
            orders=orders,
            latency_ms=latency_ms,
            live=live,
            cycle=cycle,
            step_s=step_s,
            genuka_envelope=genuka_envelope,
        )
        self.clock = Clock(base_date)
        self._faults = ActiveFaults(seed, parse_faults(faults))
        self._lock = threading.RLock()
        settings = Settings(orders, seed, step_s, live, cycle, genuka_envelope)
        self._vendors: dict[str, FakeVendor[Any]] = {
            kind.name: kind(settings, self.clock) for kind in VENDORS
        }
        self._app = SandboxApp(
            self._vendors, faults=self._faults, latency_s=latency_ms / 1000, index=self.index, lock=self._lock
        )
        self._host = host
        self._server = Server(self._app, host=host, port=port)

    # Life.

    def start(self) -> Self:
        """Listen, and return when requests are answered.

        :raises OSError: when the port is in use.
        """
        if not self._server.running:
            self._server.start()
        return self

    def stop(self) -> None:
        """Close the port; stopping twice is fine."""
        self._server.stop()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def __repr__(self) -> str:
        return f"<Sandbox {self.url} {'running' if self._server.running else 'stopped'}>"

    # What it is.

    @property
    def url(self) -> str:
        """The address without a slash at its end, for example ``http://127.0.0.1:8765``."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._server.port}"

    @property
    def vendors(self) -> tuple[str, ...]:
        """The names of the vendors, which are their path prefixes, too."""
        return tuple(self._vendors)

    @property
    def connections(self) -> dict[str, dict[str, Any]]:
        """The Airflow connections that read this sandbox, by connection id."""
        return self._connections(self.url)

    def _connections(self, origin: str) -> dict[str, dict[str, Any]]:
        """Describe the connections for a client that reaches the sandbox under an address."""
        return {
            f"{name}_default": vendor.connection(f"{origin}/{name}") for name, vendor in self._vendors.items()
        }

    def environment(self) -> dict[str, str]:
        """Give the connections as the variables that Airflow reads, ready for ``os.environ``."""
        return {
            f"AIRFLOW_CONN_{name.upper()}": json.dumps(fields) for name, fields in self.connections.items()
        }

    def index(self, origin: str | None = None) -> dict[str, Any]:
        """Describe the sandbox as ``GET /`` does.

        :param origin: the address under which the client reaches it.
        """
        origin = origin or self.url
        connections = self._connections(origin)
        return {
            "sandbox": "airflow_provider_orders",
            "now": self.clock.now().isoformat(),
            "faults": self._faults.chances,
            "vendors": {
                name: {
                    "base_url": f"{origin}/{name}",
                    "connection_id": f"{name}_default",
                    "connection": connections[f"{name}_default"],
                    "credentials": vendor.credentials(),
                    "live_orders": self.live_ids(name),
                }
                for name, vendor in self._vendors.items()
            },
        }

    # What is in it.

    def _vendor(self, name: str) -> FakeVendor[Any]:
        """Find a vendor."""
        if name not in self._vendors:
            raise ValueError(f"unknown vendor {name!r}; the sandbox plays {', '.join(self._vendors)}")
        return self._vendors[name]

    def _order(self, vendor: FakeVendor[Any], order_id: str | int) -> Order:
        """Find an order of a vendor."""
        order: Order | None = vendor.store.get(str(order_id))
        if order is None:
            raise ValueError(f"{vendor.name} has no order {order_id!r}")
        return order

    def payloads(self, vendor: str) -> list[dict[str, Any]]:
        """Give the truth: every order of a vendor in full, as it is now, in order of creation.

        :param vendor: the vendor's name.
        """
        fake = self._vendor(vendor)
        with self._lock:
            return [json.loads(json.dumps(fake.payload(order))) for order in fake.store.orders]

    def live_ids(self, vendor: str) -> list[str]:
        """List the ids of the orders whose status moves with time.

        :param vendor: the vendor's name.
        """
        fake = self._vendor(vendor)
        with self._lock:
            return fake.live_ids()

    def prepare(self, *vendors: str) -> None:
        """Make orders and their rows now rather than when they are first asked for, as before a benchmark.

        :param vendors: the vendors' names; none means all.
        """
        with self._lock:
            for name in vendors or self._vendors:
                fake = self._vendor(name)
                for order in fake.store.orders:
                    fake.row_bytes(order)

    @property
    def requests(self) -> list[RecordedRequest]:
        """What has been asked so far, oldest first; a copy."""
        return list(self._app.requests)

    # What a test does to it.

    def inject(
        self,
        kind: FaultKind,
        *,
        vendor: str | None = None,
        times: int | None = 1,
        after: int = 0,
        path: str | None = None,
        **options: Unpack[FaultOptions],
    ) -> None:
        """Script a fault for the next matching requests.

        Faults of pages (insert, next_link, repeat_page, wrong_total, bad_row) wait for a list, and expire for a call
        that carries good credentials; the others take whatever comes, logins included.

        :param kind: what goes wrong, one of ``FAULT_KINDS``.
        :param vendor: on whose requests; ``None`` for any.
        :param times: on how many requests; ``None`` for all until :meth:`reset`.
        :param after: matching requests to spare first.
        :param path: only on paths that contain this, for example ``/orders``.
        :param options: how it is played; see :class:`~airflow_provider_orders.sandbox.faults.FaultOptions`.
        :raises ValueError: for an unknown kind or vendor, or an option that the kind does not take.
        """
        fault = scripted(kind, self._vendor(vendor).name if vendor else None, times, after, path, options)
        if kind == "next_link" and vendor and not self._vendors[vendor].pages_have_links:
            raise ValueError(f"the pages of {vendor} carry no next link")
        with self._lock:
            self._faults.script.append(fault)

    def on_page(self, vendor: str, callback: Callable[[], None] | None) -> None:
        """Call a function for each page of a list that is asked for, just before the page is cut.

        What the function changes in the sandbox, the page shows already, and the pages before it do not: so a test lets
        orders come, go and move while a client reads them. It runs in the server's thread, until :meth:`reset`.

        :param vendor: on whose pages.
        :param callback: what to call; ``None`` for nothing more.
        """
        fake = self._vendor(vendor)
        with self._lock:
            fake.on_page = callback

    def set_status(
        self,
        vendor: str,
        order_id: str | int,
        status: str,
        *,
        axis: str | None = None,
        at: datetime | None = None,
    ) -> None:
        """Give an order another status; a live order moves no further by itself.

        :param vendor: the vendor's name.
        :param order_id: the vendor's id.
        :param status: the vendor's own word.
        :param axis: ``order``, ``payment`` or ``fulfillment``; may be left out where the vendor has only one.
        :param at: the time that the change bears, as of one that was committed late; now by default.
        :raises ValueError: for an unknown order, axis or word.
        """
        fake = self._vendor(vendor)
        axis = axis or next(iter(fake.axes))
        if axis not in fake.axes:
            raise ValueError(f"{vendor} has no axis {axis!r}; it has {', '.join(fake.axes)}")
        if status not in fake.axes[axis]:
            raise ValueError(f"{vendor} does not know {status!r}; its words are {', '.join(fake.axes[axis])}")
        with self._lock:
            fake.store.set_status(self._order(fake, order_id), axis, status, at=_seconds(at))

    def insert_orders(
        self,
        vendor: str,
        count: int = 1,
        *,
        placed_at: datetime | None = None,
        entered_at: datetime | None = None,
    ) -> list[str]:
        """Place new orders.

        :param vendor: the vendor's name.
        :param count: how many.
        :param placed_at: the date that they bear, as of orders that are entered late; now by default.
        :param entered_at: when they came into the vendor's books, by its own word, which for imported orders may be that of
            another system; now by default.
        :return: their ids.
        """
        fake = self._vendor(vendor)
        with self._lock:
            added = fake.store.insert(
                count, fake.new_order, placed_at=_seconds(placed_at), entered_at=_seconds(entered_at)
            )
        return [order.id for order in added]

    def delete_order(self, vendor: str, order_id: str | int, *, force: bool = False) -> None:
        """Delete an order; Genuka keeps it, with ``deleted_at`` set.

        :param vendor: the vendor's name.
        :param order_id: the vendor's id.
        :param force: delete it for good, as Genuka's ``DELETE ...?force=true`` does.
        """
        fake = self._vendor(vendor)
        with self._lock:
            order = self._order(fake, order_id)
            if force:
                fake.store.remove(order)
            else:
                fake.forget(order)

    def expire_sessions(self, vendor: str | None = None) -> None:
        """End every session and every token that a login gave out.

        :param vendor: the vendor's name; ``None`` for all.
        """
        names = [vendor] if vendor else self._vendors
        with self._lock:
            for name in names:
                self._vendor(name).expire_sessions()

    def reset(self) -> None:
        """Go back to the seeded state: orders, clock, sessions, scripted faults and recorded requests."""
        with self._lock:
            self.clock.reset()
            self._faults.reset()
            self._app.requests.clear()
            for vendor in self._vendors.values():
                vendor.reset()


def _seconds(moment: datetime | None) -> int | None:
    """Give a moment as whole seconds of the epoch: vendors write no finer."""
    return None if moment is None else int(moment.timestamp())


def _check(
    *, port: int, orders: int, latency_ms: float, live: int, cycle: int, step_s: float, genuka_envelope: str
) -> None:
    """Refuse values that make no sense."""
    if orders < 0 or latency_ms < 0 or live < 0 or cycle < 0:
        raise ValueError("orders, latency_ms, live and cycle cannot be negative")
    if not 0 <= port <= 65535:
        raise ValueError(f"a port is a number from 0 to 65535, not {port}")
    if not step_s > 0:
        raise ValueError("step_s must be positive; float('inf') keeps live orders still")
    if genuka_envelope not in ENVELOPES:
        raise ValueError(f"genuka_envelope is {' or '.join(ENVELOPES)}, not {genuka_envelope!r}")
