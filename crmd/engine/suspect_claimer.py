"""Claims suspects for the processes that are free, and runs each alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from crmd.engine.handover import claim_suspects
from crmd.engine.local_limits import free_of
from crmd.store import leases
from crmd.store.leases import Token
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from uuid import UUID

    from crmd.engine.housekeeping import House

_SQL = load_queries("crmd.store")
LOOK_SECONDS = 1.0


class SuspectClaimer:
    """The claims of suspects of one daemon, one after the other: its loop and its reaper both ask for them.

    Args:
        house: Whose suspects' room they take.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._turn = anyio.Lock()
        self._life: UUID | None = None

    async def look_once(self) -> float:
        """One claim; where more may wait than there was room for, the next follows as soon as there is some."""
        if not await self.claim_once():
            return LOOK_SECONDS
        queue = self._house.executor.suspects
        with anyio.move_on_after(LOOK_SECONDS):
            while queue.free == 0:
                await queue.until_room_is_made()
        return 0.0

    async def make_ready_once(self) -> float:
        """Start what runs suspects while it is but feared that a daemon has died: they have waited enough by then."""
        services, daemon_id = self._house.services, self._house.daemon_id
        if services.places is not None and daemon_id is not None and self._house.may_claim:
            rows = await services.pools.control.fetch(_SQL.ailing_types, daemon_id)
            known = [services.suspect_types[row["type"]] for row in rows if row["type"] in services.suspect_types]
            await services.places.make_ready({job_type.plugin for job_type in known})
        return LOOK_SECONDS

    async def claim_once(self) -> bool:
        """One claim; whether more may wait than there was room for."""
        house = self._house
        async with self._turn:
            daemon_id = house.daemon_id
            if house.services.places is None or daemon_id is None or not house.may_claim:
                return False
            queue = house.executor.suspects
            if daemon_id != self._life:
                queue.unanswered.clear()
                self._life = daemon_id
            await self._recover_unknown(daemon_id)
            wanted = queue.free
            return len(await self._claim(daemon_id, wanted)) >= wanted

    async def _recover_unknown(self, daemon_id: UUID) -> None:
        """What a claim got whose answer was lost is ours to run; nobody else would before the next audit."""
        queue = self._house.executor.suspects
        for claim_id in list(queue.unanswered):
            rows = await leases.find_claim(self._house.services.pools.control, claim_id)
            queue.unanswered.discard(claim_id)
            await self._accept(rows, daemon_id, claim_id)

    async def _claim(self, daemon_id: UUID, wanted: int) -> list[Any]:
        services, executor = self._house.services, self._house.executor
        claim_id = leases.new_claim_id()
        executor.suspects.unanswered.add(claim_id)
        rows = await claim_suspects(
            services.pools.control,
            daemon_id,
            list(services.suspect_types),
            list(executor.queues),
            claim_id=claim_id,
            slots=wanted,
            local_free=free_of(self._house.options.local_limits, executor.runs.values()),
        )
        executor.suspects.unanswered.discard(claim_id)
        await self._accept(rows, daemon_id, claim_id)
        return rows

    async def _accept(self, rows: list[Any], daemon_id: UUID, claim_id: UUID) -> None:
        """Run what was claimed; if this life of the daemon ended or drains meanwhile, give it back in order."""
        house = self._house
        if not rows:
            return
        if daemon_id != house.daemon_id or not house.may_claim:
            tokens = [Token(row["id"], row["fence"], claim_id) for row in rows]
            await leases.give_back(house.services.pools.control, tokens)
            return
        executor = house.executor
        executor.accept(executor.suspects, rows, claim_id, house.services.suspect_types)
