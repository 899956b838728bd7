"""What follows from one try to deliver a message: it is done, it is tried again, it is given up. Pure.

The schedule is that of Standard Webhooks: at once, then after 5 seconds, 5 minutes, and so on over three days.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeAlias

from crmd.backoff import parse_retry_after
from crmd.http.response import served_at
from crmd.http.verdict import Final, RateLimited, Retryable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crmd.http.verdict import Verdict

MINUTE = 60.0
HOUR = 3600.0
WAITS_SECONDS = (5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
"""How long after each try that failed the next one is made."""
JITTER = 0.1
THROTTLES = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})
"""What a receiver answers that has too much to do: all messages to it wait."""
THROTTLE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """How a try ended.

    Args:
        status: Of HTTP; None: no answer came.
        reason: What went wrong, without the address; empty when nothing did.
        after_seconds: The receiver wants no message before; None: it did not say.
    """

    status: int | None
    reason: str = ""
    after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The receiver has it."""


@dataclass(frozen=True, slots=True)
class Again:
    """It is tried again, so many seconds later."""

    after_seconds: float


@dataclass(frozen=True, slots=True)
class GivenUp:
    """It is not tried again. `is_gone`: the receiver wants nothing any more."""

    is_gone: bool = False


Next: TypeAlias = Accepted | Again | GivenUp


def decide(answer: Answer, *, attempt: int, attempts_max: int, chance: float) -> Next:
    """What follows.

    Args:
        answer: How the try ended. A redirect is a failure: it is not followed.
        attempt: Which try that was, from 1.
        attempts_max: After so many it is given up.
        chance: A random number in [0, 1), for the jitter.
    """
    if answer.status is not None and 200 <= answer.status < 300:  # noqa: PLR2004 - the range that HTTP calls successful
        return Accepted()
    if answer.status == HTTPStatus.GONE:
        return GivenUp(is_gone=True)
    if attempt >= attempts_max:
        return GivenUp()
    plain = WAITS_SECONDS[min(max(attempt, 1), len(WAITS_SECONDS)) - 1]
    return Again(max(plain, answer.after_seconds or 0.0) + plain * JITTER * chance)


def reading(answers: list[Answer]) -> Callable[[int, Mapping[str, str], bytes], Verdict]:
    """How the guarded client is to read answers; each is noted in the list.

    Nothing is repeated within a job: that has its own schedule. A receiver that is throttled has its gate closed, and
    one that fails again and again, too.
    """

    def read(status: int, headers: Mapping[str, str], _body: bytes) -> Verdict:
        after_seconds = parse_retry_after(headers.get("Retry-After"), served_at(headers))
        answers.append(Answer(status, "" if status < 300 else f"it answered {status}", after_seconds))  # noqa: PLR2004 - see decide
        if status in THROTTLES:
            return RateLimited(max(after_seconds or 0.0, THROTTLE_SECONDS), f"it answered {status}")
        is_fault = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return Retryable(after_seconds) if is_fault else Final()

    return read
