"""What is due when: a heap from which things may be taken out again."""

from __future__ import annotations

import heapq
from itertools import count
from typing import Generic, Protocol, TypeVar

__all__ = ["Agenda", "Dated"]


class Dated(Protocol):
    """A thing that can be on an agenda."""

    due: float | None
    """When, None while it is on none. The agenda sets it."""


_D = TypeVar("_D", bound=Dated)

_WASTE = 64


class Agenda(Generic[_D]):
    """Things by when they are next due; each of them once."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, _D]] = []
        self._order = count()
        self._things = 0

    def __len__(self) -> int:
        return self._things

    def put(self, thing: _D, due: float) -> None:
        """Note when a thing is due, in place of what was noted before."""
        self._things += thing.due is None
        thing.due = due
        heapq.heappush(self._heap, (due, next(self._order), thing))
        self._tidy()

    def drop(self, thing: _D) -> None:
        """Take a thing off; nothing happens if it is not on."""
        if thing.due is not None:
            thing.due = None
            self._things -= 1
            self._tidy()

    @property
    def next_due(self) -> float | None:
        """When the next thing is due, None where there is none."""
        heap = self._heap
        while heap and heap[0][2].due != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def take(self, until: float, *, most: int | None = None) -> list[_D]:
        """Take off what is due, the longest due first.

        :param until: now.
        :param most: how many at the most.
        """
        taken: list[_D] = []
        while (most is None or len(taken) < most) and (due := self.next_due) is not None and due <= until:
            thing = heapq.heappop(self._heap)[2]
            thing.due = None
            self._things -= 1
            taken.append(thing)
        return taken

    def _tidy(self) -> None:
        # What was put anew, or dropped, lies in the heap until then; nobody may keep it alive for days.
        if len(self._heap) > 2 * self._things + _WASTE:
            self._heap = [entry for entry in self._heap if entry[2].due == entry[0]]
            heapq.heapify(self._heap)
