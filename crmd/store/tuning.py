"""What operators change live: pauses, limits, slots and weights, for all daemons at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crmd.store.queries import load_queries
from crmd.tuning import Tuning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")
RELANED_PAGE = 5000


async def read(connection: Connection | Pool) -> Tuning:
    """What holds now."""
    rows = await connection.fetch(_SQL.tuning_read)
    return Tuning(
        paused=frozenset(row["key"] for row in rows if row["is_paused"]),
        weights={row["key"]: row["weight"] for row in rows if row["weight"] is not None},
        slots={_name(row["key"]): row["slots"] for row in rows if row["slots"] is not None},
        local={row["key"]: row["max"] for row in rows if row["max"] is not None and row["key"].startswith("local:")},
    )


async def relane(connection: Connection | Pool) -> bool:
    """Give the next page of jobs the lane that changed keys make; whether there may be more."""
    return bool(await connection.fetchval(_SQL.relane, RELANED_PAGE))


async def pause(connection: Connection | Pool, key: str, *, reason: str, seconds: float | None) -> None:
    """Let a key rest; None: until it is resumed."""
    await connection.execute(_SQL.tuning_pause, key, reason, seconds)


async def resume(connection: Connection | Pool, key: str) -> bool:
    """End a pause; False when there was none."""
    return bool(await connection.fetchval(_SQL.tuning_resume, key))


async def tune(
    connection: Connection | Pool,
    key: str,
    *,
    reason: str,
    most: int | None = None,
    slots: int | None = None,
    weight: float | None = None,
) -> None:
    """Set what is given: the limit over all daemons, the slots in each, the weight."""
    await connection.execute(_SQL.tuning_set, key, reason, most, slots, weight)


async def untune(connection: Connection | Pool, key: str) -> bool:
    """Take back what was set; False when nothing was."""
    return bool(await connection.fetchval(_SQL.tuning_reset, key))


async def queues(connection: Connection | Pool, configured: Sequence[str]) -> list[Any]:
    """Each queue, of those that are configured and others, with what waits, runs and rests."""
    return list(await connection.fetch(_SQL.queue_list, configured))


async def limits(connection: Connection | Pool) -> list[Any]:
    """Each key that is limited, weighed, paused or closed, with what waits and runs."""
    return list(await connection.fetch(_SQL.key_list))


async def job_types(connection: Connection | Pool) -> list[str]:
    """Names of every job type that any daemon has declared: what a key may speak of."""
    return [row["name"] for row in await connection.fetch(_SQL.job_type_names)]


def _name(key: str) -> str:
    return key.removeprefix("queue:")
