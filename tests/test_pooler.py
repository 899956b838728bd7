"""Behind PgBouncer in transaction mode everything works by polling, and crmd says so."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest
from fleet import running_fleet
from pooler import find_pooler, pooling

from crmd.errors import UnreachableError
from crmd.store.pools import Server, connect, is_pooled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMPLETED = "SELECT count(*) FROM crmd.archive WHERE status = 'completed'"
DOUBLED = "SELECT count(*) FROM (SELECT job_id FROM fleet.mark GROUP BY job_id HAVING count(*) > 1) d"
LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
# What a session would keep for its next user.
LEFT_BEHIND = """
SELECT current_user <> session_user OR coalesce(current_setting('crmd.workspace_id', true), '') <> ''
    OR current_setting('statement_timeout') <> '0' OR EXISTS (SELECT FROM pg_listening_channels())
"""
SESSIONS_MAX = 4


@pytest.fixture
def pooled_dsn(crmd_dsn: str) -> Iterator[str]:
    """The test's database through a pooler."""
    program = find_pooler()
    if program is None:
        pytest.skip("PgBouncer is not installed (apt-get install pgbouncer)")
    with pooling(program, crmd_dsn, SESSIONS_MAX) as dsn:
        yield dsn


@pytest.mark.slow
async def test_two_daemons_work_through_a_pooler(crmd_dsn: str, pooled_dsn: str, tmp_path: Path) -> None:
    """They migrate, claim and settle through a few sessions that keep nothing; the log and `crmd doctor` tell of it."""
    settings = {"database__dsn": pooled_dsn, "database__statement_cache": "false"}
    async with running_fleet(crmd_dsn, tmp_path, 2, **settings) as fleet:
        await fleet.enqueue("mark", 150, '{"milliseconds": 20}')
        await fleet.until(COMPLETED, 150)
        assert await fleet.connection.fetchval(DOUBLED) == 0
        assert await fleet.connection.fetchval(LOCKS) == 0
        assert all("wake-ups come by polling" in daemon.text() for daemon in fleet.daemons)
        pooled = await connect(Server(dsn=pooled_dsn, statement_cache=False), "crmd test")
        assert await is_pooled(pooled)
        answers = [await pooled.fetchval(LEFT_BEHIND) for _ in range(20)]
        assert set(answers) == {False}
        await pooled.close()
        told = await anyio.run_process(
            [sys.executable, "-m", "crmd", "doctor"], env=fleet.environ(**settings), cwd=tmp_path, check=False
        )
        assert "so wake-ups come by polling" in told.stdout.decode()
        assert "Statements have no bound on the server" in told.stdout.decode()


async def test_settings_that_a_pooler_refuses_are_told(pooled_dsn: str) -> None:
    """With the default settings the pooler is found out at once, and the sentence says what to set."""
    with pytest.raises(UnreachableError, match="unsupported startup parameter") as caught:
        await connect(Server(dsn=pooled_dsn), "crmd test")
    assert "database.statement_cache = false" in caught.value.hint


async def test_a_direct_address_hears_past_the_pooler(crmd_dsn: str, pooled_dsn: str) -> None:
    """`database.listen_dsn` leads to a session of one's own."""
    server = Server(dsn=pooled_dsn, listen_dsn=crmd_dsn, statement_cache=False)
    direct = await connect(server, "crmd test", is_direct=True)
    assert not await is_pooled(direct)
    heard: list[object] = []
    await direct.add_listener("word", lambda *told: heard.append(told[-1]))
    other = await asyncpg.connect(crmd_dsn)
    await other.execute("SELECT pg_notify('word', 'now')")
    await other.close()
    await direct.fetchval("SELECT 1")
    assert heard == ["now"]
    await direct.close()
