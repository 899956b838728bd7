"""Ended jobs that run again: what they take along, what they leave behind, and what cannot run again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import msgspec
import pytest

from crmd.errors import UsageError
from crmd.store import dead_letters, jobs
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]
    Redrive = Callable[[Pool, UUID], Awaitable[UUID | None]]

SQL = load_queries("crmd.testing")
OLD_META: dict[str, Any] = {
    "isAwaited": True, "isBatch": True, "batchId": str(uuid4()), "fromStep": "a", "failedItemsOf": str(uuid4()),
    "correlationId": "c", "retriedFrom": str(uuid4()),
}  # fmt: skip


async def by_retry(pool: Pool, job_id: UUID) -> UUID | None:
    """As `crmd jobs retry ID`."""
    again = await jobs.retry(pool, job_id)
    return None if again is None or again.answer == "rejected" else again.id


async def by_redrive(pool: Pool, job_id: UUID) -> UUID | None:
    """As `crmd dead redrive`."""
    rows = await dead_letters.redrive(pool, [job_id])
    return rows[0]["new_job_id"] if rows else None


@pytest.fixture(params=[by_retry, by_redrive])
def redrive(request: pytest.FixtureRequest) -> Redrive:
    """Either way to run an ended job again."""
    chosen: Redrive = request.param
    return chosen


@pytest.fixture
async def pool(database: Pool) -> Pool:
    """A database with a job type, and a clock of its own."""
    await database.execute(SQL.clock_inject)
    await database.execute("INSERT INTO crmd.job_type (name, plugin, queue) VALUES ('work', 'test', 'normal')")
    return database


async def ended(pool: Pool, options: str = "", **meta: object) -> UUID:
    """A job that has died, enqueued with these options."""
    job_id: UUID = await pool.fetchval(f"""SELECT crmd.enqueue('work', '{{"a": 1}}' {options})""")
    await pool.execute(
        "UPDATE crmd.job SET meta = coalesce(meta, '{}') || $2::text::jsonb WHERE id = $1",
        job_id,
        msgspec.json.encode(meta).decode(),
    )
    assert await pool.fetchval("SELECT crmd.cancel($1)", job_id) == "cancelled"
    await pool.execute("UPDATE crmd.archive SET status = 'dead' WHERE id = $1", job_id)
    return job_id


async def job(pool: Pool, job_id: UUID | None) -> dict[str, Any]:
    """A waiting job's row, its meta read."""
    row = await pool.fetchrow("SELECT * FROM crmd.job WHERE id = $1", job_id)
    assert row is not None
    return {**row, "meta": msgspec.json.decode(row["meta"])}


async def test_what_it_was_to_others_is_not_taken_along(pool: Pool, redrive: Redrive) -> None:
    """A job that runs again is nobody's predecessor, callback or batch job; its cause and its failed items stay."""
    old = await ended(pool, **OLD_META)
    again = await job(pool, await redrive(pool, old))
    assert again["meta"] == {
        "correlationId": "c",
        "failedItemsOf": OLD_META["failedItemsOf"],
        "retriedFrom": str(old),
    }


async def test_a_child_that_runs_again_is_no_child(pool: Pool, redrive: Redrive) -> None:
    """Its parent has counted it once; a second time would end the parent too early, or never."""
    parent = await pool.fetchval("SELECT crmd.enqueue('work')")
    old = await ended(pool, ", parent_id => (SELECT id FROM crmd.job)")
    assert (await job(pool, await redrive(pool, old)))["parent_id"] is None
    assert await pool.fetchval("SELECT pending FROM crmd.family WHERE parent_id = $1", parent) == 0


async def test_an_old_payload_keeps_its_version(pool: Pool, redrive: Redrive) -> None:
    """A payload of an earlier version is marked as such still, and an unmarked one is of version 1."""
    first = await ended(pool)
    second = await ended(pool, ", payload_version => 2")
    await pool.execute("UPDATE crmd.job_type SET payload_version = 3")
    versions = [(await job(pool, await redrive(pool, old)))["meta"].get("payloadVersion") for old in (first, second)]
    assert versions == [None, 2]


