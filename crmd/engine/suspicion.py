"""Suspects: jobs that ran when a daemon died. They run alone in processes, where only the guilty one dies again.

A daemon that dies takes with it everything that it ran, and nobody can tell which job it was. So none of them runs in a
daemon again before it has come through once by itself: whoever does is cleared, whoever takes three processes with it
is dead as poison.
"""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Any

from crmd.backoff import Backoff
from crmd.engine.casualty import HostBroken, HostLost
from crmd.outcome import Ended, Fault, Outcome, Requeued

if TYPE_CHECKING:
    from crmd.engine.casualty import Crashed
    from crmd.engine.run import Run

_LOG = logging.getLogger("crmd.engine")
CRASHES_MAX = 3
BACKOFF = Backoff(first_seconds=1.0, factor=4.0, cap_seconds=60.0)


def reap_delay_seconds(crash_count: int, chance: float) -> float:
    """How long a job waits whose daemon died.

    At first not at all: most of those that ran in it are innocent, and what runs alone in a process can do no harm.

    Args:
        crash_count: With this crash.
        chance: A random number in [0, 1).
    """
    return 0.0 if crash_count <= 1 else BACKOFF.delay_seconds(crash_count, chance)


def after_crash(run: Run, error: Crashed) -> Outcome:
    """What becomes of a suspect whose process ended without an outcome."""
    row: Any = run.row
    chance = random.random()  # noqa: S311 - jitter, not a secret
    delay = BACKOFF.delay_seconds(row["crash_count"], chance)
    fault = Fault("Crashed", str(error))
    if isinstance(error, HostLost):  # nothing is known against this one; it stays a suspect without a word from us
        return Requeued(delay, is_attempt_given_back=True, error=fault)
    if isinstance(error, HostBroken):  # nor against one that has not run; what is broken may stay so for long
        _LOG.warning("a suspect of %s has not run: %s", row["type"], error, extra={"job_id": row["id"]})
        return Requeued(BACKOFF.cap_seconds, is_attempt_given_back=True, error=fault)
    if row["crash_count"] < CRASHES_MAX:
        _LOG.warning("a suspect of %s: %s", row["type"], error, extra={"job_id": row["id"]})
        return Requeued(delay, is_attempt_given_back=True, error=fault, held="suspect")
    _LOG.error("job %s (%s) is dead as poison: %s", row["id"], row["type"], error)
    message = f"what ran it died {CRASHES_MAX} times; it is not tried again: {error}"
    return Ended("poison", error=Fault("Poison", message))
