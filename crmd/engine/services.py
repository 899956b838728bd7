"""What every job of a daemon shares: pools, plugins, connections, limits. Made once, by the composition root."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from crmd.engine.blame import Blame
from crmd.engine.pardon import Pardons
from crmd.engine.watchers import Watchers
from crmd.registry import Registry
from crmd.store.figures import Patience
from crmd.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.connections.opening import Connections
    from crmd.engine.placing import Places
    from crmd.engine.run import Run
    from crmd.event_handler import SyncHandler
    from crmd.http.client import GuardedClient
    from crmd.http.limiter import Limiter, Rate
    from crmd.job_type import JobType
    from crmd.outcome import Outcome
    from crmd.projection import Projection
    from crmd.store.pools import Pools
    from crmd.webhooks.sender import Sender


class Tracing(Protocol):
    """Stands in for `crmd.engine.handling.handle`, and traces what that does."""

    async def handle(self, run: Run, services: Services) -> Outcome:
        """As that does."""

    def close(self) -> None:
        """Send what is not sent yet; it may take long."""


@dataclass(slots=True)
class Services:
    """Shared by all jobs of a daemon.

    Attributes:
        job_types: By name and alias; replaced as a whole on a reload.
        settings: Of each plugin, by its name.
        webhooks: Sends messages to webhooks.
        rates: Of limits that `ctx.limit` may name.
        is_role_changed: Statements of plugins run as `crmd_app`, since the connected role is above policies.
        places: Threads and processes for jobs; None where every job runs in the loop.
        sync_handlers: Hear of events inside the emitting transaction.
        projections: Are kept up to date by this daemon.
        suspect_types: As `job_types`, for jobs that run alone because a daemon died of one of them.
        versions: Distribution and version of each loaded plugin.
        blame: What jobs did to the daemon, by plugin.
        registry: The plugins, loaded and broken.
        tally: What this daemon counts.
        tracer: Runs attempts inside spans; None: nothing is traced.
        pardons: What attempts were given back whose session was lost.
        patience: What counts as late in the figures of the fleet.
        watchers: Want to hear at once which jobs change here.
    """

    pools: Pools
    job_types: Mapping[str, JobType]
    settings: Mapping[str, Any]
    connections: Connections
    http: GuardedClient
    limiter: Limiter
    webhooks: Sender
    rates: Mapping[str, Rate] = field(default_factory=dict)
    is_role_changed: bool = False
    places: Places | None = None
    suspect_types: Mapping[str, JobType] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    blame: Blame = field(default_factory=Blame)
    tally: Tally = field(default_factory=Tally)
    tracer: Tracing | None = None
    pardons: Pardons = field(default_factory=Pardons)
    patience: Patience = field(default_factory=Patience)
    watchers: Watchers = field(default_factory=Watchers)
    sync_handlers: tuple[SyncHandler, ...] = ()
    projections: tuple[Projection, ...] = ()
    registry: Registry = field(default_factory=lambda: Registry((), ()))
