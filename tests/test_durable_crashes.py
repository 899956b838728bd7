"""Durable programs that are killed wherever they wait: they end with the result that they have without a kill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import durable_plugin
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmd.engine.reaper import reap_once
from crmd.store import jobs, steps

if TYPE_CHECKING:
    from uuid import UUID

    from crmd.testing import Workbench

pytestmark = [
    pytest.mark.crmd_plugins(durable_plugin),
    # A killed loop leaves tasks behind that never began.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ENDED = {"completed", "failed", "cancelled", "dead"}
WAITED = "SELECT (match ->> 'number')::int FROM crmd.waiting WHERE event IS NULL AND event_type = 'approved'"
EMIT = "SELECT crmd.emit('approved', jsonb_build_object('number', $1::int), $2)"
DUE = "SELECT held IS NULL OR held = 'suspect' FROM crmd.job WHERE id = $1 AND run_at <= crmd.clock()"
CALLS = "SELECT split_part(step, '@', 1) AS name, split_part(step, '@', 2)::bigint AS fence FROM durable.done"
CHILD = "SELECT id FROM crmd.job WHERE held IS NULL AND queue = 'fast' LIMIT 1"
NEVER = 10_000
FILLED = ("job", "lease", "archive", "step", "family", "event", "waiting")
RICH = [["step", 0], ["beside", 2], ["within", 0], ["sleep", 5], ["wait", 1], ["gather", 2], ["late", 30], ["step", 0]]

Operations = list[list[Any]]


def expected(operations: Operations) -> list[object]:
    """What a program comes to."""
    found: list[object] = []
    for place, (word, number) in enumerate(operations):
        match word:
            case "step" | "within":
                found.append(f"{word} {place}")
            case "beside":
                found.append([f"beside {place} {one}" for one in range(number)])
            case "wait":
                found.append(number)
            case "gather":
                found.append([{"number": one} for one in range(number)])
            case _:
                found.append(None)
    return found


async def run_killed(workbench: Workbench, operations: Operations, kills: list[int]) -> tuple[UUID, int]:
    """Run a program to its end, its attempts killed at the steps given; answers its id, and how often it was hit."""
    pool = workbench.everything.pools.control
    enqueued = await workbench.enqueue("program", {"operations": operations})
    hits = 0
    for _ in range(100):
        if (await workbench.finished(enqueued.id)).status in ENDED:
            return enqueued.id, hits
        for row in await pool.fetch(WAITED):
            await pool.execute(EMIT, row[0], workbench.workspace_id)
        if await pool.fetchval(DUE, enqueued.id):
            hits += await attempt(workbench, enqueued.id, kills.pop(0) if kills else None)
        await run_children(workbench)
        await workbench.clock.advance(100)
        await steps.sweep_waiting(pool, 100)
    raise AssertionError(f"{operations} did not end")


async def attempt(workbench: Workbench, job_id: UUID, step: int | None) -> bool:
    """One attempt; whether it was killed, and then recovered as by another daemon."""
    if step is None:
        await workbench.attempt(job_id)
        return False
    daemon = await workbench.daemon()
    one = await daemon.run_killed(await daemon.claim_job(job_id), step)
    if one.is_killed:
        pool = workbench.everything.pools.control
        await pool.execute("UPDATE crmd.daemon SET is_dead = true WHERE id = $1", daemon.id)
        await reap_once(pool)
    return one.is_killed


async def run_children(workbench: Workbench) -> None:
    """Run what is due beside the program."""
    pool = workbench.everything.pools.control
    while (child_id := await pool.fetchval(CHILD)) is not None:
        await workbench.attempt(child_id)


async def check(workbench: Workbench, job_id: UUID, operations: Operations) -> None:
    """The result is that of the program, and no step was called after its outcome was kept."""
    pool = workbench.everything.pools.control
    done = await workbench.finished(job_id)
    result = done.result["value"] if isinstance(done.result, dict) else done.result
    assert (done.status, result, done.attempt) == ("completed", expected(operations), 1), done.message
    kept = {row["name"]: row["fence"] for row in await pool.fetch("SELECT name, fence FROM crmd.step")}
    calls: dict[str, list[int]] = {}
    for row in await pool.fetch(CALLS):
        calls.setdefault(row["name"], []).append(row["fence"])
    for name, fences in calls.items():
        assert max(fences) == kept[name], f"{name} was called after it was kept"
        assert len(set(fences)) == len(fences)
        if name.startswith("within"):
            assert len(fences) == 1, f"{name} wrote twice"
    gathered = sum(number for word, number in operations if word == "gather")
    assert await pool.fetchval("SELECT count(*) FROM crmd.archive WHERE type = 'answers'") == gathered
    assert len(await jobs.list_jobs(pool, limit=1000)) == gathered + 1
    for table in ("waiting", "dependency", "lease", "job"):
        assert await pool.fetchval(f"SELECT count(*) FROM crmd.{table}") == 0, table


async def cleared(workbench: Workbench) -> None:
    """Nothing of an earlier example is left. For a few rows TRUNCATE costs twenty times what DELETE does."""
    pool = workbench.everything.pools.control
    await pool.execute("DELETE FROM durable.done;" + ";".join(f"DELETE FROM crmd.{table}" for table in FILLED))
    await pool.execute("UPDATE crmd.daemon SET lease_until = 'infinity' WHERE id = $1", workbench._daemon_id)


async def test_a_program_that_is_never_killed(workbench: Workbench) -> None:
    """The rich program ends as it says, with every step called once."""
    job_id, hits = await run_killed(workbench, RICH, [])
    assert hits == 0
    await check(workbench, job_id, RICH)


@pytest.mark.slow
async def test_killed_at_every_step(workbench: Workbench) -> None:
    """Killed at each step of its loop in turn, in every attempt, the rich program ends the same."""
    step, hits = 1, 1
    while hits:
        await cleared(workbench)
        job_id, hits = await run_killed(workbench, RICH, [step, NEVER] * 8)
        await check(workbench, job_id, RICH)
        step += 1
    assert step > 10


operation = st.one_of(
    st.tuples(st.sampled_from(["step", "within", "nap"]), st.just(0)),
    st.tuples(st.sampled_from(["beside", "sleep", "wait", "late", "gather"]), st.integers(1, 3)),
).map(list)


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(operations=st.lists(operation, min_size=1, max_size=7), kills=st.lists(st.integers(1, 60), max_size=4))
async def test_any_program_killed_anywhere(workbench: Workbench, operations: Operations, kills: list[int]) -> None:
    """Random programs, killed at random steps of their first attempts, end as without a kill."""
    await cleared(workbench)
    job_id, _ = await run_killed(workbench, operations, list(kills))
    await check(workbench, job_id, operations)
