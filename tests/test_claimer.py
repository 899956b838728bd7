from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import uuid4

import anyio
import asyncpg
import pytest
import sample_jobs

from crmd.engine.audit import audit_once
from crmd.engine.claimer import BUSY_CLAIMS, Claimer
from crmd.engine.claimers import DEAF_POLL_SECONDS, Claimers
from crmd.engine.executor import Executor
from crmd.engine.forever import PAUSE_MAX_SECONDS, aligned, forever, pause_seconds
from crmd.engine.listener import PROBE_SECONDS, Listener
from crmd.engine.options import EngineOptions
from crmd.engine.queue import HELD_BYTES_MAX, Queue
from crmd.engine.run import Run
from crmd.engine.settler import Settler
from crmd.errors import UnreachableError
from crmd.outcome import Stop
from crmd.store import jobs, lane_claims, leases
from crmd.store.door import LINE_SECONDS
from crmd.store.jobs import NewJobs
from crmd.store.leases import Token
from crmd.stored_text import PAYLOAD_BYTES_MAX
from crmd.tuning import UNTUNED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
HANG_UP = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = 'crmd listener' AND datname = current_database() AND query LIKE 'LISTEN%' AND state = 'idle'
"""
COMPLETED = "SELECT count(*) FROM crmd.archive WHERE status = 'completed'"


class Parts:
    """The moving parts of a daemon, each stepped by the test."""

    def __init__(self, workbench: Workbench, slots: int = 10) -> None:
        self.settler = Settler(workbench._pool, lambda _: None)
        self.executor = Executor(workbench.everything.services, self.settler, {"fast": slots, "normal": 10})
        self.queue = self.executor.queues["fast"]
        self.tuning = UNTUNED
        self.claimer = Claimer(
            workbench._pool, self.executor, self.queue, poll_max_seconds=lambda: 0.01, local_limits=lambda: (),
            tuning=lambda: self.tuning,
        )  # fmt: skip
        self.claimer.begin(workbench._daemon_id)

    async def settle(self) -> None:
        """Let what was started end, and write it."""
        while self.executor.runs:
            await anyio.lowlevel.checkpoint()
        if self.settler.backlog:
            await self.settler.settle_once()


async def enqueue_plain(workbench: Workbench) -> None:
    """Enqueue a job of no workspace, which needs no key."""
    await jobs.enqueue_many(workbench._pool, NewJobs(type="add-one", payloads=[b"{}"]))


@asynccontextmanager
async def parts(workbench: Workbench, slots: int = 10) -> AsyncIterator[Parts]:
    """Their drainers end with the test."""
    made = Parts(workbench, slots)
    yield made
    await made.executor.close()


@pytest.mark.parametrize("error", [asyncpg.ConnectionDoesNotExistError, KeyError])
@pytest.mark.parametrize("is_committed", [True, False])
async def test_a_lost_answer_loses_no_job(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch, *, is_committed: bool, error: type[Exception]
) -> None:
    """A claim whose answer did not arrive is looked up: its jobs run once, and nothing runs that it did not get."""
    for _ in range(5):
        await enqueue_plain(workbench)
    claim = leases.claim_ready

    async def cut(*args: Any) -> list[Any]:  # noqa: ANN401 - whatever is passed on
        if is_committed:
            await claim(*args)
        raise error("cut")

    async with parts(workbench) as moving:
        with monkeypatch.context() as patched:
            patched.setattr(leases, "claim_ready", cut)
            with pytest.raises(error):
                await moving.claimer.claim_once()
        for _ in range(3):
            await moving.claimer.claim_once()
            await moving.settle()
        assert await workbench._pool.fetchval(COMPLETED) == 5
        assert await workbench._pool.fetchval("SELECT max(fence) FROM crmd.archive") == 1


async def test_who_always_finds_work_wants_no_wake_up(workbench: Workbench) -> None:
    """A queue with room stays one to be woken while it finds work now and then, and is none once it always does."""
    idle = "SELECT 'fast' = ANY (idle_queues) FROM crmd.daemon WHERE id = $1"
    async with parts(workbench) as moving:
        await moving.claimer.claim_once()
        for round_ in (BUSY_CLAIMS - 1, BUSY_CLAIMS):
            assert await workbench._pool.fetchval(idle, workbench._daemon_id)
            for _ in range(round_):
                await enqueue_plain(workbench)
                await moving.claimer.claim_once()
            await moving.settle()
            assert moving.claimer.is_idle == (round_ < BUSY_CLAIMS)
            await moving.claimer.claim_once()
        assert await workbench._pool.fetchval(idle, workbench._daemon_id)


async def test_no_more_is_claimed_than_there_are_slots(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much waits, and however large it is, a daemon holds no more of it than it has room to run."""
    large = [b'{"filler": "%s"}' % (b"x" * 200_000)] * 40
    await jobs.enqueue_many(workbench._pool, NewJobs(type="add-one", payloads=large))
    async with parts(workbench) as moving:
        monkeypatch.setattr(moving.executor, "_stand_by", lambda _queue: None)  # nothing gets on
        with anyio.move_on_after(1.0):
            while True:
                await moving.claimer.claim_once()
        assert (moving.queue.free, len(moving.executor.runs)) == (0, 10)
        assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.lease") == 10
        moving.queue.buffer.clear()
        moving.executor.runs.clear()


