"""Jobs that come after others: released by the end of the last, in whatever order and however that comes about."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import anyio
import asyncpg
import durable_plugin
import pytest
from durable_jobs import CALLS, PROGRAM
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmd.engine.handling import handle
from crmd.engine.run import Run
from crmd.engine.settler import Settler
from crmd.store import jobs, leases
from crmd.store.claimed_row import whole
from crmd.store.jobs import NewJobs
from crmd.store.leases import BEGINNING, Token

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    import crmd
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(durable_plugin)
ENQUEUE = "SELECT crmd.enqueue('answers', jsonb_build_object('number', $1::int, 'word', $2::text), after => $3)"
HELD = "SELECT count(*) FROM crmd.job WHERE held = 'after'"


@pytest.fixture(autouse=True)
def nothing_called() -> Iterator[None]:
    """Each test counts for itself."""
    CALLS.clear()
    PROGRAM.clear()
    yield
    PROGRAM.clear()


async def enqueue(workbench: Workbench, number: int = 0, word: str = "", after: Sequence[UUID] = ()) -> UUID:
    """A job that may fail, and that comes after others."""
    job_id: UUID = await workbench.everything.pools.control.fetchval(ENQUEUE, number, word, list(after))
    return job_id


async def test_a_chain_runs_in_its_order(workbench: Workbench) -> None:
    """Each job of a chain begins when the one before has completed, and not earlier."""
    ids = [await enqueue(workbench, 0)]
    for number in range(1, 5):
        ids.append(await enqueue(workbench, number, after=[ids[-1]]))
    assert await workbench.everything.pools.control.fetchval(HELD) == 4
    ran = await workbench.drain()
    assert [one.id for one in ran] == ids


async def test_a_diamond_joins(workbench: Workbench) -> None:
    """A job that comes after two begins when both have completed."""
    top = await enqueue(workbench, 1)
    left, right = [await enqueue(workbench, number, after=[top]) for number in (2, 3)]
    bottom = await enqueue(workbench, 4, after=[left, right])
    ran = await workbench.drain()
    assert ran[0].id == top
    assert ran[-1].id == bottom
    assert {one.status for one in ran} == {"completed"}


async def test_a_failure_cancels_what_comes_after(workbench: Workbench) -> None:
    """A job whose predecessor did not complete is cancelled at once with the reason, and so on down the chain."""
    first = await enqueue(workbench, 1, "fail")
    other = await enqueue(workbench, 2)
    await workbench.everything.pools.control.execute(
        "UPDATE crmd.job SET run_at = run_at + interval '1 hour', rank_at = rank_at + interval '1 hour' WHERE id = $1",
        other,
    )
    second = await enqueue(workbench, 3, after=[first, other])
    third = await enqueue(workbench, 4, after=[second])
    await workbench.drain()
    for job_id, count in ((second, 2), (third, 1)):
        ended = await workbench.finished(job_id)
        assert ended.status == "cancelled"
        assert ended.message == f"1 of the {count} jobs that it waited for did not complete"
    assert await workbench.everything.pools.control.fetchval("SELECT count(*) FROM crmd.family") == 0


async def test_a_job_may_come_after_any_end(workbench: Workbench) -> None:
    """With is_after_any a job begins once those before it are over, however they ended."""
    first = await enqueue(workbench, 1, "fail")
    new = NewJobs(type="answers", payloads=[b"{}"], after=[first], is_after_any=True)
    [second] = await jobs.enqueue_many(workbench.everything.pools.control, new)
    third = await workbench.everything.pools.control.fetchval(
        "SELECT crmd.enqueue('answers', after => ARRAY[$1::uuid], is_after_any => true)", first
    )
    await workbench.drain()
    assert {(await workbench.finished(job_id)).status for job_id in (second.id, third)} == {"completed"}


async def test_what_is_over_already_counts(workbench: Workbench) -> None:
    """A job after one that has completed begins at once; after one that has failed it is cancelled at once."""
    good, bad = await enqueue(workbench, 1), await enqueue(workbench, 2, "fail")
    await workbench.drain()
    after_good, after_bad = await enqueue(workbench, 3, after=[good]), await enqueue(workbench, 4, after=[bad])
    assert (await workbench.finished(after_bad)).status == "cancelled"
    [done] = await workbench.drain()
    assert done.id == after_good


async def test_only_jobs_that_exist_can_come_before(workbench: Workbench) -> None:
    """An unknown id is refused with a code of crmd's own; so no circle can be made."""
    unknown = workbench.workspace_id
    with pytest.raises(asyncpg.PostgresError, match=f"there is no job {unknown} to come after") as refused:
        await enqueue(workbench, 1, after=[unknown])
    assert refused.value.sqlstate == "CR008"
    assert await workbench.everything.pools.control.fetchval("SELECT count(*) FROM crmd.job") == 0


