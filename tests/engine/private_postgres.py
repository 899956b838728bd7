"""A PostgreSQL server in a folder of its own that a test may stop and start, of whichever version is installed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import quote

from crmd.embedded.account import server_account
from crmd.embedded.parameters import THROWAWAY
from crmd.testing.databases import quick_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crmd.embedded.account import Account

Mode: TypeAlias = Literal["fast", "immediate"]
SETTINGS = {**THROWAWAY, "max_connections": "200", "shared_buffers": "64MB"}
CLEAN = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


def debian_programs(major: int) -> Path | None:
    """Where Debian puts the programs of a major version; None when it is not installed."""
    folder = Path(f"/usr/lib/postgresql/{major}/bin")
    return folder if (folder / "postgres").exists() else None


@dataclass(frozen=True, slots=True)
class PrivateServer:
    """A cluster of one folder; only its socket leads in, and it trusts whoever reaches that."""

    programs: Path
    folder: Path
    account: Account

    @property
    def dsn(self) -> str:
        """The address of its first database."""
        return f"postgresql://postgres@/postgres?host={quote(str(self.folder))}"

    def make(self) -> None:
        """Run initdb."""
        self.run("initdb", "--pgdata", str(self.folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N")

    def start(self, **settings: str) -> None:
        """Start it, with other settings than the usual ones if need be, and wait until it answers."""
        words = {**SETTINGS, "listen_addresses": "''", "unix_socket_directories": str(self.folder), **settings}
        options = " ".join(f"-c {name}={value}" for name, value in words.items())
        log = str(self.folder / "log")
        self.run("pg_ctl", "start", "-D", str(self.folder / "data"), "-w", "-l", log, "-o", options)

    def stop(self, mode: Mode = "fast") -> None:
        """Stop it; `immediate` is a crash."""
        self.run("pg_ctl", "stop", "-D", str(self.folder / "data"), "-w", "-m", mode)

    def run(self, program: str, *arguments: str) -> None:
        """Run one of its programs as its account."""
        command = [str(self.programs / program), *arguments]
        switch: list[str] = []
        if not self.account.is_ours:
            switch = ["setpriv", f"--reuid={self.account.uid}", f"--regid={self.account.gid}", "--clear-groups"]
        with (self.folder / "out").open("ab") as out:
            subprocess.run([*switch, *command], env=CLEAN, cwd="/", stdout=out, stderr=out, check=True)


@contextlib.contextmanager
def private_server(programs: Path) -> Iterator[PrivateServer]:
    """A running server that is gone, with its data, after the block."""
    with empty_server(programs) as server:
        server.make()
        server.start()
        yield server


@contextlib.contextmanager
def empty_server(programs: Path) -> Iterator[PrivateServer]:
    """The folder of a server that has no data yet; what runs there is gone after the block."""
    account = server_account(None)
    with tempfile.TemporaryDirectory(prefix="crmd-pg-", dir=quick_folder(), ignore_cleanup_errors=True) as name:
        if not account.is_ours:
            os.chown(name, account.uid, account.gid)
        server = PrivateServer(programs, Path(name), account)
        try:
            yield server
        finally:
            with contextlib.suppress(subprocess.CalledProcessError):  # a test may have stopped it
                server.stop("immediate")
