"""The sandbox as the benchmark of waiting needs it: in a process of its own, its orders delivered one by one on command.

Orders begin undelivered, and were placed over the last ninety days. On its way each is first taken in charge, so that
not every change ends a wait. The server keeps the books that the clients cannot keep about themselves: when each order
was delivered, how many requests came, and how many connections were open at once.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from airflow_provider_orders.sandbox import Sandbox
from airflow_provider_orders.sandbox.faults import ActiveFaults, parse_faults

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from airflow_provider_orders.sandbox.faults import Fault
    from airflow_provider_orders.sandbox.messages import Call, RecordedRequest

__all__ = ["VENDOR", "MovingSandbox", "ServerReport"]

VENDOR = "genuka"
AXIS = "fulfillment"
NEW, TAKEN, DELIVERED = "pending", "taken_in_charge", "delivered"
SAMPLE_S = 0.02


@dataclass(frozen=True)
class ServerReport:
    """What the server saw since it was told to count.

    :param requests: how many came.
    :param refused: how many of them were answered 400 or more.
    :param connections: how many were open at once, at most.
    :param delivered_at: when each order was delivered, in seconds of the epoch.
    """

    requests: int
    refused: int
    connections: int
    delivered_at: dict[str, float]


class MovingSandbox:
    """The sandbox in its process, as the driver sees it; use it as a context manager.

    :param orders: how many orders there are; none moves before :meth:`deliver` or :meth:`cycle`.
    :param faults: what goes wrong by chance, as the sandbox reads it.
    """

    def __init__(self, orders: int, *, faults: str = "none") -> None:
        self._command = [sys.executable, "-m", __name__, "--orders", str(orders), "--faults", faults]
        self._process: subprocess.Popen[str] | None = None
        self.connection: dict[str, Any] = {}
        self.ids: list[str] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started = self._read()
        self.connection, self.ids = started["connection"], started["ids"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.communicate()

    def _read(self) -> Any:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the server of the orders has ended")
        return json.loads(line)

    def _tell(self, **command: Any) -> Any:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(command)}\n")
        self._process.stdin.flush()
        return self._read()

    def count(self) -> None:
        """Forget what was counted, and begin again."""
        self._tell(do="count")

    def deliver(self, ids: Sequence[str], over_s: float) -> None:
        """Deliver orders, evenly over a time and in a drawn order.

        :param ids: which ones.
        :param over_s: seconds until the last is delivered; 0 delivers all before the call returns.
        """
        self._tell(do="deliver", ids=list(ids), over_s=over_s)

    def cycle(self, stage_s: float, expire_every_s: float) -> None:
        """Let all orders go their way for ever: taken in charge, delivered, and new again.

        :param stage_s: seconds that an order stays in a stage, on average.
        :param expire_every_s: seconds between two moments at which all sessions expire.
        """
        self._tell(do="cycle", stage_s=stage_s, expire_every_s=expire_every_s)

    def report(self) -> ServerReport:
        """Say what was counted."""
        return ServerReport(**self._tell(do="report"))


class _Counter(deque["RecordedRequest"]):
    """Counts the requests in place of the sandbox's list of them, which would grow."""

    def __init__(self) -> None:
        super().__init__(maxlen=1)
        self.requests = 0
        self.refused = 0

    def append(self, recorded: RecordedRequest) -> None:
        self.requests += 1
        self.refused += recorded.status >= 400


class _FaultsAfterLogin(ActiveFaults):
    """Spares the logins: there, a 500 of this vendor means a wrong password, which ends every wait."""

    def draw(self, call: Call) -> Fault | None:
        return None if call.path.endswith("/login") else super().draw(call)


class _Step(NamedTuple):
    due: float
    order_id: str
    word: str