async def test_a_strangers_job_cannot_come_before(workbench: Workbench) -> None:
    """The job of another workspace is as unknown as none, so that its end tells nothing."""
    own = await workbench.enqueue("answers", {"number": 1})
    pool = workbench.everything.pools.control
    with pytest.raises(asyncpg.PostgresError, match="to come after"):
        await pool.execute(
            "SELECT crmd.enqueue('answers', workspace_id => gen_random_uuid(), after => ARRAY[$1::uuid])", own.id
        )


async def test_a_plain_job_that_runs_is_waited_for(workbench: Workbench) -> None:
    """A job that leaves nothing, whose claim knew of no dependents, releases those that came while it ran."""
    pool = workbench.everything.pools.control

    async def handler(_ctx: crmd.Context) -> None:
        CALLS["after"] = 0
        PROGRAM["after"] = await enqueue(workbench, 1, after=[PROGRAM["before"]])

    PROGRAM["handler"] = handler
    first = await workbench.enqueue("as-told", workspace_id=None)
    PROGRAM["before"] = first.id
    assert (await workbench.attempt(first.id)).status == "completed"
    assert await pool.fetchval(HELD) == 0
    [done] = await workbench.drain()
    assert done.id == PROGRAM["after"]


async def test_cancelling_releases_and_is_passed_on(workbench: Workbench) -> None:
    """A cancelled job takes with it what was to come after it; cancelling a held one leaves the earlier alone."""
    first = await enqueue(workbench, 1)
    second = await enqueue(workbench, 2, after=[first])
    third = await enqueue(workbench, 3, after=[first])
    pool = workbench.everything.pools.control
    assert await jobs.cancel(pool, third, "not needed") == "cancelled"
    assert (await workbench.finished(third)).message == "not needed"
    assert await jobs.cancel(pool, first, "not needed") == "cancelled"
    assert (await workbench.finished(second)).status == "cancelled"
    assert await pool.fetchval("SELECT count(*) FROM crmd.family") == 0
    assert await workbench.drain() == []


async def test_a_long_chain_falls_without_breaking(workbench: Workbench) -> None:
    """A chain of three thousand whose first job fails is cancelled in one go, without recursion."""
    pool = workbench.everything.pools.control
    first = await enqueue(workbench, 1, "fail")
    await pool.execute(
        """DO $$ DECLARE v uuid; BEGIN
           SELECT id INTO v FROM crmd.job;
           FOR i IN 1..3000 LOOP v := crmd.enqueue('answers', after => ARRAY[v]); END LOOP; END $$"""
    )
    await workbench.attempt(first)
    assert await pool.fetchval("SELECT count(*) FROM crmd.job") == 0
    assert await pool.fetchval("SELECT count(*) FROM crmd.archive WHERE status = 'cancelled'") == 3000


