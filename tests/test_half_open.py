"""Links that are dead while nobody says so: whatever is sent is lost, and no end is told."""

from __future__ import annotations

import signal
import socket
import time
from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest
from fleet import running_fleet
from tcp_proxy import proxied

from crmd.config.settings import Daemon
from crmd.engine import listener
from crmd.engine.listener import Listener
from crmd.store.liveness import UNACKNOWLEDGED_MILLISECONDS, socket_of
from crmd.store.pools import UNREACHABLE, Server, connect, open_pools

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 0.5
# Far less than a statement's own time to answer, far more than a busy machine needs.
PATIENCE_SECONDS = 8.0
LISTENERS = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'crmd listener' AND datname = current_database() AND pid <> ALL ($1::int[])
"""


def server_at(dsn: str) -> Server:
    """With bounds of half a second."""
    return Server(dsn=dsn, statement_timeout_seconds=SECONDS, connect_timeout_seconds=SECONDS, pool_max=3)


async def test_no_call_waits_for_a_silent_link(crmd_dsn: str) -> None:
    """Statements, transactions, new connections and the way out end within their bounds; then the pools serve again."""
    async with proxied(crmd_dsn) as (proxy, dsn), open_pools(server_at(dsn)) as pools:
        for pool in (pools.control, pools.plugins):
            assert await pool.fetchval("SELECT 1") == 1
        proxy.blackhole()
        for _ in range(2):  # over a link that was open, and over a new one
            for pool in (pools.control, pools.plugins):
                with anyio.fail_after(PATIENCE_SECONDS), pytest.raises(UNREACHABLE):
                    async with pool.acquire() as connection, connection.transaction():
                        await connection.fetchval("SELECT 1")
        proxy.heal()
        with anyio.fail_after(PATIENCE_SECONDS):
            assert await pools.control.fetchval("SELECT 1") == 1
            assert await pools.plugins.fetchval("SELECT 1") == 1
        proxy.blackhole()
        left_at = time.monotonic()
    assert time.monotonic() - left_at < PATIENCE_SECONDS


async def test_a_call_keeps_to_ten_seconds_by_default() -> None:
    """The server's bound, the client's and the time to give a connection back fit into what is configured."""
    server = Server(dsn="postgresql://nobody@/none")
    arguments = server.connect_arguments("crmd test")
    server_seconds = int(arguments["server_settings"]["statement_timeout"]) / 1000
    assert server_seconds < arguments["command_timeout"] < server.statement_timeout_seconds <= 10
    assert arguments["timeout"] <= 10


async def test_the_kernel_watches_an_idle_link(crmd_dsn: str) -> None:
    """A TCP connection is probed by both ends while nobody uses it, and closed when nothing is acknowledged."""
    async with proxied(crmd_dsn) as (_, dsn):
        connection = await connect(Server(dsn=dsn), "crmd test")
        link = socket_of(connection)
        assert link is not None
        assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == UNACKNOWLEDGED_MILLISECONDS
        await connection.close()


async def test_a_silent_listener_is_opened_anew(crmd_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener whose link is dead finds out by its probe, listens over a new one, and then looks at every queue."""
    assert listener.PROBE_SECONDS * 1.5 <= 15  # to the next probe, and for its answer
    monkeypatch.setattr(listener, "PROBE_SECONDS", SECONDS)
    words: list[str] = []
    async with proxied(crmd_dsn) as (proxy, dsn):
        hearing = Listener(server_at(dsn), words.append)
        await hearing.listen_once()
        proxy.blackhole()
        outside = await asyncpg.connect(crmd_dsn)
        await outside.execute("SELECT pg_notify('crmd_wake', 'lost')")
        proxy.heal()
        with anyio.fail_after(PATIENCE_SECONDS):
            assert await hearing.listen_once() == 0.0
            await hearing.listen_once()
            assert words == ["*", "*", "*"]  # also when it was lost, since queues have to be polled until then
            await outside.execute("SELECT pg_notify('crmd_wake', 'fast')")
            while words[3:] != ["fast"]:  # noqa: ASYNC110 - told by another connection
                await anyio.sleep(0.01)
        await outside.close()
        hearing.close()


def at(dsn: str) -> dict[str, str]:
    """The setting of a daemon that goes there, while the test itself looks on directly."""
    return {"database__dsn": dsn}


@pytest.mark.slow
async def test_a_deaf_daemon_polls_and_hears_again(crmd_dsn: str, tmp_path: Path) -> None:
    """While only its listener's link is dead, an idle daemon finds jobs by itself; later it listens over a new one."""
    assert Daemon().poll_max_seconds <= 5
    async with (
        proxied(crmd_dsn) as (proxy, dsn),
        running_fleet(crmd_dsn, tmp_path, 1, database__listen_dsn=dsn) as fleet,
    ):
        await fleet.until("SELECT count(*) FROM crmd.daemon WHERE idle_queues @> '{fast}'", 1)
        await fleet.until(LISTENERS, 1, [])
        deaf = await fleet.connection.fetchval(LISTENERS.replace("count(*)", "array_agg(pid)"), [])
        proxy.blackhole()
        await fleet.enqueue("mark", 1)
        await fleet.until("SELECT count(*) FROM crmd.archive WHERE status = 'completed'", 1)
        proxy.heal()
        await fleet.until(LISTENERS, 1, deaf)
        assert "the listener's connection is dead" in fleet.daemons[0].text()


@pytest.mark.slow
async def test_a_daemon_behind_a_silent_link_stops_its_jobs_and_comes_back(crmd_dsn: str, tmp_path: Path) -> None:
    """Its leases run out, its jobs stop; with a new link it works on. Told to stop behind a dead one, it ends."""
    bounds = {"database__statement_timeout_seconds": "2", "database__connect_timeout_seconds": "2"}
    async with proxied(crmd_dsn) as (proxy, dsn), running_fleet(crmd_dsn, tmp_path, 1, **bounds, **at(dsn)) as fleet:
        [daemon] = fleet.daemons
        await fleet.enqueue("mark", 20, '{"milliseconds": 60000}')
        await fleet.until("SELECT count(*) FROM crmd.lease", 20)
        proxy.blackhole()
        await fleet.until_logged(daemon, "the leases of this daemon have run out")
        proxy.heal()
        await fleet.until("SELECT count(*) FROM crmd.lease WHERE fence = 2 AND attempt = 1 AND crash_count = 1", 1)
        proxy.blackhole()
        for _ in range(2):
            daemon.send(signal.SIGTERM)
        with anyio.fail_after(30):
            assert await daemon.ended() == 0
        assert "Traceback" not in daemon.text()
