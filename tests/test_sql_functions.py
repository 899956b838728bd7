from __future__ import annotations

import random
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import anyio
import asyncpg
import pytest
import sample_jobs

from crmd.store import jobs, leases
from crmd.store.leases import EndedRow, Token
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
SQL = load_queries("crmd.store")
PARALLEL = 50


async def test_a_job_lives_and_dies_with_its_callers_transaction(
    workbench: Workbench, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    """crmd.enqueue inside a transaction makes a job exactly if that transaction commits."""
    transaction = outside.transaction()
    await transaction.start()
    await outside.fetchval("""SELECT crmd.enqueue('add-one', '{"number": 1}')""")
    assert await workbench.drain() == []
    await transaction.rollback()
    assert await workbench.drain() == []
    async with outside.transaction():
        job_id = await outside.fetchval("""SELECT crmd.enqueue('plus-one', '{"number": 1}')""")
    [done] = await workbench.drain()
    assert (done.id, done.type, done.status, done.result) == (job_id, "add-one", "completed", {"number": 2})


async def test_a_callers_mistake_has_its_own_code(outside: asyncpg.Connection[asyncpg.Record]) -> None:
    """An unknown job type and an unknown priority are refused with SQLSTATEs of crmd's own and a sentence."""
    with pytest.raises(asyncpg.PostgresError, match='no job type "nothing"') as unknown:
        await outside.fetchval("SELECT crmd.enqueue('nothing')")
    assert unknown.value.sqlstate == "CR001"
    with pytest.raises(asyncpg.PostgresError, match='priority "urgent"') as wrong:
        await outside.fetchval("SELECT crmd.enqueue('add-one', priority => 'urgent')")
    assert wrong.value.sqlstate == "CR002"


async def test_defaults_are_the_job_types(outside: asyncpg.Connection[asyncpg.Record]) -> None:
    """What a caller leaves out is as declared; what it says wins."""
    plain = await outside.fetchval("SELECT crmd.enqueue('always-fails')")
    told = await outside.fetchval(
        "SELECT crmd.enqueue('always-fails', queue => 'slow', priority => 'low', max_attempts => 7)"
    )
    query = "SELECT queue, priority, max_attempts::integer FROM crmd.job WHERE id = $1"
    assert [tuple(row) for row in await outside.fetch(query, plain)] == [("normal", "normal", 2)]
    assert [tuple(row) for row in await outside.fetch(query, told)] == [("slow", "low", 7)]


async def test_one_key_has_one_job(workbench: Workbench, outside: asyncpg.Connection[asyncpg.Record]) -> None:
    """A key given in SQL is held from enqueue to end, per job type and workspace."""
    ask = "SELECT crmd.enqueue('add-one', unique_key => 'k', workspace_id => $1)"
    workspace_id = uuid4()
    first = await outside.fetchval(ask, workspace_id)
    assert await outside.fetchval(ask, workspace_id) == first
    assert await outside.fetchval(ask, uuid4()) != first
    assert (
        await outside.fetchval("SELECT crmd.enqueue('hears', unique_key => 'k', workspace_id => $1)", workspace_id)
        != first
    )
    await workbench.drain()
    assert await outside.fetchval(ask, workspace_id) != first


async def test_parallel_enqueuers_make_one_job(workbench: Workbench) -> None:
    """Fifty that enqueue the same keys at once, each in another order, make one job per key and all learn its id."""
    numbers = list(range(8))
    answers: dict[int, set[UUID]] = {number: set() for number in numbers}
    pool = workbench.everything.pools.plugins

    async def enqueue(seed: int) -> None:
        order = random.Random(seed).sample(numbers, len(numbers))  # noqa: S311 - an order, not a secret
        new = jobs.NewJobs(type="only-once", payloads=[{"number": number} for number in order])
        for number, enqueued in zip(order, await jobs.enqueue_many(pool, new), strict=True):
            answers[number].add(enqueued.id)

    async with anyio.create_task_group() as tasks:
        for seed in range(PARALLEL):
            tasks.start_soon(enqueue, seed)
    assert [len(ids) for ids in answers.values()] == [1] * len(numbers)
    assert await pool.fetchval("SELECT count(*) FROM crmd.job") == len(numbers)


async def test_equal_payloads_of_one_batch_make_one_job(workbench: Workbench) -> None:
    """Inside one call a doubled key is answered with the first one's job."""
    new = jobs.NewJobs(type="only-once", payloads=[{"number": 1}, {"number": 2}, {"number": 1}])
    first, second, again = await jobs.enqueue_many(workbench.everything.pools.plugins, new)
    assert (first.is_new, second.is_new, again.is_new) == (True, True, False)
    assert again.id == first.id


async def test_who_finds_a_key_taken_holds_nobody_up(
    workbench: Workbench, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    """A transaction that met a taken key and stays open does not keep the holder's job from ending."""
    held = await workbench.enqueue("only-once", {"number": 1})
    async with outside.transaction():
        ask = """SELECT crmd.enqueue('only-once', '{"number": 1}', workspace_id => $1)"""
        assert await outside.fetchval(ask, workbench.workspace_id) == held.id
        with anyio.fail_after(3):
            [done] = await workbench.drain()
    assert done.status == "completed"


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "dead"])
async def test_a_key_is_free_after_every_end(workbench: Workbench, status: str) -> None:
    """However a job ends, its key can be taken again."""
    held = await workbench.enqueue("only-once", {"number": 1})
    [row] = await leases.claim_one(workbench._pool, workbench._daemon_id, held.id, leases.new_claim_id())
    async with workbench._pool.acquire() as connection:
        token = Token(row["id"], row["fence"], row["claim_id"])
        assert await leases.settle_ended(connection, [EndedRow(token, status)]) == {held.id}
    assert (await workbench.enqueue("only-once", {"number": 1})).is_new


