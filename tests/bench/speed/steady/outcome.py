"""What became of the jobs, as the archive and the ledger tell in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speed.steady.judging import Account, Measured
from speed.steady.ledger import read_starts, without_excuse
from speed.steady.phases import GRACE_SECONDS, P99_MAX_MS

if TYPE_CHECKING:
    from speed.steady.phases import Passed
    from speed.steady.stage import Stage

# run_at of a job that was given back is no longer when it was due first; that is when it was made.
WAITS = """
SELECT count(*) FILTER (
        WHERE status = 'completed' AND finished_at <= $3::timestamptz + make_interval(secs => $4)) AS done,
    percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (
        ORDER BY extract(epoch FROM started_at - created_at)::float8 * 1000) AS waits
FROM crmd.archive WHERE type = 'work' AND (payload ->> 'number')::int BETWEEN $1 AND $2
"""
# The end of the last half second after the return in which one job of a hundred waited for too long.
BACK = """
SELECT coalesce(max(bucket) + 0.5, 0)::float8 FROM (
    SELECT floor(extract(epoch FROM created_at - $1::timestamptz) * 2) / 2 AS bucket,
        percentile_disc(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - created_at)) AS wait
    FROM crmd.archive WHERE type = 'work' AND created_at >= $1
        AND (payload ->> 'number')::int BETWEEN $2 AND $3 GROUP BY 1) b
WHERE wait * 1000 > $4
"""
ENDED = """
SELECT id, count(*) AS ends, bool_and(status = 'completed') AS is_completed
FROM crmd.archive WHERE type = 'work' GROUP BY id
"""


async def measured_phase(stage: Stage, passed: Passed) -> Measured:
    """The phase with what became of its jobs, once all are over."""
    row = await stage.database.connection.fetchrow(WAITS, passed.first, passed.last, passed.ended_at, GRACE_SECONDS)
    assert row is not None, "an aggregate always answers a row"
    half, most, nearly_all = row["waits"] or (float("inf"),) * 3
    return Measured(passed=passed, done=row["done"], waits_ms=(half, most, nearly_all))


async def account_of(stage: Stage, phases: list[Passed]) -> Account:
    """What became of everything."""
    ends = {row["id"].bytes: row for row in await stage.database.connection.fetch(ENDED)}
    acknowledged = [job_id.bytes for job_id in stage.offers.acknowledged.values()]
    starts = read_starts(stage.ledger)
    killed = {daemon.process.pid: daemon.killed_at for daemon in stage.daemons if daemon.killed_at is not None}
    return Account(
        acknowledged=len(acknowledged),
        lost=sum(job_id not in ends or not ends[job_id]["is_completed"] for job_id in acknowledged),
        doubled=sum(row["ends"] > 1 for row in ends.values()),
        run_again=sum(len(of_job) > 1 for of_job in starts.values()),
        without_excuse=len(without_excuse(starts, killed)),
        exits=sum(not daemon.is_running and daemon.killed_at is None for daemon in stage.daemons),
        back_seconds=await _back_seconds(stage, phases),
    )


async def _back_seconds(stage: Stage, phases: list[Passed]) -> float | None:
    if stage.back_at is None:
        return None
    [passed] = [one for one in phases if one.phase.name == "database stopped"]
    arguments = (stage.back_at, passed.first, passed.last, P99_MAX_MS)
    return float(await stage.database.connection.fetchval(BACK, *arguments))
