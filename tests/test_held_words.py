"""What a job is held for, told alike wherever somebody looks: no count and no poll takes a held job for a due one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import sample_jobs

from crmd.store import explanation, overview
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from uuid import UUID

    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
SQL = load_queries("crmd.store")
HELD = {
    "children": "processing", "gather": "processing", "after": "pending", "suspect": "pending",
    "reconcile": "pending", "key": "pending", "unknown": "pending",
}  # fmt: skip


async def held_job(workbench: Workbench, held: str, job_type: str = "add-one") -> UUID:
    """A due job that is held."""
    pool = workbench.everything.pools.control
    job_id: UUID = await pool.fetchval("SELECT crmd.enqueue($1, '{\"number\": 1}')", job_type)
    await pool.execute("UPDATE crmd.job SET held = $2 WHERE id = $1", job_id, held)
    return job_id


async def queue(workbench: Workbench) -> dict[str, Any]:
    """The only queue with jobs, as `crmd status` counts it."""
    status = await overview.status(workbench.everything.pools.control)
    [row] = status["queues"]
    return dict(row)


async def test_every_word_is_tried_here(workbench: Workbench) -> None:
    """A further word that a job may be held for has to be told as well."""
    check = await workbench.everything.pools.control.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'job_held_check'"
    )
    assert set(re.findall(r"'([a-z]+)'", check)) == set(HELD)


@pytest.mark.parametrize("word", HELD)
async def test_a_held_job_is_told_and_not_due(workbench: Workbench, word: str) -> None:
    """Counted as held, explained as held, listed under its status, and never the reason for a poll."""
    pool = workbench.everything.pools.control
    job_id = await held_job(workbench, word)
    row = await pool.fetchrow("SELECT status, held FROM crmd.jobs WHERE id = $1", job_id)
    assert row is not None
    assert tuple(row) == (HELD[word], word)
    counted = await queue(workbench)
    assert (counted["due"], counted["scheduled"], counted["held"], counted["oldest_due_seconds"]) == (0, 0, 1, 0)
    assert await pool.fetchval(SQL.next_due, "normal", 60.0, []) is None
    told = await explanation.explanation_of(workbench.everything.pools.plugins, job_id)
    assert told is not None
    [hold] = [gate for gate in told.gates if gate.name == "hold"]
    assert hold.verdict == "wait"
    assert not hold.text.startswith("it is held:")


async def test_a_former_name_is_a_known_one(workbench: Workbench) -> None:
    """A job that was enqueued before its type got another name is not told of as unknown."""
    pool = workbench.everything.pools.control
    job_id = await pool.fetchval("SELECT crmd.enqueue('add-one', '{\"number\": 1}')")
    await pool.execute("UPDATE crmd.job SET type = 'plus-one' WHERE id = $1", job_id)
    assert (await overview.status(pool))["unknown_types"] == []
    told = await explanation.explanation_of(workbench.everything.pools.plugins, job_id)
    assert told is not None
    assert {gate.verdict for gate in told.gates if gate.name == "type"} == {"pass"}


async def test_a_job_that_waits_for_anothers_effect_is_told_which(workbench: Workbench) -> None:
    """Two jobs may plan one effect; the one that came second waits for what the first has handed over."""
    job_id = await held_job(workbench, "reconcile")
    await workbench.everything.pools.control.execute(
        "INSERT INTO crmd.effect (kind, key, state, job_id, job_type, waiting, planned_at, changed_at)"
        " VALUES ('mail', 'x', 'unknown', gen_random_uuid(), 'sends', ARRAY[$1::uuid], crmd.clock(), crmd.clock())",
        job_id,
    )
    told = await explanation.explanation_of(workbench.everything.pools.plugins, job_id)
    assert told is not None
    assert "whether mail x took place" in next(gate.text for gate in told.gates if gate.name == "hold")
