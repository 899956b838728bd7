"""Rotation of the master key: secrets under an older key are sealed again under the current one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crmd.connections.vault import secret_place, webhook_place
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

    from crmd.connections.vault import Vault
    from crmd.context import Statements


@dataclass(frozen=True, slots=True)
class SecretRow:
    """A stored secret and its key.

    Args:
        workspace_id: First part of the key.
        connection_id: Second part.
        name: Third part.
        ciphertext: As stored.
    """

    workspace_id: UUID
    connection_id: UUID
    name: str
    ciphertext: str


def reencrypt(vault: Vault, rows: Iterable[SecretRow]) -> Iterator[tuple[SecretRow, str]]:
    """Each row that an older key sealed, with the same secret under the current key.

    Raises:
        SealBroken: A row does not open.
    """
    for row in rows:
        if row.ciphertext.startswith(vault.current_prefix):
            continue
        place = secret_place(row.workspace_id, row.connection_id, row.name)
        yield row, vault.seal(place, vault.unseal(place, row.ciphertext))


async def rotate_once(database: Statements, vault: Vault, *, batch_max: int = 100) -> int:
    """Seal up to `batch_max` secrets again; 0 when none is left. Safe to stop and repeat at any point.

    A secret that is replaced meanwhile is left alone: whoever replaced it sealed it with the current key.
    """
    sql = load_queries("crmd.store")
    found = await database.fetch(sql.connection_secrets_stale, vault.current_prefix, batch_max)
    rows = [SecretRow(row["workspace_id"], row["connection_id"], row["name"], row["ciphertext"]) for row in found]
    for row, sealed in reencrypt(vault, rows):
        await database.execute(
            sql.connection_secret_swap, row.workspace_id, row.connection_id, row.name, row.ciphertext, sealed
        )
    return len(rows)


async def rotate_webhooks_once(database: Statements, vault: Vault, *, batch_max: int = 100) -> int:
    """The same for the secrets that webhooks are signed with."""
    sql = load_queries("crmd.store")
    rows = await database.fetch(sql.webhook_secrets_stale, vault.current_prefix, batch_max)
    for row in rows:
        place = webhook_place(row["workspace_id"], row["id"])
        sealed = vault.seal(place, vault.unseal(place, row["ciphertext"]))
        await database.execute(sql.webhook_secret_swap, row["id"], row["ciphertext"], sealed)
    return len(rows)
