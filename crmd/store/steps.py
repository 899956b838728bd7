"""What jobs have done already: their steps, kept under the token of the claim that did them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crmd.step_order import StoredStep
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from crmd.step_order import Place
    from crmd.store.leases import Token
    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")


async def load(connection: Connection | Pool, job_id: UUID) -> list[StoredStep]:
    """What earlier attempts of a job have kept."""
    return [
        StoredStep(row["name"], row["position"], row["kind"], row["result"], row["seconds_left"])
        for row in await connection.fetch(_SQL.steps_load, job_id)
    ]


async def write(
    connection: Connection | Pool,
    token: Token,
    place: Place,
    result: bytes,
    *,
    took_seconds: float = 0.0,
    is_finished: bool = True,
) -> bool:
    """Keep what a step came to; whether the token is the current one."""
    kept = await connection.fetchval(
        _SQL.step_write, *token, place.name, place.position, place.kind, result.decode(), took_seconds, is_finished
    )
    return kept is not None


async def begin_sleep(
    connection: Connection | Pool, token: Token, place: Place, seconds: float | None, until: datetime | None
) -> float | None:
    """Keep when a sleep is over; answers the seconds that are left, or None: the lease is lost."""
    left: float | None = await connection.fetchval(_SQL.step_sleep, *token, place.name, place.position, seconds, until)
    return left


async def wait(
    connection: Connection | Pool, token: Token, place: Place, event_type: str, match: bytes, seconds: float | None
) -> Any:  # noqa: ANN401 - a row of step_wait.sql, or None: the lease is lost
    """Register a wait for an event, or learn how it stands."""
    return await connection.fetchrow(
        _SQL.step_wait, *token, place.name, place.position, event_type, match.decode(), seconds
    )


async def list_steps(connection: Connection | Pool, job_id: UUID) -> list[Any]:
    """A job's steps for people."""
    return await connection.fetch(_SQL.steps_list, job_id)


async def sweep_waiting(pool: Pool, rows_max: int) -> int:
    """Make jobs due whose event came and was missed; answers how many."""
    woken: int = await pool.fetchval(_SQL.waiting_sweep, rows_max)
    return woken
