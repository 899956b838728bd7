"""`crmd templates`: job types with a payload under a name, saved, shown, run and removed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from crmd.cli.acting import acting
from crmd.cli.asking import job_type_named, no_such, payload_of, uuid_of, workspace_of
from crmd.cli.attached import job_id_of, on_database
from crmd.cli.screen import show_record, show_rows
from crmd.cli.session import configured, in_loop, log_quietly
from crmd.composition import opened
from crmd.errors import ExitCode, UsageError
from crmd.providing import known_plugins
from crmd.store import jobs, templates
from crmd.store.payload_editing import readable, storable
from crmd.store.templates import Template

if TYPE_CHECKING:
    from argparse import Namespace

    from crmd.config.loading import Config
    from crmd.store.pools import Pool

COLUMNS = {
    "name": "name",
    "job_type": "job type",
    "payload": "payload",
    "priority": "priority",
    "workspace_id": "workspace",
    "description": "description",
}


def listed(arguments: Namespace) -> int:
    """List templates."""

    async def work(pool: Pool, _config: Config) -> int:
        rows = await templates.list_templates(pool, workspace_of(arguments.workspace))
        show_rows([dict(row) for row in rows], COLUMNS, is_json=arguments.is_json, empty="There are no templates.")
        return ExitCode.OK

    return on_database(arguments, work)


def save(arguments: Namespace) -> int:
    """Keep a job type with a payload under a name."""
    if (arguments.job_type is None) == (arguments.from_job is None):
        raise UsageError("Give either a job type or --from-job ID.", hint=f"`{_USAGE}`")
    if not _NAME.fullmatch(arguments.name):
        raise UsageError(
            f"{arguments.name!r} is no name for a template.", hint="Use up to 63 lower case letters, digits and dashes."
        )

    async def work(pool: Pool, config: Config) -> int:
        template = await _wanted(pool, config, arguments)
        async with acting(pool, "templates.save", template.name, workspace_id=template.workspace_id):
            is_new = await templates.save(pool, template)
        show_record({"name": template.name, "job_type": template.job_type, "is_new": is_new}, is_json=arguments.is_json)
        return ExitCode.OK

    return on_database(arguments, work)


def run(arguments: Namespace) -> int:
    """Enqueue the job of a template; the payload that is given goes over its own."""
    given = payload_of(arguments.payload)
    log_quietly(arguments)
    config = configured(arguments)

    async def work() -> int:
        async with opened(config) as everything:  # its job type may not have been declared to the database yet
            return await _enqueued(everything.pools.plugins, config, given, arguments)

    return in_loop(config, work)


async def _enqueued(pool: Pool, config: Config, given: dict[str, Any], arguments: Namespace) -> int:
    row = await _found(pool, arguments.name, arguments)
    job_types = known_plugins(config).job_types
    new = jobs.NewJobs(
        type=row["job_type"],
        payloads=[storable({**readable(row, job_types), **given}, job_types.get(row["job_type"]))],
        workspace_id=workspace_of(arguments.workspace) or row["workspace_id"],
        user_id=uuid_of(arguments.user, "a user"),
        priority=row["priority"],
        queue=row["queue"],
        meta={"template": row["name"]},
    )
    async with acting(pool, "templates.run", row["name"], workspace_id=new.workspace_id) as found:
        [answer] = await jobs.enqueue_many(pool, new)
        found["jobId"] = str(answer.id)
    show_record({"id": answer.id, "is_new": answer.is_new}, is_json=arguments.is_json)
    return ExitCode.OK


def remove(arguments: Namespace) -> int:
    """Forget a template."""

    async def work(pool: Pool, _config: Config) -> int:
        await _found(pool, arguments.name, arguments)
        workspace_id = workspace_of(arguments.workspace)
        async with acting(pool, "templates.remove", arguments.name, workspace_id=workspace_id):
            is_removed = await templates.remove(pool, arguments.name, workspace_id)
        show_record({"name": arguments.name, "is_removed": is_removed}, is_json=arguments.is_json)
        return ExitCode.OK if is_removed else ExitCode.FAILED

    return on_database(arguments, work)


_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_USAGE = "crmd templates save NAME JOB --payload JSON"


async def _wanted(pool: Pool, config: Config, arguments: Namespace) -> Template:
    """The template that the arguments describe, checked against its job type."""
    job_type, payload = arguments.job_type, payload_of(arguments.payload)
    loaded = known_plugins(config)
    if arguments.from_job is not None:
        row = await jobs.found(pool, await job_id_of(pool, arguments.from_job))
        job_type, payload = row["type"], {**readable(dict(row), loaded.job_types), **payload}
    known = job_type_named(loaded, job_type)
    return Template(
        name=arguments.name,
        job_type=known.name,
        payload=storable(payload, known),
        workspace_id=workspace_of(arguments.workspace),
        priority=arguments.priority,
        queue=arguments.queue,
        description=arguments.description or "",
    )


async def _found(pool: Pool, name: str, arguments: Namespace) -> Any:  # noqa: ANN401 - a row of template_get.sql
    row = await templates.find(pool, name, workspace_of(arguments.workspace))
    if row is None:
        known = [one["name"] for one in await templates.list_templates(pool)]
        raise no_such("template", name, known, "See `crmd templates`.")
    return row
