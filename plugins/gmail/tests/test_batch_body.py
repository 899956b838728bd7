from __future__ import annotations

import pytest
from crmd_gmail.batch_body import BOUNDARY, read_batch, write_batch
from hypothesis import given
from hypothesis import strategies as st

MIXED = "multipart/mixed; boundary=b"


def part(number: str, status: str = "HTTP/1.1 200 OK", body: str = "{}", eol: str = "\r\n") -> str:
    """One part of a batch answer."""
    named = f"Content-ID: <response-part-{number}>{eol}" if number else ""
    return (
        f"--b{eol}Content-Type: application/http{eol}{named}{eol}{status}{eol}Retry-after: 5{eol}"
        f"Content-Type: application/json{eol}{eol}{body}{eol}"
    )


def answers(text: str, count: int = 3, content_type: str = MIXED) -> dict[int, tuple[int, bytes]] | None:
    """Status and stripped body by number."""
    found = read_batch(content_type, text.encode(), count)
    return None if found is None else {number: (one.status, one.body.strip()) for number, one in found.items()}


def test_written() -> None:
    """Each request is a part of its own with an id; paths can't break out of their line."""
    text = write_batch(["/a?x=1", "/b"]).decode()
    assert text.count(f"--{BOUNDARY}\r\n") == 2
    assert text.endswith(f"--{BOUNDARY}--\r\n")
    assert "Content-ID: <part-1>\r\n\r\nGET /b HTTP/1.1\r\n" in text


@pytest.mark.parametrize("eol", ["\r\n", "\n"])
def test_any_order(eol: str) -> None:
    """Parts are matched by their ids, not by their order."""
    text = part("2", body='{"n":2}', eol=eol) + part("0", "HTTP/1.1 404 Not Found", eol=eol) + f"--b--{eol}"
    assert answers(text) == {2: (200, b'{"n":2}'), 0: (404, b"{}")}


def test_position_without_ids() -> None:
    """Parts without ids are matched by their position."""
    assert answers(part("") + part("", "HTTP/1.1 500 x") + "--b--") == {0: (200, b"{}"), 1: (500, b"{}")}


def test_headers_of_a_part() -> None:
    """The headers of a part are found under their usual names however they are written."""
    found = read_batch(MIXED, part("0").encode(), 1)
    assert found is not None
    assert found[0].headers["Retry-After"] == "5"


def test_quoted_boundary() -> None:
    """A boundary may stand in quotes and after other parameters."""
    assert answers(part("0"), content_type='Multipart/Mixed; x=y; boundary="b"') == {0: (200, b"{}")}


def test_cut_off() -> None:
    """What is missing is left out, so that it is asked for again; a cut part keeps what came of its body."""
    text = part("0") + part("1", body='{"raw": "abc')
    assert answers(text) == {0: (200, b"{}"), 1: (200, b'{"raw": "abc')}
    assert answers(part("0") + "--b\r\nContent-Type: app") == {0: (200, b"{}")}


@pytest.mark.parametrize(
    ("content_type", "text"),
    [
        ("text/html", "<html>"),
        ("text/html; boundary=b", part("0")),
        ("multipart/mixed", part("0")),
        (MIXED, ""),
        (MIXED, '{"error": {}}'),
        ("", ""),
    ],
)
def test_no_batch_answer(content_type: str, text: str) -> None:
    """What is no batch answer at all is told apart, so that single calls take over."""
    assert answers(text, content_type=content_type) is None


def test_foreign_numbers() -> None:
    """Answers to what was not asked are ignored, and the first answer to a request counts."""
    text = part("7") + part("1", body="first") + part("1", body="second") + part("99999")
    assert answers(text) == {1: (200, b"first")}


@given(st.binary(max_size=2_000))
def test_never_raises(noise: bytes) -> None:
    """Whatever the bytes, reading ends with some answers or none."""
    for body in (noise, part("0").encode() + noise, b"--b\r\n" + noise):
        read_batch(MIXED, body, 5)


def test_hostile_body_is_linear() -> None:
    """Megabytes of boundaries, header lines and blanks are read without effort that grows faster than they do."""
    for noise in (b"\n--b" * 500_000, b"--b\r\n" + b"a:b\r\n" * 500_000, b"--b\r\n" + b"\r" * 2_000_000):
        found = read_batch(MIXED, noise, 100)
        assert found is None or len(found) <= 100
