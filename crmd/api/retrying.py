"""How an ended job is run again over REST: as a new job, with another payload, or from where it had come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from crmd.api import making
from crmd.api.problem import Problem, invalid
from crmd.store import jobs, steps
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from crmd.api.route import Call
    from crmd.store.pools import Connection

_SQL = load_queries("crmd.store")
Name = Annotated[str, Meta(min_length=1, max_length=200)]


class Retrying(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """How a job is run again."""

    payload: Annotated[dict[str, Any] | None, Meta(description="instead of the old one")] = None
    only_failed_items: bool = False
    is_resumed: Annotated[bool, Meta(description="steps that were done stay done")] = False
    from_step: Annotated[Name | None, Meta(description="this step and all after it are done again")] = None


async def again_of(call: Call, row: Mapping[str, Any], body: Retrying) -> jobs.Again:
    """What is asked for, checked against the job that the caller may see.

    Raises:
        Problem: 403 or 422.
    """
    job_type = making.job_type_of(call, row["type"], "jobId")
    payload = None if body.payload is None else msgspec.json.decode(making.encoded(call, job_type, body.payload))
    if payload is None and row["is_payload_gone"]:
        raise invalid("$.payload", "Retention has let the payload of this job go.", "Give one.")
    if body.from_step is not None:
        names = [step["name"] for step in await steps.list_steps(call.state.pool, row["id"])]
        if body.from_step not in names:
            hint = f"It has kept {', '.join(names[:20])}." if names else "It has kept none."
            raise invalid("$.fromStep", "The job has kept no such step.", hint)
    return jobs.Again(
        payload=payload,
        is_failed_items=body.only_failed_items,
        is_resumed=body.is_resumed or body.from_step is not None,
        from_step=body.from_step,
    )


async def retried(call: Call, connection: Connection, row: Mapping[str, Any], again: jobs.Again) -> UUID:
    """Run it again in the transaction of `connection`; answers the id of the new job.

    Raises:
        Problem: 409: it has not ended; 429: there is no room for it.
    """
    if call.workspace_id is not None:
        await making.check_room(call, connection)
    made = await jobs.retry(connection, row["id"], again)
    if made is None:
        raise Problem(409, "conflict", "The job has not ended yet.", hint="Cancel it first.")
    making.check_admitted(row["type"], [made])
    if made.is_new and call.workspace_id is not None:
        await connection.execute(_SQL.api_job_made, [made.id], call.workspace_id, call.identity.user_id)
    return made.id
