from __future__ import annotations

import pytest

from crmd.backoff import Backoff
from crmd.errors import FailJob, GateClosed, LeaseLost, RetryJob
from crmd.model import Cancel, Snooze
from crmd.outcome import Ended, Forgotten, Happened, Outcome, Raised, Requeued, Returned, Stop, Stopped, Try, decide

BACKOFF = Backoff(first_seconds=10, factor=2, cap_seconds=100, jitter=0)


def tried(attempt: int = 1) -> Try:
    """The attempt of a job that may be tried three times."""
    return Try(attempt=attempt, max_attempts=3, backoff=BACKOFF, chance=0.5, timeout_seconds=7)


def shape(outcome: Outcome) -> tuple[object, ...]:
    """What counts of an outcome, without the error itself."""
    match outcome:
        case Ended(status, _, fault):
            return ("ended", status, fault and (fault.name, fault.message))
        case Requeued(delay, is_given_back, snoozes, fault):
            return ("requeued", delay, is_given_back, snoozes, fault and (fault.name, fault.message))
        case Forgotten():
            return ("forgotten",)


@pytest.mark.parametrize(
    ("happened", "attempt", "wanted"),
    [
        (Returned({"n": 1}), 1, ("ended", "completed", None)),
        (Returned(None), 3, ("ended", "completed", None)),
        (Returned(Snooze(60)), 3, ("requeued", 60, True, 1, None)),
        (Returned(Snooze(60, "later")), 1, ("requeued", 60, True, 1, ("Snooze", "later"))),
        (Returned(Snooze(-5)), 1, ("requeued", 0.001, True, 1, None)),
        (Returned(Cancel("no such contact")), 1, ("ended", "cancelled", ("Cancelled", "no such contact"))),
        (Raised(ValueError("x")), 1, ("requeued", 10, False, 0, ("ValueError", "x"))),
        (Raised(ValueError("x")), 2, ("requeued", 20, False, 0, ("ValueError", "x"))),
        (Raised(ValueError("x")), 3, ("ended", "dead", ("ValueError", "x"))),
        (Raised(ValueError("x")), 4, ("ended", "dead", ("ValueError", "x"))),
        (Raised(FailJob("bad")), 1, ("ended", "failed", ("FailJob", "bad"))),
        (Raised(RetryJob("busy", after_seconds=33)), 1, ("requeued", 33, False, 0, ("RetryJob", "busy"))),
        (Raised(RetryJob("busy", after_seconds=3)), 1, ("requeued", 10, False, 0, ("RetryJob", "busy"))),
        (Raised(RetryJob("busy", after_seconds=33)), 3, ("ended", "dead", ("RetryJob", "busy"))),
        (Raised(LeaseLost("gone")), 1, ("forgotten",)),
        (
            Raised(GateClosed("connection/1", after_seconds=5, reason="r")),
            3,
            ("requeued", 5, True, 0, ("GateClosed", "gate connection/1 is closed: r")),
        ),
        (
            Raised(GateClosed("connection/1", after_seconds=None, reason="r")),
            1,
            ("requeued", 60, True, 0, ("GateClosed", "gate connection/1 is closed: r")),
        ),
        (Stopped(Stop.DRAIN), 3, ("requeued", 0, True, 0, None)),
        (Stopped(Stop.CANCEL), 1, ("ended", "cancelled", ("Cancelled", "cancelled by request"))),
        (Stopped(Stop.CANCEL, "not needed"), 1, ("ended", "cancelled", ("Cancelled", "not needed"))),
        (Stopped(Stop.TIMEOUT), 1, ("requeued", 10, False, 0, ("Timeout", "ran for more than 7 s"))),
        (Stopped(Stop.TIMEOUT), 3, ("ended", "dead", ("Timeout", "ran for more than 7 s"))),
        (Stopped(Stop.LEASE_LOST), 1, ("forgotten",)),
    ],
)
def test_each_happening_has_its_outcome(happened: Happened, attempt: int, wanted: tuple[object, ...]) -> None:
    """What a handler does decides what becomes of its job: by this table, and by nothing else."""
    assert shape(decide(happened, tried(attempt))) == wanted


def test_every_reason_to_stop_is_decided() -> None:
    """No reason to stop a job is without its outcome."""
    assert all(decide(Stopped(why), tried()) for why in Stop)


def test_the_result_is_kept_as_it_is() -> None:
    """A completed job keeps exactly what its handler returned."""
    result = {"deep": [1, {"two": 2}]}
    outcome = decide(Returned(result), tried())
    assert isinstance(outcome, Ended)
    assert outcome.result is result


def test_the_error_itself_is_kept_for_the_record() -> None:
    """A fault holds the exception, so that its place in the code can be told."""
    error = ValueError("x")
    outcome = decide(Raised(error), tried())
    assert isinstance(outcome, Requeued)
    assert outcome.error is not None
    assert outcome.error.error is error
