"""What databases and crowded pools do to a daemon, brought about on a real server."""

from __future__ import annotations

import json
import os
import random
import sys
from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest

import crmd
from crmd.clock import boot_seconds
from crmd.engine import borrowing
from crmd.engine.claimer import Claimer
from crmd.engine.executor import Executor
from crmd.engine.heartbeat import Heartbeat, register
from crmd.engine.job_context import JobContext
from crmd.engine.reaper import reap_once
from crmd.engine.run import Run
from crmd.engine.settler import Settler
from crmd.outcome import Ended
from crmd.store import job_log, jobs, leases
from crmd.store.job_log import Lines
from crmd.store.jobs import NewJobs
from crmd.store.leases import BEGINNING, Token
from crmd.store.pools import Server, open_pools
from crmd.store.queries import load_queries
from crmd.tuning import UNTUNED

if TYPE_CHECKING:
    from uuid import UUID

    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sys.modules[__name__])
SQL = load_queries("crmd.store")
PATIENCE_SECONDS = 20.0
CLAIMS = int(os.environ.get("CRMD_TEST_CLAIMS", "20000"))
AT_THE_EDGE = """
SELECT setval(s.seqrelid::regclass, 2147483647) FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
WHERE c.relnamespace = 'crmd'::regnamespace
"""


class Text(crmd.Payload, frozen=True):
    """As long as it likes."""

    text: str = ""


@crmd.job("plain", queue="fast")
async def plain(ctx: crmd.Context, payload: Text) -> None:
    """Ends at once."""


async def enqueued(workbench: Workbench, count: int, text: str = "") -> list[UUID]:
    """Jobs of nobody's workspace, which are claimed straight from the index."""
    new = NewJobs(type="plain", payloads=[json.dumps({"text": text}).encode()] * count)
    return [row.id for row in await jobs.enqueue_many(workbench.everything.pools.control, new)]


async def claimed(workbench: Workbench, count: int) -> list[Run]:
    """So many jobs that run."""
    await enqueued(workbench, count)
    job_type = workbench.everything.services.job_types["plain"]
    return [Run(row, job_type, Token(row["id"], row["fence"], row["claim_id"])) for row in await workbench._claim()]


