"""What a claim that was taken over can still write: nothing. Each write is refused by itself, not by the one before."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

import crmd
from crmd.engine.job_context import JobContext
from crmd.engine.run import Run
from crmd.store import families, leases
from crmd.store.leases import EndedRow, RequeuedRow, Token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from crmd.testing import Workbench

CRASHED = b'{"class": "Crashed"}'
STATE = """
SELECT (SELECT jsonb_agg(to_jsonb(l)) FROM crmd.lease l), (SELECT jsonb_agg(to_jsonb(j)) FROM crmd.job j),
    (SELECT count(*) FROM crmd.archive), (SELECT count(*) FROM crmd.item), (SELECT count(*) FROM crmd.event)
"""


@crmd.job("taken-over", max_attempts=9)
async def taken_over(ctx: crmd.Context) -> None:
    """Never runs here: the test writes in its name."""


pytestmark = pytest.mark.crmd_plugins(sys.modules[__name__])


async def _reaped_and_claimed(workbench: Workbench, token: Token) -> None:
    """As another daemon does it."""
    pool = workbench.everything.pools.control
    async with pool.acquire() as connection:
        assert await leases.return_reaped(connection, [token], [0.0], CRASHED) == {token.id}
    assert await leases.claim_suspects(pool, workbench._daemon_id, [token.id], uuid4())


async def _another_fence(workbench: Workbench, token: Token) -> None:
    """The same claim id under a later fence."""
    pool = workbench.everything.pools.control
    await pool.execute("UPDATE crmd.lease SET fence = fence + 1 WHERE id = $1", token.id)


async def _another_claim(workbench: Workbench, token: Token) -> None:
    """The same fence under another claim id, as after a failover that lost a commit."""
    pool = workbench.everything.pools.control
    await pool.execute("UPDATE crmd.lease SET claim_id = $2 WHERE id = $1", token.id, uuid4())


TAKEOVERS = (_reaped_and_claimed, _another_fence, _another_claim)


@pytest.mark.parametrize("takeover", TAKEOVERS)
async def test_a_lost_claim_writes_nothing(
    workbench: Workbench, takeover: Callable[[Workbench, Token], Awaitable[None]]
) -> None:
    """Whatever a handler can write raises LeaseLost once the claim is another's, and changes nothing."""
    run = await _claimed(workbench)
    await takeover(workbench, run.token)
    before = await _state(workbench)
    ctx = JobContext(run, workbench.everything.services)
    with pytest.raises(crmd.LeaseLost):
        async with ctx.transaction() as tx:
            await tx.execute("SELECT crmd.emit('never')")
    with pytest.raises(crmd.LeaseLost):
        await ctx.checkpoint("never")
    with pytest.raises(crmd.LeaseLost):
        await ctx.enqueue("taken-over")
    with pytest.raises(crmd.LeaseLost):
        await ctx.emit("never", {})
    assert await _state(workbench) == before


@pytest.mark.parametrize("takeover", TAKEOVERS)
async def test_a_lost_claim_settles_nothing(
    workbench: Workbench, takeover: Callable[[Workbench, Token], Awaitable[None]]
) -> None:
    """The engine's own writes for a claim that is another's by now move no row and keep no progress."""
    run = await _claimed(workbench)
    await takeover(workbench, run.token)
    pool = workbench.everything.pools.control
    await pool.execute("INSERT INTO crmd.family (parent_id, total, pending) VALUES ($1, 1, 1)", run.token.id)
    before = await _state(workbench)
    async with pool.acquire() as connection:
        assert await leases.settle_done(connection, [run.token]) == 0
        assert await leases.settle_ended(connection, [EndedRow(run.token, "completed")]) == set()
        assert (
            await leases.settle_requeued(connection, [RequeuedRow(run.token, 0.0, is_attempt_given_back=True)]) == set()
        )
        assert await leases.return_reaped(connection, [run.token], [0.0], CRASHED) == set()
        assert not await families.settle_parent(connection, EndedRow(run.token, "completed"))
        await leases.write_progress(connection, [(run.token, b'{"done": 9}')])
        await leases.write_items(connection, run.token, [("never", "succeeded", None)])
    assert await _state(workbench) == before


async def test_the_holder_writes_all_of_it(workbench: Workbench) -> None:
    """The same writes by the holder of the lease take effect, so that the refusals above mean something."""
    run = await _claimed(workbench)
    ctx = JobContext(run, workbench.everything.services)
    async with ctx.transaction() as tx:
        await tx.emit("told", {})
        await tx.checkpoint("kept")
    pool = workbench.everything.pools.control
    async with pool.acquire() as connection:
        await leases.write_progress(connection, [(run.token, b'{"done": 9}')])
        await leases.write_items(connection, run.token, [("one", "succeeded", None)])
        assert await leases.settle_ended(connection, [EndedRow(run.token, "completed")]) == {run.token.id}
    done = await workbench.finished(run.token.id)
    assert (done.status, done.checkpoint, done.progress) == ("completed", "kept", {"done": 9})
    assert await pool.fetchval("SELECT count(*) FROM crmd.item") == 1
    assert await workbench.events("told") == [{}]


async def test_an_open_transaction_cannot_be_overtaken(workbench: Workbench) -> None:
    """While a job's transaction is open its lease is locked: a reaper passes by, and the commit stands."""
    run = await _claimed(workbench)
    ctx = JobContext(run, workbench.everything.services)
    async with ctx.transaction() as tx, workbench.everything.pools.control.acquire() as connection:
        assert await leases.return_reaped(connection, [run.token], [0.0], CRASHED) == set()
        await tx.checkpoint("kept")
    assert (await workbench.finished(run.token.id)).checkpoint == "kept"


async def _claimed(workbench: Workbench) -> Run:
    enqueued = await workbench.enqueue("taken-over")
    pool = workbench.everything.pools.control
    [row] = await leases.claim_one(pool, workbench._daemon_id, enqueued.id, leases.new_claim_id())
    job_type = workbench.everything.services.job_types["taken-over"]
    return Run(row, job_type, Token(row["id"], row["fence"], row["claim_id"]))


async def _state(workbench: Workbench) -> list[Any]:
    [row] = await workbench.everything.pools.control.fetch(STATE)
    return list(row)
