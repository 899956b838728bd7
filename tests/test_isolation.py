"""Jobs in threads and processes, with a real daemon: what they do to their place is their own loss."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from fleet import Fleet, install_plugin, running_fleet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

pytestmark = pytest.mark.slow


@asynccontextmanager
async def running(dsn: str, folder: Path, count: int = 1, **settings: str) -> AsyncIterator[Fleet]:
    """Daemons that have the plugin of harm."""
    install_plugin(folder / "site", "isolated", "isolated_plugin")
    async with running_fleet(dsn, folder, count, plugins__enabled='["fleet", "isolated"]', **settings) as fleet:
        yield fleet


async def enqueue(fleet: Fleet, job_type: str, **payload: object) -> UUID:
    """A job of that type."""
    job_id: UUID = await fleet.connection.fetchval("SELECT crmd.enqueue($1, $2::jsonb)", job_type, json.dumps(payload))
    return job_id


async def ended(fleet: Fleet, job_id: UUID) -> Any:  # noqa: ANN401 - a row with its columns decoded
    """What became of a job, once it is over."""
    await fleet.until("SELECT count(*) FROM crmd.archive WHERE id = $1", 1, job_id)
    row = await fleet.connection.fetchrow("SELECT * FROM crmd.jobs WHERE id = $1", job_id)
    assert row is not None
    return {key: json.loads(row[key] or "null") for key in ("errors", "result", "progress")} | {
        key: row[key] for key in ("status", "attempt", "crash_count")
    }


@pytest.mark.parametrize(
    ("how", "word", "sentence"),
    [
        ("segfault", "Crashed", "killed by SIGSEGV in "),
        ("exit", "Crashed", "its process ended with exit code 7 and no outcome"),
        ("memory", "OverLimit", "used more than 256 MiB of memory"),
        ("spin", "OverLimit", "used more than 1 s of processor time"),
    ],
)
async def test_harm_ends_its_own_process(migrated_dsn: str, tmp_path: Path, how: str, word: str, sentence: str) -> None:
    """Whatever a job does to its process fails its own attempt, in a sentence; the daemon and other jobs go on."""
    async with running(migrated_dsn, tmp_path) as fleet:
        harm = await enqueue(fleet, "does-harm", how=how)
        other = await enqueue(fleet, "marks")
        row = await ended(fleet, harm)
        assert (row["status"], row["errors"][-1]["class"]) == ("dead", word)
        assert sentence in row["errors"][-1]["message"]
        assert (await ended(fleet, other))["status"] == "completed"
        assert fleet.daemons[0].process.poll() is None


async def test_all_of_the_context_works_from_a_process(migrated_dsn: str, tmp_path: Path) -> None:
    """Log, checkpoint, progress, items, enqueue and transactions cross the boundary, each under the lease's token."""
    async with running(migrated_dsn, tmp_path) as fleet:
        job_id = await enqueue(fleet, "works-apart")
        row = await ended(fleet, job_id)
        daemon = fleet.daemons[0]
        assert row["status"] == "completed"
        assert row["result"]["pid"] not in {daemon.pid, row["result"]["parent"]}
        assert row["result"]["children"]["completed"] == 1
        expected = {"done": 3, "total": 4, "note": "nearly", "succeeded": 1, "failed": 1}
        assert {key: row["progress"][key] for key in expected} == expected
        items = await fleet.connection.fetch("SELECT item, outcome FROM crmd.item WHERE job_id = $1", job_id)
        assert {tuple(item) for item in items} == {("one", "succeeded"), ("two", "failed")}
        assert (
            await fleet.connection.fetchval("SELECT pid FROM fleet.mark WHERE job_id = $1", job_id)
            == (row["result"]["pid"])
        )
        line = next(line for line in daemon.text().splitlines() if "here from afar" in line)
        assert json.loads(line)["job_id"] == str(job_id)


async def test_each_job_has_a_fresh_process_of_one_host(migrated_dsn: str, tmp_path: Path) -> None:
    """No two jobs share a process, and all of a plugin share the host that has loaded it."""
    async with running(migrated_dsn, tmp_path) as fleet:
        jobs = [await enqueue(fleet, "works-apart") for _ in range(5)]
        results = [(await ended(fleet, job_id))["result"] for job_id in jobs]
        assert len({result["pid"] for result in results}) == 5
        assert len({result["parent"] for result in results}) == 1


