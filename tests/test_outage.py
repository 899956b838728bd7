from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import anyio
import asyncpg
import pytest
from fleet import Fleet, running_fleet
from notify_socket import listening
from private_postgres import debian_programs, private_server

from crmd.embedded.account import server_account
from crmd.embedded.binaries import find_binaries, reachable
from crmd.store.pools import CONTROL_CONNECTIONS, WORK_CONNECTIONS, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleet import Daemon
    from private_postgres import Mode, PrivateServer

pytestmark = pytest.mark.slow
COMPLETED = "SELECT count(*) FROM crmd.archive WHERE status = 'completed'"
DOUBLED = "SELECT count(*) FROM (SELECT job_id FROM fleet.mark GROUP BY job_id HAVING count(*) > 1) d"
CRASHED = 'SELECT count(*) FROM crmd.archive WHERE errors @> \'[{"class": "Crashed"}]\''
CUT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name LIKE 'crmd %' AND datname = current_database()
"""

CAME = re.compile(r"^(\d+\.\d+) LOG:  connection authorized: [^\n]{0,200}application_name=crmd ", re.MULTILINE)
CONNECTIONS_A_SECOND = 5
EXIT_SECONDS = 10.0  # of a daemon that has not begun yet, or has no database
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'crmd %'"
SESSIONS_MAX = (
    WORK_CONNECTIONS + CONTROL_CONNECTIONS + Server(dsn="").pool_max + 2
)  # the heartbeat's and the listener's


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    """A server that the test may stop."""
    account = server_account(None)
    programs = debian_programs(15)
    if programs is None:
        folder = tmp_path_factory.mktemp("programs")
        programs = reachable(find_binaries(), account, folder).folder
    with private_server(programs) as running:
        yield running


async def test_cut_sessions_cost_nothing(crmd_dsn: str, tmp_path: Path) -> None:
    """All sessions of two busy daemons ended again and again: both live on, each job is done, none twice."""
    async with running_fleet(crmd_dsn, tmp_path) as fleet:
        await fleet.enqueue("mark", 300, '{"milliseconds": 100}')
        cuts = 0
        for done in range(20, 260, 20):  # between two cuts there is work, however slow the machine
            cuts += await fleet.connection.fetchval(CUT)
            await fleet.until(COMPLETED, done)
        await fleet.until(COMPLETED, 300)
        assert cuts > 10
        assert await fleet.connection.fetchval(DOUBLED) == 0
        assert await fleet.connection.fetchval("SELECT count(*) FROM crmd.daemon WHERE NOT is_dead") == 2
        assert all(daemon.process.poll() is None for daemon in fleet.daemons)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_stopped_server_is_no_crash_of_jobs(server: PrivateServer, tmp_path: Path, mode: Mode) -> None:
    """The server gone for longer than a lease: the daemon stays up, tells so, and its jobs end as if nothing had been.

    They are given back in order: no crash and no attempt is counted, and nothing is done twice. It comes back with one
    connection after the other, and never with more than it is configured for.
    """
    async with running_fleet(server.dsn, tmp_path, count=1) as fleet:
        for setting in ("log_connections = 'on'", "log_line_prefix = '%n '"):
            await fleet.connection.execute(f"ALTER SYSTEM SET {setting}")
        await fleet.enqueue("mark", 40, '{"milliseconds": 1500}')
        await fleet.until("SELECT count(*) FROM crmd.lease", 40)
        await anyio.to_thread.run_sync(server.stop, mode)
        await fleet.until_logged(fleet.daemons[0], "the leases of this daemon have run out")
        assert fleet.daemons[0].process.poll() is None
        await anyio.to_thread.run_sync(server.start)
        fleet.connection.terminate()
        fleet.connection = await asyncpg.connect(server.dsn)
        await fleet.until(COMPLETED, 40)
        assert await fleet.connection.fetchval(DOUBLED) == 0
        assert await fleet.connection.fetchval(CRASHED) == 0
        rows = await fleet.connection.fetch("SELECT DISTINCT attempt::integer, crash_count::integer FROM crmd.archive")
        assert {row["crash_count"] for row in rows} == {0}
        await fleet.enqueue("mark", 5)
        await fleet.until(COMPLETED, 45)
        assert [line for line in fleet.daemons[0].text().splitlines() if "Traceback" in line] == []
        came_at = [float(at) for at in CAME.findall((server.folder / "log").read_text())]
        assert came_at
        # Without a pace they would all come in the first second.
        assert max(sum(at <= other < at + 1 for other in came_at) for at in came_at) <= 2 * CONNECTIONS_A_SECOND
        assert await fleet.connection.fetchval(SESSIONS) <= SESSIONS_MAX
        await stop(fleet)


async def test_an_outage_does_not_starve_the_watchdog(
    server: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the database is away the daemon is alive and says what it waits for; a reload is refused, not fatal."""
    async with listening(tmp_path / "notify") as notify:
        monkeypatch.setenv("NOTIFY_SOCKET", str(notify.path))
        monkeypatch.setenv("WATCHDOG_USEC", "1500000")
        async with running_fleet(server.dsn, tmp_path, count=1) as fleet:
            await notify.until_line("WATCHDOG=1")
            await anyio.to_thread.run_sync(server.stop)
            fleet.connection.terminate()
            await notify.until_line("STATUS=the database does not answer")
            await notify.until_line("WATCHDOG=1", notify.count("WATCHDOG=1") + 3)
            fleet.daemons[0].send(signal.SIGHUP)
            await fleet.until_logged(fleet.daemons[0], "not reloaded: the database does not answer")
            fleet.daemons[0].send(signal.SIGTERM)
            with anyio.fail_after(EXIT_SECONDS):
                assert await fleet.daemons[0].ended() == 0


