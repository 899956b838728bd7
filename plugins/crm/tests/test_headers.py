from __future__ import annotations

from datetime import UTC, datetime

import pytest
from crmd_crm.mail.address import Address, clean_address, read_addresses
from crmd_crm.mail.charset import codec_name, decode_text, storable
from crmd_crm.mail.encoded_word import decode_words
from crmd_crm.mail.header import read_headers, unfold
from crmd_crm.mail.instant import read_instant
from crmd_crm.mail.parameter import read_valued
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?UTF-8?B?R3LDvMOfZQ?=", "Grüße"),  # no padding
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
        ("=?utf-8?B?w?=", "=?utf-8?B?w?="),  # one digit says nothing
        ("=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü"),  # one character in two words
        ('"=?iso-8859-1?Q?J=F8rn?="', '"Jørn"'),
        ("=?utf-8*de?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),  # RFC 2231 language
        ("=?windows-1252?Q?=80_20?=", "€ 20"),
        ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
        ("=?no-such-charset?Q?caf=C3=A9?=", "café"),
        ("=?utf-8?Q?What??=", "What?"),
        ("=?utf-8?X?abc?=", "=?utf-8?X?abc?="),
        ("1 =? 2", "1 =? 2"),
    ],
)
def test_encoded_words_are_read_as_mail_programs_do(written: str, read: str) -> None:
    """RFC 2047 words decode, broken ones as far as they can be understood, other text stays."""
    assert decode_words(written) == read


@pytest.mark.parametrize(
    ("data", "declared", "text"),
    [
        (b"caf\xc3\xa9", None, "café"),
        (b"caf\xe9", None, "café"),
        (b"caf\xe9", "utf-8", "café"),
        (b"\x93hi\x94", "iso-8859-1", "“hi”"),
        ("naïve".encode(), "us-ascii", "naïve"),
        ("漢字".encode("gb18030"), "gb2312", "漢字"),
        ("똠방".encode("cp949"), "ks_c_5601-1987", "똠방"),
        ("①".encode("cp932"), "shift_jis", "①"),
        (b"\x1b$B-!\x1b(B", "iso-2022-jp", "①"),  # a vendor's character
        (b"\x1b$BF|K\\\x1b(B", None, "日本"),
        (b"+AGE-", "utf-7", "a"),
        ("привет".encode("koi8_r"), '"koi8-r"', "привет"),
        ("ελ".encode("cp1253"), "windows-1253", "ελ"),
        (b"a\x00b", "utf-8", "ab"),
        (b"\xff\xfea\x00", "utf-16", "a"),
        (b"x", "rot13", "x"),
        (b"x", "undefined", "x"),
        (b"\x81\x8d", "x-unknown", "\x81\x8d"),
    ],
)
def test_text_is_read_in_the_charset_that_was_meant(data: bytes, declared: str | None, text: str) -> None:
    """Wrong, unknown and missing charsets give the text their writer saw."""
    assert decode_text(data, declared)[0] == text


@pytest.mark.parametrize("name", ["punycode", "idna", "unicode_escape", "hex", "zlib", "mbcs", "", "=?", "a" * 500])
def test_codecs_that_are_no_charsets_are_refused(name: str) -> None:
    """A message can't choose a codec that runs long, inflates or fails."""
    assert codec_name(name) is None


@given(
    st.binary(max_size=300), st.sampled_from([None, "utf-8", "utf-7", "utf-16", "iso-2022-jp", "big5", "cp1251", "hz"])
)
def test_decoded_text_can_always_be_stored(data: bytes, declared: str | None) -> None:
    """No bytes in any charset give text that PostgreSQL would refuse."""
    text, _ = decode_text(data, declared)
    assert "\x00" not in text
    text.encode("utf-8")


def test_lone_surrogates_become_replacement_characters() -> None:
    """What UTF-8 can't carry is replaced, whole pairs stay."""
    assert storable("a\ud800b\U0001f600") == "a\ufffdb\U0001f600"


