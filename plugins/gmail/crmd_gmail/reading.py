"""From Gmail's message to the CRM's: bytes, labels, direction. Pure work for a thread, whatever is in the message."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from crmd_crm.incoming import IncomingMessage, ReadMessage, RefusedMessage, read_incoming
from crmd_crm.mail import MailLimits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crmd_gmail.settings import GmailSettings
    from crmd_gmail.wire import WireMessage

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EMPTY_SHA256 = sha256(b"").digest()


@dataclass(frozen=True, slots=True)
class Reader:
    """How the messages of one mailbox are read.

    Args:
        owner: The mailbox's own address, lower-case.
        limits: How much of each message is read.
    """

    owner: str
    limits: MailLimits

    def read(
        self, messages: Sequence[WireMessage], refused: Mapping[str, str], versions: Mapping[str, int]
    ) -> list[ReadMessage | RefusedMessage]:
        """Read a batch, each id once.

        Args:
            messages: As fetched.
            refused: What Gmail never gives out, with the reason.
            versions: The least version of a message by id, where the history has told of a change before.
        """
        newest = {message.id: message for message in sorted(messages, key=lambda message: message.history_id)}
        kept = [RefusedMessage(one, reason, 0, _EMPTY_SHA256) for one, reason in refused.items() if one not in newest]
        return [*(self._one(message, versions.get(message.id, 0)) for message in newest.values()), *kept]

    def _one(self, message: WireMessage, version: int) -> ReadMessage | RefusedMessage:
        try:
            incoming = incoming_of(message, version)
        except binascii.Error:
            reason = "What Gmail gives as the message is no base64."
            return RefusedMessage(message.id, reason, len(message.raw), sha256(message.raw.encode()).digest())
        read = read_incoming(incoming, self.limits)
        if isinstance(read, ReadMessage) and self._is_own(read):
            return replace(read, incoming=replace(read.incoming, direction="outbound"))
        return read

    def _is_own(self, read: ReadMessage) -> bool:
        """Sent by the owner through another server. Spam likes to pretend that, so it is never believed there."""
        sender = next(iter(read.mail.from_), None)
        return sender is not None and sender.address == self.owner and "SPAM" not in read.incoming.labels


def reader_of(account: str, settings: GmailSettings) -> Reader:
    """The reader for an account's mailbox."""
    limits = MailLimits(
        message_bytes_max=settings.message_bytes_max,
        text_chars_max=settings.text_chars_max,
        html_chars_max=settings.text_chars_max,
    )
    return Reader(account.lower(), limits)


def incoming_of(message: WireMessage, version: int = 0) -> IncomingMessage:
    """The message as the CRM takes it in.

    Raises:
        binascii.Error: Its bytes can't be decoded.
    """
    labels = message.label_ids
    return IncomingMessage(
        provider_id=message.id,
        provider_thread_id=message.thread_id or message.id,
        raw=decode_raw(message.raw),
        received_at=instant_of(message.internal_date),
        direction="outbound" if {"SENT", "DRAFT"} & set(labels) else "inbound",
        labels=labels,
        history_id=max(message.history_id, version),
        is_unread="UNREAD" in labels,
        is_draft="DRAFT" in labels,
    )


def decode_raw(text: str) -> bytes:
    """Base64url with or without its padding.

    Raises:
        binascii.Error: It is neither.
    """
    bare = text.rstrip("=")
    try:
        data = bare.encode("ascii")
    except UnicodeEncodeError:
        raise binascii.Error("not ASCII") from None
    return base64.b64decode(data + b"=" * (-len(data) % 4), altchars=b"-_", validate=True)


def instant_of(milliseconds: int) -> datetime:
    """The provider's instant; one that no calendar has becomes the epoch."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return _EPOCH
