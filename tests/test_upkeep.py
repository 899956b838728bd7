from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sample_jobs

from crmd.engine.upkeep import INTERVAL_SECONDS, Keep, upkeep_once

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
DAY = 86_400.0
PARTITIONS = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = $1::text::regclass AND c.relname NOT LIKE '%_default' ORDER BY 1
"""


async def partitions(workbench: Workbench, table: str) -> list[str]:
    """The days of a table, by name."""
    return [row["relname"] for row in await workbench._pool.fetch(PARTITIONS, table)]


async def test_the_coming_days_have_their_partitions(workbench: Workbench) -> None:
    """Each round makes today's and the next three days' partitions, and a second round makes none again."""
    await workbench.clock.advance(10 * DAY)
    assert await upkeep_once(workbench._pool, Keep()) == INTERVAL_SECONDS
    wanted = await workbench._pool.fetch(
        "SELECT 'archive_' || to_char(crmd.clock() AT TIME ZONE 'UTC' + n * interval '1 day', 'YYYYMMDD') AS name"
        " FROM generate_series(0, 3) n"
    )
    made = await partitions(workbench, "crmd.archive")
    assert {row["name"] for row in wanted} <= set(made)
    await upkeep_once(workbench._pool, Keep())
    assert await partitions(workbench, "crmd.archive") == made


async def test_retention_drops_whole_days(workbench: Workbench) -> None:
    """What is older than retention goes with everything that belonged to it; what is younger stays."""
    old = await workbench.run_job("fans-out", {"number": 1})
    await workbench.drain()
    await workbench.run_job("walks-pages", {"number": 1})
    await workbench.clock.advance(3 * DAY)
    await upkeep_once(workbench._pool, Keep(archive_days=30))
    young = await workbench.run_job("walks-pages", {"number": 1})
    assert (await workbench.finished(old.id)).status == "completed"
    await workbench.clock.advance(28 * DAY)
    await upkeep_once(workbench._pool, Keep(archive_days=30))
    assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.archive") == 1
    assert (await workbench.finished(young.id)).status == "completed"


async def test_a_sweep_spares_what_is_unfinished(workbench: Workbench) -> None:
    """Items and families of old jobs go once those are over, never while one still waits."""
    parent = await workbench.run_job("fans-out", {"number": 1})
    await workbench.run_job("walks-pages", {"number": 1})
    # Ids tell the time of the machine, not of the injected clock, so the bound is moved past them.
    await workbench.clock.advance(40 * DAY)
    await upkeep_once(workbench._pool, Keep(archive_days=30))
    assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.item") == 0
    assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.family") == 1
    await workbench.drain()
    assert (await workbench.finished(parent.id)).status == "completed"
    await upkeep_once(workbench._pool, Keep(archive_days=30))
    assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.family") == 0


async def test_expired_keys_and_full_buckets_are_forgotten(workbench: Workbench) -> None:
    """A key of scope `for` that ran out goes, one that is held stays; so do buckets."""
    await workbench.run_job("once-an-hour")
    held = await workbench.enqueue("only-once", {"number": 1})
    await workbench._pool.execute(
        "INSERT INTO crmd.bucket VALUES ('old', crmd.clock()), ('new', crmd.clock() + interval '2 days')"
    )
    await workbench.clock.advance(1.5 * DAY)
    await upkeep_once(workbench._pool, Keep())
    assert [row["job_id"] for row in await workbench._pool.fetch("SELECT job_id FROM crmd.unique_key")] == [held.id]
    assert [row["name"] for row in await workbench._pool.fetch("SELECT name FROM crmd.bucket")] == ["new"]


async def test_much_to_sweep_comes_in_small_rounds(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round that leaves something over asks to come again soon."""
    monkeypatch.setattr("crmd.engine.upkeep.SWEEP_MAX", 10)
    await workbench._pool.execute(
        "INSERT INTO crmd.bucket SELECT 'b' || n, crmd.clock() - interval '9 days' FROM generate_series(1, 15) n"
    )
    assert await upkeep_once(workbench._pool, Keep()) == 1.0
    assert await upkeep_once(workbench._pool, Keep()) == INTERVAL_SECONDS
    assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.bucket") == 0


async def test_settling_never_lacks_a_partition(workbench: Workbench) -> None:
    """A day without its partition goes to the default one, and later rounds leave it there."""
    await workbench.clock.advance(20 * DAY)
    done = await workbench.run_job("add-one")
    assert done.status == "completed"
    assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.archive_default") == 1
    await upkeep_once(workbench._pool, Keep())
    assert (await workbench.finished(done.id)).status == "completed"
    await workbench.clock.advance(40 * DAY)
    await upkeep_once(workbench._pool, Keep())
    assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.archive_default") == 0


async def test_payloads_and_results_are_let_go_before_their_jobs(workbench: Workbench) -> None:
    """A class that is kept for less long than its jobs is gone over once, hour by hour; younger jobs keep theirs."""
    old = await workbench.run_job("walks-pages", {"number": 1})
    await workbench.clock.advance(3 * DAY)
    young = await workbench.run_job("walks-pages", {"number": 1})
    await workbench.clock.advance(1.5 * DAY)
    while await upkeep_once(workbench._pool, Keep(payload_days=3, result_days=2)) < INTERVAL_SECONDS:
        pass
    rows = await workbench._pool.fetch("SELECT id, payload <> '{}' AS has_payload, checkpoint, meta FROM crmd.archive")
    kept = {row["id"]: row for row in rows}
    assert not kept[old.id]["has_payload"]
    assert b"isPayloadGone" in kept[old.id]["meta"]
    assert kept[old.id]["checkpoint"] is None
    assert kept[young.id]["has_payload"]
    assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.retention") == 2


async def test_schedules_that_are_done_go_as_ended_jobs_do(workbench: Workbench) -> None:
    """What has fired for once is kept as long as ended jobs are, and then forgotten; what is to fire stays."""
    await workbench._pool.execute(
        "SELECT crmd.schedule(name, 'every-minute', at => crmd.clock() + make_interval(secs => seconds)) "
        "FROM (VALUES ('soon', 1), ('later', 9000000)) v(name, seconds)"
    )
    await workbench.clock.advance(2)
    await workbench.tick()
    for days, wanted in ((29, {"soon", "later"}), (2, {"later"})):
        await workbench.clock.advance(days * DAY)
        await upkeep_once(workbench._pool, Keep())
        rows = await workbench._pool.fetch("SELECT id FROM crmd.schedule WHERE origin = 'runtime'")
        assert {row["id"] for row in rows} == wanted


async def test_whom_a_gone_job_waited_for_is_forgotten(workbench: Workbench) -> None:
    """A dependency that was left to somebody who then did not take it away goes; one of a waiting job stays."""
    pool = workbench._pool
    first = await workbench.enqueue("add-one", {"number": 1})
    second = await pool.fetchval(
        "SELECT crmd.enqueue('add-one', '{\"number\": 2}', after => ARRAY[$1::uuid])", first.id
    )
    await pool.execute(
        "INSERT INTO crmd.dependency VALUES ($1, '00000000-0000-7000-8000-000000000000', false)", first.id
    )
    await workbench.clock.advance(40 * DAY)
    await upkeep_once(pool, Keep())
    assert [row["job_id"] for row in await pool.fetch("SELECT job_id FROM crmd.dependency")] == [second]
