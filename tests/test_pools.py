from __future__ import annotations

import contextlib
import os
import random
import socket
from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest

import crmd.store.pools as pools_module
from crmd.errors import UnreachableError
from crmd.store.bounded_pool import LEAVE_SECONDS
from crmd.store.known_types import OWN_TYPES_FROM
from crmd.store.pools import UNREACHABLE, Server, connect, open_pools

if TYPE_CHECKING:
    from pathlib import Path

    from crmd.store.pools import Pool

CANCELS = int(os.environ.get("CRMD_TEST_CANCELS", "1500"))
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()"

END = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()
"""


async def test_the_engine_passes_json_on_and_plugins_read_it(crmd_dsn: str) -> None:
    """The control pool speaks JSON as bytes, the plugins' pool as plain objects, cleaned."""
    async with open_pools(Server(dsn=crmd_dsn)) as pools:
        assert await pools.control.fetchval("SELECT $1::jsonb", b'{"a": [1]}') == b'{"a": [1]}'
        value = {"a": [1, None, "x\x00\ud800"], "deep": {"b": True}}
        assert await pools.plugins.fetchval("SELECT $1::jsonb", value) == {
            "a": [1, None, "x��"], "deep": {"b": True},
        }  # fmt: skip
        assert await pools.plugins.fetchval("SELECT $1::json", [1]) == [1]


