"""Events of all workspaces, and the chain of causes that one belongs to."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from crmd.api.events import EventsWanted, StoredEvent, StoredEvents, page_of
from crmd.api.problem import not_found
from crmd.api.reading import uuid_in
from crmd.api.route import Call, Route, routed
from crmd.store.queries import load_queries

_SQL = load_queries("crmd.store")
TRACE_MAX = 1000


class AnyEventsWanted(EventsWanted, frozen=True, kw_only=True, rename="camel"):
    """Which events."""

    workspace_id: UUID | None = None


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """An event or a job of a chain."""

    kind: Literal["event", "job"]
    id: UUID
    type: str
    at: datetime
    status: Annotated[str | None, Meta(description="of a job")]
    cause: Annotated[str | None, Meta(description="id of what it follows from")]


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """All that follows from one beginning, in the order of its making."""

    nodes: list[Link]


@routed("GET", "/api/events", scope="read", tag="events")
async def list_any_events(call: Call, query: AnyEventsWanted) -> StoredEvents:
    """List events of all workspaces and of none, newest first."""
    return await page_of(call.state.pool, query, query.workspace_id)


@routed("GET", "/api/events/{eventId}", scope="read", tag="events")
async def get_any_event(call: Call) -> StoredEvent:
    """Look at one event, whosesoever it is."""
    row = await call.state.pool.fetchrow(_SQL.event_show, uuid_in(call.path["eventId"], "event"))
    if row is None:
        raise not_found("event")
    return StoredEvent(**row)


@routed("GET", "/api/events/{eventId}/trace", scope="read", tag="events")
async def trace_event(call: Call) -> Chain:
    """Show the chain of events and jobs that an event, or a job, belongs to."""
    rows = await call.state.pool.fetch(_SQL.event_trace, uuid_in(call.path["eventId"], "event"), TRACE_MAX)
    if not rows:
        raise not_found("event or job")
    return Chain(nodes=[Link(**row) for row in rows])


ROUTES: tuple[Route, ...] = (list_any_events, get_any_event, trace_event)
