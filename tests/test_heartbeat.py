from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID, uuid4

import anyio
import asyncpg
import pytest
import sample_jobs

from crmd.clock import boot_seconds
from crmd.engine.executor import Executor
from crmd.engine.heartbeat import Beat, Heartbeat, register, retry_seconds
from crmd.engine.incarnation import Incarnation
from crmd.errors import UnreachableError
from crmd.store import jobs, leases
from crmd.store.door import TURNS_MAX
from crmd.store.leases import Token
from crmd.store.pools import connect

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
UNTIL = "SELECT lease_until FROM crmd.daemon WHERE id = $1"
WAIT_SECONDS = 20.0


async def beating(workbench: Workbench, lease_seconds: float, heard: list[Beat]) -> tuple[UUID, Heartbeat]:
    """A registered daemon whose heart beats."""
    registered_at = boot_seconds()
    daemon_id = await register(workbench._pool, "test", ["fast"], lease_seconds)
    server, spare = workbench.everything.pools.server, workbench._pool
    heart = Heartbeat(server, daemon_id, lease_seconds, heard.append, spare=spare, registered_at=registered_at)
    heart.start()
    return daemon_id, heart


def living(workbench: Workbench, lease_seconds: float) -> Incarnation:
    """A daemon that runs nothing."""
    executor = Executor.__new__(Executor)
    executor.runs = {}

    async def nothing() -> None:
        """There is nothing to stop or to write."""

    return Incarnation(
        workbench.everything.pools, executor, version="test", queues=["fast"], lease_seconds=lease_seconds,
        on_begun=lambda _: None, on_ended=nothing, on_return=nothing,
    )  # fmt: skip


async def renewed(workbench: Workbench, daemon_id: UUID, heart: Heartbeat) -> None:
    """See a renewal."""
    before = await workbench._pool.fetchval(UNTIL, daemon_id)
    with anyio.fail_after(WAIT_SECONDS):
        while await workbench._pool.fetchval(UNTIL, daemon_id) == before:
            heart.beat_soon()
            await anyio.sleep(0.01)


async def test_a_heart_beats_while_the_loop_is_blocked(workbench: Workbench) -> None:
    """The thread renews although the event loop does not turn."""
    daemon_id, heart = await beating(workbench, 0.6, [])
    await renewed(workbench, daemon_id, heart)
    before = await workbench._pool.fetchval(UNTIL, daemon_id)
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:  # what a handler does that never awaits
        pass
    assert await workbench._pool.fetchval(UNTIL, daemon_id) > before
    assert heart.is_trusted
    await heart.stop()


async def test_a_cancel_request_comes_with_a_beat(workbench: Workbench) -> None:
    """Asked to beat at once, it brings the jobs that are to be cancelled."""
    heard: list[Beat] = []
    daemon_id, heart = await beating(workbench, 600.0, heard)
    await renewed(workbench, daemon_id, heart)
    enqueued = await workbench.enqueue("add-one")
    await leases.claim_one(workbench._pool, daemon_id, enqueued.id, leases.new_claim_id())
    await jobs.cancel(workbench._pool, enqueued.id, "not needed")
    heart.beat_soon()
    with anyio.fail_after(WAIT_SECONDS):
        while not heard:  # noqa: ASYNC110 - told by a thread
            await anyio.sleep(0.01)
    assert heard[0].cancels == [enqueued.id]
    await heart.stop()


async def test_a_buried_daemon_learns_of_it(workbench: Workbench) -> None:
    """Declared dead, it trusts its leases no more, and beats no more."""
    heard: list[Beat] = []
    daemon_id, heart = await beating(workbench, 600.0, heard)
    await renewed(workbench, daemon_id, heart)
    await workbench._pool.execute("UPDATE crmd.daemon SET is_dead = true WHERE id = $1", daemon_id)
    heart.beat_soon()
    with anyio.fail_after(WAIT_SECONDS):
        while not heard:  # noqa: ASYNC110 - told by a thread
            await anyio.sleep(0.01)
    assert heard == [Beat(None)]
    assert (heart.is_trusted, heart._is_stopping) == (False, True)
    await heart.stop()
    assert not heart._thread.is_alive()


async def test_trust_ends_before_the_lease(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a renewal trust ends a margin before others may take the jobs, by the clock that counts suspension."""
    now = 1000.0
    monkeypatch.setattr("crmd.engine.heartbeat.boot_seconds", lambda: now)
    pools = workbench.everything.pools
    heart = Heartbeat(pools.server, uuid4(), 30.0, lambda _: None, spare=pools.work, registered_at=now)
    now = 1026.9
    assert heart.is_trusted
    now = 1027.1
    assert not heart.is_trusted


async def test_trust_counts_from_before_the_registration(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registration whose answer was late is trusted no longer for it: the others count from when it arrived."""
    now = 1000.0

    async def late(*args: Any) -> UUID:  # noqa: ANN401 - whatever is passed on
        nonlocal now
        daemon_id = await register(*args)
        now += 20
        return daemon_id

    monkeypatch.setattr("crmd.engine.heartbeat.boot_seconds", lambda: now)
    monkeypatch.setattr("crmd.engine.incarnation.boot_seconds", lambda: now)
    monkeypatch.setattr("crmd.engine.incarnation.register", late)
    monkeypatch.setattr(Heartbeat, "start", lambda _: None)
    life = living(workbench, 30.0)
    await life.live_once()
    assert life._heartbeat is not None
    now = 1026.9
    assert life._heartbeat.is_trusted
    now = 1027.1
    assert not life._heartbeat.is_trusted


async def test_a_heart_survives_its_connection(workbench: Workbench) -> None:
    """A cut connection is opened anew, well within the lease."""
    daemon_id, heart = await beating(workbench, 30.0, [])
    await renewed(workbench, daemon_id, heart)
    await workbench._pool.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'crmd heartbeat'"
        " AND datname = current_database()"
    )
    await renewed(workbench, daemon_id, heart)
    assert heart.is_trusted
    await heart.stop()


