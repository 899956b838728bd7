"""Texts and exceptions without what they must not tell.

An exception's own text is data: asyncpg quotes the argument that did not fit, an HTTP client the URL, a parser the
input. So a log tells its class, its SQLSTATE and where in the code it was raised. Sentences of `CrmdError` are written
for operators and hold no data, so they are told.
"""

from __future__ import annotations

import re
import traceback
from typing import TYPE_CHECKING

from crmd.errors import CrmdError
from crmd.secret import MASK

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT_MAX_CHARS = 8000
FRAMES_MAX = 12
CHAIN_MAX = 8

_SECRETS = (
    # user:password@ in a URL; the run before the @ is bounded, so matching stays linear
    (re.compile(r"(://[^\s:/@]{0,200}:)[^\s@/]{1,500}@"), rf"\g<1>{MASK}@"),
    (re.compile(r"(?i)\b(bearer|basic) [A-Za-z0-9._~+/=-]{8,2000}"), rf"\g<1> {MASK}"),
    (
        re.compile(
            r"(?i)\b([a-z_]{0,40}(?:password|passwd|secret|token|api_key|apikey|authorization))"
            r"([\"']{0,1} {0,2}[=:] {0,2}[\"']{0,1})[^\s\"'&,;}]{1,2000}"
        ),
        rf"\g<1>\g<2>{MASK}",
    ),
    # crmd's own API keys, Google's access and refresh tokens, JSON Web Tokens
    (re.compile(r"\bcrmd_[A-Za-z0-9]{1,64}_[A-Za-z0-9_-]{8,600}"), MASK),
    (re.compile(r"\b(?:ya29\.|1//)[A-Za-z0-9_-]{8,600}"), MASK),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,600}\.[A-Za-z0-9_.-]{8,2000}"), MASK),
)


def redacted(text: str) -> str:
    """The text, bounded, with whatever looks like a credential masked.

    A net under code that should not have logged it; no excuse for logging it.
    """
    text = text[:TEXT_MAX_CHARS]
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def safe_message(record_text: str, arguments: object) -> str:
    """`msg % args` as logging does it, with exceptions among the arguments told by their class."""
    if not arguments:
        return redacted(record_text)
    if isinstance(arguments, tuple):
        arguments = tuple(_safe(argument) for argument in arguments)
    elif isinstance(arguments, dict):
        arguments = {key: _safe(value) for key, value in arguments.items()}
    try:
        return redacted(record_text % arguments)
    except (TypeError, ValueError, KeyError):
        return redacted(record_text)  # a wrong format string must not lose the line


def described(error: BaseException) -> str:
    """Class, SQLSTATE and code location of an exception, of its causes and of the members of a group."""
    return "; ".join(_chain(error))


def _chain(error: BaseException) -> Iterator[str]:
    current: BaseException | None = error
    for _ in range(CHAIN_MAX):
        if current is None:
            return
        yield ("" if current is error else "caused by ") + _one(current)
        if isinstance(current, BaseExceptionGroup):
            for member in current.exceptions[:CHAIN_MAX]:
                yield "member " + _one(member)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _one(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES_MAX:]
    place = " > ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
    return f"{_named(error)} at {place}" if place else _named(error)


def _named(error: BaseException) -> str:
    if isinstance(error, CrmdError):
        return redacted(f"{type(error).__name__}: {error}")
    sqlstate = getattr(error, "sqlstate", None)
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"{name} (SQLSTATE {sqlstate})" if isinstance(sqlstate, str) else name


def _safe(argument: object) -> object:
    return _named(argument) if isinstance(argument, BaseException) else argument
