"""Content-Transfer-Encoding undone: base64, quoted-printable, uuencode; damaged data yields what can be read of it."""

import binascii
import re

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")
_UU_BEGIN = re.compile(rb"begin [0-7]{3,4} [^\r\n]{1,300}$")


def decode_transfer(data: bytes, encoding: str) -> tuple[bytes, bool]:
    """The decoded bytes, and whether the encoding was known and sound. An unknown encoding leaves data as it is."""
    name = encoding.strip().lower().strip("\"';: ").replace(" ", "-").replace("_", "-")
    if name.startswith("base64"):
        return _base64(data)
    if name.startswith("quoted-printable") or name in {"quoted", "qp"}:
        return binascii.a2b_qp(data), True
    if "uuencode" in name or name in {"uue", "x-uue"}:
        return _uu(data)
    return data, name in {"", "7bit", "8bit", "binary", "7-bit", "8-bit"}


def _base64(data: bytes) -> tuple[bytes, bool]:
    clean = _NOT_BASE64.sub(b"", data)
    padding = clean.find(b"=")
    if 0 <= padding < len(clean) - 2:
        return _base64_pieces(clean)
    digits = clean.rstrip(b"=")
    is_sound = len(digits) % 4 != 1 and len(data) - len(clean) < len(data) // 8 + 100
    if len(digits) % 4 == 1:
        digits = digits[:-1]
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4)), is_sound


def _base64_pieces(clean: bytes) -> tuple[bytes, bool]:
    """Several base64 texts one behind the other, each with its own padding."""
    out = bytearray()
    for piece in re.split(rb"=+", clean):
        digits = piece[:-1] if len(piece) % 4 == 1 else piece
        out += binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))
    return bytes(out), False


def _uu(data: bytes) -> tuple[bytes, bool]:
    out = bytearray()
    is_inside = is_sound = False
    for line in data.splitlines():
        if not is_inside:
            is_inside = _UU_BEGIN.match(line.strip()) is not None
        elif line.strip() == b"end":
            is_sound = True
            break
        else:
            out += _uu_line(line)
    return (bytes(out), is_sound) if is_inside else (data, False)


def _uu_line(line: bytes) -> bytes:
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:
        size = (((line[0] - 32) & 63) * 4 + 5) // 3 if line else 0
        try:
            return binascii.a2b_uu(line[:size])
        except binascii.Error:
            return b""
