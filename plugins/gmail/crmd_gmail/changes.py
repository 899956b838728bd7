"""Applies a page of history: fetches what came, then removes, relabels and moves the cursor in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crmd_crm.store import change_labels

from crmd_gmail.initial import CURSOR
from crmd_gmail.storing import SQL, bring_in, remove
from crmd_gmail.synced import Kept
from crmd_gmail.wire import UnusableError

if TYPE_CHECKING:
    import crmd
    from crmd_gmail.history import Intents
    from crmd_gmail.mailbox import Mailbox
    from crmd_gmail.synced import Synced


@dataclass(frozen=True, slots=True)
class Move:
    """Where the cursor is and where it goes; `is_last`: there is nothing newer."""

    cursor: str
    following: str
    is_last: bool


async def apply_changes(ctx: crmd.Context, mailbox: Mailbox, intents: Intents, done: Synced, move: Move) -> Synced:
    """Apply what a page of history comes to, and move the cursor behind it.

    Raises:
        UnusableError: Somebody else moved the cursor.
    """
    missing = await _not_stored(ctx, mailbox, intents)
    done = done.having(await bring_in(ctx, mailbox, missing, is_live=True, tally=done.tally))
    async with ctx.transaction() as tx:
        removed, relabelled = await _apply(tx, mailbox, intents)
        await move_cursor(tx, mailbox, move)
        done = done.having(done.tally, gone=removed, relabelled=relabelled)
        await tx.checkpoint(Kept(done))
    ctx.progress(done.stored + done.updated + done.unchanged + done.gone + done.relabelled)
    return done


async def move_cursor(tx: crmd.Transaction, mailbox: Mailbox, move: Move) -> None:
    """Move the cursor if it still is where this sync found it.

    Raises:
        UnusableError: It is not; nothing of the transaction is kept.
    """
    connection_id = mailbox.connection_id
    if move.following != move.cursor and not await tx.set_cursor(
        connection_id, CURSOR, move.following, expected=move.cursor
    ):
        raise UnusableError("Another sync of this mailbox moved its cursor meanwhile.")
    if move.is_last:
        await tx.execute(SQL.forget_old, connection_id)
        await tx.mark_synced(connection_id)


async def _not_stored(ctx: crmd.Context, mailbox: Mailbox, intents: Intents) -> list[str]:
    """What is to be fetched.

    What an earlier attempt at this page brought in is not fetched again: its bytes never change, and its labels follow
    from the history.
    """
    if not intents.added:
        return []
    added = list(intents.added)
    async with ctx.transaction() as tx:
        await tx.execute(SQL.lock_mailbox, mailbox.connection_id)
        await tx.execute(SQL.forget_told, mailbox.connection_id, added, True)
        rows = await tx.fetch(SQL.stored, mailbox.connection_id, added)
    known = {row["provider_id"] for row in rows}
    return [message_id for message_id in added if message_id not in known]


async def _apply(tx: crmd.Transaction, mailbox: Mailbox, intents: Intents) -> tuple[int, int]:
    """How many messages were removed, and how many relabelled."""
    connection_id = mailbox.connection_id
    if not intents.deleted and not intents.labels:
        return 0, 0
    await tx.execute(SQL.lock_mailbox, connection_id)
    removed = await remove(tx, connection_id, intents.deleted)
    relabelled = await change_labels(tx, connection_id, intents.labels)
    newest = intents.newest_label_changes()
    if newest:
        await tx.execute(SQL.tell, connection_id, list(newest), list(newest.values()), False)
    return removed, len(relabelled)
