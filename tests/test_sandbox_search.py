"""The search language of the sandbox, and hostile input to its parsers."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest

from crmd.testing.sandbox.mailbox import Mailbox
from crmd.testing.sandbox.original import bare_subject, read_original
from crmd.testing.sandbox.payload import message_resource
from crmd.testing.sandbox.search import Words, WrongQueryError, parse_search

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def box() -> Mailbox:
    """Give a mailbox of four messages, ten days apart."""
    made = Mailbox("jana@nordwerk.example")
    heads = (
        "From: Ann <ann@a.example>\r\nSubject: Offer for pumps",
        "From: Bob <bob@b.example>\r\nSubject: Invoice 17",
        "From: Ann <ann@a.example>\r\nTo: team@nordwerk.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=",
        "From: news@c.example\r\nSubject: Offer of the week\r\nMessage-ID: <n1@c.example>",
    )
    labels = (["INBOX", "UNREAD"], ["INBOX", "Key accounts"], ["SENT"], ["SPAM"])
    for at, (head, names) in enumerate(zip(heads, labels, strict=True)):
        sent_at = NOW - timedelta(days=40 - 10 * at)
        made.add(f"{head}\r\n\r\nbody number{at}\r\n".encode(), names, internal_date=sent_at)
    return made


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "0123"),
        ("from:ann", "02"),
        ("-from:ann", "13"),
        ("subject:offer -in:spam", "0"),
        ('subject:"offer for"', "0"),
        ("subject:grüße", "2"),
        ("to:team", "2"),
        ("from:bob OR from:news", "13"),
        ("{from:bob from:news}", "13"),
        ("from:ann (is:unread OR in:sent)", "02"),
        ("is:read", "123"),
        ("label:key-accounts", "1"),
        ("in:inbox", "01"),
        ("rfc822msgid:n1@c.example", "3"),
        ("rfc822msgid:<n1@c.example>", "3"),
        ("newer_than:15d", "3"),
        ("newer_than:1m", "123"),
        ("older_than:1m", "0"),
        (f"after:{int((NOW - timedelta(days=25)).timestamp())}", "23"),
        ("after:2026/05/01 before:2026/05/12", "12"),
        ("after:2026/05/02", "23"),
        ("number2", "2"),
        ("has:attachment", ""),
        ("in:anywhere", "0123"),
    ],
)
def test_search_operators(box: Mailbox, query: str, found: str) -> None:
    """Each operator finds the messages Gmail would find."""
    search = parse_search(query, Words(NOW, box.user_labels))
    hits = [str(at) for at, message in enumerate(box.messages.values()) if search.fits(message)]
    assert "".join(hits) == found


def test_dates_are_read_in_pacific_time(box: Mailbox) -> None:
    """A day begins at 08:00 UTC, so that a client which takes dates for UTC is caught."""
    message = next(iter(box.messages.values()))
    day = datetime.fromtimestamp(message.internal_ms / 1000, UTC)
    assert day.hour == 0
    assert not parse_search(f"after:{day:%Y/%m/%d}", Words(NOW, {})).fits(message)


@pytest.mark.parametrize("query", ["sender:x", "after:soon", "newer_than:3w", "is:odd", "(from:a", "from:a)", "-"])
def test_unknown_search_is_refused(query: str) -> None:
    """A query the sandbox does not understand is an error, never a silent match of everything."""
    with pytest.raises(WrongQueryError):
        parse_search(query, Words(NOW, {}))


@pytest.mark.parametrize("piece", ["(", "{", "-", '"', "OR ", "a:", "from:", "re:", "<"])
def test_hostile_queries_and_headers_end(piece: str) -> None:
    """Long runs of any piece of syntax are answered or refused, never a hang or a crash."""
    text = piece * 20_000
    with contextlib.suppress(WrongQueryError):
        parse_search(text, Words(NOW, {}))
    bare_subject(text)
    read_original(f"Subject: {text}\r\nReferences: {text}\r\n\r\n".encode())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n\r\n",
        b"Subject: =?utf-8?b?!!!?=\r\nDate: yesterday\r\n\r\nx",
        b"From: \xff\xfe\r\nContent-Type: text/plain; charset=nonsense\r\n\r\n\xff",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n?\r\n",
    ],
)
def test_broken_mail_is_stored_and_shown(raw: bytes) -> None:
    """Mail that is broken in any of the usual ways still arrives and has a full resource."""
    box = Mailbox("jana@nordwerk.example")
    message = box.add(raw, internal_date=NOW)
    assert message_resource(message, "full", [])["id"] == message.id