@pytest.mark.parametrize(
    ("line", "people"),
    [
        ("Ada <ada@X.example>", [("Ada", "ada@x.example")]),
        ('"Lovelace, Ada" <ada@x.example>, bob@y.example', [("Lovelace, Ada", "ada@x.example"), ("", "bob@y.example")]),
        ("ada@x.example (Ada Lovelace)", [("Ada Lovelace", "ada@x.example")]),
        ("Team: ada@x.example, Bob <bob@y.example>;", [("", "ada@x.example"), ("Bob", "bob@y.example")]),
        ("undisclosed-recipients:;", []),
        ("<Undisclosed-Recipient:@mail.example;>", []),
        (", a@x.example;b@x.example,", [("", "a@x.example"), ("", "b@x.example")]),
        ("Mary <@relay.example,@b.example:mary@x.example>", [("Mary", "mary@x.example")]),
        ("=?utf-8?q?Doe,_J=C3=B6hn?= <j@x.example>", [("Doe, Jöhn", "j@x.example")]),
        ('"=?utf-8?q?J=C3=B6hn?=" <j@x.example>', [("Jöhn", "j@x.example")]),
        ("'j@x.example' <j@x.example>", [("", "j@x.example")]),
        ("Pete(A \\) chap) <pete(his account)@silly.example>", [("Pete", "pete@silly.example")]),
        ("jdoe@test   . example", [("", "jdoe@test.example")]),
        ("a@x.example b@y.example", [("", "a@x.example"), ("", "b@y.example")]),
        ("mailto:a@x.example", [("", "a@x.example")]),
        ("Nobody Special", [("Nobody Special", None)]),
        ('"KLAUS" <>', [("KLAUS", None)]),
        ("Mikel@Work <m@x.example>", [("Mikel@Work", "m@x.example")]),
        ("Jöhn <jöhn@mächine.example>", [("Jöhn", "jöhn@mächine.example")]),
        ('"a b"@x.example', [("", '"a b"@x.example')]),
        ("x <postmaster@[192.0.2.1]>", [("x", "postmaster@[192.0.2.1]")]),
        ('Bad "quote <a@x.example>, b@y.example', [("Bad quote", "a@x.example"), ("", "b@y.example")]),
        ("Open (comment <a@x.example>", [("Open comment", "a@x.example")]),
        ("a@x.example.", [("", "a@x.example")]),
        ("<<a@x.example>>", [("", "a@x.example")]),
        ("@", []),
        ("<@>", []),
        ("", []),
    ],
)
def test_address_lists_are_read_as_written(line: str, people: list[tuple[str, str | None]]) -> None:
    """Groups, comments, routes, quotes, encoded words and broken lists give the people a reader sees."""
    assert [(each.name, each.address) for each in read_addresses(line, 100)] == people


@given(st.text(alphabet='ab@.,;:<>()"\\ =?', max_size=200))
def test_any_address_line_gives_clean_addresses(line: str) -> None:
    """No line raises, and no address holds blanks or brackets or lacks a domain."""
    for person in read_addresses(line, 100):
        assert person.address is None or (clean_address(person.address) == person.address and "@" in person.address)
        assert person != Address("", None)