async def test_a_reload_brings_a_new_host(migrated_dsn: str, tmp_path: Path) -> None:
    """After a reload jobs run in a host that has read the configuration anew; the old one ends with its last job."""
    async with running(migrated_dsn, tmp_path) as fleet:
        place = tmp_path / "pid"
        old = (await ended(fleet, await enqueue(fleet, "works-apart")))["result"]["parent"]
        slow = await enqueue(fleet, "naps-long-apart", how="awaits", seconds=5, place=str(place))
        await written(place)
        fleet.daemons[0].send(signal.SIGHUP)
        await fleet.until_logged(fleet.daemons[0], "reloaded")
        new = (await ended(fleet, await enqueue(fleet, "works-apart")))["result"]["parent"]
        assert new != old
        assert (await ended(fleet, slow))["status"] == "completed"
        await gone(old)


async def test_run_once_runs_where_the_type_says(migrated_dsn: str, tmp_path: Path) -> None:
    """A job that is run by hand runs in a process too, with its children behind it."""
    async with running(migrated_dsn, tmp_path) as fleet:
        command = [sys.executable, "-m", "crmd", "run-once", "works-apart", "--json"]
        environ = fleet.environ(plugins__enabled='["fleet", "isolated"]')
        ran = await anyio.run_process(command, env=environ, cwd=tmp_path, check=False)
        assert ran.returncode == 0, ran.stderr.decode()
        result = json.loads(ran.stdout)["result"]
        assert result["pid"] != result["parent"]
        assert result["children"]["completed"] == 1
        await gone(result["parent"])


@pytest.mark.parametrize("how", ["awaits", "blocks"])
async def test_a_process_keeps_to_its_time(migrated_dsn: str, tmp_path: Path, how: str) -> None:
    """A job that runs for too long is cancelled in its process; one that blocks it is killed there."""
    async with running(migrated_dsn, tmp_path) as fleet:
        place = tmp_path / "pid"
        row = await ended(fleet, await enqueue(fleet, "naps-apart", how=how, seconds=60, place=str(place)))
        assert (row["status"], row["errors"][-1]["class"]) == ("dead", "Timeout")
        await gone(int(place.read_text()))


@pytest.mark.parametrize("how", ["awaits", "blocks"])
async def test_a_cancel_reaches_a_process(migrated_dsn: str, tmp_path: Path, how: str) -> None:
    """A running job of a process is cancelled as any other, whether it awaits or blocks."""
    async with running(migrated_dsn, tmp_path) as fleet:
        place = tmp_path / "pid"
        job_id = await enqueue(fleet, "naps-long-apart", how=how, seconds=60, place=str(place))
        await written(place)
        assert await fleet.connection.fetchval("SELECT crmd.cancel($1)", job_id) == "requested"
        assert (await ended(fleet, job_id))["status"] == "cancelled"
        await gone(int(place.read_text()))


async def test_a_killed_daemon_takes_its_processes_along(migrated_dsn: str, tmp_path: Path) -> None:
    """No process of a job outlives its daemon, however that dies; the job is no suspect, and runs again."""
    async with running(migrated_dsn, tmp_path) as fleet:
        place = tmp_path / "pid"
        job_id = await enqueue(fleet, "naps-long-apart", how="blocks", seconds=60, place=str(place))
        await written(place)
        pid = int(place.read_text())
        place.unlink()
        fleet.daemons[0].process.kill()
        await gone(pid)
        fleet.start(plugins__enabled='["fleet", "isolated"]')
        await written(place)
        row = await fleet.connection.fetchrow("SELECT crash_count, attempt, is_alone FROM crmd.lease")
        assert row is not None
        assert tuple(row) == (1, 1, False)
        await fleet.connection.fetchval("SELECT crmd.cancel($1)", job_id)
        await ended(fleet, job_id)


