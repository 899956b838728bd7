"""Lists and views stay led by their indexes beside a filled archive, and say the same as the jobs that they count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
import sample_jobs

from crmd.api.operators.attention import wants_of
from crmd.api.operators.series import percentile, points_of
from crmd.store import history
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
SQL = load_queries("crmd.store")
FILL = (Path(__file__).parent / "bench" / "listing_fill.sql").read_text("utf-8")
FIRST = UUID(int=1)
CALM: dict[str, Any] = {
    "queues": [], "running": 0, "orphaned": 0, "daemons": [{"is_alive": True}], "dead_last_day": [],
    "unknown_types": [], "schedules_late": 0, "schedules_broken": [], "suspects": 0, "quarantined": [],
    "projections_stalled": [], "effects_unknown": 0, "failovers": [], "gates_closed": 0, "connections": [],
}  # fmt: skip


async def test_lists_and_views_over_a_filled_archive(workbench: Workbench) -> None:
    """Each list is the same as a plain look finds, reads a few of 30,000 rows, and the views count every one."""
    async with workbench._pool.acquire() as connection:
        await connection.execute(FILL)
        for day in range(3):
            await connection.execute("SELECT pg_temp.fill_day($1, 10000)", day)
        await connection.execute("VACUUM ANALYZE crmd.archive")
        user = await connection.fetchval(
            "SELECT user_id FROM crmd.archive WHERE workspace_id = $1 AND user_id IS NOT NULL LIMIT 1", FIRST
        )
        for statuses, types, user_id in [
            (None, None, None), (["dead"], None, None), (["failed", "dead"], None, None), (None, ["type-39"], None),
            (["dead"], ["type-00"], None), (None, None, user), (["completed"], ["type-00"], user),
        ]:  # fmt: skip
            wanted = (FIRST, statuses, types, user_id, None, None, None, 5, 10, 5000)
            listed = [row["id"] for row in await connection.fetch(SQL.api_job_list, *wanted)]
            plain = await connection.fetch(
                "SELECT id FROM crmd.jobs WHERE workspace_id = $1 AND ($2::text[] IS NULL OR status = ANY ($2)) "
                "AND ($3::text[] IS NULL OR type = ANY ($3)) AND ($4::uuid IS NULL OR user_id = $4) "
                "ORDER BY id DESC OFFSET 5 LIMIT 10", FIRST, statuses, types, user_id,
            )  # fmt: skip
            assert listed == [row["id"] for row in plain], (statuses, types, user_id)
        async with connection.transaction():
            before = await connection.fetchval(READ)
            await connection.fetch(SQL.api_job_list, FIRST, ["dead"], None, None, None, None, None, 0, 10, 5000)
            assert await connection.fetchval(READ) - before <= 200
        await connection.execute(
            "UPDATE crmd.ended_until SET hour_at = date_trunc('day', crmd.clock()) - interval '4 days', "
            "minute_at = date_trunc('day', crmd.clock()) - interval '4 days', "
            "users_day = (date_trunc('day', crmd.clock()) - interval '4 days')::date"
        )
        for _ in range(2):  # before they are counted, and behind it
            told = await connection.fetchrow(
                "SELECT (SELECT sum(jobs) FROM crmd.job_statistics), (SELECT sum(jobs) FROM crmd.jobs_by_user), "
                "(SELECT count(*) FROM crmd.archive), (SELECT count(*) FROM crmd.archive WHERE user_id IS NOT NULL)"
            )
            assert told is not None
            assert (told[0], told[1]) == (told[2], told[3])
            while await history.count_once(connection):
                pass
        failures = await connection.fetch("SELECT status, finished_at FROM crmd.recent_failures")
        assert {row["status"] for row in failures} == {"failed", "dead"}
        assert failures == sorted(failures, key=lambda row: row["finished_at"], reverse=True)


READ = (
    "SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::bigint FROM pg_stat_xact_user_tables "
    "WHERE relname ~ '^archive'"
)


async def test_stuck_jobs_say_why(workbench: Workbench) -> None:
    """A job that is long due, one of no known type and one whose daemon is gone are stuck, and a fresh one is not."""
    for number in range(4):
        await workbench.enqueue("add-one", {"number": number})
    pool = workbench._pool
    ids = [row["id"] for row in await pool.fetch("SELECT id FROM crmd.job ORDER BY id")]
    await pool.execute("UPDATE crmd.job SET run_at = run_at - interval '1 hour' WHERE id = $1", ids[0])
    await pool.execute("UPDATE crmd.job SET held = 'unknown' WHERE id = $1", ids[1])
    rows = await pool.fetch("SELECT id, reason FROM crmd.stuck_jobs ORDER BY id")
    assert [(row["id"], row["reason"]) for row in rows] == [
        (ids[0], "due and not begun"),
        (ids[1], "no daemon knows its type"),
    ]


async def test_a_role_may_be_let_look(workbench: Workbench) -> None:
    """A role with crmd.grant_views reads the views over all workspaces, and no keys; without it nothing."""
    await workbench.enqueue("add-one", {"number": 1}, workspace_id=uuid4())
    await workbench.drain()
    role = f"looker_{uuid4().hex[:8]}"
    async with workbench._pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(f"CREATE ROLE {role}")
            await connection.execute("SELECT crmd.grant_views($1)", role)
            await connection.execute(f"SET LOCAL ROLE {role}")
            assert await connection.fetchval("SELECT sum(jobs) FROM crmd.job_statistics") == 1
            for view in ("stuck_jobs", "recent_failures", "jobs_by_user"):
                assert await connection.fetch(f"SELECT * FROM crmd.{view}") == []
            assert not await connection.fetchval("SELECT has_table_privilege('crmd.api_key', 'SELECT')")
        finally:
            await transaction.rollback()


def test_percentiles_lie_inside_their_steps() -> None:
    """A share of the jobs is found in the step that holds it, evenly inside; of no jobs there is none."""
    assert percentile({}, 0.5) is None
    assert percentile({10: 100}, 0.5) == pytest.approx(0.768)
    assert percentile({0: 95, 10: 5}, 0.95) == pytest.approx(0.001)
    assert percentile({0: 1, 20: 99}, 0.95) == pytest.approx(1024.4, rel=0.01)


def test_points_have_no_gaps() -> None:
    """Every bucket up to now has a point, with what ended in it and nothing else."""
    now = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
    at = datetime(2026, 3, 1, 11, 58, tzinfo=UTC)
    rows = [
        {"at": at, "measure": "jobs", "status": "completed", "step": 0, "jobs": 3, "seconds": 1.0},
        {"at": at, "measure": "jobs", "status": "dead", "step": 0, "jobs": 1, "seconds": 1.0},
        {"at": at, "measure": "wait", "status": "", "step": 4, "jobs": 4, "seconds": 0.1},
    ]
    points = points_of(rows, {at: 7}, now=now, bucket_seconds=60, back_seconds=180)
    assert [point.at for point in points] == [at + timedelta(minutes=minute) for minute in (-1, 0, 1, 2)]
    assert [(point.completed, point.failed, point.depth) for point in points[:3]] == [
        (0, 0, None),
        (3, 1, 7),
        (0, 0, None),
    ]
    assert points[1].wait_p50_seconds == pytest.approx(0.012)


def test_what_needs_a_person_comes_worst_first() -> None:
    """A calm fleet wants nothing; each trouble is told with where to look, and what is bad comes first."""
    assert wants_of(CALM, {"day": 0, "hour": 0}) == []
    lost = {"id": "c1", "account": "ada@example.org", "provider": "gmail", "state": "needs_reauth"}
    status = CALM | {
        "daemons": [], "schedules_late": 2, "connections": [lost] * 7, "gates_closed": 9,
        "queues": [{"queue": "slow", "due": 5, "oldest_due_seconds": 900}],
        "quarantined": [{"plugin": "mad", "reason": "it crashed"}], "unknown_types": ["gone"],
        "dead_last_day": [{"type": "x", "jobs": 30}], "effects_unknown": 1, "suspects": 1,
    }  # fmt: skip
    wants = wants_of(status, {"day": 30, "hour": 20})
    kinds = [want.kind for want in wants]
    assert [want.severity for want in wants] == sorted(want.severity for want in wants)
    assert {"daemons", "plugins", "connections", "queues", "schedules", "jobs", "effects", "dead", "gates"} == set(
        kinds
    )
    assert kinds.count("connections") == 6
    assert (
        wants_of(CALM | {"dead_last_day": [{"type": "x", "jobs": 2}]}, {"day": 2, "hour": 1})[0].severity == "warning"
    )


async def test_users_are_added_up_over_thirty_days(workbench: Workbench) -> None:
    """However days pass, the view tells of each user what the archive holds of the last 30 days."""
    pool, workspace_id, users = workbench._pool, uuid4(), [UUID(int=number) for number in range(1, 4)]
    told: list[tuple[Any, ...]] = []
    for day in range(70):
        if day not in range(20, 26):  # nothing for some days
            for user in users[: 1 + day % 3] if day < 40 else users[:1]:
                await pool.execute(ENDED, workspace_id, user, ("completed", "dead", "cancelled")[day % 3])
        await workbench.clock.advance(86_400)
        while await history.count_once(pool):
            pass
        told = [tuple(row) for row in await pool.fetch(TOLD)]
        assert told == [tuple(row) for row in await pool.fetch(PLAIN)], day
    assert [row[0] for row in told] == users[:1]
    assert await pool.fetchval("SELECT count(*) FROM crmd.ended_user_month") == 1


ENDED = """
INSERT INTO crmd.archive (id, finished_at, run_at, created_at, started_at, fence, attempt, max_attempts, crash_count,
    snooze_count, status, type, queue, priority, payload, workspace_id, user_id)
SELECT crmd.uuid7(), c, c, c, c - interval '2 seconds', 1, 1, 3, 0, 0, $3, 'x', 'fast', 'normal', '{}', $1, $2
FROM crmd.clock() c
"""
TOLD = "SELECT user_id, jobs, completed, failed, cancelled, seconds, last_at FROM crmd.jobs_by_user ORDER BY user_id"
PLAIN = """
SELECT user_id, count(*), count(*) FILTER (WHERE status = 'completed'), count(*) FILTER (WHERE status = 'dead'),
    count(*) FILTER (WHERE status = 'cancelled'), 2.000 * count(*), max(finished_at)
FROM crmd.archive
WHERE (finished_at AT TIME ZONE 'UTC')::date > (crmd.clock() AT TIME ZONE 'UTC')::date - 30 GROUP BY 1 ORDER BY 1
"""