async def test_types_are_asked_for_once_in_a_process(crmd_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one connection has learnt of PostgreSQL's own types no other asks again, and each decodes its own way."""
    asked: list[frozenset[int]] = []
    asks = asyncpg.Connection._introspect_types  # type: ignore[attr-defined] # not in the stubs

    async def ask(self: object, typeoids: frozenset[int], timeout: float | None) -> object:  # noqa: ASYNC109 - asyncpg's
        asked.append(typeoids)
        return await asks(self, typeoids, timeout)

    monkeypatch.setattr(asyncpg.Connection, "_introspect_types", ask)
    query = "SELECT $1::jsonb[], $2::point[]"
    async with open_pools(Server(dsn=crmd_dsn)) as pools:
        engine = await pools.control.fetchrow(query, [b"[1]"], [])
        before = len(asked)
        plugin = await pools.plugins.fetchrow(query, [[1]], [])
        await pools.plugins.execute("CREATE TABLE own (number int)")
        own = await pools.plugins.fetchval("SELECT array_agg(o) FROM own o")
    assert engine is not None
    assert plugin is not None
    assert (engine[0], plugin[0], own) == ([b"[1]"], [[1]], None)
    assert all(min(oids) >= OWN_TYPES_FROM for oids in asked[before:])
    assert asked[before:], "a table's own type is of this database alone"


async def test_no_more_connections_than_told(crmd_dsn: str) -> None:
    """However many tasks ask, a pool opens no more than its bound."""
    async with open_pools(Server(dsn=crmd_dsn, pool_max=3)) as pools, anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(pools.plugins.fetchval, "SELECT pg_sleep(0.01)")
        await anyio.lowlevel.checkpoint()
        for _ in range(5):
            assert await pools.control.fetchval(SESSIONS, "crmd plugins") <= 3


async def test_cancelled_tasks_leak_no_connection(crmd_dsn: str) -> None:
    """Hundreds of tasks cancelled at any await leave no more sessions than configured, and a pool that serves."""
    chance = random.Random(27)  # noqa: S311 - a plan that can be repeated
    async with open_pools(Server(dsn=crmd_dsn, pool_max=4)) as pools:
        for _ in range(CANCELS // 30):
            async with anyio.create_task_group() as tasks:
                for _ in range(30):
                    tasks.start_soon(_cut_short, pools.plugins, chance.random() * 0.03)
        with anyio.fail_after(20):
            while await pools.control.fetchval(SESSIONS, "crmd plugins") > 4:  # noqa: ASYNC110 - of the server
                await anyio.sleep(0.05)
            async with contextlib.AsyncExitStack() as all_of_them:
                for _ in range(4):
                    connection = await all_of_them.enter_async_context(pools.plugins.acquire())
                    assert await connection.fetchval("SELECT 1") == 1


async def _cut_short(pool: Pool, seconds: float) -> None:
    """Some work that is cancelled after so long, wherever it is."""
    with anyio.move_on_after(seconds):
        async with pool.acquire() as connection, connection.transaction():
            await connection.fetchval("SELECT pg_sleep(0.005)")
            await connection.fetch("SELECT generate_series(1, 1000)")


async def test_a_statement_has_its_bound(crmd_dsn: str) -> None:
    """The server ends a statement that takes too long, and a wait for a lock; both count as worth another try."""
    async with open_pools(Server(dsn=crmd_dsn, statement_timeout_seconds=1.0)) as pools:
        with pytest.raises(asyncpg.QueryCanceledError) as caught:
            await pools.control.fetchval("SELECT pg_sleep(5)")
        assert isinstance(caught.value, UNREACHABLE)
        assert await pools.control.fetchval("SHOW lock_timeout") == "800ms"


async def test_what_stands_still_with_a_lock_is_ended(crmd_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction of the engine whose process is paused keeps nobody waiting: the server ends it, as it may."""
    monkeypatch.setattr(pools_module, "STILL_MILLISECONDS", 100)
    lock = "SELECT pg_advisory_xact_lock(4)"
    async with open_pools(Server(dsn=crmd_dsn)) as pools:
        async with pools.control.acquire() as paused:
            transaction = paused.transaction()
            await transaction.start()
            await paused.execute(lock)
            await pools.plugins.execute(lock)  # waits for a lock until then, at most 5 s
            with pytest.raises(UNREACHABLE):
                await paused.fetchval("SELECT 1")
        assert await pools.plugins.fetchval("SHOW idle_in_transaction_session_timeout") == "1min"


async def test_a_pool_heals_after_its_sessions_were_ended(crmd_dsn: str) -> None:
    """Sessions that an administrator ended are opened anew by the next statements, without a restart."""
    async with open_pools(Server(dsn=crmd_dsn)) as pools:
        await pools.control.fetchval("SELECT 1")
        other = await asyncpg.connect(crmd_dsn)
        await other.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'crmd control'"
        )
        await other.close()
        answers = []
        for _ in range(6):
            try:
                answers.append(await pools.control.fetchval("SELECT 1"))
            except UNREACHABLE:
                answers.append(None)
        assert answers[-1] == 1


async def test_leaving_cuts_what_is_still_out(crmd_dsn: str) -> None:
    """A connection that nobody gives back does not keep the pools from closing."""
    assert LEAVE_SECONDS < 5
    with anyio.fail_after(15):
        async with open_pools(Server(dsn=crmd_dsn)) as pools:
            forgotten = await pools.plugins.acquire()
            assert await forgotten.fetchval("SELECT 1") == 1
    with pytest.raises(asyncpg.InterfaceError):
        await forgotten.fetchval("SELECT 1")


@pytest.mark.parametrize(
    ("dsn", "word"),
    [
        ("postgresql://nobody:secret-word@127.0.0.1:{port}/none", "refused|did not answer|Connect"),
        ("postgresql://nobody:secret-word@/none?host={folder}", "No such file"),
        ("no address at all", "not a PostgreSQL URL"),
    ],
)
async def test_what_cannot_be_reached_is_one_sentence(tmp_path: Path, dsn: str, word: str) -> None:
    """An address that leads nowhere is told without the password in it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = dsn.format(port=free.getsockname()[1], folder=tmp_path)
        with pytest.raises(UnreachableError, match=word) as caught:
            await connect(Server(dsn=address, connect_timeout_seconds=3), "crmd test")
    assert "secret-word" not in str(caught.value)


async def test_listening_goes_past_a_pooler(crmd_dsn: str) -> None:
    """A direct connection takes the direct address where there is one."""
    server = Server(dsn="postgresql://nobody@127.0.0.1:1/none", listen_dsn=crmd_dsn)
    connection = await connect(server, "crmd test", is_direct=True)
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()
