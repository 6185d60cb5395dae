"""One client per connection and event loop, for all that wait on the connection.

::

    async with shared_client("genuka_default", open_client) as client:
        await client.fetch_order("...")

The first to come opens it, the last to leave closes it. In between everyone has the same session, the same budget of
requests and the same login.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import weakref
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from airflow_provider_orders.errors import AuthenticationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable, MutableMapping

    from airflow_provider_orders.http.aio import AsyncClient

__all__ = ["OpenClient", "shared_client", "start_task"]

_T = TypeVar("_T")

OpenClient: TypeAlias = "Callable[[], Awaitable[AsyncClient]]"
"""Looks the connection up and opens a client for it; may be cancelled at any moment."""


class _Lease:
    """One client and how many have it."""

    __slots__ = ("holders", "opening")

    def __init__(self, opening: asyncio.Task[AsyncClient]) -> None:
        self.opening = opening
        self.holders = 0


# By loop, because a session is of use in its own loop only.
_leases: MutableMapping[asyncio.AbstractEventLoop, dict[Hashable, _Lease]] = weakref.WeakKeyDictionary()


@contextlib.asynccontextmanager
async def shared_client(key: Hashable, open_client: OpenClient) -> AsyncIterator[AsyncClient]:
    """Have the client of a connection for as long as the block runs.

    A client whose credentials were rejected is given to nobody who comes later: the connection may be corrected.

    :param key: the connection; also tells its client from those of other connections.
    :param open_client: called once for all who come while the client is open, or is being opened.
    :raises OrdersError: what opening it raised, to everyone who waited for it.
    """
    leases = _leases.setdefault(asyncio.get_running_loop(), {})
    lease = leases.get(key)
    if lease is None:
        lease = leases[key] = _Lease(start_task(_open(open_client)))
    lease.holders += 1
    try:
        # Who waits for it may be cancelled; the others still want it.
        yield await asyncio.shield(lease.opening)
    except AuthenticationError:
        _forget(leases, key, lease)
        raise
    finally:
        lease.holders -= 1
        if not lease.holders:
            _forget(leases, key, lease)
            # Goes on if whoever was the last is cancelled once more.
            await asyncio.shield(start_task(_close(lease)))


async def _open(open_client: OpenClient) -> AsyncClient:
    return await open_client()


def start_task(work: Coroutine[object, object, _T]) -> asyncio.Task[_T]:
    """Start what belongs to no single wait: in a context of its own, so that its log is not that of the first one."""
    return asyncio.get_running_loop().create_task(work, context=contextvars.Context())


def _forget(leases: dict[Hashable, _Lease], key: Hashable, lease: _Lease) -> None:
    if leases.get(key) is lease:
        del leases[key]


async def _close(lease: _Lease) -> None:
    lease.opening.cancel()  # no effect on one that is open
    await asyncio.wait([lease.opening])
    if not lease.opening.cancelled() and lease.opening.exception() is None:
        await lease.opening.result().close()
