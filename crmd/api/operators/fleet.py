"""Who works, and with whose accounts: daemons with their leases, connections of all workspaces."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from crmd.api.connections import Connected
from crmd.api.route import Call, Route, routed
from crmd.connections.account import listed
from crmd.store.queries import load_queries

_SQL = load_queries("crmd.store")
LEASES_SHOWN = 50
PAGE_MAX = 1000


class HeldLease(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A job that a daemon runs."""

    id: UUID
    type: str
    queue: str
    workspace_id: UUID | None
    attempt: int
    claimed_at: datetime
    seconds: int


class DaemonView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One process of crmd."""

    id: UUID
    host: str
    pid: int
    version: str
    queues: list[str]
    idle_queues: Annotated[list[str], Meta(description="that wait for a wake-up")]
    started_at: datetime
    beat_at: datetime
    lease_until: Annotated[datetime, Meta(description="its jobs are taken back when this passes")]
    is_alive: bool
    is_draining: bool
    running: int
    leases: Annotated[list[HeldLease], Meta(description="the longest running first, 50 at the most")]


class Daemons(msgspec.Struct, frozen=True, kw_only=True):
    """Those alive and those that ended within the hour, the oldest first."""

    daemons: list[DaemonView]


class AnyConnection(Connected, frozen=True, kw_only=True, rename="camel"):
    """An account at a provider, and whose it is."""

    workspace_id: UUID


class AnyConnections(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Connections of all workspaces, the oldest first."""

    connections: list[AnyConnection]
    has_more: Annotated[bool, Meta(description="there are more than 1,000: ask for one workspace or provider")]


class AnyConnectionsWanted(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which connections."""

    workspace_id: UUID | None = None
    provider: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


@routed("GET", "/api/daemons", scope="read", tag="fleet")
async def list_daemons(call: Call) -> Daemons:
    """List the daemons with what they run."""
    rows = await call.state.pool.fetch(_SQL.api_daemons, LEASES_SHOWN)
    shown = [
        DaemonView(**{**row, "leases": [msgspec.convert(one, HeldLease, strict=False) for one in row["leases"]]})
        for row in rows
    ]
    return Daemons(daemons=shown)


@routed("GET", "/api/connections", scope="read", tag="connections")
async def list_any_connections(call: Call, query: AnyConnectionsWanted) -> AnyConnections:
    """List the connections of all workspaces, with their state and how fresh they are."""
    found = await listed(call.state.pool, workspace_id=query.workspace_id, provider=query.provider)
    shown = [
        AnyConnection(
            **{name: getattr(one, name) for name in AnyConnection.__struct_fields__ if name != "scopes"},
            scopes=list(one.scopes),
        )
        for one in found[:PAGE_MAX]
    ]
    return AnyConnections(connections=shown, has_more=len(found) > PAGE_MAX)


ROUTES: tuple[Route, ...] = (list_daemons, list_any_connections)
