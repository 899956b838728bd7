"""Disks that are full: the database's, so that tables cannot grow, and the daemon's own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from fleet import running_fleet
from private_postgres import debian_programs, private_server

from crmd.embedded.account import server_account
from crmd.embedded.binaries import find_binaries, reachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from private_postgres import PrivateServer

pytestmark = pytest.mark.slow
COMPLETED = "SELECT count(*) FROM crmd.archive WHERE status = 'completed'"
LATER = "SELECT crmd.enqueue('mark', run_at => crmd.clock() + interval '1 hour') FROM generate_series(1, $1)"
NOW = "UPDATE crmd.job SET run_at = crmd.clock(), rank_at = crmd.clock()"
DISK_MIB = 48
JOBS = 5
FULL_SECONDS = 5
# Meanwhile; a loop that does not pause makes thousands.
REFUSALS_MAX = 150
CPU_SHARE_MAX = 0.05


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    """A server of its own, since a tablespace belongs to the whole of one."""
    account = server_account(None)
    programs = debian_programs(15)
    if programs is None:
        programs = reachable(find_binaries(), account, tmp_path_factory.mktemp("programs")).folder
    with private_server(programs) as running:
        yield running


@contextlib.contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[Path]:
    """A file system of so many MiB; the test is skipped where none may be mounted."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0777", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk here")
    try:
        yield folder
    finally:
        unmount = ["umount", "-l", str(folder)]
        subprocess.run(unmount, check=True)


async def test_a_full_disk_of_the_database_is_waited_out(server: PrivateServer, tmp_path: Path) -> None:
    """While tables cannot grow the daemon lives, says so and pauses; with room again it finishes by itself."""
    with small_disk(server.folder / "small", DISK_MIB) as disk:
        os.chown(disk, server.account.uid, server.account.gid)
        admin = await asyncpg.connect(server.dsn)
        await admin.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
        await admin.execute("CREATE DATABASE crmd TABLESPACE small")
        await admin.close()
        async with running_fleet(server.dsn.replace("/postgres?", "/crmd?"), tmp_path, 1) as fleet:
            await fleet.connection.execute(LATER, JOBS)
            fill(disk / "filling")
            await fleet.connection.execute(NOW)  # fits into what the table has; a claim does not
            await fleet.until_logged(fleet.daemons[0], "the disk of the database is full")
            began = await fleet.connection.fetchval("SELECT extract(epoch FROM crmd.clock())")
            refused, worked = refusals(server), cpu_seconds(fleet.daemons[0].pid)
            await fleet.until("SELECT extract(epoch FROM crmd.clock())", began + FULL_SECONDS)
            assert refusals(server) - refused < REFUSALS_MAX
            assert cpu_seconds(fleet.daemons[0].pid) - worked < FULL_SECONDS * CPU_SHARE_MAX
            with pytest.raises(asyncpg.DiskFullError):
                await fleet.enqueue("mark", 10_000)
            (disk / "filling").unlink()
            await fleet.until(COMPLETED, JOBS)
            assert fleet.daemons[0].process.poll() is None
            assert "Traceback" not in fleet.daemons[0].text()


def cpu_seconds(pid: int) -> float:
    """How long a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def refusals(server: PrivateServer) -> int:
    """How often the server had no room for somebody."""
    return (server.folder / "log").read_text().count("No space left on device")


def fill(file: Path) -> None:
    """Take all that is left of its disk."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as stream:
        while True:
            stream.write(b"\0" * 65_536)


async def test_a_full_disk_of_the_daemon_stops_nothing(crmd_dsn: str, tmp_path: Path) -> None:
    """With no room for a line of its log and none in its state folder, a daemon works, and ends well."""
    with small_disk(tmp_path / "state", 1) as state:
        async with running_fleet(crmd_dsn, tmp_path, 1) as fleet:
            (tmp_path / "daemon-1.log").symlink_to("/dev/full")
            daemon = fleet.start(log__level="debug")
            daemon.log = fleet.daemons[0].log  # /dev/full can be read without an end
            await fleet.ready(2)
            fill(state / "filling")
            fleet.daemons[0].send(signal.SIGTERM)
            assert await fleet.daemons[0].ended() == 0
            await fleet.enqueue("mark", 20)
            await fleet.enqueue("block-loop", 1, '{"milliseconds": 1500}')
            await fleet.until(COMPLETED, 21)
            daemon.send(signal.SIGTERM)
            assert await daemon.ended() == 0
