"""What everybody may ask: is it alive, is it ready, what can it do."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from crmd.api.problem import Problem
from crmd.api.route import Call, Route, routed
from crmd.clock import boot_seconds

TURN_SECONDS_MAX = 5.0


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands."""

    status: Literal["ok"]


class JobTypeField(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One job type."""

    name: str
    description: str
    plugin: str
    queue: str
    priority: str
    max_attempts: int
    timeout_seconds: float
    schedule: str | None
    payload_schema: Annotated[dict[str, Any], Meta(description="JSON Schema of its payload")]


class JobTypes(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """All job types that the caller may start."""

    job_types: list[JobTypeField]


@routed("GET", "/healthz", scope=None, tag="about", problems=(503,))
async def healthz(call: Call) -> Health:
    """Whether the process works: its loop turns. It says nothing of the database, which a restart would not mend."""
    if boot_seconds() - call.state.engine.turned_at > TURN_SECONDS_MAX:
        raise Problem(503, "unavailable", "The event loop is held up.")
    return Health(status="ok")


@routed("GET", "/readyz", scope=None, tag="about", problems=(503,))
async def readyz(call: Call) -> Health:
    """Whether it takes jobs: it is registered, its lease is alive, and it does not drain."""
    if not call.state.engine.may_claim:
        raise Problem(503, "unavailable", "The daemon takes no jobs now.", headers={"Retry-After": "2"})
    return Health(status="ok")


@routed("GET", "/api/job-types", scope="read", tag="about", is_for_all=True)
async def list_job_types(call: Call) -> JobTypes:
    """List the job types that the caller may start, with the schemas of their payloads."""
    known = {one.name: one for one in call.state.services.job_types.values() if call.identity.may_enqueue(one.name)}
    return JobTypes(
        job_types=[
            JobTypeField(
                name=one.name,
                description=one.description,
                plugin=one.plugin,
                queue=one.queue,
                priority=one.priority,
                max_attempts=one.max_attempts,
                timeout_seconds=one.timeout_seconds,
                schedule=None if one.schedule is None else one.schedule.expression,
                payload_schema=msgspec.json.schema(one.payload_type),
            )
            for _, one in sorted(known.items())
        ]
    )


@routed("GET", "/api/openapi.json", scope=None, tag="about", media_type="application/json")
async def openapi(call: Call) -> web.Response:
    """Describe this API (OpenAPI 3.1)."""
    return web.Response(body=call.state.described, content_type="application/json")


ROUTES: tuple[Route, ...] = (healthz, readyz, list_job_types, openapi)
