"""Merging rows of one person: everything moves to the row kept, and the old id goes on resolving to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import crmd

if TYPE_CHECKING:
    from uuid import UUID

    from crmd_contacts.plan import Merge

SQL = crmd.load_queries("crmd_contacts")


async def merge_into(tx: crmd.Transaction, kept_id: UUID, merge: Merge) -> list[UUID | None]:
    """Make `merge.duplicate_id` a pointer to `kept_id`, log why, and tell of it; answers the companies it left."""
    duplicate_id = merge.duplicate_id
    await tx.execute(SQL.take_edits, duplicate_id, kept_id)
    for statement in (SQL.move_emails, SQL.move_phones, SQL.move_links, SQL.move_interactions):
        await tx.execute(statement, duplicate_id, kept_id)
    left = await tx.fetch(SQL.point_at_kept, duplicate_id, kept_id)
    await tx.execute(SQL.log_merge, kept_id, duplicate_id, merge.match.reason, merge.match.score)
    await tx.emit(
        "contact.merged",
        {
            "contactId": str(kept_id),
            "mergedContactId": str(duplicate_id),
            "reason": merge.match.reason,
            "score": round(merge.match.score, 3),
        },
        aggregate_type="contact",
        aggregate_id=kept_id,
    )
    return [row["company_id"] for row in left]
