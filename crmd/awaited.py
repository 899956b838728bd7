"""What a job that waited is handed: the event, or the ends of its children."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from crmd.errors import FailJob


class AwaitedEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The event that `ctx.wait_for_event` waited for.

    Attributes:
        data: As it was emitted.
        metadata: Where it came from.
    """

    id: UUID
    type: str
    data: dict[str, Any]
    emitted_at: datetime
    workspace_id: UUID | None = None
    user_id: UUID | None = None
    aggregate_type: str | None = None
    aggregate_id: str | None = None
    metadata: dict[str, Any] = {}


class ChildOutcome(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How a child of `ctx.gather` ended.

    Attributes:
        result: What its handler returned, as plain data.
        error: The newest error's sentence; None when all went well.
    """

    id: UUID
    status: Literal["completed", "failed", "cancelled", "dead"]
    result: Any = None
    error: str | None = None

    @property
    def is_completed(self) -> bool:
        """Whether it went well."""
        return self.status == "completed"


class ChildFailed(FailJob):
    """A child that was needed did not complete. Let through, it fails the job: another attempt would meet the same.

    Args:
        outcomes: Of all children, in their order.
    """

    def __init__(self, outcomes: list[ChildOutcome]) -> None:
        bad = [one for one in outcomes if not one.is_completed]
        first = bad[0]
        super().__init__(
            f"{len(bad)} of {len(outcomes)} children did not complete; job {first.id} is {first.status}: "
            f"{first.error or 'no reason was given'}"
        )
        self.outcomes = outcomes
