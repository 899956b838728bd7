"""A consent that begins in one request and ends in another: the provider's redirect, which any daemon may get.

What ends it is kept sealed in the database under the hash of a state that nobody can guess, and taken once.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from crmd.connections.consent import TOKEN_BYTES, authorize_url, exchange
from crmd.connections.keeping import Consent
from crmd.connections.probing import account_of_grant
from crmd.connections.vault import Place
from crmd.errors import ConfigError, CrmdError, UsageError
from crmd.secret import Secret
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from crmd.connections.opening import Connections
    from crmd.connections.provider import ClientCredentials, Provider
    from crmd.http.client import GuardedClient
    from crmd.store.pools import Pool

_SQL = load_queries("crmd.store")
CONSENT_SECONDS = 900.0
STATE_MAX = 200


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A consent that has begun.

    Attributes:
        provider: Where.
        workspace_id: Whose the connection will be.
        redirect_uri: Where the provider sends the browser back to.
        actor: Who began it, for the audit.
        user_id: Whom it concerns.
        account: Whose account it has to be; None: whosever it is.
        verifier: Of PKCE; made when it begins.
    """

    provider: str
    workspace_id: UUID
    redirect_uri: str
    actor: str
    user_id: UUID | None = None
    account: str | None = None
    verifier: str = ""


async def begin(pool: Pool, connections: Connections, pending: Pending) -> str:
    """The address at which the user consents.

    Raises:
        CrmdError: The provider is not known, has no OAuth client or no consent in a browser, or there is no master key.
    """
    provider, client = _ready(connections, pending.provider)
    token, verifier = secrets.token_urlsafe(TOKEN_BYTES), secrets.token_urlsafe(TOKEN_BYTES)
    key = _key(token)
    text = msgspec.json.encode(msgspec.structs.replace(pending, verifier=verifier)).decode()
    sealed = connections.vault.seal(_place(pending.workspace_id, key), Secret(text))
    await pool.execute(_SQL.api_consent_put, pending.workspace_id, key, sealed)
    return authorize_url(
        provider,
        client.client_id,
        redirect_uri=pending.redirect_uri,
        state=f"{pending.workspace_id.hex}.{token}",
        verifier=verifier,
        login_hint=pending.account or "",
    )


async def taken(pool: Pool, connections: Connections, state: str) -> Pending | None:
    """What a state stands for, once; None: it is unknown, was used, or took too long."""
    workspace, _, token = state.partition(".")
    try:
        workspace_id = UUID(hex=workspace)
    except ValueError:
        return None
    if not token or len(state) > STATE_MAX or not token.isascii():
        return None
    key = _key(token)
    sealed: Any = await pool.fetchval(_SQL.api_consent_take, workspace_id, key, CONSENT_SECONDS)
    if sealed is None:
        return None
    return msgspec.json.decode(connections.vault.unseal(_place(workspace_id, key), sealed).reveal(), type=Pending)


async def end(connections: Connections, http: GuardedClient, pending: Pending, code: str) -> tuple[UUID, str]:
    """Exchange the code of the redirect and keep the connection; answers its id and whose account it is.

    Raises:
        CrmdError: It was refused, does not work, or is another account than the one asked for.
    """
    provider, client = _ready(connections, pending.provider)
    grant = await exchange(http, provider, client, code, pending.verifier, pending.redirect_uri)
    told = await account_of_grant(http, provider, grant)
    if told is None and pending.account is None:
        raise UsageError(f"{provider.name} does not tell whose account this is.", hint="Name it when you begin.")
    if told is not None and pending.account is not None and told.lower() != pending.account.lower():
        raise CrmdError("The consent is for another account.", hint="Consent with the one that was asked for.")
    account = (told or pending.account or "").lower()
    consent = Consent(
        workspace_id=pending.workspace_id,
        provider=provider.name,
        account=account,
        refresh_token=grant.refresh_token or Secret(""),
        user_id=pending.user_id,
        scopes=grant.scopes or provider.scopes,
        grant=grant,
    )
    return await connections.keep(consent), account


def offered(connections: Connections) -> list[str]:
    """The providers at which users can consent here."""
    return sorted(
        name
        for name, provider in connections.offered().items()
        if provider.authorize_url and connections.credentials_of(name) is not None
    )


def _ready(connections: Connections, name: str) -> tuple[Provider, ClientCredentials]:
    provider, client = connections.offered().get(name), connections.credentials_of(name)
    if provider is None or not provider.authorize_url:
        raise UsageError(f"There is no provider {name[:100]!r} with a consent in a browser.")
    if client is None:
        raise ConfigError(
            f"There is no OAuth client for {name}.", hint=f"An operator sets client_id in [providers.{name}]."
        )
    return provider, client


def _key(token: str) -> str:
    return f"consent\n{hashlib.sha256(token.encode()).hexdigest()}"


def _place(workspace_id: UUID, key: str) -> Place:
    return Place("crmd.api_answer", "body", key, str(workspace_id))