@pytest.mark.parametrize(
    ("line", "instant"),
    [
        ("Fri, 21 Nov 1997 09:55:06 -0600", (1997, 11, 21, 15, 55, 6)),
        ("21 Nov 97 09:55:06 GMT", (1997, 11, 21, 9, 55, 6)),
        ("Wed, 9 Jan 2002 19:47:50 MST", (2002, 1, 10, 2, 47, 50)),
        ("Thu, 13 Feb 1969 23:32 -0330 (Newfoundland Time)", (1969, 2, 14, 3, 2, 0)),
        ("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", (1997, 11, 21, 15, 55, 6)),
        ("Tue, 22 Jan 2002 14:35:28 UT", (2002, 1, 22, 14, 35, 28)),
        ("Mon, 1 Jan 2024 00:00:60 +0000", (2024, 1, 1, 0, 0, 59)),
        ("2024-02-29T12:00:00Z", (2024, 2, 29, 12, 0, 0)),
        ("2024-02-29 12:00:00.123 +02:00", (2024, 2, 29, 10, 0, 0)),
        ("Thu Jan 10 16:10:15 2002", (2002, 1, 10, 16, 10, 15)),
        ("Mo, 3 Mär 2025 08:00:00 +0100", (2025, 3, 3, 7, 0, 0)),
        ("Tue, 12 Oct 2010 4:21:05 PM", (2010, 10, 12, 16, 21, 5)),
        ("Tue, 12 Oct 2010 16:21:05 GMT+0200", (2010, 10, 12, 14, 21, 5)),
        ("1 Jan 05 00:00:00 Z", (2005, 1, 1, 0, 0, 0)),
        ("Tue, 029 Apr 2019 23:34:45 -0800 (PST)", (2019, 4, 30, 7, 34, 45)),
    ],
)
def test_dates_are_read(line: str, instant: tuple[int, ...]) -> None:
    """RFC 5322 dates with obsolete zones and years, and what else senders write, are instants in UTC."""
    year, month, day, hour, minute, second = instant
    assert read_instant(line) == datetime(year, month, day, hour, minute, second, tzinfo=UTC)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "yesterday",
        "Wed, 15 Dec 2010    59:10 -0500",
        "Mon, 30 Jun 3609 15:33:50 +0600",
        "32 Jan 2020 00:00",
        "1 1 1",
    ],
)
def test_junk_dates_are_no_dates(line: str) -> None:
    """What names no possible instant gives None instead of a wrong one."""
    assert read_instant(line) is None


@given(st.text(alphabet="0123456789 :.-+/()JanFebGMTpm,", max_size=80))
def test_no_date_line_raises(line: str) -> None:
    """Any line is a date or none."""
    found = read_instant(line)
    assert found is None or found.tzinfo is UTC


@pytest.mark.parametrize(
    ("line", "value", "name", "parameter"),
    [
        ("Text/PLAIN; Charset=UTF-8", "text/plain", "charset", "UTF-8"),
        ('a/b; name="x \\"y\\".txt"', "a/b", "name", 'x "y".txt'),
        ("a/b; name=This is it.txt; x=y", "a/b", "name", "This is it.txt"),
        ("a/b; name*=utf-8'de'Gr%C3%BC%C3%9Fe.txt", "a/b", "name", "Grüße.txt"),
        ("a/b; name*0*=utf-8''Gr%C3%BC; name*1=\"sse.txt\"", "a/b", "name", "Grüsse.txt"),
        ("a/b; name*1=b; name*0=a", "a/b", "name", "ab"),
        ("a/b; name=plain.txt; name*=utf-8''better.txt", "a/b", "name", "better.txt"),
        ('a/b; name="=?utf-8?q?Gr=C3=BC=C3=9Fe?="', "a/b", "name", "Grüße"),
        ("a/b;;; boundary==_x", "a/b", "boundary", "=_x"),
        ('a/b; name="never closed', "a/b", "name", "never closed"),
    ],
)
def test_parameters_are_read(line: str, value: str, name: str, parameter: str) -> None:
    """Quoting, RFC 2231 pieces and charsets, and unquoted blanks give the value that was meant."""
    read = read_valued(line)
    assert (read.value, read.parameters[name]) == (value, parameter)


def test_a_header_block_survives_junk_lines() -> None:
    """A line that is no field is passed over when fields go on behind it."""
    data = b"From nobody Mon Sep 17 00:00:00 2001\nFrom: a@x.example\n<!-- junk -->\nTo: b@x.example\n\t\n c\n\nbody"
    headers, body = read_headers(data, 0, len(data), 10_000, 100)
    assert [name for name, _ in headers.fields] == ["from", "to"]
    assert (unfold(headers.raw("to") or b""), headers.has_junk, data[body:]) == ("b@x.example c", True, b"body")
