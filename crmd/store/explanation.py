"""Why a job does not run yet, asked of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.explaining import HOLDERS_MAX, LINE_MAX, Explanation, explain
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from uuid import UUID

    from crmd.store.pools import Pool

_SQL = load_queries("crmd.store")


async def explanation_of(pool: Pool, job_id: UUID, *, is_for_operator: bool = True) -> Explanation | None:
    """The explanation; None: there is no such job.

    Args:
        pool: One whose JSON columns are plain objects.
        job_id: Which job.
        is_for_operator: Otherwise it names no machine and no job that may be another workspace's.
    """
    facts = await pool.fetchval(_SQL.explain_job, job_id, LINE_MAX)
    if facts is None:
        return None
    rows = [dict(row) for row in await pool.fetch(_SQL.explain_keys, facts["lane"] or "", HOLDERS_MAX)]
    if not is_for_operator:
        nowhere = {"host": "", "pid": None}
        facts["daemons"] = [one | nowhere for one in facts["daemons"]]
        facts["running_on"] = facts["running_on"] and facts["running_on"] | nowhere
        rows = [row | {"holders": None} for row in rows]
    return explain(facts, rows)
