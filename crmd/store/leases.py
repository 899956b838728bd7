"""The claims of a daemon: taking jobs into `crmd.lease`, proving that they are held, and settling them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID, uuid4

import msgspec

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")
Watermark: TypeAlias = tuple[datetime, UUID]
"""How far a queue is claimed, as (rank_at, id) of its last job."""
BEGINNING: Watermark = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))


class Token(msgspec.Struct, frozen=True, gc=False):
    """What proves that a job is held: both fence and claim id must match its row. One is made for every job."""

    id: UUID
    fence: int
    claim_id: UUID

    def __iter__(self) -> Iterator[object]:
        """As the parameters of a statement."""
        return iter((self.id, self.fence, self.claim_id))


@dataclass(slots=True)
class EndedRow:
    """A job to be moved to the archive. JSON fields are bytes."""

    token: Token
    status: str
    result: bytes | None = None
    error: bytes | None = None
    progress: bytes | None = None


@dataclass(slots=True)
class RequeuedRow:
    """A job to be given back to the queue."""

    token: Token
    delay_seconds: float | None
    is_attempt_given_back: bool
    snoozes: int = 0
    error: bytes | None = None
    progress: bytes | None = None
    held: str | None = None


async def claim_ready(
    pool: Pool,
    daemon_id: UUID,
    queue: str,
    limit: int,
    watermark: Watermark,
    claim_id: UUID,
    paused_types: Sequence[str] = (),
) -> list[Any]:
    """Claim up to `limit` due jobs that need no key, behind the watermark, in order; see `claimed_row.whole`."""
    return await pool.fetch(_SQL.claim_ready, queue, limit, claim_id, *watermark, daemon_id, paused_types)


async def claim_one(pool: Connection | Pool, daemon_id: UUID, job_id: UUID, claim_id: UUID) -> list[Any]:
    """Claim one job by its id, if it waits and is due; whoever calls has checked its keys."""
    return await pool.fetch(_SQL.claim_one, job_id, claim_id, daemon_id)


async def suspects_waiting(
    connection: Connection, limit: int, types: Sequence[str], queues: Sequence[str]
) -> list[Any]:
    """The suspects of these types and queues that are due, as (id, lane)."""
    return await connection.fetch(_SQL.suspects_waiting, limit, types, queues)


async def claim_suspects(
    connection: Connection | Pool, daemon_id: UUID, ids: Sequence[UUID], claim_id: UUID
) -> list[Any]:
    """Claim suspects, each to run alone; whoever calls has checked their keys."""
    return await connection.fetch(_SQL.claim_suspects, ids, claim_id, daemon_id)


async def find_claim(pool: Pool, claim_id: UUID) -> list[Any]:
    """What a claim got, when its answer was lost."""
    return await pool.fetch(_SQL.claim_found, claim_id)


async def free_started(pool: Pool, ids: Sequence[UUID], keys: Sequence[str]) -> None:
    """Give back the unique keys of scope `waiting` of jobs that have started."""
    await pool.execute(_SQL.unique_started, ids, keys)


async def settle_done(connection: Connection, tokens: Sequence[Token]) -> int:
    """Move jobs of their first claim that went well and left nothing to say; answers how many were still ours."""
    places: dict[UUID, int] = {}
    claims = [places.setdefault(token.claim_id, len(places) + 1) for token in tokens]
    tag: str = await connection.execute(_SQL.settle_done, [token.id for token in tokens], claims, list(places))
    return int(tag.rpartition(" ")[2])


async def settle_ended(connection: Connection, rows: Sequence[EndedRow]) -> set[UUID]:
    """Move jobs to the archive; answers those that were still ours."""
    moved = await connection.fetch(
        _SQL.settle_ended,
        *_tokens([row.token for row in rows]),
        [row.status for row in rows],
        [row.result for row in rows],
        [row.error for row in rows],
        [row.progress for row in rows],
    )
    return {row["id"] for row in moved}


async def settle_requeued(connection: Connection, rows: Sequence[RequeuedRow]) -> set[UUID]:
    """Give jobs back to the queue; answers those that were still ours.

    One that somebody asked to stop while it ran, and that went back for a reason of its own, ends there.
    """
    moved = await connection.fetch(
        _SQL.settle_returned,
        *_tokens([row.token for row in rows]),
        [row.delay_seconds for row in rows],
        [row.is_attempt_given_back for row in rows],
        [row.snoozes for row in rows],
        [row.error for row in rows],
        [row.progress for row in rows],
        [row.held for row in rows],
    )
    return await _without_cancelled(connection, moved)


async def give_back(pool: Pool, tokens: Sequence[Token]) -> int:
    """Give jobs back in order, to the place they had: no attempt and no crash is counted. Answers how many."""
    async with pool.acquire() as connection:
        return len(
            await settle_requeued(connection, [RequeuedRow(token, 0.0, is_attempt_given_back=True) for token in tokens])
        )


async def return_reaped(
    connection: Connection,
    tokens: Sequence[Token],
    delays_seconds: Sequence[float],
    error: bytes,
    are_apart: Sequence[bool] | None = None,
) -> set[UUID]:
    """Give the jobs of a dead daemon back as suspects; their crash stays counted, their attempt does not.

    One that somebody asked to stop after the reaper had read it ends there.

    Args:
        connection: In a transaction.
        tokens: Which.
        delays_seconds: Until each is due.
        error: For their records.
        are_apart: Whether each ran in a process of its own, so that its daemon did not die of it; None: none did.
    """
    count = len(tokens)
    moved = await connection.fetch(
        _SQL.reap_return, *_tokens(tokens), delays_seconds, [error] * count, are_apart or [False] * count
    )
    return await _without_cancelled(connection, moved)


async def is_held(connection: Connection, token: Token) -> bool:
    """Lock the lease until the transaction ends, if the token is the current one."""
    return await connection.fetchval(_SQL.lease_held, token.id, token.fence, token.claim_id) is not None


async def hold(connection: Connection, tokens: Sequence[Token], waiters: Sequence[UUID] = ()) -> None:
    """Lock leases of which a cancel may take several too, in its order, and then the counts of who waits for them.

    Whoever takes them as its statements come to them meets a cancel, or another settler, half-way.
    """
    await connection.execute(_SQL.leases_hold, [token.id for token in tokens])
    if waiters:
        await connection.execute(_SQL.families_hold, waiters)


async def write_checkpoint(connection: Connection | Pool, token: Token, value: object) -> bool:
    """Keep the checkpoint, if the token is the current one."""
    return (await connection.fetchval(_SQL.lease_checkpoint, token.id, token.fence, token.claim_id, value)) is not None


async def write_progress(connection: Connection | Pool, rows: Sequence[tuple[Token, bytes]]) -> None:
    """Write the progress of running jobs; a row that is locked or lost is left alone."""
    await connection.fetch(
        _SQL.lease_progress, *_tokens([token for token, _ in rows]), [progress for _, progress in rows]
    )


async def write_items(connection: Connection | Pool, token: Token, rows: Sequence[tuple[str, str, str | None]]) -> None:
    """Keep what became of items, as (item, outcome, reason)."""
    items, outcomes, reasons = zip(*rows, strict=True)
    await connection.execute(
        _SQL.item_outcomes, token.id, token.fence, token.claim_id, list(items), list(outcomes), list(reasons)
    )


def new_claim_id() -> UUID:
    """Random, and made before the statement, so that a claim whose answer is lost can be looked up."""
    return uuid4()


async def _without_cancelled(connection: Connection, moved: Sequence[Any]) -> set[UUID]:
    """Cancel what went back to the queue although somebody had asked it to stop; answers the ids of all."""
    for row in moved:
        if row["cancel_reason"] is not None:
            await connection.execute(_SQL.job_cancel, row["id"], row["cancel_reason"])
    return {row["id"] for row in moved}


def _tokens(tokens: Sequence[Token]) -> tuple[list[UUID], list[int], list[UUID]]:
    return [token.id for token in tokens], [token.fence for token in tokens], [token.claim_id for token in tokens]
