"""Files that old mail programs put into the text itself: `begin 644 name`, uuencoded lines, `end`."""

import binascii
import re

_BEGIN = re.compile(r"^begin [0-7]{3,4} (\S[^\r\n]{0,254})$", re.MULTILINE)
_END = re.compile(r"^end[ \t]{0,20}\r?$", re.MULTILINE)
_FILES_MAX = 100


def split_uuencoded(text: str) -> tuple[str, list[tuple[str, int]]]:
    """The text without such files, and (name, decoded bytes) of each; a block that isn't uuencoded stays text."""
    if "begin " not in text:
        return text, []
    kept: list[str] = []
    files: list[tuple[str, int]] = []
    at = 0
    while len(files) < _FILES_MAX:
        begin = _BEGIN.search(text, at)
        end = _END.search(text, begin.end()) if begin is not None else None
        if begin is None or end is None:
            break
        size = _decoded_size(text[begin.end() : end.start()])
        kept.append(text[at : begin.start() if size is not None else end.end()])
        if size is not None:
            files.append((begin[1].strip(), size))
        at = end.end()
    return "".join(kept) + text[at:], files


def _decoded_size(block: str) -> int | None:
    size = 0
    for line in filter(str.strip, block.split("\n")):  # a blank is a digit, so lines aren't stripped
        try:
            size += len(binascii.a2b_uu(line))
        except (binascii.Error, ValueError):
            return None
    return size
