"""The database's clock steps while jobs run, and daemons vanish at the instants of ticks."""

from __future__ import annotations

import ast
import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import asyncpg
import pytest
import sample_jobs

import crmd
from crmd.engine import scheduler
from crmd.engine.heartbeat import register
from crmd.engine.reaper import reap_once
from crmd.engine.scheduler import schedule_once
from crmd.store import leases
from crmd.store.leases import EndedRow, Token
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from crmd.config.loading import Config
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
SQL = load_queries("crmd.store")
CLOCK = load_queries("crmd.testing")
WALL_CLOCKS = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "date.today", "datetime.today"}
LEASE_SECONDS = 0.05  # the server of the session may have started only just now
START = datetime(2026, 3, 2, 12, tzinfo=UTC)
SCHEDULES = """
INSERT INTO crmd.schedule (id, job_type, expression, timezone, origin, catch_up, overlap, last_due_at, next_due_at,
    updated_at)
SELECT 's' || n, 'add-one', '* * * * *', 'UTC', 'runtime', 'all', 'allow', $1, $1, $1 FROM generate_series(1, 50) n
"""


@pytest.mark.parametrize("step_seconds", [-3600.0, 3600.0])
async def test_a_step_of_the_clock_lets_no_stale_claim_write(workbench: Workbench, step_seconds: float) -> None:
    """An hour forth ends leases early, an hour back lets them last; either way one claim writes, the current one."""
    pool = workbench._pool
    enqueued = await workbench.enqueue("add-one", {"number": 1})
    first, second = [await register(pool, "test", ["fast"], LEASE_SECONDS) for _ in range(2)]
    [row] = await leases.claim_one(pool, first, enqueued.id, leases.new_claim_id())
    stale = Token(row["id"], row["fence"], row["claim_id"])
    await workbench.clock.advance(step_seconds)
    assert (await pool.fetchrow(SQL.daemon_beat, second, LEASE_SECONDS)) is not None
    is_taken = step_seconds > 0
    assert await reap_once(pool) == is_taken
    again = await leases.claim_suspects(pool, second, [enqueued.id], leases.new_claim_id())
    assert len(again) == is_taken
    async with pool.acquire() as connection:
        moved = await leases.settle_ended(connection, [EndedRow(stale, "completed")])
        assert moved == (set() if is_taken else {enqueued.id})
        for row in again:
            current = Token(row["id"], row["fence"], row["claim_id"])
            assert await leases.settle_ended(connection, [EndedRow(current, "completed")]) == {enqueued.id}
    assert await pool.fetchval("SELECT count(*) FROM crmd.archive") == 1


async def test_daemons_that_vanish_at_ticks_double_and_miss_none(
    database: asyncpg.Pool[Any], crmd_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five daemons, some cut off in mid-firing, fire a thousand ticks: each once, each with its job, none left out."""
    monkeypatch.setattr(scheduler, "BATCH", 15)  # so that they share each round
    fire = scheduler._fire_together
    chance = random.Random(1)  # noqa: S311 - to be repeated
    cut = 0

    async def fire_and_vanish(connection: Any, decided: Any) -> None:  # noqa: ANN401 - whatever is passed on
        nonlocal cut
        await fire(connection, decided)
        if chance.random() < 0.3:
            cut += 1
            connection.terminate()
            raise ConnectionResetError

    monkeypatch.setattr(scheduler, "_fire_together", fire_and_vanish)
    await database.execute(CLOCK.clock_inject)
    await database.execute(SCHEDULES, START)
    assert crmd_config.database.dsn is not None
    async with asyncpg.create_pool(crmd_config.database.dsn.reveal(), min_size=0, max_size=5) as daemons:
        for minute in range(1, 21):
            await database.execute(CLOCK.clock_freeze, START + timedelta(minutes=minute))
            await asyncio.gather(*(schedule_once(daemons) for _ in range(5)), return_exceptions=True)
        monkeypatch.setattr(scheduler, "_fire_together", fire)
        with anyio.fail_after(60):
            while not await schedule_once(daemons):  # the locks of a session that was cut off go with it
                pass
    assert cut > 10
    slots = await database.fetch("SELECT schedule_id, due_at, job_id FROM crmd.tick")
    wanted = {(f"s{number}", START + timedelta(minutes=minute)) for number in range(1, 51) for minute in range(1, 21)}
    assert len(slots) == len(wanted)
    assert {(row["schedule_id"], row["due_at"]) for row in slots} == wanted
    made = {row["id"] for row in await database.fetch("SELECT id FROM crmd.job")}
    assert {row["job_id"] for row in slots} == made


def test_nothing_that_decides_reads_the_daemons_clock() -> None:
    """No code between a job and the database asks this machine what time it is, but for figures: it may be wrong."""
    home = Path(crmd.__file__).parent
    folders = [home / name for name in ("engine", "store", "events")]
    files = [*(file for folder in folders for file in folder.rglob("*.py")), home / "due.py", home / "lanes.py"]
    readings = Counter(
        file.name
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in WALL_CLOCKS
    )
    assert readings == {"engine.py": 1}  # when a job ended, for its histogram
