from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sample_jobs

from crmd.engine.audit import release_all
from crmd.engine.casualty import Crashed, HostBroken
from crmd.engine.heartbeat import register
from crmd.engine.reaper import reap_once
from crmd.engine.run import Run
from crmd.engine.settler import Settler
from crmd.engine.suspicion import after_crash
from crmd.store import jobs, leases
from crmd.store.leases import Token
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from uuid import UUID

    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
LEASE_SECONDS = 0.05  # the server of the session may have started only just now
SQL = load_queries("crmd.store")
KILLED = Crashed("killed by SIGSEGV")


async def claim_and_die(workbench: Workbench, job_id: UUID) -> Any:  # noqa: ANN401 - a row of claim_one.sql
    """Claim a job for a daemon that is never heard of again, and let its lease run out."""
    daemon_id = await register(workbench._pool, "test", ["fast"], LEASE_SECONDS)
    [row] = await claim(workbench, job_id, daemon_id)
    await workbench.clock.advance(LEASE_SECONDS + 1)
    return row


async def claim(workbench: Workbench, job_id: UUID, daemon_id: UUID) -> list[Any]:
    """Claim a job, be it a suspect or not."""
    claim_id = leases.new_claim_id()
    rows = await leases.claim_one(workbench._pool, daemon_id, job_id, claim_id)
    return rows or await leases.claim_suspects(workbench._pool, daemon_id, [job_id], claim_id)


async def test_a_dead_daemons_job_runs_again(workbench: Workbench) -> None:
    """A job whose daemon ran out of time waits again, its crash counted, its attempt not."""
    enqueued = await workbench.enqueue("add-one", {"number": 1})
    await claim_and_die(workbench, enqueued.id)
    assert await reap_once(workbench._pool) == 1
    [row] = await workbench._pool.fetch("SELECT attempt, crash_count, fence FROM crmd.job")
    assert tuple(row) == (0, 1, 1)
    [done] = await workbench.drain(is_time_moved=True)
    assert (done.status, done.attempt, done.errors[0]["class"]) == ("completed", 1, "Crashed")
    assert await workbench._pool.fetchval("SELECT crash_count FROM crmd.archive") == 1


async def test_only_the_innocent_are_taken_over_at_once(workbench: Workbench) -> None:
    """After its first crash a job is due at once; after the second it waits, as it may be what kills."""
    enqueued = await workbench.enqueue("add-one", {"number": 1})
    await claim_and_die(workbench, enqueued.id)
    await reap_once(workbench._pool)
    assert await workbench._pool.fetchval("SELECT run_at <= crmd.clock() FROM crmd.job")
    await workbench._pool.execute("UPDATE crmd.job SET crash_count = 2")
    await claim_and_die(workbench, enqueued.id)
    await reap_once(workbench._pool)
    assert await workbench._pool.fetchval("SELECT run_at > (errors -> -1 ->> 'at')::timestamptz FROM crmd.job")


async def test_age_is_no_evidence(workbench: Workbench) -> None:
    """A daemon that beats keeps its jobs however old they are."""
    enqueued = await workbench.enqueue("add-one")
    daemon_id = await register(workbench._pool, "test", ["fast"], 30.0)
    await leases.claim_one(workbench._pool, daemon_id, enqueued.id, leases.new_claim_id())
    for _ in range(5):
        await workbench.clock.advance(29)
        assert await workbench._pool.fetchrow(SQL.daemon_beat, daemon_id, 30.0) is not None
        assert await reap_once(workbench._pool) == 0


async def test_death_is_for_good(workbench: Workbench) -> None:
    """A daemon that was buried can't renew, claim or settle any more."""
    enqueued = await workbench.enqueue("add-one")
    other = await workbench.enqueue("add-one", {"number": 2})
    row = await claim_and_die(workbench, enqueued.id)
    buried = await workbench._pool.fetchval("SELECT daemon_id FROM crmd.lease")
    await reap_once(workbench._pool)
    assert await workbench._pool.fetchrow(SQL.daemon_beat, buried, LEASE_SECONDS) is None
    assert await leases.claim_one(workbench._pool, buried, other.id, leases.new_claim_id()) == []
    async with workbench._pool.acquire() as connection:
        token = Token(row["id"], row["fence"], row["claim_id"])
        assert await leases.settle_ended(connection, [leases.EndedRow(token, "completed")]) == set()


