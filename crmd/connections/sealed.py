"""A connection's secrets on their way between the vault and their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.clock import boot_seconds
from crmd.connections.token import Token, token_of
from crmd.connections.vault import secret_place
from crmd.store import connections as store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from crmd.connections.account import Account
    from crmd.connections.oauth import Grant
    from crmd.connections.vault import Vault
    from crmd.context import Statements
    from crmd.secret import Secret


def opened(vault: Vault, account: Account, stored: Mapping[str, store.SealedSecret], name: str) -> Secret | None:
    """A stored secret; None when there is none of that name.

    Raises:
        SealBroken: It was changed, moved, or sealed with another key.
    """
    if name not in stored:
        return None
    return vault.unseal(secret_place(account.workspace_id, account.id, name), stored[name].ciphertext)


async def put(
    database: Statements,
    vault: Vault,
    *,
    workspace_id: UUID,
    connection_id: UUID,
    name: str,
    secret: Secret,
    seconds_left: float | None,
) -> None:
    """Store a secret in place of the one of that name."""
    sealed = vault.seal(secret_place(workspace_id, connection_id, name), secret)
    await store.put_secret(database, workspace_id, connection_id, name, store.SealedSecret(sealed, seconds_left))


async def put_grant(database: Statements, vault: Vault, account: Account, grant: Grant, sent_at: float) -> Token:
    """Store what a refresh gave.

    Args:
        database: The transaction that holds the refresh lock.
        vault: Seals it.
        account: Whose.
        grant: What the provider gave.
        sent_at: Boot time in seconds at which it was asked; the access token's life counts from there.
    """
    left = None if grant.lifetime_seconds is None else grant.lifetime_seconds - (boot_seconds() - sent_at)
    given = {"access_token": (grant.access_token, left), "refresh_token": (grant.refresh_token, None)}
    for name, (secret, seconds_left) in given.items():
        if secret is not None:
            await put(
                database,
                vault,
                workspace_id=account.workspace_id,
                connection_id=account.id,
                name=name,
                secret=secret,
                seconds_left=seconds_left,
            )
    return token_of(grant.access_token, left)