async def test_its_key_is_its_key(pool: Pool, redrive: Redrive) -> None:
    """A key that a caller gave holds for the job again, so that no second one of it comes to stand beside it."""
    old = await ended(pool, ", unique_key => 'k'")
    again = await redrive(pool, old)
    assert await pool.fetchval("SELECT crmd.enqueue('work', unique_key => 'k')") == again
    await pool.execute("SELECT crmd.cancel($1)", again)
    newer = await pool.fetchval("SELECT crmd.enqueue('work', unique_key => 'k')")
    assert await redrive(pool, again) == newer


async def test_a_key_of_the_payload_is_made_of_the_new_one(pool: Pool) -> None:
    """With another payload a job has the key of that."""
    await pool.execute("UPDATE crmd.job_type SET unique_scope = 'unfinished'")
    old = await ended(pool)
    again = await jobs.retry(pool, old, jobs.Again(payload='{"a": 2}'))
    assert again is not None
    assert await pool.fetchval("""SELECT crmd.enqueue('work', '{"a": 2}')""") == again.id
    assert await pool.fetchval("""SELECT crmd.enqueue('work', '{"a": 1}')""") != again.id


async def test_a_key_that_outlives_its_job_does_not_stand_in_its_way(pool: Pool, redrive: Redrive) -> None:
    """An idempotency key that still holds is the new job's, for as long as it was to hold."""
    old = await ended(pool, ", unique_key => 'k', unique_scope => 'for', unique_seconds => 600")
    until = await pool.fetchval("SELECT expires_at FROM crmd.unique_key")
    again = await redrive(pool, old)
    assert again != old
    row = await pool.fetchrow(
        "SELECT job_id, scope, abs(extract(epoch FROM expires_at - $1)) < 5 AS is_kept FROM crmd.unique_key", until
    )
    assert row is not None
    assert tuple(row) == (again, "for", True)


async def test_what_a_limit_rejects_stays_a_dead_letter(pool: Pool, redrive: Redrive) -> None:
    """A full limit that lets nothing wait leaves the letter as it was, to be redriven later."""
    old = await ended(pool)
    await pool.execute("INSERT INTO crmd.concurrency (name, max) VALUES ('one', 0)")
    await pool.execute("""UPDATE crmd.job_type SET keys = '[{"name": "one", "onFull": "reject_new"}]'""")
    assert await redrive(pool, old) is None
    assert await pool.fetchval("SELECT count(*) FROM crmd.redrive") == 0
    await pool.execute("UPDATE crmd.concurrency SET max = 1")
    assert await redrive(pool, old) is not None


async def test_letters_of_removed_types_hold_up_no_others(pool: Pool) -> None:
    """Of many letters those run again that can; one whose type is gone stays one, and by its id it says why."""
    await pool.execute("INSERT INTO crmd.job_type (name, plugin, queue) VALUES ('gone', 'test', 'normal')")
    good = [await ended(pool) for _ in range(2)]
    bad = await pool.fetchval("SELECT crmd.enqueue('gone')")
    await pool.execute("SELECT crmd.cancel($1)", bad)
    await pool.execute("DELETE FROM crmd.job_type WHERE name = 'gone'")
    rows = await dead_letters.redrive(pool, [good[0], bad, good[1]])
    assert [row["job_id"] for row in rows] == good
    with pytest.raises(UsageError, match='No job type "gone"'):
        await jobs.retry(pool, bad)


async def test_a_clear_payload_of_a_type_that_seals_by_now_is_left(pool: Pool) -> None:
    """What was enqueued before its type sealed its payloads does not come back in the clear; sealed ones do."""
    clear, sealed = await ended(pool), await ended(pool)
    await pool.execute("""UPDATE crmd.archive SET payload = '{"$sealed": "v1.x"}' WHERE id = $1""", sealed)
    await pool.execute("UPDATE crmd.job_type SET is_payload_sealed = true")
    assert [row["job_id"] for row in await dead_letters.redrive(pool, [clear, sealed])] == [sealed]
    with pytest.raises(UsageError, match="sealed"):
        await jobs.retry(pool, clear)