async def test_three_crashes_are_poison(workbench: Workbench) -> None:
    """A job that takes a daemon and then two processes of its own with it is dead, its unique key free again."""
    enqueued = await workbench.enqueue("only-once", {"number": 1})
    await claim_and_die(workbench, enqueued.id)
    await reap_once(workbench._pool)
    for _ in range(2):
        await workbench.clock.advance(600)
        await crash_alone(workbench, enqueued.id)
    done = await workbench.finished(enqueued.id)
    assert (done.status, done.errors[-1]["class"]) == ("dead", "Poison")
    assert await workbench._pool.fetchval("SELECT crash_count FROM crmd.archive") == 3
    assert (await workbench.enqueue("only-once", {"number": 1})).is_new


async def test_a_daemon_that_dies_beside_a_suspect_proves_nothing(workbench: Workbench) -> None:
    """A suspect runs in a process of its own, so its daemon's death, however often, neither counts nor delays it."""
    enqueued = await workbench.enqueue("add-one", {"number": 1})
    for _ in range(5):
        await claim_and_die(workbench, enqueued.id)
        await reap_once(workbench._pool)
        assert await workbench._pool.fetchval("SELECT run_at <= crmd.clock() FROM crmd.job")
        await workbench.clock.advance(600)
        assert await workbench._pool.fetchval("SELECT crash_count FROM crmd.job WHERE held = 'suspect'") == 1
    assert (await workbench.attempt(enqueued.id)).status == "completed"


async def test_a_type_in_processes_is_no_suspect(workbench: Workbench) -> None:
    """A job whose type runs in processes cannot have brought its daemon down: it waits as before, nothing counted."""
    enqueued = await workbench.enqueue("add-one", {"number": 1})
    await claim_and_die(workbench, enqueued.id)
    await reap_once(workbench._pool, {"add-one"})
    [row] = await workbench._pool.fetch("SELECT held, crash_count, attempt FROM crmd.job")
    assert tuple(row) == (None, 0, 0)


async def test_whoever_comes_through_is_cleared(workbench: Workbench) -> None:
    """A suspect that fails by an error, as any job may, is no suspect any more, and its crashes are forgotten."""
    enqueued = await workbench.enqueue("fails-twice")
    await claim_and_die(workbench, enqueued.id)
    await reap_once(workbench._pool)
    await workbench.clock.advance(600)
    await workbench.attempt(enqueued.id)
    [row] = await workbench._pool.fetch("SELECT held, crash_count, attempt FROM crmd.job")
    assert tuple(row) == (None, 0, 1)


async def test_an_orderly_stop_clears_nobody(workbench: Workbench) -> None:
    """A suspect that is given back before it has come through is a suspect still, with as many crashes as before."""
    enqueued = await workbench.enqueue("add-one", {"number": 1})
    await claim_and_die(workbench, enqueued.id)
    await reap_once(workbench._pool)
    await workbench.clock.advance(600)
    [row] = await claim(workbench, enqueued.id, workbench._daemon_id)
    await leases.give_back(workbench._pool, [Token(row["id"], row["fence"], row["claim_id"])])
    [row] = await workbench._pool.fetch("SELECT held, crash_count, attempt FROM crmd.job")
    assert tuple(row) == ("suspect", 1, 0)


async def test_whoever_has_not_run_is_not_charged(workbench: Workbench) -> None:
    """A suspect whose process cannot even be started, however often, stays a suspect with as many crashes as before."""
    enqueued = await workbench.enqueue("add-one", {"number": 1})
    await claim_and_die(workbench, enqueued.id)
    await reap_once(workbench._pool)
    for _ in range(5):
        await crash_alone(workbench, enqueued.id, HostBroken("it does not start"))
        [row] = await workbench._pool.fetch("SELECT held, crash_count, attempt FROM crmd.job")
        assert tuple(row) == ("suspect", 1, 0)
        await workbench.clock.advance(600)
    assert (await workbench.attempt(enqueued.id)).status == "completed"


async def crash_alone(workbench: Workbench, job_id: UUID, error: Crashed = KILLED) -> None:
    """Claim a suspect and let the process that runs it die."""
    [row] = await claim(workbench, job_id, workbench._daemon_id)
    job_type = workbench.everything.services.job_types[row["type"]]
    run = Run(row, job_type, Token(row["id"], row["fence"], row["claim_id"]))
    settler = Settler(workbench._pool, lambda _: None)
    settler.add(run, after_crash(run, error))
    await settler.settle_once()


