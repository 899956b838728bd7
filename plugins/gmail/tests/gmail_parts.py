"""Small things that several tests of crmd-gmail make: messages and settings."""

from __future__ import annotations

from typing import Any

from crmd_gmail import GmailSettings


def mail_bytes(number: int, subject: str = "") -> bytes:
    """A plain message; each number is a conversation of its own."""
    return (
        f"Message-ID: <{number}@engine.example>\r\n"
        f"Date: Mon, {number % 28 + 1:02} Jun 2026 10:00:00 +0000\r\n"
        "From: Ada Lovelace <ada@engine.example>\r\n"
        "To: jana@nordwerk.example\r\n"
        f"Subject: {subject or f'Note {number}'}\r\n\r\n"
        f"Hello, this is note {number}.\r\n"
    ).encode()


def quick(**settings: Any) -> GmailSettings:  # noqa: ANN401 - any of the settings
    """Settings under which nothing waits in the process."""
    return GmailSettings(**{"pause_seconds": 0.001, **settings})
