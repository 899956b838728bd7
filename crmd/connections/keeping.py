"""What becomes of a connection as a whole: a consent is kept, an operator stops, releases or forgets it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from crmd.connections.sealed import put
from crmd.store import gates
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    import asyncpg

    from crmd.connections.account import Account
    from crmd.connections.oauth import Grant
    from crmd.connections.vault import Vault
    from crmd.context import Statements
    from crmd.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A user's consent, however it was obtained.

    Args:
        workspace_id: The tenant that the connection belongs to.
        provider: Name of the provider.
        account: The provider's name of the account, mostly an address.
        refresh_token: What the connection lives on.
        user_id: Who consented, if known.
        scopes: What was granted.
        endpoints: Provider addresses that differ for this connection, by setting name.
        client_id: The OAuth client, when it is not the one of the settings.
        client_secret: Its secret.
        grant: The answer it came with, so that the first job need not refresh.
    """

    workspace_id: UUID
    provider: str
    account: str
    refresh_token: Secret
    user_id: UUID | None = None
    scopes: tuple[str, ...] = ()
    endpoints: Mapping[str, str] = field(default_factory=dict)
    client_id: str | None = None
    client_secret: Secret | None = None
    grant: Grant | None = None


async def keep(pool: asyncpg.Pool[asyncpg.Record], vault: Vault, consent: Consent) -> UUID:
    """Make the connection, or bring the same account back to work: its jobs start again at once.

    Emits `account.connected`.

    Returns:
        The connection's id, which stays the same for an account.
    """
    sql = load_queries("crmd.store")
    async with pool.acquire() as connection, connection.transaction():
        # Behind a refresh in flight, never beside it: its outcome must not overwrite the new tokens.
        await connection.fetch(sql.connection_lock, consent.workspace_id, consent.provider, consent.account)
        row = await connection.fetchrow(
            sql.connection_save,
            consent.workspace_id,
            consent.user_id,
            consent.provider,
            consent.account,
            list(consent.scopes),
            msgspec.json.encode(dict(consent.endpoints)).decode(),
            consent.client_id,
        )
        if row is None:
            raise RuntimeError("an upsert without a condition answers a row")
        connection_id: UUID = row["id"]
        await _keep_secrets(connection, vault, consent, connection_id)
        await gates.reopen(connection, gates.connection_key(connection_id))
        await connection.fetchval(sql.connection_connected, consent.workspace_id, connection_id, row["is_new"])
    return connection_id


async def _keep_secrets(database: Statements, vault: Vault, consent: Consent, connection_id: UUID) -> None:
    sql = load_queries("crmd.store")
    access_token, lifetime_seconds = (
        (consent.grant.access_token, consent.grant.lifetime_seconds) if consent.grant else (None, None)
    )
    given: dict[str, tuple[Secret | None, float | None]] = {
        "refresh_token": (consent.refresh_token, None),
        "client_secret": (consent.client_secret, None),
        "access_token": (access_token, lifetime_seconds),
    }
    for name, (secret, seconds) in given.items():
        if not secret:
            await database.execute(sql.connection_secret_drop, consent.workspace_id, connection_id, name)
            continue
        await put(
            database,
            vault,
            workspace_id=consent.workspace_id,
            connection_id=connection_id,
            name=name,
            secret=secret,
            seconds_left=seconds,
        )


async def disable(database: Statements, account: Account, *, reason: str = "disabled by an operator") -> None:
    """Stop a connection: its jobs wait until `enable`."""
    await database.execute(load_queries("crmd.store").connection_disable, account.workspace_id, account.id, reason)


async def enable(pool: asyncpg.Pool[asyncpg.Record], account: Account) -> bool:
    """Let a disabled connection work again; False when it is not disabled (a lost grant needs a new consent)."""
    async with pool.acquire() as connection, connection.transaction():
        row = await connection.fetchval(load_queries("crmd.store").connection_enable, account.workspace_id, account.id)
        if row is not None:
            await gates.reopen(connection, account.gate_key)
    return row is not None


async def forget(database: Statements, account: Account) -> None:
    """Delete a connection with its secrets and cursors."""
    await database.fetchval(load_queries("crmd.store").connection_delete, account.workspace_id, account.id)