async def test_a_cancelled_job_of_a_dead_daemon_is_cancelled(workbench: Workbench) -> None:
    """A cancel request outlives the daemon that should have heard it."""
    enqueued = await workbench.enqueue("only-once", {"number": 1})
    await claim_and_die(workbench, enqueued.id)
    assert await jobs.cancel(workbench._pool, enqueued.id, "not needed") == "requested"
    await reap_once(workbench._pool)
    assert (await workbench.finished(enqueued.id)).status == "cancelled"
    assert (await workbench.enqueue("only-once", {"number": 1})).is_new


async def test_a_claim_made_in_between_is_left_alone(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reaper names the claim that it read: a lease that was settled and claimed anew meanwhile stays."""
    enqueued = await workbench.enqueue("add-one")
    row = await claim_and_die(workbench, enqueued.id)
    returned = leases.return_reaped

    async def meanwhile(*args: Any) -> set[UUID]:  # noqa: ANN401 - whatever the reaper passes on
        await leases.give_back(workbench._pool, [Token(row["id"], row["fence"], row["claim_id"])])
        await claim(workbench, enqueued.id, workbench._daemon_id)
        return await returned(*args)

    monkeypatch.setattr(leases, "return_reaped", meanwhile)
    assert await reap_once(workbench._pool) == 0
    assert await workbench._pool.fetchval("SELECT daemon_id FROM crmd.lease") == workbench._daemon_id


async def test_a_cancel_behind_the_reapers_back_is_heard(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that is cancelled after the reaper has read its lease, and before it gives it back, never runs again."""
    enqueued = await workbench.enqueue("add-one")
    await claim_and_die(workbench, enqueued.id)
    returned = leases.return_reaped

    async def meanwhile(*args: Any) -> set[UUID]:  # noqa: ANN401 - whatever the reaper passes on
        assert await jobs.cancel(workbench._pool, enqueued.id, "not needed") == "requested"
        return await returned(*args)

    monkeypatch.setattr(leases, "return_reaped", meanwhile)
    assert await reap_once(workbench._pool) == 1
    done = await workbench.finished(enqueued.id)
    assert (done.status, done.errors[-1]["message"]) == ("cancelled", "not needed")


async def test_a_daemon_that_left_strands_nothing(workbench: Workbench) -> None:
    """Leases of a daemon that has no row at all are recovered too, page after page."""
    daemon_id = await register(workbench._pool, "test", ["fast"], LEASE_SECONDS)
    for number in range(30):
        enqueued = await workbench.enqueue("add-one", {"number": number})
        assert await claim(workbench, enqueued.id, daemon_id)
    await workbench._pool.execute("DELETE FROM crmd.daemon WHERE id = $1", daemon_id)
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patched:
        patched.setattr("crmd.engine.reaper.PAGE", 7)
        assert await reap_once(workbench._pool) == 30


async def test_nobody_is_buried_right_after_a_restart(workbench: Workbench) -> None:
    """While the server was down nobody could renew: after its start every daemon has a lease's time to come back."""
    enqueued = await workbench.enqueue("add-one")
    daemon_id = await register(workbench._pool, "test", ["fast"], LEASE_SECONDS)
    await leases.claim_one(workbench._pool, daemon_id, enqueued.id, leases.new_claim_id())
    since_start = "clock_timestamp() - pg_postmaster_start_time()"
    await workbench._pool.execute(f"UPDATE crmd.daemon SET beat_at = lease_until - ({since_start}) - interval '9 s'")
    await workbench.clock.advance(LEASE_SECONDS + 1)
    assert await reap_once(workbench._pool) == 0
    await workbench._pool.execute("UPDATE crmd.daemon SET beat_at = lease_until - interval '0.001 s'")
    assert await reap_once(workbench._pool) == 1


async def test_an_ended_life_gives_back_in_order(workbench: Workbench) -> None:
    """What a life of a daemon leaves behind is given back without an attempt or a crash counted, to its old place."""
    enqueued = await workbench.enqueue("add-one")
    [before] = await workbench._pool.fetch("SELECT run_at, rank_at FROM crmd.job")
    daemon_id = await register(workbench._pool, "test", ["fast"], LEASE_SECONDS)
    await leases.claim_one(workbench._pool, daemon_id, enqueued.id, leases.new_claim_id())
    assert await release_all(workbench._pool, daemon_id) == 1
    [after] = await workbench._pool.fetch("SELECT attempt, crash_count, errors, run_at, rank_at FROM crmd.job")
    assert tuple(after) == (0, 0, None, *before)
    assert await release_all(workbench._pool, daemon_id) == 0
