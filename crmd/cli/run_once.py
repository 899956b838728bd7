"""`crmd run-once`: one job here and now, through the executor's own path: same limits, same lease, same settle."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from crmd.cli.acting import acting
from crmd.cli.asking import job_type_named, wanted_job
from crmd.cli.obstacle import obstacle_error
from crmd.cli.once import Once
from crmd.cli.post_mortem import with_debugger
from crmd.cli.screen import say, show_record
from crmd.cli.session import configured, in_loop, log_quietly
from crmd.composition import engine_options, opened
from crmd.connections.account import listed
from crmd.engine.handover import try_now
from crmd.errors import ExitCode, UsageError
from crmd.providing import known_plugins
from crmd.store import overview

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator
    from uuid import UUID

    from crmd.composition import Opened
    from crmd.job_type import JobType
    from crmd.store.jobs import NewJobs


def run(arguments: Namespace) -> int:
    """Run a job, show how it goes and what it came to."""
    log_quietly(arguments, "critical")
    config = configured(arguments)
    wanted = wanted_job(known_plugins(config), arguments)

    async def work() -> int:
        async with opened(config) as everything:
            job_type = job_type_named(everything.loaded, wanted.type)
            new = await _in_workspace(everything, job_type, wanted)
            if arguments.is_dry_run:
                return await _try(everything, new, arguments)
            if arguments.has_debugger:
                services = everything.services
                services.job_types = with_debugger(services.job_types, job_type)
            return await _run(everything, new, arguments)

    return in_loop(config, work)


async def _in_workspace(everything: Opened, job_type: JobType, new: NewJobs) -> NewJobs:
    """The job in the workspace that its connection belongs to, so that it need not be named as well."""
    if job_type.connection is None:
        return new
    connection = msgspec.json.decode(new.payloads[0]).get(job_type.connection)
    return replace(new, workspace_id=await _workspace_of_connection(everything, new.workspace_id, connection))


async def _workspace_of_connection(everything: Opened, workspace_id: UUID | None, connection: object) -> UUID | None:
    """The workspace that the connection belongs to."""
    if connection is None:
        return workspace_id
    accounts = await listed(everything.pools.control, workspace_id=workspace_id)
    account = next((account for account in accounts if str(account.id) == str(connection).lower()), None)
    if account is None:
        place = "" if workspace_id is None else " in this workspace"
        raise UsageError(f"There is no connection {connection}{place}.", hint="See `crmd connections list`.")
    return account.workspace_id


async def _try(everything: Opened, new: NewJobs, arguments: Namespace) -> int:
    options = engine_options(everything.config, everything.loaded)
    local_free = {name: most for name, _, most in options.local_limits}
    answer = await try_now(everything.pools.control, new, local_free)
    if answer is not None:
        raise await obstacle_error(everything.pools.control, answer)
    job_type = everything.services.job_types[new.type]
    show_record(
        {
            "job": job_type.name,
            "plugin": job_type.plugin,
            "queue": job_type.queue,
            "workspace": new.workspace_id,
            "max_attempts": job_type.max_attempts,
            "timeout_seconds": job_type.timeout_seconds,
            "would": "run at once; nothing was enqueued",
        },
        is_json=arguments.is_json,
    )
    return ExitCode.OK


async def _run(everything: Opened, new: NewJobs, arguments: Namespace) -> int:
    database = everything.pools.plugins
    async with acting(database, "run-once", new.type, workspace_id=new.workspace_id) as found:
        with _traffic(everything, arguments):
            row = await Once(everything, new, is_patient=arguments.is_patient).run()
        found["jobId"] = str(row["id"])
    await _say_what_waits(everything)
    show_record(_summary(row), is_json=arguments.is_json)
    if row["status"] == "completed":
        return ExitCode.OK
    error = (row["errors"] or [{}])[-1]
    say(f"crmd: {new.type} {row['status']}: {error.get('message', 'no reason is known')}")
    say(f"      `crmd jobs show {row['id']}` shows each attempt.")
    return ExitCode.FAILED


@contextlib.contextmanager
def _traffic(everything: Opened, arguments: Namespace) -> Iterator[None]:
    """Record or replay what the job asks of the outside, if that is wanted."""
    if not (arguments.record or arguments.replay):
        yield
        return
    from crmd.testing import cassette  # noqa: PLC0415 - only who asks for it pays for it

    if arguments.replay:
        with cassette.replaying(everything, cassette.read_cassette(Path(arguments.replay))):
            yield
        return
    with cassette.recording(everything) as exchanges:
        yield
    cassette.write_cassette(Path(arguments.record), cassette.Cassette(cassette.VERSION, exchanges))
    say(f"{len(exchanges)} requests are kept in {arguments.record}; look through it before you share it.")


async def _say_what_waits(everything: Opened) -> None:
    """Jobs that this one's events started are the daemons'."""
    status = await overview.status(everything.pools.control)
    waiting = sum(queue["due"] for queue in status["queues"])
    if waiting and not any(daemon["is_alive"] for daemon in status["daemons"]):
        say(f"{waiting} further jobs wait for a daemon: crmd run")


def _summary(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row of job_show.sql
    names = ("id", "type", "status", "attempt", "started_at", "finished_at", "result", "progress", "children")
    return {name: row[name] for name in names if row[name] is not None}
