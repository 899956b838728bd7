"""Recovers the jobs of dead daemons. Any daemon does it, behind no limit; the lease's row says who was meant.

Age is never evidence of death: only a daemon whose own row has run out is declared dead, and only then are its jobs
taken. They are suspects from then on, and run alone: see `crmd.engine.suspicion`.
"""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from crmd.engine.suspicion import CRASHES_MAX, reap_delay_seconds
from crmd.store import leases
from crmd.store.leases import EndedRow, Token
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from crmd.store.pools import Connection, Pool

_LOG = logging.getLogger("crmd.engine")
_SQL = load_queries("crmd.store")
PAGE = 500
_CRASHED = msgspec.json.encode({"class": "Crashed", "message": "its daemon died or stopped answering while it ran"})
_POISON = msgspec.json.encode(
    {"class": "Poison", "message": f"its daemon died {CRASHES_MAX} times while it ran; it is not tried again"}
)
_CANCELLED = msgspec.json.encode({"class": "Cancelled", "message": "cancelled while its daemon was dead"})


async def reap_once(pool: Pool, in_processes: Container[str] = ()) -> int:
    """Bury daemons that ran out of time and recover every job of the dead; answers how many jobs.

    Args:
        pool: The control pool.
        in_processes: Job types whose jobs run in processes of their own, and so did not bring a daemon down.
    """
    async with pool.acquire() as connection:
        for row in await connection.fetch(_SQL.daemon_bury):
            _LOG.warning("daemon %s stopped answering; its jobs are recovered", row["id"])
        reaped = 0
        after = UUID(int=0)
        while page := await connection.fetch(_SQL.reap_find, after, PAGE):
            after = page[-1]["id"]
            reaped += await _reap(connection, page, in_processes)
        return reaped


async def _reap(connection: Connection, page: Sequence[Any], in_processes: Container[str]) -> int:
    apart = {row["id"] for row in page if row["is_alone"] or row["type"] in in_processes}
    poison = [row for row in page if row["crash_count"] >= CRASHES_MAX and row["id"] not in apart]
    others = [row for row in page if row not in poison]
    cancelled = [row for row in others if row["is_cancel_requested"]]
    again = [row for row in others if not row["is_cancel_requested"]]
    ended = [EndedRow(_token(row), "poison", error=_POISON) for row in poison]
    ended += [EndedRow(_token(row), "cancelled", error=_CANCELLED) for row in cancelled]
    async with connection.transaction():
        if ended:
            await leases.hold(connection, [row.token for row in ended])
        moved = await leases.settle_ended(connection, ended) if ended else set()
        if again:
            tokens = [_token(row) for row in again]
            chance = random.random()  # noqa: S311 - jitter, not a secret
            # Of what ran apart the crash is not counted, so it does not wait for it either.
            delays = [reap_delay_seconds(row["crash_count"] - (row["id"] in apart), chance) for row in again]
            are_apart = [row["type"] in in_processes for row in again]
            moved |= await leases.return_reaped(connection, tokens, delays, _CRASHED, are_apart)
    for row in poison:
        if row["id"] in moved:
            _LOG.error("job %s (%s) is dead as poison: its daemon died %d times", row["id"], row["type"], CRASHES_MAX)
    return len(moved)


def _token(row: Any) -> Token:  # noqa: ANN401 - a row of reap_find.sql
    return Token(row["id"], row["fence"], row["claim_id"])
