"""How far a reading has come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.errors import UnexpectedPayloadError
from airflow_provider_orders.export.plan import make_plan
from airflow_provider_orders.export.reach import Reach
from tests.unit.export.model_source import model_api

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class Row:
    """An order of which only what is asked for can be read."""

    def __init__(self, identity: str, *, entered: datetime | None = None, changed: Any = None) -> None:
        self.identity = identity
        self._entered = entered
        self._changed = changed

    @property
    def entered(self) -> datetime:
        if self._entered is None:
            raise UnexpectedPayloadError("the date cannot be read")
        return self._entered

    @property
    def times(self) -> tuple[None, Any]:
        if self._changed is None:
            raise UnexpectedPayloadError("the date cannot be read")
        return None, self._changed


def reach(vendor: str, *rows: Row) -> Any:
    """Note some orders, and give the state that follows."""
    plan = make_plan(model_api(vendor), OrderQuery(), mode="incremental", state=None, now=NOW)
    made = Reach(plan)
    for row in rows:
        made.note(cast("Any", row))
    return made.next_state(None, run_key="a")


def test_the_latest_change_is_the_watermark() -> None:
    rows = [Row(str(days), changed=NOW - days * DAY) for days in (3, 1, 2)]
    assert reach("genuka", *rows).watermark == NOW - DAY


def test_the_highest_id_and_the_lowest_one_entered_lately() -> None:
    ages = {"9": 40, "12": 2, "11": 29, "14": 1}
    state = reach("popsell", *(Row(name, entered=NOW - days * DAY) for name, days in ages.items()))
    assert (state.newest_id, state.lowest_id) == (14, 11)


def test_an_order_whose_date_cannot_be_read_may_have_been_entered_lately() -> None:
    state = reach("popsell", Row("12", entered=NOW), Row("7"))
    assert (state.newest_id, state.lowest_id) == (12, 7)


def test_a_date_is_read_only_where_it_is_needed() -> None:
    assert reach("dipli", Row("7")).watermark == NOW
