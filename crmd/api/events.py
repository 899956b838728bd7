"""Events of a workspace: listed, looked at, emitted."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Meta

from crmd.allowed import EVENT_PATTERN, EVENT_TYPE
from crmd.api import making
from crmd.api.making import Kept
from crmd.api.problem import Problem, invalid, not_found
from crmd.api.reading import uuid_in
from crmd.api.route import RAW, Answer, Call, Route, routed
from crmd.errors import Veto
from crmd.events.vetoing import ask
from crmd.store.events import EventFilter
from crmd.store.pools import Connection, Pool  # noqa: TC001 - route handlers are read at run time
from crmd.store.queries import load_queries

_SQL = load_queries("crmd.store")
Instant = Annotated[datetime, Meta(tz=True)]
Word = Annotated[str, Meta(min_length=1, max_length=200)]
Pattern = Annotated[str, Meta(pattern=EVENT_PATTERN)]
EventType = Annotated[str, Meta(pattern=EVENT_TYPE)]


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Something that happened; it never changes."""

    id: UUID
    seq: Annotated[int, Meta(description="its place in the one order of all events")]
    type: str
    version: int
    emitted_at: datetime
    workspace_id: UUID | None
    user_id: UUID | None
    aggregate_type: str | None
    aggregate_id: str | None
    data: Any
    metadata: Any


class StoredEvents(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of events, newest first."""

    events: list[StoredEvent]
    has_more: bool


class EventsWanted(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which events."""

    type: Annotated[
        tuple[Pattern, ...], Meta(max_length=50, description="`contact.created` or `contact.*`; several: any of them")
    ] = ()
    user_id: UUID | None = None
    aggregate_type: Word | None = None
    aggregate_id: Word | None = None
    since: Annotated[Instant | None, Meta(description="emitted at this instant or later")] = None
    until: Annotated[Instant | None, Meta(description="emitted earlier than this")] = None
    before: Annotated[UUID | None, Meta(description="older than this event: for the next page")] = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class EventToEmit(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """An event to be written."""

    type: EventType
    data: dict[str, Any] = {}
    version: Annotated[int, Meta(ge=1, le=32767)] = 1
    user_id: Annotated[UUID | None, Meta(description="whom it concerns; with a token: whose it is")] = None
    aggregate_type: Annotated[Word | None, Meta(description="what it happened to, as `contact`")] = None
    aggregate_id: Word | None = None


class Emitted(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The event is written, and the jobs that it starts are made."""

    success: bool
    event_id: UUID


@routed("GET", "/api/workspaces/{workspaceId}/events", scope="read", tag="events")
async def list_events(call: Call, query: EventsWanted) -> StoredEvents:
    """List events of the workspace, newest first."""
    async with call.state.sight(call.workspace_id) as connection:
        return await page_of(connection, query, call.workspace_id)


async def page_of(database: Connection | Pool, query: EventsWanted, workspace_id: UUID | None) -> StoredEvents:
    """A page of the events of one workspace; None: of all and of none."""
    wanted = EventFilter(
        types=list(query.type) or None,
        workspace_id=workspace_id,
        user_id=query.user_id,
        aggregate_type=query.aggregate_type,
        aggregate_id=query.aggregate_id,
        since=query.since,
        before=query.until,
    )
    rows = await database.fetch(_SQL.event_list, *wanted.parameters(), query.before, query.limit + 1)
    return StoredEvents(events=[StoredEvent(**row) for row in rows[: query.limit]], has_more=len(rows) > query.limit)


@routed("GET", "/api/workspaces/{workspaceId}/events/{eventId}", scope="read", tag="events")
async def get_event(call: Call) -> StoredEvent:
    """Look at one event."""
    event_id = uuid_in(call.path["eventId"], "event")
    async with call.state.sight(call.workspace_id) as connection:
        row = await connection.fetchrow(_SQL.api_event_get, event_id, call.workspace_id)
    if row is None:
        raise not_found("event")
    return StoredEvent(**row)


@routed("POST", "/api/workspaces/{workspaceId}/events", scope="manage", tag="events", status=201,
        is_idempotent=True, problems=(409,))  # fmt: skip
async def emit_event(call: Call, body: EventToEmit) -> Answer[Emitted]:
    """Emit an event; the jobs that it starts are made with it, or neither."""
    _check(call, body)
    key = call.request.headers.get("Idempotency-Key")

    async def work(connection: Connection) -> Kept:
        return Kept(201, Emitted(success=True, event_id=await _emitted(call, connection, body)))

    kept, is_replayed = await making.once(call, key, call.request[RAW], work)
    made = msgspec.convert(kept.body, Emitted) if is_replayed else kept.body
    headers = {"Location": f"/api/workspaces/{call.workspace_id}/events/{made.event_id}"}
    return Answer(made, kept.status, headers | ({"Idempotency-Replayed": "true"} if is_replayed else {}))


def _check(call: Call, body: EventToEmit) -> None:
    if call.identity.user_id is not None and body.user_id not in {None, call.identity.user_id}:
        raise invalid("$.userId", "It is another user's than the token's.")
    if body.aggregate_id is not None and body.aggregate_type is None:
        raise invalid("$.aggregateType", "An aggregateId needs an aggregateType.")


async def _emitted(call: Call, connection: Connection, body: EventToEmit) -> UUID:
    """Write it, and ask the handlers that may veto, with what plugins may touch and no more.

    Raises:
        Problem: 409: one of them said no.
    """
    about = {"source": f"api:{call.identity.name}", "version": body.version}
    ids = None if body.aggregate_id is None else [body.aggregate_id]
    services = call.state.services
    try:
        event_id: UUID = await connection.fetchval(
            _SQL.emit, body.type, [body.data], call.workspace_id, call.identity.user_id or body.user_id,
            body.aggregate_type, ids, about,
        )  # fmt: skip
        heard_by = [handler for handler in services.sync_handlers if handler.hears(body.type)]
        if heard_by:
            rows = await connection.fetch(_SQL.event_rows, [event_id])
            await connection.fetch(_SQL.workspace_set, str(call.workspace_id))
            if services.is_role_changed:
                await connection.execute(_SQL.role_app)
            await ask([dict(row) for row in rows], heard_by, connection)
            if services.is_role_changed:
                await connection.execute(_SQL.role_engine)
    except (Veto, asyncpg.RaiseError) as error:
        sentence = str(error).splitlines()[0][:500]
        raise Problem(409, "conflict", f"The event was refused: {sentence}") from None
    return event_id


ROUTES: tuple[Route, ...] = (list_events, get_event, emit_event)
