"""What becomes of a job that cannot be cancelled: it ends as what it was stopped for, and where it hangs is recorded.

It may still run, in a thread or in a task of the loop; its lease is settled, so whatever it writes later is refused.
"""

from __future__ import annotations

import dataclasses
import logging
import traceback
from typing import TYPE_CHECKING, Any

from crmd.outcome import Fault, Forgotten, Outcome

if TYPE_CHECKING:
    import asyncio
    from types import FrameType

    from anyio import CancelScope

    from crmd.engine.blame import Blame
    from crmd.engine.run import Run

_LOG = logging.getLogger("crmd.engine")
# How long a job may take to clean up after it was cancelled.
ABANDON_SECONDS = 10.0
# Later than a thread's own end of patience, which knows better where the job hangs.
GIVE_UP_SECONDS = ABANDON_SECONDS + 2.0
# How long a cancelled job is cancelled anew at each await, as anyio does; then only with each turn of the watch, so
# that one which swallows it does not take a whole core until it is given up.
PRESS_SECONDS = 1.0
PLACES_MAX = 12


_loose: set[asyncio.Task[None]] = set()


def let_loose(task: asyncio.Task[None]) -> None:
    """Remember a task of the loop that does not end, for the end of the process."""
    _loose.add(task)
    task.add_done_callback(_loose.discard)


def has_loose_tasks() -> bool:
    """Whether the loop holds a task that does not end: closing the loop would wait for it for ever."""
    return bool(_loose)


class Abandoned:
    """The jobs that still run somewhere though they are over; counted, since each holds a thread or a task.

    Args:
        blame: Is told of each.
    """

    def __init__(self, blame: Blame) -> None:
        self.runs: set[Run] = set()
        self._blame = blame

    def add(self, run: Run, outcome: Outcome, places: tuple[str, ...]) -> Outcome:
        """Give a job up; answers what becomes of it, its record naming the place where it hangs.

        Args:
            run: Stopped, and still running.
            outcome: What would become of it, had it stopped.
            places: Where it is in the code, innermost first.
        """
        self.runs.add(run)
        self._blame.abandoned(run.job_type.plugin)
        place = places[0] if places else "an unknown place"
        _LOG.error(
            "a job of %s (plugin %s) does not let itself be cancelled and is abandoned; it hangs in %s",
            run.job_type.name,
            run.job_type.plugin,
            place,
            extra={"job_id": run.token.id},
        )
        if isinstance(outcome, Forgotten):
            return outcome
        before = "" if outcome.error is None else f"{outcome.error.message}; "
        message = f"{before}it did not let itself be cancelled and was abandoned in {place}"
        return dataclasses.replace(outcome, error=Fault("Abandoned", message, places=places[::-1]))

    def ended(self, run: Run) -> None:
        """It has ended after all."""
        if run in self.runs:
            self.runs.discard(run)
            _LOG.info("an abandoned job of %s has ended", run.job_type.name, extra={"job_id": run.token.id})


def cease(scope: CancelScope) -> None:
    """Cancel no more what is in the scope.

    anyio cancels anew at each turn of the loop until the scope is left, so a task that swallows it keeps the loop
    turning without a pause; there is no public way to end that.
    """
    delivery = getattr(scope, "_cancel_handle", None)
    if delivery is not None:
        delivery.cancel()


def press(scope: CancelScope) -> None:
    """Cancel once more what is in the scope, and then leave it alone for a while; there is no public way to that."""
    cease(scope)
    deliver = getattr(scope, "_deliver_cancellation", None)
    if deliver is not None:
        deliver(scope)
        cease(scope)


def places_of_frame(frame: FrameType | None) -> tuple[str, ...]:
    """Where a thread is, as `file:line function`, innermost first."""
    if frame is None:
        return ()
    return tuple(f"{place.filename}:{place.lineno} {place.name}" for place in _newest(frame))


def places_of_coroutine(coroutine: Any) -> tuple[str, ...]:  # noqa: ANN401 - a coroutine, a generator or an awaitable
    """Where a suspended coroutine waits, as `file:line function`, innermost first."""
    found: list[str] = []
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is None:
            break
        found.append(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}")
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return tuple(found[-PLACES_MAX:][::-1])


def _newest(frame: FrameType) -> list[traceback.FrameSummary]:
    return traceback.extract_stack(frame, PLACES_MAX)[::-1]
