"""Who may ask and who did what: keys of the API are made, listed and revoked, and the audit is read."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from crmd.api.identity import Scope
from crmd.api.problem import invalid, not_found
from crmd.api.route import Call, Route, routed
from crmd.api.trail import DoneAction
from crmd.store import api_keys, audit_trail
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_SQL = load_queries("crmd.store")
Word = Annotated[str, Meta(min_length=1, max_length=200)]


class KeyView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A key without its secret."""

    id: str
    client: Annotated[str, Meta(description="the program or person that it is for")]
    scopes: list[Scope]
    workspace_id: Annotated[UUID | None, Meta(description="the only one that it sees; null: all")]
    job_types: Annotated[list[str] | None, Meta(description="the only ones that it may start; null: all")]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """The newest first."""

    keys: list[KeyView]


class KeysWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which keys."""

    is_all: Annotated[bool, Meta(description="those that are over, too")] = msgspec.field(name="all", default=False)


class KeyWanted(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A key that is to be made."""

    client: Annotated[str, Meta(min_length=1, max_length=100)]
    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1, max_length=4)] = ("read", "enqueue")
    workspace_id: UUID | None = None
    job_types: Annotated[tuple[Word, ...], Meta(min_length=1, max_length=200)] | None = None
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class NewKeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key, shown this once."""

    id: str
    key: Annotated[str, Meta(description="send it as `Authorization: Bearer`; only its hash is kept")]
    client: str


class Revoked(msgspec.Struct, frozen=True, kw_only=True):
    """It has ended; whoever uses it is refused within seconds."""

    id: str
    client: str


class AnyAction(DoneAction, frozen=True, kw_only=True, rename="camel"):
    """One action, and whose it touched."""

    workspace_id: UUID | None


class AnyActions(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of actions, newest first."""

    actions: list[AnyAction]
    has_more: bool


class AnyActionsWanted(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which actions."""

    actor: Word | None = None
    action: Annotated[Word | None, Meta(description="or its beginning: `jobs.`")] = None
    target: Word | None = None
    before: Annotated[UUID | None, Meta(description="older than this entry: for the next page")] = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


@routed("GET", "/api/keys", scope="admin", tag="access")
async def list_keys(call: Call, query: KeysWanted) -> Keys:
    """List keys without their secrets."""
    rows = await api_keys.listed(call.state.pool, is_all=query.is_all)
    return Keys(keys=[KeyView(**row) for row in rows])


@routed("POST", "/api/keys", scope="admin", tag="access", status=201)
async def create_key(call: Call, body: KeyWanted) -> NewKeyView:
    """Make a key. A client may have two that are alive, to exchange them."""
    new = api_keys.NewKey(
        client=body.client,
        scopes=body.scopes,
        workspace_id=body.workspace_id,
        job_types=body.job_types,
        seconds=await _lifetime_seconds(call, body.expires_at),
        created_by=f"api:{call.identity.name}",
    )
    async with call.state.acting(
        call.identity, "keys.create", new.client, workspace_id=new.workspace_id, scopes=list(new.scopes)
    ) as found:
        key = await api_keys.create(call.state.pool, new)
        key_id = found["key"] = key.split("_")[1]
    return NewKeyView(id=key_id, key=key, client=new.client)


@routed("DELETE", "/api/keys/{keyId}", scope="admin", tag="access")
async def revoke_key(call: Call) -> Revoked:
    """End a key."""
    key_id = call.path["keyId"]
    async with call.state.acting(call.identity, "keys.revoke", key_id) as found:
        client = await api_keys.revoke(call.state.pool, key_id)
        if client is None:
            raise not_found("key")
        found["client"] = client
    return Revoked(id=key_id, client=client)


@routed("GET", "/api/audit", scope="read", tag="audit")
async def list_audit(call: Call, query: AnyActionsWanted) -> AnyActions:
    """List what operators, keys and users did, newest first."""
    rows = await audit_trail.trail(
        call.state.pool,
        actor=query.actor,
        action=query.action,
        target=query.target,
        before_id=query.before,
        limit=query.limit + 1,
    )
    return AnyActions(actions=[_action(row) for row in rows[: query.limit]], has_more=len(rows) > query.limit)


def _action(row: Mapping[str, Any]) -> AnyAction:
    return AnyAction(**{name: row[name] for name in AnyAction.__struct_fields__})


async def _lifetime_seconds(call: Call, expires_at: datetime | None) -> float | None:
    """By the database's clock, which decides when the key ends.

    Raises:
        Problem: 422: that is over.
    """
    if expires_at is None:
        return None
    now: datetime = await call.state.pool.fetchval(_SQL.clock)
    seconds = (expires_at - now).total_seconds()
    if seconds <= 0:
        raise invalid("$.expiresAt", "It is over already.")
    return seconds


ROUTES: tuple[Route, ...] = (list_keys, create_key, revoke_key, list_audit)
