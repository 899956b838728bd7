"""Compares, each minute, the leases that the database thinks a daemon holds with what it runs, and mends both sides."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from crmd.outcome import Stop
from crmd.store import leases
from crmd.store.leases import Token
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from uuid import UUID

    from crmd.engine.executor import Executor
    from crmd.engine.settler import Settler
    from crmd.store.pools import Pool

_LOG = logging.getLogger("crmd.engine")
_SQL = load_queries("crmd.store")


async def audit_once(pool: Pool, daemon_id: UUID, executor: Executor, settler: Settler) -> int:
    """Give back leases that this daemon does not know, stop jobs whose lease is gone; answers how many were mended.

    A lease may be a claim that is just arriving, or one that is just being settled: only leases older than ten seconds
    count, none of a claim whose answer is still to come or was lost, and nothing while outcomes wait to be written.
    """
    if settler.backlog:
        return 0
    known = dict(executor.runs)
    rows = await pool.fetch(_SQL.daemon_leases, daemon_id)
    here = known.keys() | executor.runs.keys()
    queues = (*executor.queues.values(), executor.suspects)
    unanswered = {claim_id for queue in queues for claim_id in queue.unanswered}
    strays = [
        Token(row["id"], row["fence"], row["claim_id"])
        for row in rows
        if row["is_settled"] and row["claim_id"] not in unanswered and row["id"] not in here
    ]
    if strays and not settler.backlog:
        await leases.give_back(pool, strays)
        _LOG.warning("%d leases that this daemon did not know were given back", len(strays))
    held = {(row["id"], row["claim_id"]) for row in rows}
    lost = [run for run in known.values() if (run.token.id, run.token.claim_id) not in held and run.started]
    lost = [run for run in lost if executor.runs.get(run.token.id) is run]
    for run in lost:
        _LOG.warning("job %s is not this daemon's any more; it is stopped here", run.token.id)
        run.halt(Stop.LEASE_LOST)
    return len(strays) + len(lost)


async def release_all(pool: Pool, daemon_id: UUID) -> int:
    """Give back every lease of an incarnation whose tasks have all ended, in order; answers how many."""
    rows = await pool.fetch(_SQL.daemon_leases, daemon_id)
    tokens = [Token(row["id"], row["fence"], row["claim_id"]) for row in rows]
    return await leases.give_back(pool, tokens) if tokens else 0
