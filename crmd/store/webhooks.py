"""Webhooks, their sealed secrets and the messages to them, as rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from crmd.errors import UsageError
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")
WEBHOOKS_MAX = 50
REPLAYED_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWebhook:
    """A webhook that is to be made.

    Args:
        workspace_id: Whose events it is told of.
        url: Where they go; checked before.
        event_types: As `contact.created`, `contact.*` or `*`.
        description: For people.
        created_by: Who makes it.
    """

    workspace_id: UUID
    url: str
    event_types: Sequence[str]
    created_by: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """Which messages are to be sent again.

    Args:
        delivery_id: This one, whatever became of it; None: those that failed.
        since: Of those, whose event was emitted at this instant or later.
        includes_missed: Also events since then that it was not told of, as while it was disabled.
        per_second: So many fall due in a second.
    """

    delivery_id: UUID | None = None
    since: datetime | None = None
    includes_missed: bool = False
    per_second: float = 10.0


async def add(connection: Connection, new: NewWebhook) -> UUID:
    """Keep a webhook.

    Raises:
        UsageError: The workspace has too many.
    """
    webhook_id: UUID | None = await connection.fetchval(
        _SQL.webhook_add,
        new.workspace_id,
        new.url,
        list(dict.fromkeys(new.event_types)),
        new.description,
        new.created_by,
        WEBHOOKS_MAX,
    )
    if webhook_id is None:
        raise UsageError(f"The workspace has {WEBHOOKS_MAX} webhooks.", hint="Remove one that is not needed.")
    return webhook_id


async def listed(
    database: Connection | Pool, workspace_id: UUID | None = None, webhook_id: UUID | None = None
) -> Sequence[Any]:
    """Webhooks, oldest first: of a workspace, or of all; one, or all."""
    return await database.fetch(_SQL.webhook_list, workspace_id, webhook_id)


async def change(
    connection: Connection | Pool,
    workspace_id: UUID,
    webhook_id: UUID,
    *,
    url: str | None = None,
    event_types: Sequence[str] | None = None,
    description: str | None = None,
) -> bool:
    """Change what is given; whether there is such a webhook."""
    types = None if event_types is None else list(dict.fromkeys(event_types))
    found = await connection.fetchval(_SQL.webhook_change, webhook_id, workspace_id, url, types, description)
    return found is not None


async def remove(database: Connection | Pool, workspace_id: UUID, webhook_id: UUID) -> bool:
    """Forget a webhook with all that belongs to it; whether there was one."""
    return await database.fetchval(_SQL.webhook_remove, webhook_id, workspace_id) is not None


async def enable(database: Connection | Pool, workspace_id: UUID, webhook_id: UUID) -> bool:
    """Let it be told again; False when it was enabled."""
    return await database.fetchval(_SQL.webhook_enable, webhook_id, workspace_id) is not None


async def disable(database: Connection | Pool, webhook_id: UUID, reason: str) -> bool:
    """Stop it and emit `webhook.disabled`; False when it was stopped before."""
    is_done: bool = await database.fetchval(_SQL.webhook_disable, webhook_id, reason)
    return is_done


async def add_secret(
    connection: Connection, secret_id: UUID, workspace_id: UUID, webhook_id: UUID, sealed: str
) -> None:
    """Keep a sealed secret as the current one."""
    await connection.execute(_SQL.webhook_secret_add, secret_id, workspace_id, webhook_id, sealed)


async def end_secret(connection: Connection, workspace_id: UUID, webhook_id: UUID, seconds: float) -> None:
    """Let the current secret go on for so long; there is none then."""
    await connection.execute(_SQL.webhook_secret_end, workspace_id, webhook_id, seconds)


async def message(database: Connection | Pool, delivery_id: UUID) -> Any:  # noqa: ANN401 - a row of webhook_message.sql
    """A message with all that is needed to send it, or None."""
    return await database.fetchrow(_SQL.webhook_message, delivery_id)


async def note(
    database: Connection | Pool, delivery_id: UUID, status: str, attempt: Mapping[str, object] | None
) -> None:
    """Note a try and how the message stands now."""
    noted = None if attempt is None else msgspec.json.encode(attempt).decode()
    await database.execute(_SQL.webhook_note, delivery_id, status, noted)


async def test(database: Connection | Pool, webhook_id: UUID) -> UUID | None:
    """Send a message that says nothing; its delivery."""
    delivery_id: UUID | None = await database.fetchval(_SQL.webhook_test, webhook_id)
    return delivery_id


async def deliveries(
    database: Connection | Pool,
    workspace_id: UUID | None,
    webhook_id: UUID,
    *,
    status: str | None = None,
    delivery_id: UUID | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> Sequence[Any]:
    """Messages to a webhook, newest first."""
    return await database.fetch(_SQL.webhook_deliveries, webhook_id, workspace_id, status, delivery_id, before, limit)


async def replay(database: Connection | Pool, workspace_id: UUID, webhook_id: UUID, wanted: Replayed) -> list[UUID]:
    """Send messages again, each with its old id; the deliveries that this was done for."""
    if wanted.includes_missed:
        await database.execute(_SQL.webhook_missed, webhook_id, workspace_id, wanted.since, REPLAYED_MAX)
    rows = await database.fetch(
        _SQL.webhook_replay,
        webhook_id,
        workspace_id,
        wanted.delivery_id,
        wanted.since,
        wanted.per_second,
        REPLAYED_MAX,
    )
    return [row["id"] for row in rows]


async def sweep(database: Connection | Pool, event_days: int, rows_max: int) -> int:
    """Forget messages whose events are not kept any more; how many."""
    count: int = await database.fetchval(_SQL.webhook_sweep, event_days, rows_max)
    return count