async def test_a_host_that_dies_costs_its_jobs_one_attempt(migrated_dsn: str, tmp_path: Path) -> None:
    """When a host is killed its children end with it, as its jobs' records say; the next job has a new host."""
    async with running(migrated_dsn, tmp_path) as fleet:
        place = tmp_path / "pid"
        job_id = await enqueue(fleet, "naps-long-apart", how="blocks", seconds=60, place=str(place))
        await written(place)
        pid = int(place.read_text())
        os.kill(parent_of(pid), signal.SIGKILL)
        row = await ended(fleet, job_id)
        assert (row["status"], row["errors"][-1]["class"]) == ("dead", "HostLost")
        await gone(pid)
        assert (await ended(fleet, await enqueue(fleet, "works-apart")))["status"] == "completed"


async def test_no_secret_shows_from_outside(migrated_dsn: str, tmp_path: Path) -> None:
    """Neither arguments nor environment of a host or a job's process hold the database's address."""
    async with running(migrated_dsn, tmp_path) as fleet:
        place = tmp_path / "pid"
        await enqueue(fleet, "naps-long-apart", how="awaits", seconds=30, place=str(place))
        await written(place)
        pid = int(place.read_text())
        for process in (pid, parent_of(pid)):
            for file in ("environ", "cmdline"):
                text = Path(f"/proc/{process}/{file}").read_bytes()
                assert text
                assert b"postgresql://" not in text
                assert b"CRMD__" not in text


async def test_a_drain_gives_processes_back(migrated_dsn: str, tmp_path: Path) -> None:
    """A stop gives back what runs in processes, without an attempt, and ends them, the blocked one too."""
    async with running(migrated_dsn, tmp_path, daemon__drain_seconds="0.2") as fleet:
        places = [tmp_path / "awaits", tmp_path / "blocks"]
        for place in places:
            await enqueue(fleet, "naps-long-apart", how=place.name, seconds=60, place=str(place))
        for place in places:
            await written(place)
        fleet.daemons[0].send(signal.SIGTERM)
        assert await fleet.daemons[0].ended() == 0
        rows = await fleet.connection.fetch("SELECT attempt, crash_count, held FROM crmd.job")
        assert [tuple(row) for row in rows] == [(0, 0, None)] * 2
        for place in places:
            await gone(int(place.read_text()))


async def test_a_thread_blocks_nobody_else(migrated_dsn: str, tmp_path: Path) -> None:
    """A job in a thread may block it: the loop turns on, and its context works from there."""
    async with running(migrated_dsn, tmp_path) as fleet:
        job_id = await enqueue(fleet, "threaded", how="blocks", seconds=0.9)
        row = await ended(fleet, job_id)
        assert (row["status"], row["result"]["pid"]) == ("completed", fleet.daemons[0].pid)
        assert row["result"]["thread"] == "crmd job thread"
        assert await fleet.connection.fetchval("SELECT count(*) FROM fleet.mark WHERE job_id = $1", job_id) == 1
        text = fleet.daemons[0].text()
        assert "stands still" not in text
        assert json.loads(next(line for line in text.splitlines() if "here from a thread" in line))["job_id"] == str(
            job_id
        )


async def test_a_thread_is_cancelled_at_its_next_await(migrated_dsn: str, tmp_path: Path) -> None:
    """The time limit of a job in a thread cancels what it awaits."""
    async with running(migrated_dsn, tmp_path) as fleet:
        row = await ended(fleet, await enqueue(fleet, "threaded", how="awaits", seconds=60))
        assert (row["status"], row["errors"][-1]["class"]) == ("dead", "Timeout")


async def test_a_thread_that_cannot_be_cancelled_is_abandoned(migrated_dsn: str, tmp_path: Path) -> None:
    """A blocked thread is given up after a grace: its job ends, naming where it hangs, and writes nothing later."""
    async with running(migrated_dsn, tmp_path) as fleet:
        job_id = await enqueue(fleet, "threaded", how="blocks", seconds=15)
        row = await ended(fleet, job_id)
        error = row["errors"][-1]
        assert (row["status"], error["class"]) == ("dead", "Abandoned")
        assert "ran for more than 1 s" in error["message"]
        assert any("isolated_jobs.py" in place for place in error["places"])
        await fleet.until_logged(fleet.daemons[0], "an abandoned job of threaded has ended")
        assert await fleet.connection.fetchval("SELECT count(*) FROM fleet.mark WHERE job_id = $1", job_id) == 0
        row = await ended(fleet, await enqueue(fleet, "threaded"))
        assert row["status"] == "completed"


