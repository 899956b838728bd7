"""A daemon whose database was changed by a newer release, in a way that it cannot follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
import sample_jobs
from fleet import running_fleet

from crmd.engine.heartbeat import register
from crmd.errors import ExitCode, OutdatedError
from crmd.store import leases
from crmd.store.migrate import Migration, migrate, newest_known, read_migrations

if TYPE_CHECKING:
    from pathlib import Path

    from crmd.testing import Workbench

ADDS = Migration("crmd", newest_known() + 1, "more", "CREATE TABLE public.more (n integer)")
BREAKS = Migration("crmd", newest_known() + 1, "breaks_everything", "CREATE TABLE public.other (n integer)")


def known_to_newer(newest: Migration) -> list[Migration]:
    """What an installation knows that is one migration ahead of this one."""
    return [*read_migrations("crmd", "crmd.store"), newest]


@pytest.mark.crmd_plugins(sample_jobs)
async def test_beside_a_newer_release_that_adds_all_goes_on(workbench: Workbench) -> None:
    """A migration that this release does not know is none of its business: it starts, registers and claims."""
    async with workbench.everything.pools.control.acquire() as connection:
        await migrate(connection, known_to_newer(ADDS))
        assert await migrate(connection, read_migrations("crmd", "crmd.store")) == []
    await register(workbench.everything.pools.control, "old", ["fast"], 30.0)
    await workbench.enqueue("add-one")
    assert [done.status for done in await workbench.drain()] == ["completed"]


@pytest.mark.crmd_plugins(sample_jobs)
async def test_behind_a_break_nothing_is_claimed(workbench: Workbench) -> None:
    """From the commit of a migration that breaks on, no daemon claims for its old life, and its jobs wait again."""
    pool = workbench.everything.pools.control
    daemon_id = await register(pool, "old", ["fast"], 30.0)
    running, waiting = [(await workbench.enqueue("add-one")).id for _ in range(2)]
    assert await leases.claim_one(pool, daemon_id, running, leases.new_claim_id())
    async with pool.acquire() as connection:
        assert await migrate(connection, known_to_newer(BREAKS)) == [BREAKS]
        with pytest.raises(OutdatedError, match=rf"{BREAKS.number:04d}_breaks_everything of crmd") as refused:
            await migrate(connection, read_migrations("crmd", "crmd.store"))
    assert refused.value.exit_code == ExitCode.CONFIG
    for job_id in (running, waiting):
        assert await leases.claim_one(pool, daemon_id, job_id, leases.new_claim_id()) == []
    rows = await pool.fetch("SELECT attempt::integer, crash_count::integer, held FROM crmd.job")
    assert [tuple(row) for row in rows] == [(0, 0, None)] * 2
    with pytest.raises(OutdatedError):
        await register(pool, "old", ["fast"], 30.0)


@pytest.mark.slow
async def test_a_daemon_that_falls_behind_ends_with_a_sentence(crmd_dsn: str, tmp_path: Path) -> None:
    """A running daemon finds out by its heartbeat, says what to do and ends with the code that is not started again."""
    async with running_fleet(crmd_dsn, tmp_path, count=1) as fleet:
        await fleet.enqueue("mark", 2, '{"milliseconds": 60000}')
        await fleet.until("SELECT count(*) FROM crmd.lease", 2)
        other = await asyncpg.connect(crmd_dsn)
        await migrate(other, known_to_newer(BREAKS))
        await other.close()
        assert await fleet.daemons[0].ended() == ExitCode.CONFIG
        assert "too old for its database" in fleet.daemons[0].text()
        assert "Traceback" not in fleet.daemons[0].text()
        again = fleet.start()
        assert await again.ended() == ExitCode.CONFIG
        rows = await fleet.connection.fetch("SELECT attempt::integer, crash_count::integer FROM crmd.job")
        assert [tuple(row) for row in rows] == [(0, 0)] * 2
