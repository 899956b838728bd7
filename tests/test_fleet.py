"""Two real daemons on one database: sharing, kills, pauses, hand-overs, limits."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING
from uuid import uuid4

import anyio
import pytest
from fleet import Fleet, running_fleet

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

pytestmark = pytest.mark.slow

FEW = {"queues__fast__slots": "25"}  # each of the jobs that a dead daemon had runs alone in a process next
# Where nobody is to die, no load makes a lease run out either.
LONG = {"daemon__lease_seconds": "60"}
COMPLETED = "SELECT count(*) FROM crmd.archive WHERE status = 'completed'"


async def test_two_daemons_share_the_work(crmd_dsn: str, tmp_path: Path) -> None:
    """Each job is done once, and both daemons do some."""
    async with running_fleet(crmd_dsn, tmp_path, 2, **LONG) as fleet:
        await fleet.enqueue("mark", 600, '{"milliseconds": 100}')
        await fleet.until(COMPLETED, 600)
        rows = await fleet.connection.fetch("SELECT pid, count(*) FROM fleet.mark GROUP BY pid")
        assert {row["pid"] for row in rows} == {daemon.pid for daemon in fleet.daemons}
        assert await _doubled(fleet) == 0


async def test_kill_loses_nothing(crmd_dsn: str, tmp_path: Path) -> None:
    """A daemon killed with -9 in the middle loses no job and doubles no write."""
    async with running_fleet(crmd_dsn, tmp_path, 2, **FEW) as fleet:
        await fleet.enqueue("mark", 300, '{"milliseconds": 150}')
        await fleet.until("SELECT count(*) FROM fleet.mark", 50)
        fleet.daemons[0].send(signal.SIGKILL)
        await fleet.until(COMPLETED, 300)
        assert await _doubled(fleet) == 0
        crashed = await fleet.connection.fetchval(
            'SELECT count(*) FROM crmd.archive WHERE errors @> \'[{"class": "Crashed"}]\''
        )
        assert crashed > 0


async def test_stop_hands_over(crmd_dsn: str, tmp_path: Path) -> None:
    """SIGTERM gives back what is claimed, in order: no attempt and no crash is counted, and the other goes on."""
    async with running_fleet(crmd_dsn, tmp_path, 2, **LONG, daemon__drain_seconds="0.2") as fleet:
        await fleet.enqueue("mark", 300, '{"milliseconds": 3000}')
        await fleet.until("SELECT count(*) FROM crmd.lease", 300)
        fleet.daemons[0].send(signal.SIGTERM)
        with anyio.fail_after(0.2 + 5):
            assert await fleet.daemons[0].ended() == 0
        left = await fleet.connection.fetchval(
            "SELECT count(*) FROM crmd.lease l WHERE NOT EXISTS (SELECT FROM crmd.daemon d WHERE d.id = l.daemon_id)"
        )
        assert left == 0
        await fleet.until(COMPLETED, 300)
        assert await _doubled(fleet) == 0
        spent = await fleet.connection.fetchval("SELECT max(attempt) + max(crash_count) FROM crmd.archive")
        assert spent == 1


async def test_paused_past_its_lease_writes_nothing(crmd_dsn: str, tmp_path: Path) -> None:
    """A daemon that sleeps past its lease and wakes finds its jobs taken; its writes are refused."""
    async with running_fleet(crmd_dsn, tmp_path, 2, **FEW) as fleet:
        await fleet.enqueue("mark", 50, '{"milliseconds": 2500}')
        await fleet.until("SELECT count(DISTINCT daemon_id) FROM crmd.lease", 2)
        paused, other = fleet.daemons
        paused.send(signal.SIGSTOP)
        await fleet.until("SELECT count(*) FROM crmd.daemon WHERE is_dead", 1)
        await fleet.until("SELECT count(*) FROM crmd.lease WHERE fence = 2", 1)
        paused.send(signal.SIGCONT)
        await fleet.until_logged(paused, "the leases of this daemon have run out")
        await fleet.until(COMPLETED, 50)
        await fleet.until("SELECT count(*) FROM crmd.daemon WHERE NOT is_dead", 2)
        assert await _doubled(fleet) == 0
        again = await fleet.connection.fetch(
            "SELECT m.pid FROM fleet.mark m JOIN crmd.archive a ON a.id = m.job_id"
            """ WHERE m.fence = 2 AND a.errors @> '[{"class": "Crashed"}]'"""
        )
        assert {row["pid"] for row in again}.isdisjoint({other.pid, paused.pid})  # suspects run apart
        stale = await fleet.connection.fetchval(  # a mark whose claim was lost before its outcome was written is none
            "SELECT count(*) FROM fleet.mark m JOIN crmd.archive a ON a.id = m.job_id WHERE m.fence <> a.fence"
            " AND m.marked_at > (a.errors -> (m.fence::int - 1) ->> 'at')::timestamptz"
        )
        assert stale == 0


async def test_limits_hold_at_every_instant(crmd_dsn: str, tmp_path: Path) -> None:
    """Five per workspace and three over all daemons are never exceeded, and are used to the full."""
    workspaces = [uuid4() for _ in range(4)]
    async with running_fleet(crmd_dsn, tmp_path) as fleet:
        for workspace_id in workspaces:
            await fleet.enqueue("mark-limited", 100, '{"milliseconds": 20}', workspace_id)
        await fleet.enqueue("mark-three", 60, '{"milliseconds": 20}')
        await fleet.enqueue("mark-local", 60, '{"milliseconds": 20}')
        sampled = await _most_leases_until_done(fleet, 520)
        assert sampled["mark-three"] <= 3
        rows = await fleet.connection.fetch("SELECT type, workspace_id, pid, begun_at, marked_at FROM fleet.mark")
        spans = [(row["type"], row["workspace_id"], row["pid"], row["begun_at"], row["marked_at"]) for row in rows]
        for workspace_id in workspaces:
            assert _most_at_once((s[3], s[4]) for s in spans if s[1] == workspace_id) <= 5
        assert _most_at_once((s[3], s[4]) for s in spans if s[0] == "mark-three") == 3
        for daemon in fleet.daemons:
            assert _most_at_once((s[3], s[4]) for s in spans if s[0] == "mark-local" and s[2] == daemon.pid) <= 2


async def test_blocked_loop_keeps_its_leases(crmd_dsn: str, tmp_path: Path) -> None:
    """A handler that blocks the loop for two leases costs no job its lease, and is named with its stack meanwhile."""
    async with running_fleet(crmd_dsn, tmp_path) as fleet:
        await fleet.enqueue("mark", 10, '{"milliseconds": 2000}')
        await fleet.until("SELECT count(*) FROM crmd.lease", 10)
        await fleet.enqueue("block-loop", 2, '{"milliseconds": 7000}')  # more than two leases
        await fleet.until("SELECT count(*) FROM crmd.lease WHERE type = 'block-loop'", 1)
        await until_told(fleet, "stands still in block-loop of plugin fleet")
        assert await fleet.connection.fetchval("SELECT count(*) FROM crmd.lease WHERE type = 'block-loop'") > 0
        await fleet.until(COMPLETED, 12)
        assert await fleet.connection.fetchval("SELECT max(fence) FROM crmd.archive") == 1
        log = "".join(daemon.text() for daemon in fleet.daemons)
        assert "fleet_jobs.py" in log
        assert 'runs_in=\\"thread\\" would keep it' in log
        await fleet.until("SELECT stalls FROM crmd.blame WHERE plugin = 'fleet'", 1)
        row = await fleet.connection.fetchrow("SELECT stall_seconds, stall_place FROM crmd.blame")
        assert row is not None
        assert row["stall_seconds"] >= 6
        assert "fleet_jobs.py" in row["stall_place"]


async def test_cancel_reaches_a_running_job(crmd_dsn: str, tmp_path: Path) -> None:
    """A cancel request stops a running job of any daemon."""
    async with running_fleet(crmd_dsn, tmp_path) as fleet:
        await fleet.enqueue("mark", 1, '{"milliseconds": 60000}')
        await fleet.until("SELECT count(*) FROM crmd.lease", 1)
        job_id = await fleet.connection.fetchval("SELECT id FROM crmd.lease")
        assert await fleet.connection.fetchval("SELECT crmd.cancel($1)", job_id) == "requested"
        await fleet.until("SELECT count(*) FROM crmd.archive WHERE status = 'cancelled'", 1)


async def until_told(fleet: Fleet, word: str) -> None:
    """Wait until any of the daemons has logged it."""
    with anyio.fail_after(60):
        while not any(word in daemon.text() for daemon in fleet.daemons):  # noqa: ASYNC110 - other processes tell it
            await anyio.sleep(0.02)


async def _doubled(fleet: Fleet) -> int:
    """How many jobs have more than one mark."""
    doubled: int = await fleet.connection.fetchval(
        "SELECT count(*) FROM (SELECT job_id FROM fleet.mark GROUP BY job_id HAVING count(*) > 1) d"
    )
    return doubled


async def _most_leases_until_done(fleet: Fleet, count: int) -> dict[str, int]:
    most: dict[str, int] = {}
    while await fleet.connection.fetchval(COMPLETED) < count:
        for row in await fleet.connection.fetch("SELECT type, count(*) FROM crmd.lease GROUP BY type"):
            most[row["type"]] = max(most.get(row["type"], 0), row["count"])
        await anyio.sleep(0.002)
    return most


def _most_at_once(spans: Iterable[tuple[datetime, datetime]]) -> int:
    """How many spans overlap at the most."""
    steps = sorted([step for begun, ended in spans for step in ((begun, 1), (ended, -1))])
    most = running = 0
    for _, change in steps:
        running += change
        most = max(most, running)
    return most
