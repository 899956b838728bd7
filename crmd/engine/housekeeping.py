"""What an engine does beside running jobs: reaping, firing schedules, comparing its leases, upkeep."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from crmd.engine.audit import audit_once
from crmd.engine.heralding import herald_once, look_around_once
from crmd.engine.letting_go import LettingGo
from crmd.engine.pulse import Pulse
from crmd.engine.quarantine import Quarantine
from crmd.engine.reaper import reap_once
from crmd.engine.reconciling import reconcile_once
from crmd.engine.scheduler import schedule_once
from crmd.engine.suspect_claimer import SuspectClaimer
from crmd.engine.upkeep import upkeep_once
from crmd.events.projecting import Projecting
from crmd.store import history, steps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from crmd.engine.executor import Executor
    from crmd.engine.options import EngineOptions
    from crmd.engine.services import Services
    from crmd.engine.settler import Settler

REAP_SECONDS = 1.0
AUDIT_SECONDS = 60.0
RESUME_SECONDS = 1.0
COUNT_SECONDS = 60.0
RESUME_MAX = 1000
# A primary that was cut off and goes on is left after this long and the time of one attempt to connect.
FOLLOW_SECONDS = 2.0


class House(Protocol):
    """The engine, as far as its housekeeping looks at it."""

    services: Services
    options: EngineOptions
    settler: Settler
    executor: Executor

    def wake(self, word: str) -> None:
        """Look at something at once, as when word of it had come."""

    @property
    def daemon_id(self) -> UUID | None:
        """The id of this life of the daemon."""

    @property
    def is_alive(self) -> bool:
        """Whether leases mean something now."""

    @property
    def may_claim(self) -> bool:
        """Whether new jobs may be taken."""


class Housekeeping:
    """The steps of the loops that keep a fleet in order; each answers the seconds until its next turn."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._pool = house.services.pools.control
        self._pulse = Pulse(
            self._pool, lambda: [one.name for one in house.services.projections], lambda: house.wake("!tuning")
        )
        self._quarantine = Quarantine(house.services, lambda: self._pulse.is_due("probing"))
        self._letting_go = LettingGo(self._pool)
        self._suspects = SuspectClaimer(house)

    def loops(self) -> dict[str, Callable[[], Awaitable[float]]]:
        """The steps as a daemon takes them, by the name of the loop: many only when there is something to do."""
        pulse = self._pulse
        due = {
            "reaping": "reaping",
            "claiming suspects": "suspects",
            "making ready": "ailing",
            "projecting": "projecting",
            "resuming": "resuming",
            "letting go": "letting_go",
            "reconciling": "reconciling",
            "looking around": "watched",
        }
        steps = self.steps()
        return {
            "pulse": pulse.beat_once,
            **{name: pulse.when_due(due[name], step) if name in due else step for name, step in steps.items()},
        }

    def steps(self) -> dict[str, Callable[[], Awaitable[float]]]:
        """Every step by the name of its loop."""
        return {
            "following": self.follow_once,
            "reaping": self.reap_once,
            "claiming suspects": self._suspects.look_once,
            "making ready": self._suspects.make_ready_once,
            "blaming": self._quarantine.write_once,
            "scheduling": self.schedule_once,
            "projecting": self.project_once,
            "auditing": self.audit_once,
            "upkeep": self.upkeep_once,
            "resuming": self.resume_once,
            "letting go": self.let_go_once,
            "reconciling": self.reconcile_once,
            "looking around": partial(look_around_once, self._pool, self._house.services.watchers),
            "heralding": partial(herald_once, self._pool, self._house.services.watchers),
        }

    async def follow_once(self) -> float:
        """See whether another of several hosts is the primary by now, although ours still takes writes."""
        server = self._house.services.pools.server
        await server.primary.look(server.dsn, server.connect_arguments("crmd following"))
        return FOLLOW_SECONDS

    async def reap_once(self) -> float:
        """Recover the jobs of dead daemons. Whoever has just lost its own leases is no judge of others."""
        if self._house.is_alive:
            job_types = self._house.services.job_types
            in_processes = {name for name, known in job_types.items() if known.runs_in == "process"}
            if await reap_once(self._pool, in_processes):
                await self._suspects.claim_once()  # they have waited for a whole lease already
        return REAP_SECONDS

    async def schedule_once(self) -> float:
        """Fire what is due."""
        return await schedule_once(self._pool)

    async def project_once(self) -> float:
        """Bring projections up to date."""
        services = self._house.services
        return await Projecting(
            services.pools.plugins, services.projections, is_role_changed=services.is_role_changed
        ).project_once()

    async def audit_once(self) -> float:
        """Give back leases that this daemon does not know."""
        house = self._house
        if house.daemon_id is not None and house.is_alive:
            await audit_once(self._pool, house.daemon_id, house.executor, house.settler)
        return AUDIT_SECONDS

    async def let_go_once(self) -> float:
        """Follow-ups whose turn has come, jobs that lapse, jobs that nobody knew before."""
        return await self._letting_go.once(self._house.services.job_types)

    async def reconcile_once(self) -> float:
        """Effects whose sender is gone, and jobs that waited for one."""
        return await reconcile_once(self._pool)

    async def count_once(self) -> float:
        """Figures of what has ended, which lists and views show."""
        return 0.0 if await history.count_once(self._pool) else COUNT_SECONDS

    async def resume_once(self) -> float:
        """Jobs that wait for an event which an emitter and they missed of each other."""
        woken = await steps.sweep_waiting(self._pool, RESUME_MAX)
        return 0.0 if woken >= RESUME_MAX else RESUME_SECONDS

    async def upkeep_once(self) -> float:
        """Partitions, retention, and what connections need."""
        wait_seconds = await upkeep_once(self._pool, self._house.options.keep)
        return min(wait_seconds, 1.0) if await self._house.services.connections.upkeep_once() else wait_seconds