async def test_a_waiting_key_is_free_once_its_job_starts(workbench: Workbench) -> None:
    """Scope waiting: while it waits there is one, while it runs the next may wait, and ending frees only its own."""
    first = await workbench.enqueue("once-waiting", {"number": 1})
    assert (await workbench.enqueue("once-waiting", {"number": 1})).id == first.id
    [row] = await leases.claim_one(workbench._pool, workbench._daemon_id, first.id, leases.new_claim_id())
    await leases.free_started(workbench._pool, [row["id"]], [row["unique_key"]])
    second = await workbench.enqueue("once-waiting", {"number": 1})
    assert second.is_new
    async with workbench._pool.acquire() as connection:
        await leases.settle_ended(connection, [EndedRow(Token(first.id, row["fence"], row["claim_id"]), "completed")])
    assert (await workbench.enqueue("once-waiting", {"number": 1})).id == second.id


async def test_cancel_answers_what_it_did(workbench: Workbench, outside: asyncpg.Connection[asyncpg.Record]) -> None:
    """crmd.cancel ends a waiting job, asks a running one, and tells the status of one that is over."""
    cancel = "SELECT crmd.cancel($1, 'not needed')"
    waiting = await workbench.enqueue("add-one")
    assert await outside.fetchval(cancel, waiting.id) == "cancelled"
    assert (await workbench.finished(waiting.id)).message == "not needed"
    assert await outside.fetchval(cancel, waiting.id) == "cancelled"
    running = await workbench.enqueue("add-one")
    await leases.claim_one(workbench._pool, workbench._daemon_id, running.id, leases.new_claim_id())
    assert await outside.fetchval(cancel, running.id) == "requested"
    beat = await workbench._pool.fetchrow(SQL.daemon_beat, workbench._daemon_id, 60)
    assert beat is not None
    assert beat["cancels"] == [running.id]
    done = await workbench.run_job("add-one")
    assert await outside.fetchval(cancel, done.id) == "completed"
    assert await outside.fetchval(cancel, uuid4()) is None


