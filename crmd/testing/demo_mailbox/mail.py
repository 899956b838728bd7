"""The messages of the demo mailbox, oldest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from crmd.testing.sandbox.mailbox import Mailbox


@dataclass(frozen=True, slots=True)
class DemoMessage:
    """One message: its file name, RFC 5322 bytes, labels as Gmail has them, and when it arrived (aware UTC)."""

    file: str
    raw: bytes
    labels: tuple[str, ...]
    internal_date: datetime


class _Entry(msgspec.Struct, frozen=True):
    file: str
    labels: tuple[str, ...]
    internal_date: datetime


def messages() -> list[DemoMessage]:
    """Give all messages; label names that are no system labels are the user's own."""
    folder = resources.files(__package__)
    entries = msgspec.json.decode(folder.joinpath("index.json").read_bytes(), type=list[_Entry])
    return [
        DemoMessage(entry.file, folder.joinpath("mail", entry.file).read_bytes(), entry.labels, entry.internal_date)
        for entry in entries
    ]


def deliver(mailbox: Mailbox) -> int:
    """Put all messages into a mailbox of the sandbox, oldest first, and give their number."""
    found = messages()
    for message in found:
        mailbox.add(message.raw, message.labels, internal_date=message.internal_date)
    return len(found)
