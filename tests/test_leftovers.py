"""What a cancelled or lapsed job leaves behind, whatever it waited for: an archived row, and nobody who waits on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import durable_plugin
import pytest
from durable_jobs import CALLS, PROGRAM

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from uuid import UUID

    import asyncpg

    import crmd
    from crmd.testing import Workbench

    Pool = asyncpg.Pool[asyncpg.Record]
    Make = Callable[[Workbench, UUID], Awaitable[UUID]]

pytestmark = pytest.mark.crmd_plugins(durable_plugin)
SQL = load_queries("crmd.store")
# The subject is a child of $1, and holds a key.
SUBJECT = """
SELECT e.id FROM crmd.enqueue_many($2, ARRAY[$3::text::jsonb], parent_id => $1, unique_keys => ARRAY['subject'],
    expires_in_seconds => 60, after => $4) e
"""
LEFT = """
WITH alive AS (SELECT id FROM crmd.job UNION ALL SELECT id FROM crmd.lease)
SELECT 'waiting' FROM crmd.waiting w WHERE w.job_id NOT IN (SELECT id FROM alive)
UNION ALL SELECT 'dependency' FROM crmd.dependency d
    WHERE d.job_id NOT IN (SELECT id FROM alive) OR d.after_id NOT IN (SELECT id FROM alive)
UNION ALL SELECT 'unique_key' FROM crmd.unique_key u
    WHERE u.job_id NOT IN (SELECT id FROM alive)
UNION ALL SELECT 'family' FROM crmd.family f WHERE f.pending <> (
    SELECT count(*) FROM alive JOIN crmd.jobs j USING (id) WHERE j.parent_id = f.parent_id)
    + (SELECT count(*) FROM crmd.dependency d WHERE d.job_id = f.parent_id)
UNION ALL SELECT 'follows' FROM crmd.job j WHERE j.follows NOT IN (SELECT id FROM alive)
"""


@pytest.fixture(autouse=True)
def nothing_called() -> Iterator[None]:
    """Each test counts for itself."""
    CALLS.clear()
    PROGRAM.clear()
    yield
    PROGRAM.clear()


async def enqueued(
    workbench: Workbench, parent: UUID, job_type: str = "answers", payload: str = "{}", *after: UUID
) -> UUID:
    """The subject, waiting."""
    job_id: UUID = await workbench.everything.pools.control.fetchval(
        SUBJECT, parent, job_type, payload, list(after) or None
    )
    return job_id


async def attempted(workbench: Workbench, parent: UUID, job_type: str, payload: str = "{}") -> UUID:
    """The subject, after an attempt of it that left it waiting."""
    job_id = await enqueued(workbench, parent, job_type, payload)
    await workbench.attempt(job_id)
    return job_id


async def plain(workbench: Workbench, parent: UUID) -> UUID:
    """Waits for its turn."""
    return await enqueued(workbench, parent)


async def after(workbench: Workbench, parent: UUID) -> UUID:
    """Waits for two other jobs, one of which waits for long."""
    pool = workbench.everything.pools.control
    others = [await pool.fetchval("SELECT crmd.enqueue('notes', delay_seconds => 1e6)") for _ in range(2)]
    return await enqueued(workbench, parent, "answers", "{}", *others)


async def follow_up(workbench: Workbench, parent: UUID) -> UUID:
    """Waits for the job that held its key, which sleeps."""
    pool = workbench.everything.pools.control
    first = await pool.fetchval("""SELECT crmd.enqueue('sleeps', '{"number": 100}', unique_key => 'subject')""")
    await workbench.attempt(first)
    row = await pool.fetchrow(
        "SELECT * FROM crmd.enqueue_many('sleeps', ARRAY['{}'::jsonb], unique_keys => ARRAY['subject'],"
        " parent_id => $1, on_conflict => 'replace', expires_in_seconds => 60)",
        parent,
    )
    assert row is not None
    assert row["answer"] == "created"
    job_id: UUID = row["id"]
    return job_id


def held(word: str) -> Make:
    """Waits for somebody's look."""

    async def make(workbench: Workbench, parent: UUID) -> UUID:
        job_id = await enqueued(workbench, parent)
        await workbench.everything.pools.control.execute("UPDATE crmd.job SET held = $2 WHERE id = $1", job_id, word)
        return job_id

    return make


async def sleeping(workbench: Workbench, parent: UUID) -> UUID:
    """Sleeps between two steps."""
    return await attempted(workbench, parent, "sleeps")


async def for_event(workbench: Workbench, parent: UUID) -> UUID:
    """Waits for an event."""
    return await attempted(workbench, parent, "waits-for-ever")


async def gathering(workbench: Workbench, parent: UUID) -> UUID:
    """Waits for its children to go on."""

    async def handler(ctx: crmd.Context) -> object:
        return [one.result for one in await ctx.gather([("answers", {"number": n}) for n in range(3)])]

    PROGRAM["handler"] = handler
    return await attempted(workbench, parent, "as-told")


