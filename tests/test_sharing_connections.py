"""While connections are paced, those who want one share what there is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from crmd.store.door import CALM_SECONDS, PAUSE_SECONDS, Door, Rank
from crmd.store.pools import WORK_CONNECTIONS, Server, open_pools

if TYPE_CHECKING:
    from crmd.testing import Workbench

WAIT_SECONDS = 20.0
EVERYBODY = 8


async def backends(server: Server, *, is_paced: bool) -> set[int]:
    """Which sessions served everybody who came at once."""
    served: list[int] = []
    async with open_pools(server, is_probed=False) as pools:
        if is_paced:
            server.door.refused(time.monotonic())

        async def come() -> None:
            served.append(await pools.work.fetchval("SELECT pg_backend_pid()"))

        with anyio.fail_after(WAIT_SECONDS):
            async with anyio.create_task_group() as tasks:
                for _ in range(EVERYBODY):
                    tasks.start_soon(come)
    assert len(served) == EVERYBODY
    return set(served)


async def test_after_a_refusal_all_go_on_with_the_first_connections(workbench: Workbench) -> None:
    """Nobody waits for a connection of its own while one is free; without a refusal as many are opened as may be."""
    dsn = workbench.everything.pools.server.dsn
    assert len(await backends(Server(dsn=dsn), is_paced=False)) == WORK_CONNECTIONS
    began = time.monotonic()
    assert len(await backends(Server(dsn=dsn), is_paced=True)) < WORK_CONNECTIONS
    assert PAUSE_SECONDS <= time.monotonic() - began < CALM_SECONDS


async def test_the_first_of_each_pool_comes_before_further_ones(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever waits for one pool of the engine's can go on before another pool has its second connection."""
    ranks: list[Rank] = []
    through = Door.through

    async def told(door: Door, *args: Any, rank: Rank, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever is passed on
        ranks.append(rank)
        return await through(door, *args, rank=rank, **kwargs)

    monkeypatch.setattr(Door, "through", told)
    async with open_pools(Server(dsn=workbench.everything.pools.server.dsn), is_probed=False) as pools:
        async with pools.work.acquire(), pools.work.acquire(), pools.control.acquire():
            assert ranks == [Rank.FIRST, Rank.MORE, Rank.FIRST]
        async with pools.plugins.acquire(), pools.plugins.acquire():
            assert ranks[3:] == [Rank.JOBS, Rank.JOBS]


async def test_while_it_is_used_the_next_is_opened(workbench: Workbench) -> None:
    """Paced or not, a connection that is held keeps no other from being opened, and a wait for one has its end."""
    server = Server(dsn=workbench.everything.pools.server.dsn)
    async with open_pools(server, is_probed=False) as pools:
        server.door.refused(time.monotonic())
        with anyio.fail_after(WAIT_SECONDS):
            async with pools.work.acquire() as first, pools.work.acquire() as second:
                assert first.get_server_pid() != second.get_server_pid()
        most = pools.work.get_max_size()
        held = [await pools.work.acquire() for _ in range(most)]
        with pytest.raises(TimeoutError):
            await pools.work.acquire(timeout=0.1)
        for connection in held:
            await pools.work.release(connection)
        async with pools.work.acquire(timeout=1.0) as again:
            assert await again.fetchval("SELECT 1") == 1


async def test_a_failed_opening_lets_the_next_try(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who wait for one that is being opened are not left behind when that comes to nothing."""
    server = Server(dsn=workbench.everything.pools.server.dsn)
    failures: list[str] = []
    connect = server.primary.connect

    async def fail_first(*args: object, **kwargs: object) -> object:
        if not failures:
            await anyio.sleep(0.05)
            failures.append("refused")
            raise ConnectionRefusedError
        return await connect(*args, **kwargs)  # type: ignore[arg-type]  # whatever is passed on

    monkeypatch.setattr(server.primary, "connect", fail_first)
    ends: list[object] = []
    async with open_pools(server, is_probed=False) as pools:
        server.door.refused(time.monotonic())

        async def come() -> None:
            try:
                ends.append(await pools.work.fetchval("SELECT 1"))
            except ConnectionRefusedError:
                ends.append("refused")

        with anyio.fail_after(WAIT_SECONDS):
            async with anyio.create_task_group() as tasks:
                for _ in range(EVERYBODY):
                    tasks.start_soon(come)
    assert sorted(map(str, ends)) == ["1"] * (EVERYBODY - 1) + ["refused"]
