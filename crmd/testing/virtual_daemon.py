"""A daemon in a test's hands: it claims, runs, renews, and dies when it is told to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from crmd.engine.heartbeat import register
from crmd.errors import UsageError
from crmd.lanes import Turns
from crmd.store import lane_claims, leases
from crmd.store.claimed_row import whole
from crmd.store.leases import BEGINNING
from crmd.store.queries import load_queries
from crmd.testing.attempt import PATIENCE_SECONDS, Attempt, kill

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from crmd.composition import Opened

_ENGINE = load_queries("crmd.store")
_SQL = load_queries("crmd.testing")
# Short, since a server that has just started gives every daemon the time of its lease anew.
LEASE_SECONDS = 0.1
BATCH = 100
GONE_SECONDS = 10.0
LOOK_SECONDS = 0.01


class VirtualDaemon:
    """Made by `workbench.daemon()`.

    Attributes:
        id: Of its row in crmd.daemon.
        is_alive: Whether `workbench.travel` renews its lease.
    """

    def __init__(self, everything: Opened, daemon_id: UUID) -> None:
        self.id = daemon_id
        self.is_alive = True
        self._everything = everything
        self._pool = everything.pools.control

    async def claim(self, *, jobs_max: int = BATCH) -> list[Any]:
        """Claim what is due, from every queue; answers rows that `run` takes."""
        found: list[Any] = []
        for queue in self._everything.config.queues:
            claim_id = leases.new_claim_id()
            room = jobs_max - len(found)
            found += await leases.claim_ready(self._pool, self.id, queue, room, BEGINNING, claim_id)
            room = jobs_max - len(found)
            found += await lane_claims.claim_lanes(self._pool, self.id, queue, room, Turns(), {}, claim_id)
        return [whole(row) for row in found]

    async def claim_job(self, job_id: UUID) -> Any:  # noqa: ANN401 - a row of claim_one.sql
        """Claim one waiting job.

        Raises:
            UsageError: It is not due, or does not wait.
        """
        claim_id = leases.new_claim_id()
        rows = await leases.claim_one(self._pool, self.id, job_id, claim_id)
        rows = rows or await leases.claim_suspects(self._pool, self.id, [job_id], claim_id)
        if not rows:
            raise UsageError(f"Job {job_id} is not due or does not wait.")
        return rows[0]

    async def run(
        self,
        row: Any,  # noqa: ANN401 - a row of claim_*.sql
        *,
        at: Mapping[int, Callable[[Attempt], None]] | None = None,
        prepare: Callable[[Opened], None] = lambda _: None,
        on_look: Callable[[Attempt], None] = lambda _: None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> Attempt:
        """Run a claimed job in a thread with a loop and pools of its own; see `crmd.testing.attempt.Attempt`.

        When it was killed, answers once PostgreSQL has noticed: what was open is rolled back by then.
        """
        before = await self._pool.fetchval(_SQL.backends)
        attempt = Attempt(
            self._everything, row, at=at, prepare=prepare, on_look=on_look, patience_seconds=patience_seconds
        )
        await attempt.live()
        if attempt.is_killed:
            self.die()
            with anyio.fail_after(GONE_SECONDS):
                while await self._pool.fetchval(_SQL.backends_others, before):  # noqa: ASYNC110 - the server tells nobody
                    await anyio.sleep(LOOK_SECONDS)
        return attempt

    async def run_killed(self, row: Any, step: int) -> Attempt:  # noqa: ANN401 - a row of claim_*.sql
        """Run a claimed job, and kill it at a step; `is_killed` tells whether it came so far."""
        return await self.run(row, at={step: kill})

    async def beat(self) -> bool:
        """Renew the lease; False: it was declared dead meanwhile."""
        row = await self._pool.fetchrow(_ENGINE.daemon_beat, self.id, LEASE_SECONDS)
        return row is not None

    def die(self) -> None:
        """Do nothing any more. Its jobs are reaped when its lease has run out: see `workbench.travel`."""
        self.is_alive = False


async def new_daemon(everything: Opened) -> VirtualDaemon:
    """A daemon with a row of its own."""
    daemon_id = await register(everything.pools.control, "virtual", list(everything.config.queues), LEASE_SECONDS)
    return VirtualDaemon(everything, daemon_id)
