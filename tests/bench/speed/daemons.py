"""Daemons as users start them: `crmd run` in a process of its own, with a plugin that is installed in a folder."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from crmd.embedded.account import Account
from speed.failure import BenchError
from speed.usage import processor_seconds, resident_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from speed.database import Database

BENCH = Path(__file__).parents[1]
READY_SECONDS = 60.0
US = Account(os.geteuid(), os.getegid(), "us", is_ours=True)
"""Whoever is started by our own account's command ends with us, however we end."""

STOP_SECONDS = 60.0
ALIVE = "SELECT count(*) FROM crmd.daemon WHERE NOT is_dead AND stopping_at IS NULL AND lease_until > crmd.clock()"


def install_plugin(site: Path) -> None:
    """Make a folder look as if a package with the plugin `bench` was installed there."""
    info = site / "bench-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[crmd.plugins]\nbench = speed.plugin\n")


def environment(dsn: str, folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Variables of a daemon or a command; settings are those after `CRMD__`, over the one plugin."""
    chosen = {"PLUGINS__ENABLED": '["bench"]', **settings}
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("CRMD")},
        "PYTHONPATH": os.pathsep.join(
            [str(folder / "site"), *filter(None, [os.environ.get("PYTHONPATH")]), str(BENCH)]
        ),
        "BENCH_LEDGER": str(folder / "ledger"),
        "CRMD__DATABASE__DSN": dsn,
        "CRMD__DAEMON__STATE_DIR": str(folder / "state"),
        **{f"CRMD__{key}": value for key, value in chosen.items() if value},
    }


@dataclass
class Daemon:
    """One daemon process.

    Attributes:
        process: Of `crmd run`.
        log: What it says.
        spent_seconds: Processor time, known once it was killed.
        killed_at: When, by the monotonic clock.
    """

    process: subprocess.Popen[bytes]
    log: Path
    spent_seconds: float = 0.0
    killed_at: float | None = field(default=None)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    @property
    def used_seconds(self) -> float:
        """Processor time until now."""
        return processor_seconds(self.process.pid) if self.is_running else self.spent_seconds

    @property
    def resident_bytes(self) -> int:
        """Memory."""
        return resident_bytes(self.process.pid)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.spent_seconds = self.used_seconds
        self.killed_at = time.monotonic()
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Ask it to stop, and kill it when it does not."""
        if self.is_running:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


def start_daemon(database: Database, number: int, **settings: str) -> Daemon:
    """Start one; it is not ready yet."""
    log = database.folder / f"daemon-{number}.log"
    with log.open("ab") as stream:
        process = subprocess.Popen(
            US.command(sys.executable, "-m", "crmd", "run"),
            env=environment(database.dsn, database.folder, settings),
            stdout=stream,
            stderr=stream,
            cwd=database.folder,
        )
    return Daemon(process, log)


async def until_alive(database: Database, daemons: list[Daemon]) -> None:
    """Wait until all that run are registered."""
    wanted = sum(daemon.is_running for daemon in daemons)
    deadline = time.monotonic() + READY_SECONDS
    while await database.connection.fetchval(ALIVE) < wanted:
        if time.monotonic() > deadline or not all(daemon.is_running or daemon.killed_at for daemon in daemons):
            raise BenchError(f"a daemon does not start: {daemons[-1].log.read_text()[-1000:]}")
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def running_daemons(database: Database, count: int, **settings: str) -> AsyncIterator[list[Daemon]]:
    """So many daemons, ready; settings are those after `CRMD__`. Whatever runs at the end is asked to stop."""
    daemons = [start_daemon(database, number, **settings) for number in range(count)]
    try:
        await until_alive(database, daemons)
        yield daemons
    finally:
        for daemon in daemons:
            if daemon.is_running:
                daemon.process.send_signal(signal.SIGTERM)
        for daemon in daemons:
            await asyncio.to_thread(daemon.end)