class _Mover(threading.Thread):
    """Moves orders when they are due."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(name="mover", daemon=True)
        self.delivered_at: dict[str, float] = {}
        self._sandbox = sandbox
        self._random = random.Random(1)  # noqa: S311 - the same moves in every run
        self._steps: list[_Step] = []
        self._stage_s: float | None = None

    def deliver_now(self, order_id: str) -> None:
        """Deliver an order before the call returns."""
        self._move(order_id, DELIVERED)

    def plan(self, ids: list[str], over_s: float) -> None:
        """Deliver orders over a time, each taken in charge on its way there."""
        self._random.shuffle(ids)
        begin = time.monotonic()
        for number, order_id in enumerate(ids, 1):
            delivery_s = over_s * number / len(ids)
            taken_s = delivery_s * self._random.random()
            self._steps.append(_Step(begin + taken_s, order_id, TAKEN))
            self._steps.append(_Step(begin + delivery_s, order_id, DELIVERED))
        heapq.heapify(self._steps)
        self.start()

    def cycle(self, ids: list[str], stage_s: float) -> None:
        """Let orders go round, each from its own moment on."""
        self._stage_s = stage_s
        begin = time.monotonic()
        self._steps = [
            _Step(begin + 2 * stage_s * self._random.random(), order_id, TAKEN) for order_id in ids
        ]
        heapq.heapify(self._steps)
        self.start()

    def run(self) -> None:
        while self._steps:
            step = heapq.heappop(self._steps)
            time.sleep(max(0.0, step.due - time.monotonic()))
            self._move(step.order_id, step.word)
            if self._stage_s is not None:
                following = {NEW: TAKEN, TAKEN: DELIVERED, DELIVERED: NEW}[step.word]
                stay_s = self._stage_s * (0.5 + self._random.random())
                heapq.heappush(self._steps, _Step(step.due + stay_s, step.order_id, following))

    def _move(self, order_id: str, word: str) -> None:
        if word == DELIVERED:
            # Before the fact: no client can see it sooner than this.
            self.delivered_at[order_id] = time.time()
        self._sandbox.set_status(VENDOR, order_id, word, axis=AXIS)


class _Connections(threading.Thread):
    """Looks again and again how many connections are open."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(name="connections", daemon=True)
        self.most = 0
        self._sandbox = sandbox

    def run(self) -> None:
        server = self._sandbox._server._server
        assert server is not None
        while True:
            self.most = max(self.most, len(server.server_state.connections))
            time.sleep(SAMPLE_S)


def _expire(sandbox: Sandbox, every_s: float) -> None:
    while True:
        time.sleep(every_s)
        sandbox.expire_sessions(VENDOR)


def _serve(sandbox: Sandbox) -> None:
    """Carry out what the driver says, until it is gone."""
    counter = sandbox._app.requests = _Counter()
    mover, connections = _Mover(sandbox), _Connections(sandbox)
    connections.start()
    ids = sandbox.live_ids(VENDOR)
    _say({"connection": sandbox.connections[f"{VENDOR}_default"], "ids": ids})
    for line in sys.stdin:
        command = json.loads(line)
        answer: dict[str, Any] = {}
        match command["do"]:
            case "count":
                counter.requests = counter.refused = connections.most = 0
            case "deliver" if command["over_s"] == 0:
                for order_id in command["ids"]:
                    mover.deliver_now(order_id)
            case "deliver":
                mover.plan(command["ids"], command["over_s"])
            case "cycle":
                mover.cycle(ids, command["stage_s"])
                every_s = command["expire_every_s"]
                threading.Thread(target=_expire, args=(sandbox, every_s), daemon=True).start()
            case "report":
                answer = {
                    "requests": counter.requests,
                    "refused": counter.refused,
                    "connections": connections.most,
                    "delivered_at": dict(mover.delivered_at),
                }
        _say(answer)


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(answer)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, required=True)
    parser.add_argument("--faults", default="none")
    options = parser.parse_args()
    # Live orders begin undelivered; with endless steps they move on command alone. The sandbox's clock shows the
    # present, so that windows of update times mean what they say.
    with Sandbox(
        orders=options.orders,
        live=options.orders,
        step_s=math.inf,
        base_date=datetime.now(UTC),
    ) as running:
        running.prepare(VENDOR)
        running._app._faults = _FaultsAfterLogin(seed=1, chances=parse_faults(options.faults))
        _serve(running)
