"""Calls to Airflow from an event loop, whose tasks may be cancelled at any moment."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["uninterrupted"]

_T = TypeVar("_T")

_under_way: Final[set[asyncio.Task[Any]]] = set()
"""An event loop itself keeps no task from being collected."""


async def uninterrupted(call: Coroutine[Any, Any, _T]) -> _T:
    """Wait for a call, which goes on to its end if whoever waits is cancelled.

    A triggerer has one line to its parent. Before Airflow 3.3, a call that is cancelled leaves its answer unread there,
    the next call takes that for its own, and the triggerer ends with all its triggers.
    """
    task = asyncio.create_task(call)
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    return await asyncio.shield(task)
