"""What durable work costs: steps, sleeps, gathered children, released dependents, and events with and without waiters.

On an embedded PostgreSQL that flushes each commit, in one process, one job after the other where nothing else is said.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))

import durable_plugin
from durable_jobs import PROGRAM

from crmd.embedded.supervisor import temporary_embedded
from crmd.testing.databases import DSN_VARIABLE, TestServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import crmd
    from crmd.testing import Workbench

COUNT = int(os.environ.get("BENCH_COUNT", "5000"))
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "shared_buffers": "256MB"}
BOOK = "SELECT crmd.book_ended($1, $2, $3, NULL)"
RELEASE = "SELECT crmd.enqueue_many('notes', array_fill('{}'::jsonb, ARRAY[$1::int]), after => ARRAY[$2::uuid])"
OTHERS = """
INSERT INTO crmd.waiting (job_id, step, fence, event_type, match, probe, workspace_id, since_at, registered_at,
    until_at, is_sure)
SELECT crmd.uuid7(), 'w', 1, 'approved', m, crmd.probe('number', m -> 'number'), $2, now(), now(), 'infinity', true
FROM generate_series($3::int, $3 + $1) n, LATERAL (SELECT jsonb_build_object('number', n) AS m) x
"""
EMIT = "SELECT crmd.emit($1, jsonb_build_object('number', $2::int), $3)"


async def timed(label: str, count: int, work: Callable[[], Awaitable[object]]) -> None:
    """Print how long something took, for each of its parts."""
    began = time.perf_counter()
    await work()
    seconds = time.perf_counter() - began
    sys.stdout.write(f"{label:58}{seconds / count * 1e6:10,.0f} us each{count / seconds:12,.0f} /s\n")


async def steps(bench: Workbench) -> None:
    """One job of many steps, then the attempt that finds them."""
    count = min(COUNT, 2000)

    async def handler(ctx: crmd.Context) -> None:
        for number in range(count):
            await ctx.step(f"step {number}", int, number)
        if ctx.job.attempt == 1:
            raise ValueError("once more")

    PROGRAM["handler"] = handler
    enqueued = await bench.enqueue("as-told")
    await timed("step done and kept", count, lambda: bench.attempt(enqueued.id))
    await bench.clock.advance(60)
    await timed("step found by a later attempt", count, lambda: bench.attempt(enqueued.id))


async def gathered(bench: Workbench) -> None:
    """One job of many children."""

    async def handler(ctx: crmd.Context) -> None:
        await ctx.gather([("answers", {"number": number}) for number in range(COUNT)])

    PROGRAM["handler"] = handler
    enqueued = await bench.enqueue("as-told")
    await timed("child started by a gather", COUNT, lambda: bench.attempt(enqueued.id))
    pool = bench.everything.pools.control
    ids = [row["id"] for row in await pool.fetch("SELECT id FROM crmd.job WHERE type = 'answers'")]
    await timed("child booked with its parent", COUNT, lambda: _ended(bench, enqueued.id, ids))


async def _ended(bench: Workbench, parent: object, ids: list[object]) -> None:
    """Children end a thousand at a time, as a settler writes them; their own rows are left out of the account."""
    pool = bench.everything.pools.control
    for start in range(0, len(ids), 1000):
        batch = ids[start : start + 1000]
        await pool.execute(BOOK, batch, [parent] * len(batch), ["completed"] * len(batch))


async def released(bench: Workbench) -> None:
    """Many jobs after one."""
    pool = bench.everything.pools.control
    first = await bench.enqueue("answers", {"number": 1})
    await timed("job enqueued to come after another", COUNT, lambda: pool.execute(RELEASE, COUNT, first.id))
    await timed("job released by the end of the one before", COUNT, lambda: bench.attempt(first.id))


async def emitted(bench: Workbench) -> None:
    """Events of which nobody, and of which many jobs wait for one each."""
    pool = bench.everything.pools.control
    count = min(COUNT, 1000)

    async def emit(event_type: str) -> None:
        for number in range(count):
            await pool.execute(EMIT, event_type, number, bench.workspace_id)

    await timed("event emitted, nobody waits for its type", count, lambda: emit("approved"))
    await pool.execute(OTHERS, COUNT, bench.workspace_id, count)
    await timed(f"event emitted, {COUNT:,} jobs wait for others of its type", count, lambda: emit("approved"))


async def main() -> None:
    """Print the table."""
    from crmd.testing.arena import Arena  # noqa: PLC0415 - it reads the address of the server

    with tempfile.TemporaryDirectory() as folder:
        async with temporary_embedded(DURABLE) as server:
            os.environ[DSN_VARIABLE] = server.dsn.reveal()
            with TestServer() as tests:
                arena = Arena(tests, [durable_plugin], Path(folder))
                for measure in (steps, gathered, released, emitted):
                    async with arena.fresh() as bench:
                        bench.workspace_id = uuid4()
                        await measure(bench)


if __name__ == "__main__":
    asyncio.run(main())
