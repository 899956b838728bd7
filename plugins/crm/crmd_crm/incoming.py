"""A message as a provider hands it over, and read: pure work that belongs in a thread, before the transaction opens."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from crmd_crm.mail import DEFAULT_LIMITS, MailLimits, ParsedMail, Unparseable, Verdict, classify, parse_message

Direction = Literal["inbound", "outbound"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingMessage:
    """What a provider says of a message, and its bytes.

    Args:
        provider_id: The provider's id, unique in its mailbox.
        provider_thread_id: The provider's conversation.
        raw: The message as RFC 5322 bytes.
        received_at: When the provider took it in, aware.
        direction: outbound when the mailbox's owner wrote it.
        labels: The provider's labels or folders.
        history_id: The provider's version; grows with each change, 0 when it has none.
        is_unread: As the provider has it.
        is_draft: As the provider has it.
    """

    provider_id: str
    provider_thread_id: str
    raw: bytes
    received_at: datetime
    direction: Direction = "inbound"
    labels: tuple[str, ...] = ()
    history_id: int = 0
    is_unread: bool = False
    is_draft: bool = False


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """An incoming message with what was read of it."""

    incoming: IncomingMessage
    mail: ParsedMail
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class RefusedMessage:
    """What can't be a message, and why."""

    provider_id: str
    reason: str
    size_bytes: int
    sha256: bytes


def read_incoming(incoming: IncomingMessage, limits: MailLimits = DEFAULT_LIMITS) -> ReadMessage | RefusedMessage:
    """Read one message; never raises for anything in its bytes."""
    try:
        mail = parse_message(incoming.raw, limits)
    except Unparseable as refusal:
        digest = hashlib.sha256(incoming.raw).digest()
        return RefusedMessage(incoming.provider_id, refusal.reason, len(incoming.raw), digest)
    return ReadMessage(incoming, mail, classify(mail))


def read_all(
    messages: Iterable[IncomingMessage], limits: MailLimits = DEFAULT_LIMITS
) -> list[ReadMessage | RefusedMessage]:
    """Read a batch; of several versions of one message only the newest is kept."""
    newest: dict[str, IncomingMessage] = {}
    for message in messages:
        known = newest.get(message.provider_id)
        if known is None or known.history_id <= message.history_id:
            newest[message.provider_id] = message
    return [read_incoming(message, limits) for message in newest.values()]


def message_row(message: ReadMessage) -> dict[str, object]:
    """The message as upsert_messages.sql takes it."""
    incoming, mail, verdict = message.incoming, message.mail, message.verdict
    sender = next(iter(mail.from_ or mail.sender), None)
    return {
        "provider_id": incoming.provider_id,
        "provider_thread_id": incoming.provider_thread_id,
        "provider_history_id": incoming.history_id,
        "rfc822_message_id": mail.message_id,
        "in_reply_to": mail.in_reply_to,
        "references_ids": list(mail.references),
        "kind": verdict.kind.value,
        "direction": incoming.direction,
        "subject": mail.subject,
        "from_name": sender.name if sender else "",
        "from_address": sender.address if sender else None,
        "sent_at": _iso(mail.sent_at),
        "received_at": _iso(incoming.received_at),
        "snippet": mail.snippet,
        "body_text": mail.text,
        "body_html": mail.html,
        "labels": sorted(set(incoming.labels)),
        "is_unread": incoming.is_unread,
        "is_draft": incoming.is_draft,
        "has_attachments": any(not attachment.is_inline for attachment in mail.attachments),
        "bounce": _bounce_row(verdict),
        "defects": list(mail.defects),
        "size_bytes": mail.size_bytes,
        "raw_sha256_hex": mail.sha256.hex(),
    }


def _iso(instant: datetime | None) -> str | None:
    return instant.astimezone(UTC).isoformat() if instant is not None else None


def _bounce_row(verdict: Verdict) -> dict[str, object] | None:
    if verdict.bounce is None:
        return None
    recipients = [
        {"address": each.address, "action": each.action, "status": each.status, "diagnostic": each.diagnostic}
        for each in verdict.bounce.recipients
    ]
    return {"recipients": recipients, "original_message_id": verdict.bounce.original_message_id}
