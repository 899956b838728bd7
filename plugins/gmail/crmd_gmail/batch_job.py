"""The job process-email-batch: some messages of a mailbox are fetched, read and stored."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec

import crmd
from crmd_gmail.mailbox import open_mailbox
from crmd_gmail.patience import patiently
from crmd_gmail.storing import bring_in
from crmd_gmail.tally import Tally

IDS_MAX = 1_000
PER_CONNECTION_MAX = 3


class ProcessEmailBatch(crmd.Payload, frozen=True):
    """Which messages to fetch, by Gmail's ids."""

    connection_id: UUID
    message_ids: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=200)], ...], msgspec.Meta(max_length=IDS_MAX)
    ]


class Left(msgspec.Struct, frozen=True):
    """The checkpoint: the ids that are still to come, and the tally of the others."""

    ids: tuple[str, ...]
    tally: Tally


@crmd.job(
    "process-email-batch",
    connection="connectionId",
    concurrency=crmd.Concurrency(max=PER_CONNECTION_MAX, per="connectionId"),
)
async def process_email_batch(ctx: crmd.Context, payload: ProcessEmailBatch) -> Tally | crmd.Snooze:
    """Fetch messages of a mailbox, read them and store them with their threads; tell of each new one."""
    return await patiently(ctx, _process(ctx, payload))


async def _process(ctx: crmd.Context, payload: ProcessEmailBatch) -> Tally:
    left = ctx.restored(Left) or Left(tuple(dict.fromkeys(payload.message_ids)), Tally())
    mailbox = await open_mailbox(ctx, payload.connection_id)
    total = len(set(payload.message_ids))

    async def keep(tx: crmd.Transaction, pending: list[str], tally: Tally) -> None:
        await tx.checkpoint(Left(tuple(pending), tally))
        ctx.progress(total - len(pending), total)

    return await bring_in(ctx, mailbox, left.ids, keep=keep, is_live=False, tally=left.tally)
