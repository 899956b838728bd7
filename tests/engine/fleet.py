"""Real daemons as processes, for what only a process can show: kills, pauses, hand-overs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import asyncpg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

HERE = Path(__file__).parent
ROOT = HERE.parents[1]  # daemons run the code that is being tested, wherever else crmd may be installed from
WAIT_SECONDS = 180.0  # patience, which only a machine with much else to do needs


def install_plugin(folder: Path, name: str, module: str) -> None:
    """Make `folder` look like a place where a distribution with the plugin `name` is installed."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[crmd.plugins]\n{name} = {module}\n")


@dataclass
class Daemon:
    """One daemon process and its log."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Of the process."""
        return self.process.pid

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait for the end; answers the exit code."""
        return await anyio.to_thread.run_sync(lambda: self.process.wait(WAIT_SECONDS))

    def text(self) -> str:
        """What it has logged."""
        return self.log.read_text()


@dataclass
class Fleet:
    """Daemons on one database, and a connection to look on."""

    dsn: str
    folder: Path
    connection: asyncpg.Connection[asyncpg.Record]
    daemons: list[Daemon] = field(default_factory=list)

    def environ(self, **settings: str) -> dict[str, str]:
        """Variables of a daemon or a command; settings are those after `CRMD__`, and an empty one takes ours away."""
        environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith("CRMD")},
            "PYTHONPATH": os.pathsep.join([str(self.folder / "site"), str(HERE), str(ROOT)]),
            "CRMD__DATABASE__DSN": self.dsn,
            "CRMD__PLUGINS__ENABLED": '["fleet"]',
            "CRMD__DAEMON__STATE_DIR": str(self.folder / "state"),
            "CRMD__DAEMON__LEASE_SECONDS": "3",
            "CRMD__API__LISTEN": "off",
            "CRMD__DAEMON__DRAIN_SECONDS": "5",
            "CRMD__QUEUES__FAST__SLOTS": "200",  # so that a few hundred jobs need both daemons
            **{f"CRMD__{key.upper()}": value for key, value in settings.items()},
        }
        return {key: value for key, value in environ.items() if value or not key.startswith("CRMD__")}

    def start(self, **settings: str) -> Daemon:
        """Start a daemon, with settings as for `environ`."""
        environ = self.environ(**settings)
        log = self.folder / f"daemon-{len(self.daemons)}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "crmd", "run"], env=environ, stdout=stream, stderr=stream, cwd=self.folder
            )
        daemon = Daemon(process, log)
        self.daemons.append(daemon)
        return daemon

    async def ready(self, count: int) -> None:
        """Wait until so many daemons are registered and alive."""
        await self.until("SELECT count(*) FROM crmd.daemon WHERE NOT is_dead AND lease_until > crmd.clock()", count)

    async def enqueue(self, job_type: str, count: int, payload: str = "{}", workspace_id: UUID | None = None) -> None:
        """Enqueue so many jobs from outside, as psql would."""
        await self.connection.fetch(
            "SELECT crmd.enqueue($1, $2::jsonb, $3) FROM generate_series(1, $4)", job_type, payload, workspace_id, count
        )

    async def kill(self, daemon: Daemon) -> None:
        """Kill a daemon and let its lease run out at once."""
        daemon.send(signal.SIGKILL)
        await daemon.ended()
        await self.run_out(daemon)

    async def run_out(self, daemon: Daemon) -> None:
        """Let the lease of a daemon that has ended run out: only the time that it would lie there is skipped."""
        await self.connection.execute(
            "UPDATE crmd.daemon SET lease_until = least(lease_until, crmd.clock()) WHERE pid = $1 AND NOT is_dead",
            daemon.pid,
        )

    async def until_logged(self, daemon: Daemon, word: str, count: int = 1) -> None:
        """Wait until a daemon has logged a word so often."""
        deadline = time.monotonic() + WAIT_SECONDS
        while daemon.text().count(word) < count:
            assert time.monotonic() < deadline, f"{word!r} was not logged\n{daemon.text()[-4000:]}"
            await anyio.sleep(0.02)

    async def until(self, query: str, wanted: Any, *args: object) -> None:  # noqa: ANN401 - whatever it answers
        """Wait until a query answers `wanted` or more."""
        deadline = time.monotonic() + WAIT_SECONDS
        answer = None
        while time.monotonic() < deadline:
            try:
                answer = await self.connection.fetchval(query, *args)
            except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
                answer = None
            if answer is not None and answer >= wanted:
                return
            await anyio.sleep(0.05)
        logs = "\n".join(daemon.text()[-2000:] for daemon in self.daemons)
        raise AssertionError(f"{query} answered {answer}, not {wanted}\n{logs}")


@asynccontextmanager
async def running_fleet(dsn: str, folder: Path, count: int = 2, **settings: str) -> AsyncIterator[Fleet]:
    """Daemons on the database `dsn`; whatever is left of them is killed afterwards."""
    install_plugin(folder / "site", "fleet", "fleet_plugin")
    connection = await asyncpg.connect(dsn)
    fleet = Fleet(dsn, folder, connection)
    try:
        for _ in range(count):
            fleet.start(**settings)
        await fleet.ready(count)
        yield fleet
    finally:
        for daemon in fleet.daemons:
            if daemon.process.poll() is None:
                daemon.send(signal.SIGCONT)
                daemon.process.kill()
            daemon.process.wait(WAIT_SECONDS)
        await fleet.connection.close()
