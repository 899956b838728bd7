"""Runs a loop's step again and again, whatever it raises: the one place where a loop survives an outage."""

from __future__ import annotations

import logging
import math
import random
from typing import TYPE_CHECKING

import anyio
import asyncpg

from crmd.errors import OutdatedError, UnreachableError
from crmd.store.pools import UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_LOG = logging.getLogger("crmd.engine")
FIRST_PAUSE_SECONDS = 0.2
PAUSE_MAX_SECONDS = 2.5
ALIGNED_FROM_SECONDS = 0.5


async def forever(
    name: str,
    step: Callable[[], Awaitable[float]],
    on_outage: Callable[[str], None],
    renew: Callable[[], Awaitable[None]] | None = None,
    rest: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> None:
    """Call `step` for ever, sleeping as many seconds as it answers.

    A step that raises is called again after a pause that grows with each failure in a row, with full jitter, so that a
    fleet does not come back to a restarted database all at once. An unreachable database is said once per outage.

    Args:
        name: Of the loop, for the log.
        step: One turn; answers the seconds until the next.
        on_outage: Told one sentence when the database is lost, and "" when it is back.
        renew: Lets no open connection be used again; called when the server turns out to be read-only, since its
            sessions answer and lead to a demoted primary.
        rest: Sleeps so many seconds after a failure, or less where there is reason to hope.
    """
    failures = 0
    while True:
        try:
            pause = await step()
        except OutdatedError:
            raise
        except (*UNREACHABLE, UnreachableError) as error:
            if failures == 0:
                _LOG.warning("%s: %s (%s)", name, what_is_wrong(error), type(error).__name__)
            if isinstance(error, asyncpg.ReadOnlySQLTransactionError) and renew is not None:
                await renew()
            on_outage(what_is_wrong(error))
            failures += 1
        except Exception:  # noqa: BLE001 - one bad turn must not end the loop; it is logged with its traceback
            _LOG.exception("%s failed and goes on", name)
            failures += 1
        else:
            if failures:
                _LOG.info("%s works again", name)
                on_outage("")
            failures = 0
            await anyio.sleep(aligned(pause, anyio.current_time()))
            continue
        await rest(pause_seconds(failures, random.random()))  # noqa: S311 - jitter, not a secret


def aligned(pause: float, now: float) -> float:
    """A long pause cut short, so that loops without work wake an idle process at the same instants and not each alone.

    Args:
        pause: Seconds asked for.
        now: By any clock that all loops of the process share.
    """
    if pause < ALIGNED_FROM_SECONDS:
        return pause
    grid = ALIGNED_FROM_SECONDS if pause < 2 * ALIGNED_FROM_SECONDS else 2 * ALIGNED_FROM_SECONDS
    return math.floor((now + pause) / grid) * grid - now


def what_is_wrong(error: BaseException) -> str:
    """An outage in a sentence for the status line and the log."""
    match error:
        case asyncpg.ReadOnlySQLTransactionError():
            return "the database is read-only"
        case asyncpg.DiskFullError():
            return "the disk of the database is full"
        case _:
            return "the database does not answer"


def pause_seconds(failures: int, chance: float) -> float:
    """The pause after so many failures in a row; `chance` is a random number in [0, 1)."""
    widest = min(PAUSE_MAX_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 10))
    return float(widest * (0.25 + 0.75 * chance))
