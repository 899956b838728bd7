"""Connections of a workspace: accounts at providers, with their state; a consent makes one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta

from crmd.allowed import VISIBLE
from crmd.api.identity import Identity
from crmd.api.problem import Problem, invalid, not_found
from crmd.api.reading import uuid_in
from crmd.api.route import Call, Route, routed
from crmd.connections import keeping, redirect
from crmd.connections.account import Account, AccountState, find, listed
from crmd.connections.consent import PAGE_HEADERS
from crmd.connections.redirect import Pending

Word = Annotated[str, Meta(min_length=1, max_length=200)]
CALLBACK = "/api/connections/callback"
PAGE_MAX = 1000


class Connected(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An account at a provider; it holds no secret."""

    id: UUID
    provider: str
    account: Annotated[str, Meta(description="mostly an address")]
    state: AccountState
    user_id: Annotated[UUID | None, Meta(description="who consented")]
    scopes: list[str]
    last_error: str | None
    last_synced_at: Annotated[datetime | None, Meta(description="as fresh as this is what it has brought")]
    synced_items: int


class ConnectedAccounts(msgspec.Struct, frozen=True, kw_only=True):
    """All of the workspace, oldest first."""

    connections: list[Connected]
    providers: Annotated[list[str], Meta(description="at which users can consent")]


class AccountsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which connections."""

    provider: Word | None = None


class ConsentWanted(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Which account is to be connected."""

    provider: Word
    account: Annotated[Word | None, Meta(description="the only one that will do; offered to the user first")] = None
    user_id: Annotated[UUID | None, Meta(description="whom it concerns; with a token: whose it is")] = None


