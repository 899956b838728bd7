"""Daemons whose machines have the wrong date work on one database, whose clock alone decides."""

from __future__ import annotations

import json
import shutil
import signal
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import clock_jobs
import pytest
import wrong_clock
from fleet import install_plugin, running_fleet

if TYPE_CHECKING:
    from pathlib import Path

    from fleet import Daemon, Fleet

pytestmark = pytest.mark.slow
HOURS = 3600
# Ahead, behind, and one that steps to and fro each second.
CLOCKS = (f"{3 * HOURS},{3 * HOURS}", f"{-3 * HOURS},{-3 * HOURS}", f"{-2 * HOURS},{2 * HOURS}")
WRONG_AT_LEAST = timedelta(hours=1)
SLOTS = 40
DEFERRED = 20
SETTINGS = {"plugins__enabled": '["fleet", "clocks"]', "queues__fast__slots": str(SLOTS)}
COMPLETED = "SELECT count(*) FROM crmd.archive WHERE type = $1 AND status = 'completed'"
NEXT_HOUR = "SELECT crmd.schedule('next-hour', 'late', at => crmd.clock() + interval '1 hour')"
BETWEEN_RUNS = """
SELECT min(seconds) FROM (
    SELECT extract(epoch FROM marked_at - lag(marked_at) OVER (PARTITION BY job_id ORDER BY fence))::float8 AS seconds
    FROM fleet.mark WHERE type = 'defers') s
"""
PUT_OFF = """
SELECT DISTINCT extract(epoch FROM run_at - created_at)::float8 FROM crmd.archive
WHERE type = 'late' AND started_at >= run_at
"""
TICKS = """
SELECT count(*) AS ticks, count(job_id) AS jobs, extract(epoch FROM max(due_at) - min(due_at))::float8 AS seconds,
    min(fired_at - due_at) AS earliest, max(fired_at - due_at) AS latest
FROM crmd.tick WHERE schedule_id LIKE '%fires%'
"""
# One of the daemons that run a job of this type.
HOLDER = "SELECT d.pid FROM crmd.lease l JOIN crmd.daemon d ON d.id = l.daemon_id WHERE l.type = 'mark' LIMIT 1"


async def test_daemons_with_wrong_clocks_keep_time(
    crmd_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hours ahead, behind, to and fro: leases are kept and run out, ticks fire once and in time, due times are kept."""
    install_plugin(tmp_path / "site", "clocks", "clock_jobs")
    shutil.copy(wrong_clock.__file__, tmp_path / "site" / "sitecustomize.py")
    monkeypatch.setenv(wrong_clock.NAME, CLOCKS[0])
    async with running_fleet(crmd_dsn, tmp_path, 1, **SETTINGS) as fleet:
        await fleet.connection.execute(NEXT_HOUR)
        for clock in CLOCKS[1:]:
            monkeypatch.setenv(wrong_clock.NAME, clock)
            fleet.start(**SETTINGS)
        await fleet.ready(3)
        assert all([await told_wrong_times(fleet, daemon) for daemon in fleet.daemons])
        await keeps_leases(fleet)
        await keeps_due_times(fleet)
        await takes_over(fleet)
        await fires_each_second(fleet)


async def told_wrong_times(fleet: Fleet, daemon: Daemon) -> bool:
    """Whether its clock is wrong indeed: that of its log."""
    await fleet.until_logged(daemon, '"at"')
    now = await fleet.connection.fetchval("SELECT clock_timestamp()")
    told = json.loads(daemon.text().splitlines()[0])["at"]
    return bool(abs(datetime.fromisoformat(told) - now) > WRONG_AT_LEAST)


async def keeps_leases(fleet: Fleet) -> None:
    """Jobs that take longer than a lease, enough for all daemons, run once, each in the daemon that began it."""
    count = SLOTS * len(CLOCKS)
    await fleet.enqueue("mark", count, '{"milliseconds": 4500}')
    await fleet.until(COMPLETED, count, "mark")
    rows = await fleet.connection.fetch("SELECT DISTINCT pid, fence FROM fleet.mark WHERE type = 'mark'")
    assert {tuple(row) for row in rows} == {(daemon.pid, 1) for daemon in fleet.daemons}
    assert await fleet.connection.fetchval("SELECT count(*) FROM crmd.daemon WHERE NOT is_dead") == len(CLOCKS)


async def keeps_due_times(fleet: Fleet) -> None:
    """What is put off by seconds comes after so many, whoever puts it off and whoever runs it then."""
    await fleet.enqueue("defers", DEFERRED)
    await fleet.until(COMPLETED, DEFERRED, "late")
    assert await fleet.connection.fetchval(BETWEEN_RUNS) >= clock_jobs.LATER_SECONDS
    assert [row[0] for row in await fleet.connection.fetch(PUT_OFF)] == [clock_jobs.LATER_SECONDS]


async def takes_over(fleet: Fleet) -> None:
    """The lease of a daemon that is killed runs out for the others, neither at once nor in hours."""
    done = await fleet.connection.fetchval(COMPLETED, "mark")
    await fleet.enqueue("mark", 3, '{"milliseconds": 1500}')
    await fleet.until(HOLDER, 1)
    pid = await fleet.connection.fetchval(HOLDER)
    [victim] = [daemon for daemon in fleet.daemons if daemon.pid == pid]
    victim.send(signal.SIGKILL)
    await fleet.until(COMPLETED, done + 3, "mark")
    assert await fleet.connection.fetchval("SELECT count(*) FROM fleet.mark WHERE type = 'mark' AND fence > 2") == 0
    assert await fleet.connection.fetchval("SELECT count(*) FROM crmd.daemon WHERE NOT is_dead") == len(CLOCKS) - 1


async def fires_each_second(fleet: Fleet) -> None:
    """No second was left out, doubled or early, and what is due in an hour has not fired."""
    [row] = await fleet.connection.fetch(TICKS)
    assert row["ticks"] == row["jobs"] == row["seconds"] + 1
    assert row["ticks"] > 5
    assert timedelta(0) <= row["earliest"]
    assert row["latest"] < WRONG_AT_LEAST
    assert await fleet.connection.fetchval("SELECT count(*) FROM crmd.tick WHERE schedule_id = 'next-hour'") == 0
