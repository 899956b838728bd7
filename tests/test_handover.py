from __future__ import annotations

import dataclasses
from types import ModuleType
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

import crmd
from crmd.config.settings import Plugins
from crmd.engine.handover import Claimed, Doubled, HeldBack, claim_family, claim_now, try_now
from crmd.engine.heartbeat import register
from crmd.plugins import ModuleEntry
from crmd.store import gates, jobs
from crmd.store.jobs import NewJobs
from crmd.testing import open_workbench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crmd.config.loading import Config
    from crmd.store.pools import Pool
    from crmd.testing import Workbench


class Work(crmd.Payload, frozen=True):
    """Which work."""

    name: str = ""
    connection_id: UUID | None = None


@crmd.job("handed-single", concurrency=crmd.Concurrency(max=1, per="name"))
async def single(_: crmd.Context, __: Work) -> None:
    """One at a time for each name."""


@crmd.job("handed-connected", connection="connectionId")
async def connected(_: crmd.Context, __: Work) -> None:
    """Behind the gate of a connection."""


@crmd.job("handed-unique", unique=crmd.Unique(scope="unfinished"))
async def unique(_: crmd.Context) -> None:
    """Is unfinished at most once."""


@pytest.fixture
async def bench(crmd_config: Config) -> AsyncIterator[Workbench]:
    """A workbench with the job types of this file."""
    module = ModuleType("crmd_handed")
    vars(module).update(single=single, connected=connected, unique=unique)
    config = dataclasses.replace(crmd_config, plugins=Plugins(enabled=("handed",)))
    async with open_workbench(config, {"handed": ModuleEntry("handed", module)}) as workbench:
        yield workbench


async def daemon(pool: Pool) -> UUID:
    """A daemon of the test's own."""
    return await register(pool, "test", ["normal"], 3600.0)


def work(name: str = "") -> NewJobs:
    """A job of one name."""
    return NewJobs(type="handed-single", payloads=[b'{"name": "%s"}' % name.encode()])


async def test_a_limit_counts_what_is_handed_over(bench: Workbench) -> None:
    """A second job of a full key is held back and leaves no row; another key is free."""
    pool = bench.everything.pools.control
    me = await daemon(pool)
    assert isinstance(await claim_now(pool, me, work("a"), {}), Claimed)
    held_back = await claim_now(pool, me, work("a"), {})
    assert isinstance(held_back, HeldBack)
    assert held_back.key.startswith("type:handed-single:name/")
    assert isinstance(await try_now(pool, work("a"), {}), HeldBack)
    assert await try_now(pool, work("b"), {}) is None
    assert len(await jobs.list_jobs(pool)) == 1


async def test_a_closed_gate_holds_a_job_back_with_its_reason(bench: Workbench) -> None:
    """The reason and the time of a closed gate are told; nothing is enqueued."""
    pool = bench.everything.pools.control
    connection_id = UUID(int=7)
    await gates.close(pool, gates.connection_key(connection_id), seconds=60, reason="slow down")
    new = NewJobs(type="handed-connected", payloads=[b'{"connectionId": "%s"}' % str(connection_id).encode()])
    answer = await claim_now(pool, await daemon(pool), new, {})
    assert isinstance(answer, HeldBack)
    assert answer.reason == "slow down"
    assert answer.wait_seconds is not None
    assert 0 < answer.wait_seconds <= 60
    assert await jobs.list_jobs(pool) == []


async def test_a_waiting_job_of_the_key_is_taken_up_and_a_running_one_is_named(bench: Workbench) -> None:
    """Where a job of the same key waits, it is claimed itself; while it runs, only its id is told."""
    pool = bench.everything.pools.control
    me = await daemon(pool)
    waiting = await bench.enqueue("handed-unique")
    new = NewJobs(type="handed-unique", payloads=[b"{}"], workspace_id=bench.workspace_id)
    claimed = await claim_now(pool, me, new, {})
    assert isinstance(claimed, Claimed)
    assert claimed.row["id"] == waiting.id
    assert await claim_now(pool, me, new, {}) == Doubled(waiting.id)
    assert len(await jobs.list_jobs(pool)) == 1


async def test_a_dead_daemon_claims_nothing(bench: Workbench) -> None:
    """A daemon that is unknown to the database gets no job, and none is left behind."""
    answer = await claim_now(bench.everything.pools.control, UUID(int=1), work(), {})
    assert isinstance(answer, HeldBack)
    assert answer.key == "daemon"
    assert await jobs.list_jobs(bench.everything.pools.control) == []


async def test_a_family_is_claimed_within_its_limits(bench: Workbench) -> None:
    """Children that are due are claimed up to their keys' limits; jobs outside the family are left alone."""
    pool = bench.everything.pools.control
    me = await daemon(pool)
    root = await claim_now(pool, me, work("root"), {})
    assert isinstance(root, Claimed)
    root_id = root.row["id"]
    payloads = [b'{"name": "x"}', b'{"name": "x"}', b'{"name": "y"}']
    await jobs.enqueue_many(pool, NewJobs(type="handed-single", payloads=payloads, parent_id=root_id))
    await jobs.enqueue_many(pool, work("stranger"))
    rows = await claim_family(pool, me, root_id, [root_id], slots=10, local_free={})
    assert sorted(row["payload"] for row in rows) == [b'{"name": "x"}', b'{"name": "y"}']
    assert await claim_family(pool, me, root_id, [root_id], slots=10, local_free={}) == []
    assert await claim_family(pool, me, root_id, [root_id], slots=0, local_free={}) == []
