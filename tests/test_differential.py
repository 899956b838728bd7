"""What the queries of a daemon do, step by step compared with a reference in memory that was written from the docs."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from differential import CLOCK, LEASE_SECONDS, Pair, Step, steps_of
from differential_rows import EPOCH

from crmd.engine import reaper
from crmd.store.pools import Server, open_pools
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crmd.config.loading import Config
    from crmd.store.pools import Pool

SEEDS = int(os.environ.get("CRMD_DIFFERENTIAL_SEEDS", "20"))
STEPS = 60
JOB_TYPE = "INSERT INTO crmd.job_type (name, plugin, queue) VALUES ('twin', 'test', 'normal')"
# For so few rows TRUNCATE costs twenty times what DELETE does.
FILLED = ("job", "lease", "archive", "unique_key", "daemon", "redrive")
EMPTY = ";".join(f"DELETE FROM crmd.{table}" for table in FILLED)
# Nobody is buried before the server has been up for the time of a lease.
UP_FOR = "SELECT pg_sleep($1::float8 - extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8)"


@pytest.fixture
async def twin(crmd_config: Config, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pool]:
    """The engine's pool on a database with an injected clock; a reaper without jitter."""
    assert crmd_config.database.dsn is not None
    monkeypatch.setattr(reaper, "random", SimpleNamespace(random=lambda: 0.0))
    async with open_pools(Server(dsn=crmd_config.database.dsn.reveal())) as pools:
        await pools.control.execute(CLOCK.clock_inject)
        await pools.control.execute(JOB_TYPE)
        await pools.control.execute(UP_FOR, LEASE_SECONDS)
        yield pools.control


async def play(pool: Pool, steps: list[Step]) -> str:
    """Do the steps on both from the beginning; answers where they part, "": nowhere."""
    await pool.execute(EMPTY)
    await pool.execute(CLOCK.clock_freeze, EPOCH)
    pair = Pair(pool)
    for place, step in enumerate(steps):
        try:
            await pair.play(step)
        except AssertionError as error:
            return f"step {place}, {step.word}: {error}"
    return ""


async def shortened(pool: Pool, steps: list[Step]) -> list[Step]:
    """As few of the steps as still show a difference."""
    for place in range(len(steps) - 1, -1, -1):
        fewer = steps[:place] + steps[place + 1 :]
        if await play(pool, fewer):
            steps = fewer
    return steps


async def test_the_database_does_what_the_reference_does(twin: Pool) -> None:
    """Random operations answer the same and leave the same rows, whatever came before them."""
    for seed in range(SEEDS):
        steps = steps_of(seed, STEPS)
        if await play(twin, steps):
            few = await shortened(twin, steps)
            pytest.fail(f"seed {seed}: {[step.word for step in few]}\n{await play(twin, few)}")


@pytest.mark.parametrize(
    ("query", "guard", "without"),
    [
        ("settle_ended", "l.claim_id = s.claim_id", "true"),
        ("settle_returned", "g.crash_count - 1 ELSE 0", "g.crash_count ELSE 0"),
        ("daemon_beat", "AND NOT d.is_dead", ""),
        ("unique_started", "u.scope = 'waiting'", "true"),
    ],
)
async def test_a_broken_query_is_found(
    twin: Pool, monkeypatch: pytest.MonkeyPatch, query: str, guard: str, without: str
) -> None:
    """Change one word of one query, and the two part: the comparison sees what it is for."""
    texts = load_queries("crmd.store")._texts
    assert guard in texts[query]
    monkeypatch.setitem(texts, query, texts[query].replace(guard, without))
    for seed in range(SEEDS):
        if await play(twin, steps_of(seed, STEPS)):
            return
    pytest.fail("no difference was seen")
