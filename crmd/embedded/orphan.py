"""What an earlier server left behind: live processes of a dead daemon, or lock files that name somebody else.

Invariant: postmaster.pid is removed only when no process works in the data folder any more. PostgreSQL uses that file
to notice backends that outlived their server; starting beside them would destroy the data.
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import anyio

from crmd.errors import CrmdError

PID_FILE = "postmaster.pid"
END_SECONDS = 30.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Workers:
    """The processes that work in a data folder.

    Args:
        pids: Server and backends.
        is_complete: False when some process of the same user could not be looked at, as in containers that lack the
            right to: then nothing may be concluded from an empty list.
    """

    pids: tuple[int, ...]
    is_complete: bool = True


async def clear_leftovers(data_dir: Path, socket_dir: Path) -> None:
    """End what an earlier server left running, then remove its lock files.

    Only called under our own lock, so no live daemon can own those processes. The files are removed since PostgreSQL
    refuses to start when the recorded process id has meanwhile been given to another process of the same user.

    Raises:
        CrmdError: the old processes do not end.
    """
    with anyio.move_on_after(END_SECONDS):
        while True:
            left = workers(data_dir)
            if not left.pids:
                break
            _ask_to_end(left.pids, data_dir)
            await anyio.sleep(_POLL_SECONDS)
    if left.pids:
        raise CrmdError(
            f"An earlier PostgreSQL still works in {data_dir} and does not end (processes {_listed(left.pids)}).",
            hint=f"End it by hand: kill -QUIT {left.pids[0]}.",
        )
    if left.is_complete:
        _remove_lock_files(data_dir, socket_dir)


def workers(data_dir: Path, proc: Path = Path("/proc")) -> Workers:
    """Every process whose working folder is this data folder, as that of each PostgreSQL process is."""
    place = data_dir.resolve()
    owner = place.stat().st_uid
    found: list[int] = []
    is_complete = True
    for entry in proc.iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            if entry.stat().st_uid == owner and (entry / "cwd").readlink() == place:
                found.append(int(entry.name))
        except PermissionError:
            is_complete = False
        except OSError:
            continue  # it ended while we looked
    return Workers(tuple(sorted(found)), is_complete)


def recorded_pid(data_dir: Path) -> int | None:
    """The process id in postmaster.pid; None when there is no such file or it is cut short."""
    try:
        return int((data_dir / PID_FILE).read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _ask_to_end(pids: tuple[int, ...], data_dir: Path) -> None:
    """A fast shutdown by the server; backends that outlived it are told one by one."""
    server = recorded_pid(data_dir)
    orders = {server: signal.SIGINT} if server in pids else dict.fromkeys(pids, signal.SIGTERM)
    for pid, order in orders.items():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, order)


def _remove_lock_files(data_dir: Path, socket_dir: Path) -> None:
    (data_dir / PID_FILE).unlink(missing_ok=True)
    for leftover in socket_dir.glob(".s.PGSQL.*"):
        leftover.unlink(missing_ok=True)


def _listed(pids: tuple[int, ...]) -> str:
    return ", ".join(map(str, pids))