async def test_no_job_is_claimed_twice(workbench: Workbench) -> None:
    """Six daemons that claim as fast as they can, a few at a time, share the jobs without one in common."""
    pool = workbench.everything.pools.control
    ids = [job_id for _ in range(0, CLAIMS, 5000) for job_id in await enqueued(workbench, 5000)]
    got: list[UUID] = []

    async def claim(seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - a repeatable plan
        daemon_id = await register(pool, "test", ["fast"], 600.0)
        while rows := await leases.claim_ready(
            pool, daemon_id, "fast", chance.randint(1, 40), BEGINNING, leases.new_claim_id()
        ):
            got.extend(row["id"] for row in rows)

    async with anyio.create_task_group() as tasks:
        for seed in range(6):
            tasks.start_soon(claim, seed)
    assert len(got) == len(ids)
    assert set(got) == set(ids)
    assert await pool.fetchval("SELECT count(*) FROM crmd.lease WHERE fence = 1") == len(ids)


async def test_one_host_name_is_no_identity(workbench: Workbench) -> None:
    """A daemon that starts again under its old host name and process id inherits nothing, and is not taken for dead."""
    pool = workbench.everything.pools.control
    first, second = [await register(pool, "test", ["fast"], lease) for lease in (0.05, 600.0)]
    facts = await pool.fetch("SELECT host, pid FROM crmd.daemon WHERE id = ANY ($1)", [first, second])
    assert len({tuple(row) for row in facts}) == 1
    for daemon_id, job_id in zip((first, second), await enqueued(workbench, 2), strict=True):
        assert await leases.claim_one(pool, daemon_id, job_id, leases.new_claim_id())
    await workbench.clock.advance(1.05)
    assert await reap_once(pool) == 1
    assert await pool.fetchval("SELECT daemon_id FROM crmd.lease") == second


async def test_crowded_pools_starve_no_heart(workbench: Workbench) -> None:
    """While jobs hold every connection of the plugins, and loops those of the engine, leases are renewed."""
    server = Server(dsn=workbench.everything.pools.server.dsn, pool_max=2)
    async with open_pools(server, control_max=2) as pools, anyio.create_task_group() as tasks:
        for pool in (pools.control, pools.plugins, pools.work):
            for _ in range(8):
                tasks.start_soon(pool.fetchval, "SELECT pg_sleep(3)")
        daemon_id = await register(workbench.everything.pools.control, "test", ["fast"], 6.0)
        heart = Heartbeat(server, daemon_id, 6.0, lambda _: None, spare=pools.work, registered_at=boot_seconds())
        heart.start()
        until = "SELECT lease_until FROM crmd.daemon WHERE id = $1"
        before = await workbench.everything.pools.control.fetchval(until, daemon_id)
        with anyio.fail_after(PATIENCE_SECONDS):
            while await workbench.everything.pools.control.fetchval(until, daemon_id) == before:
                heart.beat_soon()
                await anyio.sleep(0.02)
        assert pools.control.get_idle_size() == pools.plugins.get_idle_size() == 0
        await heart.stop()
        tasks.cancel_scope.cancel()


async def test_a_transaction_inside_another_fails_soon(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that each hold a connection and want a second one get an error that says so, and nobody waits for ever."""
    assert borrowing.NESTED_SECONDS <= 5
    monkeypatch.setattr(borrowing, "NESTED_SECONDS", 0.5)
    runs = await claimed(workbench, workbench.everything.pools.plugins.get_max_size())
    told: list[str] = []

    async def nest(run: Run) -> None:
        ctx = JobContext(run, workbench.everything.services)
        try:
            async with ctx.transaction():
                await anyio.lowlevel.checkpoint()
                async with ctx.transaction():
                    pass
        except TimeoutError as error:
            told.append(str(error))

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            for run in runs:
                tasks.start_soon(nest, run)
    assert len(told) == len(runs)
    assert all("a transaction of this job is open" in words for words in told)


async def test_settling_survives_a_deadlock(workbench: Workbench) -> None:
    """Whoever loses a deadlock against a stranger's transaction tries again: every outcome is written, once."""
    runs = sorted(await claimed(workbench, 2), key=lambda run: run.token.id)
    first, second = [run.token.id for run in runs]
    pool = workbench.everything.pools.control
    settler = Settler(pool, lambda _: None)
    for run in runs:
        settler.add(run, Ended("completed", b"1"))
    lock = "SELECT FROM crmd.lease WHERE id = $1 FOR UPDATE"
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    async with pool.acquire() as stranger, anyio.create_task_group() as tasks:
        await stranger.execute("SET deadlock_timeout = '5s'")  # so that the settler finds it, and is the one to lose
        async with stranger.transaction():
            await stranger.execute(lock, second)
            tasks.start_soon(settler.settle_once)
            while not await workbench.everything.pools.plugins.fetchval(waiting):  # noqa: ASYNC110 - another session
                await anyio.sleep(0.01)
            await stranger.execute(lock, first)  # which it gets, as the settler has lost its own
    assert settler.backlog == 0
    assert await pool.fetchval("SELECT count(*) FROM crmd.archive") == 2


async def test_a_lease_is_never_born_old(workbench: Workbench) -> None:
    """In a transaction that began before a lease's whole length, a renewal holds from when it is made."""
    async with workbench.everything.pools.control.acquire() as connection, connection.transaction():
        await connection.fetchval("SELECT pg_sleep(0.3)")
        daemon_id = await register(connection, "test", ["fast"], 0.2)
        row = await connection.fetchrow(SQL.daemon_beat, daemon_id, 0.2)
        assert row is not None
        age = "SELECT extract(epoch FROM lease_until - transaction_timestamp()) FROM crmd.daemon WHERE id = $1"
        assert await connection.fetchval(age, daemon_id) > 0.45
        [job_id] = await enqueued(workbench, 1)
        await leases.claim_one(connection, daemon_id, job_id, leases.new_claim_id())
        assert await connection.fetchval("SELECT claimed_at > transaction_timestamp() FROM crmd.lease") is True


async def test_an_open_snapshot_is_walked_over_once(workbench: Workbench) -> None:
    """While a snapshot keeps dead rows alive, a claim behind the last one reads a small part of what is dead."""
    pool = workbench.everything.pools.control
    snapshot = await asyncpg.connect(workbench.everything.pools.server.dsn)
    async with snapshot.transaction(isolation="repeatable_read"):
        await snapshot.fetchval("SELECT count(*) FROM crmd.job")
        await enqueued(workbench, 2000, "x" * 1500)
        settler = Settler(pool, lambda _: None)
        executor = Executor(workbench.everything.services, settler, {"fast": 100})
        claimer = Claimer(
            pool, executor, executor.queues["fast"], poll_max_seconds=lambda: 0.01, local_limits=lambda: (),
            tuning=lambda: UNTUNED,
        )  # fmt: skip
        claimer.begin(workbench._daemon_id)
        while await pool.fetchval("SELECT count(*) FROM crmd.job") > 500:
            await claimer.claim_once()
            while executor.runs:
                await anyio.lowlevel.checkpoint()
            await settler.settle_once()
        behind = await pages_read(workbench, *claimer._watermark)
        assert behind * 5 < await pages_read(workbench, *BEGINNING)
        await executor.close()
    await snapshot.close()


async def pages_read(workbench: Workbench, *watermark: object) -> int:
    """How many pages a claim of ten jobs looks at; it is taken back."""
    async with workbench.everything.pools.control.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        plan = await connection.fetchval(
            "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + SQL.claim_ready,
            "fast", 10, leases.new_claim_id(), *watermark, workbench._daemon_id, [],
        )  # fmt: skip
        await transaction.rollback()
    top = json.loads(plan)[0]["Plan"]
    return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])


