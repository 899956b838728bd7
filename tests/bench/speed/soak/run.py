"""Goes through the soak: clients that enqueue and cancel, schedules, two daemons, looks, an account."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import asyncpg

import crmd
from speed.daemons import running_daemons
from speed.failure import BenchError
from speed.rounds import tell
from speed.soak.mix import Counts, kind_of
from speed.soak.sampling import MEBIBYTE, SIXTH, SLOWER_MAX, grown, look, waits_ms
from speed.steady.judging import Must

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from speed.database import Connection, Database, Ground
    from speed.soak.sampling import Sample

RATE = 2000
RATE_MIN = 0.97
CLIENTS = 4
PAGE = 20
DAEMONS = 2
SCHEDULES = 300
LATER_SECONDS = 60.0
BEFORE_CANCEL_SECONDS = 0.5
DONE_SECONDS = 120
LOOKS = 60
"""At least as many looks at it in all, one a minute within an hour."""

LEFT = "SELECT (SELECT count(*) FROM crmd.job WHERE type = 'soak') + (SELECT count(*) FROM crmd.lease)"
ENDED = """
SELECT count(*) AS ends, count(DISTINCT id) AS jobs, count(*) FILTER (WHERE status = 'completed') AS completed,
    count(*) FILTER (WHERE status = 'cancelled') AS cancelled
FROM crmd.archive WHERE type = 'soak'
"""
TICKS = """
SELECT (SELECT count(*) FROM crmd.tick WHERE job_id IS NOT NULL) AS fired,
    (SELECT count(*) FROM crmd.archive WHERE type = 'soak-tick' AND status = 'completed')
    + (SELECT count(*) FROM crmd.job WHERE type = 'soak-tick') AS done
