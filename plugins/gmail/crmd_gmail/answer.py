"""What the answer to one `messages.get` comes to, alone or as a part of a batch. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeAlias, assert_never

import crmd
from crmd_gmail.refusal import read_refusal
from crmd_gmail.verdict import read_verdict
from crmd_gmail.wire import UnusableError, WireMessage, read_json

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Found:
    """The message."""

    message: WireMessage


@dataclass(frozen=True, slots=True)
class Gone:
    """The mailbox no longer has it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Gmail never gives it out, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Again:
    """To be asked for once more: a rate limit or a passing fault; not before `after_seconds`, if known."""

    after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The access token is not accepted (any more)."""


Answer: TypeAlias = Found | Gone | Refused | Again | Rejected


def read_answer(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """Read the answer.

    Raises:
        FailJob: Gmail refuses the whole mailbox, as without the right scope.
    """
    verdict = read_verdict(status, headers, body)
    match verdict:
        case crmd.RateLimited(after_seconds=after) | crmd.Retryable(after_seconds=after):
            return Again(after)
        case crmd.AuthExpired():
            return Rejected()
        case crmd.Final():
            return _final(status, body)
        case _:
            assert_never(verdict)


def _final(status: int, body: bytes) -> Answer:
    if status == HTTPStatus.OK:
        try:
            return Found(read_json(body, WireMessage))
        except UnusableError:  # one part that was cut off is asked for again, not its whole batch
            return Again()
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        return Gone()
    sentence = read_refusal(body).sentence(status)
    if status == HTTPStatus.FORBIDDEN:
        raise crmd.FailJob(sentence)
    return Refused(sentence)
