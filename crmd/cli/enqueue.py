"""`crmd enqueue`: a job for the daemons."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from crmd.cli.asking import job_type_named, payload_of, uuid_of, workspace_of
from crmd.cli.screen import show_record
from crmd.cli.session import configured, in_loop, log_quietly
from crmd.composition import opened
from crmd.errors import ExitCode, UsageError
from crmd.interval import read_every
from crmd.store import declarations, jobs

if TYPE_CHECKING:
    from argparse import Namespace

    from crmd.composition import Opened
    from crmd.model import Enqueued
    from crmd.store.pools import Connection


def run(arguments: Namespace) -> int:
    """Enqueue a job, and print its id."""
    log_quietly(arguments)
    config = configured(arguments)

    async def work() -> Enqueued:
        async with opened(config) as everything:
            return await _enqueued(everything, arguments)

    answer = in_loop(config, work)
    show_record({"id": answer.id, "is_new": answer.is_new}, is_json=arguments.is_json)
    return ExitCode.OK


async def _enqueued(everything: Opened, arguments: Namespace) -> Enqueued:
    job_type = job_type_named(everything.loaded, arguments.job_type)
    payload = jobs.check_size(job_type.encode(payload_of(arguments.payload)))
    async with everything.pools.control.acquire() as connection:
        [answer] = await jobs.enqueue_many(
            connection,
            jobs.NewJobs(
                type=job_type.name,
                payloads=[payload],
                workspace_id=workspace_of(arguments.workspace),
                user_id=uuid_of(arguments.user, "a user"),
                run_at=await _due(connection, arguments),
                priority=arguments.priority,
                unique_keys=None if arguments.unique_key is None else [arguments.unique_key],
            ),
        )
    return answer


async def _due(connection: Connection, arguments: Namespace) -> datetime | None:
    """When it is due; a delay counts from the database's clock, which alone decides."""
    if arguments.at is not None:
        return instant_of(arguments.at)
    if arguments.delay is None:
        return None
    return await declarations.clock(connection) + timedelta(seconds=seconds_of(arguments.delay))


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