"""


async def run_soak(ground: Ground, seconds: float, rate: float = RATE) -> tuple[list[Sample], list[Must]]:
    """Soak for so long; answers the looks at it, and what has to hold.

    Raises:
        BenchError: The jobs do not come to an end.
    """
    async with ground.fresh() as database:
        await _schedule(database)
        async with running_daemons(database, DAEMONS) as daemons:
            began_at = await database.connection.fetchval("SELECT clock_timestamp()")
            clients = asyncio.gather(*[_client(database, place, seconds, rate) for place in range(CLIENTS)])
            samples: list[Sample] = []
            while not clients.done():
                await asyncio.wait([clients], timeout=min(60.0, seconds / LOOKS))
                samples.append(await look(database, daemons, samples[-1].at if samples else began_at))
                _tell(samples[-1])
            counts = await clients
            await _until_done(database)
            exits = sum(not daemon.is_running for daemon in daemons)
        kept = sum(one.completed + one.cancelled for one in counts) / (samples[-1].at - began_at).total_seconds()
        words = f"{kept:,.0f} jobs a second enqueued, at least {RATE_MIN:.0%} of {rate:,.0f}"
        musts = await _musts(database, samples, counts, began_at, exits)
        return samples, [Must(words, kept >= rate * RATE_MIN), *musts]


async def _schedule(database: Database) -> None:
    every = [
        crmd.NewSchedule(name=f"soak-{number}", job_type="soak-tick", when="every 60s") for number in range(SCHEDULES)
    ]
    await crmd.schedule(database.connection, *every)


async def _client(database: Database, place: int, seconds: float, rate: float) -> Counts:
    """Enqueue pages of jobs at their times, and cancel what is to be cancelled a little later."""
    connection, counts, number = await asyncpg.connect(database.dsn), Counts(), place
    began, gap, page = time.monotonic(), PAGE * CLIENTS / rate, 0
    cancelled_at = began
    while (due := began + page * gap) < began + seconds:
        await asyncio.sleep(max(due - time.monotonic(), 0))
        numbers = [number + CLIENTS * one for one in range(PAGE)]
        await _enqueue(connection, numbers, counts)
        number, page = number + CLIENTS * PAGE, page + 1
        if time.monotonic() > cancelled_at + BEFORE_CANCEL_SECONDS:
            await _cancel(connection, counts)
            cancelled_at = time.monotonic()
    await asyncio.sleep(BEFORE_CANCEL_SECONDS)
    await _cancel(connection, counts)
    await connection.close()
    return counts


async def _enqueue(connection: Connection, numbers: list[int], counts: Counts) -> None:
    kinds = {number: kind_of(number) for number in numbers}
    now = [number for number, kind in kinds.items() if kind != "later"]
    later = [number for number, kind in kinds.items() if kind == "later"]
    for chosen, delay in ((now, None), (later, LATER_SECONDS)):
        payloads = [{"number": number, "does": kinds[number]} for number in chosen]
        enqueued = await crmd.enqueue_many(connection, "soak", payloads, delay_seconds=delay)
        counts.add([kinds[number] for number in chosen], enqueued)


async def _cancel(connection: Connection, counts: Counts) -> None:
    while counts.to_cancel:
        await crmd.cancel(connection, counts.to_cancel.pop())


async def _until_done(database: Database) -> None:
    for _ in range(DONE_SECONDS * 4):
        if not await database.connection.fetchval(LEFT):
            return
        await asyncio.sleep(0.25)
    raise BenchError(f"{await database.connection.fetchval(LEFT)} jobs were left after {DONE_SECONDS} s")


async def _musts(
    database: Database, samples: Sequence[Sample], counts: Sequence[Counts], began_at: datetime, exits: int
) -> list[Must]:
    sixth = (samples[-1].at - began_at) / SIXTH
    _, first = await waits_ms(database, began_at, began_at + sixth)
    _, last = await waits_ms(database, samples[-1].at - sixth, samples[-1].at)
    musts = [Must(f"p99 {first:.1f} ms in the first sixth, {last:.1f} ms in the last", last <= first * SLOWER_MAX)]
    for words, before, after, is_flat in (
        ("tables", *grown(samples, lambda one: one.table_bytes)),
        ("indexes", *grown(samples, lambda one: one.index_bytes)),
        ("memory of the daemons", *grown(samples, lambda one: one.memory_bytes)),
    ):
        musts.append(Must(f"{words}: {before / MEBIBYTE:.1f} MiB, then {after / MEBIBYTE:.1f} MiB", is_flat))
    completed, cancelled = sum(one.completed for one in counts), sum(one.cancelled for one in counts)
    row = await database.connection.fetchrow(ENDED)
    ticks = await database.connection.fetchrow(TICKS)
    assert row is not None, "an aggregate always answers a row"
    assert ticks is not None, "a query without a table always answers a row"
    found = (
        f"{row['ends']:,} ends of {row['jobs']:,} jobs, {row['completed']:,} completed, {row['cancelled']:,} cancelled"
    )
    wanted = f"{completed + cancelled:,} jobs, {completed:,} to complete, {cancelled:,} to cancel"
    total = completed + cancelled
    is_exact = tuple(row) == (total, total, completed, cancelled)
    return [
        *musts,
        Must(f"{wanted}: {found}", is_exact),
        Must(f"{ticks['fired']:,} ticks fired, {ticks['done']:,} jobs of theirs", ticks["fired"] == ticks["done"] > 0),
        Must(f"{exits} daemons ended by themselves, none may", exits == 0),
    ]


def _tell(sample: Sample) -> None:
    sizes = [sample.table_bytes, sample.index_bytes, sample.archive_bytes, sample.memory_bytes]
    tables, indexes, archive, memory = (f"{size / MEBIBYTE:,.1f}" for size in sizes)
    tell(
        f"{sample.at:%H:%M:%S}  p50 {sample.p50_ms:.1f}  p99 {sample.p99_ms:.1f} ms  tables {tables}  "
        f"indexes {indexes}  archive {archive}  memory {memory} MiB"
    )