async def test_a_swallowed_cancellation_costs_no_slot(migrated_dsn: str, tmp_path: Path) -> None:
    """A handler that swallows every cancellation is given up with its drainer, and does not hold up the exit."""
    async with running(migrated_dsn, tmp_path, queues__fast__slots="1") as fleet:
        never = await enqueue(fleet, "never-ends")
        row = await ended(fleet, never)
        assert (row["status"], row["errors"][-1]["class"]) == ("dead", "Abandoned")
        assert any("never_ends" in place for place in row["errors"][-1]["places"])
        other = await enqueue(fleet, "marks")
        assert (await ended(fleet, other))["status"] == "completed"
        fleet.daemons[0].send(signal.SIGTERM)
        assert await fleet.daemons[0].ended() == 0


async def test_swallowing_at_the_end_does_not_keep_the_process(migrated_dsn: str, tmp_path: Path) -> None:
    """What cannot be cancelled while the daemon drains is given back with a record, and the daemon ends."""
    async with running(migrated_dsn, tmp_path, daemon__drain_seconds="0.1") as fleet:
        await enqueue(fleet, "never-ends")
        await fleet.until_logged(fleet.daemons[0], "nothing ends this")
        fleet.daemons[0].send(signal.SIGTERM)
        assert await fleet.daemons[0].ended() == 0
        [row] = await fleet.connection.fetch("SELECT attempt, crash_count, errors FROM crmd.job")
        assert (row["attempt"], row["crash_count"]) == (0, 0)
        assert json.loads(row["errors"])[-1]["class"] == "Abandoned"


async def test_a_plugin_that_crashes_is_quarantined(migrated_dsn: str, tmp_path: Path) -> None:
    """Three jobs that crash make all jobs of their plugin wait, no attempt spent; the other plugin's jobs run on."""
    async with running(migrated_dsn, tmp_path) as fleet:
        for _ in range(3):
            await enqueue(fleet, "does-harm", how="segfault")
        await fleet.until("SELECT count(*) FROM crmd.quarantine", 1)
        assert "plugin isolated is quarantined: 3 of its jobs crashed" in fleet.daemons[0].text()
        later = "SELECT crmd.enqueue($1, run_at => crmd.clock() + make_interval(secs => $2))"
        waits = await fleet.connection.fetchval(later, "marks", 2.0)  # the daemons look once a second
        other = await fleet.connection.fetchval(later, "mark", 2.5)
        assert (await ended(fleet, other))["status"] == "completed"
        [row] = await fleet.connection.fetch("SELECT status, attempt, held FROM crmd.jobs WHERE id = $1", waits)
        assert tuple(row) == ("pending", 0, None)
        await fleet.until("SELECT crashes FROM crmd.blame WHERE plugin = 'isolated'", 3)
        await fleet.connection.execute("UPDATE crmd.quarantine SET probe_at = crmd.clock()")
        assert (await ended(fleet, waits))["status"] == "completed"
        await fleet.until("SELECT 1 - count(*) FROM crmd.quarantine", 1)
        again = await enqueue(fleet, "marks")
        row = await ended(fleet, again)
        assert (row["status"], row["result"]["pid"]) == ("completed", fleet.daemons[0].pid)


async def gone(pid: int) -> None:
    """Wait until there is no such process."""
    with anyio.fail_after(30):
        while Path(f"/proc/{pid}").exists():  # noqa: ASYNC110 - another process's end, which nobody tells us
            await anyio.sleep(0.02)


def parent_of(pid: int) -> int:
    """The process that started this one."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def written(place: Path) -> None:
    """Wait until a job has written its process id."""
    with anyio.fail_after(60):
        while not (place.exists() and place.read_text()):  # noqa: ASYNC110 - another process writes it
            await anyio.sleep(0.02)
