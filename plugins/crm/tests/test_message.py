from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from crmd_crm.mail import DEFAULT_LIMITS, MailLimits, Unparseable, parse_message
from crmd_crm.mail.markup import text_of_html
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.conftest import Build, Corpus

FROM = "From: Ada <ada@x.example>"


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_every_line_ending_reads_alike(newline: bytes) -> None:
    """LF, CRLF and CR messages are the same message."""
    mail = parse_message(newline.join([b"From: a@x.example", b"Subject: Hi", b" there", b"", b"One", b"Two", b""]))
    assert (mail.subject, mail.text) == ("Hi there", "One\nTwo")


def test_an_mbox_line_and_a_byte_order_mark_are_passed_over() -> None:
    """What mail stores put before a message is no part of it."""
    for prefix in (b"From ada Mon Sep 17 00:00:00 2001\n", b"\xef\xbb\xbf", b"\r\n\n"):
        assert parse_message(prefix + b"From: a@x.example\n\nHi").text == "Hi"


@pytest.mark.parametrize(
    "raw", [b"", b" \r\n\r\n", b"\x00\x00", b"\x89PNG\r\n\x1a\n\x00", b"Just some text\n\nmore", b"a: b\n\nc"]
)
def test_what_is_no_message_says_why(raw: bytes) -> None:
    """Bytes without a mail header are refused with one sentence."""
    with pytest.raises(Unparseable) as refusal:
        parse_message(raw)
    assert refusal.value.reason.endswith(".")


def test_a_message_over_the_limit_is_refused() -> None:
    """Size is checked before anything is read."""
    with pytest.raises(Unparseable, match="more than the 10 that are read"):
        parse_message(b"From: a@x.example\n\nHi", MailLimits(message_bytes_max=10))


def test_plain_text_wins_over_html(build: Build) -> None:
    """Of two alternatives the text is the plain one, the HTML is kept beside it."""
    mail = parse_message(
        build(
            FROM,
            "Content-Type: multipart/alternative; boundary=x",
            body="--x\n\nPlain\n--x\nContent-Type: text/html\n\n<p>Rich</p>\n--x--\n",
        )
    )
    assert (mail.text, mail.html, mail.attachments) == ("Plain", "<p>Rich</p>", ())


def test_html_stands_in_for_missing_text(build: Build) -> None:
    """A message with an empty plain part has the HTML's text."""
    mail = parse_message(
        build(
            FROM,
            "Content-Type: multipart/alternative; boundary=x",
            body="--x\n\n \n--x\nContent-Type: text/html\n\n<div>One<br>Two</div><style>p{}</style>\n--x--\n",
        )
    )
    assert mail.text == "One\nTwo"


def test_texts_around_an_attachment_are_one_text(build: Build) -> None:
    """Text, picture, text, as phones send them, reads on; the picture is listed."""
    picture = "Content-Type: image/png; name=a.png\nContent-Transfer-Encoding: base64\n\niVBO\n"
    parts = f"--x\n\nBefore\n--x\n{picture}--x\n\nAfter\n"
    mail = parse_message(build(FROM, "Content-Type: multipart/mixed; boundary=x", body=parts + "--x--\n"))
    assert mail.text == "Before\n\nAfter"
    assert [(each.filename, each.size_bytes, each.is_inline) for each in mail.attachments] == [("a.png", 3, False)]


def test_an_attached_message_is_an_attachment_not_text(build: Build) -> None:
    """A forwarded message keeps its words to itself and is named after its subject."""
    inner = "From: b@y.example\nSubject: =?utf-8?q?=C3=84?=/b\n\nInner\n"
    body = f"--x\n\nSee below.\n--x\nContent-Type: message/rfc822\n\n{inner}--x--"
    mail = parse_message(build(FROM, "Content-Type: multipart/mixed; boundary=x", body=body))
    assert mail.text == "See below."
    assert [(each.filename, each.content_type) for each in mail.attachments] == [("Ä_b.eml", "message/rfc822")]


def test_a_report_whose_text_is_mislabelled_has_a_text(build: Build) -> None:
    """Systems that call the words of a report a report are read nonetheless; a binary first part is no text."""
    header = "Content-Type: multipart/report; report-type=delivery-status; boundary=b"
    told = parse_message(
        build(FROM, header, body="--b\nContent-Type: message/delivery-status\n\nNo such user.\n--b--\n")
    )
    assert told.text == "No such user."
    odd = parse_message(build(FROM, header, body="--b\nContent-Type: image/png\n\n\x89PNG\n--b--\n"))
    assert odd.text == ""


