"""Rows of connections, their sealed secrets and their cursors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from crmd.store.queries import load_queries
from crmd.stored_text import clean_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from crmd.context import Statements

SQL = load_queries("crmd.store")
ERROR_LENGTH_MAX = 500


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A secret as it is stored.

    Args:
        ciphertext: Sealed by the vault.
        seconds_left: Until it ends, by the database's clock; None: no end that is known.
    """

    ciphertext: str
    seconds_left: float | None


async def get(database: Statements, workspace_id: UUID, connection_id: UUID) -> Mapping[str, Any] | None:
    """One connection, if that workspace has it."""
    row: Mapping[str, Any] | None = await database.fetchrow(SQL.connection_get, workspace_id, connection_id)
    return row


async def listed(database: Statements, workspace_id: UUID | None, provider: str | None) -> Sequence[Mapping[str, Any]]:
    """Connections of a workspace (None: of all) at a provider (None: at all), oldest first."""
    return await database.fetch(SQL.connection_list, workspace_id, provider)


async def secrets(database: Statements, workspace_id: UUID, connection_id: UUID) -> dict[str, SealedSecret]:
    """Its sealed secrets by name."""
    rows = await database.fetch(SQL.connection_secrets, workspace_id, connection_id)
    return {row["name"]: SealedSecret(row["ciphertext"], row["seconds_left"]) for row in rows}


async def put_secret(
    database: Statements, workspace_id: UUID, connection_id: UUID, name: str, sealed: SealedSecret
) -> None:
    """Store one sealed secret in place of the one of that name."""
    await database.execute(
        SQL.connection_secret_put, workspace_id, connection_id, name, sealed.ciphertext, sealed.seconds_left
    )


async def mark_needs_reauth(database: Statements, workspace_id: UUID, connection_id: UUID, reason: str) -> None:
    """Only a new consent helps: the state says so, and the gate parks the connection's jobs."""
    await database.execute(SQL.connection_needs_reauth, workspace_id, connection_id, reason[:ERROR_LENGTH_MAX])


async def throttle(
    database: Statements, workspace_id: UUID, connection_id: UUID, *, seconds: float, reason: str
) -> None:
    """The provider asked for a pause: the gate closes on all daemons, and the connection shows it."""
    await database.execute(SQL.connection_throttle, workspace_id, connection_id, seconds, reason[:ERROR_LENGTH_MAX])


async def cursor(database: Statements, workspace_id: UUID, connection_id: UUID, name: str) -> Any:  # noqa: ANN401 - JSON of any shape
    """How far a sync has come; None when it has not begun."""
    text = await database.fetchval(SQL.connection_cursor_get, workspace_id, connection_id, name)
    return None if text is None else msgspec.json.decode(text)


async def set_cursor(
    tx: Statements,
    connection_id: UUID,
    name: str,
    value: object,
    *,
    expected: object,
    job_id: UUID | None = None,
    fence: int | None = None,
) -> bool:
    """Move a cursor inside the caller's transaction, only from the value the caller started at.

    Args:
        tx: The transaction that also holds what the cursor has passed, and the lease; only cursors of the workspace
            it works for can be moved.
        connection_id: Whose cursor.
        name: Which one.
        value: JSON-like; None forgets the cursor.
        expected: What `cursor` gave; None: there was none.
        job_id: The job that moves it.
        fence: Of the job's claim.

    Returns:
        False when somebody else moved it meanwhile; nothing was written then.
    """
    old = None if expected is None else msgspec.json.encode(expected).decode()
    if value is None:
        return old is None or bool(await tx.fetchval(SQL.connection_cursor_drop, connection_id, name, old))
    new = msgspec.json.encode(value).decode()
    return bool(await tx.fetchval(SQL.connection_cursor_set, connection_id, name, new, old, job_id, fence))


async def mark_synced(tx: Statements, connection_id: UUID, *, items: int = 0) -> None:
    """A sync round is about to commit in `tx`: the connection is fresh as of now, and has `items` more."""
    await tx.execute(SQL.connection_synced, connection_id, items)


async def mark_outcomes(database: Statements, outcomes: Mapping[tuple[UUID, UUID], str | None]) -> None:
    """How the newest jobs of connections ended, by workspace and id: why they failed, or None where they went well.

    It is shown beside the connection, whose state stays.
    """
    workspaces, ids = [workspace_id for workspace_id, _ in outcomes], [connection_id for _, connection_id in outcomes]
    reasons = [None if reason is None else clean_text(reason, ERROR_LENGTH_MAX) for reason in outcomes.values()]
    await database.execute(SQL.connection_failed, workspaces, ids, reasons)
