"""Input made to cost time: milliseconds when reading is linear, minutes when any of it is quadratic."""

from __future__ import annotations

import pytest
from crmd_crm.mail import classify, parse_message
from crmd_crm.mail.absurd import is_absurd

FROM = b"From: MAILER-DAEMON@x.example\r\n"
REPORT = b"Content-Type: multipart/report; report-type=delivery-status; boundary=a\r\n\r\n"
HEADERS = {
    "brackets": b"To: " + b"(" * 60_000,
    "angles": b"To: " + b"<" * 60_000,
    "quotes": b"To: " + b'"\\' * 30_000,
    "open quotes": b"To: " + b'a"b, ' * 12_001,
    "long token": b"To: " + b"a." * 30_000 + b" @x",
    "many ats": b"To: " + b"a@" * 30_000,
    "blanks around ats": b"To: " + b" @ " * 20_000,
    "open words": b"Subject: " + b"=?a?q?" * 10_000,
    "words": b"Subject: " + b"=?utf-8?q?a?= " * 4_000,
    "blanks and a fold": b"Subject: " + b" " * 60_000 + b"\r\n x",
    "parameters": b"Content-Type: text/plain;" + b";a" * 30_000,
    "parameter blanks": b"Content-Type: text/plain;" + b" " * 60_000 + b"x",
    "pieces": b"Content-Type: text/plain;" + b"".join(b"name*%d*=a;" % (number % 1000) for number in range(5_000)),
    "dates": b"Date: " + b"1 " * 30_000,
    "comments": b"Message-ID: " + b"(" * 60_000,
    "references": b"References: " + b"<a@b> " * 10_000,
    "open ids": b"References: " + b"<" * 60_000,
    "received": b"Received: " + b";" * 60_000,
    "fields": b"To: a@x.example\r\n" * 50_000,
    "junk lines": b"junk\r\nX-A: b\r\n" * 50_000,
}
BODIES = {
    "blank lines": (b"", b"\r\n" * 100_000 + b"x"),
    "prompts": (b"", b" " * 16_000 + b">>"),
    "ats": (b"", b"a@" * 8_000),
    "dashes": (b"", b"-" * 100_000),
    "delimiters": (b"Content-Type: multipart/mixed; boundary=a\r\n", b"--a\r\n\r\nx\r\n" * 100_000),
    "almost delimiters": (b"Content-Type: multipart/mixed; boundary=-\r\n", b"-" * 3_000_000),
    "nesting": (
        b"Content-Type: multipart/mixed; boundary=a\r\n",
        b"".join(
            b"--" + b"a" * n + b"\r\nContent-Type: multipart/mixed; boundary=" + b"a" * (n + 1) + b"\r\n\r\n"
            for n in range(1, 1_500)
        ),
    ),
    "report blocks": (REPORT, b"--a\r\nContent-Type: message/delivery-status\r\n\r\n" + b"Action: failed\n\n" * 50_000),
    "report parts": (REPORT, b"--a\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\n\n" * 5_000),
    "escapes": (b"Content-Type: text/plain; charset=iso-2022-jp\r\n", b"\x1b$B" * 200_000),
    "divs": (b"Content-Type: text/html\r\n", b"<div>" * 100_000),
    "wrong ends": (b"Content-Type: text/html\r\n", b"<b></i>" * 70_000),
    "formatting": (b"Content-Type: text/html\r\n", b"<b><p>" * 80_000),
    "attributes": (b"Content-Type: text/html\r\n", b"<a " + b"".join(b"a%d=1 " % n for n in range(40_000)) + b">x"),
    "paragraphs": (b"Content-Type: text/html\r\n", b"<p>" * 100_000),
    "open tags": (b"Content-Type: text/html\r\n", b"<a <a " * 80_000),
    "brackets": (b"Content-Type: text/html\r\n", b"<" * 400_000),
}


@pytest.mark.parametrize("name", HEADERS)
def test_hostile_headers_cost_linear_time(name: str) -> None:
    """No header line makes reading or classifying slow."""
    classify(parse_message(FROM + HEADERS[name] + b"\r\n\r\nHi"))


@pytest.mark.parametrize("name", BODIES)
def test_hostile_bodies_cost_linear_time(name: str) -> None:
    """No body makes reading or classifying slow."""
    header, body = BODIES[name]
    classify(parse_message(FROM + header + b"\r\n" + body))


@pytest.mark.parametrize(
    ("source", "absurd"),
    [
        ("<div>" * 5_000, True),
        ("<b></i>" * 5_000, True),
        ("<b>" * 900 + "<p>" * 900, True),
        ("<a " + "x=1 " * 5_000 + ">", True),
        ("<table><tr><td><font><b>x</b></font></td></tr></table>" * 5_000, False),
        ("<p>one<p>two<li>three<br>" * 5_000, False),
        ('<img src="data:image/png;base64,' + "ab/+" * 10_000 + '">', False),
        ("<font>" * 60 + "<p>x" * 1_000, False),
    ],
)
def test_absurd_markup_is_told_from_mail(source: str, *, absurd: bool) -> None:
    """What would make an HTML parser slow is seen before; big newsletters with sloppy markup are still parsed."""
    assert is_absurd(source) is absurd
