"""Google's `fields` parameter: which parts of an answer the client wants to see."""

from __future__ import annotations

import re

MASK_CHARACTERS_MAX = 4_000
DEPTH_MAX = 20
TOKEN = re.compile(r"[A-Za-z_*][A-Za-z0-9_]{0,99}|[(),/]")

Mask = dict[str, "Mask"]


class WrongMaskError(ValueError):
    """A mask that does not follow `a,b(c,d/e)`."""


def parse_mask(text: str) -> Mask:
    """Parse a mask; an empty inner mask means everything below.

    Raises:
        WrongMaskError: It cannot be read.
    """
    tokens = TOKEN.findall(text[:MASK_CHARACTERS_MAX])
    if "".join(tokens) != "".join(text.split()):
        raise WrongMaskError(f"unreadable fields {text[:60]!r}")
    mask, rest = _fields(tokens, 0)
    if rest:
        raise WrongMaskError(f"unexpected {rest[0]!r}")
    return mask


def masked(value: object, mask: Mask) -> object:
    """Give the value with only the wanted fields; lists are masked item by item."""
    if not mask or "*" in mask:
        return value
    if isinstance(value, list):
        return [masked(item, mask) for item in value]
    if isinstance(value, dict):
        return {name: masked(value[name], inner) for name, inner in mask.items() if name in value}
    return value


def _fields(tokens: list[str], depth: int) -> tuple[Mask, list[str]]:
    if depth > DEPTH_MAX:
        raise WrongMaskError("fields nested too deeply")
    mask: Mask = {}
    while True:
        name, inner, tokens = _field(tokens, depth)
        mask[name] = inner
        if tokens[:1] != [","]:
            return mask, tokens
        tokens = tokens[1:]


def _field(tokens: list[str], depth: int) -> tuple[str, Mask, list[str]]:
    if not tokens or tokens[0] in "(),/":
        raise WrongMaskError("a field name is missing")
    name, rest = tokens[0], tokens[1:]
    if rest[:1] == ["/"]:
        if depth > DEPTH_MAX:
            raise WrongMaskError("fields nested too deeply")
        below, inner, rest = _field(rest[1:], depth + 1)
        return name, {below: inner}, rest
    if rest[:1] == ["("]:
        mask, rest = _fields(rest[1:], depth + 1)
        if rest[:1] != [")"]:
            raise WrongMaskError("a bracket is not closed")
        return name, mask, rest[1:]
    return name, {}, rest
