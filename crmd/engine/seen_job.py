"""A claimed job as its handler sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from crmd.model import Job

if TYPE_CHECKING:
    from crmd.engine.run import Run


def job_of(run: Run) -> Job:
    """Read into an object when first asked for."""
    row = run.row
    meta = row["meta"]
    return Job(
        id=row["id"],
        type=row["type"],
        queue=row["queue"],
        priority=row["priority"],
        attempt=row["attempt"],
        max_attempts=row["max_attempts"],
        crash_count=row["crash_count"],
        snooze_count=row["snooze_count"],
        fence=row["fence"],
        claim_id=row["claim_id"],
        run_at=row["run_at"],
        created_at=row["created_at"],
        workspace_id=row["workspace_id"],
        user_id=row["user_id"],
        parent_id=row["parent_id"],
        lane=row["lane"],
        meta={} if meta is None else msgspec.json.decode(meta),
    )
