"""Makes jobs for callers: what they send is checked, what they may is counted, and a repeated request makes none."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from crmd.api.problem import Fault, Problem, invalid
from crmd.errors import UsageError
from crmd.store import jobs
from crmd.store.queries import load_queries
from crmd.stored_text import PAYLOAD_BYTES_MAX
from crmd.tracing.place import checked_traceparent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from crmd.api.route import Call
    from crmd.job_type import JobType
    from crmd.model import Enqueued
    from crmd.store.pools import Connection

_SQL = load_queries("crmd.store")
KEY_MAX = 200
BUSY_WAIT_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Kept:
    """What was answered to the same request before.

    Attributes:
        status: Of HTTP.
        body: JSON.
    """

    status: int
    body: Any


def job_type_of(call: Call, name: str, path: str = "$.type") -> JobType:
    """The job type of that name, if the caller may start it.

    Raises:
        Problem: 422: there is none; 403: it is not for this caller.
    """
    found = call.state.services.job_types.get(name)
    if found is None:
        raise invalid(path, f"There is no job type {name!r}.", "GET /api/job-types lists them.")
    if not call.identity.may_enqueue(found.name):
        raise Problem(403, "forbidden", f"This key or token may not start jobs of the type {found.name!r}.")
    return found


def encoded(call: Call, job_type: JobType, payload: Any, path: str = "$.payload") -> str:  # noqa: ANN401 - any JSON
    """The payload as it is stored.

    Raises:
        Problem: 413 or 422, with the place.
    """
    most = call.state.settings().ids_max
    for name, value in (payload or {}).items():
        if isinstance(value, list) and name.lower().endswith("ids") and len(value) > most:
            raise invalid(
                f"{path}.{name}", f"It holds {len(value):,} ids; {most:,} are the most.", "Select them by a filter."
            )
    try:
        data = job_type.encode(payload)
    except UsageError as error:
        raise _of_payload(error, path) from error
    if len(data) > PAYLOAD_BYTES_MAX:
        raise Problem(413, "too-large", f"The payload has {len(data):,} bytes; {PAYLOAD_BYTES_MAX:,} are the most.")
    return data.decode()


async def once(
    call: Call, key: str | None, body: bytes, work: Callable[[Connection], Awaitable[Kept]]
) -> tuple[Kept, bool]:
    """Do something in a transaction, once per Idempotency-Key; whether it was answered from before.

    Args:
        call: The request.
        key: The caller's; None: it is done whenever it is asked for.
        body: What the request brings: under one key always the same.
        work: Does it.

    Raises:
        Problem: 409: the key was used for another request.
    """
    if key is not None and not (0 < len(key) <= KEY_MAX and key.isprintable()):
        raise invalid("header.Idempotency-Key", f"It has to be 1 to {KEY_MAX} printable characters.")
    async with call.state.pool.acquire() as connection, connection.transaction():
        if key is None:
            return await work(connection), False
        await connection.fetchval(_SQL.api_answer_turn, call.workspace_id, key)
        fingerprint = hashlib.sha256(f"{call.request.method} {call.request.path}\n".encode() + body).digest()
        row = await connection.fetchrow(_SQL.api_answer_get, call.workspace_id, key)
        if row is not None:
            if row["fingerprint"] != fingerprint:
                raise Problem(
                    409, "conflict", "This Idempotency-Key was used for another request.", hint="Make a new one."
                )
            return Kept(row["status"], row["body"]), True
        kept = await work(connection)
        await connection.execute(
            _SQL.api_answer_put, call.workspace_id, key, fingerprint, kept.status, msgspec.to_builtins(kept.body)
        )
        return kept, False


async def check_room(call: Call, connection: Connection, wanted: int = 1) -> None:
    """Whether the caller may make so many more jobs now; operators and programs of theirs always may.

    Raises:
        Problem: 429.
    """
    identity = call.identity
    if identity.is_operator or "admin" in identity.scopes:
        return
    settings = call.state.settings()
    row = await connection.fetchrow(_SQL.api_job_room, call.workspace_id, identity.user_id)
    assert row is not None  # noqa: S101 - an aggregate answers a row
    if row["unfinished"] + wanted > settings.jobs_running_max:
        raise _too_many(
            f"This workspace has {row['unfinished']} unfinished jobs; {settings.jobs_running_max} are the most.",
            BUSY_WAIT_SECONDS,
        )
    if identity.user_id is not None and row["recent"] + wanted > settings.jobs_per_hour_max:
        raise _too_many(
            f"This user has made {row['recent']} jobs within an hour; {settings.jobs_per_hour_max} are the most.",
            max(1, round(row["wait_seconds"] or 1)),
        )


async def make(call: Call, connection: Connection, new: jobs.NewJobs) -> list[Enqueued]:
    """Enqueue, and book the jobs with the caller.

    Raises:
        Problem: 404, 422 or 429.
    """
    try:
        made = await jobs.enqueue_many(connection, _traced(call, new), is_text=True)
    except asyncpg.DataError as error:
        raise Problem(422, "invalid", f"PostgreSQL cannot keep this (SQLSTATE {error.sqlstate}).") from None
    check_admitted(new.type, made)
    fresh = [one.id for one in made if one.is_new]
    if fresh and call.workspace_id is not None:
        await connection.execute(_SQL.api_job_made, fresh, call.workspace_id, call.identity.user_id)
    return made


def _traced(call: Call, new: jobs.NewJobs) -> jobs.NewJobs:
    """The jobs go on with the caller's trace, where jobs are traced."""
    trace = checked_traceparent(call.request.headers.get("traceparent"))
    if trace is None or call.state.services.tracer is None:
        return new
    meta = msgspec.json.decode(new.meta or "{}")
    return dataclasses.replace(new, meta=msgspec.json.encode({**meta, "traceparent": trace}).decode())


def check_admitted(job_type: str, made: Sequence[Enqueued]) -> None:
    """Whether none was turned away by a limit that takes no more; there is no job of such a one's id.

    Raises:
        Problem: 429.
    """
    if any(one.answer == "rejected" for one in made):
        raise _too_many(f"A full limit of {job_type} takes no more jobs now.", BUSY_WAIT_SECONDS)


def _of_payload(error: UsageError, path: str) -> Problem:
    """The sentence of a job type holds msgspec's, with its path."""
    sentence = error.sentence
    place = path
    if "`$" in sentence:
        place = path + sentence.rpartition("`$")[2].rstrip("`.")
        sentence = sentence.rpartition(" - at ")[0]
    return Problem(422, "invalid", error.sentence, hint=error.hint, errors=(Fault(path=place, message=sentence),))


def _too_many(sentence: str, wait: int) -> Problem:
    return Problem(429, "too-many", sentence, hint=f"Try again in {wait} s.", headers={"Retry-After": str(wait)})


def keys_of(body_key: str | None, header_key: str | None) -> str | None:
    """The Idempotency-Key of the header or the body.

    Raises:
        Problem: 422: they differ.
    """
    if body_key is not None and header_key is not None and body_key != header_key:
        raise invalid("$.idempotencyKey", "It differs from the header Idempotency-Key.")
    return body_key if header_key is None else header_key
