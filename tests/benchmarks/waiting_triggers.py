"""The triggers that the benchmark of waiting runs beside this provider's; a triggerer can import them, too."""

from __future__ import annotations

import asyncio
import json
import os
import time
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from airflow.providers.common.compat.connection import get_async_connection
from airflow.providers.common.compat.sdk import AirflowException
from airflow.providers.http.hooks.http import HttpAsyncHook
from airflow.providers.http.triggers.http import HttpSensorTrigger
from airflow.triggers.base import BaseTrigger, TriggerEvent
from tenacity import AsyncRetrying, stop_after_attempt, wait_exponential

from tests.benchmarks.waiting_probe import LoopProbe, memory_kb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["DbtStyleTrigger", "ProbeTrigger", "SleepTrigger", "StatusHttpTrigger"]


class _StatusHook(HttpAsyncHook):  # type: ignore[misc]
    """Airflow's hook with the response check that its deferrable sensor lacks: an order on its way counts as missing."""

    async def run(self, *arguments: Any, **options: Any) -> aiohttp.ClientResponse:
        response: aiohttp.ClientResponse = await super().run(*arguments, **options)
        order = await response.json()
        if order["shipping"]["status"] != "delivered":
            raise AirflowException("404: not delivered yet")
        return response


class StatusHttpTrigger(HttpSensorTrigger):  # type: ignore[misc]
    """Airflow's own trigger, its loop untouched: it polls as long as the hook reports 404."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{type(self).__module__}.{type(self).__qualname__}", super().serialize()[1]

    def _get_async_hook(self) -> HttpAsyncHook:
        return _StatusHook(method=self.method, http_conn_id=self.http_conn_id)


class DbtStyleTrigger(BaseTrigger):
    """Polls one order as dbt Cloud's trigger polls a run: a new session per poll, retried by tenacity.

    The original cannot be pointed at the sandbox: it speaks https to dbt's own routes.
    """

    def __init__(self, conn_id: str, endpoint: str, poll_interval: float, end_time: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.conn_id = conn_id
        self.endpoint = endpoint
        self.poll_interval = poll_interval
        self.end_time = end_time

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "conn_id": self.conn_id,
            "endpoint": self.endpoint,
            "poll_interval": self.poll_interval,
            "end_time": self.end_time,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        connection = await get_async_connection(self.conn_id)
        while True:
            now = time.time()
            self.log.info("Getting the status of %s.", self.endpoint)
            order = await self._get_details(connection.host or "", json.loads(connection.extra or "{}"))
            if order["shipping"]["status"] == "delivered":
                yield TriggerEvent({"status": "success"})  # type: ignore[no-untyped-call]
                return
            if self.end_time <= now:
                yield TriggerEvent({"status": "error"})  # type: ignore[no-untyped-call]
                return
            await asyncio.sleep(self.poll_interval)

    async def _get_details(self, url: str, headers: dict[str, str]) -> Any:
        async with aiohttp.ClientSession(headers=headers) as session:
            async for attempt in AsyncRetrying(
                stop=stop_after_attempt(1), wait=wait_exponential(min=1.0), reraise=True
            ):
                with attempt:
                    async with session.get(f"{url}/{self.endpoint}") as response:
                        response.raise_for_status()
                        return await response.json()
        raise AssertionError("tenacity gives an answer or raises")


class SleepTrigger(BaseTrigger):
    """Sleeps until it is its turn, and fires, to show what a triggerer needs for any trigger.

    :param start: a file that is not there until the first one may fire.
    :param delay_s: how long after that this one fires, in seconds.
    """

    def __init__(self, start: str, delay_s: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.start = start
        self.delay_s = delay_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "start": self.start,
            "delay_s": self.delay_s,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        await asyncio.shield(_exists(self.start))
        await asyncio.sleep(self.delay_s)
        yield TriggerEvent({"status": "met"})  # type: ignore[no-untyped-call]


_starts: dict[str, asyncio.Task[None]] = {}


def _exists(path: str) -> asyncio.Task[None]:
    """Give the one task that looks for a file, for all who wait for it."""

    async def look() -> None:
        while not is_there():  # noqa: ASYNC110 - a file sends no event
            await asyncio.sleep(1)

    def is_there() -> bool:
        return Path(path).exists()

    if path not in _starts:
        _starts[path] = asyncio.create_task(look())
    return _starts[path]


class ProbeTrigger(BaseTrigger):
    """Measures the triggerer from inside: once a second it writes a line to a file, until the file is gone.

    :param path: the file.
    """

    def __init__(self, path: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.path = path

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{type(self).__module__}.{type(self).__qualname__}", {"path": self.path}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        probe = LoopProbe()
        probing = asyncio.create_task(probe.run())
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            while self._is_wanted():
                await asyncio.sleep(1)
                lags_s, probe.lags_s = probe.lags_s, array("d")
                line = {
                    "at": time.time(),
                    "cpu_s": time.process_time(),
                    "memory_kb": memory_kb(),
                    "lags_s": [round(lag_s, 5) for lag_s in lags_s],
                }
                os.write(file, f"{json.dumps(line)}\n".encode())
        finally:
            probing.cancel()
            os.close(file)
        yield TriggerEvent("measured")  # type: ignore[no-untyped-call]

    def _is_wanted(self) -> bool:
        return Path(self.path).exists()
