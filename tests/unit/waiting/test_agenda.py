"""What is due when."""

from __future__ import annotations

import gc
import weakref

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_orders.waiting.agenda import Agenda


class Thing:
    """A thing with a date."""

    def __init__(self, name: int) -> None:
        self.name = name
        self.due: float | None = None


@given(st.lists(st.tuples(st.sampled_from(["put", "drop", "take"]), st.integers(0, 5), st.integers(0, 9))))
def test_gives_what_is_due_in_order_and_each_thing_once(steps: list[tuple[str, int, int]]) -> None:
    agenda: Agenda[Thing] = Agenda()
    things = [Thing(number) for number in range(6)]
    expected: dict[int, int] = {}
    for step, name, time in steps:
        if step == "put":
            agenda.put(things[name], time)
            expected[name] = time
        elif step == "drop":
            agenda.drop(things[name])
            expected.pop(name, None)
        else:
            taken = [thing.name for thing in agenda.take(time)]
            assert sorted(taken) == sorted(name for name, due in expected.items() if due <= time)
            assert [expected[name] for name in taken] == sorted(expected[name] for name in taken)
            expected = {name: due for name, due in expected.items() if due > time}
        assert len(agenda) == len(expected)
        assert agenda.next_due == min(expected.values(), default=None)


def test_takes_no_more_than_asked_for() -> None:
    agenda: Agenda[Thing] = Agenda()
    for number in range(5):
        agenda.put(Thing(number), number)
    assert [thing.name for thing in agenda.take(9, most=2)] == [0, 1]
    assert len(agenda) == 3


def test_what_is_dropped_is_not_kept_alive_until_it_would_be_due() -> None:
    agenda: Agenda[Thing] = Agenda()
    gone = []
    for number in range(1000):
        thing = Thing(number)
        agenda.put(thing, 1e9)
        agenda.drop(thing)
        gone.append(weakref.ref(thing))
    del thing
    gc.collect()
    assert sum(reference() is not None for reference in gone) <= 65
