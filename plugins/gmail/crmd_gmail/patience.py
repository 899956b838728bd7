"""How long a job waits for a provider that is down: hours, without spending its attempts, and not for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import crmd
from crmd_gmail.wire import UnusableError

if TYPE_CHECKING:
    from collections.abc import Awaitable

_T = TypeVar("_T")

SNOOZES_MAX = 24
"""About five hours in all; from then on each failure is an attempt, so that one message can't keep a job for ever."""
BACKOFF = crmd.Backoff(first_seconds=15.0, factor=2.0, cap_seconds=900.0)


async def patiently(ctx: crmd.Context, work: Awaitable[_T]) -> _T | crmd.Snooze:
    """The work's own result; when Gmail doesn't answer, the order to try again later.

    An outage is no fault of a job: if it spent attempts, an hour of it would leave a dead job for each batch of mail.

    Raises:
        UnusableError: Gmail does answer, and what it says is no use; that counts.
        RetryJob: It has been down for hours.
    """
    try:
        return await work
    except UnusableError:
        raise
    except crmd.RetryJob as fault:
        count = ctx.job.snooze_count
        if count >= SNOOZES_MAX:
            raise
        seconds = BACKOFF.delay_seconds(count + 1, 0.0, retry_after_seconds=fault.after_seconds)
        return crmd.Snooze(seconds, str(fault))
