"""What stands in the way of others: jobs that are not due, limits that are full, input that is too deep or too long."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import pytest

import crmd
from crmd import client
from crmd.engine.heartbeat import register
from crmd.engine.reaper import reap_once
from crmd.errors import CrmdError
from crmd.lanes import Turns
from crmd.log.formats import error_of, message_of
from crmd.store import lane_claims, leases
from crmd.tuning import UNTUNED

if TYPE_CHECKING:
    from crmd.testing import Workbench

CANARY = "canary-4711"
DEEP = 100_000
HUGE = 100_000_000
LEASE_SECONDS = 0.05  # the server of the session may have started only just now
FUTURE = """
SELECT crmd.enqueue_many('single', array_fill('{}'::jsonb, ARRAY[600]), $1, priority => 'critical',
    run_at => crmd.clock() + interval '10 minutes')
"""
LONG_JOBS = """
INSERT INTO crmd.lease (id, claim_id, daemon_id, claimed_at, run_at, rank_at, created_at, fence, attempt, max_attempts,
    crash_count, snooze_count, type, queue, priority, payload, started_at)
SELECT gen_random_uuid(), gen_random_uuid(), $1, at, at, at, at, 1, 1, 3, 1, 0, 'single', 'normal', 'normal', '{}', at
FROM (SELECT crmd.clock() AS at) c, generate_series(1, 100000)
"""


@crmd.job("single", concurrency=crmd.Concurrency(max=1, per="workspace"))
async def single(ctx: crmd.Context) -> None:
    """One of a workspace at a time."""


@crmd.job("shouts", max_attempts=1)
async def shouts(ctx: crmd.Context) -> None:
    """Fails with a text that cannot be stored, and would not fit."""
    raise RuntimeError("\x00\ud800" * 50 + "x" * HUGE)


@crmd.job("refused", max_attempts=1)
async def refused(ctx: crmd.Context) -> None:
    """A statement fails whose argument is nobody's business."""
    async with ctx.transaction() as tx:
        await tx.execute("SELECT $1::text::integer", CANARY)


@crmd.job("misfit", max_attempts=1)
async def misfit(ctx: crmd.Context) -> None:
    """An argument that asyncpg itself refuses."""
    async with ctx.transaction() as tx:
        await tx.execute("SELECT $1::integer", CANARY)


pytestmark = pytest.mark.crmd_plugins(sys.modules[__name__])


async def test_jobs_of_the_future_hold_up_no_job_of_their_key(workbench: Workbench) -> None:
    """Hundreds that come first by rank and are not due yet stand before one that is: it starts, and they don't."""
    pool, workspace_id = workbench.everything.pools.control, UUID(int=7)
    await pool.execute(FUTURE, workspace_id)
    due = await pool.fetchval("SELECT crmd.enqueue('single', '{}', $1, priority => 'low')", workspace_id)
    rows = await lane_claims.claim_lanes(pool, workbench._daemon_id, "normal", 10, Turns(), {}, uuid4(), UNTUNED)
    assert [row["id"] for row in rows] == [due]


async def test_long_jobs_and_full_limits_hide_no_dead_daemon(workbench: Workbench) -> None:
    """A hundred thousand jobs of a living daemon and a limit that is full keep the one of a dead daemon from nobody."""
    pool = workbench.everything.pools.control
    living = await register(pool, "test", ["normal"], 3600.0)
    await pool.execute(LONG_JOBS, living)
    enqueued = await workbench.enqueue("single")
    dead = await register(pool, "test", ["normal"], LEASE_SECONDS)
    assert await leases.claim_one(pool, dead, enqueued.id, leases.new_claim_id())
    await pool.execute("SELECT crmd.tune('type:single', 'max', '0')")
    await workbench.clock.advance(LEASE_SECONDS + 1)
    assert await reap_once(pool) == 1
    assert await pool.fetchval("SELECT id FROM crmd.job") == enqueued.id


async def test_an_error_of_any_size_ends_its_job(workbench: Workbench) -> None:
    """A hundred megabytes of error with what PostgreSQL cannot keep become a row of kilobytes; nothing is stuck."""
    done = await workbench.run_job("shouts")
    assert (done.status, done.errors[-1]["class"]) == ("dead", "RuntimeError")
    assert await workbench._pool.fetchval("SELECT pg_column_size(a.*) FROM crmd.archive a") < 64 * 1024
    assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.lease") == 0


def nested(depth: int) -> dict[str, Any]:
    """A payload so many objects deep."""
    payload: dict[str, Any] = {}
    for _ in range(depth):
        payload = {"a": payload}
    return payload


@pytest.mark.parametrize("payload", [nested(DEEP), nested(5_000), {"a": "x" * 300_000}])
async def test_a_payload_that_cannot_be_kept_is_refused_in_a_sentence(
    workbench: Workbench, payload: dict[str, Any]
) -> None:
    """Too deep or too large: whoever enqueues is told so, and nothing is stored."""
    with pytest.raises(CrmdError):
        await client.enqueue(workbench.everything.pools.plugins, "single", payload)
    assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.job") == 0


@pytest.mark.parametrize("payload", ["[" * DEEP + "]" * DEEP, "[1e200000]", '{"a": "\\u0000"}', '{"a": NaN}'])
async def test_json_that_postgresql_cannot_keep_ends_its_statement(workbench: Workbench, payload: str) -> None:
    """Enqueued by SQL, what is no jsonb fails its own statement; the session goes on."""
    async with workbench.everything.pools.plugins.acquire() as connection:
        with pytest.raises((asyncpg.DataError, asyncpg.StatementTooComplexError)):
            await connection.execute("SELECT crmd.enqueue('single', $1::text::jsonb)", payload)
        assert await connection.fetchval("SELECT count(*) FROM crmd.jobs") == 0


@pytest.mark.parametrize("job_type", ["refused", "misfit"])
async def test_no_argument_of_a_statement_is_told(
    workbench: Workbench, caplog: pytest.LogCaptureFixture, job_type: str
) -> None:
    """PostgreSQL and its driver put values into their messages; neither the job's record nor any log has them."""
    with caplog.at_level(logging.DEBUG):
        done = await workbench.run_job(job_type)
    assert done.status == "dead"
    kept: str = await workbench._pool.fetchval("SELECT to_jsonb(a)::text FROM crmd.archive a")
    lines = [message_of(line) + error_of(line) for line in caplog.records]
    assert lines
    assert CANARY not in kept + "".join(lines)
