"""One connection as it stands: whose account it is, where, and how it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from crmd.store import connections as store
from crmd.store.gates import connection_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from crmd.context import Statements

AccountState: TypeAlias = Literal["active", "throttled", "needs_reauth", "disabled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A row of `crmd.connections`; it holds no secret.

    Args:
        id: Of the connection; payloads name it `connectionId`.
        workspace_id: The tenant it belongs to.
        user_id: The user who consented, if known.
        provider: Name of the provider.
        account: The provider's name of the account, mostly an address.
        state: As of reading.
        scopes: What was granted.
        endpoints: Provider addresses that differ for this connection.
        client_id: The OAuth client it was made with; None: the one of the settings.
        last_error: Why it does not work, when it does not.
        last_synced_at: End of the last committed sync.
        synced_items: Items that all syncs brought.
    """

    id: UUID
    workspace_id: UUID
    user_id: UUID | None
    provider: str
    account: str
    state: AccountState
    scopes: tuple[str, ...]
    endpoints: Mapping[str, str]
    client_id: str | None
    last_error: str | None
    last_synced_at: datetime | None
    synced_items: int

    @property
    def gate_key(self) -> str:
        """The gate behind which its jobs wait."""
        return connection_key(self.id)


def from_row(row: Mapping[str, Any]) -> Account:
    """The account in a row of `connection_get.sql` or `connection_list.sql`."""
    fields = dict(row)
    fields["scopes"] = tuple(fields["scopes"])
    fields["endpoints"] = msgspec.json.decode(fields["endpoints"], type=dict[str, str])
    return Account(**fields)


async def find(database: Statements, workspace_id: UUID, connection_id: UUID) -> Account | None:
    """The connection, if that workspace has it."""
    row = await store.get(database, workspace_id, connection_id)
    return None if row is None else from_row(row)


async def listed(
    database: Statements, *, workspace_id: UUID | None = None, provider: str | None = None
) -> list[Account]:
    """Connections of a workspace (None: of all) at a provider (None: at all), oldest first."""
    return [from_row(row) for row in await store.listed(database, workspace_id, provider)]
