"""What a job's process tells its daemon: whatever the job has said, its outcome arrives."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

import msgspec

from crmd.child.log_handler import LineHandler
from crmd.engine.wire import FRAME_MAX, HEADER, Finished, Moved, decoded, encoded, finished, outcome_of
from crmd.outcome import Ended, Fault

if TYPE_CHECKING:
    from crmd.child.line import Line
    from crmd.engine.run import Run
    from crmd.engine.wire import Told

HOSTILE = "\x00 \ud800 \u202e"


class FakeRun:
    """As much of a run as an outcome's record needs."""

    row = {"attempt": 1}  # noqa: RUF012 - never changed
    has_children = False


def arrived(message: Told) -> Told:
    """What the daemon reads of it."""
    frame = encoded(message)
    assert len(frame) < FRAME_MAX
    return decoded(frame[HEADER.size :])


def test_an_error_that_utf8_cannot_hold_is_told() -> None:
    """A lone surrogate in an error's words does not keep the outcome back, which would look like a crash."""
    run = cast("Run", FakeRun())
    fault = Fault("RuntimeError", HOSTILE, error=RuntimeError(HOSTILE))
    message = arrived(finished(Ended("dead", error=fault), run))
    outcome = outcome_of(cast("Finished", message))
    assert isinstance(outcome, Ended)
    assert outcome.error is not None
    assert outcome.error.name == "RuntimeError"
    assert "\ud800" not in outcome.error.message
    assert msgspec.json.decode(outcome.error.record or b"")["class"] == "RuntimeError"


def test_an_error_of_any_length_is_told() -> None:
    """A hundred million characters do not make a frame that the daemon takes for nonsense."""
    run = cast("Run", FakeRun())
    arrived(finished(Ended("dead", error=Fault("ValueError", "x" * 100_000_000)), run))


def test_items_that_utf8_cannot_hold_are_told() -> None:
    """What a job books is told, cleaned."""
    moved = arrived(Moved(1, 1, HOSTILE, {}, {HOSTILE: 1}, [(HOSTILE, "failed", HOSTILE)]))
    assert isinstance(moved, Moved)
    assert "\ud800" not in "".join(moved.items[0][0])
    assert "\ud800" not in moved.note


def test_a_log_line_that_utf8_cannot_hold_is_told() -> None:
    """A line of the log neither raises in the handler that logged nor grows without a bound."""
    told: list[Told] = []

    class FakeLine:
        def send(self, message: Told) -> None:
            told.append(arrived(message))

    handler = LineHandler(cast("Line", FakeLine()))
    for text in (HOSTILE, "x" * 100_000_000):
        handler.emit(logging.LogRecord("x", logging.WARNING, "x", 0, text, (), None))
    assert len(told) == 2
