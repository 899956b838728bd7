"""Interactions: that a message passed between us and a contact, noted once and told of once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import crmd

if TYPE_CHECKING:
    from uuid import UUID

SQL = crmd.load_queries("crmd_contacts")


async def record_interactions(tx: crmd.Transaction, message_id: UUID) -> None:
    """Note a message with each contact that it came from or went to."""
    rows = await tx.fetch(SQL.record_interactions, message_id)
    data = [
        {
            "interactionId": row["id"],
            "contactId": row["contact_id"],
            "kind": "email",
            "direction": row["direction"],
            "threadId": row["thread_id"],
            "occurredAt": row["occurred_at"],
        }
        for row in rows
    ]
    if data:
        ids = [row["contact_id"] for row in rows]
        await tx.emit_many("interaction.recorded", data, aggregate_type="contact", aggregate_ids=ids)
