"""What an earlier server left behind: a live one of a dead daemon, or files that name a process which is gone."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import anyio

from crmd.errors import CrmdError

PID_FILE = "postmaster.pid"
END_SECONDS = 30.0
_POLL_SECONDS = 0.02


async def clear_leftovers(data_dir: Path, socket_dir: Path) -> None:
    """End an orphaned server and remove lock files whose process is not a server of this data.

    Only called under our own lock, so no live daemon can own that server. PostgreSQL itself would refuse to start
    when the recorded process id has been given to any other process of the same user.

    Raises:
        CrmdError: the orphan does not end.
    """
    pid = recorded_pid(data_dir)
    if pid is not None and serves(pid, data_dir):
        await _end(pid, data_dir)
    _remove_lock_files(data_dir, socket_dir)


def _remove_lock_files(data_dir: Path, socket_dir: Path) -> None:
    (data_dir / PID_FILE).unlink(missing_ok=True)
    for leftover in socket_dir.glob(".s.PGSQL.*"):
        leftover.unlink(missing_ok=True)


def recorded_pid(data_dir: Path) -> int | None:
    """The process id in postmaster.pid; None when there is no such file or it is cut short."""
    try:
        return int((data_dir / PID_FILE).read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def serves(pid: int, data_dir: Path) -> bool:
    """Whether that process is alive and works in this data folder, as every PostgreSQL server does."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == data_dir.resolve()
    except OSError:
        return False


async def _end(pid: int, data_dir: Path) -> None:
    with anyio.move_on_after(END_SECONDS):
        while serves(pid, data_dir):
            os.kill(pid, signal.SIGINT)
            await anyio.sleep(_POLL_SECONDS)
        return
    raise CrmdError(
        f"An earlier PostgreSQL (process {pid}) still works in {data_dir} and does not end.",
        hint=f"End it by hand: kill -QUIT {pid}.",
    )