async def test_a_long_name_fails_no_commit(workbench: Workbench, outside: asyncpg.Connection[asyncpg.Record]) -> None:
    """Whatever is said in a wake-up fits into one: the queue with the longest of names is told as all queues."""
    pool = workbench.everything.pools.control
    heard: list[object] = []
    await outside.add_listener("crmd_wake", lambda *told: heard.append(told[-1]))
    long = "q" * 9000
    await pool.execute("UPDATE crmd.daemon SET idle_queues = ARRAY[$1::text], queues = ARRAY[$1]", long)
    await pool.execute("UPDATE crmd.job_type SET queue = $1 WHERE name = 'plain'", long)
    assert await pool.fetchval("SELECT crmd.enqueue('plain')") is not None
    await outside.fetchval("SELECT 1")
    assert heard == ["*"]


async def test_numbers_pass_two_to_the_power_of_31(workbench: Workbench) -> None:
    """Every number that grows with use is 64 bits wide: fences, events and lines of logs go on beyond 2^31."""
    pool = workbench.everything.pools.control
    narrow = await pool.fetch(
        "SELECT s.relname FROM pg_class s JOIN pg_namespace n ON n.oid = s.relnamespace"
        " JOIN pg_sequence q ON q.seqrelid = s.oid WHERE n.nspname = 'crmd' AND q.seqmax < 2 ^ 62"
    )
    assert narrow == []
    await enqueued(workbench, 1)
    await pool.execute("UPDATE crmd.job SET fence = $1", 2**31 - 1)
    [done] = await workbench.drain()
    assert done.status == "completed"
    assert await pool.fetchval("SELECT fence FROM crmd.archive") == 2**31
    await pool.execute(AT_THE_EDGE)
    await pool.execute("SELECT crmd.emit('lead.created', '{}'::jsonb)")
    assert await pool.fetchval("SELECT seq FROM crmd.event") == 2**31
    await job_log.write(pool, [Lines(done.id, 1, b'[{"text": "here"}]')])
    assert [row["id"] for row in await job_log.read(pool, done.id, 2**31 - 1)] == [2**31]
