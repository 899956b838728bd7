"""Hands one job to an engine that claims nothing by itself: enqueued and claimed in one transaction, or not at all.

The claim passes the same lock, limits and gates as a daemon's, so `crmd run-once` never breaks a bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from crmd.store import jobs, leases
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from crmd.store.jobs import NewJobs
    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")
BATCH_MAX = 50
SUSPECTS_SEEN = 32


@dataclass(frozen=True, slots=True)
class Claimed:
    """The job was enqueued and is ours; a row of claim_one.sql."""

    row: Any


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Nothing was enqueued.

    Args:
        key: The limit or gate that stands in the way.
        reason: For people.
        wait_seconds: Until it may be free; None when nobody knows, or a person has to act.
    """

    key: str
    reason: str
    wait_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Doubled:
    """Nothing was enqueued: this job holds the unique key, and runs or is to run later."""

    id: UUID


class _Undone(Exception):  # noqa: N818 - not a fault: it takes the transaction back and carries the answer
    def __init__(self, answer: HeldBack | Doubled) -> None:
        super().__init__()
        self.answer = answer


class _TrialOver(Exception):  # noqa: N818 - not a fault: it takes the transaction of a trial back
    pass


async def claim_now(
    pool: Pool, daemon_id: UUID, new: NewJobs, local_free: Mapping[str, int]
) -> Claimed | HeldBack | Doubled:
    """Enqueue one job and claim it. If a waiting job holds its unique key, that one is the work that was meant.

    Args:
        pool: The control pool.
        daemon_id: Who claims.
        new: One job that is due now.
        local_free: What is free of the limits that count inside this daemon, by name.
    """
    try:
        async with pool.acquire() as connection, connection.transaction():
            job_id = await _enqueued(connection, new, local_free)
            row = await _claimed(connection, job_id, daemon_id)
    except _Undone as undone:
        return undone.answer
    if row["unique_key"] is not None:
        await leases.free_started(pool, [row["id"]], [row["unique_key"]])
    return Claimed(row)


async def try_now(pool: Pool, new: NewJobs, local_free: Mapping[str, int]) -> HeldBack | Doubled | None:
    """As `claim_now`, but everything is taken back: what would stand in the way, or None."""
    try:
        async with pool.acquire() as connection, connection.transaction():
            await _enqueued(connection, new, local_free)
            _end_trial()
    except _Undone as undone:
        return undone.answer
    except _TrialOver:
        return None


def _end_trial() -> NoReturn:
    raise _TrialOver


async def _claimed(connection: Connection, job_id: UUID, daemon_id: UUID) -> Any:  # noqa: ANN401 - a row of claim_one.sql
    row = await connection.fetchrow(_SQL.claim_one, job_id, leases.new_claim_id(), daemon_id)
    if row is None:
        raise _Undone(HeldBack("daemon", "this daemon's own row has run out, so it is taken for dead"))
    return row


async def _enqueued(connection: Connection, new: NewJobs, local_free: Mapping[str, int]) -> UUID:
    [enqueued] = await jobs.enqueue_many(connection, new)
    job = await jobs.show(connection, enqueued.id)
    if not enqueued.is_new and (job is None or job["status"] != "pending"):
        raise _Undone(Doubled(enqueued.id))
    if job is not None:
        held_back = await _held_back(connection, job, local_free)
        if held_back is not None:
            raise _Undone(held_back)
    return enqueued.id


async def _held_back(connection: Connection, job: Any, local_free: Mapping[str, int]) -> HeldBack | None:  # noqa: ANN401 - a row of job_show.sql
    lane = job["lane"]
    if lane is not None:
        await _lock(connection, [lane])
    implied = [f"queue:{job['queue']}", f"type:{job['type']}", f"workspace/{job['workspace_id']}"]
    keys = [*implied, *(lane or "").split()]
    for row in await connection.fetch(_SQL.keys_room, keys, list(local_free), list(local_free.values())):
        if row["room"] is not None and row["room"] <= 0:
            return HeldBack(row["key"], row["reason"] or "as many as it allows are running", row["wait_seconds"])
    return None


async def claim_family(
    pool: Pool,
    daemon_id: UUID,
    root_id: UUID,
    parent_ids: Sequence[UUID],
    *,
    slots: int,
    local_free: Mapping[str, int],
) -> list[Any]:
    """Claim what waits of a job's family and is due: the job itself after a try, and children of `parent_ids`.

    Other daemons may take some of them first, which is as good.
    """
    if slots <= 0:
        return []
    async with pool.acquire() as connection:
        waiting = await connection.fetch(_SQL.family_waiting, root_id, parent_ids, min(slots, BATCH_MAX))
        if not waiting:
            return []
        async with connection.transaction():
            chosen = await _chosen(connection, waiting, local_free)
            claim_id = leases.new_claim_id()
            rows = [await connection.fetchrow(_SQL.claim_one, job_id, claim_id, daemon_id) for job_id in chosen]
    claimed = [row for row in rows if row is not None]
    unique = [row for row in claimed if row["unique_key"] is not None]
    if unique:
        await leases.free_started(pool, [row["id"] for row in unique], [row["unique_key"] for row in unique])
    return claimed


async def claim_suspects(
    pool: Pool,
    daemon_id: UUID,
    types: Sequence[str],
    queues: Sequence[str],
    *,
    claim_id: UUID,
    slots: int,
    local_free: Mapping[str, int],
) -> list[Any]:
    """Claim suspects that are due, each to run alone, as far as their limits let them.

    More are looked at than there are slots for, so that those whose limits are full do not stand before others.
    """
    if slots <= 0:
        return []
    async with pool.acquire() as connection:
        waiting = await leases.suspects_waiting(connection, max(slots, SUSPECTS_SEEN), types, queues)
        if not waiting:
            return []
        async with connection.transaction():
            chosen = await _chosen(connection, waiting, local_free)
            return await leases.claim_suspects(connection, daemon_id, chosen[:slots], claim_id)


async def _lock(connection: Connection, lanes: Sequence[str]) -> None:
    await connection.execute(_SQL.lock_patience)
    await connection.fetch(_SQL.keys_lock, lanes)


async def _chosen(connection: Connection, waiting: Sequence[Any], local_free: Mapping[str, int]) -> list[UUID]:
    """Those that the limits of their lanes let start, in order. The limits stay locked until the transaction ends."""
    lanes = [row["lane"] for row in waiting]
    keyed = list({lane for lane in lanes if lane is not None})
    await _lock(connection, keyed)
    keys = list({key for lane in keyed for key in lane.split()})
    rows = await connection.fetch(_SQL.keys_room, keys, list(local_free), list(local_free.values()))
    may_start = admitted(lanes, {row["key"]: row["room"] for row in rows})
    return [row["id"] for row, is_admitted in zip(waiting, may_start, strict=True) if is_admitted]


def admitted(lanes: Sequence[str | None], room: Mapping[str, int | None]) -> list[bool]:
    """Which jobs of a handful may start, in order: each takes one of every key of its lane.

    Args:
        lanes: Of each job; None: it needs no key.
        room: How many more each key allows; None: any number.
    """
    free = {key: left for key, left in room.items() if left is not None}
    answers = []
    for lane in lanes:
        keys = [key for key in (lane or "").split(" ") if key in free]
        may_start = all(free[key] > 0 for key in keys)
        for key in keys if may_start else ():
            free[key] -= 1
        answers.append(may_start)
    return answers
