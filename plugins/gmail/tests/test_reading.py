from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime

import msgspec
import pytest
from crmd_crm.incoming import ReadMessage, RefusedMessage
from crmd_gmail.reading import decode_raw, incoming_of, instant_of, reader_of
from crmd_gmail.settings import GmailSettings
from crmd_gmail.wire import MessagePage, UnusableError, WireMessage, read_json

RAW = b"From: Ada <ada@engine.example>\r\nSubject: \xff\r\n\r\n\xfb\xff text?\r\n"


def wire(raw: bytes = RAW, **fields: object) -> WireMessage:
    """A message as fetched."""
    given = {"id": "a", "historyId": "7", "internalDate": "1780000000123", **fields}
    given.setdefault("raw", base64.urlsafe_b64encode(raw).decode())
    return read_json(msgspec.json.encode(given), WireMessage)


@pytest.mark.parametrize("length", range(6))
def test_padding_may_be_there_or_not(length: int) -> None:
    """Base64url is read with and without its padding."""
    data = bytes(range(250, 250 + length))
    text = base64.urlsafe_b64encode(data).decode()
    assert decode_raw(text) == decode_raw(text.rstrip("=")) == data


@pytest.mark.parametrize("text", ["a", "ab*d", "äbcd", "ab cd", "ab\ncd"])
def test_no_base64(text: str) -> None:
    """What is no base64url is refused, never read as something else."""
    with pytest.raises(binascii.Error):
        decode_raw(text)


def test_a_message_that_cannot_be_decoded() -> None:
    """A message whose bytes can't be decoded is put in quarantine with a reason; the others are read."""
    reader = reader_of("Jana@Nordwerk.example", GmailSettings())
    broken, good = reader.read([msgspec.structs.replace(wire(id="b"), raw="*"), wire()], {}, {})
    assert isinstance(broken, RefusedMessage)
    assert (broken.provider_id, broken.reason) == ("b", "What Gmail gives as the message is no base64.")
    assert isinstance(good, ReadMessage)


def test_the_newest_of_two_versions() -> None:
    """Of a message that comes twice the newest version is taken, and an id is given once."""
    reader = reader_of("jana@nordwerk.example", GmailSettings())
    older, newer = wire(historyId="5", labelIds=["INBOX"]), wire(historyId="9", labelIds=["SENT"])
    [read] = reader.read([newer, older], {"a": "refused before"}, {"a": 12})
    assert isinstance(read, ReadMessage)
    assert (read.incoming.labels, read.incoming.history_id, read.incoming.direction) == (("SENT",), 12, "outbound")


def test_what_gmail_says() -> None:
    """Labels give read state, draft state and direction; numbers come as strings; a missing thread is one's own."""
    message = incoming_of(wire(labelIds=["UNREAD", "DRAFT"]))
    assert (message.is_unread, message.is_draft, message.direction) == (True, True, "outbound")
    assert (message.history_id, message.provider_thread_id, message.raw) == (7, "a", RAW)
    assert message.received_at == datetime(2026, 5, 28, 20, 26, 40, 123000, tzinfo=UTC)


@pytest.mark.parametrize("milliseconds", [10**18, -(10**18), 253_402_300_800_000])
def test_absurd_instants(milliseconds: int) -> None:
    """An instant that no calendar has is the epoch, not an error."""
    assert instant_of(milliseconds) == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"<html>", b'{"messages": 5}', b"[" * 100_000])
def test_unusable_json(body: bytes) -> None:
    """What is no JSON of the shape counts as an attempt and quotes nothing of it."""
    with pytest.raises(UnusableError, match="unusable JSON"):
        read_json(body, MessagePage)
