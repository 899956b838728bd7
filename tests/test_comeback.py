"""A fleet that comes back to a server which was restarted, each of its connections counted by the server itself."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest
from fleet import running_fleet
from private_postgres import debian_programs, private_server

from crmd.embedded.account import server_account
from crmd.embedded.binaries import find_binaries, reachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from private_postgres import PrivateServer

pytestmark = pytest.mark.slow

DAEMONS = 20
A_SECOND = 5  # of each daemon
JOBS = 10 * DAEMONS
COMPLETED = "SELECT count(*) FROM crmd.archive WHERE status = 'completed'"
DOUBLED = "SELECT count(*) FROM (SELECT job_id FROM fleet.mark GROUP BY job_id HAVING count(*) > 1) d"
# Let in, or refused because the server is not ready yet: it has taken a process for either.
CAME = re.compile(
    r"^(\d+\.\d+) (daemon_\d+) (?:LOG:  connection authorized|FATAL:  the database system is)", re.MULTILINE
)
SETTINGS = {
    "daemon__lease_seconds": "60",  # the restart is no loss of leases
    "queues__fast__slots": "10",
}


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    """A server with room for the fleet that notes in its log who comes."""
    programs = debian_programs(15)
    if programs is None:
        programs = reachable(find_binaries(), server_account(None), tmp_path_factory.mktemp("programs")).folder
    with private_server(programs) as running:
        running.stop()
        start(running)
        yield running


def start(server: PrivateServer) -> None:
    """With room for all, and notes of who comes."""
    server.start(max_connections="500", log_connections="on", log_line_prefix="'%n %u '")


async def test_a_fleet_does_not_storm_a_restarted_server(server: PrivateServer, tmp_path: Path) -> None:
    """Twenty daemons at work whose server restarts come back with at most five connections a second each."""
    addresses = await addresses_of(server)
    async with running_fleet(server.dsn, tmp_path, 1, **SETTINGS, database__dsn=addresses[0]) as fleet:
        for address in addresses[1:]:
            fleet.start(**SETTINGS, database__dsn=address)
        await fleet.ready(DAEMONS)
        await fleet.enqueue("mark", JOBS, '{"milliseconds": 4000}')
        await fleet.until("SELECT count(*) FROM crmd.lease", JOBS)
        await anyio.to_thread.run_sync(server.stop)
        started_at = time.time()
        await anyio.to_thread.run_sync(start, server)
        fleet.connection.terminate()
        fleet.connection = await asyncpg.connect(server.dsn)
        await fleet.until(COMPLETED, JOBS)
        came = arrivals(server, started_at)
        assert len(came) == DAEMONS
        every = [at for instants in came.values() for at in instants]
        assert len(every) > 1.5 * A_SECOND * DAEMONS  # without a pace nearly all of them would come in the first second
        assert most_within_a_second(every) <= A_SECOND * DAEMONS
        # On a busy machine what was begun in one second is let in within another.
        assert max(most_within_a_second(instants) for instants in came.values()) <= 2 * A_SECOND
        assert await fleet.connection.fetchval(DOUBLED) == 0
        assert await fleet.connection.fetchval("SELECT max(crash_count) FROM crmd.archive") == 0
        assert all(daemon.process.poll() is None for daemon in fleet.daemons)


async def addresses_of(server: PrivateServer) -> list[str]:
    """One for each daemon: the server tells them apart by the roles that they come as."""
    connection = await asyncpg.connect(server.dsn)
    roles = [f"daemon_{number}" for number in range(DAEMONS)]
    for role in roles:
        await connection.execute(f"CREATE ROLE {role} SUPERUSER LOGIN")
    await connection.close()
    return [server.dsn.replace("postgres@", f"{role}@") for role in roles]


def arrivals(server: PrivateServer, since: float) -> dict[str, list[float]]:
    """When who came, since an instant."""
    came: dict[str, list[float]] = defaultdict(list)
    for at, who in CAME.findall((server.folder / "log").read_text()):
        if float(at) >= since:
            came[who].append(float(at))
    return came


def most_within_a_second(instants: Sequence[float]) -> int:
    """How many there are in any second at the most."""
    return max(sum(at <= other < at + 1 for other in instants) for at in instants)
