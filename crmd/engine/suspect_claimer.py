"""Claims suspects for the processes that are free, and runs each alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.engine.handover import claim_suspects
from crmd.store import leases
from crmd.store.leases import Token

if TYPE_CHECKING:
    from crmd.engine.housekeeping import House

LOOK_SECONDS = 1.0


async def claim_suspects_once(house: House) -> float:
    """One claim; answers the seconds until the next, none where there may be more."""
    services, executor, daemon_id = house.services, house.executor, house.daemon_id
    if services.places is None or daemon_id is None or not house.may_claim:
        return LOOK_SECONDS
    wanted = executor.suspects.free
    taken = executor.taken_of_type
    rows = await claim_suspects(
        services.pools.control,
        daemon_id,
        list(services.suspect_types),
        list(executor.queues),
        slots=wanted,
        local_free={name: max(most - taken[kind], 0) for name, kind, most in house.options.local_limits},
    )
    if rows and (daemon_id != house.daemon_id or not house.may_claim):  # this life has ended meanwhile
        await leases.give_back(
            services.pools.control, [Token(row["id"], row["fence"], row["claim_id"]) for row in rows]
        )
        return LOOK_SECONDS
    if rows:
        executor.accept(executor.suspects, rows, rows[0]["claim_id"], services.suspect_types)
    return 0.05 if rows and len(rows) >= wanted else LOOK_SECONDS
