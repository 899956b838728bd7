"""Header text with RFC 2047 encoded words, decoded the way mail programs do, which is laxer than the RFC.

Accepted beyond the RFC: words inside quotes, words glued to other text, spaces inside Q words, missing base64 padding,
a character split over two words, charsets with a language tag (RFC 2231), unknown charsets (guessed). What can't be
decoded stays as written.
"""

import binascii
import re

from crmd_crm.mail.charset import decode_text

# Each class excludes its own terminator and each length is capped, so that matching is linear.
WORD = re.compile(r"=\?([^?\s*]{1,60})(?:\*[^?\s]{0,40})?\?([bBqQ])\?([^?]{0,2000}|[^?]{0,2000}\?[^?=]{0,200})\?=")
_Q_ESCAPE = re.compile(rb"=([0-9A-Fa-f]{2})")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")


def decode_words(text: str) -> str:
    """The text with each encoded word replaced by what it says; white space between two adjacent words disappears."""
    if "=?" not in text:
        return text
    out: list[str] = []
    run: list[tuple[str, bytes, str]] = []  # adjacent words: (charset, bytes, as written)
    end = 0
    for match in WORD.finditer(text):
        between = text[end : match.start()]
        if between.strip() or not run:
            _flush(run, out)
            out.append(between)
        data = _word_bytes(match[2], match[3])
        if data is None:
            _flush(run, out)
            out.append(match[0])
        else:
            run.append((match[1], data, match[0]))
        end = match.end()
    _flush(run, out)
    out.append(text[end:])
    return "".join(out)


def _flush(run: list[tuple[str, bytes, str]], out: list[str]) -> None:
    """Decode a run of words; neighbours of one charset are joined first: senders split characters between them."""
    at = 0
    while at < len(run):
        charset = run[at][0]
        last = at
        while last + 1 < len(run) and run[last + 1][0].lower() == charset.lower():
            last += 1
        stateful = charset.lower().startswith("iso-2022")
        chunks = [word[1] for word in run[at : last + 1]]
        parts = chunks if stateful else [b"".join(chunks)]
        out.extend(decode_text(part, charset)[0] for part in parts)
        at = last + 1
    run.clear()


def _word_bytes(encoding: str, payload: str) -> bytes | None:
    raw = payload.encode("utf-8", "replace")
    if encoding in "qQ":
        return _Q_ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), raw.replace(b"_", b" "))
    digits = _NOT_BASE64.sub(b"", raw)
    if len(digits) % 4 == 1:
        digits = digits[:-1]
    if not digits:
        return None if raw.strip(b"= ?") or b"?" in raw else b""
    try:
        return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))
    except binascii.Error:
        return None
