"""`crmd enqueue`: a job for the daemons."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from crmd.cli.acting import acting
from crmd.cli.asking import uuid_of, wanted_job
from crmd.cli.screen import show_record
from crmd.cli.session import configured, in_loop, log_quietly
from crmd.composition import opened
from crmd.errors import ExitCode, UsageError
from crmd.interval import read_every
from crmd.providing import known_plugins
from crmd.store import jobs

if TYPE_CHECKING:
    from argparse import Namespace

    from crmd.model import Enqueued


def run(arguments: Namespace) -> int:
    """Enqueue a job, and print its id and what was done."""
    log_quietly(arguments)
    config = configured(arguments)
    wanted = _with_options(wanted_job(known_plugins(config), arguments), arguments)

    async def work() -> Enqueued:
        async with opened(config) as everything:
            pools = everything.pools
            async with acting(pools.plugins, "enqueue", wanted.type, workspace_id=wanted.workspace_id) as found:
                [answer] = await jobs.enqueue_many(pools.control, wanted)
                found["jobId"] = str(answer.id)
            return answer

    answer = in_loop(config, work)
    shown = {"id": answer.id, "is_new": answer.is_new, "answer": answer.answer}
    show_record(shown, is_json=arguments.is_json)
    return ExitCode.OK


def _with_options(wanted: jobs.NewJobs, arguments: Namespace) -> jobs.NewJobs:
    return replace(
        wanted,
        run_at=None if arguments.at is None else instant_of(arguments.at),
        delay_seconds=_seconds(arguments.delay),
        priority=arguments.priority,
        after=[job_id for text in arguments.after or () if (job_id := uuid_of(text, "a job"))],
        expires_in_seconds=_seconds(arguments.expires_in),
        unique_keys=None if arguments.unique_key is None else [arguments.unique_key],
        unique_scope=arguments.scope,
        unique_seconds=_seconds(arguments.hold),
        on_conflict=arguments.on_conflict,
        max_delay_seconds=_seconds(arguments.max_delay),
    )


def _seconds(text: str | None) -> int | None:
    return None if text is None else seconds_of(text)


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
