"""The PostgreSQL server that is measured on: its own cluster, each commit flushed, TCP on the loopback address."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from crmd.embedded.account import server_account
from crmd.embedded.binaries import Binaries, find_binaries, reachable
from speed.failure import BenchError
from speed.usage import processor_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crmd.embedded.account import Account

USER = "bench"
CLEAN = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
# Everything else is at PostgreSQL's own defaults, autovacuum too.
SETTINGS: Mapping[str, str] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "max_connections": "100",
    "listen_addresses": "127.0.0.1",
    "logging_collector": "off",
}
START_SECONDS = 120.0
STOP_SECONDS = 60.0


@dataclass
class Cluster:
    """One server; `start` and `stop` may follow each other, its port stays.

    Attributes:
        binaries: Its programs.
        folder: Holds its data, socket and log.
        account: Whose process it is.
        word: The password of its superuser.
    """

    binaries: Binaries
    folder: Path
    account: Account
    word: str = field(default_factory=secrets.token_hex, repr=False)
    port: int = field(default_factory=lambda: free_port())  # noqa: PLW0108 - it is defined below
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _launched: float = 0.0

    def dsn(self, database: str = "postgres") -> str:
        """The address of a database."""
        return f"postgresql://{USER}:{self.word}@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """Of the server's first process."""
        assert self._process is not None, "it was started"
        return self._process.pid

    @property
    def used_seconds(self) -> float:
        """Processor time of all its processes, those that have ended included."""
        return processor_seconds(self.pid)

    def make(self) -> None:
        """Run initdb."""
        word_file = self.folder / "word"
        word_file.touch(mode=0o600)
        word_file.write_text(self.word)
        self._give(word_file)
        command = [
            *(self.binaries.program("initdb"), f"--pgdata={self.folder / 'data'}", f"--username={USER}"),
            *(f"--pwfile={word_file}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"),
        ]
        done = subprocess.run(
            self.account.command(*command), env=CLEAN, cwd="/", capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise BenchError(f"initdb failed: {done.stderr.strip()[-500:]}")

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        self.launch()
        while not self.is_ready:
            time.sleep(0.01)

    def launch(self) -> None:
        """Start it. It ends with us, however we end, so this has to be called by a thread that lasts."""
        words = {**SETTINGS, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        options = [part for name, value in words.items() for part in ("-c", f"{name}={value}")]
        command = self.account.command(self.binaries.program("postgres"), "-D", str(self.folder / "data"), *options)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, env=CLEAN, cwd="/", stdout=log, stderr=log)
        self._launched = time.monotonic()

    @property
    def is_ready(self) -> bool:
        """Whether it takes connections.

        Raises:
            BenchError: It ended, or takes too long.
        """
        assert self._process is not None, "it was started"
        if self._process.poll() is not None or time.monotonic() > self._launched + START_SECONDS:
            raise BenchError(f"PostgreSQL does not start: {(self.folder / 'log').read_text()[-500:]}")
        return self._answers()

    def stop(self) -> None:
        """Stop it in order; whoever is connected is cut off."""
        assert self._process is not None, "it was started"
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(STOP_SECONDS)

    def _answers(self) -> bool:
        """Line 8 of the file that the first process writes says so, where it is of this process."""
        try:
            lines = (self.folder / "data" / "postmaster.pid").read_text().splitlines()
        except (FileNotFoundError, PermissionError):
            return False
        return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _give(self, path: Path) -> None:
        if not self.account.is_ours:
            os.chown(path, self.account.uid, self.account.gid)


def free_port() -> int:
    """A port of the loopback address that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def programs_of(major: int) -> Binaries | None:
    """The programs of a major version: those that come along with crmd, or Debian's; None: neither is installed."""
    embedded = find_binaries()
    if embedded.major == major:
        return embedded
    folder = Path(f"/usr/lib/postgresql/{major}/bin")
    return Binaries(folder, str(major)) if (folder / "postgres").exists() else None


@contextlib.contextmanager
def running_cluster(binaries: Binaries) -> Iterator[Cluster]:
    """A server that is gone, with its data, after the block."""
    account = server_account(None)
    with tempfile.TemporaryDirectory(prefix="crmd-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        programs = binaries
        if not account.is_ours:
            os.chown(folder, account.uid, account.gid)
            programs = _copied_if_closed(binaries, account, folder)
        cluster = Cluster(programs, folder, account)
        cluster.make()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


def _copied_if_closed(binaries: Binaries, account: Account, folder: Path) -> Binaries:
    """Debian's programs are open to everybody; those that came along may lie in a closed home."""
    return binaries if str(binaries.folder).startswith("/usr/") else reachable(binaries, account, folder)
