"""Figures of jobs on their way in: enqueued in bulk, one at a time, and from the enqueue to the start."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

import asyncpg

import crmd
from speed import bare
from speed.daemons import running_daemons
from speed.failure import BenchError
from speed.figure import quantile

if TYPE_CHECKING:
    from speed.database import Connection, Ground
    from speed.figure import Values
    from speed.sizes import Sizes

GAP_SECONDS = (0.02, 0.08)
WARM_UP = 20
QUIET_SECONDS = 2.0
STARTS = """
SELECT (payload ->> 'number')::int AS number, (result ->> 'at')::float8 AS at FROM crmd.archive
WHERE type = 'tell-start'
"""
PATIENCE_SECONDS = 60.0


async def enqueues(ground: Ground, sizes: Sizes) -> Values:
    """Through the Python client on one connection: all in one call, and a call for each."""
    async with ground.fresh() as database:
        connection = database.connection
        payloads = [{"number": number} for number in range(sizes.drained)]
        bulk = await _timed_bulk(connection, payloads)
        began = time.perf_counter()
        for payload in payloads[: sizes.singles]:
            await crmd.enqueue(connection, "no-op", payload)
        single = sizes.singles / (time.perf_counter() - began)
        await _check_count(connection, sizes.drained + sizes.singles)
    async with ground.fresh(template="template0") as database:
        floor = await bare.singles(database, sizes.singles)
    return {"bulk": bulk, "single": single, "bare": floor}


async def _timed_bulk(connection: Connection, payloads: list[dict[str, int]]) -> float:
    await crmd.enqueue(connection, "tell-start", payloads[0])  # the first call prepares the statement
    began = time.perf_counter()
    await crmd.enqueue_many(connection, "no-op", payloads)
    return len(payloads) / (time.perf_counter() - began)


async def _check_count(connection: Connection, wanted: int) -> None:
    found = await connection.fetchval("SELECT count(DISTINCT id) FROM crmd.job WHERE type = 'no-op'")
    if found != wanted:
        raise BenchError(f"{wanted} jobs were enqueued, and {found} are there")


async def latency(ground: Ground, sizes: Sizes) -> Values:
    """Milliseconds from the call that enqueues a job to the first line of its handler, on an idle daemon."""
    calls: dict[int, float] = {}
    async with ground.fresh() as database, running_daemons(database, 1):
        client = await asyncpg.connect(database.dsn)
        for number in range(-WARM_UP, sizes.starts):
            if number == 0:
                await asyncio.sleep(QUIET_SECONDS)
            calls[number] = time.monotonic()
            await crmd.enqueue(client, "tell-start", {"number": number})
            await asyncio.sleep(random.uniform(*GAP_SECONDS))  # noqa: S311 - gaps that no poll can be in step with
        await client.close()
        starts = await _starts(database.connection, len(calls))
    taken = sorted((starts[number] - called) * 1000 for number, called in calls.items() if number >= 0)
    floor = {f"bare_{name}": value for name, value in (await bare.starts(ground, sizes)).items()}
    return {"p50": quantile(taken, 0.5), "p99": quantile(taken, 0.99), **floor}


async def _starts(connection: Connection, wanted: int) -> dict[int, float]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(rows := await connection.fetch(STARTS)) < wanted:
        if time.monotonic() > deadline:
            raise BenchError(f"of {wanted} jobs {len(rows)} were done")
        await asyncio.sleep(0.1)
    starts = {row["number"]: row["at"] for row in rows}
    if len(starts) != len(rows) or len(rows) != wanted:
        raise BenchError(f"{wanted} jobs were done {len(rows)} times")
    return starts
