"""Notices when the event loop stands still, and names the job that holds it up, with its stack.

A handler that computes or sleeps without `await` stops every other job of the daemon. From a thread of its own this
looks at the main thread's frames while it happens, which is the only moment at which the culprit can be seen.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crmd.engine import handling

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from crmd.engine.blame import Blame

_LOG = logging.getLogger("crmd.engine")
STALL_SECONDS = 1.0
LOOK_SECONDS = 0.25
FRAMES_MAX = 8


@dataclass(frozen=True, slots=True)
class Culprit:
    """Whose code the main thread was in: job type and plugin, and the innermost frames as `file:line function`."""

    job_type: str
    plugin: str
    places: tuple[str, ...]

    @property
    def place(self) -> str:
        """The innermost."""
        return self.places[0] if self.places else "an unknown place"


class StallWatch:
    """A thread that looks whether the loop turns; whoever runs in the loop calls `turned` a few times a second.

    Args:
        on_stall: Told each stall once, while it lasts.
        blame: Is told of each stall once it is over.
    """

    def __init__(self, on_stall: Callable[[Culprit], None] | None = None, blame: Blame | None = None) -> None:
        self._on_stall = on_stall or _report
        self._blame = blame
        self._culprit: Culprit | None = None
        self._turned_at = time.monotonic()
        self._main_thread = threading.get_ident()
        self._stop = threading.Event()
        self._is_reported = False
        self._thread = threading.Thread(target=self._run, name="crmd stall watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread at its next look."""
        self._stop.set()

    def turned(self) -> None:
        """The loop turns."""
        if self._is_reported:
            seconds = time.monotonic() - self._turned_at
            _LOG.warning("the event loop turns again, after %.1f s", seconds)
            self._is_reported = False
            if self._blame is not None and self._culprit is not None:
                self._blame.stalled(self._culprit.plugin, seconds, self._culprit.place)
        self._turned_at = time.monotonic()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            if self._is_reported or time.monotonic() - self._turned_at < STALL_SECONDS:
                continue
            frame = sys._current_frames().get(self._main_thread)  # noqa: SLF001 - the documented way to see other threads
            self._culprit = culprit_of(frame)
            self._is_reported = True
            self._on_stall(self._culprit)


def culprit_of(frame: FrameType | None) -> Culprit:
    """The job whose handler is on the stack that ends in `frame`."""
    places = traceback.extract_stack(frame, FRAMES_MAX)[::-1] if frame is not None else []
    texts = tuple(f"{place.filename}:{place.lineno} {place.name}" for place in places)
    while frame is not None:
        if frame.f_code is handling.handle.__code__:
            run = frame.f_locals["run"]
            return Culprit(run.job_type.name, run.job_type.plugin, texts)
        frame = frame.f_back
    return Culprit("no job", "crmd", texts)


def _report(culprit: Culprit) -> None:
    _LOG.error(
        'the event loop stands still in %s of plugin %s: %s; runs_in="thread" would keep it from the other jobs',
        culprit.job_type,
        culprit.plugin,
        " < ".join(culprit.places),
    )
