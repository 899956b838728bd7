"""Enqueuers, claims, ends and cancels of the same keys at once, on a real server."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

import anyio
import asyncpg
import enqueue_jobs
import msgspec
import pytest

import crmd
from crmd.store import leases
from crmd.store.leases import BEGINNING, EndedRow, RequeuedRow, Token
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crmd.config.loading import Config
    from crmd.model import OnConflict
    from crmd.testing import Workbench

    Pool = asyncpg.Pool[asyncpg.Record]

SQL = load_queries("crmd.store")
pytestmark = pytest.mark.crmd_plugins(enqueue_jobs)
KEYS = [f"key-{number}" for number in range(5)]
ENQUEUERS = 8
CALLS = 40
UNDONE = 0.2  # the share of calls that are rolled back
WAIT_SECONDS = 60


@pytest.fixture
async def pool(crmd_config: Config) -> AsyncIterator[Pool]:
    """Connections as any program has them."""
    assert crmd_config.database.dsn is not None
    async with asyncpg.create_pool(crmd_config.database.dsn.reveal(), min_size=0, max_size=16) as pool:
        yield pool


class Rush:
    """Everybody at once, and what they should have come to.

    `kept` holds the numbers that were committed with an answer that promises them a place in some payload.
    """

    def __init__(self, pool: Pool, bench: Workbench, seed: int) -> None:
        self.pool = pool
        self.daemon_id = bench._daemon_id
        self.random = random.Random(seed)  # noqa: S311 - an order, not a secret
        self.kept: set[str] = set()
        self.enqueuing = ENQUEUERS
        self.numbers = iter(range(1_000_000))

    async def enqueue(self, on_conflict: OnConflict) -> None:
        """Enqueue batches of keys in any order, some of which are rolled back."""
        for _ in range(CALLS):
            keys = self.random.choices(KEYS, k=self.random.randint(1, 4))
            numbers = [str(next(self.numbers)) for _ in keys]
            payloads = [{"text": number, "tags": [number]} for number in numbers]
            async with self.pool.acquire() as connection:
                transaction = connection.transaction()
                await transaction.start()
                answers = await crmd.enqueue_many(
                    connection, "notes", payloads, unique_keys=keys, on_conflict=on_conflict
                )
                if self.random.random() < UNDONE:
                    await anyio.sleep(0.002)
                    await transaction.rollback()
                    continue
                await transaction.commit()
            self.kept |= {
                number
                for number, answer in zip(numbers, answers, strict=True)
                if answer.answer not in {"returned", "rejected"}
            }
        self.enqueuing -= 1

    async def work(self) -> None:
        """Claim, and end or give back, as daemons do; until nothing is left."""
        while self.enqueuing or await self.pool.fetchval("SELECT EXISTS (SELECT FROM crmd.job)"):
            claim_id = leases.new_claim_id()
            rows = await leases.claim_ready(self.pool, self.daemon_id, "normal", 3, BEGINNING, claim_id)
            if not rows:
                await self.pool.fetchval("SELECT crmd.release_followers(NULL, 100)")
                continue
            await leases.free_started(self.pool, [row["id"] for row in rows], [row["unique_key"] for row in rows])
            await anyio.sleep(self.random.random() * 0.003)
            tokens = [Token(row["id"], row["fence"], claim_id) for row in rows]
            async with self.pool.acquire() as connection, connection.transaction():
                if self.random.random() < 0.3:
                    back = tokens.pop()
                    await leases.settle_requeued(connection, [RequeuedRow(back, 0.0, is_attempt_given_back=True)])
                await leases.settle_ended(connection, [EndedRow(token, "completed") for token in tokens])

    async def cancel(self) -> None:
        """Cancel whatever waits or runs."""
        while self.enqueuing:
            rows = await self.pool.fetch("SELECT id FROM crmd.job UNION ALL SELECT id FROM crmd.lease")
            if rows:
                await crmd.cancel(self.pool, self.random.choice(rows)["id"])
            await anyio.sleep(0.01)

    async def run(self, on_conflict: OnConflict, *, cancels: bool) -> None:
        """All of it; a deadlock, or anything else that is raised, fails the test."""
        with anyio.fail_after(WAIT_SECONDS):
            async with anyio.create_task_group() as tasks:
                for _ in range(ENQUEUERS):
                    tasks.start_soon(self.enqueue, on_conflict)
                for _ in range(2):
                    tasks.start_soon(self.work)
                if cancels:
                    tasks.start_soon(self.cancel)

    async def ended(self) -> list[Any]:
        """The jobs that ended, in order of their starts."""
        return await self.pool.fetch(
            "SELECT unique_key, payload, started_at, finished_at, status FROM crmd.archive "
            "ORDER BY unique_key, started_at"
        )


@pytest.mark.parametrize("cancels", [False, True])
@pytest.mark.parametrize("on_conflict", ["return", "replace", "merge", "push_back", "keep_time"])
async def test_one_job_per_key_runs_at_a_time(
    workbench: Workbench, pool: Pool, on_conflict: OnConflict, *, cancels: bool
) -> None:
    """No deadlock, no job of a key beside another, no update lost, no key and no follow-up left over at the end."""
    rush = Rush(pool, workbench, seed=7)
    if on_conflict == "push_back":
        await pool.execute("UPDATE crmd.job_type SET unique_max_delay_seconds = 60")
    await rush.run(on_conflict, cancels=cancels)
    ended = await rush.ended()
    started = [row for row in ended if row["started_at"] is not None]
    for earlier, later in itertools.pairwise(started):
        assert earlier["unique_key"] != later["unique_key"] or earlier["finished_at"] <= later["started_at"]
    payloads = [msgspec.json.decode(row["payload"]) for row in ended]
    if on_conflict == "merge":
        tags = [tag for payload in payloads for tag in payload["tags"]]
        assert sorted(tags) == sorted(rush.kept)
    else:
        assert {payload["text"] for payload in payloads} <= rush.kept
    await pool.fetch(SQL.upkeep_sweep, 30, 1000)  # a key that its job's end left to an enqueuer which then gave up
    for table in ("unique_key", "job", "lease"):
        assert await pool.fetchval(f"SELECT count(*) FROM crmd.{table}") == 0, table


async def test_the_newest_payload_stays(pool: Pool, workbench: Workbench) -> None:
    """Of enqueuers that replace one another, the one that committed last is the one whose payload runs."""
    rush = Rush(pool, workbench, seed=11)
    last: list[str] = []

    async def replace(number: str) -> None:
        async with pool.acquire() as connection, connection.transaction():
            await crmd.enqueue(connection, "notes", {"text": number}, unique_key="k", on_conflict="replace")
            await anyio.sleep(rush.random.random() * 0.002)
            last.append(number)  # it holds the turn of the key until it commits: the order is that of commits

    async with anyio.create_task_group() as tasks:
        for number in range(60):
            tasks.start_soon(replace, str(number))
    [done] = await workbench.drain()
    assert done.result["note"]["text"] == last[-1]
