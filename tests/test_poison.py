"""Jobs that bring their daemon down, each in its way, among innocent ones."""

from __future__ import annotations

import contextlib
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from fleet import WAIT_SECONDS, install_plugin, running_fleet

from crmd.engine.footprint import MIB
from crmd.engine.suspicion import CRASHES_MAX

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fleet import Daemon, Fleet

pytestmark = pytest.mark.slow

INNOCENT = 24
NAP = '{"seconds": 0.4}'
# Of two plugins, since three jobs that crash would put a plugin into quarantine.
POISONS = (
    ("kills-daemon", '{"seconds": 0.2}', "killed by SIGSEGV"),
    ("mark", '{"lethal": true}', "exit code 9"),
    ("kills-daemon", '{"seconds": 0.2, "how": "hoards"}', "used more than 1024 MiB of memory"),
)
DAEMON_MIB_MAX = 600
# A lease that no load makes run out, and that nobody is found dead by before all have died: a daemon that dies while it
# runs the suspects of another counts against none of them, so what their records say would depend on who was first.
SETTINGS = {
    "plugins__enabled": '["fleet", "isolated"]',
    "queues__fast__slots": "300",
    "daemon__lease_seconds": "600",
}
WAITING = "SELECT -count(*) FROM crmd.job WHERE type = 'marks'"


async def test_only_the_guilty_ones_are_poison(crmd_dsn: str, tmp_path: Path) -> None:
    """A segfault, os._exit and 8 GiB each cost one daemon and two processes, and end as poison; nobody beside them."""
    install_plugin(tmp_path / "site", "isolated", "isolated_plugin")
    async with running_fleet(crmd_dsn, tmp_path, 2, **SETTINGS) as fleet, watched_over(fleet):
        for deaths, (guilty, payload, _) in enumerate(POISONS, 1):
            await fleet.enqueue("marks", INNOCENT, NAP)
            await fleet.until(WAITING, 0)
            await fleet.enqueue(guilty, 1, payload)
            await until_ended(fleet, deaths)
            fleet.start(**SETTINGS)
        for daemon in ended(fleet):
            await fleet.run_out(daemon)
        await fleet.until("SELECT count(*) FROM crmd.archive WHERE status = 'dead'", len(POISONS))
        await fleet.until("SELECT count(*) FROM crmd.archive WHERE status = 'completed'", len(POISONS) * INNOCENT)
        rows = await fleet.connection.fetch(
            "SELECT crash_count, errors FROM crmd.archive WHERE status = 'dead' ORDER BY id"
        )
        for row, (_, _, words) in zip(rows, POISONS, strict=True):
            errors = json.loads(row["errors"])
            assert row["crash_count"] == CRASHES_MAX
            assert [error["class"] for error in errors] == ["Crashed", "Crashed", "Poison"]
            assert words in errors[-1]["message"]
        assert len(ended(fleet)) == len(POISONS)
        assert await fleet.connection.fetchval("SELECT max(crash_count) FROM crmd.archive WHERE type = 'marks'") <= 1


@contextlib.asynccontextmanager
async def watched_over(fleet: Fleet) -> AsyncIterator[None]:
    """As the kernel's out-of-memory killer: a daemon that takes more than its share is killed."""

    async def watch() -> None:
        while True:
            for daemon in fleet.daemons:
                if daemon.process.poll() is None and resident_mib(daemon.pid) > DAEMON_MIB_MAX:
                    daemon.send(signal.SIGKILL)
            await anyio.sleep(0.02)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        yield
        tasks.cancel_scope.cancel()


def resident_mib(pid: int) -> int:
    """What a process holds in memory; 0 when it has ended meanwhile."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * 4096 // MIB if fields else 0


def ended(fleet: Fleet) -> list[Daemon]:
    """The daemons that have ended."""
    return [daemon for daemon in fleet.daemons if daemon.process.poll() is not None]


async def until_ended(fleet: Fleet, count: int) -> None:
    """Wait until so many daemons have ended."""
    with anyio.fail_after(WAIT_SECONDS):
        while len(ended(fleet)) < count:  # noqa: ASYNC110 - other processes end, which nobody tells
            await anyio.sleep(0.02)
