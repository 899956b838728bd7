"""Why a job does not run yet, asked of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.explaining import HOLDERS_MAX, LINE_MAX, Explanation, explain
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from uuid import UUID

    from crmd.store.pools import Pool

_SQL = load_queries("crmd.store")


async def explanation_of(pool: Pool, job_id: UUID) -> Explanation | None:
    """The explanation; None: there is no such job. The pool's JSON columns are plain objects."""
    facts = await pool.fetchval(_SQL.explain_job, job_id, LINE_MAX)
    if facts is None:
        return None
    rows = await pool.fetch(_SQL.explain_keys, facts["lane"] or "", HOLDERS_MAX)
    return explain(facts, [dict(row) for row in rows])
