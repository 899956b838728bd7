"""What becomes of a job: the one decision, made from what its handler did. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal, TypeAlias, assert_never

from crmd.errors import EffectUnknown, FailJob, GateClosed, LeaseLost, NotKnownHere, RetryJob
from crmd.model import Cancel, Snooze

if TYPE_CHECKING:
    from crmd.backoff import Backoff

# A gate that says nothing about when it opens is looked at again after this long.
GATE_RECHECK_SECONDS = 60.0


class Stop(Enum):
    """Why a running job was cancelled from outside."""

    TIMEOUT = "timeout"
    CANCEL = "cancel"
    DRAIN = "drain"
    LEASE_LOST = "lease lost"


class Suspension(BaseException):
    """Raised through a handler that waits: the attempt is given back, and a later one comes to this place again.

    No `Exception`, so that a handler which catches those lets it through, as it does a cancellation.

    Args:
        delay_seconds: Until the job is due again; None: when what it waits for has come.
        held: As in `crmd.job.held`.
    """

    def __init__(self, delay_seconds: float | None, *, held: str | None = None) -> None:
        super().__init__("this job waits; let its order through")
        self.delay_seconds = delay_seconds
        self.held = held


@dataclass(frozen=True, slots=True)
class Returned:
    """The handler returned a value."""

    value: object


@dataclass(frozen=True, slots=True)
class Raised:
    """The handler raised."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Stopped:
    """The handler was cancelled from outside, and why."""

    why: Stop
    reason: str = ""


Happened: TypeAlias = "Returned | Raised | Stopped | Decided"


@dataclass(frozen=True, slots=True)
class Ended:
    """The job is over.

    `error` is what happened in one sentence with its class; None when all went well.
    """

    status: Literal["completed", "failed", "cancelled", "dead", "poison"]
    result: object = None
    error: Fault | None = None


@dataclass(frozen=True, slots=True)
class Requeued:
    """The job goes back to the queue, to be due after `delay_seconds`; 0 keeps its place.

    `held` names what it waits for besides its time, as in `crmd.job.held`: no claim takes it until that is over.
    Without a delay (None) it is due only when somebody makes it so.
    """

    delay_seconds: float | None
    is_attempt_given_back: bool
    snoozes: int = 0
    error: Fault | None = None
    held: str | None = None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The lease is lost: whoever holds it now decides, and nothing is written."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An exception, or a word of our own about what went wrong."""

    name: str
    message: str
    error: BaseException | None = None
    places: tuple[str, ...] = ()  # in the code, innermost last, where there is no error to tell them
    record: bytes | None = None  # what is kept of it, when it was written down where it happened


Outcome: TypeAlias = Ended | Requeued | Forgotten


@dataclass(frozen=True, slots=True)
class Decided:
    """The handler ran elsewhere, in a thread or a process, and its outcome was decided there."""

    outcome: Outcome


DONE = Ended("completed")
"""The handler returned nothing, as most do: one value for all of them, since this stands on the hot path."""


@dataclass(frozen=True, slots=True)
class Try:
    """What the decision needs to know about the attempt. `chance` is a random number in [0, 1)."""

    attempt: int
    max_attempts: int
    backoff: Backoff
    chance: float
    timeout_seconds: float = 0.0


def decide(happened: Happened, tried: Try) -> Outcome:
    """What becomes of the job."""
    match happened:
        case Returned(Snooze(seconds, reason)):
            fault = Fault("Snooze", reason) if reason else None
            return Requeued(max(seconds, 0.001), is_attempt_given_back=True, snoozes=1, error=fault)
        case Returned(Cancel(reason)):
            return Ended("cancelled", error=Fault("Cancelled", reason))
        case Returned(value):
            return Ended("completed", value)
        case Raised(error) if (waits := _only_waits(error)) is not None:
            return Requeued(waits.delay_seconds, is_attempt_given_back=True, held=waits.held)
        case Raised(error):
            return _after_error(error, tried)
        case Stopped(why, reason):
            return _after_stop(why, reason, tried)
        case Decided(outcome):
            return outcome
        case _:
            assert_never(happened)


def _after_stop(why: Stop, reason: str, tried: Try) -> Outcome:
    match why:
        case Stop.LEASE_LOST:
            return Forgotten()
        case Stop.DRAIN:
            return Requeued(0, is_attempt_given_back=True)
        case Stop.CANCEL:
            return Ended("cancelled", error=Fault("Cancelled", reason or "cancelled by request"))
        case Stop.TIMEOUT:
            return _again(Fault("Timeout", f"ran for more than {tried.timeout_seconds:g} s"), tried)
        case _:
            assert_never(why)


def _after_error(error: BaseException, tried: Try) -> Outcome:
    match error:
        case LeaseLost():
            return Forgotten()
        case GateClosed(after_seconds=after):
            wait = GATE_RECHECK_SECONDS if after is None else max(after, 0.001)
            return Requeued(wait, is_attempt_given_back=True, error=_fault(error))
        case NotKnownHere():
            return Requeued(0, is_attempt_given_back=True, held="unknown")
        case EffectUnknown(after_seconds=None):
            return Requeued(0, is_attempt_given_back=True, error=_fault(error), held="reconcile")
        case EffectUnknown(after_seconds=float() | int() as after):
            return Requeued(max(after, 0.001), is_attempt_given_back=True, error=_fault(error))
        case FailJob():
            return Ended("failed", error=_fault(error))
        case RetryJob(after_seconds=after):
            return _again(_fault(error), tried, after)
        case _:
            return _again(_fault(error), tried)


def _only_waits(error: BaseException) -> Suspension | None:
    """The order to wait, also that of a task group; None when a task of it has failed, which says more."""
    if not isinstance(error, BaseExceptionGroup):
        return error if isinstance(error, Suspension) else None
    waits = [one for one in map(_only_waits, error.exceptions) if one is not None]
    if len(waits) < len(error.exceptions):
        return None
    # Children wake the job by themselves; of the others the earliest does.
    return min(waits, key=lambda one: (one.held is None, math.inf if one.delay_seconds is None else one.delay_seconds))


def _again(fault: Fault, tried: Try, after_seconds: float | None = None) -> Outcome:
    if tried.attempt >= tried.max_attempts:
        return Ended("dead", error=fault)
    delay = tried.backoff.delay_seconds(tried.attempt, tried.chance, retry_after_seconds=after_seconds)
    return Requeued(delay, is_attempt_given_back=False, error=fault)


def _fault(error: BaseException) -> Fault:
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - an error whose own words fail still has its class
        message = ""
    return Fault(type(error).__name__, message, error)
