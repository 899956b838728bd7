"""What the API works with: the pools, what the loaded plugins declare, and the settings of the moment."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from crmd.metrics.fleet import FleetFigures
from crmd.store.audit_trail import Action, audited
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import Any
    from uuid import UUID

    from crmd.api.identity import Identity
    from crmd.api.live.hub import Hub
    from crmd.config.api_settings import Api
    from crmd.engine.engine import Engine
    from crmd.engine.services import Services
    from crmd.http.client import GuardedClient
    from crmd.store.pools import Connection, Pool

    Hearer: TypeAlias = Callable[[UUID | None, UUID], None]

_SQL = load_queries("crmd.store")


@dataclass(slots=True, kw_only=True)
class State:
    """Shared by all requests.

    Attributes:
        services: Of the daemon: pools, job types, connections.
        engine: Of the daemon.
        http: For addresses that the operator gave.
        settings: As they are now; they change with a reload.
        tick_days: How long it is known which ticks of schedules have fired, as it is set now.
        has_role: Whether there is the role that row-level security holds.
        described: The OpenAPI document.
        pool: The API's own connections, so that no flood of requests takes those that jobs and leases need.
        fleet: Figures of all daemons.
        hub: Tells live streams; None: there are none.
    """

    services: Services
    engine: Engine
    http: GuardedClient
    settings: Callable[[], Api]
    pool: Pool
    tick_days: Callable[[], int]
    has_role: bool = True
    described: bytes = b""
    fleet: FleetFigures = field(init=False)
    hub: Hub | None = None
    _hearers: list[Hearer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fleet = FleetFigures(self.pool)

    def changed(self, workspace_id: UUID | None, job_id: UUID) -> None:
        """Say that something became of a job, to whoever shows it live."""
        for hear in self._hearers:
            hear(workspace_id, job_id)

    def hear(self, hearer: Hearer) -> None:
        """Tell `hearer` from now on."""
        self._hearers.append(hearer)

    @contextlib.asynccontextmanager
    async def sight(self, workspace_id: UUID | None) -> AsyncIterator[Connection]:
        """A transaction that sees what one workspace owns, by row-level security; None: all, as operators do."""
        async with self.pool.acquire() as connection:
            if workspace_id is None:
                yield connection
                return
            async with connection.transaction(readonly=True):
                await connection.fetch(_SQL.api_sight, str(workspace_id), self.has_role)
                yield connection

    @contextlib.asynccontextmanager
    async def acting(
        self,
        identity: Identity,
        name: str,
        target: object = None,
        *,
        workspace_id: UUID | None = None,
        **details: object,
    ) -> AsyncIterator[dict[str, Any]]:
        """Do an action in the block; it is in the audit before and after. The block may add what it found."""
        given = {key: value for key, value in details.items() if value is not None}
        text = None if target is None else str(target)
        action = Action(actor=f"api:{identity.name}", name=name, target=text, workspace_id=workspace_id, details=given)
        async with audited(self.pool, action) as found:
            yield found
