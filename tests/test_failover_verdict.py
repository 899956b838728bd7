"""What the run of failovers calls a breach: anything that was seen outside and not told, or told and not so."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from failover_verdict import Database, Ledger, Report, breaches

TOLD: dict[str, Any] = {
    "kept_until": 10.0,
    "seen_at": 12.0,
    "stopped": frozenset(),
    "claims": frozenset(),
    "outcomes": frozenset({"again"}),
    "jobs": frozenset({"gone"}),
    "is_complete": True,
}
BOOKED = {"once": "completed", "again": "completed"}


def found(*, is_sync: bool = False, statuses: dict[str, str] | None = None, **changes: object) -> list[str]:
    """The breaches of a run in which one job was done, one ran again, and one is gone; with changes."""
    ledger = Ledger({"once": 1.0, "again": 2.0, "gone": 11.0})
    ledger.read("begin once 1 0\nend once 1 0\nbegin again 1 0\nend again 1 0\nbegin again 1 0\nend again 1 0")
    ledger.read("begin gone 1 0\nend gone 1 0")
    database = Database(BOOKED if statuses is None else statuses, frozenset(BOOKED))
    return list(breaches(ledger, database, [Report(**{**TOLD, **changes})], is_sync=is_sync))


def test_what_was_told_is_no_breach() -> None:
    """A loss that was reported by its ids, within its time, is what an asynchronous standby promises."""
    assert found() == []


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"outcomes": frozenset()}, "again: ended 2 times"),
        ({"outcomes": frozenset({"again", "once"})}, "once: was said to run again"),
        ({"jobs": frozenset()}, "gone: began, is gone"),
        ({"jobs": frozenset({"gone", "once"})}, "once: is there"),
        ({"kept_until": 11.5}, "gone: lost without a failover"),
        ({"is_complete": False}, "not complete"),
        ({"statuses": {"once": "completed", "again": "dead"}}, "again: ends as dead"),
        ({"statuses": {**BOOKED, "odd": "completed"}}, "odd: is completed and has not booked"),
        ({"is_sync": True}, "synchronous: lost are 1 jobs"),
    ],
)
def test_each_difference_is_a_breach(changes: dict[str, Any], word: str) -> None:
    """Each is found, and told in a sentence that names the job."""
    assert any(word in sentence for sentence in found(**changes))


def test_a_stopped_job_may_have_ended() -> None:
    """A job that ended just then, without an answer to its outcome, runs again and was told to."""
    assert found(outcomes=frozenset(), stopped=frozenset({"again"})) == []


def test_lines_are_counted_by_job() -> None:
    """The ledger counts begins and ends apart."""
    ledger = Ledger()
    ledger.read("begin a 1 0.5\nbegin a 2 0.7\nend a 2 0.9\n")
    assert (ledger.begun, ledger.ended) == (Counter({"a": 2}), Counter({"a": 1}))