async def test_a_cancelled_parent_ends_as_cancelled(workbench: Workbench) -> None:
    """A parent that waits for its children is cancelled with them, and so are its own key and its parent's count."""
    parent = await workbench.run_job("fans-out", {"number": 3})
    assert await jobs.cancel(workbench._pool, parent.id, "not needed") == "cancelled"
    done = await workbench.finished(parent.id)
    assert (done.status, done.message) == ("cancelled", "not needed")
    assert done.result["children"]["cancelled"] == 4
    assert await workbench.drain() == []


async def test_a_cancelled_parent_waits_for_what_still_runs(workbench: Workbench) -> None:
    """Children that run are asked to stop; the parent ends as cancelled with the last of them."""
    parent = await workbench.run_job("fans-out", {"number": 1})
    child = await workbench._pool.fetchval("SELECT id FROM crmd.job WHERE type = 'add-one'")
    [row] = await leases.claim_one(workbench._pool, workbench._daemon_id, child, leases.new_claim_id())
    assert await jobs.cancel(workbench._pool, parent.id, "not needed") == "requested"
    assert await workbench._pool.fetchval("SELECT cancel_requested_at IS NOT NULL FROM crmd.lease")
    async with workbench._pool.acquire() as connection:
        token = Token(row["id"], row["fence"], row["claim_id"])
        await leases.settle_ended(connection, [EndedRow(token, "completed", b'{"number": 5}')])
    done = await workbench.finished(parent.id)
    assert (done.status, done.result["children"]["sums"]) == ("cancelled", {"number": 5})


async def test_an_event_starts_its_jobs(workbench: Workbench, outside: asyncpg.Connection[asyncpg.Record]) -> None:
    """crmd.emit from SQL writes the event and enqueues what hears it, with the fields that its payload knows."""
    await outside.fetchval("""SELECT crmd.emit('sample.told', '{"number": 4, "other": 1}')""")
    [heard] = await workbench.drain()
    assert (heard.type, heard.result) == ("hears", 4)
    transaction = outside.transaction()
    await transaction.start()
    await outside.fetchval("""SELECT crmd.emit('sample.told', '{"number": 5}')""")
    await transaction.rollback()
    assert await workbench.drain() == []


async def test_only_an_idle_daemon_is_woken(workbench: Workbench, outside: asyncpg.Connection[asyncpg.Record]) -> None:
    """While no daemon sleeps over a queue nothing is notified; one that does is told the queue, once a transaction."""
    words: list[object] = []
    await outside.add_listener("crmd_wake", lambda *heard: words.append(heard[3]))
    await workbench.enqueue("add-one")
    await outside.fetchval("SELECT 1")
    assert words == []
    await workbench._pool.execute(SQL.daemon_idle, workbench._daemon_id, "fast", True)
    async with workbench._pool.acquire() as connection, connection.transaction():
        await connection.fetch("SELECT crmd.enqueue('add-one') FROM generate_series(1, 5)")
        await connection.fetch("SELECT crmd.enqueue('gives-up'), crmd.enqueue('naps')")
    await outside.fetchval("SELECT 1")
    assert words == ["fast"]
    await workbench._pool.fetch("SELECT crmd.enqueue('add-one', run_at => crmd.clock() + interval '1 hour')")
    await outside.fetchval("SELECT 1")
    assert words == ["fast"]


async def test_a_retry_is_a_new_job(workbench: Workbench) -> None:
    """An ended job is run again as another that names it; one that has not ended is not doubled."""
    waiting = await workbench.enqueue("gives-up")
    assert await jobs.retry(workbench._pool, waiting.id) is None
    [done] = await workbench.drain()
    again = await jobs.retry(workbench._pool, done.id)
    assert again is not None
    assert again.is_new
    assert again.id != done.id
    assert (await workbench.finished(done.id)).status == "failed"
    meta = await workbench._pool.fetchval("SELECT meta ->> 'retriedFrom' FROM crmd.job")
    assert meta == str(done.id)
