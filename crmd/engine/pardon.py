"""Gives an attempt back that failed because its session with our own database was lost: that is no fault of the job.

A job can also end its session itself, or the whole server with it. So it is pardoned a few times only, and then an
attempt counts like any other; what a daemon remembers of it is gone with the daemon, which bounds it as well.
"""

from __future__ import annotations

import logging
import random
from collections import OrderedDict
from typing import TYPE_CHECKING

from crmd.backoff import Backoff
from crmd.errors import JobError
from crmd.outcome import Fault, Raised, Requeued

if TYPE_CHECKING:
    from uuid import UUID

    from crmd.engine.run import Run
    from crmd.outcome import Happened

_LOG = logging.getLogger("crmd.jobs")
# In a row, until an attempt counts.
PARDONS_MAX = 3
# Jobs that are remembered; an outage concerns those that run, which are far fewer.
JOBS_MAX = 10_000
BACKOFF = Backoff(first_seconds=0.2, factor=2.0, cap_seconds=1.0)
# So far a plugin may have wrapped the error into others.
CHAIN_MAX = 20


class Pardons:
    """What one daemon remembers of them.

    Args:
        most: In a row, of one job; 0: none, where nothing is remembered.
    """

    def __init__(self, most: int = PARDONS_MAX) -> None:
        self._most = most
        self._counts: OrderedDict[UUID, int] = OrderedDict()

    def outcome(self, run: Run, happened: Happened) -> Requeued | None:
        """The attempt given back, if it failed of a lost session and the job has not had too much of that."""
        if run.cut_by is None:
            return None
        job_id = run.token.id
        count = self._counts.pop(job_id, 0) + 1
        if count > self._most or run.stop is not None or not _is_fault_of(happened, run.cut_by):
            return None  # and forgotten: the next one is the first again
        self._counts[job_id] = count
        while len(self._counts) > JOBS_MAX:
            self._counts.popitem(last=False)
        name = type(run.cut_by).__name__
        _LOG.warning("its session with the database was lost (%s); the attempt is given back", name)
        chance = random.random()  # noqa: S311 - jitter, not a secret
        fault = Fault("SessionLost", f"its session with the database was lost ({name}); the attempt does not count")
        return Requeued(BACKOFF.delay_seconds(count, chance), is_attempt_given_back=True, error=fault)


def _is_fault_of(happened: Happened, cut_by: BaseException) -> bool:
    """Whether the handler failed of it; what it orders itself, as to fail for good, stands."""
    return isinstance(happened, Raised) and not isinstance(happened.error, JobError) and is_of(happened.error, cut_by)


def is_of(error: BaseException | None, cause: BaseException) -> bool:
    """Whether an error is a certain one, or was raised because of it, alone or among others."""
    waiting, seen = [error], 0
    while waiting and seen < CHAIN_MAX:
        one = waiting.pop()
        seen += 1
        if one is cause:
            return True
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
        if one is not None:
            waiting += [one.__cause__, None if one.__suppress_context__ else one.__context__]
    return False
