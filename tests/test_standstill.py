"""Daemons that are stopped in the middle of a transaction: the server ends what stands still, and nobody waits long."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from fleet import Fleet, running_fleet
from tcp_proxy import proxied

if TYPE_CHECKING:
    from fleet import Daemon

pytestmark = pytest.mark.slow

COMPLETED = "SELECT count(*) FROM crmd.archive WHERE status = 'completed'"
DOUBLED = "SELECT count(*) FROM (SELECT job_id FROM fleet.mark GROUP BY job_id HAVING count(*) > 1) d"
STANDS_STILL = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name LIKE 'crmd %' AND datname = current_database() AND state = 'idle in transaction'
    AND clock_timestamp() - state_change > interval '100 ms'
"""
# Nobody's lease runs out: what becomes free is what the server has ended.
LONG = {"daemon__lease_seconds": "600"}
PATIENCE_SECONDS = 40.0
# The statements after whose answer a daemon is stopped: it has the lock of a limit, or the leases of a dead daemon.
CLAIMS = b"crmd.lock_limits"
REAPS = b"DELETE FROM crmd.lease"


async def test_a_claim_that_stands_still_holds_nobody_up(crmd_dsn: str, tmp_path: Path) -> None:
    """Stopped while it claims, with the lock of a limit taken: another daemon claims that limit's jobs all the same."""
    async with proxied(crmd_dsn) as (proxy, dsn), running_fleet(crmd_dsn, tmp_path, 1, **LONG) as fleet:
        [other] = fleet.daemons
        paused = fleet.start(database__dsn=dsn, **LONG)
        await fleet.ready(2)
        other.send(signal.SIGSTOP)  # so that it is the one behind the proxy who claims
        proxy.before_answer(CLAIMS, lambda: paused.send(signal.SIGSTOP))
        async with fleet.connection.transaction():
            await fleet.enqueue("mark-three", 3)
            await fleet.connection.execute("UPDATE crmd.job SET held = 'suspect'")  # claimed in several statements
        await fleet.until(STANDS_STILL, 1)
        other.send(signal.SIGCONT)
        await fleet.enqueue("mark-three", 3)
        await fleet.enqueue("mark", 5)
        await goes_on_without(fleet, paused, 11)
        await comes_back(fleet, paused, other)


async def test_a_recovery_that_stands_still_is_done_by_another(crmd_dsn: str, tmp_path: Path) -> None:
    """Stopped while it takes over a dead daemon's jobs: the next daemon does, since those leases are free again."""
    async with proxied(crmd_dsn) as (proxy, dsn), running_fleet(crmd_dsn, tmp_path, 1, **LONG) as fleet:
        [dead] = fleet.daemons
        await fleet.enqueue("mark", 3, '{"milliseconds": 1000}')
        await fleet.until("SELECT count(*) FROM crmd.lease", 3)
        dead.send(signal.SIGSTOP)
        other = fleet.start(**LONG)
        paused = fleet.start(database__dsn=dsn, **LONG)
        await fleet.ready(3)
        other.send(signal.SIGSTOP)
        proxy.before_answer(REAPS, lambda: paused.send(signal.SIGSTOP))
        await fleet.kill(dead)
        await fleet.until(STANDS_STILL, 1)
        other.send(signal.SIGCONT)
        await goes_on_without(fleet, paused, 3)
        await comes_back(fleet, paused, other)


async def goes_on_without(fleet: Fleet, paused: Daemon, count: int) -> None:
    """See so many jobs done while the daemon stands still, and nothing of it left that could hold anybody up."""
    with anyio.fail_after(PATIENCE_SECONDS):
        await fleet.until(COMPLETED, count)
    assert is_stopped(paused)
    assert await fleet.connection.fetchval(STANDS_STILL) == 0
    assert await fleet.connection.fetchval("SELECT count(*) FROM fleet.mark WHERE pid = $1", paused.pid) == 0


async def comes_back(fleet: Fleet, paused: Daemon, other: Daemon) -> None:
    """See it go on when it is awake: it does its share, and nothing that was done is done again."""
    done = await fleet.connection.fetchval(COMPLETED)
    paused.send(signal.SIGCONT)
    other.send(signal.SIGSTOP)
    await fleet.enqueue("mark", 5)
    await fleet.until(COMPLETED, done + 5)
    assert await fleet.connection.fetchval(DOUBLED) == 0
    assert await fleet.connection.fetchval("SELECT count(*) FROM fleet.mark") == done + 5
    assert paused.process.poll() is None
    assert "Traceback" not in paused.text()


def is_stopped(daemon: Daemon) -> bool:
    """Whether the process stands still, by what the kernel says."""
    return Path(f"/proc/{daemon.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
