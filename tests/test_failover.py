"""A promoted standby: no claim of the old primary counts, what was lost is told by its ids, and work goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import asyncpg
import pytest
from fleet import running_fleet
from private_postgres import debian_programs, private_server
from standby import Pair, running_pair

from crmd.embedded.account import server_account
from crmd.embedded.binaries import find_binaries, reachable
from crmd.engine.forever import forever
from crmd.store import leases
from crmd.store.leases import EndedRow, Token
from crmd.store.pools import Server, connect, open_pools
from crmd.store.timeline import OldPrimaryError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from uuid import UUID

    from fleet import Fleet

    from crmd.testing import Workbench

    Connection = asyncpg.Connection[asyncpg.Record]

LATER = """
SELECT crmd.enqueue('mark', jsonb_build_object('milliseconds', $1::integer), run_at => crmd.clock() + interval '1 day')
FROM generate_series(1, $2)
"""
NOW = "UPDATE crmd.job SET run_at = crmd.clock(), rank_at = crmd.clock() WHERE id = ANY($1)"
ENDED = "SELECT count(*) FROM crmd.archive WHERE id = ANY($1)"
RUNNING = "SELECT count(*) FROM crmd.lease WHERE id = ANY($1)"
LONG = 600_000
# Ends a wait for a standby: the session gets a warning, and the row is committed all the same.
CANCEL = """
SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND state = 'active'
"""


def programs_of(major: int, folder: Path) -> Path:
    """The programs of Debian's 15, or of the embedded server."""
    if major != 15:
        return reachable(find_binaries(), server_account(None), folder).folder
    found = debian_programs(15)
    if found is None:
        pytest.skip("PostgreSQL 15 is not installed (apt-get install postgresql-15)")
    return found


@pytest.fixture
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the embedded server."""
    return programs_of(18, tmp_path_factory.mktemp("programs"))


@pytest.fixture(params=[15, 18])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A primary and its standby: the oldest supported version, and the embedded one."""
    programs = programs_of(request.param, tmp_path_factory.mktemp("programs"))
    with running_pair(programs) as running:
        yield running


@pytest.mark.slow
async def test_what_a_failover_lost_is_told(pair: Pair, tmp_path: Path) -> None:
    """A standby is promoted without the last commits while the old primary goes on: a daemon leaves it by itself.

    It tells by their ids which claims, outcomes and jobs are missing, and stops what it ran. A fence that was given out
    before is given out again with another claim id, by which each write of the old claim is refused.
    """
    async with running_fleet(pair.primary.dsn, tmp_path, count=1, database__dsn=pair.dsn) as fleet:
        kinds = ((0, 5), (LONG, 4), (0, 3), (LONG, 2))
        kept, held, outcomes, claims = [await enqueued(fleet, *kind) for kind in kinds]
        await begin(fleet.connection, kept + held)
        await fleet.until(ENDED, 5, kept)
        await fleet.until(RUNNING, 4, held)
        await pair.catch_up()
        await pair.cut()
        jobs = await enqueued(fleet, 0, 6)
        await begin(fleet.connection, outcomes + claims + jobs)
        await fleet.until(ENDED, 9, outcomes + jobs)
        await fleet.until(RUNNING, 2, claims)
        stale = await token_of(fleet.connection, claims[0])
        old = fleet.connection
        await pair.promote()
        fleet.connection = await asyncpg.connect(pair.standby.dsn)
        await fleet.until("SELECT count(*) FROM crmd.failover", 1)
        told = await fleet.connection.fetchrow("SELECT * FROM crmd.failover")
        assert told is not None
        assert (told["timeline_before"], told["timeline_after"]) == (1, 2)
        assert sorted(told["stopped"]) == sorted(held + claims)
        assert sorted(told["claims_lost"]) == sorted(claims)
        assert sorted(told["outcomes_lost"]) == sorted(outcomes)
        assert sorted(told["jobs_lost"]) == sorted(jobs)
        assert told["is_complete"]
        assert told["kept_until"] is not None
        await fleet.until_logged(fleet.daemons[0], "lost are 2 claims, 3 of the last")
        await goes_on(fleet, held)
        await begin(fleet.connection, claims)
        await fleet.until(RUNNING, 2, claims)
        await old_claim_is_worthless(fleet.connection, stale)
        await nobody_works_on(old)


