"""Keeps the embedded server running for as long as a block of code lasts."""

from __future__ import annotations

import logging
import os
import tempfile
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from crmd.clock import boot_seconds
from crmd.embedded.account import server_account
from crmd.embedded.binaries import find_binaries, reachable
from crmd.embedded.cluster import check_version, data_major, make_cluster, password
from crmd.embedded.folders import make_server_dirs, make_state_dir
from crmd.embedded.lock import locked
from crmd.embedded.parameters import THROWAWAY
from crmd.embedded.server import EmbeddedServer, trim_log
from crmd.errors import CrmdError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from crmd.embedded.folders import Folders

log = logging.getLogger("crmd.embedded")

RESTART_FIRST_SECONDS = 0.1
RESTART_MAX_SECONDS = 30.0
STEADY_SECONDS = 60.0
"""A server that ran this long is taken to be well again."""

LOOK_SECONDS = 60.0
"""How often the size of its log is looked at."""


@asynccontextmanager
async def running_embedded(
    state_dir: Path, *, runtime_dir: Path | None = None, settings: Mapping[str, str] | None = None
) -> AsyncIterator[EmbeddedServer]:
    """A server that is ready inside the block, restarted when it crashes and stopped after it.

    Args:
        state_dir: Keeps the data between runs; made when it is not there.
        runtime_dir: For the socket, when the path below `state_dir` is too long for one.
        settings: PostgreSQL parameters over `parameters.DURABLE`.

    Raises:
        CrmdError: one sentence about what keeps it from starting.
    """
    folders = make_state_dir(state_dir, runtime_dir)
    with locked(folders.lock):
        server = await _prepared(folders, settings or {})
        await server.start()
        try:
            await server.make_database()
            async with _supervised(server):
                yield server
        finally:
            await server.stop()


@asynccontextmanager
async def temporary_embedded(
    settings: Mapping[str, str] | None = None, *, below: Path | None = None
) -> AsyncIterator[EmbeddedServer]:
    """A fast server whose data is gone after the block, for tests and demonstrations.

    Args:
        settings: As for `running_embedded`.
        below: Where its folder is made; None: where the machine keeps temporary files.
    """
    with _temporary_folder(below) as folder:
        async with running_embedded(folder, settings={**THROWAWAY, **(settings or {})}) as server:
            yield server


@asynccontextmanager
async def unattended_embedded(settings: Mapping[str, str]) -> AsyncIterator[EmbeddedServer]:
    """A server that nobody starts again when it ends, for whoever stops and starts it on purpose; gone after the block.

    Args:
        settings: PostgreSQL parameters over `parameters.DURABLE`.
    """
    with _temporary_folder(None) as folder:
        folders = make_state_dir(folder)
        with locked(folders.lock):
            server = await _prepared(folders, settings)
            await server.start()
            try:
                await server.make_database()
                yield server
            finally:
                await server.stop()


@contextmanager
def _temporary_folder(below: Path | None) -> Iterator[Path]:
    """A private folder in a short place that any account may pass through; gone after the block."""
    with tempfile.TemporaryDirectory(prefix="crmd-", dir=below, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.geteuid() == 0:
            folder.chmod(0o711)  # ours alone to read, but the server's account must pass through
        yield folder


def restart_delay_seconds(failures: int) -> float:
    """How long to wait before the start after this many in a row that did not last, from 1."""
    return float(min(RESTART_FIRST_SECONDS * 2 ** min(failures - 1, 20), RESTART_MAX_SECONDS))


async def _prepared(folders: Folders, settings: Mapping[str, str]) -> EmbeddedServer:
    """Everything that must be so before the first start: programs, account, folders, data."""
    owner = folders.data.stat().st_uid if folders.data.exists() else None
    account = server_account(owner, folders.state.stat().st_uid)
    socket_dir = make_server_dirs(folders, account)
    binaries = reachable(find_binaries(), account, folders.state)
    check_version(folders.data, binaries)
    word = password(folders)
    if data_major(folders.data) is None:
        durable = settings.get("fsync", "on") != "off"
        await make_cluster(folders, account, binaries, word, durable=durable)
    return EmbeddedServer(folders, socket_dir, binaries, account, settings, word)


@asynccontextmanager
async def _supervised(server: EmbeddedServer) -> AsyncIterator[None]:
    """Watch the server beside the block; an error of the block leaves as itself, not as a group of one."""
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_keep_running, server)
            yield
            group.cancel_scope.cancel()
    except BaseExceptionGroup as many:
        if len(many.exceptions) == 1:
            raise many.exceptions[0] from None
        raise


async def _keep_running(server: EmbeddedServer) -> None:
    """Start the server again each time it ends, until cancelled."""
    failures = 0
    started_at_seconds = boot_seconds()
    while True:
        code = await _ended(server)
        failures = 1 if boot_seconds() - started_at_seconds > STEADY_SECONDS else failures + 1
        delay_seconds = restart_delay_seconds(failures)
        log.error(
            "the embedded PostgreSQL ended with code %s, starting it again in %.1f s; its log is %s",
            *(code, delay_seconds, server.folders.log),
        )
        await anyio.sleep(delay_seconds)
        started_at_seconds = boot_seconds()
        try:
            await server.start()
        except CrmdError as error:
            log.error("%s", error)  # noqa: TRY400 - a sentence for the operator; the traceback says nothing more
        else:
            server.restarts += 1
            log.info("the embedded PostgreSQL runs again")


async def _ended(server: EmbeddedServer) -> int:
    """Wait for the end of the process, keeping its log bounded meanwhile."""
    while True:
        with anyio.move_on_after(LOOK_SECONDS):
            return await server.wait()
        trim_log(server.folders.log)