class ConsentBegun(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where the user consents."""

    authorize_url: Annotated[str, Meta(description="to be opened in the user's browser")]
    expires_seconds: int


class Stopping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a connection is stopped."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)] = "disabled over the API"


class Going(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Let it work."""


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """It is gone, with its secrets."""

    success: bool


class Redirected(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider sends along: of visible characters alone (RFC 6749, appendix A), which fit into any line."""

    state: Annotated[str, Meta(max_length=redirect.STATE_MAX, pattern=VISIBLE)] = ""
    code: Annotated[str, Meta(max_length=4000, pattern=VISIBLE)] = ""
    error: Annotated[str, Meta(max_length=200, pattern=VISIBLE)] = ""


@routed("GET", "/api/workspaces/{workspaceId}/connections", scope="read", tag="connections")
async def list_connections(call: Call, query: AccountsWanted) -> ConnectedAccounts:
    """List the connections of the workspace, with their state and how fresh they are."""
    async with call.state.sight(call.workspace_id) as connection:
        found = await listed(connection, workspace_id=call.workspace_id, provider=query.provider)
    return ConnectedAccounts(
        connections=[_view(one) for one in found[:PAGE_MAX]],
        providers=redirect.offered(call.state.services.connections),
    )


@routed("POST", "/api/workspaces/{workspaceId}/connections", scope="enqueue", tag="connections", problems=(409,))
async def begin_consent(call: Call, body: ConsentWanted) -> ConsentBegun:
    """Begin a consent: answers the address that the user opens. The connection is there once the user has agreed."""
    user_id = call.identity.user_id
    if user_id is not None and body.user_id not in {None, user_id}:
        raise invalid("$.userId", "It is another user's than the token's.")
    assert call.workspace_id is not None  # noqa: S101 - it is in the address
    pending = Pending(
        provider=body.provider,
        workspace_id=call.workspace_id,
        redirect_uri=_own_address(call) + CALLBACK,
        actor=call.identity.name,
        user_id=user_id or body.user_id,
        account=body.account,
    )
    url = await redirect.begin(call.state.pool, call.state.services.connections, pending)
    return ConsentBegun(authorize_url=url, expires_seconds=int(redirect.CONSENT_SECONDS))


@routed("GET", CALLBACK, scope=None, tag="connections", takes_more=True, problems=(409,), media_type="text/plain")
async def end_consent(call: Call, query: Redirected) -> web.Response:
    """Take the provider's redirect: the state is known once, to whoever began the consent."""
    connections = call.state.services.connections
    pending = await redirect.taken(call.state.pool, connections, query.state)
    if pending is None:
        raise Problem(404, "not-found", "This consent is unknown, has ended, or took too long.", hint="Begin again.")
    if query.error or not query.code:
        raise Problem(409, "conflict", "The consent was refused.", hint="Begin again and allow the access.")
    who = Identity(name=pending.actor, scopes=frozenset())
    async with call.state.acting(who, "connections.add", pending.provider, workspace_id=pending.workspace_id) as found:
        connection_id, _ = await redirect.end(connections, call.state.http, pending, query.code)
        found["connectionId"] = str(connection_id)
    return web.Response(text="Done. You can close this page.", headers=PAGE_HEADERS)


@routed("GET", "/api/workspaces/{workspaceId}/connections/{connectionId}", scope="read", tag="connections")
async def get_connection(call: Call) -> Connected:
    """Look at one connection."""
    return _view(await _found(call))


@routed("POST", "/api/workspaces/{workspaceId}/connections/{connectionId}/disable", scope="manage",
        tag="connections")  # fmt: skip
async def disable_connection(call: Call, body: Stopping) -> Connected:
    """Stop a connection: its jobs wait."""
    account = await _found(call)
    async with call.state.acting(
        call.identity, "connections.disable", account.id, workspace_id=call.workspace_id, reason=body.reason
    ):
        await keeping.disable(call.state.pool, account, reason=body.reason)
    return _view(await _found(call))


@routed("POST", "/api/workspaces/{workspaceId}/connections/{connectionId}/enable", scope="manage",
        tag="connections", problems=(409,))  # fmt: skip
async def enable_connection(call: Call, body: Going) -> Connected:  # noqa: ARG001 - it is empty, and checked to be
    """Let a disabled connection work again."""
    account = await _found(call)
    async with call.state.acting(call.identity, "connections.enable", account.id, workspace_id=call.workspace_id):
        if not await keeping.enable(call.state.pool, account):
            hint = "Begin a new consent." if account.state == "needs_reauth" else ""
            raise Problem(409, "conflict", f"It is not disabled, it is {account.state}.", hint=hint)
    return _view(await _found(call))


@routed("DELETE", "/api/workspaces/{workspaceId}/connections/{connectionId}", scope="manage", tag="connections")
async def remove_connection(call: Call) -> Forgotten:
    """Forget a connection with its secrets; schedules on it go with it."""
    account = await _found(call)
    async with call.state.acting(call.identity, "connections.remove", account.id, workspace_id=call.workspace_id):
        await keeping.forget(call.state.pool, account)
    return Forgotten(success=True)


async def _found(call: Call) -> Account:
    assert call.workspace_id is not None  # noqa: S101 - it is in the address
    connection_id = uuid_in(call.path["connectionId"], "connection")
    async with call.state.sight(call.workspace_id) as connection:
        account = await find(connection, call.workspace_id, connection_id)
    if account is None:
        raise not_found("connection")
    return account


def _view(account: Account) -> Connected:
    given = {name: getattr(account, name) for name in Connected.__struct_fields__}
    return Connected(**(given | {"scopes": list(account.scopes)}))


def _own_address(call: Call) -> str:
    """Where browsers reach this API: as it is set, or else as the caller has."""
    told = call.state.settings().public_url
    if told is not None:
        return told.rstrip("/")
    request = call.request
    scheme = request.scheme
    if call.state.settings().behind_proxy:
        scheme = "https"
    return f"{scheme}://{request.host}"


ROUTES: tuple[Route, ...] = (
    list_connections, begin_consent, end_consent, get_connection, disable_connection, enable_connection,
    remove_connection,
)  # fmt: skip
