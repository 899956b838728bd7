"""The job extract-contacts: one stored message is read, and what it says about people is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import anyio.to_thread
import msgspec

import crmd
from crmd_contacts.claim import claims_of
from crmd_contacts.interactions import record_interactions
from crmd_contacts.mail import Mail, Party, why_silent
from crmd_contacts.people import record_claims

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

SQL = crmd.load_queries("crmd_contacts")
RULES_VERSION = 1
"""Raised whenever the rules say something else of some mail, so that `force` isn't needed to read it again."""


class ExtractContacts(crmd.Payload, frozen=True):
    """Which message to read. `force` reads it again although these rules have read it."""

    email_id: UUID
    force: bool = False


class Extracted(msgspec.Struct, frozen=True, rename="camel"):
    """What came of it: numbers of contacts, and why nothing was read (empty when it was)."""

    created: int = 0
    updated: int = 0
    merged: int = 0
    skipped: str = ""


@crmd.job(
    "extract-contacts",
    aliases=("contact-extraction",),
    queue="fast",
    timeout_seconds=60.0,
    # Jobs of one workspace write one after the other, so more of them at a time would only hold connections and wait.
    concurrency=crmd.Concurrency(max=8, per="workspace"),
    on_events="email.synced",
)
async def extract_contacts(ctx: crmd.Context, payload: ExtractContacts) -> Extracted:
    """Create, update and merge contacts from a message's addresses and its sender's signature."""
    async with ctx.transaction() as tx:
        mail, is_read = await _load(tx, payload.email_id)
        if mail is None:
            return Extracted(skipped="the message no longer exists")
        if is_read and not payload.force:
            return Extracted(skipped="the message was read before")
        silence = why_silent(mail)
        if silence:  # not marked as read: what is spam or a draft now may be neither tomorrow
            return Extracted(skipped=silence)
        claims = await anyio.to_thread.run_sync(claims_of, mail)
        tally = await record_claims(tx, claims)
        await record_interactions(tx, mail.message_id)
        await tx.execute(SQL.mark_read, mail.message_id, RULES_VERSION)
    return Extracted(tally.created, tally.updated, tally.merged)


async def _load(tx: crmd.Statements, message_id: UUID) -> tuple[Mail | None, bool]:
    row = await tx.fetchrow(SQL.message, message_id, RULES_VERSION)
    if row is None:
        return None, False
    return _mail(message_id, row, await tx.fetch(SQL.parties, message_id)), row["is_read"]


def _mail(message_id: UUID, row: Mapping[str, Any], parties: list[Any]) -> Mail:
    return Mail(
        message_id=message_id,
        kind=row["kind"],
        received_at=row["received_at"],
        subject=row["subject"],
        text=row["body_text"],
        parties=tuple(Party(party["role"], party["name"], party["address"]) for party in parties),
        labels=tuple(row["labels"]),
        is_draft=row["is_draft"],
    )