async def test_ten_thousand_after_one(workbench: Workbench) -> None:
    """Ten thousand jobs after one are released by its end, and each runs once."""
    pool = workbench.everything.pools.control
    first = await enqueue(workbench, 1)
    await pool.execute(
        "SELECT crmd.enqueue_many('notes', array_fill('{}'::jsonb, ARRAY[10000]), after => ARRAY[$1::uuid])", first
    )
    assert await pool.fetchval(HELD) == 10_000
    await workbench.attempt(first)
    assert await pool.fetchval("SELECT count(*) FROM crmd.job WHERE held IS NULL AND run_at <= crmd.clock()") == 10_000
    assert await pool.fetchval("SELECT count(*) FROM crmd.dependency") == 0


async def test_one_after_ten_thousand(workbench: Workbench) -> None:
    """A job after thousands of others begins with the last of them."""
    pool = workbench.everything.pools.control
    await pool.execute("SELECT crmd.enqueue_many('notes', array_fill('{}'::jsonb, ARRAY[3000]))")
    ids = [row["id"] for row in await pool.fetch("SELECT id FROM crmd.job")]
    last = await enqueue(workbench, 1, after=ids)
    ran = await workbench.drain()
    assert (len(ran), ran[-1].id) == (3001, last)


async def test_an_open_transaction_holds_up_nobody(
    workbench: Workbench, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    """A transaction that made jobs wait for a running one and stays open keeps it from ending no moment longer."""
    first = await enqueue(workbench, 1)
    async with outside.transaction():
        second = await outside.fetchval(ENQUEUE, 2, "", [first])
        with anyio.fail_after(5):
            assert (await workbench.attempt(first)).status == "completed"
    [done] = await workbench.drain()
    assert done.id == second


async def test_enqueuers_and_settlers_at_once_lose_no_release(workbench: Workbench) -> None:
    """Jobs that are made to wait while those before them are claimed, given back and ended are all released."""
    pool = workbench.everything.pools.control
    known: list[UUID] = [await enqueue(workbench, number) for number in range(20)]
    random_source = random.Random(7)  # noqa: S311 - an order, not a secret
    settler = Settler(pool, lambda _: None)
    daemon_id = await pool.fetchval("SELECT id FROM crmd.daemon")
    services = workbench.everything.services

    async def add(count: int) -> None:
        for _ in range(count):
            before = random_source.sample(known, min(len(known), 3))
            known.append(await enqueue(workbench, 1, after=before))

    async def work(rounds: int) -> None:
        for _ in range(rounds):
            rows = await leases.claim_ready(pool, daemon_id, "fast", 3, BEGINNING, leases.new_claim_id())
            for row in map(whole, rows):
                run = Run(row, services.job_types[row["type"]], Token(row["id"], row["fence"], row["claim_id"]))
                if random_source.random() < 0.3:
                    await leases.give_back(pool, [run.token])
                else:
                    settler.add(run, await handle(run, services))
                    await settler.settle_once()

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(add, 40)
        tasks.start_soon(work, 120)
    await workbench.drain()
    assert await pool.fetchval("SELECT count(*) FROM crmd.job") == 0
    assert await pool.fetchval("SELECT count(*) FROM crmd.archive WHERE status = 'completed'") == 180


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.lists(st.tuples(st.sets(st.integers(0, 9), max_size=3), st.booleans()), min_size=1, max_size=10),
)
async def test_any_graph_ends_as_its_rule_says(workbench: Workbench, shape: list[tuple[set[int], bool]]) -> None:
    """In any graph a job completes exactly if it does not fail and all before it completed; nothing is left waiting."""
    ids: list[UUID] = []
    well: list[bool] = []
    for place, (before, fails) in enumerate(shape):
        earlier = [one for one in sorted(before) if one < place]
        ids.append(await enqueue(workbench, place, "fail" if fails else "", [ids[one] for one in earlier]))
        well.append(not fails and all(well[one] for one in earlier))
    await workbench.drain()
    assert [(await workbench.finished(job_id)).status == "completed" for job_id in ids] == well
    pool = workbench.everything.pools.control
    assert await pool.fetchval("SELECT count(*) FROM crmd.dependency") == 0
    assert await pool.fetchval("SELECT count(*) FROM crmd.family") == 0