async def test_the_server_claims_while_a_batch_runs(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim takes half of many slots, and the next is sent before what it got begins to run."""
    await jobs.enqueue_many(workbench._pool, NewJobs(type="add-one", payloads=[b"{}"] * 1000))
    claim = leases.claim_ready
    asked: list[tuple[int, int]] = []  # for how many, and how many had not begun

    async with parts(workbench, slots=256) as moving, anyio.create_task_group() as tasks:

        async def claimed(*args: Any) -> list[Any]:  # noqa: ANN401 - whatever is passed on
            asked.append((args[3], len(moving.queue.buffer)))
            return await claim(*args)

        monkeypatch.setattr(leases, "claim_ready", claimed)
        tasks.start_soon(forever, "claiming", moving.claimer.claim_once, lambda _: None)
        with anyio.fail_after(10.0):
            while moving.settler.backlog < 1000:  # noqa: ASYNC110 - the drainers do it
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert asked[0] == (128, 0)
    assert (128, 128) in asked


def test_there_is_room_for_fewer_large_jobs() -> None:
    """Of small ones as many as there are slots, of the largest as many as may be held; a few claims teach which."""
    queue = Queue("fast", 2048)
    assert queue.room == HELD_BYTES_MAX // PAYLOAD_BYTES_MAX == 256
    rooms = []
    for _ in range(5):
        queue.saw(100 * queue.claimable, queue.claimable)
        rooms.append(queue.room)
    assert rooms == [512, 1024, 2048, 2048, 2048]
    queue.taken = 200
    queue.saw(2 * PAYLOAD_BYTES_MAX, 2)
    assert (queue.room, queue.free, queue.claimable) == (256, 56, 56)
    queue.taken = 300
    assert (queue.free, queue.claimable) == (0, 0)
    queue.saw(10**9, 1)
    assert queue.room == 1
    queue.saw(0, 1)
    queue.slots = 1
    assert queue.room == 1


async def test_what_ran_already_is_not_recovered(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """When only the second statement of a claim is cut off, what the first one got runs once."""
    await enqueue_plain(workbench)

    async def cut(*_: Any) -> list[Any]:  # noqa: ANN401 - whatever is passed on
        raise asyncpg.ConnectionDoesNotExistError("cut")

    async with parts(workbench) as moving:
        with monkeypatch.context() as patched:
            patched.setattr(lane_claims, "claim_lanes", cut)
            with pytest.raises(asyncpg.ConnectionDoesNotExistError):
                await moving.claimer.claim_once()
        while moving.executor.runs:
            await anyio.lowlevel.checkpoint()
        assert moving.settler.backlog == 1
        await moving.claimer.claim_once()
        assert (moving.settler.backlog, moving.executor.runs) == (1, {})


async def test_a_claim_for_a_life_that_ended_is_given_back(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a claim gets after its daemon has begun to drain goes back in order and does not start."""
    await enqueue_plain(workbench)
    claim = leases.claim_ready

    async with parts(workbench) as moving:

        async def slowly(*args: Any) -> list[Any]:  # noqa: ANN401 - whatever is passed on
            rows = await claim(*args)
            moving.claimer.begin(None)
            return rows

        monkeypatch.setattr(leases, "claim_ready", slowly)
        await moving.claimer.claim_once()
        assert moving.executor.runs == {}
        [row] = await workbench._pool.fetch("SELECT attempt, crash_count FROM crmd.job")
        assert tuple(row) == (0, 0)


async def test_a_waiting_key_is_free_before_its_job_starts(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that enqueues its own successor at once never finds its own key taken."""
    await workbench.enqueue("once-waiting", {"number": 1})
    started: list[bool] = []
    async with parts(workbench) as moving:
        freed = leases.free_started

        async def watch(*args: Any) -> None:  # noqa: ANN401 - whatever is passed on
            started.append(bool(moving.executor.runs))
            await freed(*args)

        monkeypatch.setattr(leases, "free_started", watch)
        moving.claimer = Claimer(
            workbench._pool, moving.executor, moving.executor.queues["normal"], poll_max_seconds=lambda: 0.01,
            local_limits=lambda: (), tuning=lambda: UNTUNED,
        )  # fmt: skip
        moving.claimer.begin(workbench._daemon_id)
        await moving.claimer.claim_once()
        await moving.settle()
    assert started == [False]
    assert await workbench._pool.fetchval(COMPLETED) == 1


async def test_the_audit_mends_both_sides(workbench: Workbench) -> None:
    """A lease that nobody here runs is given back; a job whose lease is another's is stopped; the rest is left."""
    kept, stray, lost = [(await workbench.enqueue("naps", {"number": 60_000})).id for _ in range(3)]
    async with parts(workbench) as moving:
        rows = {row["id"]: row for row in await workbench._claim()}
        naps = workbench.everything.services.job_types["naps"]
        for job_id in (kept, lost):
            row = rows[job_id]
            run = Run(row, naps, Token(job_id, row["fence"], row["claim_id"]))
            run.started = 1.0
            moving.executor.runs[job_id] = run
        await workbench._pool.execute("UPDATE crmd.lease SET daemon_id = $1 WHERE id = $2", uuid4(), lost)
        audit = (workbench._pool, workbench._daemon_id, moving.executor, moving.settler)
        assert await audit_once(*audit) == 1  # the stray may be a claim that is just arriving
        await workbench.clock.advance(11)
        await audit_once(*audit)
        assert moving.executor.runs[lost].stop is Stop.LEASE_LOST
        assert moving.executor.runs[kept].stop is None
        assert await workbench._pool.fetchval("SELECT array_agg(id) FROM crmd.job") == [stray]
        moving.executor.runs.clear()


async def test_the_audit_leaves_a_claim_that_is_to_be_looked_up(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a claim got whose answer was lost is not given back behind the look for it, or two daemons would run it."""
    await enqueue_plain(workbench)
    claim = leases.claim_ready

    async def cut(*args: Any) -> list[Any]:  # noqa: ANN401 - whatever is passed on
        await claim(*args)
        raise ConnectionResetError

    async with parts(workbench) as moving:
        audit = (workbench._pool, workbench._daemon_id, moving.executor, moving.settler)
        with monkeypatch.context() as patched:
            patched.setattr(leases, "claim_ready", cut)
            with pytest.raises(ConnectionResetError):
                await moving.claimer.claim_once()
        await workbench.clock.advance(60)
        assert await audit_once(*audit) == 0
        await moving.claimer.claim_once()
        await moving.settle()
        assert await workbench._pool.fetchval(COMPLETED) == 1


async def test_a_listener_is_heard_and_found_dead(workbench: Workbench) -> None:
    """A new listener has every queue looked at, passes words on, and is opened anew once its connection died."""
    words: list[str] = []
    listener = Listener(workbench.everything.pools.server, words.append)
    await listener.listen_once()
    await workbench._pool.execute("SELECT pg_notify('crmd_wake', 'fast')")
    await listener.listen_once()
    assert words == ["*", "fast"]
    assert listener._connection is not None
    await listener._connection.execute("UNLISTEN *")  # what a pooler does to it
    assert await listener.listen_once() == 0.0
    await listener.listen_once()
    assert words == ["*", "fast", "*", "*"]  # once to poll while it is deaf, once for what it may have missed
    listener.close()


async def test_a_lost_listener_is_opened_anew_at_once(workbench: Workbench) -> None:
    """When the server ends its session, it listens again and looks, however long the next probe is away."""
    words: list[str] = []
    listener = Listener(workbench.everything.pools.server, words.append)
    try:
        with anyio.fail_after(PROBE_SECONDS / 2):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listener.keep_once)
                while not await workbench._pool.fetchval(HANG_UP):  # noqa: ASYNC110 - of a session in the server
                    await anyio.sleep(0.01)
            await listener.listen_once()
    finally:
        listener.close()
    assert words == ["*", "*", "*"]


async def test_a_deaf_daemon_polls_often(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the lost connection that heard wake-ups cannot be opened anew, queues are looked at every moment."""
    listener = Listener(workbench.everything.pools.server, lambda _: None)
    executor = Executor(workbench.everything.services, Settler(workbench._pool, lambda _: None), {"fast": 10})
    options = EngineOptions(version="test", slots={"fast": 10}, poll_max_seconds=5.0)
    claimer = Claimers(workbench._pool, executor, lambda: options, lambda: listener.is_deaf).add("fast")
    await listener.listen_once()
    assert claimer._poll_max_seconds() == options.poll_max_seconds
    assert listener._connection is not None
    listener._connection.terminate()

    async def refuse(*_: object, **__: object) -> NoReturn:
        raise UnreachableError("PostgreSQL cannot be reached.")

    with monkeypatch.context() as patched:
        patched.setattr("crmd.engine.listener.connect", refuse)
        with pytest.raises(UnreachableError):
            await listener.listen_once()
        assert claimer._poll_max_seconds() == DEAF_POLL_SECONDS
    await listener.listen_once()
    assert claimer._poll_max_seconds() == options.poll_max_seconds
    listener.close()


async def test_a_loop_outlives_whatever_its_step_raises(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A step is called again after any error; an outage is said once, without a traceback, and so is its end."""
    monkeypatch.setattr("crmd.engine.forever.pause_seconds", lambda _failures, _chance: 0)
    turns: list[object] = [UnreachableError("gone"), OSError("gone"), ValueError("bug"), 0.0, 0.0]
    told: list[str] = []

    async def step() -> float:
        if not turns:
            await anyio.sleep_forever()
        turn = turns.pop(0)
        if isinstance(turn, Exception):
            raise turn
        return 0.0

    with caplog.at_level(logging.INFO), anyio.move_on_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(forever, "testing", step, told.append)
            while turns or "" not in told:
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
    assert told == ["the database does not answer", "the database does not answer", ""]
    tracebacks = [record for record in caplog.records if record.exc_info]
    assert [record.getMessage() for record in tracebacks] == ["testing failed and goes on"]
    assert sum("does not answer" in record.getMessage() for record in caplog.records) == 1


def test_loops_without_work_wake_together() -> None:
    """Long pauses that begin at any instants end at common ones, no later than asked for; short ones are kept."""
    assert {now + aligned(pause, now) for now in (10.0, 10.06, 10.4) for pause in (0.5, 0.55)} == {10.5}
    assert {now + aligned(pause, now) for now in (10.0, 10.06, 10.9) for pause in (5.0, 5.05)} == {15.0}
    assert aligned(0.2, 10.1) == 0.2


def test_pauses_grow_to_a_bound() -> None:
    """Failures in a row wait longer, with jitter below the widest pause, however many there are."""
    widest = [pause_seconds(failures, 0.999_999) for failures in (1, 2, 3, 10, 10_000)]
    assert widest == sorted(widest)
    assert widest[-1] < PAUSE_MAX_SECONDS
    assert pause_seconds(10_000, 0.0) > PAUSE_MAX_SECONDS / 5
    assert PAUSE_MAX_SECONDS + LINE_SECONDS < 5  # so that a server that is back sees a claim within that time
