"""What may be said of jobs beside their type and payload when they are enqueued: by a job, by a program, in a test.

Defaults are the job type's; docs/enqueue.md tells each option.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from crmd.model import OnConflict, Priority, Scope


class EnqueueOptions(TypedDict, total=False):
    """The options of `enqueue` and `enqueue_many`.

    Attributes:
        workspace_id: Whose jobs they are. A job's own workspace, when a job enqueues.
        user_id: Whom they concern.
        run_at: When they are due.
        delay_seconds: Due so long from now, by the database's clock; `run_at` wins.
        priority: `critical`, `high`, `normal` or `low`.
        queue: Its name.
        max_attempts: How often they are tried.
        unique_scope: How long a key is held: `waiting`, `unfinished` or `for`.
        unique_seconds: How long scope `for` holds it.
        on_conflict: What becomes of a job whose key is taken.
        max_delay_seconds: How far `push_back` may move a job, from the first enqueue.
        expires_at: Never started after this.
        expires_in_seconds: Never started so long after they were due; `expires_at` wins.
        after: Ids of jobs that have to end well first.
        is_after_any: They only have to end, however they do.
    """

    workspace_id: UUID | None
    user_id: UUID | None
    run_at: datetime | None
    delay_seconds: float | None
    priority: Priority | None
    queue: str | None
    max_attempts: int | None
    unique_scope: Scope | None
    unique_seconds: float | None
    on_conflict: OnConflict | None
    max_delay_seconds: float | None
    expires_at: datetime | None
    expires_in_seconds: float | None
    after: Sequence[UUID] | None
    is_after_any: bool
