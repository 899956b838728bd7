"""The daemons: real processes, each behind a link of its own, started again whenever one ends, as systemd would."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from crmd.chaos.history import Death
from crmd.chaos.link import linked
from crmd.embedded.account import Account

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from anyio.abc import TaskGroup

    from crmd.chaos.link import Link
    from crmd.chaos.scratch import Scratch

RESTART_SECONDS = 0.3
END_SECONDS = 30.0
# How a daemon is started; whoever tests the checker starts one that breaks its promises.
CRMD: Sequence[str] = (sys.executable, "-m", "crmd")
PLUGINS = {"chaos": "crmd.chaos.workload", "chaos-harm": "crmd.chaos.harm"}


@dataclass(slots=True)
class Place:
    """Where one daemon runs after another.

    Args:
        number: From 0.
        link: To the database.
        log: What its daemons log.
    """

    number: int
    link: Link
    log: Path
    process: asyncio.subprocess.Process | None = None
    is_stopped: bool = False
    cause: str = ""

    @property
    def pid(self) -> int | None:
        """Of the daemon that runs here now."""
        return None if self.process is None or self.process.returncode is not None else self.process.pid

    def send(self, number: signal.Signals) -> bool:
        """Send a signal; whether there was somebody to take it."""
        if self.pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        return True

    def end(self, number: signal.Signals, cause: str) -> bool:
        """Send a signal that ends the daemon, and note why it does; whether there was one."""
        if not self.send(number):
            return False
        self.cause = cause
        return True


@dataclass(slots=True)
class Fleet:
    """All daemons of a run.

    Attributes:
        deaths: Of those that have ended.
    """

    scratch: Scratch
    environ: Mapping[str, str]
    command: Sequence[str]
    folder: Path
    places: list[Place] = field(default_factory=list)
    deaths: list[Death] = field(default_factory=list)
    is_closing: bool = False

    async def keep(self, place: Place) -> None:
        """Start a daemon at the place, and another one when it has ended, until the fleet closes."""
        while not self.is_closing:
            place.process = await self._started(place)
            code = await place.process.wait()
            self.deaths.append(Death(place.process.pid, time.time(), code, place.cause, place.number))
            place.cause, place.is_stopped = "", False
            await anyio.sleep(RESTART_SECONDS)

    async def close(self) -> None:
        """Stop every daemon, in order; kill what does not end."""
        self.is_closing = True
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(END_SECONDS):
                while any(place.pid is not None for place in self.places):
                    for place in self.places:
                        if place.cause != "close":  # one may have been about to start
                            place.send(signal.SIGCONT)
                            place.end(signal.SIGTERM, "close")
                    await anyio.sleep(0.05)
            for place in self.places:
                place.end(signal.SIGKILL, "kill")

    async def _started(self, place: Place) -> asyncio.subprocess.Process:
        """The kernel ends it when this process is killed: nothing of a run outlives it."""
        environ = {**self.environ, "CRMD__DATABASE__DSN": self.scratch.dsn_through(place.link.port)}
        tied = Account(os.geteuid(), os.getegid(), "", is_ours=True).command(*self.command, "run")
        with place.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *tied, env=environ, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )


@contextlib.asynccontextmanager
async def fleet_of(
    scratch: Scratch, count: int, folder: Path, settings: Mapping[str, str], command: Sequence[str], tasks: TaskGroup
) -> AsyncIterator[Fleet]:
    """So many daemons, with settings as they stand after `CRMD__`."""
    fleet = Fleet(scratch, _environ(folder, settings), command, folder)
    async with contextlib.AsyncExitStack() as stack:
        for number in range(count):
            link = await stack.enter_async_context(linked(scratch.host, scratch.port))
            fleet.places.append(Place(number, link, folder / f"daemon-{number}.log"))
            tasks.start_soon(fleet.keep, fleet.places[-1])
        try:
            yield fleet
        finally:
            await fleet.close()


def install_plugins(folder: Path) -> Path:
    """A folder that looks like one where the plugins of a run are installed; answers it."""
    site = folder / "site"
    for name, module in PLUGINS.items():
        info = site / f"crmd_{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: crmd-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[crmd.plugins]\n{name} = {module}\n")
    return site


def _environ(folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Nothing of the caller's crmd: no configuration, no credentials, no systemd."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CRMD", "PG", "NOTIFY_", "WATCHDOG_", "CREDENTIALS_", "CONFIGURATION_", "STATE_"))
    }
    path = [str(install_plugins(folder)), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(path),
        "XDG_CONFIG_HOME": str(folder),
        "CRMD__PLUGINS__ENABLED": ",".join(PLUGINS),
        "CRMD__DAEMON__STATE_DIR": str(folder / "state"),
        "CRMD__LOG__FORMAT": "json",
        "CRMD__API__LISTEN": "off",
        "CRMD__LOG__LEVEL": "warning",
        **{f"CRMD__{name}": value for name, value in settings.items()},
    }
