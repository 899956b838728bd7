"""Reaches the embedded server for one command: the one that a daemon runs, or else one of its own for a moment."""

from __future__ import annotations

import fcntl
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from crmd.embedded.cluster import USER
from crmd.embedded.folders import make_state_dir
from crmd.embedded.server import DATABASE
from crmd.embedded.supervisor import running_embedded
from crmd.secret import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from crmd.embedded.folders import Folders


@asynccontextmanager
async def reachable_embedded(
    state_dir: Path, *, runtime_dir: Path | None = None, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Secret]:
    """The address of the embedded database, whether a daemon runs it already or not.

    Args:
        state_dir: The same as the daemon's.
        runtime_dir: The same as the daemon's.
        settings: PostgreSQL parameters, where a server must be started.

    Raises:
        CrmdError: One sentence about what keeps the server from starting.
    """
    folders = make_state_dir(state_dir, runtime_dir)
    if _is_run_by_another(folders):
        yield _dsn(folders)
        return
    async with running_embedded(state_dir, runtime_dir=runtime_dir, settings=settings) as server:
        yield server.dsn


def _is_run_by_another(folders: Folders) -> bool:
    """Whether some process holds the lock of the state folder."""
    try:
        descriptor = os.open(folders.lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _dsn(folders: Folders) -> Secret:
    word = quote(folders.password.read_text("ascii").strip(), safe="")
    return Secret(f"postgresql://{USER}:{word}@/{DATABASE}?host={quote(str(folders.socket()))}")
