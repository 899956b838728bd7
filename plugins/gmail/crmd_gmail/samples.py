"""How `crmd plugin check` tries the plugin: mailboxes of the Gmail sandbox, in pages of two."""

from __future__ import annotations

from typing import Any

import crmd

SQL = crmd.load_queries("crmd_gmail")
MESSAGES = 5
SMALL = {"page_max": 2, "batch_max": 2, "pause_seconds": 0.001}


def _mail(number: int) -> bytes:
    return (
        f"Message-ID: <{number}@engine.example>\r\n"
        f"Date: {number + 1:02} Jun 2026 10:00:00 +0000\r\n"
        "From: Ada Lovelace <ada@engine.example>\r\n"
        "To: jana@nordwerk.example\r\n"
        f"Subject: Note {number}\r\n\r\n"
        f"Hello, this is note {number}.\r\n"
    ).encode()


async def _filled(scene: crmd.Scene) -> Any:  # noqa: ANN401 - of the Gmail sandbox, which is the scene's own
    return await scene.gmail(*(_mail(number) for number in range(MESSAGES)))


async def _mailbox(scene: crmd.Scene) -> dict[str, object]:
    return {"connectionId": str((await _filled(scene)).connection_id)}


async def _two_at_a_time(scene: crmd.Scene) -> dict[str, object]:
    return {**await _mailbox(scene), "batchSize": 2}


async def _all_mail(scene: crmd.Scene) -> dict[str, object]:
    opened = await _filled(scene)
    return {"connectionId": str(opened.connection_id), "messageIds": list(opened.mailbox.messages)}


async def _with_changes(scene: crmd.Scene) -> dict[str, object]:
    """A mailbox that was synced in full, in which then something of everything happened."""
    opened = await _filled(scene)
    mailbox = opened.mailbox
    async with scene.transaction() as tx:
        await tx.execute(SQL.sample_cursor, scene.workspace_id, opened.connection_id, str(mailbox.history_id))
    first, *_ = mailbox.messages
    mailbox.mark_read(first)
    for number in range(MESSAGES, MESSAGES + 3):
        mailbox.add(_mail(number))
    mailbox.delete(first)
    return {"connectionId": str(opened.connection_id)}


async def _nothing_told(scene: crmd.Scene) -> None:
    await _filled(scene)


SAMPLES = (
    crmd.Sample(job_type="sync-gmail", seed=_nothing_told, settings=SMALL, has_workspace=False),
    crmd.Sample(job_type="sync-emails-initial", seed=_two_at_a_time, settings=SMALL),
    crmd.Sample(job_type="sync-emails-incremental", seed=_with_changes, settings=SMALL),
    crmd.Sample(job_type="process-email-batch", seed=_all_mail, settings=SMALL),
)
