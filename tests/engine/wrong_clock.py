"""Makes the wall clock of a process wrong: copied into its path as `sitecustomize.py`, it runs before all else there.

`$WRONG_CLOCK` holds two numbers of seconds, by which it is wrong in even seconds since boot and in odd ones: the same
twice is a clock that is ahead or behind, two of them one that steps to and fro. Monotonic and boot time stay right, as
they do on a machine whose date is wrong.
"""

from __future__ import annotations

import ctypes
import gc
import os
import time
from datetime import UTC, datetime, timedelta, tzinfo

NAME = "WRONG_CLOCK"


def wrong_seconds() -> float:
    """By how much the clock is wrong at this instant."""
    return WRONG_SECONDS[int(time.monotonic()) % 2]


def wrong_time() -> float:
    """In place of time.time, which logging and date.today ask too."""
    return right_time() + wrong_seconds()


def wrong_time_ns() -> int:
    """In place of time.time_ns."""
    return int(wrong_time() * 1e9)


def wrong_clock_gettime(number: int) -> float:
    """In place of time.clock_gettime."""
    return right_clock_gettime(number) + (wrong_seconds() if number == time.CLOCK_REALTIME else 0.0)


def wrong_now(_cls: type[datetime], tz: tzinfo | None = None) -> datetime:
    """In place of datetime.now."""
    return (right_now(UTC) + timedelta(seconds=wrong_seconds())).astimezone(tz).replace(tzinfo=tz)


def wrong_utcnow(_cls: type[datetime]) -> datetime:
    """In place of datetime.utcnow."""
    return wrong_now(_cls, UTC).replace(tzinfo=None)


def break_the_clock() -> None:
    """Everything that tells the date in this process is wrong from now on."""
    time.time, time.time_ns, time.clock_gettime = wrong_time, wrong_time_ns, wrong_clock_gettime
    # A subclass in its place would be another type to whatever is written in C; so the type itself is changed.
    [names] = gc.get_referents(datetime.__dict__)
    names["now"] = classmethod(wrong_now)
    names["utcnow"] = classmethod(wrong_utcnow)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime))


right_time, right_clock_gettime, right_now = time.time, time.clock_gettime, datetime.now
WRONG_SECONDS = [float(word) for word in os.environ.get(NAME, "0,0").split(",")]
if __name__ == "sitecustomize":
    break_the_clock()
