"""Bytes to text in the charset a message names, or the one it most likely meant.

Real mail names charsets that don't exist, or one and uses another. The rules are those of the WHATWG encoding standard
where it has any (latin-1 means windows-1252, gb2312 gb18030), and else: the named one, UTF-8, then the closest guess.
"""

import codecs
import re
from encodings.aliases import aliases

# Names that mail uses and Python doesn't know, or knows as a narrower set than senders really use.
_MEANT = {
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "iso-8859-9": "cp1254",
    "iso-8859-11": "cp874",
    "tis-620": "cp874",
    "windows-874": "cp874",
    "iso-8859-8-i": "iso8859_8",
    "iso-8859-8-e": "iso8859_8",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "gb-2312-80": "gb18030",
    "euc-cn": "gb18030",
    "ks-c-5601-1987": "cp949",
    "ks-c-5601": "cp949",
    "ksc5601": "cp949",
    "euc-kr": "cp949",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "x-euc-jp": "euc_jp",
    "big5": "big5hkscs",
    "x-big5": "big5hkscs",
    "cn-big5": "big5hkscs",
    "unicode-1-1-utf-8": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    "x-unicode-2-0-utf-7": "utf-7",
    "macintosh": "mac_roman",
    "x-mac-roman": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic",
    "koi8": "koi8_r",
    "dos-862": "cp862",
}
# Codecs that aren't character sets, or that cost more than linear time.
_REFUSED = {"punycode", "idna", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem", "palmos"}
_JIS = ("iso2022_jp", "iso2022_jp_2", "iso2022_jp_ext", "iso2022_jp_3")
_NAME = re.compile(r"[a-z0-9][a-z0-9.+:-]{0,40}")
# Bounds of the JIS X 0208 grid in its 7-bit form, and where Shift-JIS skips bytes.
_ROW_FIRST, _ROW_LAST, _ROW_SECOND_HALF, _CELL_AFTER_DEL = 0x21, 0x7E, 0x5F, 0x60
_JIS_ESCAPE = re.compile(rb"\x1b(\$[@B]|\([BJI])")


def codec_name(declared: str | None) -> str | None:
    """Python's codec for a declared charset, None when it names none that exists."""
    if not declared:
        return None
    match = _NAME.match(declared.strip().strip("\"'").lower().replace("_", "-"))
    if match is None:
        return None
    name = match[0]
    for candidate in (name, name.replace("windows-", "cp").replace("win-", "cp"), name.replace("cp-", "cp")):
        found = _MEANT.get(candidate) or _python_codec(candidate)
        if found is not None:
            return found
    return None


def _python_codec(name: str) -> str | None:
    folded = name.replace("-", "_").replace(".", "_")
    if folded in _REFUSED or aliases.get(folded) in _REFUSED:
        return None
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    return codec.name if getattr(codec, "_is_text_encoding", True) else None


def decode_text(data: bytes, declared: str | None) -> tuple[str, bool]:
    """The text of data, and whether it was guessed. Never fails; the text can be stored (no NUL, no surrogate)."""
    if not data:
        return "", False
    text, is_guess = _decode(data, declared)
    if "\x00" in text:
        text = text.replace("\x00", "")
    return storable(text), is_guess


def storable(text: str) -> str:
    """The same text without what UTF-8 can't carry (lone surrogates become U+FFFD) and without NUL."""
    if text.isascii():
        return text.replace("\x00", "")
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\x00", "")


def _decode(data: bytes, declared: str | None) -> tuple[str, bool]:
    if data.isascii() and b"\x1b" not in data and codec_name(declared) in {None, "cp1252", "utf-8", "gb18030", "cp932"}:
        return data.decode("ascii"), False
    codec = codec_name(declared)
    if codec in _JIS or (codec in {None, "cp1252"} and b"\x1b$" in data):
        return _decode_jis(data), codec not in _JIS
    # A body that is valid UTF-8 and not ASCII is UTF-8, whatever single-byte charset its header claims.
    if codec in {None, "cp1252"}:
        return _utf8(data) or _single_byte(data, declared)
    try:
        return data.decode(codec), False
    except (UnicodeError, ValueError, OverflowError):
        return _repair(data, codec)


def _utf8(data: bytes) -> tuple[str, bool] | None:
    try:
        return data.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        return None


def _single_byte(data: bytes, declared: str | None) -> tuple[str, bool]:
    is_guess = codec_name(declared) is None or (declared or "").lower() in {"us-ascii", "ascii"}
    try:
        return data.decode("cp1252"), is_guess
    except UnicodeDecodeError:
        return data.decode("latin-1"), is_guess


def _repair(data: bytes, codec: str) -> tuple[str, bool]:
    """Text that isn't valid in its declared charset: whichever reading loses least."""
    as_declared = data.decode(codec, "replace")
    lost = as_declared.count("�")
    if codec != "utf-8":
        return _utf8(data) or (as_declared, True)
    kept = sum(1 for char in as_declared if char > "\x7f") - lost
    return (as_declared, True) if kept >= lost else _single_byte(data, None)


def _decode_jis(data: bytes) -> str:
    for codec in _JIS:
        try:
            return data.decode(codec)
        except UnicodeError:
            continue
    if b"\x1b" not in data:
        return _repair(data, "utf-8")[0]
    return _decode_vendor_jis(data)


def _decode_vendor_jis(data: bytes) -> str:
    """ISO-2022-JP with vendor characters (NEC row 13 and friends): moved into Shift-JIS, whose codec knows them."""
    pieces = _JIS_ESCAPE.split(data)
    out = [pieces[0].decode("cp932", "replace")]
    for escape, run in zip(pieces[1::2], pieces[2::2], strict=True):
        if escape.startswith(b"$"):
            out.append(_to_shift_jis(run).decode("cp932", "replace"))
        elif escape == b"(I":
            out.append(bytes(byte | 0x80 for byte in run).decode("cp932", "replace"))
        else:
            out.append(run.decode("cp932", "replace"))
    return "".join(out)


def _to_shift_jis(run: bytes) -> bytes:
    out = bytearray()
    at = 0
    while at < len(run):
        row = run[at]
        if not _ROW_FIRST <= row <= _ROW_LAST or at + 1 >= len(run):
            out.append(row)
            at += 1
            continue
        cell = run[at + 1]
        out.append(((row - 1) >> 1) + (0x71 if row < _ROW_SECOND_HALF else 0xB1))
        odd_shift = 0x1F if cell < _CELL_AFTER_DEL else 0x20
        out.append((cell + (odd_shift if row & 1 else 0x7E)) & 0xFF)
        at += 2
    return bytes(out)