async def with_children(workbench: Workbench, parent: UUID) -> UUID:
    """Has run, and waits for its children to end, one of which waits for an event and one for the other."""

    async def handler(ctx: crmd.Context) -> None:
        first = await ctx.enqueue("waits-for-ever", is_child=True)
        await ctx.enqueue("answers", is_child=True, after=[first.id])

    PROGRAM["handler"] = handler
    return await attempted(workbench, parent, "as-told")


async def batch(workbench: Workbench, parent: UUID) -> UUID:
    """Is a batch that somebody waits for in turn."""
    pool = workbench.everything.pools.control
    job_id: UUID = await pool.fetchval(
        """SELECT crmd.batch('[{"type": "answers"}, {"type": "sleeps"}]', '{"type": "notes"}', '{"type": "notes"}')"""
    )
    await pool.execute("UPDATE crmd.job SET parent_id = $2 WHERE id = $1", job_id, parent)
    await pool.execute("INSERT INTO crmd.family AS f (parent_id, total, pending) VALUES ($1, 1, 1)", parent)
    return job_id


KINDS: dict[str, Make] = {
    "plain": plain, "after": after, "key": follow_up, "unknown": held("unknown"), "suspect": held("suspect"),
    "reconcile": held("reconcile"), "sleeping": sleeping, "event": for_event, "gather": gathering,
    "children": with_children, "batch": batch,
}  # fmt: skip


async def surrounded(workbench: Workbench, make: Make) -> tuple[UUID, UUID, UUID]:
    """A parent that goes on after the subject, the subject, and a job that comes after it."""
    pool = workbench.everything.pools.control
    parent = await pool.fetchval("SELECT crmd.enqueue('notes')")
    await pool.execute("UPDATE crmd.job SET held = 'gather' WHERE id = $1", parent)
    subject = await make(workbench, parent)
    later = await pool.fetchval("SELECT crmd.enqueue('answers', after => ARRAY[$1::uuid], unique_key => 'l')", subject)
    assert await pool.fetchval("SELECT pending FROM crmd.family WHERE parent_id = $1", parent) == 1
    assert await pool.fetch(LEFT) == []
    return parent, subject, later


async def check(pool: Pool, parent: UUID, subject: UUID, later: UUID) -> None:
    """The subject and what came after it are over, its parent goes on, and nothing is left."""
    status = "SELECT status FROM crmd.jobs WHERE id = $1"
    assert [await pool.fetchval(status, one) for one in (subject, later)] == ["cancelled", "cancelled"]
    row = await pool.fetchrow("SELECT j.held, f.cancelled FROM crmd.job j JOIN crmd.family f ON f.parent_id = j.id")
    assert row is not None
    assert tuple(row) == (None, 1)
    assert [left[0] for left in await pool.fetch(LEFT)] == []
    assert await pool.fetchval("SELECT count(*) FROM crmd.unique_key WHERE job_id = ANY ($1)", [subject, later]) == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_cancelled_job_leaves_nothing_that_waits(workbench: Workbench, kind: str) -> None:
    """Whatever a job waits for: when it is cancelled, all that hung on it is released, cancelled or counted."""
    parent, subject, later = await surrounded(workbench, KINDS[kind])
    pool = workbench.everything.pools.control
    assert await pool.fetchval("SELECT crmd.cancel($1)", subject) == "cancelled"
    await check(pool, parent, subject, later)


@pytest.mark.parametrize("kind", ["plain", "after", "key"])
async def test_a_lapsed_job_leaves_nothing_that_waits(workbench: Workbench, kind: str) -> None:
    """The same for a job that has not started by the time that it was given."""
    parent, subject, later = await surrounded(workbench, KINDS[kind])
    await workbench.clock.advance(61)
    pool = workbench.everything.pools.control
    assert await pool.fetchval(SQL.jobs_expire, 100) == 1
    await check(pool, parent, subject, later)


async def test_a_cancelled_predecessor_lets_its_follow_up_go(workbench: Workbench) -> None:
    """The job that stands for a key goes on when the earlier one of it is cancelled."""
    pool = workbench.everything.pools.control
    parent, subject, _ = await surrounded(workbench, follow_up)
    first = await pool.fetchval("SELECT follows FROM crmd.job WHERE id = $1", subject)
    assert await pool.fetchval("SELECT crmd.cancel($1)", first) == "cancelled"
    assert await pool.fetchval("SELECT held FROM crmd.job WHERE id = $1", subject) is None
    assert [left[0] for left in await pool.fetch(LEFT)] == []
    assert await pool.fetchval("SELECT pending FROM crmd.family WHERE parent_id = $1", parent) == 1
