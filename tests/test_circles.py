"""Circles of waits, which PostgreSQL breaks by undoing whoever has waited longest: that one tries again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import anyio
import asyncpg
import pytest
import sample_jobs

from crmd.engine.run import Run
from crmd.engine.settler import Settler
from crmd.outcome import DONE, Requeued
from crmd.store import jobs
from crmd.store.circles import fetch_tree
from crmd.store.leases import Token

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
BOTH = "SELECT pg_advisory_xact_lock(1), pg_advisory_xact_lock(2)"
WAITERS = "SELECT count(*) FROM pg_locks WHERE NOT granted"


async def one_waits(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Until somebody waits for a lock."""
    with anyio.fail_after(10):
        while not await connection.fetchval(WAITERS):  # noqa: ASYNC110 - the server knows
            await anyio.sleep(0.01)


async def test_nothing_waits_in_a_circle(workbench: Workbench) -> None:
    """Settles of children, cancels of their parents and returns to the queue at once: no deadlock, right counts."""
    pool = workbench._pool
    parents = [await workbench.run_job("fans-out", {"number": 12}) for _ in range(12)]
    job_types = workbench.everything.services.job_types
    claims = [(row, Token(row["id"], row["fence"], row["claim_id"])) for row in await workbench._claim()]
    random.Random(7).shuffle(claims)  # noqa: S311 - an order, not a secret

    async def settle(mine: list[tuple[Any, Token]]) -> None:
        for start in range(0, len(mine), 6):
            settler = Settler(pool, lambda _: None)
            for place, (row, token) in enumerate(mine[start : start + 6]):
                back = Requeued(0.0, is_attempt_given_back=True)
                settler.add(Run(row, job_types[row["type"]], token), back if place < 2 else DONE)
            await settler.settle_once()

    async def cancel(those: list[Any]) -> None:
        for parent in those:
            await jobs.cancel(pool, parent.id, "not needed")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(settle, claims[::2])
        tasks.start_soon(settle, claims[1::2])
        tasks.start_soon(cancel, parents[::4])
        tasks.start_soon(cancel, parents[1::4])
    await workbench.drain()
    for parent in parents:
        await jobs.cancel(pool, parent.id, "not needed")
        assert (await workbench.finished(parent.id)).status in {"completed", "cancelled"}
    assert await pool.fetchval("SELECT max(abs(pending)) FROM crmd.family") == 0
    assert await pool.fetchval("SELECT count(*) FROM crmd.archive WHERE type = 'fans-out'") == len(parents)


async def test_a_tree_is_taken_again(workbench: Workbench, outside: asyncpg.Connection[asyncpg.Record]) -> None:
    """A statement of its own is tried again; in a transaction of the caller's, that one has to begin again."""
    await outside.execute("SET deadlock_timeout = '5s'")  # so that the other finds it, and is the one to lose
    async with workbench._pool.acquire() as connection, anyio.create_task_group() as tasks, outside.transaction():
        await outside.execute("SELECT pg_advisory_xact_lock(2)")
        tasks.start_soon(fetch_tree, connection, BOTH)
        await one_waits(outside)
        await outside.execute("SELECT pg_advisory_xact_lock(1)")

    async def in_a_transaction() -> None:
        async with workbench._pool.acquire() as connection:
            with pytest.raises(asyncpg.DeadlockDetectedError):
                async with connection.transaction():
                    await fetch_tree(connection, BOTH)

    async with anyio.create_task_group() as tasks, outside.transaction():
        await outside.execute("SELECT pg_advisory_xact_lock(2)")
        tasks.start_soon(in_a_transaction)
        await one_waits(outside)
        await outside.execute("SELECT pg_advisory_xact_lock(1)")