def test_a_logo_is_inline(build: Build) -> None:
    """A picture that the HTML shows is no attachment in a reader's sense."""
    logo = "Content-Type: image/gif\nContent-ID: <l>\n\nGIF\n"
    body = f"--r\nContent-Type: text/html\n\n<img src=cid:l>Hi\n--r\n{logo}--r--\n"
    mail = parse_message(build(FROM, "Content-Type: multipart/related; boundary=r", body=body))
    assert mail.text == "Hi"
    assert [(each.content_id, each.is_inline) for each in mail.attachments] == [("l", True)]


def test_an_attached_text_is_not_the_text(build: Build) -> None:
    """A text file sent along is listed, and the message has no text of its own."""
    mail = parse_message(
        build(FROM, "Content-Type: text/plain", "Content-Disposition: attachment; filename=../../a.txt", body="Hi")
    )
    assert (mail.text, [each.filename for each in mail.attachments]) == ("", ["a.txt"])


def test_a_boundary_that_is_wrong_or_missing_loses_no_text(build: Build) -> None:
    """Parts are found by their delimiters when the header names another boundary, none, or nothing follows it."""
    parts = "--b\nContent-Type: text/plain\n\nHello\n--b--\n"
    for line in ("multipart/mixed; boundary=other", "multipart/mixed"):
        assert parse_message(build(FROM, f"Content-Type: {line}", body=parts)).text == "Hello"
    unsplit = parse_message(build(FROM, "Content-Type: multipart/mixed; boundary=b", body="No parts"))
    assert (unsplit.text, "boundary_missing" in unsplit.defects) == ("No parts", True)
    unclosed = parse_message(build(FROM, "Content-Type: multipart/mixed; boundary=b", body="--b\n\nHello"))
    assert unclosed.text == "Hello"


def test_boundaries_that_start_alike_are_told_apart(build: Build) -> None:
    """The boundary of an inner part may begin with the outer one's."""
    body = "--b\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n\nInner\n--bb--\n--b\n\nOuter\n--b--\n"
    assert parse_message(build(FROM, "Content-Type: multipart/mixed; boundary=b", body=body)).text == "Inner\n\nOuter"


@pytest.mark.parametrize(
    ("encoding", "body", "text"),
    [
        ("quoted-printable", "Gr=C3=BC=\n=C3=9Fe =zz", "Grüße =zz"),
        ("quoted printable", "a=20b", "a b"),
        ("base64", "R3LDvMOfZQ==", "Grüße"),
        ("base64", "R3LD!vMO\nfZQ", "Grüße"),
        ("base64;", "SGk=SGk=", "HiHi"),
        ("x-uuencode", "begin 644 a\n#2&D*\n`\nend", "Hi"),
        ("7-bit", "plain", "plain"),
        ("no-such-thing", "plain", "plain"),
    ],
)
def test_transfer_encodings_are_undone(build: Build, encoding: str, body: str, text: str) -> None:
    """Sound and damaged encodings give what can be read of them, unknown ones the body as it is."""
    mail = parse_message(
        build(FROM, "Content-Type: text/plain; charset=utf-8", f"Content-Transfer-Encoding: {encoding}", body=body)
    )
    assert mail.text == text


def test_a_file_inside_the_text_is_an_attachment(build: Build) -> None:
    """Uuencoded files leave the text and are listed; a text that only begins so stays whole."""
    mail = parse_message(build(FROM, body="See:\nbegin 644 a.bin\n#2&D*\n`\nend\nBye"))
    assert (mail.text, [(each.filename, each.size_bytes) for each in mail.attachments]) == (
        "See:\n\nBye",
        [("a.bin", 3)],
    )
    song = "begin 644 songs\nnot encoded at all\nend\n"
    assert parse_message(build(FROM, body=song)).text == song.strip()


def test_headers_in_raw_utf8_are_read(build: Build) -> None:
    """RFC 6532 headers need no encoded words."""
    mail = parse_message(build("From: Jöhn <jöhn@exämple.example>", "Subject: Grüße", body="x"))
    assert (mail.subject, mail.from_[0].address) == ("Grüße", "jöhn@exämple.example")