async def test_a_heart_without_a_connection_goes_by_the_pool(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While others hold every connection there is, leases are renewed over one that the engine has; said once."""
    others = asyncpg.TooManyConnectionsError("sorry, too many clients already")

    async def refuse(*_: object, **__: object) -> NoReturn:
        raise UnreachableError("PostgreSQL cannot be reached.") from others

    monkeypatch.setattr("crmd.engine.heartbeat.connect", refuse)
    heard: list[Beat] = []
    daemon_id, heart = await beating(workbench, 600.0, heard)
    for _ in range(3):
        await renewed(workbench, daemon_id, heart)
    assert heart.is_trusted
    assert [line.message for line in caplog.records] == ["the heartbeat goes by the engine's pool (UnreachableError)"]
    await workbench._pool.execute("UPDATE crmd.daemon SET is_dead = true WHERE id = $1", daemon_id)
    heart.beat_soon()
    with anyio.fail_after(WAIT_SECONDS):
        while not heard:  # noqa: ASYNC110 - told by a thread
            await anyio.sleep(0.01)
    assert (heart.is_trusted, heard) == (False, [Beat(None)])
    await heart.stop()


async def test_a_blocked_loop_keeps_no_heart_waiting(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused while the event loop stands still, where the pool is, it tries its own way again as soon as ever."""
    refused: list[float] = []

    async def refuse_at_first(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever is passed on
        if len(refused) < 6:
            refused.append(time.monotonic())
            raise UnreachableError("PostgreSQL cannot be reached.")
        return await connect(*args, **kwargs)

    monkeypatch.setattr("crmd.engine.heartbeat.connect", refuse_at_first)
    daemon_id, heart = await beating(workbench, 3.0, [])
    before = await workbench._pool.fetchval(UNTIL, daemon_id)
    deadline = time.monotonic() + 4.0
    while time.monotonic() < deadline:  # what a handler does that never awaits
        pass
    assert heart.is_trusted
    assert await workbench._pool.fetchval(UNTIL, daemon_id) > before
    assert len(refused) == 6
    await heart.stop()


async def test_a_heart_that_reaches_nobody_is_not_trusted(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its own connection nor the pool: trust runs out, and the thread ends when it is told to."""

    async def refuse(*_: object, **__: object) -> NoReturn:
        raise UnreachableError("PostgreSQL cannot be reached.")

    monkeypatch.setattr("crmd.engine.heartbeat.connect", refuse)
    monkeypatch.setattr(Heartbeat, "_beat_over_spare", refuse)
    _, heart = await beating(workbench, 0.6, [])
    with anyio.fail_after(WAIT_SECONDS):
        while heart.is_trusted:  # noqa: ASYNC110 - it is a clock that ends it
            await anyio.sleep(0.01)
    await heart.stop()
    assert not heart._thread.is_alive()


def test_a_lost_connection_is_tried_once_a_second() -> None:
    """With the four that come through the door a process opens five a second; a short lease is tried more often."""
    assert min(retry_seconds(failures, 30.0) for failures in range(1, 20)) == 1.0
    assert TURNS_MAX + 1 <= 5
    assert max(retry_seconds(failures, 3.0) for failures in range(1, 20)) <= 0.3


async def test_stopping_waits_for_the_thread(workbench: Workbench) -> None:
    """Stopped, the thread is gone, whether it has begun to beat or not."""
    for is_awaited in (True, False):
        daemon_id, heart = await beating(workbench, 600.0, [])
        if is_awaited:
            await renewed(workbench, daemon_id, heart)
        await heart.stop()
        assert not heart._thread.is_alive()


async def test_one_life_after_another(workbench: Workbench) -> None:
    """A life that ran out ends before the next begins: jobs stopped, ended ones written, other leases given back."""
    begun: list[UUID] = []
    ended: list[str] = []
    finished: list[Token] = []
    executor = Executor.__new__(Executor)
    executor.runs = {}

    async def end() -> None:
        ended.append("stopped")

    async def write() -> None:
        ended.append("written")
        async with workbench._pool.acquire() as connection:
            assert await leases.settle_done(connection, finished) == len(finished)

    life = Incarnation(
        workbench.everything.pools, executor, version="test", queues=["fast"], lease_seconds=600.0,
        on_begun=begun.append, on_ended=end, on_return=write,
    )  # fmt: skip
    await life.live_once()
    done = await workbench.enqueue("add-one")
    [row] = await leases.claim_one(workbench._pool, begun[0], done.id, leases.new_claim_id())
    finished.append(Token(row["id"], row["fence"], row["claim_id"]))
    enqueued = await workbench.enqueue("add-one")
    await leases.claim_one(workbench._pool, begun[0], enqueued.id, leases.new_claim_id())
    assert life._heartbeat is not None
    life._heartbeat._trusted_until = 0.0
    life._heartbeat._is_stopping = True
    await life.live_once()
    assert ended == ["stopped", "written"]
    assert (await workbench.finished(done.id)).status == "completed"
    assert len(set(begun)) == 2
    [row] = await workbench._pool.fetch("SELECT attempt, crash_count FROM crmd.job")
    assert tuple(row) == (0, 0)
    await leases.claim_one(workbench._pool, begun[1], enqueued.id, leases.new_claim_id())
    await life.make_last()
    assert await workbench._pool.fetchval("SELECT stopping_at IS NOT NULL FROM crmd.daemon WHERE id = $1", begun[1])
    await life.end()
    assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.lease") == 0
    assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.daemon WHERE id = $1", begun[1]) == 0
