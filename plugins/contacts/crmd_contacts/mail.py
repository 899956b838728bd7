"""A stored message as contact extraction needs it, and whether it can speak about people at all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from crmd_contacts.fold import fold
from crmd_contacts.lexicon import words

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

_SPAM_LABELS = frozenset(("spam", "junk", "junkemail", "junk email"))


@cache
def _automatic_subjects() -> tuple[str, ...]:
    return tuple(words("automatic_subjects"))


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody a message names: role from, sender, reply_to, to, cc or bcc; name and address as in the header."""

    role: str
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Mail:
    """One message. `received_at` is the provider's instant: what a newer one says wins, whatever is read first."""

    message_id: UUID
    kind: str
    received_at: datetime
    subject: str
    text: str
    parties: tuple[Party, ...]
    labels: tuple[str, ...] = ()
    is_draft: bool = False


def why_silent(mail: Mail) -> str:
    """Why a message says nothing about people, in a few words; empty when it may."""
    if mail.kind != "mail":
        return f"the message is of kind {mail.kind}"
    if mail.is_draft:
        return "the message is a draft"
    if any(label.lower() in _SPAM_LABELS for label in mail.labels):
        return "the message is spam"
    if fold(mail.subject[:100]).strip().startswith(_automatic_subjects()):
        return "the message was written by a machine"
    return ""
