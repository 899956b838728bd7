"""The pure decision after each attempt of a request: deliver, send again, pause everybody, or give up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, assert_never

from crmd.errors import RetryJob
from crmd.http.response import Response
from crmd.http.verdict import AuthExpired, Final, RateLimited, Retryable

if TYPE_CHECKING:
    from crmd.http.policy import HttpPolicy
    from crmd.http.verdict import Verdict


class OutcomeUnknown(RetryJob):
    """The request was sent and no answer came: it may have taken effect. The job type decides about repeating."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No answer came.

    Args:
        reason: For people; names the host, never the URL.
        is_sent: Whether the server may have seen the request.
    """

    reason: str
    is_sent: bool


@dataclass(frozen=True, slots=True)
class Deliver:
    """Hand the answer to the caller. `is_fault`: it is a passing fault of a request that must not be sent twice."""

    response: Response
    is_fault: bool = False


@dataclass(frozen=True, slots=True)
class SendAgain:
    """The same request once more, after a pause."""

    after_seconds: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Everybody with the same key waits; this request was not executed."""

    after_seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Leave it to the job's own retry."""

    reason: str
    is_unknown: bool
    after_seconds: float | None = None


Step: TypeAlias = Deliver | SendAgain | Pause | GiveUp


def decide(
    outcome: Response | Unanswered,
    verdict: Verdict,
    *,
    attempt: int,
    is_repeatable: bool,
    policy: HttpPolicy,
    chance: float,
) -> Step:
    """What follows from one attempt.

    Args:
        outcome: The answer, or that there was none.
        verdict: What the answer means; `Retryable` when there was none.
        attempt: From 1.
        is_repeatable: Whether sending the request twice does no harm.
        policy: Its bounds.
        chance: A random number in [0, 1) for the jitter.
    """
    pause = getattr(verdict, "after_seconds", None)
    after_seconds = policy.backoff.delay_seconds(attempt, chance, retry_after_seconds=pause)
    match verdict:
        case RateLimited():
            keeps_refusing = pause is None and attempt >= policy.attempts_max
            return Pause(max(after_seconds, policy.unstated_pause_seconds * keeps_refusing), verdict.reason)
        case Retryable():
            return _after_fault(outcome, after_seconds, may_repeat=attempt < policy.attempts_max, is_safe=is_repeatable)
        case AuthExpired() | Final():
            if isinstance(outcome, Unanswered):
                return GiveUp(outcome.reason, outcome.is_sent)
            return Deliver(outcome)
        case _:
            assert_never(verdict)


def _after_fault(outcome: Response | Unanswered, after_seconds: float, *, may_repeat: bool, is_safe: bool) -> Step:
    """A request that never left may always be sent again; one that was sent only when repeating does no harm."""
    is_sent = isinstance(outcome, Response) or outcome.is_sent
    if is_sent and not is_safe:
        if isinstance(outcome, Response):
            return Deliver(outcome, is_fault=True)
        return GiveUp(outcome.reason, is_unknown=True)
    if may_repeat:
        return SendAgain(after_seconds)
    if isinstance(outcome, Response):
        return GiveUp(f"{outcome.host} keeps answering {outcome.status}", is_unknown=False, after_seconds=after_seconds)
    return GiveUp(outcome.reason, is_unknown=False, after_seconds=after_seconds)
