"""Templates of a workspace: a job type with a payload under a name, saved, run again and again, removed."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from crmd.api import making
from crmd.api.job_view import Priority
from crmd.api.jobs import Instant, Made, Name, make_one
from crmd.api.problem import invalid, not_found
from crmd.api.route import Answer, Call, Route, routed
from crmd.payload_seal import FIELD, opened
from crmd.store import jobs as stored_jobs
from crmd.store import templates
from crmd.store.templates import Template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.job_type import JobType

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)


class JobTemplate(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A template."""

    name: str
    is_shared: Annotated[bool, Meta(description="of the installation, for every workspace; it cannot be changed here")]
    type: str
    payload: Any
    priority: Priority | None
    description: str
    updated_at: datetime


class JobTemplates(msgspec.Struct, frozen=True, kw_only=True):
    """All that the workspace may use, by name."""

    templates: list[JobTemplate]


class TemplateWanted(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What a template is to hold."""

    type: Name
    payload: dict[str, Any] = {}
    priority: Priority | None = None
    description: Annotated[str, Meta(max_length=500)] = ""


class TemplateRun(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """How a template is run."""

    payload: Annotated[dict[str, Any], Meta(description="fields that go over the template's own")] = {}
    run_at: Annotated[Instant | None, Meta(description="when it is due; at once when left out")] = None


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """It is gone."""

    success: bool


@routed("GET", "/api/workspaces/{workspaceId}/templates", scope="read", tag="templates")
async def list_templates(call: Call) -> JobTemplates:
    """List the templates of the workspace, and those of the installation."""
    async with call.state.sight(call.workspace_id) as connection:
        rows = await templates.list_templates(connection, call.workspace_id)
    return JobTemplates(templates=[_view(dict(row)) for row in rows])


@routed("GET", "/api/workspaces/{workspaceId}/templates/{name}", scope="read", tag="templates")
async def get_template(call: Call) -> JobTemplate:
    """Look at one template."""
    return _view(await _found(call))


@routed("PUT", "/api/workspaces/{workspaceId}/templates/{name}", scope="manage", tag="templates", also=(201,))
async def save_template(call: Call, body: TemplateWanted) -> Answer[JobTemplate]:
    """Keep a job type with a payload under a name, replacing the workspace's template of that name."""
    name = call.path["name"]
    if not _NAME.fullmatch(name):
        raise invalid("path.name", "Use up to 63 lower case letters, digits, - and _.")
    job_type = making.job_type_of(call, body.type)
    template = Template(
        name=name,
        job_type=job_type.name,
        payload=msgspec.json.decode(making.encoded(call, job_type, body.payload)),
        workspace_id=call.workspace_id,
        priority=body.priority,
        description=body.description,
    )
    async with call.state.acting(call.identity, "templates.save", name, workspace_id=call.workspace_id):
        is_new = await templates.save(call.state.pool, template)
    return Answer(_view(await _found(call)), 201 if is_new else 200)


@routed("POST", "/api/workspaces/{workspaceId}/templates/{name}/run", scope="enqueue", tag="templates", status=201,
        also=(200,), is_idempotent=True, problems=(409,))  # fmt: skip
async def run_template(call: Call, body: TemplateRun) -> Answer[Made]:
    """Make the job of a template."""
    row = await _found(call)
    job_type = making.job_type_of(call, row["job_type"], "path.name")
    payload = {**_readable(row, job_type), **body.payload}
    new = stored_jobs.NewJobs(
        type=job_type.name,
        payloads=[making.encoded(call, job_type, payload)],
        workspace_id=call.workspace_id,
        user_id=call.identity.user_id,
        run_at=body.run_at,
        priority=row["priority"],
        queue=row["queue"],
        payload_version=job_type.version,
        meta=msgspec.json.encode({"source": "api", "template": row["name"]}).decode(),
    )
    return await make_one(call, new, call.request.headers.get("Idempotency-Key"))


@routed("DELETE", "/api/workspaces/{workspaceId}/templates/{name}", scope="manage", tag="templates")
async def remove_template(call: Call) -> Removed:
    """Forget a template of the workspace; one of the installation stays."""
    row = await _found(call)
    if row["workspace_id"] is None:
        raise not_found("template")
    async with call.state.acting(call.identity, "templates.remove", row["name"], workspace_id=call.workspace_id):
        is_removed = await templates.remove(call.state.pool, row["name"], call.workspace_id)
    return Removed(success=is_removed)


async def _found(call: Call) -> Mapping[str, Any]:
    async with call.state.sight(call.workspace_id) as connection:
        row: Mapping[str, Any] | None = await templates.find(connection, call.path["name"], call.workspace_id)
    if row is None:
        raise not_found("template")
    return row


def _readable(row: Mapping[str, Any], job_type: JobType) -> dict[str, Any]:
    """The payload that is kept, opened where it is sealed: what is made of it is sealed again."""
    payload: dict[str, Any] = row["payload"]
    if job_type.seal is not None and FIELD in payload:
        payload = msgspec.json.decode(opened(job_type.seal, job_type.name, msgspec.json.encode(payload)))
    return payload


def _view(row: Mapping[str, Any]) -> JobTemplate:
    return JobTemplate(
        name=row["name"],
        is_shared=row["workspace_id"] is None,
        type=row["job_type"],
        payload=row["payload"],
        priority=row["priority"],
        description=row["description"],
        updated_at=row["updated_at"],
    )


ROUTES: tuple[Route, ...] = (list_templates, get_template, save_template, run_template, remove_template)
