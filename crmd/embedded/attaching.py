"""Reaches the embedded server for one command: the one that a daemon runs, or else one of its own for a moment."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from crmd.embedded.cluster import USER
from crmd.embedded.folders import make_state_dir
from crmd.embedded.lock import AlreadyRunning
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
    async with AsyncExitStack() as stack:
        try:
            # no look at the lock beforehand: holding it for a moment would turn away a daemon that starts just then
            server = await stack.enter_async_context(
                running_embedded(state_dir, runtime_dir=runtime_dir, settings=settings)
            )
        except AlreadyRunning:
            address = _dsn(folders)
        else:
            address = server.dsn
        yield address


def _dsn(folders: Folders) -> Secret:
    word = quote(folders.password.read_text("ascii").strip(), safe="")
    return Secret(f"postgresql://{USER}:{word}@/{DATABASE}?host={quote(str(folders.socket()))}")
