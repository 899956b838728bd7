"""The ledger of effects: rows of crmd.effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crmd.store.queries import load_queries
from crmd.stored_text import clean_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from crmd.ledger import EffectState
    from crmd.store.leases import Token
    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")
REASON_MAX = 1000
OPEN: tuple[EffectState, ...] = ("handed_over", "unknown")


async def planned(
    connection: Connection, workspace_id: UUID | None, kind: str, key: str, job_id: UUID, job_type: str
) -> Mapping[str, Any]:
    """The effect's row, made when there was none, and locked until the transaction ends."""
    row = await connection.fetchrow(_SQL.effect_plan, workspace_id, kind, key, job_id, job_type)
    if row is None:
        raise RuntimeError("an upsert without a condition answers a row")
    return dict(row)


async def is_in_flight(connection: Connection, row: Mapping[str, Any], token: Token) -> bool:
    """Whether another claim is sending the effect now. The present claim sends one thing of a key at a time."""
    holder = (row["job_id"], row["fence"], row["claim_id"])
    if row["state"] != "handed_over" or holder == tuple(token):
        return False
    return bool(await connection.fetchval(_SQL.effect_holder, *holder))


async def hand_over(connection: Connection, effect_id: UUID, token: Token, job_type: str) -> int:
    """Note that this claim is about to send; answers the number of the hand-over."""
    number: int = await connection.fetchval(
        _SQL.effect_hand_over, effect_id, token.id, job_type, token.fence, token.claim_id
    )
    return number


async def doubt(connection: Connection, effect_id: UUID, reason: str, held_job_id: UUID | None) -> None:
    """Note that nobody knows whether it took place, and which job waits until somebody does."""
    await connection.execute(_SQL.effect_doubt, effect_id, reason, held_job_id)


async def keep_back(
    connection: Connection | Pool,
    workspace_id: UUID | None,
    kind: str,
    key: str,
    job: tuple[UUID, str],
    *,
    state: EffectState,
    reason: str,
) -> None:
    """Note that it was not allowed to be handed over. `job` is id and type."""
    await connection.execute(
        _SQL.effect_keep_back, workspace_id, kind, key, *job, state, clean_text(reason, REASON_MAX)
    )


async def settle(
    connection: Connection | Pool,
    effect_id: UUID,
    handover: int,
    state: EffectState,
    *,
    receipt: object = None,
    reason: str | None = None,
) -> bool:
    """What became of a hand-over; False when the row is past it. `receipt` has the form that the codec takes."""
    text = None if reason is None else clean_text(reason, REASON_MAX)
    return await connection.fetchval(_SQL.effect_settle, effect_id, handover, state, receipt, text) is not None


async def resolve(
    connection: Connection, effect_id: UUID, state: EffectState, *, receipt: object = None, reason: str
) -> bool:
    """What somebody has found out about an unknown effect: its jobs go on. False: it is not unknown."""
    async with connection.transaction():
        resolved = await connection.fetchval(_SQL.effect_resolve, effect_id, state, receipt, reason)
        await connection.fetchrow(_SQL.effects_release)
    return resolved is not None


async def release(connection: Connection | Pool) -> int:
    """Let the jobs go on whose effects are known by now; answers how many."""
    row = await connection.fetchrow(_SQL.effects_release)
    return 0 if row is None else int(row["released"])


async def call_unknown(connection: Connection | Pool, reason: str) -> list[Any]:
    """Effects whose sender is gone become unknown; answers their rows."""
    return await connection.fetch(_SQL.effects_orphaned, reason)


async def sweep(connection: Connection | Pool, *, days: int, rows_max: int) -> int:
    """Forget what is over for so long, a bounded number; answers how many."""
    return len(await connection.fetch(_SQL.effect_sweep, days, rows_max))


async def listed(
    connection: Connection | Pool,
    *,
    states: Sequence[str] | None = None,
    kind: str | None = None,
    workspace_id: UUID | None = None,
    before_id: UUID | None = None,
    limit: int = 20,
) -> list[Any]:
    """Effects, newest first, `limit` at a time."""
    return await connection.fetch(_SQL.effect_list, states, kind, workspace_id, before_id, limit, None, None)


async def between(connection: Connection | Pool, first: UUID, last: UUID) -> list[Any]:
    """At most two effects whose ids lie between these: enough to say that it is not one."""
    return await connection.fetch(_SQL.effect_list, None, None, None, None, 2, first, last)


async def counts(connection: Connection | Pool) -> list[Any]:
    """How many stand in which state, by kind."""
    return await connection.fetch(_SQL.effect_counts)