def test_ids_lose_their_brackets_and_junk(build: Build) -> None:
    """Message ids are what stands between the brackets, in order, once each."""
    mail = parse_message(
        build(
            FROM,
            "Message-ID: <1@x>",
            "In-Reply-To: your mail <2@x>",
            "References: <0@x> <2@x>",
            "References: <0@x> <3@x",
        )
    )
    assert (mail.message_id, mail.in_reply_to, mail.references) == ("1@x", "2@x", ("0@x", "2@x"))


def test_depth_and_parts_are_bounded(build: Build) -> None:
    """Too deep and too many parts are cut and said, not followed."""
    deep = "".join(f"--{'a' * n}\nContent-Type: multipart/mixed; boundary={'a' * (n + 1)}\n\n" for n in range(1, 200))
    many = "--a\n\nx\n" * (DEFAULT_LIMITS.parts_max + 5)
    for body, defect in ((deep, "too_deep"), (many, "too_many_parts")):
        mail = parse_message(build(FROM, "Content-Type: multipart/mixed; boundary=a", body=body))
        assert defect in mail.defects


def test_text_and_html_are_cut_at_their_limits(build: Build) -> None:
    """A huge body is kept as far as the limit goes, and says so."""
    limits = MailLimits(text_chars_max=100, html_chars_max=100)
    mail = parse_message(build(FROM, body="word " * 10_000), limits)
    assert (len(mail.text) <= 100, "text_cut" in mail.defects) == (True, True)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("<div>a<span style='display:none'>hidden</span>b</div>", "ab"),
        ("<ul><li>x<li>y</ul>", "- x\n- y"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("Hi<blockquote>quoted<br>twice</blockquote>bye", "Hi\n\n> quoted\n> twice\n>\nbye"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("a &amp; b&nbsp;&lt;c&gt;", "a & b <c>"),
        ("<p class=MsoNormal>Ada</p><p class=MsoNormal>CTO<p class=MsoNormal>&nbsp;</p><p>x", "Ada\nCTO\n\nx"),
        ("<p style='margin:0'>Ada</p><p style='margin: 0cm'>CTO</p>", "Ada\nCTO"),
        ("<script>alert(1)</script>x<!-- y -->", "x"),
        ("not html at all", "not html at all"),
        ("", ""),
    ],
)
def test_html_reads_as_it_looks(source: str, text: str) -> None:
    """Blocks are lines, quotes are marked, what is hidden stays hidden."""
    assert text_of_html(source) == text


@pytest.mark.parametrize(
    "source",
    ["<div>" * 5_000 + "end", "<b></i>" * 5_000 + "end", "<a " + "x=1 " * 5_000 + ">end", "<b><p>" * 5_000 + "end"],
)
def test_absurd_html_is_stripped_not_parsed(source: str) -> None:
    """Markup that an HTML parser can't read in linear time still gives its words."""
    assert text_of_html(source) == "end"


@given(st.binary(max_size=400))
def test_no_bytes_raise_anything_but_unparseable(data: bytes) -> None:
    """Whatever stands behind a mail header is read."""
    for head in (
        b"From: ",
        b"From: a@x.example\nContent-Type: multipart/mixed; boundary=x\n\n--x\n",
        b"Subject: x\n\n",
    ):
        mail = parse_message(head + data)
        assert "\x00" not in mail.text + mail.subject


@given(
    st.lists(
        st.sampled_from([b"--x", b"--x--", b"\n", b"\r\n", b"Content-Type: ", b"multipart/mixed; boundary=x", b"a"])
    )
)
def test_no_arrangement_of_delimiters_raises(pieces: list[bytes]) -> None:
    """Parts in parts with the same boundary end somewhere."""
    parse_message(b"From: a@x.example\nContent-Type: multipart/mixed; boundary=x\n\n" + b"".join(pieces))


def test_real_messages_are_messages(corpus: Corpus) -> None:
    """Every real message has somebody or something to show; only empty files are refused."""
    for path in corpus("mail/*/*.eml"):
        mail = parse_message(path.read_bytes())
        assert mail.from_ or mail.subject, path.name


def test_base64_attachments_have_their_decoded_size(build: Build) -> None:
    """The size listed is the file's, not that of its encoding."""
    content = base64.encodebytes(b"x" * 10_000).decode()
    mail = parse_message(
        build(FROM, "Content-Type: application/pdf; name=a.pdf", "Content-Transfer-Encoding: base64", body=content)
    )
    assert [each.size_bytes for each in mail.attachments] == [10_000]
