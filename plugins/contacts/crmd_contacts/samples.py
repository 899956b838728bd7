"""How `crmd plugin check` tries the plugin: a message with a signature, as a sync has stored it."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from crmd_crm.incoming import IncomingMessage, read_incoming
from crmd_crm.store import store_messages

import crmd

CONNECTION = UUID("5a3c7a0e-7c2d-4a54-9d0e-3d1c0a5f2b11")
MESSAGE = (
    b"Message-ID: <offer-1@engine.example>\r\n"
    b"Date: Tue, 02 Jun 2026 10:00:00 +0200\r\n"
    b"From: Ada Lovelace <ada@engine.example>\r\n"
    b"To: jana@nordwerk.example\r\n"
    b"Subject: Your offer\r\n\r\n"
    b"Thank you, we will look at it.\r\n\r\n"
    b"-- \r\nAda Lovelace\r\nHead of Computing\r\nEngine Ltd\r\n+44 20 7946 0123\r\n"
)


async def _stored(scene: crmd.Scene) -> dict[str, object]:
    incoming = IncomingMessage(
        provider_id="m1",
        provider_thread_id="t1",
        raw=MESSAGE,
        received_at=datetime(2026, 6, 2, 8, 0, tzinfo=UTC),
        labels=("INBOX",),
    )
    async with scene.transaction() as tx:
        stored = await store_messages(tx, CONNECTION, [read_incoming(incoming)])
    return {"emailId": str(stored.written[0].id)}


SAMPLES = (crmd.Sample(job_type="extract-contacts", seed=_stored),)