async def test_readiness_follows_the_database(server: PrivateServer, tmp_path: Path) -> None:
    """A daemon whose database is away is alive and takes no jobs, as whoever asks is told; once it is back it does."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    async with (
        running_fleet(server.dsn, tmp_path, count=1, api__listen=address) as fleet,
        aiohttp.ClientSession(f"http://{address}") as session,
    ):
        await until_answered(session, "/readyz", 200)
        await anyio.to_thread.run_sync(server.stop)
        await until_answered(session, "/readyz", 503)
        await until_answered(session, "/healthz", 200)
        await anyio.to_thread.run_sync(server.start)
        await until_answered(session, "/readyz", 200)
        fleet.connection.terminate()
        await stop(fleet)


async def until_answered(session: aiohttp.ClientSession, path: str, status: int) -> None:
    """Ask until that is the answer."""
    with anyio.fail_after(60):
        while True:
            with contextlib.suppress(aiohttp.ClientConnectorError):  # it has just started
                async with session.get(path) as answer:
                    if answer.status == status:
                        return
            await anyio.sleep(0.05)


async def test_a_stop_during_the_start_is_obeyed(crmd_dsn: str, tmp_path: Path) -> None:
    """However early SIGTERM comes, the process ends, and what it leaves lets the next one start."""
    async with running_fleet(crmd_dsn, tmp_path, count=1) as fleet:
        await stop(fleet)
        for milliseconds in (0, 150, 300):
            daemon = fleet.start()
            await anyio.sleep(milliseconds / 1000)
            daemon.send(signal.SIGTERM)
            with anyio.fail_after(EXIT_SECONDS):
                assert await daemon.ended() in {0, -signal.SIGTERM}
        for milliseconds in (0, 20, 50, 100, 200, 400):
            daemon = fleet.start()
            await until_it_obeys(daemon)
            await anyio.sleep(milliseconds / 1000)
            daemon.send(signal.SIGTERM)
            with anyio.fail_after(EXIT_SECONDS):
                assert await daemon.ended() == 0
        fleet.start()
        await fleet.ready(1)


async def until_it_obeys(daemon: Daemon) -> None:
    """Wait until the process has its own answer to SIGTERM, which is long before it is ready."""
    with anyio.fail_after(60):
        while not caught(daemon) >> (signal.SIGTERM - 1) & 1:  # noqa: ASYNC110 - the kernel tells nobody
            await anyio.sleep(0.002)


def caught(daemon: Daemon) -> int:
    """The signals that the process handles itself, as a mask."""
    found = re.search(r"^SigCgt:\s+([0-9a-f]+)$", Path(f"/proc/{daemon.pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1], 16)


async def test_a_second_stop_gives_jobs_back_at_once(crmd_dsn: str, tmp_path: Path) -> None:
    """The first SIGTERM lets jobs finish, the second gives them back now: to their place, no attempt counted."""
    async with running_fleet(crmd_dsn, tmp_path, count=1, daemon__drain_seconds="600") as fleet:
        await fleet.enqueue("mark", 3, '{"milliseconds": 600000}')
        await fleet.until("SELECT count(*) FROM crmd.lease", 3)
        fleet.daemons[0].send(signal.SIGTERM)
        await fleet.until_logged(fleet.daemons[0], "asked to stop by SIGTERM")
        assert fleet.daemons[0].process.poll() is None
        await stop(fleet)
        rows = await fleet.connection.fetch("SELECT attempt::integer, crash_count::integer, errors FROM crmd.job")
        assert [tuple(row) for row in rows] == [(0, 0, None)] * 3
        assert await fleet.connection.fetchval("SELECT count(*) FROM crmd.lease") == 0
        assert await fleet.connection.fetchval("SELECT count(*) FROM crmd.daemon") == 0


async def test_no_server_at_all_is_one_sentence(tmp_path: Path) -> None:
    """A daemon that cannot reach its database says so in one line and ends with the code for it."""
    fleet = Fleet(f"postgresql://nobody@/none?host={tmp_path}", tmp_path, connection=None)  # type: ignore[arg-type]  # nobody looks on
    daemon = fleet.start(plugins__enabled="[]")
    assert await daemon.ended() == 4
    text = daemon.text()
    assert "PostgreSQL cannot be reached" in text
    assert "Traceback" not in text


async def stop(fleet: Fleet) -> None:
    """Ask for it, and see it end well."""
    fleet.daemons[0].send(signal.SIGTERM)
    with anyio.fail_after(40):
        assert await fleet.daemons[0].ended() == 0
    for line in fleet.daemons[0].text().splitlines():
        assert json.loads(line)["level"] != "critical", line
