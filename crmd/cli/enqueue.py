"""`crmd enqueue`: a job for the daemons."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from crmd.cli.asking import wanted_job
from crmd.cli.screen import show_record
from crmd.cli.session import configured, in_loop, log_quietly
from crmd.composition import opened
from crmd.errors import ExitCode, UsageError
from crmd.interval import read_every
from crmd.loaded import load_plugins
from crmd.store import declarations, jobs

if TYPE_CHECKING:
    from argparse import Namespace

    from crmd.composition import Opened
    from crmd.model import Enqueued


def run(arguments: Namespace) -> int:
    """Enqueue a job, and print its id."""
    log_quietly(arguments)
    config = configured(arguments)
    keys = None if arguments.unique_key is None else [arguments.unique_key]
    wanted = replace(wanted_job(load_plugins(config), arguments), priority=arguments.priority, unique_keys=keys)
    if arguments.at is not None:
        wanted = replace(wanted, run_at=instant_of(arguments.at))
    delay = None if arguments.delay is None else timedelta(seconds=seconds_of(arguments.delay))

    async def work() -> Enqueued:
        async with opened(config) as everything:
            return await _enqueued(everything, wanted, delay)

    answer = in_loop(config, work)
    show_record({"id": answer.id, "is_new": answer.is_new}, is_json=arguments.is_json)
    return ExitCode.OK


async def _enqueued(everything: Opened, new: jobs.NewJobs, delay: timedelta | None) -> Enqueued:
    """A delay counts from the database's clock, which alone decides."""
    async with everything.pools.control.acquire() as connection:
        if delay is not None:
            new = replace(new, run_at=await declarations.clock(connection) + delay)
        [answer] = await jobs.enqueue_many(connection, new)
    return answer


def instant_of(text: str) -> datetime:
    """An instant with its offset.

    Raises:
        UsageError: It is none, or does not say its offset.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no time.", hint="Write for instance 2026-03-01T09:00+01:00.") from None
    if instant.tzinfo is None:
        raise UsageError(f"{text!r} does not say its time zone.", hint=f"Write {text}Z or {text}+01:00.")
    return instant


def seconds_of(text: str) -> int:
    """A duration as 90s, 5m or 1h30m.

    Raises:
        UsageError: It is none.
    """
    try:
        return read_every(f"every {text}").seconds
    except UsageError:
        raise UsageError(f"{text!r} is no duration.", hint="Write for instance 90s, 5m or 1h30m.") from None
