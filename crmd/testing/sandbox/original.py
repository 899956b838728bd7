"""A received message as bytes, with the few facts that threading and search ask for."""

from __future__ import annotations

import email
import email.utils
import re
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from email.message import Message

MESSAGE_ID = re.compile(r"<([^<>\s]{1,998})>")
HEADER_CHARACTERS_MAX = 20_000
SUBJECT_PREFIX = re.compile(r"(?:re|fwd?|aw|wg|antw|sv)\s{0,4}:\s{0,4}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Original:
    """The raw bytes and what was read from their headers; header values are decoded, ids stand without brackets."""

    raw: bytes
    message_id: str
    references: tuple[str, ...]
    subject: str
    headers: tuple[tuple[str, str], ...]

    def parsed(self) -> Message:
        """Parse the whole message anew; the result is the caller's own."""
        return email.message_from_bytes(self.raw)

    def header(self, name: str) -> str:
        """Give all values of a header, decoded, as one text."""
        return " ".join(value for key, value in self.headers if key.lower() == name.lower())


def read_original(raw: bytes) -> Original:
    """Read the headers of a message; broken ones are read as far as they go."""
    message = email.message_from_bytes(raw)
    headers = tuple((name, decoded_header(_unfolded(value))) for name, value in message.items())
    ids = {name.lower(): _ids(_unfolded(value)) for name, value in message.items()}
    return Original(
        raw=raw,
        message_id=next(iter(ids.get("message-id", ())), ""),
        references=(*ids.get("references", ()), *ids.get("in-reply-to", ())),
        subject=next((value for name, value in headers if name.lower() == "subject"), ""),
        headers=headers,
    )


def bare_subject(subject: str) -> str:
    """Give a subject without its reply and forward prefixes, for comparing threads."""
    text = subject[:HEADER_CHARACTERS_MAX].strip()
    while (prefix := SUBJECT_PREFIX.match(text)) is not None:
        text = text[prefix.end() :]
    return " ".join(text.lower().split())


def decoded_header(value: str) -> str:
    """Decode RFC 2047 words; a value that cannot be decoded is given as it is."""
    try:
        return str(make_header(decode_header(value[:HEADER_CHARACTERS_MAX])))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return value


def _unfolded(value: object) -> str:
    return " ".join(str(value).splitlines())


def _ids(value: str) -> tuple[str, ...]:
    return tuple(MESSAGE_ID.findall(value[:HEADER_CHARACTERS_MAX]))
