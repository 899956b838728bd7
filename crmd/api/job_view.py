"""A job as front ends see it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

if TYPE_CHECKING:
    from collections.abc import Mapping

Status = Literal["pending", "scheduled", "processing", "completed", "failed", "cancelled", "dead"]
Priority = Literal["critical", "high", "normal", "low"]


class Progress(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How far a job has come."""

    done: int | None = None
    total: int | None = None
    note: str | None = None
    succeeded: int = 0
    failed: int = 0
    blocked: int = 0
    reasons: Annotated[dict[str, int], Meta(description="why items failed or were blocked, and how many")] = {}


class Job(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A job."""

    id: UUID
    workspace_id: UUID | None
    user_id: UUID | None
    type: str
    status: Status
    payload: Any
    result: Any
    total_items: int | None
    processed_items: int | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    error_message: str | None
    retry_count: int
    max_retries: int
    queue: str
    priority: Priority
    run_at: datetime
    parent_id: UUID | None
    is_cancel_requested: bool
    progress: Progress | None


class JobError(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What one attempt ended with."""

    attempt: int
    at: str | None = None
    class_: Annotated[str, Meta(description="of the error")] = msgspec.field(name="class", default="")
    message: str = ""
    hint: str | None = None


def progress_of(value: Mapping[str, Any] | None) -> Progress | None:
    """The column `progress`."""
    if value is None:
        return None
    return Progress(
        done=value.get("done"),
        total=value.get("total"),
        note=value.get("note"),
        succeeded=value.get("succeeded", 0),
        failed=value.get("failed", 0),
        blocked=value.get("blocked", 0),
        reasons=value.get("reasons", {}),
    )


def job_of(row: Mapping[str, Any]) -> Job:
    """A row of crmd.jobs whose JSON columns are plain objects."""
    progress = progress_of(row["progress"])
    error = row["last_error"]
    return Job(
        id=row["id"],
        workspace_id=row["workspace_id"],
        user_id=row["user_id"],
        type=row["type"],
        status=row["status"],
        payload=row["payload"],
        result=row["result"],
        total_items=None if progress is None else progress.total,
        processed_items=None if progress is None else progress.done,
        created_at=row["created_at"],
        started_at=row["started_at"],
        completed_at=row["finished_at"],
        error_message=None if error is None else error.get("message"),
        retry_count=max(row["attempt"] - 1, 0),
        max_retries=row["max_attempts"] - 1,
        queue=row["queue"],
        priority=row["priority"],
        run_at=row["run_at"],
        parent_id=row["parent_id"],
        is_cancel_requested=row["cancel_requested_at"] is not None,
        progress=progress,
    )
