"""What this machine takes for the bare steps that an enqueue and a start are made of: the floor under both figures.

A table with a bare row in it, one insert a transaction; and a process that sleeps until a notification comes and then
deletes the row. Nothing is checked, fenced, limited, archived or settled. `python -m speed.bare DSN` is that process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import asyncpg
import uvloop

from crmd.embedded.account import Account
from speed.daemons import BENCH
from speed.failure import BenchError
from speed.figure import quantile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from speed.database import Database, Ground
    from speed.figure import Values
    from speed.sizes import Sizes

TABLE = "CREATE TABLE bare (id bigint PRIMARY KEY, payload jsonb NOT NULL)"
INSERT = "INSERT INTO bare (id, payload) VALUES ($1, '{}')"
TELL = (
    "WITH made AS (INSERT INTO bare (id, payload) VALUES ($1, '{}') RETURNING 1) SELECT pg_notify('bare', '') FROM made"
)
LISTENS = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
TAKE = "DELETE FROM bare WHERE id = (SELECT id FROM bare ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id"
GAP_SECONDS = (0.02, 0.08)
WARM_UP = 20
PATIENCE_SECONDS = 60.0
US = Account(os.geteuid(), os.getegid(), "us", is_ours=True)


async def singles(database: Database, count: int) -> float:
    """Rows a second that one connection inserts, each in a transaction of its own."""
    connection = database.connection
    await connection.execute(TABLE)
    began = time.perf_counter()
    for number in range(count):
        await connection.execute(INSERT, number)
    return count / (time.perf_counter() - began)


async def starts(ground: Ground, sizes: Sizes) -> Values:
    """Milliseconds from before an insert with a notification until another process has taken the row."""
    called: dict[int, float] = {}
    async with ground.fresh(template="template0") as database:
        await database.connection.execute(TABLE)
        async with _taker(database) as taken:
            for number in range(-WARM_UP, sizes.starts):
                called[number] = time.monotonic()
                await database.connection.execute(TELL, number)
                await asyncio.sleep(random.uniform(*GAP_SECONDS))  # noqa: S311 - as of the figure beside it
            deadline = time.monotonic() + PATIENCE_SECONDS
            while len(taken) < len(called):
                if time.monotonic() > deadline:
                    raise BenchError(f"of {len(called)} bare rows {len(taken)} were taken")
                await asyncio.sleep(0.05)
    took = sorted((taken[number] - at) * 1000 for number, at in called.items() if number >= 0)
    return {"p50": quantile(took, 0.5), "p99": quantile(took, 0.99)}


@contextlib.asynccontextmanager
async def _taker(database: Database) -> AsyncIterator[dict[int, float]]:
    """When the other process took each row, as it tells."""
    command = US.command(sys.executable, "-m", "speed.bare", database.dsn)
    environ = {**os.environ, "PYTHONPATH": str(BENCH)}
    process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=subprocess.PIPE)
    assert process.stdout is not None, "it was asked for"
    taken: dict[int, float] = {}

    async def read(lines: asyncio.StreamReader) -> None:
        async for line in lines:
            number, at = line.split()
            taken[int(number)] = float(at)

    reading = asyncio.create_task(read(process.stdout))
    try:
        while not await database.connection.fetchval(LISTENS):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)
        yield taken
    finally:
        process.kill()
        await process.wait()
        await reading


async def _take_all(dsn: str) -> None:
    listener, worker = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    told = asyncio.Event()
    await worker.fetchval(TAKE)
    await listener.add_listener("bare", lambda *_: told.set())
    while True:
        await told.wait()
        told.clear()
        while (number := await worker.fetchval(TAKE)) is not None:
            sys.stdout.write(f"{number} {time.monotonic()}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(_take_all(sys.argv[1]))
