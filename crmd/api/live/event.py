"""Server-sent events, encoded once for all who see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from crmd.api.job_view import Job, job_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

BEAT = b": beat\n\n"
HELLO = b"retry: 2000\n\n"
ENDED = frozenset({"completed", "failed", "cancelled", "dead"})
_encode = msgspec.json.Encoder().encode


class LiveJob(Job, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A job as a stream shows it."""

    is_truncated: Annotated[bool, Meta(description="payload or result is left out: it is larger than 8 KiB")] = False


@dataclass(frozen=True, slots=True)
class Event:
    """What became of a job.

    Attributes:
        job_id: Of the job.
        workspace_id: Of the job.
        clock: The database's, when it was read.
        body: The event without its id.
    """

    job_id: UUID
    workspace_id: UUID | None
    clock: datetime
    body: bytes


def live_job(row: Mapping[str, Any]) -> LiveJob:
    """A row of live_load.sql."""
    job = job_of(row)
    fields = {name: getattr(job, name) for name in Job.__struct_fields__}
    return LiveJob(**fields, is_truncated=row["is_truncated"])


def job_event(row: Mapping[str, Any]) -> Event:
    """A job as it stands."""
    return Event(row["id"], row["workspace_id"], row["clock"], _block(b"job", _encode(live_job(row))))


def gone_event(job_id: UUID, workspace_id: UUID | None, clock: datetime) -> Event:
    """A job that is no more."""
    return Event(job_id, workspace_id, clock, _block(b"gone", _encode({"id": job_id})))


def snapshot(rows: Sequence[Mapping[str, Any]], *, is_complete: bool) -> bytes:
    """All that a new stream begins with, newest job first."""
    jobs = [live_job(row) for row in sorted(rows, key=lambda row: row["id"], reverse=True)]
    return _block(b"snapshot", _encode({"jobs": jobs, "isComplete": is_complete}))


def bye(reason: str) -> bytes:
    """The last event."""
    return _block(b"bye", _encode({"reason": reason}))


def with_id(body: bytes, place: bytes) -> bytes:
    """The event as it is sent."""
    return b"id: %b\n%b" % (place, body)


def _block(name: bytes, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name, data)
