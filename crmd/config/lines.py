"""Line numbers of the keys in a TOML text, which the standard parser does not tell.

The text has been parsed before, so it is well-formed: this only finds where tables and keys begin. One pass, no
backtracking.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Path = tuple[str, ...]
_QUOTES = ('"""', "'''", '"', "'")


def key_lines(text: str) -> dict[Path, int]:
    """The line, from 1, of each table header and each key that stands at the start of a line.

    Keys inside inline tables and arrays are left out: look up the nearest ancestor with `line_of`.
    """
    found: dict[Path, int] = {}
    table: Path = ()
    for line, statement in _statements(text):
        if statement.startswith("["):
            table = _path_of(statement)
            path = table
        else:
            path = table + _path_of(statement[: _key_end(statement)] + "= 0")
        found.setdefault(path, line)
    return found


def line_of(lines: dict[Path, int], path: Path) -> int | None:
    """The line of this key or of the nearest table around it."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each header or `key = value`, with the line it begins on; a value may go over several lines."""
    lines = text.split("\n")  # not splitlines: only \n ends a line in TOML
    at = 0
    while at < len(lines):
        begun = at
        stripped = lines[at].strip(" \t\r")
        at += 1
        if not stripped or stripped.startswith("#"):
            continue
        if not stripped.startswith("["):
            at = _value_end(lines, begun)
        yield begun + 1, stripped


def _value_end(lines: list[str], begun: int) -> int:
    """Index of the line after the value that begins on line `begun`."""
    depth, closing = 0, ""
    for index in range(begun, len(lines)):
        depth, closing = _scan(lines[index], depth, closing)
        if depth <= 0 and not closing:
            return index + 1
    return len(lines)


def _scan(line: str, depth: int, closing: str) -> tuple[int, str]:
    """Bracket depth and open multi-line quote after this line."""
    at = 0
    while at < len(line):
        if closing:
            at, closing = _leave_text(line, at, closing)
            continue
        quote = next((mark for mark in _QUOTES if line.startswith(mark, at)), "")
        if quote:
            closing, at = quote, at + len(quote)
            continue
        if line[at] == "#":
            break
        depth += (line[at] in "[{") - (line[at] in "]}")
        at += 1
    return depth, closing if len(closing) > 1 else ""


def _leave_text(line: str, at: int, closing: str) -> tuple[int, str]:
    """The next position, and the quote that is still open there."""
    if line[at] == "\\" and closing[0] == '"':
        return at + 2, closing
    if line.startswith(closing, at):
        end = at + len(closing)
        while len(closing) > 1 and line.startswith(closing[0], end):
            end += 1  # a long text may end in quotes of its own
        return end, ""
    return at + 1, closing


def _key_end(statement: str) -> int:
    """Index of the `=` that ends the key."""
    at, closing = 0, ""
    while at < len(statement):
        if closing:
            at, closing = _leave_text(statement, at, closing)
            continue
        if statement[at] == "=":
            return at
        closing = statement[at] if statement[at] in "\"'" else ""
        at += 1
    return at


def _path_of(statement: str) -> Path:
    """The key path that this header or `key = 0` names, read by the real parser."""
    path: list[str] = []
    node: object = tomllib.loads(statement)
    while isinstance(node, (dict, list)) and node:
        if isinstance(node, list):
            node = node[0]
            continue
        name, node = next(iter(node.items()))
        path.append(name)
    return tuple(path)
