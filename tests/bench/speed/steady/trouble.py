"""What goes wrong in each phase: a block that does harm for as long as it lasts."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncpg

from speed.daemons import start_daemon, until_alive
from speed.drains import held_snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from speed.database import Connection, Database
    from speed.steady.stage import Stage

READERS = 4
SCANS = 100
SCAN_GAP_SECONDS = 0.01
HOT = "SELECT (SELECT count(*) FROM crmd.job) + (SELECT count(*) FROM crmd.lease)"
TERMINATE_SECONDS = 0.5
TERMINATE = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
GRAB_SECONDS = 0.1
STOPPED_SHARE = (0.2, 0.6)
"""Which part of a phase passes before the database is stopped, and for which it is."""

KILLS = 2.5
"""Daemons killed within a phase: one every ten seconds of twenty-five."""


@contextlib.asynccontextmanager
async def nothing(_stage: Stage, _seconds: float) -> AsyncIterator[None]:
    """All is well."""
    yield


@contextlib.asynccontextmanager
async def readers(stage: Stage, _seconds: float) -> AsyncIterator[None]:
    """Four sessions scan the tables that are worked on, each in transactions of about a second with one snapshot."""
    async with _beside(*[lambda: _scan(stage.database)] * READERS):
        yield


@contextlib.asynccontextmanager
async def snapshot(stage: Stage, _seconds: float) -> AsyncIterator[None]:
    """Somebody holds a snapshot all the time."""
    async with held_snapshot(stage.database):
        yield


@contextlib.asynccontextmanager
async def terminated(stage: Stage, _seconds: float) -> AsyncIterator[None]:
    """All sessions of everybody are ended, twice a second."""

    async def terminate() -> None:
        while True:
            await stage.database.connection.fetchval(TERMINATE)
            await asyncio.sleep(TERMINATE_SECONDS)

    async with _beside(terminate):
        yield


@contextlib.asynccontextmanager
async def exhausted(stage: Stage, _seconds: float) -> AsyncIterator[None]:
    """Others take every connection that there is, those for administrators too, and each that becomes free."""
    taken: list[Connection] = []

    async def grab() -> None:
        while True:
            with contextlib.suppress(asyncpg.TooManyConnectionsError):
                while True:
                    taken.append(await asyncpg.connect(stage.database.cluster.dsn()))
            await asyncio.sleep(GRAB_SECONDS)

    try:
        async with _beside(grab):
            yield
    finally:
        for connection in taken:
            connection.terminate()


@contextlib.asynccontextmanager
async def stopped(stage: Stage, seconds: float) -> AsyncIterator[None]:
    """The database is stopped in order, and comes back after a while."""
    before, away = (share * seconds for share in STOPPED_SHARE)

    async def stop() -> None:
        await asyncio.sleep(before)
        cluster = stage.database.cluster
        stage.database.connection.terminate()
        await asyncio.to_thread(cluster.stop)
        await asyncio.sleep(away)
        cluster.launch()
        while not cluster.is_ready:  # noqa: ASYNC110 - nobody else tells
            await asyncio.sleep(0.005)
        stage.database.connection = await asyncpg.connect(stage.database.dsn)
        stage.back_at = await stage.database.connection.fetchval("SELECT clock_timestamp()")

    task = asyncio.create_task(stop())
    try:
        yield
        await task
    finally:
        task.cancel()


@contextlib.asynccontextmanager
async def killed(stage: Stage, seconds: float) -> AsyncIterator[None]:
    """There are two daemons, and now and then one is killed and another started."""

    async def kill() -> None:
        while True:
            await asyncio.sleep(seconds / KILLS)
            oldest = next(daemon for daemon in stage.daemons if daemon.is_running)  # one that surely works by now
            oldest.kill()
            stage.daemons.append(start_daemon(stage.database, len(stage.daemons), **stage.settings))

    stage.daemons.append(start_daemon(stage.database, len(stage.daemons), **stage.settings))
    await until_alive(stage.database, stage.daemons)
    async with _beside(kill):
        yield


@contextlib.asynccontextmanager
async def _beside(*works: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Endless works that are ended with the block; whatever one of them raised is raised then."""
    tasks = [asyncio.ensure_future(work()) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end


async def _scan(database: Database) -> None:
    connection = await asyncpg.connect(database.dsn)
    try:
        while True:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                for _ in range(SCANS):
                    await connection.fetchval(HOT)
                    await asyncio.sleep(SCAN_GAP_SECONDS)
    finally:
        connection.terminate()