@pytest.mark.slow
async def test_a_demoted_server_is_left(pair: Pair) -> None:
    """A session that turns out to be read-only is not used again; from then on the promoted server is worked on.

    A connection to an old primary is refused, and one to a standby was never made.
    """
    server = Server(dsn=pair.dsn, connect_timeout_seconds=5)
    async with open_pools(server) as pools:
        pool = pools.control
        await pool.execute("CREATE TABLE public.step (n integer)")
        await pair.catch_up()
        await pool.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        await pool.execute("SELECT pg_reload_conf()")
        await pair.promote()
        done = anyio.Event()
        told: list[str] = []

        async def step() -> float:
            await pool.execute("INSERT INTO public.step VALUES (1)")
            done.set()
            return 60.0

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(forever, "stepping", step, told.append, pools.renew)
            with anyio.fail_after(60):
                while "the database is read-only" not in told:  # noqa: ASYNC110 - told by the loop under test
                    await anyio.sleep(0.02)
                await server.primary.look(server.dsn, server.connect_arguments("crmd test"))
                await done.wait()
            tasks.cancel_scope.cancel()
        assert await pool.fetchval("SHOW data_directory") == str(pair.standby.folder / "data")
        with pytest.raises(OldPrimaryError):
            await server.primary.connect(pair.primary.dsn, timeout=5)
    behind = Server(dsn=pair.primary.dsn)
    (await connect(behind, "crmd test")).terminate()
    assert behind.primary.known is not None
    assert server.primary.known is not None
    assert behind.primary.known.is_older_than(server.primary.known)


@pytest.mark.slow
async def test_a_commit_without_its_standby_counts(tmp_path: Path, programs: Path) -> None:
    """A wait for a standby that never answers is cancelled: what was committed counts, and nothing is done twice."""
    with private_server(programs) as server:
        server.stop()
        server.start(synchronous_commit="on")
        async with running_fleet(server.dsn, tmp_path, count=1) as fleet:
            await fleet.connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            await fleet.connection.execute("SET synchronous_commit = local")
            await fleet.connection.execute("SELECT pg_reload_conf()")
            await fleet.enqueue("mark", 20)
            cancelled = 0
            while await fleet.connection.fetchval("SELECT count(*) FROM crmd.archive") < 20:
                cancelled += await fleet.connection.fetchval(CANCEL)
                await anyio.sleep(0.02)
            assert cancelled > 2
            counts = await fleet.connection.fetch("SELECT status, fence, attempt, crash_count FROM crmd.archive")
            assert {tuple(row) for row in counts} == {("completed", 1, 1, 0)}
            assert await fleet.connection.fetchval("SELECT count(*), count(DISTINCT job_id) FROM fleet.mark") == 20
            await fleet.connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
            await fleet.connection.execute("SELECT pg_reload_conf()")


@pytest.mark.crmd_plugins("crm", "gmail", "contacts", "health")
async def test_no_truth_is_kept_in_an_unlogged_table(workbench: Workbench) -> None:
    """Unlogged tables are empty after a promotion, so there is none, neither of the core nor of a plugin."""
    unlogged = "SELECT oid::regclass::text FROM pg_class WHERE relpersistence <> 'p'"
    assert await workbench.everything.pools.control.fetch(unlogged) == []


async def enqueued(fleet: Fleet, milliseconds: int, count: int) -> list[UUID]:
    """So many jobs that take so long, not due before somebody moves them."""
    return [row[0] for row in await fleet.connection.fetch(LATER, milliseconds, count)]


async def begin(connection: Connection, ids: list[UUID]) -> None:
    """Let these jobs be due now."""
    await connection.execute(NOW, ids)
    await connection.execute("SELECT pg_notify('crmd_wake', '*')")


async def token_of(connection: Connection, job_id: UUID) -> Token:
    """Of a running job."""
    row: Any = await connection.fetchrow("SELECT id, fence, claim_id FROM crmd.lease WHERE id = $1", job_id)
    return Token(row["id"], row["fence"], row["claim_id"])


async def goes_on(fleet: Fleet, held: list[UUID]) -> None:
    """What ran begins again, no attempt and no crash counted; new jobs are done."""
    await fleet.until("SELECT count(*) FROM crmd.lease WHERE id = ANY($1) AND fence = 2", len(held), held)
    counted = "SELECT count(*) FROM crmd.lease WHERE id = ANY($1) AND (attempt <> 1 OR crash_count <> 1)"
    assert await fleet.connection.fetchval(counted, held) == 0
    await fleet.connection.fetch("SELECT crmd.enqueue('mark') FROM generate_series(1, 5)")
    await fleet.until("SELECT count(*) FROM crmd.archive WHERE status = 'completed'", 10)


async def old_claim_is_worthless(connection: Connection, stale: Token) -> None:
    """The fence is the same, the claim another: nothing is written for the old one."""
    new = await token_of(connection, stale.id)
    assert new.fence == stale.fence
    assert new.claim_id != stale.claim_id
    assert not await leases.is_held(connection, stale)
    assert await leases.settle_ended(connection, [EndedRow(stale, "completed")]) == set()
    assert not await leases.write_checkpoint(connection, stale, '"mine"')
    assert await token_of(connection, stale.id) == new


async def nobody_works_on(old: Connection) -> None:
    """The old primary still takes writes, and nobody makes use of it."""
    job_id = await old.fetchval("SELECT crmd.enqueue('mark')")
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'crmd %' AND state <> 'idle'"
    assert await old.fetchval(sessions) == 0
    assert await old.fetchval("SELECT count(*) FROM crmd.job WHERE id = $1", job_id) == 1
    await old.close()
